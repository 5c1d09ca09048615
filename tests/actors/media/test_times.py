"""Where in a phrase the voice is, as it says itself: what was heard is cut there, and not by length."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.playout import Playout
from parlance.actors.media.span import Span
from parlance.codecs.format import TELEPHONE

TEXT = "Aaaaaaaaaaaaaaaaaaaa b c d"
"""Spoken in four seconds, of which its first word takes one."""
TIMES = [(20, 1.0), (22, 2.0), (24, 3.0), (26, 4.0)]


def playing(times: list[tuple[int, float]], seconds: float = 4.0) -> Playout:
    playout = Playout(TELEPHONE, lead=10.0, batch=0.02, marks=False, clears=True)
    playout.stage(1)
    playout.phrase(TEXT)
    playout.timed(times)
    playout.add(b"\x80" * round(8000 * seconds))
    playout.complete()
    while playout.due(0.0):
        pass
    return playout


@pytest.mark.parametrize(
    ("at", "heard"),
    [(0.5, ""), (1.01, "Aaaaaaaaaaaaaaaaaaaa"), (2.01, "Aaaaaaaaaaaaaaaaaaaa b"), (3.5, "Aaaaaaaaaaaaaaaaaaaa b c")],
)
def test_what_was_heard_is_where_the_voice_was(at: float, heard: str) -> None:
    assert playing(TIMES).finish(at).text == heard


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_times_that_are_no_numbers_are_none(seconds: float) -> None:
    assert playing([(20, seconds)]).finish(3.5).text == "Aaaaaaaaaaaaaaaaaaaa b"


def test_without_times_length_stands_for_time() -> None:
    assert playing([]).finish(3.5).text == "Aaaaaaaaaaaaaaaaaaaa b"


@pytest.mark.parametrize(
    "times",
    [
        [(27, 1.0)],
        [(20, 3.0), (10, 3.5)],
        [(20, 3.0), (22, 1.0)],
        [(-1, 0.0)],
    ],
    ids=["beyond the text", "backwards in the text", "backwards in time", "before the text"],
)
def test_times_that_cannot_be_are_left_out(times: list[tuple[int, float]]) -> None:
    span = Span("a" * 26, 0, 0, 32000)
    for characters, at in times:
        span.timed(characters, round(at * 8000))
    assert len(span.times) <= 1
    assert all(0 <= characters <= 26 for characters, _ in span.times)


@given(
    st.lists(st.tuples(st.integers(-5, 40), st.floats(0, 5)), max_size=10),
    st.lists(st.floats(0, 6), min_size=2, max_size=6).map(sorted),
)
def test_the_longer_one_listens_the_more_one_has_heard(times: list[tuple[int, float]], ats: list[float]) -> None:
    heard = [playing(times).finish(at).text for at in ats]
    assert all(later.startswith(sooner) for sooner, later in pairwise(heard))
    assert playing(times).finish(9.0).text == TEXT


def test_a_phrase_that_is_taken_up_again_goes_on_from_the_word_the_voice_was_at() -> None:
    playout = Playout(TELEPHONE, lead=1.0, batch=0.02, marks=False, clears=True)
    playout.stage(1)
    playout.phrase(TEXT)
    playout.timed(TIMES)
    playout.add(b"\x80" * 24000)
    while playout.due(0.0):
        pass
    assert playout.retake() == "b c d", "of the second that was sent, all but the first word was not"
