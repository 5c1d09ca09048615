"""The resampler: exactness, time, and its filter, with plain integers, scipy and soxr as oracles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.codecs.resample import _ONE, RATES, REJECTION, Resampler, _filter, fourier, resample

PAIRS = list(itertools.permutations(RATES, 2))
every_pair = pytest.mark.parametrize(("source", "target"), PAIRS)


def wave(frequency, rate, seconds, amplitude=16000.0):
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype("<i2")


def run(samples, source, target):
    return np.frombuffer(resample(samples.astype("<i2").tobytes(), source, target), "<i2").astype(float)


def middle(samples, rate):
    return samples[rate // 20 : -rate // 20]


def decibels(power):
    return 10 * math.log10(power) if power > 0 else -math.inf


@given(
    pair=st.sampled_from(PAIRS),
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(0, 4001),
    cuts=st.lists(st.integers(0, 4001), max_size=10),
)
@settings(max_examples=80, deadline=None)
def test_any_chunking_gives_the_same_samples(pair, seed, length, cuts):
    data = np.random.default_rng(seed).bytes(length)
    stream = Resampler(*pair)
    edges = [0, *sorted(min(cut, length) for cut in cuts), length]
    pieces = [stream.feed(data[start:end]) for start, end in itertools.pairwise(edges)]
    assert b"".join(pieces) + stream.flush() == resample(data, *pair)


@every_pair
def test_byte_by_byte_is_the_same_as_at_once(source, target):
    data = np.random.default_rng(1).bytes(source // 20 + 1)
    stream = Resampler(source, target)
    pieces = [stream.feed(data[at : at + 1]) for at in range(len(data))]
    assert b"".join(pieces) + stream.flush() == resample(data, source, target)


@every_pair
def test_a_frame_at_a_time_holds_back_no_more_than_the_stated_latency(source, target):
    stream, frame = Resampler(source, target), source // 50
    fed = made = 0
    for _ in range(100):
        made += len(stream.feed(bytes(2 * frame))) // 2
        fed += frame
        assert fed / source - made / target <= stream.latency + 1 / target
    assert stream.latency < 0.025


def test_the_telephone_pairs_hold_back_less_than_ten_milliseconds():
    assert Resampler(8000, 16000).latency < 0.01
    assert Resampler(16000, 8000).latency < 0.01
    assert Resampler(48000, 8000).latency < 0.01


@every_pair
def test_sample_count_is_exact(source, target):
    for length in (0, 1, 2, source // 50, 1234):
        assert len(resample(bytes(2 * length), source, target)) // 2 == math.ceil(length * target / source)


@pytest.mark.parametrize(("source", "target", "minutes"), [(8000, 16000, 60), (16000, 8000, 60), (22050, 8000, 10)])
def test_an_hour_of_frames_does_not_drift(source, target, minutes):
    stream = Resampler(source, target)
    second, made = bytes(2 * source), 0
    for _ in range(60 * minutes):
        made += len(stream.feed(second))
    assert 0 <= 60 * minutes * target - made // 2 <= math.ceil(stream.latency * target)
    assert made // 2 + len(stream.flush()) // 2 == 60 * minutes * target


@every_pair
def test_an_impulse_stays_at_its_time(source, target):
    samples = np.zeros(source // 2, "<i2")
    at = source // 5
    samples[at - 20 : at + 21] = np.rint(30000 * np.hanning(41))
    out = run(samples, source, target)
    center = (out * np.arange(len(out))).sum() / out.sum()
    assert center / target == pytest.approx(at / source, abs=0.1 / target)


@every_pair
def test_a_tone_in_the_passband_comes_through_unchanged(source, target):
    lower = min(source, target) / 2
    for part in (0.05, 0.3, 0.6, 0.86):
        out = run(wave(part * lower, source, 0.25), source, target)
        expected = 16000 * np.sin(2 * np.pi * part * lower * np.arange(len(out)) / target)
        error = middle(out - expected, target)
        assert decibels(np.mean(error**2) / (16000**2 / 2)) < -60


@pytest.mark.parametrize(("source", "target"), [(s, t) for s, t in PAIRS if s > t])
def test_nothing_above_the_new_nyquist_frequency_aliases(source, target):
    # Only the rounding to 16 bits is left of a suppressed tone: 1/12 of a square step.
    rounding = decibels(1 / 12 / (32000**2 / 2))
    assert rounding < -REJECTION
    for frequency in np.linspace(target / 2, 0.995 * source / 2, 9):
        out = middle(run(wave(frequency, source, 0.2, 32000), source, target), target)
        assert decibels(np.mean(out**2) / (32000**2 / 2)) < -REJECTION, frequency


@pytest.mark.parametrize(("source", "target"), [(s, t) for s, t in PAIRS if s < t])
def test_nothing_appears_above_the_old_nyquist_frequency(source, target):
    for part in (0.1, 0.4, 0.7, 0.86):
        out = middle(run(wave(part * source / 2, source, 0.25, 32000), source, target), target)
        frequencies, power = scipy.signal.periodogram(out, target, window="blackmanharris")
        assert decibels(power[frequencies > source / 2].max() / power.max()) < -REJECTION, part


@every_pair
def test_the_filter_itself_rejects_what_it_states(source, target):
    """The phases interleaved are the prototype: scipy shows its whole response, with no tone chosen."""
    filter = _filter(source, target)
    up = target // math.gcd(source, target)
    prototype = np.zeros((len(filter.taps), up))
    # Column 0..up-1 of a block are the phases; each is sampled at the source's rate.
    prototype[:] = filter.taps[:, :up] / _ONE
    down = source // math.gcd(source, target)
    fine = np.zeros(len(prototype) * up + up * down)
    for phase in range(up):
        fine[(np.arange(len(prototype)) * up - phase * down) % len(fine)] += prototype[:, phase]
    fine = np.roll(fine, up * down)
    lower = min(source, target) / 2
    points = scipy.fft.next_fast_len(8 * len(fine), real=True)
    frequencies = scipy.fft.rfftfreq(points, 1 / (source * up))
    gain = 20 * np.log10(np.abs(scipy.fft.rfft(fine / up, points)) + 1e-12)
    assert np.abs(gain[frequencies <= 0.86 * lower]).max() < 0.01
    assert gain[frequencies >= lower].max() < -REJECTION


@pytest.mark.parametrize(("source", "target"), [(8000, 16000), (16000, 8000), (44100, 16000), (22050, 8000)])
def test_speech_band_noise_agrees_with_soxr(source, target):
    rng = np.random.default_rng(7)
    lower = min(source, target) / 2
    band = scipy.signal.firwin(255, 0.8 * lower, fs=source)
    samples = np.rint(scipy.signal.lfilter(band, 1, rng.normal(0, 6000, source))).astype("<i2")
    out = run(samples, source, target)
    oracle = soxr.resample(samples.astype(np.float64), source, target, quality="VHQ")
    size = min(len(out), len(oracle))
    error = middle(out[:size] - oracle[:size], target)
    assert decibels(np.mean(error**2) / np.mean(middle(oracle[:size], target) ** 2)) < -60


def test_every_sample_is_the_exact_sum_rounded():
    """The matrix product against Python's whole numbers."""
    source, target = 8000, 16000
    filter = _filter(source, target)
    samples = np.random.default_rng(3).integers(-32768, 32768, 200).astype("<i2")
    out = np.frombuffer(resample(samples.tobytes(), source, target), "<i2")
    line = [0] * filter.half + samples.tolist() + [0] * len(filter.taps)
    width = filter.taps.shape[1]
    for k in range(len(out)):
        block, column = divmod(k, width)
        taps = [int(tap) for tap in filter.taps[:, column]]
        exact = sum(tap * line[block * filter.step + row] for row, tap in enumerate(taps))
        assert out[k] == max(-32768, min(32767, round(exact / _ONE)))


