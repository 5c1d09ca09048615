"""Which of several providers are tried, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from parlance.actors.choice import MEMORY, Choice, Past, Trial, Tries
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable


@dataclass(frozen=True)
class Named:
    provider: str


def choice(names: str, **failed: ProviderError) -> Choice[Named]:
    """Providers of these names; those in `failed` are kept out since second 0."""
    made = Choice([Named(name) for name in names])
    for option in made.options:
        if (error := failed.get(option.it.provider)) is not None:
            for _ in range(3):
                option.breaker.failed(0.0, error)
    return made


GONE, NO = Unreachable("a", "gone"), Rejected("a", "401 no")


def later(seconds: float) -> Overloaded:
    return Overloaded("a", "429 later", after=seconds)


@pytest.mark.parametrize(
    ("names", "failed", "now", "order"),
    [
        ("a", {}, 0.0, "a"),
        ("abc", {}, 0.0, "abc"),
        ("abc", {"a": GONE}, 0.5, "bc"),
        ("abc", {"a": NO}, 0.5, "bc"),
        ("abc", {"a": GONE}, 1.0, "abc"),
        ("a", {"a": GONE}, 0.5, "a"),
        ("a", {"a": NO}, 0.5, "a"),
        ("ab", {"a": GONE, "b": later(0.7)}, 0.5, "a"),
        ("ab", {"a": later(0.7), "b": GONE}, 0.5, "b"),
        ("ab", {"a": later(7), "b": later(3)}, 4.0, "b"),
    ],
)
def test_the_order_of_tries(names: str, failed: dict[str, ProviderError], now: float, order: str) -> None:
    assert "".join(option.it.provider for option in choice(names, **failed).tries(now)) == order


def test_one_whose_trial_runs_is_tried_if_there_is_no_other() -> None:
    made = choice("ab", a=GONE, b=later(9))
    made.options[0].breaker.begun(1.0)
    assert [option.it.provider for option in made.tries(1.0)] == ["a"]


def test_whoever_asks_to_be_left_alone_is() -> None:
    made = choice("ab", a=later(7), b=later(3))
    with pytest.raises(Overloaded) as caught:
        made.tries(1.0)
    assert str(caught.value) == "a: 429 later"
    assert not caught.value.retry
    assert caught.value.after == pytest.approx(2.0)
    assert made.options[1].breaker.error is not None
    assert made.options[1].breaker.error.retry


@pytest.mark.parametrize(
    ("names", "errors", "tried"),
    [
        ("a", [GONE, GONE], "a0 a0.3"),
        ("a", [NO], "a0"),
        ("a", [later(0.5), GONE], "a0 a0.5"),
        ("a", [later(1.5)], "a0"),
        ("ab", [GONE, GONE], "a0 b0"),
        ("ab", [NO, NO], "a0 b0"),
        ("ab", [GONE, NO, GONE], "a0 b0 a0.3"),
        ("ab", [NO, later(0.5), GONE], "a0 b0 b0.5"),
        ("ab", [later(0.5), NO, GONE], "a0 b0 a0.5"),
        ("ab", [later(1.5), NO], "a0 b0"),
    ],
)
def test_how_often(names: str, errors: list[ProviderError], tried: str) -> None:
    tries = Tries(choice(names), 0.0)
    seen = [f"{tries.option.it.provider}{tries.wait:g}"]
    for error in errors:
        if tries.next(error, 0.0):
            seen.append(f"{tries.option.it.provider}{tries.wait:g}")
        else:
            assert error is errors[-1]
    assert " ".join(seen) == tried


def test_a_short_rest_of_the_only_one_is_waited_for() -> None:
    tries = Tries(choice("a", a=later(3.0)), 2.5)
    assert tries.wait == pytest.approx(0.5)
    with pytest.raises(Overloaded):
        Tries(choice("a", a=later(3.0)), 1.5)


def order(made: Choice[Named], now: float, **more: Any) -> str:
    """Who is tried, if all fail, and after how long a wait."""
    tries = Tries(made, now, **more)
    seen = [f"{tries.option.it.provider}{tries.wait:.1f}"]
    while tries.next(NO, now):
        seen.append(f"{tries.option.it.provider}{tries.wait:.1f}")
    return " ".join(seen)


@pytest.mark.parametrize(
    ("names", "failed", "now", "tried"),
    [
        ("ab", {"a": later(2.2), "b": later(2.1)}, 2.0, "b0.1"),
        ("ab", {"a": GONE}, 0.4, "b0.0 a0.6"),
        ("ab", {"a": later(1.0)}, 0.4, "b0.0 a0.6"),
        ("ab", {"a": NO}, 0.4, "b0.0"),
        ("ab", {"a": NO}, 1.0, "a0.0 b0.0"),
        ("ab", {"a": GONE, "b": NO}, 0.4, "a0.6"),
        ("abc", {"a": GONE, "b": later(0.6)}, 0.4, "c0.0 b0.2"),
    ],
)
def test_who_is_back_soon_is_tried_last(names: str, failed: dict[str, ProviderError], now: float, tried: str) -> None:
    assert order(choice(names, **failed), now) == tried


def test_who_has_asked_another_call_for_a_pause_meanwhile_gets_it() -> None:
    made = choice("abc")
    tries = Tries(made, 0.0)
    made.options[1].breaker.failed(0.1, later(30))
    assert tries.next(GONE, 0.2)
    assert tries.option is made.options[2]


def test_who_has_failed_in_this_call_is_tried_after_the_others_for_a_while() -> None:
    made, past = choice("abc"), Past[Named]()
    past.failed(made.options[0], 1.0)
    past.failed(made.options[1], 2.0)
    assert order(made, 3.0, past=past) == "c0.0 a0.0 b0.0"
    assert order(made, 3.0, past=past, first=made.options[0]) == "c0.0 a0.0 b0.0"
    assert order(made, 1.0 + MEMORY, past=past) == "a0.0 c0.0 b0.0"
    assert order(made, 2.0 + MEMORY, past=past) == "a0.0 b0.0 c0.0"


def test_what_is_raised_in_the_end_says_whether_another_try_may_help() -> None:
    tries = Tries(choice("abc"), 0.0)
    for error in (NO, GONE, later(9.0), NO):
        tries.next(error, 0.0)
    assert tries.failure is not None
    assert tries.failure.retry


@pytest.mark.parametrize(
    ("names", "failed", "now", "wait"),
    [
        ("a", {"a": GONE}, 0.4, 0.6),
        ("ab", {"a": GONE, "b": GONE}, 0.4, 0.6),
        ("ab", {"a": GONE, "b": later(9.0)}, 0.4, 0.6),
        ("ab", {"a": GONE}, 0.4, 0.0),
        ("a", {"a": NO}, 0.4, 0.0),
        ("a", {"a": GONE}, -0.1, 0.0),
        ("a", {"a": GONE}, 1.0, 0.0),
    ],
)
def test_the_pause_of_one_that_is_kept_out_is_waited_for(
    names: str, failed: dict[str, ProviderError], now: float, wait: float
) -> None:
    assert Tries(choice(names, **failed), now).wait == pytest.approx(wait)


def test_how_long_a_pause_is_waited_for_may_be_said() -> None:
    tries = Tries(choice("a"), 0.0, patience=2.0)
    assert tries.next(later(2.0), 0.0)
    assert tries.wait == 2.0
    assert Tries(choice("a", a=later(3.0)), 1.0, patience=2.0).wait == 2.0
    assert not Tries(choice("a"), 0.0, patience=2.0).next(later(2.1), 0.0)


def test_the_present_one_is_tried_first() -> None:
    made = choice("abc")
    tries = Tries(made, 0.0, first=made.options[1])
    seen = [tries.option.it.provider]
    while tries.next(GONE, 0.0):
        seen.append(tries.option.it.provider)
    assert seen == ["b", "a", "c"]


def test_a_trial_that_has_given_something_is_judged_at_its_end_whoever_drops_it() -> None:
    breaker = choice("a", a=GONE).options[0].breaker
    trial = Trial(breaker, 1.0)
    trial.proved(1.5)
    trial.dropped()
    assert breaker.statistics(1.5).failures == 3
    trial.succeeded(2.0)
    assert breaker.statistics(2.0).failures == 0
