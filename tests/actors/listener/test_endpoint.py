"""Endpointing: when a turn ends. Times are literals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.listener.endpoint import CLOSED, CLOSING, DANGLING, HEADROOM, REGRET, START, Endpoint, shape

LEAST, MOST = 0.35, 1.4


def ready(text: str = "", *, at: float = 10.0) -> Endpoint:
    """A caller who has said `text` and stopped at `at`."""
    endpoint = Endpoint(LEAST, MOST)
    endpoint.began(at - 1)
    endpoint.words(text)
    endpoint.ended(at)
    return endpoint


def pause(endpoint: Endpoint, at: float, seconds: float) -> None:
    """The caller stops at `at` and goes on `seconds` later."""
    endpoint.ended(at)
    endpoint.began(at + seconds)


# ------------------------------------------------------------------------------------------- the delay


def test_a_caller_nobody_knows_is_given_two_thirds_of_a_second() -> None:
    endpoint = ready()
    assert endpoint.delay == pytest.approx(LEAST + START * (MOST - LEAST)) == pytest.approx(0.665)
    assert endpoint.deadline == pytest.approx(10.665)


def test_words_that_dangle_wait_the_most_and_finished_ones_nearly_the_least() -> None:
    dangling, finished, unknown = (ready(text).delay for text in ("i would like to", "yes please", "on monday morning"))
    assert dangling == MOST
    assert LEAST <= finished < unknown < dangling
    assert finished == pytest.approx(LEAST + 0.25 * (unknown - LEAST))


def test_words_that_come_during_the_silence_move_the_deadline() -> None:
    endpoint = ready("i would like to come on")
    assert endpoint.deadline == pytest.approx(10.0 + MOST)
    assert not endpoint.due(10.9)
    endpoint.words("i would like to come on monday")
    assert endpoint.due(10.9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "unknown"),
        ("   ", "unknown"),
        ("on monday morning", "unknown"),
        ("I'd like to book a table for", "open"),
        ("and", "open"),
        ("Because", "open"),
        ("on monday,", "open"),
        ("let me see...", "open"),
        ("my name is", "open"),
        ("to a person at a", "open"),
        ("is it the.", "closed"),
        ("What time is it?", "closed"),
        ("Yes.", "closed"),
        ("no", "closed"),
        ("i said no", "closed"),
        ("that is right", "closed"),
        ("can i speak to a person please", "closed"),
        ("thank you", "closed"),
        ("okay thank you very much", "closed"),
        ("no that's all", "closed"),
        ("well good bye", "closed"),
        ("?!", "closed"),
        ("\u2026", "unknown"),
    ],
)
def test_the_shape_of_words(text: str, expected: str) -> None:
    assert shape(text) == expected


def test_no_word_is_in_a_list_that_cannot_match_it() -> None:
    for word in DANGLING:
        assert shape(f"well {word}") == "open"
    for word in (*CLOSED, *CLOSING):
        assert shape(f"well {word}") == "closed"


# ----------------------------------------------------------------------------------------- the decision


def test_a_turn_ends_once() -> None:
    endpoint = ready()
    assert not endpoint.due(10.66)
    assert endpoint.due(10.67)
    assert not endpoint.due(10.67)
    assert not endpoint.due(99.0)
    assert endpoint.deadline is None


def test_a_turn_may_be_ended_a_little_early_and_then_has_ended() -> None:
    endpoint = ready()
    assert not endpoint.due(10.655, early=0.005)
    assert endpoint.due(10.662, early=0.005)
    assert not endpoint.due(10.7)


def test_a_caller_who_has_said_nothing_or_is_speaking_has_no_deadline() -> None:
    endpoint = Endpoint(LEAST, MOST)
    assert endpoint.deadline is None
    assert not endpoint.due(1000.0)
    endpoint.began(1.0)
    assert endpoint.deadline is None
    assert not endpoint.due(1000.0)
    endpoint.ended(2.0)
    endpoint.began(2.3)
    assert endpoint.deadline is None


def test_the_words_of_one_turn_do_not_count_in_the_next() -> None:
    endpoint = ready("my name is")
    assert endpoint.due(10.0 + MOST)
    endpoint.began(20.0)
    endpoint.ended(21.0)
    assert endpoint.delay < MOST


# --------------------------------------------------------------------------------------- this caller


def test_a_caller_with_long_pauses_is_given_more_time_and_a_quick_one_less() -> None:
    slow, quick = Endpoint(LEAST, MOST), Endpoint(LEAST, MOST)
    at = 0.0
    for endpoint, seconds in ((slow, 0.9), (quick, 0.22)):
        endpoint.began(0.0)
        for turn in range(1, 9):
            at = turn * 3.0
            pause(endpoint, at, seconds)
        endpoint.ended(at + 2)
    unknown = ready().delay
    assert quick.delay < unknown - 0.2
    assert slow.delay > unknown + 0.3
    assert slow.delay == pytest.approx(0.9 * HEADROOM, rel=0.05), "more than his usual pause"
    assert quick.delay >= LEAST


def test_a_decision_that_came_too_early_counts_as_a_pause_inside_a_turn() -> None:
    endpoint = ready()
    before = endpoint.delay
    assert endpoint.due(10.7)
    endpoint.began(11.0)
    endpoint.ended(12.0)
    assert endpoint.delay > before


def test_an_answer_that_comes_later_says_nothing_about_the_decision() -> None:
    endpoint = ready()
    before = endpoint.delay
    assert endpoint.due(10.7)
    endpoint.began(10.7 + REGRET + 0.1)
    endpoint.ended(13.0)
    assert endpoint.delay == before


def test_a_caller_who_was_cut_off_while_he_talked_has_made_no_pause() -> None:
    endpoint = Endpoint(LEAST, MOST)
    endpoint.began(0.0)
    pause(endpoint, 1.0, 0.3)
    before = endpoint.usual
    endpoint.conclude(60.0)
    endpoint.began(60.0)
    assert endpoint.usual == before


def test_speech_that_seems_to_begin_before_it_ended_is_a_pause_of_nothing() -> None:
    endpoint, other = Endpoint(LEAST, MOST), Endpoint(LEAST, MOST)
    for one, seconds in ((endpoint, -5.0), (other, 0.0)):
        one.began(0.0)
        pause(one, 10.0, seconds)
    assert endpoint.usual == other.usual > 0


@given(
    least=st.floats(0.1, 2.0),
    spread=st.floats(0.0, 3.0),
    pauses=st.lists(st.floats(0.0, 20.0), max_size=20),
    text=st.sampled_from(["", "yes", "and", "on monday", "thank you", "what?", "um,"]),
)
def test_a_turn_ends_between_the_least_and_the_most_whatever_was_learned(
    least: float, spread: float, pauses: list[float], text: str
) -> None:
    most = least + spread
    endpoint = Endpoint(least, most)
    at = 0.0
    endpoint.began(at)
    for seconds in pauses:
        at += 2.0
        endpoint.ended(at)
        if endpoint.due(at + seconds) and seconds < least - 1e-9:
            raise AssertionError("before the least")
        at += seconds
        endpoint.began(at)
    at += 1.0
    endpoint.words(text)
    endpoint.ended(at)
    assert least - 1e-9 <= endpoint.delay <= most + 1e-9
    assert not endpoint.due(at + least - 1e-6)
    assert endpoint.due(at + most + 1e-6)
    assert not endpoint.due(at + most + 1e-6)
