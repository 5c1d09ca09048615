from __future__ import annotations

import io
import itertools
import sys

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.codecs import mp3
from parlance.codecs.errors import MissingCodec

DELAY = 1105


def tone(rate, seconds=0.6):
    return np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype("<i2")


def play(data):
    with av.open(io.BytesIO(data), format="mp3") as file:
        parts = [frame.to_ndarray() for frame in file.decode(audio=0)]
        return np.concatenate(parts, axis=1)[0].astype(float) * 32768, file.streams.audio[0]


@pytest.mark.parametrize("rate", mp3.RATES)
def test_a_player_hears_the_tone_after_lames_delay(rate):
    sent = tone(rate)
    got, stream = play(mp3.encode(sent.tobytes(), rate))
    assert stream.rate == rate
    assert stream.channels == 1
    assert len(got) >= len(sent) + DELAY
    heard = got[DELAY : DELAY + len(sent)]
    error = (heard - sent)[2304:-2304]
    assert 10 * np.log10(np.mean(sent[2304:-2304].astype(float) ** 2) / np.mean(error**2)) > 20


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(0, 9001), cuts=st.lists(st.integers(0, 9001), max_size=8))
@settings(max_examples=25, deadline=None)
def test_any_chunking_gives_the_same_bytes(seed, size, cuts):
    data = np.random.default_rng(seed).bytes(size)
    stream = mp3.Encoder(16000)
    edges = [0, *sorted(min(cut, size) for cut in cuts), size]
    pieces = [stream.feed(data[start:end]) for start, end in itertools.pairwise(edges)]
    assert b"".join(pieces) + stream.flush() == mp3.encode(data, 16000)


def test_frames_are_whole_in_every_piece_so_that_a_player_may_take_each_as_it_comes():
    stream, data = mp3.Encoder(24000), tone(24000).tobytes()
    pieces = [stream.feed(data[at : at + 960]) for at in range(0, len(data), 960)]
    for piece in [*filter(None, pieces), stream.flush()]:
        assert piece[0] == 0xFF
        assert piece[1] & 0xE0 == 0xE0
        assert len(piece) % 192 == 0  # 576 samples at 64 kbit/s
    late, _ = play(b"".join(pieces)[5 * 192 :])
    assert np.abs(late).max() > 6000


def test_no_frame_needs_an_earlier_one():
    rng, rate = np.random.default_rng(4), 24000
    samples = np.concatenate([np.zeros(rate // 2), rng.normal(0, 9000, rate // 2)]).astype("<i2")
    data = mp3.encode(samples.tobytes(), rate)
    # MPEG-2's side information, after four bytes of header, begins with how far back in the reservoir the frame begins.
    assert {data[at + 4] for at in range(0, len(data), 192)} == {0}


def test_nothing_in_is_nothing_out():
    assert mp3.encode(b"", 16000) == b""
    assert mp3.encode(b"\0", 16000) == b""


def test_a_flush_begins_a_new_mp3():
    stream, data = mp3.Encoder(16000), tone(16000).tobytes()
    first = stream.feed(data) + stream.flush()
    assert stream.feed(data) + stream.flush() == first
    assert stream.flush() == b""


def test_a_rate_that_mp3_does_not_have_is_refused():
    with pytest.raises(ValueError, match="MP3 has no 12345 Hz"):
        mp3.Encoder(12345)


def test_without_pyav_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingCodec, match=r"MP3 needs PyAV: pip install '.\[formats\]'"):
        mp3.Encoder(16000)
