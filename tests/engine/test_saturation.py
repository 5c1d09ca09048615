"""The gauge of lateness: deaf to a hiccup, quick to see that there is too much to do, and slow to forget it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.engine.saturation import RANK, WINDOW, Saturation

PERIOD = 0.02
LATE = st.floats(0, 0.5, allow_nan=False)


def gauge(limit: float = 0.01) -> Saturation:
    return Saturation(limit)


def beat(saturation: Saturation, late: float, times: int) -> None:
    for _ in range(times):
        saturation.note(late, PERIOD)


def until(saturation: Saturation, late: float, wanted: bool) -> int:
    """How many beats, each `late`, until it is saturated, or is no more."""
    for beats in range(1, 1000):
        saturation.note(late, PERIOD)
        if saturation.saturated is wanted:
            return beats
    raise AssertionError(f"saturated is never {wanted}")


def test_a_process_that_keeps_up_is_not_saturated() -> None:
    saturation = gauge()
    beat(saturation, 0.0005, 1000)
    assert not saturation.saturated
    assert saturation.late == 0.0005


@pytest.mark.parametrize("pause", [0.02, 0.1, 0.3])
def test_one_pause_turns_nobody_away(pause: float) -> None:
    saturation = gauge()
    for _ in range(10):
        beat(saturation, 0.001, 50)
        saturation.note(pause, PERIOD)
    assert saturation.times == 0


def test_steady_lateness_is_seen_within_half_a_second() -> None:
    saturation = gauge()
    beat(saturation, 0.0005, 100)
    assert until(saturation, 0.0101, True) * PERIOD < 0.5


def test_the_worse_it_is_the_sooner_it_is_seen_because_skipped_beats_were_late_too() -> None:
    assert until(gauge(), 0.19, True) == 2, "nine beats skipped, each time"


def test_one_pause_of_half_a_second_is_no_hiccup() -> None:
    saturation = gauge()
    saturation.note(0.5, PERIOD)
    assert saturation.saturated


def test_a_pause_of_minutes_is_as_much_work_as_one_of_a_second() -> None:
    saturation = gauge()
    saturation.note(1e9, PERIOD)
    assert saturation.late > 1e8


def test_between_half_of_the_limit_and_the_limit_it_stays_what_it_is() -> None:
    saturation = gauge()
    beat(saturation, 0.007, 200)
    assert not saturation.saturated
    beat(saturation, 0.02, 50)
    beat(saturation, 0.007, 200)
    assert saturation.saturated
    assert until(saturation, 0.004, False) * PERIOD < 1
    beat(saturation, 0.007, 200)
    assert not saturation.saturated
    assert saturation.times == 1


def test_without_a_limit_it_measures_and_that_is_all() -> None:
    saturation = gauge(0)
    beat(saturation, 3.0, 100)
    assert (saturation.saturated, saturation.late) == (False, pytest.approx(3.0, abs=1.0))


def test_what_is_forgotten_is_forgotten_wholly() -> None:
    saturation = gauge()
    beat(saturation, 0.02, 50)
    saturation.clear()
    assert (saturation.saturated, saturation.late, saturation.times) == (False, 0.0, 1)
    assert until(saturation, 0.02, True) == until(gauge(), 0.02, True)


@given(st.lists(LATE, min_size=1, max_size=200))
def test_it_is_the_quantile_of_the_last_second_whatever_comes(lates: list[float]) -> None:
    saturation = gauge()
    seen = [0.0] * WINDOW
    for late in lates:
        saturation.note(late, PERIOD)
        skipped = []
        while late >= 0 and len(skipped) <= WINDOW:
            skipped.append(late)
            late -= PERIOD
        seen = (seen + skipped)[-WINDOW:]
        assert saturation.late == sorted(seen)[RANK - 1]


@given(st.lists(LATE, max_size=200), st.floats(0.001, 0.1))
def test_it_is_never_saturated_below_half_of_the_limit_and_always_above_it(lates: list[float], limit: float) -> None:
    saturation = gauge(limit)
    for late in lates:
        saturation.note(late, PERIOD)
        assert saturation.saturated or saturation.late <= limit
        assert not saturation.saturated or saturation.late >= limit / 2


@pytest.mark.parametrize("limit", [-0.001, math.nan])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="lateness"):
        Saturation(limit)
