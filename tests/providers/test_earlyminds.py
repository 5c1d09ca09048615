"""Thinking before the turn is over, with an ear that says when it may be (Flux) and with every language model."""

from __future__ import annotations

from collections import deque
from functools import partial

import pytest
import trio
from matrix import FAULTS
from partners import BY_TITLE, of
from plays import Plays
from stage import speech
from theatre import REPLY, WORDS, Theatre, simulator

from parlance.codecs.format import TELEPHONE
from parlance.engine.effort import CallUsed, ThoughtAhead, ToolAsked
from parlance.engine.metronome import Metronome
from parlance.engine.trace import CallerSaid, TurnEnded

EAGER = {
    "early": {"enabled": True},
    "endpointing": {"least": 0.35, "most": 1.4},
    "transfer": "+33100000000",
    "tools": ["transfer"],
}
plays = Plays()


async def _call(title: str, beat: Metronome, *sounds: bytes, tool: bool = False) -> tuple[Theatre, int]:
    """A call in which the caller says all of this; how often the mind was asked."""
    ear, mind = BY_TITLE["ear flux"], BY_TITLE[title]
    async with (
        simulator(ear.door, FAULTS["none"].conduct(ear)) as heard,
        simulator(mind.door, FAULTS["none"].conduct(mind)) as thought,
    ):
        if tool:
            thought.conduct.tools = deque([("transfer", {"number": "+33100000000"})])

        async def script(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            theatre.line.say(b"".join(sounds))
            await theatre.until(lambda: theatre.all(TurnEnded) and theatre.quiet)
            await trio.sleep(0.2)

        settings = {**EAGER, "ear": ear.at(heard.port), "mind": mind.at(thought.port)}
        theatre = await Theatre(settings, metronome=beat).play(script)
        theatre.check()
        asked = sum(count for name, count in thought.conduct.requests.items() if name.startswith("/"))
    return theatre, asked


async def _kept(title: str, beat: Metronome) -> None:
    theatre, asked = await _call(title, beat, speech(1.6))
    (used,) = theatre.all(CallUsed)
    assert asked == 1
    assert used.discarded == 0
    assert [said.text for said in theatre.all(CallerSaid) if said.final] == [WORDS]
    (ahead,) = theatre.all(ThoughtAhead)
    assert 0.05 < ahead.seconds < 1.5
    assert [(turn.outcome, turn.heard) for turn in theatre.all(TurnEnded)] == [("played", REPLY)]
    assert used.minds[BY_TITLE[title].kind]["requests"] == 1


async def _thrown_away(title: str, beat: Metronome) -> None:
    """The caller goes on: what was thought of his first words is never heard of, and what it wanted is not done."""
    pause = TELEPHONE.silence * round(0.5 * TELEPHONE.rate)
    theatre, asked = await _call(title, beat, speech(1.6), pause, speech(1.0), tool=True)
    (used,) = theatre.all(CallUsed)
    assert used.discarded >= 1
    assert asked == used.discarded + 1 == used.minds[BY_TITLE[title].kind]["requests"]
    assert theatre.all(ToolAsked) == []
    assert theatre.end == ("completed", "caller hung up"), "what a guess wanted was done"
    assert [(turn.outcome, turn.heard) for turn in theatre.all(TurnEnded)] == [("played", REPLY)]


for _partner in of("mind"):
    plays.add(f"{_partner.title}: what was thought ahead is the reply", partial(_kept, _partner.title))
    plays.add(f"{_partner.title}: the caller goes on, and it is thrown away", partial(_thrown_away, _partner.title))


@pytest.mark.parametrize("name", plays.names)
def test_early_thinking(name: str) -> None:
    plays.look(name)


def test_nothing_is_left_of_all_these_calls() -> None:
    assert plays.left == {}
