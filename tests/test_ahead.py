"""Thinking ahead, and what a mind does with tools: in whole calls on the virtual clock."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from census import census
from hypothesis import given
from hypothesis import strategies as st
from stage import FakeTools, Stage, says

from parlance.actors.thinker.actor import ROUNDS
from parlance.actors.thinker.guess import AHEAD, Guess, meaning
from parlance.actors.thinker.hands import UNFINISHED, Hands
from parlance.actors.thinker.port import Ask, Entry, Line, Token, Tool, Use
from parlance.engine import trace as t
from parlance.engine.effort import CallUsed, ThoughtAhead, ToolAnswered, ToolAsked


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Yes, please.", "yes please", True),
        ("um, yes please", "Yes please!", True),
        ("what's that", "What\u2019s that?", True),
        ("yes please", "yes", False),
        ("not on Monday", "on Monday", False),
        ("five", "5", False),
        ("\u00c9t\u00e9", "\u00e9t\u00e9", True),
        ("", "um", True),
    ],
)
def test_words_mean_the_same_whatever_their_case_and_punctuation(one: str, other: str, same: bool) -> None:
    assert (meaning(one) == meaning(other)) is same


@given(st.text())
def test_any_words_mean_themselves(text: str) -> None:
    assert meaning(text) == meaning(f" {text}... ")


def test_a_guess_fits_only_the_conversation_that_it_was_made_for() -> None:
    before = Line("agent", "Which day?")
    guess = Guess((before, Line("caller", "on monday")), 0.0)
    assert guess.fits((before, Line("caller", "On Monday.")))
    assert not guess.fits((before, Line("caller", "On Tuesday.")))
    assert not guess.fits((Line("agent", "Which one?"), Line("caller", "on monday")))
    assert not guess.fits((before, before, Line("caller", "on monday")))
    assert not guess.fits((before, Use("1", "book", {}, "done")))
    assert not guess.fits(())


class Endless:
    """A mind that goes on for ever, and counts."""

    provider, ahead = "endless", True

    def __init__(self) -> None:
        self.given = 0

    def think(self, history: Any, tools: Any = ()) -> Any:
        mind = self

        class Thoughts:
            async def __aenter__(self) -> Any:
                return mind._words()

            async def __aexit__(self, *_: object) -> None: ...

        return Thoughts()

    async def _words(self) -> Any:
        while True:
            self.given += 1
            yield Token("word ")
            await trio.lowlevel.checkpoint()


async def test_a_guess_reads_ahead_only_so_far_and_goes_on_when_it_is_wanted(autojump_clock: object) -> None:
    mind, guess = Endless(), Guess((Line("caller", "hello"),), 0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guess.work, mind, ())
        await trio.sleep(1)
        assert mind.given == AHEAD
        words = guess.thoughts()
        taken = [await anext(words) for _ in range(3 * AHEAD)]
        assert set(taken) == {Token("word ")}
        await words.aclose()
    assert mind.given < 5 * AHEAD


async def test_what_was_thought_ahead_is_said_once_and_is_counted(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["Very well."], ahead=True)
    await stage.play((1.0, says(0.8)), until=6)
    assert len(stage.mind.asked) == 1
    assert stage.all(ThoughtAhead)[0].seconds > 0.2
    (used,) = stage.all(CallUsed)
    assert used.minds == {"fake": {"requests": 1, "in": 10, "out": 2, "cached": 0}}
    assert used.voices == {"fake": len("Very well.")}
    assert used.discarded == 0
    assert [entry.text for entry in stage.history.lines() if isinstance(entry, Line)] == ["yes please", "Very well."]


async def test_it_can_be_switched_off(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["Very well."], ahead=True, agent={"early": {"enabled": False}})
    await stage.play((1.0, says(0.8)), until=6)
    assert stage.all(ThoughtAhead) == []
    assert [turn.outcome for turn in stage.all(t.TurnEnded)] == ["played"]


async def test_a_mind_that_remembers_is_not_asked_ahead(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["Very well."])
    await stage.play((1.0, says(0.8)), until=6)
    assert stage.all(ThoughtAhead) == []


async def test_a_guess_that_fails_is_nobodys_failure(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["!", "Very well."], ahead=True)
    stage.mind.wait = 0.01
    await stage.play((1.0, says(0.8)), until=6)
    assert [(turn.outcome, turn.heard) for turn in stage.all(t.TurnEnded)] == [("played", "Very well.")]
    assert stage.all(t.ChildFailed) == []


async def test_a_guess_that_breaks_off_is_not_the_beginning_of_a_reply(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["Well, !!", "Very well."], ahead=True)
    await stage.play((1.0, says(0.8)), until=6)
    assert [(turn.outcome, turn.heard) for turn in stage.all(t.TurnEnded)] == [("played", "Very well.")]
    assert stage.all(t.ChildFailed) == []
    assert stage.all(CallUsed)[0].minds["fake"]["requests"] == 2


async def test_a_guess_that_nobody_wants_has_cost_what_it_has_cost(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["Very well."], ahead=True)
    await stage.play((1.0, says(0.8)), until=2.15)
    (used,) = stage.all(CallUsed)
    assert used.discarded == 1
    assert used.minds == {"fake": {"requests": 1, "in": 10, "out": 2, "cached": 0}}


async def test_a_sound_without_words_ends_what_was_thought_about_it(autojump_clock: object) -> None:
    stage = Stage(mind=["..."], ahead=True)
    discarded: list[int] = []
    await stage.play(
        (0.5, lambda stage: stage.call.thinker.foresee("hello")),
        (1.0, says(0.4)),
        (4.0, lambda stage: discarded.append(stage.call.usage.discarded)),
        until=5,
    )
    assert len(stage.all(t.CallerUnheard)) == 1
    assert discarded == [1]


async def test_after_a_call_nothing_of_a_guess_is_left(autojump_clock: object) -> None:
    stage = Stage(ear=["yes please"], mind=["..."], ahead=True)
    await stage.play((1.0, says(0.8)), until=2.05)
    assert stage.all(CallUsed)[0].discarded == 1


# ------------------------------------------------------------------------------------------------ tools


def uses(entries: tuple[Entry, ...]) -> list[tuple[str, str]]:
    return [(entry.name, entry.result) for entry in entries if isinstance(entry, Use)]


async def test_a_tools_result_is_what_the_mind_goes_on_from(autojump_clock: object) -> None:
    stage = Stage(
        ear=["where is it"], mind=["Let me see. [order]", "It comes tomorrow."], tools={"order": [0.5, "soon"]}
    )
    await stage.play((1.0, says(0.8)), until=9)
    first, second = stage.mind.asked
    assert uses(first) == []
    assert second[-2:] == (Line("agent", "Let me see."), Use("call1", "order", {"number": 1}, "soon"))
    assert [turn.heard for turn in stage.all(t.TurnEnded)] == ["Let me see. It comes tomorrow."]
    assert uses(stage.history.lines()) == [("order", "soon")]
    assert stage.tools.used == [("order", "call-1.call1")]


async def test_every_use_has_one_outcome(autojump_clock: object) -> None:
    stage = Stage(
        ear=["book it", "and"], mind=["[book] [nothing]", "Done.", "Yes."], tools={"book": [3.0, "!it is full"]}
    )
    await stage.play((1.0, says(0.8)), (4.0, says(0.8)), until=12)
    asked = {event.id for event in stage.all(ToolAsked)}
    answered = [event.id for event in stage.all(ToolAnswered)]
    assert sorted(answered) == sorted(asked)
    assert {event.tool: event.outcome for event in stage.all(ToolAnswered)} == {"book": "failed", "nothing": "failed"}


async def test_a_tool_that_goes_on_after_a_barge_in_is_known_to_the_next_reply(autojump_clock: object) -> None:
    stage = Stage(
        ear=["book it", "are you there", "thanks"],
        mind=["I am booking it now for you. [book]", "Yes.", "It is booked."],
        tools={"book": [4.5, "booked"]},
    )
    await stage.play((1.0, says(0.8)), (5.0, says(0.8)), (10.0, says(0.6)), until=14)
    _, second, third = stage.mind.asked
    assert uses(second) == [("book", UNFINISHED)]
    assert uses(third) == [("book", "booked")]
    assert len(stage.tools.used) == 1


async def test_a_mind_that_asks_for_tools_without_end_is_stopped_and_the_caller_told(autojump_clock: object) -> None:
    stage = Stage(ear=["go"], mind=["[again]"] * 50, tools={"again": [0.0, "once more"]})
    await stage.play((1.0, says(0.8)), until=9)
    assert len(stage.tools.used) == ROUNDS, "what was done is not done again"
    assert [turn.outcome for turn in stage.all(t.TurnEnded)] == ["failed", "played"]
    assert stage.all(t.TurnEnded)[1].heard == stage.agent.lines.regret
    assert stage.all(t.ChildFailed) == []


async def test_a_mind_that_asks_for_too_many_tools_at_once_gets_none(autojump_clock: object) -> None:
    stage = Stage(ear=["go"], mind=["[book] " * 100], tools={"book": [0.0, "booked"]})
    await stage.play((1.0, says(0.8)), until=9)
    assert stage.tools.used == []
    assert [turn.outcome for turn in stage.all(t.TurnEnded)] == ["failed", "played"]
    assert stage.all(t.ChildFailed) == []


async def test_a_tool_that_comes_with_an_id_of_old_is_another_use(autojump_clock: object) -> None:
    stage = Stage(
        ear=["book it", "and cancel it"],
        mind=["[book]", "It is booked.", "[cancel]", "It is canceled."],
        tools={"book": [0.1, "booked"], "cancel": [0.1, "canceled"]},
    )
    await stage.play((1.0, says(0.8)), (5.0, lambda stage: setattr(stage.mind, "calls", 0)), (5.1, says(0.8)), until=9)
    assert uses(stage.history.lines()) == [("book", "booked"), ("cancel", "canceled")]
    assert len({key for _, key in stage.tools.used}) == 2, "a server would take it for the same thing asked again"
    assert len({event.id for event in stage.all(ToolAnswered)}) == 2


async def test_a_key_can_stand_in_a_header_whatever_the_id(autojump_clock: object) -> None:
    tools = FakeTools({"book": [0.1, "booked"]})
    hands = Hands(tools, Stage().call, "call-1")
    async with trio.open_nursery() as nursery:
        await nursery.start(hands.run)
        await hands.use(1, Ask("r\u00e9servation\n1", "book", {}), lambda use: None).done.wait()
        nursery.cancel_scope.cancel()
    ((_, key),) = tools.used
    assert key == "call-1.r%C3%A9servation%0A1"


async def test_where_a_caller_is_transferred_to_is_the_agents_decision(autojump_clock: object) -> None:
    stage = Stage(ear=["call +190"], mind=["I connect you. [transfer]"], agent={"transfer": "+3310"})
    await stage.play((1.0, says(0.8)), until=9)
    assert stage.ordered == ["+3310"]


async def test_a_thinker_that_begins_again_does_not_use_the_tool_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    stage = Stage(ear=["book it"], mind=["[book]", "!", "It is booked."], tools={"book": [0.1, "booked"]})
    await stage.play((1.0, says(0.8)), until=9)
    assert len(stage.tools.used) == 1
    assert len(stage.all(t.ChildRestarted)) == 1
    assert uses(stage.mind.asked[-1]) == [("book", "booked")]
    assert stage.all(t.TurnEnded)[0].heard == "It is booked."


async def test_declared_tools_are_those_of_the_agent(autojump_clock: object) -> None:
    stage = Stage()
    assert {tool.name for tool in stage.tools.declared} == {"hang_up", "transfer"}
    assert all(isinstance(tool, Tool) for tool in stage.tools.declared)


@pytest.mark.parametrize(("tools", "children"), [({}, 4), ({"book": [0.1, "booked"]}, 5)], ids=["acts only", "a tool"])
async def test_a_call_has_hands_only_where_there_is_something_to_use(
    tools: dict[str, Any], children: int, autojump_clock: object
) -> None:
    seen: list[int] = []
    stage = Stage(ear=["book it"], mind=["[nothing]", "I cannot."], tools=tools)
    await stage.play((1.0, says(0.8)), (4.0, lambda stage: seen.append(census()["child"])), until=9)
    assert seen == [children]
    told = "There is no tool 'nothing'; there are: hang_up, transfer."
    assert [(event.outcome, event.result) for event in stage.all(ToolAnswered)] == [("failed", told)]
    assert uses(stage.history.lines()) == [("nothing", told)]
