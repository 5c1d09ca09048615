"""Keys: their sound, and finding them, each once, in audio as lines make it, and in nothing else."""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
import pytest

from parlance.codecs import tone
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE, Format

ROOT = Path(__file__).parents[2]
PAD = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "A": (697, 1633),
    "4": (770, 1209), "5": (770, 1336), "6": (770, 1477), "B": (770, 1633),
    "7": (852, 1209), "8": (852, 1336), "9": (852, 1477), "C": (852, 1633),
    "*": (941, 1209), "0": (941, 1336), "#": (941, 1477), "D": (941, 1633),
}  # fmt: skip
"""ITU-T Q.23."""
ALL = "1234567890*#ABCD"
FORMATS = [
    TELEPHONE,
    Format("alaw", 8000),
    Format("pcm16", 8000),
    Format("pcm16", 16000),
    Format("pcm16", 24000),
    Format("pcm16", 48000),
]
FULL = 32768 / math.sqrt(2)


def pressed(
    digits: str,
    line: Format = TELEPHONE,
    *,
    low: float = -9.0,
    high: float = -7.0,
    on: float = 0.05,
    off: float = 0.05,
    before: float = 0.0,
    drift: float = 0.0,
) -> bytes:
    """Keys as somebody else makes them; levels in dBm0, a full-scale sine being +3.17."""
    time = np.arange(round(on * line.rate)) / line.rate
    parts = [np.zeros(round(before * line.rate))]
    for digit in digits:
        for_row, for_column = (np.sin(2 * np.pi * tone * (1 + drift) * time) for tone in PAD[digit])
        sound = 10 ** ((low - 3.17) / 20) * for_row + 10 ** ((high - 3.17) / 20) * for_column
        parts += [sound, np.zeros(round(off * line.rate))]
    wide = np.clip(np.concatenate([*parts, np.zeros(line.rate // 5)]) * 32768, -32768, 32767).astype("<i2")
    return convert(wide.tobytes(), Format("pcm16", line.rate), line)


def found(audio: bytes, line: Format = TELEPHONE) -> str:
    detector = tone.Detector(line)
    whole = len(audio) - len(audio) % line.frame
    return "".join(detector.feed(audio[at : at + line.frame]) for at in range(0, whole, line.frame))


@pytest.mark.parametrize("line", FORMATS, ids=lambda line: f"{line.encoding}-{line.rate}")
def test_every_key_is_found_once_wherever_in_a_frame_it_begins(line: Format) -> None:
    for before in (0.0, 0.003, 0.009, 0.011, 0.0151, 0.0199):
        assert found(pressed(ALL, line, before=before), line) == ALL


@pytest.mark.parametrize("low", [-25, -18, -9, -3, 0])
@pytest.mark.parametrize("twist", [-6, -3, 0, 3, 6])
def test_levels_and_twist_of_real_lines_are_found(low: int, twist: int) -> None:
    high = low + twist
    above = max(0, high)
    for line in (TELEPHONE, Format("pcm16", 16000)):
        assert found(pressed(ALL, line, low=low - above, high=high - above, before=0.007), line) == ALL


def test_a_key_that_is_pressed_twice_is_found_twice_and_one_that_is_held_once() -> None:
    assert found(pressed("55")) == "55"
    assert found(pressed("5", on=3.0)) == "5"


def test_a_tone_that_breaks_for_a_moment_is_one_key() -> None:
    audio = bytearray(pressed("5", on=0.3))
    audio[800:880] = TELEPHONE.silence * 80
    assert found(bytes(audio)) == "5"


@pytest.mark.parametrize("lost", range(7))
def test_a_frame_that_is_lost_within_a_key_does_not_make_it_two(lost: int) -> None:
    for before in (0.0, 0.003, 0.009, 0.0151, 0.0199):
        audio = bytearray(pressed("5", on=0.1, before=before))
        audio[lost * 160 : lost * 160 + 160] = TELEPHONE.silence * 160
        assert found(bytes(audio)) == "5"


def test_what_is_too_short_too_weak_too_uneven_or_beside_the_tones_is_no_key() -> None:
    assert found(pressed(ALL, on=0.02)) == ""
    assert found(pressed(ALL, low=-40, high=-40)) == ""
    assert found(pressed(ALL, low=-20, high=-5)) == ""
    assert found(pressed(ALL, low=-5, high=-20)) == ""
    assert found(pressed(ALL, drift=0.035)) == found(pressed(ALL, drift=-0.035)) == ""


@pytest.mark.parametrize("drift", [-0.015, 0.015])
def test_tones_that_are_a_little_beside_are_found(drift: float) -> None:
    keys = ALL[:12]
    assert found(pressed(keys, drift=drift * 0.7)) == keys


def test_keys_are_found_in_a_noise_15_db_below_them() -> None:
    audio = np.frombuffer(pressed(ALL, Format("pcm16", 8000), low=-15, high=-15), "<i2")
    power = 2 * (FULL * 10 ** ((-15 - 3.17) / 20)) ** 2
    noise = np.random.default_rng(4).normal(0, math.sqrt(power / 10**1.5), len(audio))
    assert found((audio + noise).astype("<i2").tobytes(), Format("pcm16", 8000)) == ALL


@pytest.mark.parametrize(
    "path",
    [ROOT / "samples/patient.wav", *sorted((ROOT / "tests/recordings").glob("*.wav"))],
    ids=lambda path: path.stem,
)
def test_speech_is_no_key(path: Path) -> None:
    with wave.open(str(path)) as file:
        line, audio = Format("pcm16", file.getframerate()), file.readframes(file.getnframes())
        assert file.getnchannels() == 1
    for gain in (0.25, 1.0, 4.0):
        louder = np.clip(np.frombuffer(audio, "<i2") * gain, -32768, 32767).astype("<i2").tobytes()
        assert found(louder, line) == ""


@pytest.mark.parametrize("level", [300, 3000, 12000])
def test_noise_is_no_key(level: int) -> None:
    noise = np.clip(np.random.default_rng(level).normal(0, level, 8000 * 60), -32768, 32767).astype("<i2")
    assert found(noise.tobytes(), Format("pcm16", 8000)) == ""


def test_a_single_tone_is_no_key() -> None:
    assert found(pressed(ALL, low=-200)) == found(pressed(ALL, high=-200)) == ""


@pytest.mark.parametrize("line", FORMATS, ids=lambda line: f"{line.encoding}-{line.rate}")
def test_our_own_keys_have_their_length_their_level_and_their_tones(line: Format) -> None:
    audio = tone.keys("1D", line)
    assert len(audio) == 4 * line.second // 10
    samples = np.frombuffer(convert(audio, line, Format("pcm16", line.rate)), "<i2").astype(float)
    for at, digit in ((0.0, "1"), (0.2, "D")):
        part = samples[round(at * line.rate) :][: round(0.1 * line.rate)]
        time = np.arange(len(part)) / line.rate
        for hertz, level in zip(PAD[digit], (-9, -7), strict=True):
            amplitude = 2 * abs(np.mean(part * np.exp(-2j * np.pi * hertz * time)))
            assert 20 * math.log10(amplitude / 32768) + 3.17 == pytest.approx(level, abs=0.7)
        pause = samples[round((at + 0.1) * line.rate) :][: round(0.1 * line.rate)]
        assert abs(pause).max() <= 8, "A-law has no zero"
    assert found(audio, line) == "1D"


def test_our_own_keys_may_have_any_length_and_there_may_be_none() -> None:
    assert len(tone.keys("5", TELEPHONE, on=0.05, off=0.03)) == 640
    assert tone.keys("", TELEPHONE) == b""
    with pytest.raises(ValueError, match="substring"):
        tone.keys("x", TELEPHONE)
