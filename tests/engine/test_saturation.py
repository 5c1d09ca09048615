"""The gauge of lateness: deaf to a hiccup, quick to see that there is too much to do, and slow to forget it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.engine.saturation import CALM, PACE, PACED, RANK, WINDOW, Saturation

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


def test_a_little_below_the_limit_it_stays_what_it_is() -> None:
    saturation = gauge()
    beat(saturation, 0.0099, 200)
    assert not saturation.saturated
    beat(saturation, 0.02, 50)
    beat(saturation, 0.0081, 1000)
    assert saturation.saturated
    assert until(saturation, 0.0079, False) * PERIOD < 3
    beat(saturation, 0.0099, 200)
    assert not saturation.saturated
    assert saturation.times == 1


def test_a_process_that_has_room_again_takes_calls_again_however_short_the_peak_was() -> None:
    saturation = gauge()
    beat(saturation, 0.012, 20)
    assert saturation.saturated
    assert 2 < until(saturation, 0.0055, False) * PERIOD < 3


def test_it_must_be_calm_without_a_break() -> None:
    saturation = gauge()
    beat(saturation, 0.015, 50)
    for _ in range(20):
        # The signal is low from the 33rd punctual beat to the 17th late one: for a beat less than it must be.
        beat(saturation, 0.001, CALM - 1 + RANK - 1 - (WINDOW - RANK))
        beat(saturation, 0.015, WINDOW - RANK + 1)
        assert saturation.saturated
    assert saturation.times == 1
    beat(saturation, 0.001, CALM + RANK - 1)
    assert not saturation.saturated


def released() -> Saturation:
    saturation = gauge()
    beat(saturation, 0.015, 50)
    until(saturation, 0.001, False)
    return saturation


def herd(saturation: Saturation, beats: int, late: float = 0.001) -> int:
    """How many calls get in while there is a crowd at the door."""
    taken = 0
    for _ in range(beats):
        while saturation.ready and taken < 10_000:
            saturation.admitted()
            taken += 1
        saturation.note(late, PERIOD)
    return taken


def test_at_first_nobody_has_to_wait_for_another() -> None:
    assert herd(gauge(), 1) == 10_000


def test_while_it_is_saturated_nobody_gets_in() -> None:
    saturation = gauge()
    beat(saturation, 0.015, 50)
    assert herd(saturation, 100, late=0.015) == 0


def test_after_a_release_a_herd_gets_in_one_by_one_to_its_last() -> None:
    saturation = released()
    assert [herd(saturation, 50) for _ in range(20)] == [5] * 20


def test_the_herd_s_load_is_seen_before_many_more_are_in() -> None:
    saturation, taken = released(), 0
    while not saturation.saturated:
        # There is room for ten.
        taken += herd(saturation, 1, late=0.015 if taken > 10 else 0.001)
    assert taken <= 13


def test_the_pacing_ends_after_two_seconds_in_which_nobody_came() -> None:
    saturation = released()
    beat(saturation, 0.001, PACED - 1)
    assert herd(saturation, 1) == 1
    saturation = released()
    beat(saturation, 0.001, PACED)
    assert herd(saturation, 1) == 10_000


def test_the_pacing_ends_while_calls_come_at_the_usual_rate() -> None:
    saturation, seconds = released(), 0
    while seconds < 10:
        assert saturation.ready
        saturation.admitted()
        beat(saturation, 0.001, 50)
        seconds += 1
    assert herd(saturation, 1) == 10_000


def test_another_peak_ends_the_pacing_and_the_next_release_begins_it_anew() -> None:
    saturation = released()
    assert herd(saturation, 25) == 3
    beat(saturation, 0.015, 50)
    assert not saturation.ready
    until(saturation, 0.001, False)
    assert saturation.ready
    assert herd(saturation, PACE) == 1


def test_the_pacing_is_forgotten_with_all_else() -> None:
    saturation = released()
    saturation.admitted()
    assert not saturation.ready
    saturation.clear()
    assert herd(saturation, 1) == 10_000


def test_without_a_limit_it_measures_and_that_is_all() -> None:
    saturation = gauge(0)
    beat(saturation, 3.0, 100)
    assert (saturation.saturated, saturation.late) == (False, pytest.approx(3.0, abs=1.0))
    assert herd(saturation, 1, late=3.0) == 10_000


def test_what_is_forgotten_is_forgotten_wholly() -> None:
    saturation = gauge()
    beat(saturation, 0.015, 50)
    saturation.clear()
    assert (saturation.saturated, saturation.late, saturation.times) == (False, 0.0, 1)
    assert until(saturation, 0.015, True) == until(gauge(), 0.015, True)


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
def test_it_is_saturated_above_the_limit_and_free_after_three_punctual_seconds(
    lates: list[float], limit: float
) -> None:
    saturation = gauge(limit)
    for late in lates:
        saturation.note(late, PERIOD)
        assert saturation.saturated or saturation.late <= limit
        assert not (saturation.saturated and saturation.ready)
    beat(saturation, limit * 0.79, 150)
    assert not saturation.saturated


@pytest.mark.parametrize("limit", [-0.001, math.nan])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="lateness"):
        Saturation(limit)
