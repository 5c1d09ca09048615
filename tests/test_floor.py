"""Who has the floor when an operator speaks: the caller's question is answered all the same, and heard to its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stage import Stage, says

from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.state import Agent, Caller, Line, State
from parlance.engine.step import step

THERE = "One moment please."
THINKING = State(line=Line.OPEN, agent=Agent.THINKING, turn=1)


def operator(text: str = THERE, *, interrupt: bool = True) -> Callable[[Stage], object]:
    return lambda stage: stage.call.say(text, interrupt=interrupt)


def turns(stage: Stage) -> list[tuple[str, str]]:
    return [(turn.cue, turn.words) for turn in stage.all(t.TurnBegan)]


async def test_a_question_that_an_operator_s_words_came_before_is_answered_after_them(autojump_clock: object) -> None:
    stage = Stage(ear=["what time is it?"], mind=["...", "It is noon."])
    await stage.play((1.0, says(0.6)), (2.1, operator()), until=9)
    assert turns(stage)[:3] == [("", "what time is it?"), ("say", ""), ("", "what time is it?")]
    lines = [(line.who, line.text) for line in stage.history.lines()]
    assert lines[:2] == [("caller", "what time is it?"), ("agent", THERE)]
    assert len(lines) == 3, "and it is answered once"


async def test_a_question_is_owed_also_if_a_murmur_follows_it_and_the_operator_speaks_then(
    autojump_clock: object,
) -> None:
    stage = Stage(ear=["what time is it?", "uh huh"], mind=["...", "It is noon."])
    cues = ((1.0, says(0.6)), (2.05, says(0.2)), (2.6, operator()))
    await stage.play(*cues, until=12)
    assert turns(stage)[:3] == [("", "what time is it?"), ("say", ""), ("", "what time is it?")]


async def test_an_operator_who_interrupts_a_caller_begins_once_and_then_waits_for_the_floor(
    autojump_clock: object,
) -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    stage = Stage(ear=[text], mind=["Good."])
    await stage.play((1.0, says(3.5)), (1.5, operator()), until=12)
    assert [cue for cue, _ in turns(stage)][:3] == ["say", "", "say"], "not once for each word"
    assert [turn.heard for turn in stage.all(t.TurnEnded)][:3] == ["", "Good.", THERE]


def test_a_debt_is_carried_through_an_operator_s_words_whatever_ends_them() -> None:
    state, _ = step(THINKING, m.Say(THERE, interrupt=True))
    assert (state.owed, state.turn) == (True, 2)
    again, _ = step(state, m.Say("And this.", interrupt=True))
    assert again.owed, "other words of his"
    heard, _ = step(state, m.Words("uh"))
    assert heard.owed, "the caller's voice"
    played, actions = step(state, m.Played(2))
    assert actions[-1] == m.Begin(3, "", None)
    assert not played.owed


def test_an_answer_that_was_heard_in_part_is_not_owed() -> None:
    state, _ = step(THINKING, m.Playing(1))
    state, _ = step(state, m.Say(THERE, interrupt=True))
    assert not state.owed


def test_no_answer_begins_while_the_caller_s_next_words_are_still_to_come() -> None:
    state = State(line=Line.OPEN, agent=Agent.SPEAKING, turn=2, cue=m.Cue.SAY, owed=True, due=True, audible=True)
    state, actions = step(state, m.Played(2))
    assert (actions, state.agent, state.owed) == ((m.Finish(2, m.Outcome.PLAYED),), Agent.IDLE, True)


@pytest.mark.parametrize("waiting", ["", "and then?"])
def test_words_that_are_to_interrupt_wait_for_keys_and_for_nothing_else(waiting: str) -> None:
    keys = State(line=Line.OPEN, agent=Agent.SPEAKING, turn=2, cue=m.Cue.KEYS, audible=True, waiting=waiting)
    state, actions = step(keys, m.Say(THERE, interrupt=True))
    assert (actions, state.turn) == ((), 2), "half a number is another number"
    state, actions = step(state, m.Played(2))
    assert actions == (m.Finish(2, m.Outcome.PLAYED), m.Begin(3, None, m.Cue.SAY, THERE))
    assert state.waiting == waiting, "and is answered after them"
    assert state.caller is Caller.QUIET


@pytest.mark.parametrize("early", [False, True])
async def test_a_call_that_is_transferred_before_it_runs_is_transferred_when_there_is_a_line(
    early: bool, autojump_clock: object
) -> None:
    stage = Stage(agent={"greeting": "Hello."}, early=early)
    stage.call.transfer("+33199000010")
    await stage.play(until=5)
    assert stage.ordered == ["+33199000010"]
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "transferred", "operator")]
    assert stage.line.closed == (1000, "transferred")
