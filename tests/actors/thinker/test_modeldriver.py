"""What drives a language model, with a service that is a list of chunks: cuts, any bytes, and whose time is whose."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.actors.dial import Dial, Service
from parlance.actors.thinker.chat import Chat
from parlance.actors.thinker.contents import Contents
from parlance.actors.thinker.messages import Messages
from parlance.actors.thinker.mind import ModelMind
from parlance.actors.thinker.port import Ask, Line, Spent, Thought, Token
from parlance.engine.errors import Garbled, ProviderError

WIRES = {
    "chat": Chat("m", "", {}),
    "messages": Messages("m", "", {}),
    "contents": Contents("", {}),
}


class Local(Service):
    url: str = "http://127.0.0.1:1"
    key_env: str = "NO_SUCH_KEY"

    def usual(self) -> str:
        return "http://x"


class Way:
    """A service whose answer is these chunks, however it was asked."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    @asynccontextmanager
    async def post(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        async def answer() -> AsyncGenerator[bytes]:
            for chunk in self.chunks:
                await trio.lowlevel.checkpoint()
                yield chunk

        async with aclosing(answer()) as chunks:
            yield chunks


async def drive(kind: str, *chunks: bytes, service: Any = None) -> tuple[list[Thought], ProviderError | None]:
    """The thoughts, and the error that they ended with."""
    service = service or SimpleNamespace(first=5.0, idle=5.0, total=60.0)
    dial = Dial("x", Local())
    minds: Any = SimpleNamespace(provider="x", dial=dial, service=service, wire=WIRES[kind], way=Way(list(chunks)))
    found: list[Thought] = []
    try:
        async with ModelMind(minds).think([Line("caller", "hi")]) as told:
            async for thought in told:
                found += [thought]
    except ProviderError as error:
        return found, error
    return found, None


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def stream(*events: dict[str, Any] | str) -> bytes:
    told = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    return b": hello\n\n" + b"".join(b"data: " + event.encode() + b"\r\n\r\n" for event in told)


WHOLE: dict[str, tuple[bytes, list[Thought]]] = {
    "chat": (
        stream(
            chunk(content="Hi \u00fc"),
            chunk(content="."),
            chunk("stop"),
            {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}},
            "[DONE]",
        ),
        [Token("Hi \u00fc"), Token("."), Spent(11, 7)],
    ),
    "messages": (
        stream(
            {"type": "message_start", "message": {"usage": {"input_tokens": 11}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi \u00fc"}},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "c", "name": "f"}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ),
        [Token("Hi \u00fc"), Ask("c", "f", {}), Spent(11, 7)],
    ),
    "contents": (
        stream(
            {"candidates": [{"content": {"parts": [{"text": "Hi \u00fc"}]}}]},
            {
                "candidates": [{"content": {"parts": [{"text": "."}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7},
            },
        ),
        [Token("Hi \u00fc"), Token("."), Spent(11, 7)],
    ),
}


@pytest.mark.parametrize("kind", WHOLE)
async def test_where_a_stream_is_cut_into_chunks_makes_no_difference(kind: str) -> None:
    whole, wanted = WHOLE[kind]
    for cut in range(len(whole)):
        assert await drive(kind, whole[:cut], whole[cut:]) == (wanted, None)


@pytest.mark.parametrize("kind", WHOLE)
async def test_where_a_stream_breaks_off_changes_nothing_but_the_end(kind: str) -> None:
    """What was said stands; the end is an error, unless nothing but the cost was still to come."""
    whole, wanted = WHOLE[kind]
    said = len(wanted) - 1
    seen = set()
    for cut in range(len(whole)):
        found, error = await drive(kind, whole[:cut])
        seen.add((len(found[:said]), error is None))
        assert found[:said] == wanted[: len(found)][:said]
        assert type(error) is Garbled if error else found[:said] == wanted[:said]
    assert {(0, False), (1, False)} <= seen
    assert (said, True) in seen or kind == "contents"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(WIRES)), st.lists(st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b"{}"])))
def test_any_bytes_give_thoughts_or_an_error_of_the_provider(kind: str, chunks: list[bytes]) -> None:
    found, error = trio.run(lambda: drive(kind, *chunks))
    assert not found
    assert isinstance(error, Garbled)


async def test_a_message_of_ten_megabytes_is_garbled() -> None:
    piece = b"x" * 65_536
    found, error = await drive("chat", b"data: ", *[piece] * 160, b"\n\n")
    assert not found
    assert "more than" in str(error)


async def test_the_readers_time_is_not_the_services(autojump_clock: trio.testing.MockClock) -> None:
    service = SimpleNamespace(first=1.0, idle=1.0, total=2.0)
    pieces = [stream(chunk(content=str(n))) for n in range(5)]
    last = stream(chunk("stop"))
    dial = Dial("x", Local())
    minds: Any = SimpleNamespace(provider="x", dial=dial, service=service, wire=WIRES["chat"], way=Way([*pieces, last]))
    async with ModelMind(minds).think([Line("caller", "hi")]) as told:
        count = 0
        async for _ in told:
            count += 1
            await trio.sleep(10)
    assert count == 5
    assert trio.current_time() >= 50
