"""Tools in whole calls: declared to every language model, used at a server, the result given back, and gone on with.

The simulated services refuse a request whose history does not give each call its result.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import trio
from matrix import FAULTS
from partners import BY_TITLE, VARIABLE, of
from plays import Plays
from theatre import REPLY, Theatre, simulator

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door
from parlance.engine.effort import CallUsed, ToolAnswered, ToolAsked
from parlance.engine.metronome import Metronome
from parlance.engine.trace import TurnEnded

ASKED = {"day": "Fr\u00fchlingsfest \U0001f600", "guests": 2, "wishes": ['a "window"', "<break/>"]}
RESULT = {"booked": True, "table": "n\u00b0 7"}
plays = Plays()


class Server:
    """The server of a tool: what it was asked, and with which keys."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[Mapping[str, Any]] = []
        self.keys: list[str] = []

    async def page(self, asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
        self.asked.append(json.loads(asked.body))
        self.keys.append(asked.headers[b"idempotency-key"].decode())
        await answer.whole(
            self.status, RESULT if self.status == 200 else {"error": {"message": "the kitchen is closed"}}
        )


async def _round(title: str, status: int, beat: Metronome) -> None:
    partner, server = BY_TITLE[title], Server(status)
    door = Door(Conduct(), {"/book": server.page}, {}, {"authorization": "Bearer"})
    async with (
        simulator(partner.door, FAULTS["none"].conduct(partner)) as served,
        simulator("", Conduct(), door) as tools,
    ):
        served.conduct.tools = deque([("book_table", dict(ASKED))])
        tool = {
            "name": "book_table",
            "description": "Books a table.",
            "parameters": {
                "day": {"type": "string"},
                "guests": {"type": "integer"},
                "wishes": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["day"],
            "url": f"http://127.0.0.1:{tools.port}/book",
            "key_env": VARIABLE,
            "timeout": 3.0,
        }

        async def script(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            await theatre.say()
            await theatre.say()

        settings = {"mind": partner.at(served.port), "tools": [tool]}
        theatre = await Theatre(settings, hears=["book it", "thank you"], metronome=beat).play(script)
        requests = sum(count for name, count in served.conduct.requests.items() if name.startswith("/"))
    theatre.check()
    assert [(turn.outcome, turn.heard) for turn in theatre.all(TurnEnded)] == [("played", REPLY)] * 2, theatre.told()
    assert server.asked == [ASKED]
    (asked,), (answered,) = theatre.all(ToolAsked), theatre.all(ToolAnswered)
    assert (asked.turn, asked.tool, dict(asked.arguments)) == (1, "book_table", ASKED)
    assert (answered.turn, answered.id, answered.tool) == (1, asked.id, "book_table")
    assert server.keys == [f"call-1.{asked.id}"]
    if status == 200:
        assert (answered.outcome, json.loads(answered.result)) == ("done", RESULT)
    else:
        assert answered.outcome == "failed"
        assert "the kitchen is closed" in answered.result
    # The first reply takes two requests; the call of the second turn has the use in its history.
    assert requests == 3
    (used,) = theatre.all(CallUsed)
    assert used.minds[partner.kind]["requests"] == 3
    assert [what for what in theatre.told() if what[0] in ("failed", "broke")] == []


for _partner in of("mind"):
    plays.add(f"{_partner.title}: a tool is used and the reply goes on", partial(_round, _partner.title, 200))
    plays.add(f"{_partner.title}: a tool fails and the reply goes on", partial(_round, _partner.title, 503))


async def _hangs_up(title: str, beat: Metronome) -> None:
    """One of parlance's own: done once the caller has heard the reply."""
    partner = BY_TITLE[title]
    async with simulator(partner.door, FAULTS["none"].conduct(partner)) as served:
        served.conduct.tools = deque([("hang_up", {})])

        async def script(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            await theatre.say()
            await trio.sleep_forever()

        settings = {"mind": partner.at(served.port), "tools": ["hang_up"]}
        theatre = await Theatre(settings, hears=["goodbye"], metronome=beat).play(script)
    theatre.check()
    assert theatre.end[0] == "completed"
    assert theatre.turns == [("reply", "played")]
    assert [turn.heard for turn in theatre.all(TurnEnded)] == [REPLY]


for _partner in of("mind"):
    plays.add(f"{_partner.title}: it hangs up when the caller has heard it", partial(_hangs_up, _partner.title))


@pytest.mark.parametrize("name", plays.names)
def test_tools(name: str) -> None:
    plays.look(name)


def test_nothing_is_left_of_all_these_calls() -> None:
    assert plays.left == {}
