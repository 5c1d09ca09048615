from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.codecs import alaw, mulaw
from parlance.codecs.convert import Converter, convert
from parlance.codecs.format import TELEPHONE, Format
from parlance.codecs.resample import RATES, resample

ENCODINGS = ("mulaw", "alaw", "pcm16")
formats = st.builds(Format, st.sampled_from(ENCODINGS), st.sampled_from(RATES))


@given(source=formats, target=formats, data=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=8))
@settings(max_examples=150, deadline=None)
def test_any_bytes_convert_and_any_chunking_gives_the_same(source, target, data, cuts):
    stream = Converter(source, target)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [stream.feed(data[start:end]) for start, end in itertools.pairwise(edges)]
    whole = convert(data, source, target)
    assert b"".join(pieces) + stream.flush() == whole
    if source != target:
        samples = len(data) // source.width
        assert len(whole) // target.width == math.ceil(samples * target.rate / source.rate)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_equal_formats_pass_through_untouched(encoding):
    stream = Converter(Format(encoding, 8000), Format(encoding, 8000))
    data = b"odd"
    assert stream.feed(data) is data
    assert stream.flush() == b""
    assert stream.latency == 0


@pytest.mark.parametrize("target", [TELEPHONE, Format("alaw", 8000), Format("mulaw", 16000)])
def test_byte_by_byte_is_the_same_as_at_once(target):
    data, source = np.random.default_rng(6).bytes(401), Format("pcm16", 8000)
    stream = Converter(source, target)
    pieces = [stream.feed(data[at : at + 1]) for at in range(len(data))]
    assert b"".join(pieces) + stream.flush() == convert(data, source, target)


def test_steps_are_decode_resample_encode():
    data = np.random.default_rng(2).bytes(1600)
    pcm = Format("pcm16", 16000)
    assert convert(data, TELEPHONE, pcm) == resample(mulaw.decode(data), 8000, 16000)
    assert convert(data, pcm, Format("alaw", 8000)) == alaw.encode(resample(data, 16000, 8000))
    assert convert(data, TELEPHONE, Format("alaw", 24000)) == alaw.encode(resample(mulaw.decode(data), 8000, 24000))
    assert convert(data, TELEPHONE, Format("mulaw", 16000)) == mulaw.encode(resample(mulaw.decode(data), 8000, 16000))


@pytest.mark.parametrize(("source", "target"), [("mulaw", "alaw"), ("alaw", "mulaw")])
def test_companded_to_companded_goes_by_way_of_pcm16(source, target):
    codes, pcm = bytes(range(256)), Format("pcm16", 8000)
    direct = convert(codes, Format(source, 8000), Format(target, 8000))
    assert direct == convert(convert(codes, Format(source, 8000), pcm), pcm, Format(target, 8000))


def test_same_rate_needs_no_known_rate():
    odd = 11025
    assert convert(b"\xff", Format("mulaw", odd), Format("pcm16", odd)) == b"\0\0"
    with pytest.raises(ValueError, match="cannot resample"):
        Converter(Format("mulaw", odd), TELEPHONE)


def test_half_a_sample_is_lost_at_a_flush_and_does_not_shift_what_follows():
    stream = Converter(Format("pcm16", 8000), TELEPHONE)
    assert stream.feed(b"\0\0\x55") == b"\xff"
    assert stream.flush() == b""
    assert stream.feed(b"\0\0") == b"\xff"


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_silence_stays_silent(encoding, rate):
    silence = Format(encoding, rate).silence * rate
    for other in (TELEPHONE, Format("pcm16", 16000), Format("pcm16", 48000)):
        if encoding == "alaw":
            continue
        assert set(convert(silence, Format(encoding, rate), other)) == set(other.silence)


def test_latency_is_the_resamplers():
    assert 0 < Converter(TELEPHONE, Format("pcm16", 16000)).latency < 0.01
