"""Connections that end while nobody uses them: providers hang up on who says nothing, and no call ends of it."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from matrix import FAULTS
from partners import BY_TITLE, PARTNERS
from plays import Plays
from theatre import REPLY, WORDS, Theatre, fakes, simulator
from verdicts import ANSWERED

from bench.simulators import flux as fluxsimulator
from bench.simulators import listen, scribe
from parlance.actors.listener import flux
from parlance.actors.listener.deepgram import DeepgramWire
from parlance.actors.listener.elevenlabs import ScribeWire
from parlance.engine.metronome import Metronome
from parlance.engine.trace import CallerSaid, TurnEnded

HANGS_UP, SIGN = 1.2, 0.4
"""Seconds without a message after which the simulated ears hang up, and after which they get a sign of life."""
PAUSE = 2.0
"""Seconds that nobody speaks."""

plays = Plays(
    (listen, "PATIENCE", HANGS_UP),
    (fluxsimulator, "PATIENCE", HANGS_UP),
    (scribe, "PATIENCE", HANGS_UP),
    (DeepgramWire, "patience", SIGN),
    (ScribeWire, "patience", SIGN),
    (flux, "KEEP_ALIVE", SIGN),
)


def _answered(theatre: Theatre, role: str) -> None:
    theatre.check()
    assert theatre.turns == ANSWERED, theatre.told()
    assert [turn.heard for turn in theatre.all(TurnEnded)] == [REPLY, REPLY]
    if role == "ear":
        assert [said.text for said in theatre.all(CallerSaid) if said.final] == [WORDS, WORDS]


async def _dropped(title: str, beat: Metronome) -> None:
    """The provider drops every connection while nobody speaks: the next turn is answered all the same."""
    partner = BY_TITLE[title]
    seconds = 1.8 if partner.role == "ear" else 0.6
    dropped: list[int] = []
    async with simulator(partner.door, FAULTS["none"].conduct(partner)) as served:

        async def script(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            await theatre.say(seconds)
            await trio.sleep(0.1)
            dropped.append(await served.drop())
            await trio.sleep(0.3)
            await theatre.say(seconds)

        warm = {"warm": 1} if partner.role != "ear" else {}
        theatre = Theatre({partner.role: partner.at(served.port, **warm)}, **fakes(partner.role), metronome=beat)
        await theatre.play(script)
    assert dropped[0] >= 1
    _answered(theatre, partner.role)
    broke = [what for what in theatre.told() if what[0] in ("broke", "failed")]
    # Only a streaming ear has its connection for the whole call.
    assert broke == ([("broke", "listener")] if partner.role == "ear" and partner.line else [])


for _partner in PARTNERS:
    plays.add(f"{_partner.title}: its idle connections are dropped", partial(_dropped, _partner.title))


async def _kept(title: str, beat: Metronome) -> None:
    """An ear that hangs up on who says nothing gets its signs of life, and does not."""
    partner = BY_TITLE[title]
    async with simulator(partner.door, FAULTS["none"].conduct(partner)) as served:

        async def script(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            await theatre.say(1.8)
            await trio.sleep(PAUSE)
            await theatre.say(1.8)

        theatre = await Theatre({"ear": partner.at(served.port)}, **fakes("ear"), metronome=beat).play(script)
    _answered(theatre, "ear")
    assert [what for what in theatre.told() if what[0] != "served"] == []
    assert theatre.told().count(("served", "ear", partner.kind)) == 1


for _title in ("ear deepgram", "ear flux", "ear elevenlabs"):
    plays.add(f"{_title}: a pause is no reason to hang up", partial(_kept, _title))


@pytest.mark.parametrize("name", plays.names)
def test_idling(name: str) -> None:
    plays.look(name)


def test_nothing_is_left_of_all_these_calls() -> None:
    assert plays.left == {}
