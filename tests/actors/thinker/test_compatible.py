"""What services do that is in no document: odd calls of tools, ids twice, pings without end; and odd histories."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.dial import Dial, Service
from parlance.actors.thinker.chat import Chat
from parlance.actors.thinker.contents import Contents
from parlance.actors.thinker.messages import Messages
from parlance.actors.thinker.mind import ModelMind
from parlance.actors.thinker.model import OPENING, WAITING, Wire
from parlance.actors.thinker.port import Ask, Entry, Line, Thought, Use
from parlance.engine.errors import Overloaded, Rejected, Unreachable
from tests.actors.thinker.chatserver import DONE, WHOLE, Stream, event, minds, reply, sends, serving

WIRES: dict[str, Wire] = {
    "chat": Chat("m", "", {}),
    "messages": Messages("m", "", {"max_tokens": 9}),
    "contents": Contents("", {}),
}
ASKED = [Line("caller", "free?")]


def asked(*pieces: list[dict[str, Any]]) -> list[Thought]:
    """The calls of tools that these pieces are."""
    number = iter(range(1, 100))
    read = WIRES["chat"].reply(lambda: f"made-{next(number)}")
    for calls in pieces:
        read.read(json.dumps({"choices": [{"delta": {"tool_calls": calls}}]}))
    return read.read(json.dumps({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}))


def piece(arguments: Any = None, name: str | None = None, **told: Any) -> dict[str, Any]:
    return {**told, "function": {"name": name, "arguments": arguments}}


MONDAY = Ask("c1", "look", {"day": "Mo"})
CALLS: dict[str, tuple[list[list[dict[str, Any]]], list[Thought]]] = {
    "arguments that are an object": ([[piece({"day": "Mo"}, "look", index=0, id="c1")]], [MONDAY]),
    "another id with each piece": (
        [[piece('{"day"', "look", index=0, id="c1")], [piece(': "Mo"}', index=0, id="c9")]],
        [MONDAY],
    ),
    "the name with each piece": (
        [[piece('{"day"', "look", index=0, id="c1")], [piece(': "Mo"}', "look", index=0, id="c1")]],
        [MONDAY],
    ),
    "no ids, and one index, and one name": (
        [[piece('{"a": 1}', "look", index=0)], [piece('{"a": 2}', "look", index=0)]],
        [Ask("made-1", "look", {"a": 1}), Ask("made-2", "look", {"a": 2})],
    ),
    "no ids and nothing to say": (
        [[piece("", "look", index=0)], [piece("", "book", index=0)]],
        [Ask("made-1", "look", {}), Ask("made-2", "book", {})],
    ),
    "indexes that are null": (
        [[piece("{}", "look", index=None), piece("{}", "look", index=None)]],
        [Ask("made-1", "look", {}), Ask("made-2", "look", {})],
    ),
    "hundreds of pieces": (
        [
            [piece("", "look", index=0, id="c1")],
            *[[piece(letter, index=0)] for letter in '{"day":' + " " * 500 + '"Mo"}'],
        ],
        [MONDAY],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_found_however_they_are_cut(name: str) -> None:
    pieces, wanted = CALLS[name]
    assert asked(*pieces) == wanted


async def test_an_id_that_was_there_before_is_replaced() -> None:
    """By its id a use is found in the history, and told from another one by the tool's server."""
    calls = [piece("{}", "book", index=n, id="call_0") for n in range(2)]
    body = event(tool_calls=calls) + event(finish="tool_calls") + DONE
    async with serving(sends(body)) as server, minds(server.port) as made:
        history = [*ASKED, Use("call_0", "book", {}, "Booked."), Line("caller", "and again")]
        async with made().think(history) as thoughts:
            ids = [thought.id async for thought in thoughts if isinstance(thought, Ask)]
    assert len({*ids, "call_0"}) == 3


@pytest.mark.parametrize(
    "rest", [b"data: {no\n\n", b'data: {"error": {"message": "late"}}\n\n', b"data: [DONE] \n\n", b"\xff\n\n"]
)
async def test_nothing_that_follows_a_whole_reply_spoils_it(rest: bytes) -> None:
    async with serving(sends(event("Yes.") + event(finish="stop") + rest)) as server, minds(server.port) as made:
        assert await reply(made) == "Yes."


