"""The parts of a plot: ticks, places for labels, ridges, and the systems of a waveform."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample import wave

from bench.report import plot, ridges, waveform
from bench.report.plot import Canvas, Scale, lanes, spread
from bench.report.read import figure

POSITIVE = st.floats(1e-3, 1e6)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (0, 450, [0, 200, 400]),
        (0, 0.9, [0, 0.25, 0.5, 0.75]),
        (3, 41, [10, 20, 30, 40]),
    ],
)
def test_linear_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert plot.linear(low, high) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(1, 1000, [1, 10, 100, 1000]), (1, 30, [1, 2, 5, 10, 20]), (450, 2100, [500, 700, 1000, 1500, 2000])],
)
def test_logarithmic_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert plot.logarithmic(low, high) == ticks


@given(POSITIVE, st.floats(1.5, 1e6), st.booleans())
def test_every_axis_has_a_few_ticks_within_it_in_order(low: float, factor: float, log: bool) -> None:
    scale = Scale(low, low * factor, 0, 100, log)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 7
    places = [scale(tick) for tick in ticks]
    assert places == sorted(set(places))
    assert all(low * (1 - 1e-6) <= tick <= low * factor * (1 + 1e-6) for tick in ticks)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.sampled_from([0.05, 1.0]))
def test_a_logarithmic_range_is_always_a_scale(values: list[float], floor: float) -> None:
    low, high = plot.around(values, floor=floor)
    Scale(low, high, 0, 1, log=True)
    assert low >= floor
    assert high >= low * 3 * (1 - 1e-9)


def test_what_lies_outside_a_scale_is_drawn_at_its_edge() -> None:
    scale = Scale(1, 100, 0, 10, log=True)
    assert [scale(value) for value in (-5, 0, 1, 10, 100, 1e9)] == [0, 0, 0, 5, 10, 10]


@given(st.lists(st.floats(-50, 350), max_size=12), st.floats(1, 20))
def test_labels_pushed_apart_do_not_touch_and_keep_their_order(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, 0, 300)
    assert all(-1e-6 <= place <= 300 + 1e-6 for place in places)
    inside = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for before, after in pairwise(inside):
        assert places[after] - places[before] >= gap - 1e-6


def test_labels_that_have_room_stay_where_they_are() -> None:
    assert spread([80, 20, 50], 16, 0, 100) == [80, 20, 50]


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(10, 150)), max_size=15))
def test_no_label_of_a_waveform_covers_another_or_another_ones_leader(labels: list[tuple[float, float]]) -> None:
    lane = lanes(labels)
    for one, (begin, width) in enumerate(labels):
        for other, (at, _) in enumerate(labels):
            if one != other and begin < at < begin + width:
                # The other's leader goes down from its own lane, and so does its text to the right of it.
                assert lane[one] > lane[other]
            if one < other and begin == at:
                assert lane[one] != lane[other]


def test_a_ridge_peaks_where_most_samples_are_and_stays_in_its_row() -> None:
    scale = Scale(1, 1000, 100, 400, log=True)
    outline = ridges.ridge([10.0] * 90 + [500.0] * 10, scale, 50)
    assert min(y for _, y in outline) == 50 - ridges.RIDGE
    peak = min(outline, key=lambda point: point[1])
    assert abs(peak[0] - scale(10)) <= ridges.BIN
    assert all(100 <= x <= 400 for x, _ in outline)
    assert outline[0][1] == outline[-1][1] == 50


@given(st.lists(st.floats(-10, 2000), min_size=1, max_size=50))
def test_a_ridge_can_be_made_of_any_samples(samples: list[float]) -> None:
    for x, y in ridges.ridge(samples, Scale(1, 1000, 100, 400, log=True), 50):
        assert 100 <= x <= 400
        assert 50 - ridges.RIDGE <= y <= 50


def test_a_waveform_is_cut_into_systems_with_its_events_in_them() -> None:
    found = waveform.read(wave(12))
    assert found is not None
    systems = waveform.systems(found, 480, 6.0)
    assert len(systems) == 2
    assert "answer 530 ms<" in systems[0]
    assert "barge-in<" not in systems[0]
    for words in ("barge-in<", "clear<", "silence 80 ms<", "cutin"):
        assert words in systems[1]
    assert "mark" not in systems[1]


def test_what_is_shaded_is_from_cutting_in_until_the_silence_after_it() -> None:
    def events(*pairs: tuple[float, str]) -> list[waveform.Event]:
        return [waveform.Event(at, what, "") for at, what in pairs]

    assert waveform.interrupted(events((1, "barge-in"), (1.06, "clear"), (1.08, "silence"))) == [(1, 1.08)]
    assert waveform.interrupted(events((1, "barge-in"), (5, "barge-in"), (5.1, "silence"))) == [(5, 5.1)]
    assert waveform.interrupted(events((1, "silence"), (2, "barge-in"))) == []


def test_the_loudest_value_of_each_step_is_drawn() -> None:
    values = [0.0] * 100
    values[37] = 1.0
    assert max(height for _, height in waveform.envelope(values, 100, 0, 1, 10)) == 1.0


@pytest.mark.parametrize("data", [None, {}, {"rate": 0}, {"rate": 100}, {"rate": 100, "caller": 3, "agent": "x"}])
def test_without_tracks_there_is_no_waveform(data: object) -> None:
    assert waveform.read(data) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (0.0023, "0.0023"), (0.314, "0.31"), (5.67, "5.7"), (56.7, "57"), (1234.5, "1,234"), (None, "\u2013")],
)
def test_figures_have_the_digits_that_count(value: float | None, words: str) -> None:
    assert figure(value) == words


def test_text_in_a_drawing_is_escaped() -> None:
    canvas = Canvas(10, 10)
    canvas.text(0, 0, "<script>", 'a"b')
    assert "<script>" not in canvas.svg('"><script>')
    assert "a&#34;b" in canvas.svg("x")
