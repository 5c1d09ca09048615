"""Turns of a service, and whose words they are: they begin and end where our utterances do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.listener.port import Eager, Heard, News, Resumed
from parlance.actors.listener.turns import State, Turn, Turns

Times = Sequence[tuple[float, float]]


def going(index: int, stop: float, text: str, times: Times = ()) -> Turn:
    return Turn(index, text, stop, times=times)


def over(index: int, stop: float, text: str, times: Times = (), *, forced: bool = False) -> Turn:
    return Turn(index, text, stop, State.OVER, times, forced)


def begin(utterance: int) -> tuple[str, Any]:
    return "begin", utterance


def end(utterance: int, at: float) -> tuple[str, Any]:
    return "end", (utterance, at)


def give_up(utterance: int) -> tuple[str, Any]:
    return "give_up", utterance


ONE = [(0.2, 0.4), (0.4, 0.8)]
TWO = [*ONE, (2.1, 2.3), (2.3, 2.6)]

STORIES: list[tuple[str, list[Any], list[News]]] = [
    (
        "a turn that the service ends",
        [begin(1), going(0, 0.5, "I would"), going(0, 1.0, "I would like"), over(0, 1.6, "I would like it.")],
        [Heard(1, "I would", False), Heard(1, "I would like", False), Heard(1, "I would like it.", True, ended=True)],
    ),
    (
        "a turn that we end",
        [begin(1), going(0, 0.5, "Yes"), end(1, 1.0), over(0, 1.0, "Yes.", forced=True)],
        [Heard(1, "Yes", False), Heard(1, "Yes.", True)],
    ),
    (
        "the service's end and ours cross",
        [begin(1), going(0, 0.5, "Yes"), end(1, 1.0), over(0, 0.9, "Yes.")],
        [Heard(1, "Yes", False), Heard(1, "Yes.", True)],
    ),
    (
        "an end that came long before ours, and nothing after it",
        [begin(1), end(1, 3.0), over(0, 1.0, "Yes."), going(1, 3.0, ""), going(1, 3.24, "")],
        [Heard(1, "Yes.", False), Heard(1, "Yes.", True)],
    ),
    (
        "two turns in one utterance that has ended",
        [begin(1), end(1, 3.0), over(0, 1.0, "Yes."), going(1, 2.5, "And"), over(1, 3.0, "And no.", forced=True)],
        [Heard(1, "Yes.", False), Heard(1, "Yes. And", False), Heard(1, "Yes. And no.", True)],
    ),
    (
        "early thinking, which comes too early once",
        [
            begin(1),
            Turn(0, "I would", 1.0, State.EAGER),
            Turn(0, "I would like", 1.2, State.RESUMED),
            Turn(0, "I would like", 1.3, State.RESUMED),
            Turn(0, "I would like it.", 2.0, State.EAGER),
            over(0, 2.3, "I would like it."),
        ],
        [
            Heard(1, "I would", False),
            Eager(1, "I would"),
            Heard(1, "I would like", False),
            Resumed(1),
            Heard(1, "I would like it.", False),
            Eager(1, "I would like it."),
            Heard(1, "I would like it.", True, ended=True),
        ],
    ),
    (
        "a turn that spans two utterances, with the times of its words",
        [
            begin(1), going(0, 0.8, "book it", ONE), end(1, 1.5), begin(2),
            going(0, 2.6, "book it at nine", TWO), over(0, 3.2, "Book it at nine.", TWO),
        ],
        [
            Heard(1, "book it", False), Heard(1, "book it", True),
            Heard(2, "at nine", False), Heard(2, "at nine.", True, ended=True),
        ],
    ),
    (
        "the same without times: what the first was told stays its own",
        [
            begin(1), going(0, 0.8, "book it"), end(1, 1.5), begin(2), give_up(1),
            going(0, 2.6, "book it at nine"), over(0, 3.2, "Book it at nine."),
        ],
        [
            Heard(1, "book it", False), Heard(1, "book it", True),
            Heard(2, "at nine", False), Heard(2, "at nine.", True, ended=True),
        ],
    ),
    (
        "what was to end the last utterance cuts the next one's turn in two, and does not end it",
        [
            begin(1), end(1, 1.0), give_up(1), begin(2), going(0, 1.6, ""), going(0, 1.9, "at"),
            over(0, 2.0, "at", forced=True), over(1, 3.0, "nine."),
        ],
        [Heard(1, "", True), Heard(2, "at", False), Heard(2, "at nine.", True, ended=True)],
    ),
    (
        "words after the service's end belong to the next utterance, wherever that begins",
        [
            begin(1), over(0, 1.2, "Yes.", [(0.5, 0.8)]), going(1, 1.6, "and", [(1.3, 1.5)]), end(1, 1.8), begin(2),
            going(1, 2.0, "and no", [(1.3, 1.5), (1.7, 1.9)]),
        ],
        [Heard(1, "Yes.", True, ended=True), Heard(2, "and no", False)],
    ),
    (
        "late words of an utterance that was given up are nobody's",
        [
            begin(1), end(1, 1.0), give_up(1), begin(2), going(0, 1.0, "late", [(0.4, 0.8)]),
            over(0, 1.1, "late", [(0.4, 0.8)]), going(1, 2.0, "now", [(1.6, 1.9)]),
        ],
        [Heard(1, "", True), Heard(2, "now", False)],
    ),
    (
        "a turn that begins after an utterance's end says that no words of it are to come",
        [begin(1), end(1, 1.0), begin(2), going(0, 2.0, "now", [(1.6, 1.9)])],
        [Heard(1, "", True), Heard(2, "now", False)],
    ),
    ("noise that the service takes for nothing", [begin(1), end(1, 1.0), going(0, 1.1, ""), going(0, 1.24, "")],
     [Heard(1, "", True)]),
    (
        "words of an utterance that has ended, which the service has not come to yet",
        [begin(1), end(1, 2.0), going(0, 1.5, ""), going(0, 1.9, "Yes"), over(0, 2.0, "Yes.", forced=True)],
        [Heard(1, "Yes", False), Heard(1, "Yes.", True)],
    ),
    (
        "words without times, told after the end of what they are of",
        [begin(1), going(0, 0.72, ""), end(1, 0.9), going(0, 0.96, "Yes"), over(0, 1.1, "Yes.", forced=True)],
        [Heard(1, "Yes", False), Heard(1, "Yes.", True)],
    ),
    (
        "an early end of what has ended is no news",
        [begin(1), end(1, 1.0), Turn(0, "Yes", 0.9, State.EAGER), over(0, 1.0, "Yes", forced=True)],
        [Heard(1, "Yes", False), Heard(1, "Yes", True)],
    ),
    ("a turn without words ends nothing", [begin(1), over(0, 6.0, "")], []),
    ("a turn told again", [begin(1), over(0, 1.0, "yes"), over(0, 1.0, "Yes."), begin(2), going(0, 2.0, "Yes.")],
     [Heard(1, "yes", True, ended=True)]),
    ("words before any utterance", [going(0, 0.5, "hm"), over(0, 0.9, "hm"), begin(1)], []),
]  # fmt: skip


def played(turns: Turns, story: list[Any]) -> list[News]:
    news: list[News] = []
    for event in story:
        if isinstance(event, Turn):
            news.extend(turns.add(event))
        elif event[0] == "begin":
            turns.begin(event[1])
        elif event[0] == "end":
            turns.end(*event[1])
        else:
            news.extend(turns.give_up(event[1]))
    return news


@pytest.mark.parametrize(("story", "told"), [s[1:] for s in STORIES], ids=[s[0] for s in STORIES])
def test_whose_words(story: list[Any], told: list[News]) -> None:
    assert played(Turns(endpoints=True), story) == told


def test_without_endpoints_only_we_end_an_utterance() -> None:
    story = [begin(1), over(0, 1.0, "one"), over(1, 2.0, "two"), end(1, 2.2), over(2, 2.2, "three", forced=True)]
    assert played(Turns(endpoints=False), story) == [
        Heard(1, "one", False),
        Heard(1, "one two", False),
        Heard(1, "one two three", True),
    ]


def test_it_tells_what_is_waited_for() -> None:
    turns = Turns(endpoints=True)
    turns.begin(1)
    turns.add(going(0, 0.3, ""))
    assert (turns.speaking, turns.pending) == (False, False)
    turns.add(going(0, 0.5, "Yes"))
    assert (turns.speaking, turns.pending) == (True, False)
    assert turns.end(1, 1.0)
    assert (turns.speaking, turns.pending) == (True, True)
    turns.add(over(0, 1.0, "Yes"))
    assert (turns.speaking, turns.pending) == (False, False)
    assert not turns.end(1, 1.0)


numbers = st.floats(-1, 20)
turn = st.builds(
    Turn,
    st.integers(0, 4),
    st.text(),
    numbers,
    st.sampled_from(State),
    st.lists(st.tuples(numbers, numbers), max_size=4),
    st.booleans(),
)
event = st.one_of(turn, st.sampled_from([*map(begin, range(3)), *map(give_up, range(3))]),
                  st.builds(end, st.integers(0, 2), numbers))  # fmt: skip


@given(st.lists(event, max_size=25), st.booleans())
def test_whatever_comes_an_utterance_is_over_once(story: list[Any], endpoints: bool) -> None:
    turns, begun, finals, news = Turns(endpoints=endpoints), set[int](), list[int](), list[News]()
    for one in story:
        if not isinstance(one, Turn) and one[0] == "begin":
            if one[1] in begun:
                continue
            begun.add(one[1])
        news.extend(played(turns, [one]))
    for told in news:
        assert isinstance(told, Heard | Eager | Resumed)
        assert told.utterance in begun
        assert told.utterance not in finals
        if isinstance(told, Heard) and told.final:
            finals.append(told.utterance)
            assert endpoints or not told.ended
    for utterance in begun - set(finals):
        assert turns.give_up(utterance)
