"""Whole calls where time, noise and faults come together: limits that nothing can put off, words that are not lost, and
a record that is in order whatever happens to whoever listens to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import pytest
import trio
from stage import Stage, says, speech

from parlance.actors.thinker.port import Entry, Thought, Tool
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.effort import CallUsed
from parlance.engine.errors import Rejected
from parlance.engine.state import Line as CallLine
from parlance.engine.state import Rules, State
from parlance.engine.step import step


def talks(seconds: int) -> bytes:
    """Somebody who talks on, with the short gaps that speech has."""
    return (speech(0.8) + b"\xff" * 160 * 7) * round(seconds / 0.94)


async def test_a_caller_who_coughs_again_and_again_does_not_put_off_the_limit_of_thinking(
    autojump_clock: object,
) -> None:
    stage = Stage(ear=["hello"], mind=["..."], agent={"limits": {"thinking": 5.0}})
    await stage.play((1.0, says(0.8)), *((4.0 + 3 * i, says(0.24)) for i in range(9)), until=32)
    assert len(stage.all(t.Held)) > 1
    assert stage.all(t.TurnEnded)[0].reason == "took too long"
    assert stage.at(t.TurnEnded)[0] < 2.3 + 5.0 + 1.0


async def test_a_reply_has_its_limit_also_when_it_is_held_again_and_again(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["so " * 200], agent={"limits": {"reply": 6.0}})
    await stage.play((1.0, says(0.8)), *((4.0 + 1.5 * i, says(0.24)) for i in range(12)), until=24)
    assert len(stage.all(t.Held)) > 2
    assert stage.at(t.TurnEnded)[0] < 2.6 + 6.0 + 1.0


async def test_a_caller_whose_words_come_late_is_not_asked_whether_he_is_there(autojump_clock: object) -> None:
    stage = Stage(ear=["tell me", "word " * 140], mind=["so " * 30, "Well then."])
    stage.ear.first = 2.6
    await stage.play((1.0, says(0.8)), (4.0, lambda stage: stage.line.say(talks(24))), until=32)
    assert stage.all(t.Resumed), "the sound went on for too long without words"
    assert [turn.cue for turn in stage.all(t.TurnBegan)] == ["", ""]
    assert stage.all(t.TurnBegan)[1].words.startswith("word word")


async def test_a_question_is_answered_when_what_cut_in_was_no_words_after_all(autojump_clock: object) -> None:
    stage = Stage(ear=["when do you open", ""], mind=["Never heard.", "At nine."])
    mutter = [(3.1, lambda stage: stage.call.words("one", 2))]
    await stage.play((1.0, says(1.2)), (2.95, says(0.3)), *mutter, until=9)
    assert [turn.outcome for turn in stage.all(t.TurnEnded)] == ["superseded", "played"]
    assert stage.all(t.TurnBegan)[1].words == "when do you open"
    assert [line.text for line in stage.history.lines()] == ["when do you open", "At nine."]


async def test_an_okay_as_a_question_ends_is_an_answer_and_one_in_its_midst_is_none(autojump_clock: object) -> None:
    mind = ["Shall I book that table for you, for ten o'clock?", "Booked."]
    answered = Stage(ear=["a table please", "okay"], mind=mind)
    await answered.play((1.0, says(1.0)), (4.7, says(0.4)), until=9)
    assert answered.all(t.Murmured)
    assert [line.text for line in answered.history.lines()] == ["a table please", mind[0], "okay", "Booked."]
    nodded = Stage(ear=["a table please", "okay"], mind=mind)
    await nodded.play((1.0, says(1.0)), (3.5, says(0.4)), until=9)
    assert nodded.all(t.Murmured)
    assert [line.text for line in nodded.history.lines()] == ["a table please", mind[0]]


def test_words_that_wait_for_the_end_of_a_reply_survive_its_failure() -> None:
    state = State(line=CallLine.OPEN)
    actions: list[m.Action] = []
    for event in (m.Said("a"), m.Playing(1), m.Said("b"), m.Broken(1, "broke"), m.Playing(2), m.Played(2)):
        state, more = step(state, event, Rules(interruptible=False))
        actions.extend(more)
    assert actions[-1] == m.Begin(3, "b", None)


async def test_what_a_mind_did_before_it_failed_is_not_done_again(autojump_clock: object) -> None:
    stage = Stage(ear=["book it", "once more"], mind=["{book} !!", "{book} Done.", "{book} Again."])
    await stage.play((1.0, says(0.8)), (5.0, says(0.8)), until=9)
    assert stage.all(t.ChildRestarted)
    assert [act.turn for act in stage.all(t.Acted)] == [1, 2]


async def test_a_mind_that_says_no_for_good_is_not_asked_the_same_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    stage = Stage(ear=["hello", "hello again"], mind=["Here I am."])
    think = stage.mind.think
    asked: list[Sequence[Entry]] = []

    def refuse(history: Sequence[Entry], tools: Sequence[Tool]) -> AbstractAsyncContextManager[AsyncIterator[Thought]]:
        asked.append(history)
        if len(asked) == 1:
            raise Rejected("fake mind", "not that")
        return think(history)

    monkeypatch.setattr(stage.mind, "think", refuse)
    await stage.play((1.0, says(0.8)), (9.0, says(0.8)), until=13)
    assert len(asked) == 2
    assert stage.all(t.ChildFailed) == []
    assert [(turn.outcome, turn.reason) for turn in stage.all(t.TurnEnded)] == [
        ("failed", "fake mind: not that"),
        ("played", ""),
        ("played", ""),
    ]
    assert stage.all(t.TurnBegan)[1].cue == "regret"


async def test_a_voice_that_says_no_ends_the_reply_and_is_not_asked_again(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(ear=["hello", "hello again"], mind=["Here I am.", "Yes."])
    speak = stage.voice.speak
    asked: list[str] = []

    def refuse(text: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        asked.append(text)
        if len(asked) == 1:
            raise Rejected("fake voice", "not that")
        return speak(text)

    monkeypatch.setattr(stage.voice, "speak", refuse)
    await stage.play((1.0, says(0.8)), (9.0, says(0.8)), until=13)
    assert asked.count("Here I am.") == 1
    assert stage.all(t.ChildFailed) == []
    assert [turn.outcome for turn in stage.all(t.TurnEnded)] == ["failed", "played", "played"]
    assert stage.all(t.TurnBegan)[1].cue == "regret"


async def test_a_caller_whom_no_ear_will_hear_is_told_at_once_whichever_task_runs_first(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        stage = Stage()

        def refuse(told: object) -> AbstractAsyncContextManager[object]:
            raise Rejected("fake ear", "401 wrong key")

        monkeypatch.setattr(stage.ear, "open", refuse)
        await stage.play(until=20)
        assert [fault.child for fault in stage.all(t.ChildFailed)] == ["listener"]
        assert stage.all(t.ChildRestarted) == []
        assert [turn.heard for turn in stage.all(t.TurnEnded)] == [stage.agent.lines.apology]
        assert stage.at(t.TurnBegan)[0] < 0.05
        assert stage.all(t.CallEnded) == [t.CallEnded("failed", "listener failed: fake ear: 401 wrong key", "house")]


async def test_an_error_is_named_and_not_the_nursery_it_came_through(autojump_clock: object) -> None:
    stage = Stage(ear=["!"] * 6)
    await stage.play((1.0, says(0.8)), until=20)
    told = {fault.error for fault in stage.all(t.ChildFailed)} | {stage.all(t.CallEnded)[0].reason}
    assert all("as its script says" in text for text in told)
    assert not any("nursery" in text for text in told)


async def test_a_call_that_fails_by_our_fault_says_so_before_it_closes(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["so " * 30])
    cue = (4.0, lambda stage: stage.call.fail(ValueError("a bug")))
    with pytest.raises(ExceptionGroup):
        await stage.play((1.0, says(0.8)), cue, until=20)
    assert stage.line.closed is not None
    assert stage.line.closed[1] == "fault: a bug"
    assert stage.all(t.CallEnded) == [t.CallEnded("failed", "fault: a bug", "house")]


async def test_what_a_sink_causes_is_told_to_every_sink_in_order(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["Hi."])

    def stalled(record: t.Record) -> None:
        if isinstance(record.event, t.PhraseReady):
            stage.call.happen(m.Gone("the other side does not read", m.How.FAILED))

    stage.call.trace.sinks.insert(0, stalled)
    await stage.play((1.0, says(0.8)), until=20)
    assert [record.seq for record in stage.records] == list(range(1, len(stage.records) + 1))


async def test_a_sink_that_raises_ends_its_call_and_nothing_waits_for_it(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["Hi."])

    def broken(record: t.Record) -> None:
        if isinstance(record.event, t.StateChanged) and record.event.line == "closed":
            raise ValueError("a sink's bug")

    stage.call.trace.sinks.append(broken)
    with pytest.raises(ExceptionGroup):
        await stage.play((1.0, says(0.8)), until=4)
    assert stage.line.closed is not None


async def test_a_call_that_is_asked_to_end_before_it_runs_has_its_record_in_order(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "Hello."})
    stage.call.drain()
    await stage.play(until=3)
    kinds = [type(record.event) for record in stage.records]
    assert kinds == [t.CallStarted, t.StateChanged, CallUsed, t.CallEnded]
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "drained", "house")]


async def test_an_agent_without_a_closing_line_does_not_apologize_for_a_fault(autojump_clock: object) -> None:
    stage = Stage(agent={"lines": {"closing": ""}, "limits": {"call": 2.0}})
    await stage.play(until=20)
    assert stage.all(t.TurnBegan) == []
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "time limit", "house")]


async def test_a_call_cancelled_from_outside_counts_what_was_heard_until_then(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["so " * 30])
    with trio.move_on_after(4.0):
        await stage.play((1.0, says(0.8)), until=20)
    ended = next(record for record in stage.records if isinstance(record.event, t.TurnEnded))
    assert ended.at == pytest.approx(4.0, abs=0.01)
    assert stage.line.closed is not None
    assert stage.line.closed[1] == "cancelled"
