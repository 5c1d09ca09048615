"""The gate on recorded speech, on noise and on everything that sounds like neither, measured on frames.

The ground truth for an onset knows nothing of the gate: it is the first 20 ms of the clean recording that are louder
than -45 dBFS and stand 10 dB out of the noise which is mixed in afterwards.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from parlance.actors.media.gate import FRAME, HANGOVER, Gate, Verdict
from parlance.codecs import alaw, mulaw, wav
from parlance.codecs.format import TELEPHONE, Format
from parlance.codecs.resample import resample

Samples = NDArray[np.float64]

RATE = 8000
LINES = {
    "mulaw 8": TELEPHONE,
    "alaw 8": Format("alaw", 8000),
    "pcm16 8": Format("pcm16", 8000),
    "pcm16 16": Format("pcm16", 16000),
    "pcm16 24": Format("pcm16", 24000),
}
RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.wav"))


@functools.cache
def recording(path: Path) -> Samples:
    sound = wav.read(path)
    assert sound.rate == RATE
    return np.frombuffer(sound.samples, "<i2").astype(np.float64)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE))


def noise(seconds: float, level: float, *, pink: bool = False, seed: int = 1) -> Samples:
    """Steady noise of `level` dBFS (RMS); pink between 100 Hz and 4 kHz."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    if pink:
        spectrum = np.fft.rfft(samples)
        spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE), 100))
        samples = np.fft.irfft(spectrum, len(samples))
    return samples / np.sqrt(np.mean(samples**2)) * 32768 * 10 ** (level / 20)


def tones(seconds: float, level: float, *hertz: float) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    wave = np.sum([np.sin(2 * np.pi * f * t) for f in hertz], axis=0) * np.sqrt(2 / len(hertz))
    return wave * 32768 * 10 ** (level / 20)