async def test_a_refusal_is_not_read_to_an_end_that_never_comes() -> None:
    async def answer(stream: Stream) -> None:
        await stream.send_all(b"HTTP/1.1 429 X\r\nretry-after: 7\r\nconnection: close\r\n\r\nslow down ")
        while True:
            await stream.send_all(b"x" * 65_536)

    async with serving(answer) as server, minds(server.port) as made:
        with trio.fail_after(2), pytest.raises(Overloaded, match="429 slow down") as caught:
            await reply(made)
    assert caught.value.after == 7


async def test_a_refusal_that_breaks_off_is_a_refusal() -> None:
    async def answer(stream: Stream) -> None:
        await stream.send_all(b"HTTP/1.1 401 X\r\ncontent-length: 99\r\n\r\nwrong key")
        await stream.aclose()

    async with serving(answer) as server, minds(server.port) as made:
        with pytest.raises(Rejected, match="401 wrong key"):
            await reply(made)


async def test_words_are_not_compressed_on_the_way() -> None:
    async with serving(sends(WHOLE)) as server, minds(server.port) as made:
        await reply(made)
    assert b"accept-encoding: identity" in server.headers[0].lower()


# ------------------------------------------------------------------------------------------- deadlines


class Local(Service):
    url: str = "http://127.0.0.1:1"
    key_env: str = "NO_SUCH_KEY"

    def usual(self) -> str:
        return "http://x"


class Pinging:
    """A service that sends `first`, and then `ping` for ever, once a second."""

    def __init__(self, first: bytes, ping: bytes) -> None:
        self.first, self.ping = first, ping

    @asynccontextmanager
    async def post(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        async def answer() -> AsyncGenerator[bytes]:
            yield self.first
            while True:
                await trio.sleep(1)
                yield self.ping

        async with aclosing(answer()) as chunks:
            yield chunks


async def last(made: Any) -> None:
    """Read a reply to its end."""
    async with ModelMind(made).think(ASKED) as thoughts:
        async for _ in thoughts:
            pass


STARTED = b'data: {"type": "message_start", "message": {}}\n\n'


@pytest.mark.parametrize(
    ("kind", "first", "ping"),
    [
        ("chat", event("Yes"), b": waiting\n\n"),
        ("chat", event("", role="assistant"), event("", role="assistant")),
        ("chat", event("", role="assistant"), b'data: {"choices": []}\n\n'),
        ("messages", STARTED, b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("contents", b'data: {"candidates": [{"content": {"parts": [{"text": "Yes"}]}}]}\n\n', b":\n\n"),
    ],
)
async def test_pings_do_not_hide_that_nothing_is_said(
    autojump_clock: trio.testing.MockClock, kind: str, first: bytes, ping: bytes
) -> None:
    service = SimpleNamespace(first=5.0, idle=3.0, total=60.0)
    made: Any = SimpleNamespace(
        provider="x", dial=Dial("x", Local()), service=service, wire=WIRES[kind], way=Pinging(first, ping)
    )
    begun = trio.current_time()
    with pytest.raises(Unreachable, match="no more words within 3 s"):
        await last(made)
    assert trio.current_time() - begun == pytest.approx(3)


async def test_a_slow_thinker_has_its_time(autojump_clock: trio.testing.MockClock) -> None:
    """Reasoning is not spoken, but it is work."""
    service = SimpleNamespace(first=5.0, idle=3.0, total=20.0)
    way = Pinging(STARTED, b'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta"}}\n\n')
    made: Any = SimpleNamespace(provider="x", dial=Dial("x", Local()), service=service, wire=WIRES["messages"], way=way)
    with pytest.raises(Unreachable, match="no whole answer within 20 s"):
        await last(made)


# ------------------------------------------------------------------------------------------- histories

texts = st.sampled_from(["", " ", "hi", "a\ud83d", "\U0001f600", "\x00"])
ids = st.sampled_from(["c1", "c2", "toolu_1", "made-gemini-1", "functions.look:0", "chatcmpl-tool-" + "f" * 32])
uses = st.builds(
    Use, ids, st.sampled_from(["look", "a b", "", "x" * 99]), st.just({}), texts, st.sampled_from(["", "gemini:s"])
)
histories = st.lists(st.builds(Line, st.sampled_from(["caller", "agent"]), texts) | uses, max_size=6)


@given(histories)
def test_any_history_can_be_sent_and_asks_for_an_answer(history: list[Entry]) -> None:
    for kind, wire in WIRES.items():
        body = wire.request(history, ())
        assert json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        told = body.get("messages") or body["contents"]
        roles = [one["role"] for one in told]
        assert roles[-1] in ("user", "tool")
        if kind == "messages":
            assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        for one in told:
            assert all(len(call["id"]) <= 40 for call in one.get("tool_calls") or ())


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ([], ["user"]),
        ([Line("caller", "free?"), Line("agent", "One moment, says the boss.")], ["user", "assistant", "user"]),
    ],
)
def test_where_the_agent_spoke_last_the_caller_still_waits(history: list[Entry], wanted: list[str]) -> None:
    told = WIRES["messages"].request(history, ())["messages"]
    assert [one["role"] for one in told] == wanted
    assert told[-1]["content"][0]["text"] in (WAITING, OPENING)


