"""The openai mind against an HTTP server on loopback that speaks the real stream, and all that can go wrong with it."""

from __future__ import annotations

import json

import pytest
import trio

from parlance.actors.thinker.port import Token
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable
from tests.actors.thinker.chatserver import (
    DONE,
    HEAD,
    HISTORY,
    WHOLE,
    Answer,
    Stream,
    chunk,
    event,
    minds,
    refuses,
    reply,
    sends,
    serving,
)


async def test_the_reply_streams_and_the_request_says_what_was_heard():
    async with serving(sends(WHOLE)) as server, minds(server.port, temperature=0.5, max_tokens=99) as made:
        assert await reply(made) == "We are open \u00fc."
    assert server.requests == [
        {
            "model": "m", "stream": True, "temperature": 0.5, "max_tokens": 99,
            "stream_options": {"include_usage": True},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "(The call begins.)"},
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