@every_pair
def test_a_constant_stays_itself_and_silence_stays_silent(source, target):
    constant = run(np.full(source // 4, -12345, "<i2"), source, target)
    assert set(middle(constant, target)) == {-12345.0}
    assert not run(np.zeros(source // 4, "<i2"), source, target).any()


def test_a_full_scale_square_clips_instead_of_wrapping():
    square = np.where(np.arange(800) // 40 % 2, 32767, -32768).astype("<i2")
    out = run(square, 8000, 16000)
    assert out.max() == 32767
    assert out.min() == -32768
    assert (np.sign(out[45:75]) == -1).all()


@every_pair
def test_sums_stay_exact_in_floating_point(source, target):
    filter = _filter(source, target)
    assert (filter.taps == np.rint(filter.taps)).all()
    assert (filter.taps.sum(axis=0) == _ONE).all()
    assert np.abs(filter.taps).sum(axis=0).max() * 32768 < 2**53


@pytest.mark.parametrize("rate", RATES)
def test_equal_rates_pass_through(rate):
    stream = Resampler(rate, rate)
    assert stream.feed(b"abc") == b"abc"
    assert stream.flush() == b""
    assert stream.latency == 0


def test_a_flush_begins_a_new_stream():
    data = np.random.default_rng(5).bytes(1001)
    stream = Resampler(16000, 8000)
    first = stream.feed(data) + stream.flush()
    assert stream.feed(data) + stream.flush() == first
    assert stream.flush() == b""


@pytest.mark.parametrize("pair", [(11025, 8000), (8000, 0), (-1, 8000)])
def test_a_rate_that_cannot_be_had_is_refused(pair):
    with pytest.raises(ValueError, match="cannot resample"):
        Resampler(*pair)


ODD_RATES = [(11025, 8000), (32000, 8000), (12345, 8000), (8000, 11025)]


@pytest.mark.parametrize(("source", "target"), ODD_RATES)
def test_a_recording_at_any_rate_agrees_with_scipy(source, target):
    """Of a length that fits both rates no silence has to be added, and scipy does the same sum."""
    length = source // math.gcd(source, target) * 20
    spectrum = np.fft.rfft(np.random.default_rng(11).normal(0, 3000, length))
    spectrum[int(0.9 * length * min(source, target) / source / 2) :] = 0  # At the Nyquist frequency itself they differ.
    samples = np.rint(np.fft.irfft(spectrum, length)).astype("<i2")
    oracle = scipy.signal.resample(samples, length * target // source)
    out = np.frombuffer(fourier(samples.tobytes(), source, target), "<i2")
    assert np.abs(out - oracle).max() <= 0.6


@pytest.mark.parametrize(("source", "target"), ODD_RATES)
@pytest.mark.parametrize("length", [0, 1, 2, 1234])
def test_sample_count_of_a_recording_is_exact(source, target, length):
    assert len(fourier(bytes(2 * length), source, target)) // 2 == math.ceil(length * target / source)


def test_a_recording_that_gets_too_loud_clips_instead_of_wrapping():
    square = np.where(np.arange(800) // 40 % 2, 32767, -32768).astype("<i2")
    out = np.frombuffer(fourier(square.tobytes(), 11025, 16000), "<i2")
    assert (out.min(), out.max()) == (-32768, 32767)
    assert (np.sign(out[65:105]) == 1).all()


def test_half_a_sample_of_a_recording_is_refused():
    with pytest.raises(ValueError, match="multiple of element size"):
        fourier(b"abc", 11025, 8000)