def test_thinking_goes_back_with_the_call_that_came_of_it_and_never_later() -> None:
    """With `thinking` on, the service refuses results of a call that come without."""
    thinking = {"type": "thinking", "thinking": "hm.", "signature": "c2ln"}
    hidden = {"type": "redacted_thinking", "data": "eA=="}
    events: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {**thinking, "thinking": "", "signature": ""}},
        *[
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": piece}}
            for piece in ("hm", ".")
        ],
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
        {"type": "content_block_start", "index": 1, "content_block": hidden},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "c", "name": "look"}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    ]
    read = WIRES["messages"].reply(lambda: "made-1")
    (ask,) = [thought for one in events for thought in read.read(json.dumps(one))]
    assert isinstance(ask, Ask)
    history: list[Entry] = [*ASKED, Line("agent", "See."), Use(ask.id, ask.name, ask.arguments, "free", ask.opaque)]
    told = WIRES["messages"].request(history, ())["messages"][1]["content"]
    assert told[:2] == [thinking, hidden]
    assert [block["type"] for block in told[2:]] == ["text", "tool_use"]
    later = WIRES["messages"].request([*history, *ASKED], ())["messages"][1]["content"]
    assert [block["type"] for block in later] == ["text", "tool_use"]
    assert 'thoughtSignature": "anthropic' not in json.dumps(WIRES["contents"].request(history, ()))


@pytest.mark.parametrize(("kind", "role"), [("messages", "assistant"), ("contents", "model")])
def test_what_is_signed_begins_a_reply_of_its_own(kind: str, role: str) -> None:
    opaque = {"messages": "anthropic:[]", "contents": "gemini:c2ln"}[kind]
    used = [Use("c1", "look", {}, "", opaque), Use("c2", "look", {}, ""), Use("c3", "look", {}, "", opaque)]
    body = WIRES[kind].request([*ASKED, *used], ())
    told = body.get("messages") or body["contents"]
    assert [one["role"] for one in told] == ["user", role, "user", role, "user"]


def test_gemini_is_told_which_calls_another_model_has_made() -> None:
    """It refuses those of its own that come back without what it signed them with, and takes others as such."""
    number = iter("12")
    read = WIRES["contents"].reply(lambda: f"made-{next(number)}")
    parts = [{"functionCall": {"name": "look"}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "look"}}]
    last = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    signed, unsigned = (one for one in read.read(json.dumps(last)) if isinstance(one, Ask))
    foreign = Ask("call_1", "look", {})

    past = [*ASKED, Use("call_1", "look", {}, "free"), Line("agent", "It is."), *ASKED]
    earlier = WIRES["contents"].request(past, ())["contents"]

    def sent(*asks: Ask) -> list[str | None]:
        history = [*ASKED, *[Use(ask.id, ask.name, ask.arguments, "free", ask.opaque) for ask in asks]]
        return [part.get("thoughtSignature") for part in WIRES["contents"].request(history, ())["contents"][1]["parts"]]

    assert sent(signed, unsigned) == ["c2ln", None]
    assert sent(unsigned) == [None]
    assert sent(foreign, foreign) == ["skip_thought_signature_validator", None]
    assert not any("thoughtSignature" in json.dumps(content) for content in earlier)
    assert sent(foreign, unsigned) == ["skip_thought_signature_validator", None]
