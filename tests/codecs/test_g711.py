"""G.711 against the ITU's own algorithm (G.191), written out again in plain Python, over every code and sample."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.codecs import alaw, mulaw


def itu_mulaw_encode(sample: int) -> int:
    absolute = ((~sample if sample < 0 else sample) >> 2) + 33
    absolute = min(absolute, 0x1FFF)
    segment, i = 1, absolute >> 6
    while i:
        segment += 1
        i >>= 1
    code = (8 - segment) << 4 | (15 - (absolute >> segment & 15))
    return code | 0x80 if sample >= 0 else code


def itu_mulaw_decode(code: int) -> int:
    sign = -1 if code < 0x80 else 1
    mantissa = ~code
    exponent = mantissa >> 4 & 7
    mantissa &= 15
    step = 4 << (exponent + 1)
    return sign * ((0x80 << exponent) + step * mantissa + step // 2 - 4 * 33)


def itu_alaw_encode(sample: int) -> int:
    code = (~sample if sample < 0 else sample) >> 4
    if code > 15:
        exponent = 1
        while code > 31:
            code >>= 1
            exponent += 1
        code += (exponent << 4) - 16
    if sample >= 0:
        code |= 0x80
    return code ^ 0x55


def itu_alaw_decode(code: int) -> int:
    bits = (code ^ 0x55) & 0x7F
    exponent, mantissa = bits >> 4, bits & 15
    if exponent:
        mantissa += 16
    mantissa = (mantissa << 4) + 8
    if exponent > 1:
        mantissa <<= exponent - 1
    return mantissa if code > 127 else -mantissa


EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = struct.pack("<65536h", *range(-32768, 32768))
LAWS = pytest.mark.parametrize("law", [mulaw, alaw], ids=["mulaw", "alaw"])


def samples(pcm16: bytes) -> list[int]:
    return np.frombuffer(pcm16, "<i2").tolist()


@pytest.mark.parametrize(("law", "reference"), [(mulaw, itu_mulaw_decode), (alaw, itu_alaw_decode)])
def test_every_code_decodes_as_the_itu_says(law, reference):
    assert samples(law.decode(EVERY_CODE)) == [reference(code) for code in range(256)]


@pytest.mark.parametrize(("law", "reference"), [(mulaw, itu_mulaw_encode), (alaw, itu_alaw_encode)])
def test_every_sample_encodes_as_the_itu_says(law, reference):
    assert law.encode(EVERY_SAMPLE) == bytes(reference(sample) for sample in range(-32768, 32768))


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        (mulaw, 0xFF, 0),
        (mulaw, 0x7F, 0),
        (mulaw, 0x80, 32124),
        (mulaw, 0x00, -32124),
        (mulaw, 0xFE, 8),
        (mulaw, 0xF0, 120),
        (mulaw, 0xEF, 132),
        (alaw, 0xD5, 8),
        (alaw, 0x55, -8),
        (alaw, 0xAA, 32256),
        (alaw, 0x2A, -32256),
        (alaw, 0xC5, 264),
    ],
)
def test_known_values(law, code, sample):
    assert samples(law.decode(bytes([code]))) == [sample]


@pytest.mark.parametrize(
    ("law", "milliwatt"),
    [
        (mulaw, "1e0b0b1e9e8b8b9e"),  # G.711 table 6: 1 kHz at 0 dBm0
        (alaw, "34212134b4a1a1b4"),  # G.711 table 5
    ],
)
def test_the_digital_milliwatt_of_the_recommendation_is_a_1_khz_sine(law, milliwatt):
    wave = np.array(samples(law.decode(bytes.fromhex(milliwatt) * 100)), float)
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    assert spectrum.argmax() == 100  # 1 kHz in 800 samples at 8 kHz
    assert spectrum[100] / spectrum.sum() > 0.998
    # 0 dBm0 is 3.17 dB under the overload point of µ-law and 3.14 dB under that of A-law.
    overload = 32636 if law is mulaw else 32768
    assert 20 * np.log10(overload / (np.sqrt(np.mean(wave**2)) * 2**0.5)) == pytest.approx(3.15, abs=0.06)


@LAWS
def test_a_code_comes_back_from_its_sample(law):
    again = law.encode(law.decode(EVERY_CODE))
    expected = bytearray(EVERY_CODE)
    if law is mulaw:
        expected[0x7F] = 0xFF  # negative zero is zero
    assert again == bytes(expected)


@LAWS
def test_error_is_at_most_half_a_step_of_the_segment(law):
    before = np.arange(-32768, 32768)
    after = np.array(samples(law.decode(law.encode(EVERY_SAMPLE))))
    magnitude = np.abs(before)
    if law is mulaw:
        step = 8 << np.clip(np.floor(np.log2(magnitude + 132)).astype(int) - 7, 0, 7)
        clipped = magnitude > 32635
    else:
        step = 16 << np.clip(np.floor(np.log2(np.maximum(magnitude, 1))).astype(int) - 8, 0, 6)
        clipped = magnitude > 32767
    # A PCM16 sample is worth up to one dropped-bit remainder more than the code's decision value.
    assert (np.abs(after - before)[~clipped] <= step[~clipped] / 2 + 1).all()
    assert np.abs(after - before)[clipped].max(initial=0) <= 644


@LAWS
@given(level=st.floats(-33, -3.2), phase=st.floats(0, 6.28))
@settings(deadline=None)
def test_signal_to_noise_of_a_sine_meets_g712(law, level, phase):
    wave = 32767 * 10 ** (level / 20) * np.sin(2 * np.pi * 1020 * np.arange(1600) / 8000 + phase)
    sent = np.rint(wave).astype("<i2")
    noise = np.frombuffer(law.decode(law.encode(sent.tobytes())), "<i2").astype(float) - sent
    # G.712 wants 33 dB of a 1,020 Hz sine from 0 down to -30 dBm0, and that of a channel with its converters.
    assert 10 * np.log10(np.mean(sent.astype(float) ** 2) / np.mean(noise**2)) > 33


@LAWS
@given(data=st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_audio(law, data):
    decoded = law.decode(data)
    assert len(decoded) == 2 * len(data)
    assert law.decode(law.encode(decoded)) == decoded


@LAWS
def test_half_a_sample_is_refused(law):
    with pytest.raises(ValueError, match="multiple of element size"):
        law.encode(b"\0\0\0")