def levels(samples: Samples) -> Samples:
    """dBFS of each 20 ms."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    return 10 * np.log10(np.mean(frames**2, axis=1) / 32768**2 + 1e-12)


def at_level(samples: Samples, level: float) -> Samples:
    """`samples` amplified so that their active part (within 25 dB of the loudest frame) has `level` dBFS."""
    loud = levels(samples)
    active = 10 * np.log10(np.mean(10 ** (loud[loud > loud.max() - 25] / 10)))
    return np.clip(samples * 10 ** ((level - active) / 20), -32768, 32767)


def trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(levels(samples) > -45)
    return samples[loud[0] * 160 : loud[-1] * 160 + 160]


def onset(clean: Samples, floor: float = -100.0) -> float:
    """When the first frame begins that is there to be heard."""
    return first_above(clean, max(-45.0, floor + 10))


def first_above(clean: Samples, level: float) -> float:
    return float(np.flatnonzero(levels(clean) > level)[0]) * FRAME


def frames(samples: Samples, line: Format) -> Iterator[bytes]:
    pcm16 = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    if line.rate != RATE:
        pcm16 = resample(pcm16, RATE, line.rate)
    audio = {"mulaw": mulaw.encode, "alaw": alaw.encode, "pcm16": bytes}[line.encoding](pcm16)
    for at in range(0, len(audio) - line.frame + 1, line.frame):
        yield audio[at : at + line.frame]


def judge(samples: Samples, line: Format = TELEPHONE, gate: Gate | None = None) -> list[tuple[Verdict, float, float]]:
    """Every verdict: what, when it came, and the time it speaks of."""
    gate = gate or Gate(line)
    verdicts = []
    for number, frame in enumerate(frames(samples, line), 1):
        verdict = gate.judge(frame, number * FRAME)
        if verdict is not None:
            verdicts.append((verdict, number * FRAME, gate.began if verdict is Verdict.BEGAN else gate.ended))
    return verdicts


def began(verdicts: list[tuple[Verdict, float, float]]) -> list[float]:
    return [at for verdict, at, _ in verdicts if verdict is Verdict.BEGAN]


# ------------------------------------------------------------------------------------------ onset latency


def latencies(path: Path, level: float, floor: float, pink: bool, line: Format, lead: float = 1.0) -> float:
    clean = np.concatenate([silence(lead), at_level(recording(path), level)])
    mixed = clean + noise(len(clean) / RATE, floor, pink=pink)
    true, first = onset(clean, floor), began(judge(mixed, line))
    assert first, "speech was not heard at all"
    assert first[0] > first_above(clean, max(-60.0, floor)), "the gate opened before anybody spoke"
    return first[0] - true


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_the_onset_of_recorded_speech_is_proved_in_80_ms_median_and_120_ms_at_worst(line: Format) -> None:
    found = [
        latencies(path, level, floor, pink, line)
        for path in RECORDINGS
        for level in (-10, -20, -30, -35)
        for floor, pink in ((-100, False), (-65, False), (-55, True), (-45, True), (-45, False))
    ]
    assert len(found) == 160
    assert statistics.median(found) <= 0.080 + 1e-9
    assert max(found) <= 0.120 + 1e-9


@pytest.mark.parametrize("shift", [0, 35, 80, 125])
def test_the_onset_is_found_in_time_wherever_it_falls_in_a_frame(shift: int) -> None:
    found = [latencies(path, -20, -60, False, TELEPHONE, lead=1 + shift / RATE) for path in RECORDINGS]
    assert statistics.median(found) <= 0.080 + 1e-9
    assert max(found) <= 0.120 + 1e-9


def test_speech_in_the_very_first_frame_of_the_call_is_heard_at_once() -> None:
    for path in RECORDINGS:
        speech = at_level(trimmed(recording(path)), -25)
        assert began(judge(speech))[0] <= onset(speech) + 0.120 + 1e-9


def test_began_is_the_start_of_the_first_voiced_frame() -> None:
    for path in RECORDINGS:
        speech = np.concatenate([silence(1), recording(path)])
        (_, at, voiced), *_ = judge(speech)
        assert abs(voiced - onset(speech)) <= 3 * FRAME + 1e-9
        assert 2 * FRAME < at - voiced <= 5 * FRAME + 1e-9


# ---------------------------------------------------------------------------------------- false onsets


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_silence_and_a_noisy_line_open_nothing(line: Format) -> None:
    assert judge(silence(5), line) == []
    for pink in (False, True):
        assert judge(noise(5, -50, pink=pink), line) == []
        assert judge(noise(5, -45, pink=pink), line) == [], "a call must not begin with a false onset"


@pytest.mark.parametrize("pink", [False, True], ids=["white", "pink"])
@pytest.mark.parametrize("before", [0.0, 2.0])
def test_steady_noise_does_not_open_the_gate_for_good(pink: bool, before: float) -> None:
    gate = Gate(TELEPHONE)
    verdicts = judge(np.concatenate([silence(before), noise(10, -40, pink=pink)]), gate=gate)
    assert not gate.open
    assert len(began(verdicts)) <= 1
    assert all(at <= before + 1 for _, at, _ in verdicts)


@pytest.mark.parametrize("pink", [False, True], ids=["white", "pink"])
def test_noise_as_loud_as_a_voice_closes_the_gate_within_ten_seconds(pink: bool) -> None:
    gate = Gate(TELEPHONE)
    verdicts = judge(np.concatenate([silence(2), noise(30, -25, pink=pink)]), gate=gate)
    assert not gate.open
    assert all(at <= 12 for _, at, _ in verdicts)


def test_single_clicks_open_nothing() -> None:
    line = noise(6, -60)
    for number in range(1, 11):
        line[number * 4000 + number * 13 :][:8] = 25000 * (-1) ** number
    assert judge(line) == []


@pytest.mark.parametrize("offset", [0, 40, 80, 120])
@pytest.mark.parametrize("height", [2000, 15000])
def test_pops_of_40_ms_open_nothing_wherever_they_fall_in_a_frame(offset: int, height: int) -> None:
    random = np.random.default_rng(offset)
    line = noise(6, -60)
    for number in range(1, 11):
        line[number * 4000 + offset :][:320] += random.normal(0, height, 320)
    assert judge(line) == []


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_pressed_keys_open_nothing(line: Format) -> None:
    low, high = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)
    for first in low:
        for second in high:
            for floor in (-70, -50):
                short, long = (tones(seconds, -16, first, second) for seconds in (0.07, 0.3))
                pressed = np.concatenate([silence(0.5), short, silence(0.093), long, silence(0.5)])
                assert judge(pressed + noise(len(pressed) / RATE, floor), line) == [], f"{first} and {second} Hz"


def test_a_caller_who_speaks_after_pressing_a_key_is_heard_in_time() -> None:
    for path in RECORDINGS:
        speech = recording(path)
        line = np.concatenate([silence(0.5), tones(0.2, -13, 770.0, 1336.0), speech])
        assert began(judge(line))[0] <= 0.7 + onset(speech) + 0.120 + 1e-9


def test_two_tones_that_are_no_key_are_judged_like_any_sound() -> None:
    assert began(judge(np.concatenate([silence(0.5), tones(0.3, -13, 500.0, 900.0)])))


def test_a_loud_room_and_then_a_quieter_one_in_which_somebody_speaks() -> None:
    speech = at_level(recording(RECORDINGS[0]), -25)
    rooms = np.concatenate([noise(8, -38, pink=True), noise(3, -55, pink=True, seed=2)])
    line = np.concatenate([rooms, speech + noise(len(speech) / RATE, -55, pink=True, seed=3)])
    verdicts = judge(line)
    onsets = began(verdicts)
    assert [at for at in onsets if 1 < at < 11] == [], "neither room is a voice"
    assert 11 < onsets[-1] <= 11 + onset(speech) + 0.120 + 1e-9


def test_speech_right_after_a_loud_noise_is_heard() -> None:
    for path in RECORDINGS:
        speech = at_level(trimmed(recording(path)), -20)
        line = np.concatenate([silence(1), noise(10, -35), silence(0.3), speech])
        assert any(11.3 < at <= 11.3 + 0.120 + onset(speech) + 1e-9 for at in began(judge(line)))


# -------------------------------------------------------------------------------------------- hangover


def vowel(seconds: float) -> Samples:
    """A voice without any pause of its own: the middle of a recorded vowel, again and again."""
    samples = recording(next(path for path in RECORDINGS if path.stem == "yes"))
    loudest = int(np.argmax(levels(samples))) * 160
    piece = samples[loudest - 320 : loudest + 320]
    fade = np.hanning(len(piece))
    out = silence(seconds + 0.2)
    for at in range(0, len(out) - len(piece), len(piece) // 2):
        out[at : at + len(piece)] += piece * fade
    return out[320 : 320 + round(seconds * RATE)]


@pytest.mark.parametrize("pause", [0.04, 0.1, 0.16, 0.18])
def test_a_pause_of_less_than_200_ms_does_not_end_speech(pause: float) -> None:
    line = np.concatenate([silence(0.5), vowel(0.6), silence(pause), vowel(0.6), silence(1)])
    assert [verdict for verdict, _, _ in judge(line)] == [Verdict.BEGAN, Verdict.ENDED]


def test_a_pause_of_a_gap_between_turns_ends_speech() -> None:
    line = np.concatenate([silence(0.5), vowel(0.6), silence(0.4), vowel(0.6), silence(1)])
    assert [verdict for verdict, _, _ in judge(line)] == [Verdict.BEGAN, Verdict.ENDED] * 2


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_ended_is_the_end_of_the_last_voiced_frame(line: Format) -> None:
    (_, _, _), (verdict, at, ended) = judge(np.concatenate([silence(0.5), vowel(0.6), silence(1)]), line)
    assert verdict is Verdict.ENDED
    assert ended == pytest.approx(1.1, abs=FRAME + 1e-9)
    assert at == pytest.approx(ended + HANGOVER * FRAME)


def test_thirty_seconds_of_speech_are_one_speech_and_raise_no_floor() -> None:
    words = [part for path in RECORDINGS for part in (at_level(trimmed(recording(path)), -20), silence(0.08))]
    talk = np.concatenate(words * 3)[: 30 * RATE]
    gate = Gate(TELEPHONE)
    assert len(talk) == 30 * RATE
    assert [verdict for verdict, _, _ in judge(talk + noise(30, -58), gate=gate)] == [Verdict.BEGAN]
    assert gate.open
    # The floor is where it was: a quiet caller is heard as soon as the loud one is done.
    quiet = np.concatenate([silence(0.5), at_level(recording(RECORDINGS[0]), -33)])
    assert began(judge(quiet + noise(len(quiet) / RATE, -58, seed=2), gate=gate))


def test_closing_the_gate_ends_a_speech_once() -> None:
    gate = Gate(TELEPHONE)
    assert gate.close() is None
    judge(vowel(0.5), gate=gate)
    assert gate.open
    assert gate.close() is Verdict.ENDED
    assert gate.close() is None
    assert not gate.open


# -------------------------------------------------------------------------------------- second opinion


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_second_opinion_is_asked_about_candidates_only_and_in_16_bit_samples(line: Format) -> None:
    asked: list[tuple[int, int]] = []

    def second(pcm16: bytes, rate: int) -> bool:
        asked.append((len(pcm16), rate))
        return True

    judge(np.concatenate([silence(1), vowel(1), silence(1)]), line, Gate(line, second=second))
    rate = 8000 if line.rate == 24000 else line.rate
    assert asked == [(rate // 10 * 2, rate)], "100 ms, once"


def test_a_second_opinion_that_says_no_keeps_the_gate_shut() -> None:
    gate = Gate(TELEPHONE, second=lambda pcm16, rate: False)
    assert judge(np.concatenate([silence(1), vowel(0.6), silence(1)]), gate=gate) == []
    assert 1 <= gate.overruled <= 10, "each refusal wants new evidence"
