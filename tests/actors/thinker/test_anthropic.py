"""The anthropic mind: where its key and its version go, and what an overloaded service says in mid-stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.town import doors
from parlance.actors.thinker.anthropic import make
from parlance.actors.thinker.mind import ModelMinds
from parlance.actors.thinker.port import Entry, Line, Token, Use
from parlance.engine.agent import Agent
from parlance.engine.errors import Overloaded, ProviderError, Rejected

HISTORY = (Line("caller", "hello"),)


@asynccontextmanager
async def minds(port: int, **settings: Any) -> AsyncIterator[ModelMinds]:
    made = make(
        {"model": "m", "url": f"http://127.0.0.1:{port}", "first": 4, "warm": 0, **settings},
        Agent(name="a", prompt="Be brief."),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def reply(made: ModelMinds, *history: Entry) -> str:
    async with made().think(history or HISTORY) as thoughts:
        return "".join([thought.text async for thought in thoughts if isinstance(thought, Token)])


@pytest.mark.parametrize(("settings", "version"), [({}, b"2026-10-21"), ({"version": "2023-06-01"}, b"2023-06-01")])
async def test_the_key_and_the_version_are_in_their_headers_and_nowhere_else(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], version: bytes
) -> None:
    """Not even where the environment has what the package would look for."""
    monkeypatch.setenv("MIND_KEY", "sk-mind")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-other")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-other")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-private: other\nx-api-key: sk-other")
    heads: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some()
            heads.append(request.partition(b"\r\n\r\n")[0])
            await stream.send_all(b"HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n")

    (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
    async with minds(listener.socket.getsockname()[1], key_env="MIND_KEY", **settings) as made:
        with pytest.raises(Rejected):
            await reply(made)
    line, *headers = heads[0].split(b"\r\n")
    named = dict(header.split(b": ", 1) for header in headers)
    named = {name.lower(): value for name, value in named.items()}
    assert line == b"POST /v1/messages HTTP/1.1"
    assert named[b"x-api-key"] == b"sk-mind"
    assert named[b"anthropic-version"] == version
    assert b"authorization" not in named
    assert b"other" not in heads[0]


async def test_an_overload_in_mid_stream_is_told_as_one(nursery: trio.Nursery) -> None:
    conduct = Conduct(chat_delay=0.0, statuses=(529,))
    conduct.fates.append(Fate.CUT)
    async with minds(await nursery.start(doors(conduct)["anthropic"].serve, 0)) as made:
        with pytest.raises(ProviderError, match="Overloaded") as caught:
            await reply(made)
    assert type(caught.value) is Overloaded


@pytest.mark.parametrize("odd", ["functions.look:0", "", "\u00fc" * 200])
async def test_ids_and_names_that_others_have_made_are_taken(nursery: trio.Nursery, odd: str) -> None:
    """A tool was used by another provider's mind, which then failed."""
    conduct = Conduct(chat_delay=0.0, chat_pace=1000.0, text="Yes.")
    async with minds(await nursery.start(doors(conduct)["anthropic"].serve, 0)) as made:
        assert await reply(made, *HISTORY, Use(odd, odd, {}, "free", "signed")) == "Yes."
