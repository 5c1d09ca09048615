"""The history holds what was heard, in order, within its bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.thinker.history import History
from parlance.actors.thinker.port import Line

words = st.text("abc ", max_size=30)
events = st.lists(st.tuples(st.sampled_from(["caller", "agent"]), words), max_size=60)


def play(history: History, said: list[tuple[str, str]]) -> None:
    for who, text in said:
        if who == "caller":
            history.caller(text)
        else:
            history.agent(text)


def test_lines_alternate_as_they_were_heard():
    history = History()
    history.agent("Hello.")
    history.caller("hi")
    history.agent("How can I help?")
    assert history.lines() == (Line("agent", "Hello."), Line("caller", "hi"), Line("agent", "How can I help?"))


def test_the_caller_goes_on_talking_when_nothing_of_the_agent_was_heard():
    history = History()
    history.caller("i need")
    history.agent("")
    history.caller("an appointment")
    assert history.lines() == (Line("caller", "i need an appointment"),)


def test_one_heard_word_of_the_agent_separates_the_caller_s_lines():
    history = History()
    history.caller("i need")
    history.agent("Sure")
    history.caller("an appointment")
    assert [line.text for line in history.lines()] == ["i need", "Sure", "an appointment"]


def test_the_newest_entry_stays_however_long_it_is():
    history = History(characters=5)
    history.caller("short")
    history.agent("much longer than the bound")
    assert history.lines() == (Line("agent", "much longer than the bound"),)
    assert history.dropped == 1


@pytest.mark.parametrize("bounds", [{"lines": 0}, {"characters": 0}])
def test_a_history_of_nothing_is_refused(bounds):
    with pytest.raises(ValueError, match="at least one"):
        History(**bounds)


@given(events)
def test_unbounded_it_is_exactly_what_was_heard(said):
    history = History(lines=1000, characters=100_000)
    play(history, said)
    heard = [(who, text.strip()) for who, text in said if text.strip()]
    assert " ".join(line.text for line in history.lines()) == " ".join(text for _, text in heard)
    lines = history.lines()
    assert not any(a.who == b.who == "caller" for a, b in itertools.pairwise(lines))
    assert [line for line in lines if line.who == "agent"] == [Line("agent", t) for w, t in heard if w == "agent"]


@given(events, words, st.integers(1, 10), st.integers(1, 100))
def test_what_the_caller_would_say_besides_is_as_if_he_had(said, more, lines, characters):
    history = History(lines=lines, characters=characters)
    play(history, said)
    foreseen = history.lines(more)
    history.caller(more)
    assert foreseen == history.lines()


@given(events, st.integers(1, 10), st.integers(1, 100))
def test_bounded_it_is_the_longest_whole_end_that_fits(said, lines, characters):
    history = History(lines=lines, characters=characters)
    play(history, said)
    heard = [text.strip() for _, text in said if text.strip()]
    kept = heard[history.dropped :]
    assert " ".join(line.text for line in history.lines()) == " ".join(kept)
    fits = len(kept) <= lines and sum(map(len, kept)) <= characters
    assert fits or len(kept) == 1
    if history.dropped:
        # Dropping is not eager: at some moment the last dropped entry was too much for what followed it.
        assert len(kept) == lines or sum(map(len, heard[history.dropped - 1 :])) > characters
