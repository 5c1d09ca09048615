"""Every line at one level, and nothing of it lost."""

from __future__ import annotations

import numpy as np
import pytest

from parlance.actors.listener.conditioner import MOST, PRELUDE, TARGET, Conditioner


def tone(seconds: float, level: float, frequency: float = 440.0) -> bytes:
    """A sine of `level` dBFS (RMS) at 8 kHz."""
    t = np.arange(int(seconds * 8000)) / 8000
    return np.rint(32768 * 2**0.5 * 10 ** (level / 20) * np.sin(2 * np.pi * frequency * t)).astype("<i2").tobytes()


def level(audio: bytes) -> float:
    samples = np.frombuffer(audio, "<i2").astype(float)
    return float(10 * np.log10(np.mean(samples**2) / 32768**2))


def through(line: Conditioner, audio: bytes, chunk: int = 1600) -> bytes:
    line.begin()
    return b"".join(line.hear(audio[i : i + chunk]) for i in range(0, len(audio), chunk)) + line.end()


@pytest.mark.parametrize("loudness", [-12.0, -20.0, -30.0, -42.0])
def test_a_line_is_brought_to_the_level(loudness: float) -> None:
    assert level(through(Conditioner(), tone(2, loudness))[3200:-3200]) == pytest.approx(TARGET, abs=0.3)


def test_the_gain_is_bounded() -> None:
    line = Conditioner()
    through(line, tone(1, -70))
    assert line.gain == MOST


def test_silence_stays_silence() -> None:
    assert not any(through(Conditioner(), bytes(16_000)))


@pytest.mark.parametrize("samples", [0, 1, 159, PRELUDE // 2 - 1, PRELUDE // 2, PRELUDE // 2 + 1, 9_999])
def test_every_sample_comes_out_twice(samples: int) -> None:
    assert len(through(Conditioner(), tone(2, -20)[: 2 * samples], 320)) == 4 * samples


def test_the_first_utterance_is_held_back_until_its_level_is_known_and_the_next_is_not() -> None:
    line = Conditioner()
    line.begin()
    assert line.hear(tone(0.4, -30)) == b""
    assert line.hear(tone(0.2, -30)) != b""
    line.begin()
    assert line.hear(tone(0.1, -30)) != b""


def test_what_was_learned_of_a_line_is_forgotten_with_it() -> None:
    line = Conditioner()
    through(line, tone(1, -40))
    line.forget()
    assert line.gain is None


def test_learning_takes_the_level_of_the_utterance() -> None:
    line = Conditioner()
    through(line, tone(1, -40))
    through(line, tone(1, -20))
    assert line.gain == pytest.approx(20, abs=0.3)
    line.learn()
    assert line.gain == pytest.approx(0, abs=0.3)
