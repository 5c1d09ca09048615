"""What a call has used, in its trace: seconds of every ear, tokens of every mind, characters of every voice."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from matrix import FAULTS, Fault
from partners import BY_TITLE, of
from plays import Plays
from theatre import REPLY, Theatre, fakes, simulator

from bench.simulators.conduct import Fate
from parlance.engine.effort import CallUsed
from parlance.engine.metronome import Metronome
from parlance.engine.trace import CallEnded, PhraseReady

TOKENS_IN, TOKENS_OUT = 20, len(REPLY.split())
"""What the simulators count for a request and for the reply."""
plays = Plays()


async def _used(title: str, fault: Fault, beat: Metronome, **more: Any) -> tuple[Theatre, CallUsed]:
    """A call of two turns, and its sums."""
    partner = BY_TITLE[title]
    seconds = 1.6 if partner.role == "ear" else 0.6

    async def script(theatre: Theatre) -> None:
        await trio.sleep(0.2)
        await theatre.say(seconds)
        await theatre.say(seconds)

    async with simulator(partner.door, fault.conduct(partner)) as served:
        settings = {partner.role: partner.at(served.port), **more}
        theatre = await Theatre(settings, **fakes(partner.role), metronome=beat).play(script)
    theatre.check()
    assert theatre.turns == [("reply", "played")] * 2, theatre.told()
    kinds = [record.event for record in theatre.records if isinstance(record.event, CallUsed | CallEnded)]
    assert [type(event) for event in kinds] == [CallUsed, CallEnded], "the sums are told once, before the end"
    (used,) = theatre.all(CallUsed)
    return theatre, used


async def _ear(title: str, beat: Metronome) -> None:
    _, used = await _used(title, FAULTS["none"], beat)
    assert list(used.ears) == [BY_TITLE[title].kind]
    # What is sent begins 0.3 s before the voice, and ends with the turn.
    (seconds,) = used.ears.values()
    assert 2 * 1.6 <= seconds <= 2 * (1.6 + 0.3 + 0.6)


async def _ear_again(title: str, beat: Metronome) -> None:
    """What is sent to a new ear once more is paid for once more."""
    seconds: dict[str, float] = {}

    async def one(name: str) -> None:
        _, used = await _used(title, FAULTS[name], beat)
        seconds[name] = used.ears[BY_TITLE[title].kind]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "none")
        nursery.start_soon(one, "cut in the middle")
    assert seconds["none"] + 0.1 <= seconds["cut in the middle"] <= seconds["none"] + 2.4


async def _mind(title: str, beat: Metronome) -> None:
    _, used = await _used(title, FAULTS["none"], beat)
    assert list(used.minds) == [BY_TITLE[title].kind]
    (sums,) = used.minds.values()
    assert sums["requests"] == 2
    assert sums["in"] == 2 * TOKENS_IN
    assert sums["out"] == 2 * TOKENS_OUT
    assert 0 <= sums["cached"] <= sums["in"]
    assert used.discarded == 0


async def _voice(title: str, beat: Metronome) -> None:
    theatre, used = await _used(title, FAULTS["none"], beat)
    characters = sum(len(phrase.text) for phrase in theatre.all(PhraseReady))
    assert characters == 2 * (len(REPLY) - 1)
    assert used.voices == {BY_TITLE[title].kind: characters}


async def _voice_again(title: str, beat: Metronome) -> None:
    """The words that a new voice begins with are paid for once more, and no others."""
    theatre, used = await _used(title, FAULTS["cut in the middle"], beat)
    phrases = [phrase.text for phrase in theatre.all(PhraseReady)]
    characters = sum(map(len, phrases))
    assert characters < used.voices[BY_TITLE[title].kind] <= characters + len(phrases[0])


async def _failed_voice(title: str, beat: Metronome) -> None:
    """What was refused was not spoken."""
    _, used = await _used(title, Fault(Fate.ERROR, 500), beat)
    assert used.voices == {BY_TITLE[title].kind: 2 * (len(REPLY) - 1)}


for _role, _name, _play in (
    ("ear", "seconds", _ear),
    ("ear", "seconds, some of them twice", _ear_again),
    ("mind", "tokens", _mind),
    ("voice", "characters", _voice),
    ("voice", "characters, some of them twice", _voice_again),
    ("voice", "characters, none of what was refused", _failed_voice),
):
    for _partner in of(_role):
        if _play is not _ear_again or _partner.line:
            plays.add(f"{_partner.title}: {_name}", partial(_play, _partner.title))


async def _whose(beat: Metronome) -> None:
    """Of two minds the tokens are of the one that answered, and the requests of those that were asked."""
    first, second = BY_TITLE["mind anthropic"], BY_TITLE["mind openai"]
    async with (
        simulator(first.door, Fault(Fate.ERROR, 500, times=9).conduct(first)) as one,
        simulator(second.door, FAULTS["none"].conduct(second)) as other,
    ):

        async def script(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            await theatre.say()
            await theatre.say()

        settings = {"mind": [first.at(one.port), second.at(other.port)]}
        theatre = await Theatre(settings, hears=["hello there", "and again"], metronome=beat).play(script)
    (used,) = theatre.all(CallUsed)
    assert used.minds == {
        first.kind: {"requests": 2, "in": 0, "out": 0, "cached": 0},
        second.kind: {"requests": 2, "in": 2 * TOKENS_IN, "out": 2 * TOKENS_OUT, "cached": 0},
    }


plays.add("a chain of minds: whose tokens, whose requests", _whose)


@pytest.mark.parametrize("name", plays.names)
def test_usage(name: str) -> None:
    plays.look(name)


def test_nothing_is_left_of_all_these_calls() -> None:
    assert plays.left == {}
