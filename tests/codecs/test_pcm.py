from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parlance.codecs import pcm


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=12), size=st.integers(1, 40))
@settings(deadline=None)
def test_frames_do_not_depend_on_where_the_stream_was_cut(data, cuts, size):
    framer = pcm.Framer(size)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    frames = []
    for start, end in itertools.pairwise(edges):
        frames += framer.feed(data[start:end])
        assert len(framer.rest) < size
    assert all(len(frame) == size for frame in frames)
    rest = framer.flush()
    assert b"".join(frames) + rest == data
    assert len(rest) == len(data) % size
    assert framer.flush() == b""


def test_a_frame_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one byte"):
        pcm.Framer(0)


def words(*samples):
    return struct.pack(f"<{len(samples)}h", *samples)


def test_mono_is_the_mean_and_never_overflows():
    assert pcm.mono(words(100, 200, -32768, -32768, 32767, 32767, 5, 6)) == words(150, -32768, 32767, 6)
    assert pcm.mono(words(3, 6, 9), channels=3) == words(6)
    assert pcm.mono(words(1, 2), channels=1) == words(1, 2)


def test_mono_of_half_a_pair_is_refused():
    with pytest.raises(ValueError, match="reshape"):
        pcm.mono(words(1, 2, 3))


def test_stereo_fills_the_shorter_side_with_silence():
    assert pcm.stereo(words(1, 2, 3), words(9)) == words(1, 9, 2, 0, 3, 0)
    assert pcm.stereo(b"", b"") == b""


@given(st.lists(st.integers(-32768, 32767)))
@settings(deadline=None)
def test_mono_of_a_doubled_track_is_the_track(track):
    data = words(*track)
    assert pcm.mono(pcm.stereo(data, data)) == data


def test_levels_are_relative_to_a_full_scale_square():
    sine = np.rint(32767 * np.sin(2 * np.pi * np.arange(160) / 16)).astype("<i2").tobytes()
    assert pcm.level(words(*[-32768] * 160)) == 0.0
    assert pcm.level(sine) == pytest.approx(-3.01, abs=0.01)
    assert pcm.level(words(*[3277, -3277] * 80)) == pytest.approx(-20.0, abs=0.01)


def test_silence_and_nothing_have_the_floor_as_level():
    assert pcm.level(bytes(320)) == pcm.level(b"") == pcm.FLOOR
    assert pcm.level(words(*[1] + [0] * 159)) == pcm.FLOOR


@given(st.lists(st.integers(-32768, 32767), min_size=1))
@settings(deadline=None)
def test_level_lies_between_floor_and_peak(track):
    level, peak = pcm.level(words(*track)), pcm.peak(words(*track))
    assert peak == max(abs(sample) for sample in track)
    assert pcm.FLOOR <= level <= max(pcm.FLOOR, 20 * np.log10(max(peak, 1e-9) / 32768) + 1e-9)


def test_peak_of_nothing_is_zero():
    assert pcm.peak(b"") == 0


@pytest.mark.parametrize(
    ("depth", "data", "expected"),
    [
        ("u8", bytes([0, 128, 255]), (-32768, 0, 32512)),
        ("s16", words(1, -2), (1, -2)),
        ("s24", b"\x7f\x00\x00\x80\x00\x00\xff\xff\x7f\x00\x00\x80\x80\xff\xff", (0, 1, 32767, -32768, 0)),
        ("s32", struct.pack("<5i", 0x7FFF, 0x8000, 2**31 - 1, -(2**31), -0x8001), (0, 1, 32767, -32768, -1)),
        (
            "f32",
            struct.pack("<7f", 0.5, -1, 1, 1e30, float("-inf"), float("nan"), 1 / 32768),
            (16384, -32768, 32767, 32767, -32768, 0, 1),
        ),
        ("f64", struct.pack("<3d", -0.25, 2.0, float("inf")), (-8192, 32767, 32767)),
    ],
)
def test_depths_become_sixteen_bits(depth, data, expected):
    assert struct.unpack(f"<{len(expected)}h", pcm.to_pcm16(data, depth)) == expected


@pytest.mark.parametrize(("depth", "width"), [("s16", 2), ("s24", 3), ("s32", 4), ("f32", 4), ("f64", 8)])
def test_part_of_a_sample_is_refused(depth, width):
    with pytest.raises(ValueError, match=r"multiple of element size|reshape"):
        pcm.to_pcm16(bytes(width + 1), depth)


@example(data=b"\x00\x00\x81\x7f", depth="f32")  # a signaling NaN
@example(data=b"\x01\0\0\0\0\0\xf4\x7f", depth="f64")
@given(data=st.binary(max_size=96), depth=st.sampled_from(["f32", "f64", "s32", "s24", "u8"]))
@settings(deadline=None)
def test_any_bits_become_samples_without_a_warning(data, depth):
    width = {"f32": 4, "f64": 8, "s32": 4, "s24": 3, "u8": 1}[depth]
    data = data[: len(data) - len(data) % width]
    assert len(pcm.to_pcm16(data, depth)) == len(data) // width * 2
