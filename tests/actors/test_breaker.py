"""The breaker: a table of what happens to a provider, and any order of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.breaker import LONGEST_PAUSE, Breaker
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable

ERRORS: dict[str, ProviderError] = {
    "gone": Unreachable("p", "gone"),
    "no": Rejected("p", "401 no"),
    "later": Overloaded("p", "429 later", after=7.0),
    "odd": Garbled("p", "odd"),
    "soon": Overloaded("p", "429 later", after=1.0),
}


def happen(breaker: Breaker, script: str) -> None:
    """`script`: words like "3:gone": at second 3, a try that begins there fails at once; "3:ok": it succeeds."""
    for word in script.split():
        at, what = word.split(":")
        breaker.begun(float(at))
        if what == "ok":
            breaker.succeeded(float(at))
        else:
            breaker.failed(float(at), ERRORS[what], float(at))


@pytest.mark.parametrize(
    ("script", "state", "until"),
    [
        ("", "closed", None),
        ("0:gone 1:gone", "closed", None),
        ("0:gone 0:odd 0:gone", "open", 1.0),
        ("0:gone 0:gone 0:ok 0:gone 0:gone", "closed", None),
        ("0:no", "open", 1.0),
        ("0:later", "open", 7.0),
        ("0:later 1:ok", "open", 7.0),
        ("0:later 1:soon", "open", 7.0),
        ("0:later 8:ok", "closed", None),
        ("0:gone 0:gone 0:gone 0.5:ok", "closed", None),
        ("0:no 1:gone", "open", 3.0),
        ("0:no 1:gone 3:gone", "open", 7.0),
        ("0:no 1:gone 3:gone 7:ok 7:no", "open", 8.0),
        # Of what was tried though it is open, nothing is learned.
        ("0:gone 0:gone 0:gone 0.5:gone 0.6:gone", "open", 1.0),
        ("0:gone 0:gone 0:gone 0.5:later", "open", 7.5),
        ("0:no 1:no 3:no 7:no 15:no 31:no 61:no", "open", 91.0),
    ],
)
def test_what_happens_decides_who_gets_in(script: str, state: str, until: float | None) -> None:
    breaker = Breaker()
    happen(breaker, script)
    now = max([float(word.split(":")[0]) for word in script.split()], default=0.0)
    assert breaker.state(now) == state
    assert breaker.admits(now) == (state == "closed")
    if until is not None:
        assert breaker.until == pytest.approx(until)
        assert not breaker.admits(until - 0.01)
        assert breaker.state(until) == "half-open"
        assert breaker.admits(until)


def test_one_trial_at_a_time() -> None:
    breaker = Breaker()
    happen(breaker, "0:no")
    breaker.begun(1.0)
    assert not breaker.admits(1.0)
    breaker.dropped(0.5)
    assert not breaker.admits(1.0)
    breaker.dropped(1.0)
    assert breaker.admits(1.0)
    breaker.begun(2.0)
    assert not breaker.admits(31.9)
    assert breaker.admits(2.0 + LONGEST_PAUSE)


def test_what_was_begun_before_it_opened_shows_nothing_new() -> None:
    breaker = Breaker()
    for at in (5.0, 5.0, 5.0):
        breaker.failed(at, ERRORS["gone"], 0.0)
    breaker.failed(8.0, ERRORS["gone"], 3.0)
    assert breaker.state(8.0) == "half-open"
    breaker.failed(8.0, ERRORS["later"], 3.0)
    assert breaker.until == 15.0


def test_its_statistics() -> None:
    breaker = Breaker()
    happen(breaker, "0:gone 0:gone 0:gone 1:gone")
    told = breaker.statistics(1.5)
    assert (told.state, told.failures, told.opened, told.pause) == ("open", 4, 2, 1.5)
    assert breaker.error is ERRORS["gone"]


@given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["ok", *ERRORS]))))
def test_nobody_is_kept_out_for_ever(events: list[tuple[float, str]]) -> None:
    """Whatever happens: no pause is longer than the longest, and a trial that goes well ends them all."""
    breaker, now = Breaker(), 0.0
    for wait, what in events:
        now += wait
        happen(breaker, f"{now!r}:{what}")
        assert breaker.until <= now + LONGEST_PAUSE
        assert breaker.admits(now + LONGEST_PAUSE)
        if breaker.state(now) == "open":
            assert not breaker.admits(now)
    now += LONGEST_PAUSE
    happen(breaker, f"{now!r}:ok")
    assert breaker.state(now) == "closed"
    assert breaker.statistics(now).failures == 0


def test_who_gives_something_lets_the_others_in_and_is_still_judged_at_its_end() -> None:
    breaker = Breaker()
    happen(breaker, "0:gone 0:gone 0:gone")
    breaker.begun(1.5)
    assert not breaker.admits(1.6), "one trial at a time"
    breaker.proved(1.7)
    assert breaker.admits(1.7)
    breaker.failed(1.8, ERRORS["gone"], 1.5)
    assert not breaker.admits(1.9), "that was the fourth failure in a row"


def test_a_pause_that_was_asked_for_is_over_when_a_trial_after_it_gives_something() -> None:
    breaker = Breaker()
    happen(breaker, "0:later")
    breaker.begun(7.0)
    assert not breaker.admits(7.1), "one trial at a time"
    breaker.proved(7.2)
    assert breaker.admits(7.2)


def test_who_asked_for_a_pause_gets_it_whatever_was_begun_before() -> None:
    breaker = Breaker()
    happen(breaker, "0:later")
    breaker.proved(1.0)
    assert not breaker.admits(2.0)
