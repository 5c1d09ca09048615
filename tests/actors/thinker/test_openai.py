"""The openai mind against an HTTP server on loopback that speaks the real stream, and all that can go wrong with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio

from parlance.actors.thinker.mind import Minds
from parlance.actors.thinker.openai import make
from parlance.actors.thinker.port import Line, Spent, Token
from parlance.engine.agent import Agent
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

HISTORY = (Line("agent", "Hello."), Line("caller", "are you open"))
Stream = trio.SocketStream
Answer = Callable[[Stream], Awaitable[None]]


@dataclass
class Server:
    """Reads one request after another of each connection and lets `answer` write whatever it likes."""

    answer: Answer
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    gone: trio.Event = field(default_factory=trio.Event)

    async def handle(self, stream: Stream) -> None:
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = await stream.receive_some()
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                while len(data) < length:
                    data += await stream.receive_some()
                self.headers.append(head)
                self.requests.append(json.loads(data[:length]))
                data = data[length:]
                await self.answer(stream)
        except trio.BrokenResourceError:
            pass
        finally:
            self.gone.set()
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.handle, 0, host="127.0.0.1"))
        server.port = listeners[0].socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def minds(port: int, **settings: Any) -> AsyncIterator[Minds]:
    made = make(
        {"model": "m", "base_url": f"http://127.0.0.1:{port}/v1", "first": 3, "idle": 3, **settings},
        Agent(name="a", prompt="Be brief."),
    )
    try:
        yield made
    finally:
        await made.aclose()


def event(content: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
WHOLE = event("", role="assistant") + event("We are ") + event("open \u00fc.") + event(finish="stop") + DONE
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sends(*pieces: bytes) -> Answer:
    async def answer(stream: Stream) -> None:
        await stream.send_all(HEAD + b"".join(chunk(piece) for piece in pieces if piece) + b"0\r\n\r\n")

    return answer


def refuses(status: int, body: bytes = b'{"error":{"message":"because"}}') -> Answer:
    async def answer(stream: Stream) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        await stream.send_all(head + body)

    return answer


async def reply(made: Minds) -> str:
    text = ""
    async with made().think(HISTORY) as thoughts:
        async for thought in thoughts:
            assert isinstance(thought, Token | Spent)
            text += thought.text if isinstance(thought, Token) else ""
    return text


async def test_the_reply_streams_and_the_request_says_what_was_heard():
    async with serving(sends(WHOLE)) as server, minds(server.port, temperature=0.5, max_tokens=99) as made:
        assert await reply(made) == "We are open \u00fc."
    assert server.requests == [
        {
            "model": "m", "stream": True, "temperature": 0.5, "max_tokens": 99,
            "stream_options": {"include_usage": True},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "are you open"},
            ],
        }
    ]  # fmt: skip


async def test_a_stream_of_single_bytes_is_the_same():
    async with serving(sends(*[bytes([byte]) for byte in WHOLE])) as server, minds(server.port) as made:
        assert await reply(made) == "We are open \u00fc."


@pytest.mark.parametrize(
    "odd",
    [
        event(reasoning_content="hm"),
        b'data: {"id":"1","choices":[],"usage":{"total_tokens":3}}\n\n',
        b": keep-alive\n\n",
        b'event: ping\ndata: {"choices": []}\n\n',
        event(""),
    ],
)
async def test_what_is_not_text_is_passed_over(odd):
    body = odd + event("Yes.") + odd + event(finish="stop") + DONE
    async with serving(sends(body)) as server, minds(server.port) as made:
        assert await reply(made) == "Yes."


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected), (401, Rejected), (403, Rejected), (404, Rejected), (422, Rejected), (408, Unreachable),
        (429, Overloaded), (503, Overloaded), (529, Overloaded), (500, Unreachable), (502, Unreachable),
    ],
)  # fmt: skip
async def test_a_refusal_says_whose_turn_it_is_and_is_not_tried_again(status, error):
    async with serving(refuses(status)) as server, minds(server.port) as made:
        with pytest.raises(ProviderError, match="because") as caught:
            await reply(made)
    assert type(caught.value) is error
    assert str(status) in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        event("We ") + b"data: {not json\n\n",
        event("We ") + b"data: 5\n\n",
        event("We ") + b'data: {"choices": 7}\n\n',
        event("We ") + b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
        event("We ") + b"data: \xff\xfe\n\n",
        event("We are"),
        event("We are") + DONE,
        b"<html>hello</html>",
        b"",
    ],
)
async def test_a_stream_that_is_none_is_garbled(body):
    async with serving(sends(body)) as server, minds(server.port) as made:
        with pytest.raises(Garbled):
            await reply(made)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("rate_limit_exceeded", Overloaded), ("invalid_request_error", Rejected), ("server_error", Unreachable)],
)
async def test_an_error_inside_the_stream_is_mapped_by_its_type(kind, error):
    body = event("We ") + b"data: " + json.dumps({"error": {"message": "because", "type": kind}}).encode() + b"\n\n"
    async with serving(sends(body)) as server, minds(server.port) as made:
        with pytest.raises(ProviderError, match="because") as caught:
            await reply(made)
    assert type(caught.value) is error


async def test_a_connection_cut_in_mid_stream_is_garbled():
    async def answer(stream: Stream) -> None:
        await stream.send_all(HEAD + chunk(event("We ")))
        await stream.aclose()

    async with serving(answer) as server, minds(server.port) as made:
        with pytest.raises(Garbled, match="connection lost"):
            await reply(made)


async def test_a_connection_cut_before_the_answer_is_unreachable():
    async with serving(lambda stream: stream.aclose()) as server, minds(server.port) as made:
        with pytest.raises(Unreachable, match="connection lost"):
            await reply(made)


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"5\r\ndata:"])
async def test_a_stall_before_the_first_event_ends_at_its_deadline(sent):
    async def answer(stream: Stream) -> None:
        if sent:
            await stream.send_all(sent)
        await trio.sleep_forever()

    async with serving(answer) as server, minds(server.port, first=0.2, idle=30) as made:
        with trio.fail_after(3), pytest.raises(Unreachable, match=r"within 0\.2 s"):
            await reply(made)


async def test_a_stall_in_mid_stream_ends_at_its_deadline():
    async def answer(stream: Stream) -> None:
        await stream.send_all(HEAD + chunk(event("We ")))
        await server.gone.wait()

    async with serving(answer) as server, minds(server.port, first=30, idle=0.2) as made:
        with trio.fail_after(3), pytest.raises(Unreachable, match=r"no more words within 0\.2 s"):
            await reply(made)


def endless(events: int = 1) -> Answer:
    async def answer(stream: Stream) -> None:
        await stream.send_all(HEAD + chunk(event("We ") * events))
        # Returns when the other side has gone.
        await stream.receive_some()
        raise trio.BrokenResourceError

    return answer


@pytest.mark.parametrize("events", [1, 500])
async def test_leaving_closes_the_stream_at_once(events):
    async with serving(endless(events)) as server, minds(server.port) as made:
        async with made().think(HISTORY) as thoughts:
            assert await anext(thoughts) == Token("We ")
        with trio.fail_after(1):
            await server.gone.wait()


async def test_the_key_goes_to_the_service_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "sk-secret-123")
    body = b'{"error":{"message":"wrong key sk-secret-123"}}'
    async with serving(refuses(401, body)) as server, minds(server.port, key_env="SHOP_KEY") as made:
        with pytest.raises(Rejected, match=r"wrong key \*\*\*") as caught:
            await reply(made)
        assert b"Bearer sk-secret-123" in server.headers[0]
        assert "secret-123" not in repr(made.service) + repr(made.dial.key) + str(caught.value)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "'model' is missing"),
        ({"model": "m"}, "OPENAI_API_KEY"),
        ({"model": "m", "key_env": "SHOP_KEY"}, "SHOP_KEY"),
        ({"model": "m", "base_url": "localhost:1"}, "is not an address like https://api.openai.com/v1"),
        ({"model": "m", "base_url": "http://x", "temprature": 1}, "did you mean temperature"),
        ({"model": "m", "base_url": "http://x", "temperature": 3}, "less than or equal to 2"),
        ({"model": "m", "url": "http://x", "max_tokens": 1, "max_completion_tokens": 1}, "two names of one thing"),
        ({"model": "m", "key_env": "HOME", "api_version": "1"}, "set `url` to your resource"),
    ],
)
def test_wrong_settings_are_told_at_the_start(settings, fault, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("SHOP_KEY", raising=False)
    with pytest.raises(Misconfigured, match=fault):
        make(settings, Agent(name="a"))


async def test_azure_is_asked_at_its_deployment_with_its_header(nursery, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "azure-secret-1")
    async with serving(sends(WHOLE)) as server:
        made = make(
            {"model": "desk", "url": f"http://127.0.0.1:{server.port}", "api_version": "v-1", "key_env": "SHOP_KEY"},
            Agent(name="a"),
        )
        assert await reply(made) == "We are open \u00fc."
        await made.aclose()
    head = server.headers[0].lower()
    assert head.startswith(b"post /openai/deployments/desk/chat/completions?api-version=v-1 ")
    assert b"\r\napi-key: azure-secret-1" in head
    assert b"authorization" not in head


async def test_a_service_that_is_not_there_yet_holds_nothing_up():
    async with serving(sends(WHOLE)) as server:
        port = server.port
    made = make({"model": "m", "url": f"http://127.0.0.1:{port}/v1", "warm": 3}, Agent(name="a"))
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            with pytest.raises(Unreachable):
                await reply(made)
            nursery.cancel_scope.cancel()


def test_a_key_that_no_header_can_carry_is_refused(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u00fc")
    with pytest.raises(Misconfigured, match="characters that no key has"):
        make({"model": "m"}, Agent(name="a"))
