from __future__ import annotations

import struct
import wave
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.terminal.tracks import HEADER, Tracks, header

RATE = 100
WINDOW = 2.0
REACH = round(RATE * WINDOW)


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (2, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").reshape(-1, 2)


def pcm(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


def test_caller_is_left_and_agent_is_right_each_sample_at_its_place(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", 8000)
    tracks.agent(3, pcm(7, 8))
    tracks.caller(0, pcm(1, 2))
    tracks.stage()
    tracks.close()
    assert samples(tmp_path / "call.wav").tolist() == [[1, 0], [2, 0], [0, 0], [0, 7], [0, 8]]


@st.composite
def writings(draw: st.DrawFn) -> list[tuple[bool, int, list[int]]]:
    """Pieces of either side, in any order, none of them older than the window; some are longer than it."""
    pieces, newest = [], 0
    for _ in range(draw(st.integers(0, 25))):
        length = draw(st.integers(0, 60) | st.integers(0, 3 * REACH))
        begin = draw(st.integers(max(newest - REACH, 0), newest + 40) | st.integers(newest, newest + 5 * REACH))
        tag = draw(st.integers(-32768, 32000))
        pieces.append((draw(st.booleans()), begin, [min(tag + n, 32767) for n in range(length)]))
        newest = max(newest, begin + length)
    return pieces


@given(writings(), st.sets(st.integers(0, 25)), st.sets(st.integers(0, 25)))
def test_any_order_of_writes_within_the_window_gives_the_direct_rendering(
    pieces: list[tuple[bool, int, list[int]]], stage: set[int], store: set[int]
) -> None:
    length = max((begin + len(values) for _, begin, values in pieces if values), default=0)
    direct = np.zeros((length, 2), dtype="<i2")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "call.wav"
        tracks = Tracks(path, RATE, window=WINDOW)
        for n, (left, begin, values) in enumerate(pieces):
            (tracks.caller if left else tracks.agent)(begin, pcm(*values))
            direct[begin : begin + len(values), 0 if left else 1] = values
            if n in stage:
                tracks.stage()
            if n in store:
                tracks.store()
        tracks.stage()
        tracks.close()
        assert (tracks.late, tracks.lost) == (0, 0)
        assert np.array_equal(samples(path), direct)


def test_audio_that_comes_too_late_is_left_out_and_counted(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", RATE, window=WINDOW)
    tracks.caller(0, pcm(*[1] * 1000))
    tracks.agent(0, pcm(5, 5, 5))
    tracks.agent(-2, pcm(6, 6))
    tracks.stage()
    tracks.close()
    assert tracks.late == 5
    assert not samples(tmp_path / "call.wav")[:, 1].any()


def test_a_file_that_is_never_closed_is_right_as_far_as_it_was_stored(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", RATE)
    tracks.caller(0, pcm(*range(1, 51)))
    tracks.stage()
    tracks.store()
    tracks.caller(50, pcm(99))
    assert samples(tmp_path / "call.wav")[:, 0].tolist() == list(range(1, 51))
    tracks.close()


def test_a_silent_hour_takes_neither_memory_nor_the_place_of_what_follows(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", RATE)
    hour = RATE * 3600
    tracks.caller(hour, pcm(3))
    assert len(tracks._staged) == 0
    tracks.stage()
    tracks.close()
    sound = samples(tmp_path / "call.wav")
    assert len(sound) == hour + 1
    assert sound[-1].tolist() == [3, 0]
    assert not sound[:-1].any()


def test_memory_is_bounded_when_nothing_is_stored(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", RATE)
    second = pcm(*[1] * RATE)
    for n in range(600):
        tracks.agent(n * RATE, second)
    held = sum(len(data) for _, data in tracks._staged)
    assert held <= 70 * RATE * 4
    assert tracks.lost > 0
    tracks.close()


def test_what_is_placed_after_the_end_is_ignored(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", RATE)
    tracks.caller(0, pcm(1))
    tracks.stage()
    tracks.close()
    tracks.caller(1, pcm(2))
    tracks.stage()
    tracks.close()
    assert samples(tmp_path / "call.wav").tolist() == [[1, 0]]


def test_half_a_sample_is_refused(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "call.wav", RATE)
    with pytest.raises(ValueError, match="multiple"):
        tracks.caller(0, b"\x00\x00\x00")
    tracks.close()


def test_the_header_of_more_than_the_format_can_say_stays_within_it() -> None:
    head = header(48000, 2**40)
    assert len(head) == HEADER
    riff, data = struct.unpack("<4xI32xI", head)
    assert riff == data + HEADER - 8 <= 0xFFFFFFFF
    assert data % 4 == 0
