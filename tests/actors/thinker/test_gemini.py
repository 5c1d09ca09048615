"""The gemini mind: its address, and tools that were used without its signature."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from bench.simulators.conduct import Conduct
from bench.simulators.town import doors
from parlance.actors.thinker.gemini import make
from parlance.actors.thinker.port import Entry, Line, Token, Use
from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured

CALLER = Line("caller", "hello")


async def reply(port: int, *history: Entry, **settings: Any) -> str:
    given: dict[str, Any] = {
        "model": "m",
        "url": f"http://127.0.0.1:{port}",
        "first": 4,
        "warm": 0,
    }
    made = make({**given, **settings}, Agent(name="a"))
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        async with made().think(history or [CALLER]) as thoughts:
            said = "".join([thought.text async for thought in thoughts if isinstance(thought, Token)])
        nursery.cancel_scope.cancel()
    return said


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({}, "/v1/models/m:streamGenerateContent"),
        ({"version": "v1beta", "model": "models/gemini-x"}, "/v1beta/models/gemini-x:streamGenerateContent"),
    ],
)
async def test_the_model_and_the_version_are_in_the_address(
    nursery: trio.Nursery, settings: dict[str, Any], path: str
) -> None:
    conduct = Conduct(chat_delay=0.0, chat_pace=1000.0, text="Yes.")
    port = await nursery.start(doors(conduct)["gemini"].serve, 0)
    assert await reply(port, **settings) == "Yes."
    assert conduct.requests == {path: 1}


async def test_a_model_cannot_lead_elsewhere(nursery: trio.Nursery) -> None:
    conduct = Conduct(chat_delay=0.0, chat_pace=1000.0, text="Yes.")
    port = await nursery.start(doors(conduct)["gemini"].serve, 0)
    assert await reply(port, model="../../x?y=z#") == "Yes."
    assert conduct.requests == {"/v1/models/..%2F..%2Fx%3Fy%3Dz%23:streamGenerateContent": 1}


def test_a_version_is_a_word() -> None:
    with pytest.raises(Misconfigured, match="version"):
        make({"model": "m", "url": "http://x", "version": "v1/x"}, Agent(name="a"))


def test_a_configuration_has_fields() -> None:
    with pytest.raises(Misconfigured, match="generationConfig has fields"):
        make({"model": "m", "url": "http://x", "extra": {"generationConfig": 5}}, Agent(name="a"))


async def test_a_tool_that_another_mind_has_used_in_an_earlier_turn_needs_no_signature(nursery: trio.Nursery) -> None:
    conduct = Conduct(chat_delay=0.0, chat_pace=1000.0, text="Yes.")
    port = await nursery.start(doors(conduct)["gemini"].serve, 0)
    used = Use("call_1", "look", {}, "free")
    assert await reply(port, CALLER, used, Line("agent", "It is free."), CALLER) == "Yes."
