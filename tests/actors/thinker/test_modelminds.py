"""Each language model against its simulator, over real sockets: words, tools, every fate, refusals, leaving at once."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import trio

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.town import doors
from parlance.actors.thinker.mind import ModelMinds
from parlance.actors.thinker.port import Ask, Entry, Line, Spent, Thought, Token, Tool, Use
from parlance.actors.thinker.rehearsal import REPLY
from parlance.engine.agent import Agent
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

pytestmark = [pytest.mark.swift, pytest.mark.usefixtures("frozen")]

KEY = "key-that-is-secret"
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai": ("openai", "http://127.0.0.1:{}/v1", {}),
    "azureopenai": ("openai", "http://127.0.0.1:{}", {"api_version": "2024-10-21"}),
    "anthropic": ("anthropic", "http://127.0.0.1:{}", {}),
    "gemini": ("gemini", "http://127.0.0.1:{}", {}),
}
HISTORY = (Line("agent", "Hello."), Line("caller", "are you open on monday"))
PARAMETERS = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
TOOL = Tool("look", "Looks into the calendar.", PARAMETERS)
OTHER = Tool("book", "Books.", {"type": "object", "properties": {}})
kinds = pytest.mark.parametrize("kind", KINDS)


class Town:
    """A simulated provider for each kind of mind, and how they all behave."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.conduct = Conduct(chat_delay=0.0, chat_pace=2000.0, key=KEY)
        self._nursery = nursery

    @asynccontextmanager
    async def minds(self, kind: str, **settings: Any) -> AsyncIterator[ModelMinds]:
        module, url, more = KINDS[kind]
        port = await self._nursery.start(doors(self.conduct)[kind].serve, 0)
        chosen = {"model": "m", "url": url.format(port), "key_env": "MIND_KEY", "first": 4, "idle": 4, "warm": 0}
        made: ModelMinds = import_module(f"parlance.actors.thinker.{module}").make(
            {**chosen, **more, **settings}, Agent(name="a", prompt="Be brief.")
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            yield made
            nursery.cancel_scope.cancel()


@pytest.fixture
async def town(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Town]:
    """Whatever the libraries log meanwhile, at whatever level, the key must not be in it."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv("MIND_KEY", KEY)
    yield Town(nursery)
    assert KEY not in caplog.text
    gc.collect()


async def reply(made: ModelMinds, history: Sequence[Entry] = HISTORY, tools: Sequence[Tool] = ()) -> list[Thought]:
    async with made().think(history, tools) as thoughts:
        return [thought async for thought in thoughts]


def words(thoughts: Sequence[Thought]) -> str:
    return "".join(thought.text for thought in thoughts if isinstance(thought, Token))


@kinds
async def test_the_reply_streams_and_is_counted(town: Town, kind: str) -> None:
    async with town.minds(kind) as made:
        assert made.provider == KINDS[kind][0] == made().provider
        assert made().ahead
        found = await reply(made)
    assert words(found) == REPLY
    assert len(found) > 10
    assert [thought for thought in found if isinstance(thought, Spent)] == [Spent(20, len(found) - 1)]


@kinds
async def test_any_script_comes_as_it_was_sent(town: Town, kind: str) -> None:
    town.conduct.text = "Gr\u00fc\u00dfe, \u4f60\u597d, \U0001f600 <speak>&amp;</speak> \u0645\u0631\u062d\u0628\u0627"
    async with town.minds(kind) as made:
        assert words(await reply(made)) == town.conduct.text
        said = (*HISTORY, Line("agent", town.conduct.text), Line("caller", town.conduct.text))
        assert words(await reply(made, said)) == town.conduct.text


@kinds
async def test_a_tool_is_asked_for_and_the_reply_goes_on_from_its_result(town: Town, kind: str) -> None:
    """The simulators refuse a history whose calls and results do not belong together."""
    town.conduct.tools.extend([("look", {"day": "Montag \u00fc"}), ("book", {})])
    history: list[Entry] = [*HISTORY]
    async with town.minds(kind) as made:
        for name, arguments in (("look", {"day": "Montag \u00fc"}), ("book", {})):
            (ask,) = [thought for thought in await reply(made, history, [TOOL, OTHER]) if isinstance(thought, Ask)]
            assert (ask.name, ask.arguments) == (name, arguments)
            assert ask.id
            history.append(Use(ask.id, ask.name, ask.arguments, "(not finished)", ask.opaque))
        assert words(await reply(made, history, [TOOL, OTHER])) == REPLY
        # Nothing of the reply was heard, and the caller goes on; then something was.
        history.append(Line("caller", "hello?"))
        assert words(await reply(made, history, [TOOL, OTHER])) == REPLY
        history += [Line("agent", "Yes, we"), Line("caller", "thanks")]
        assert words(await reply(made, history)) == REPLY


FATES = {
    Fate.STALL: (Unreachable, "no more words within"),
    Fate.CUT: (Garbled, "connection lost"),
    Fate.SILENT: (Unreachable, r"within 0\.3 s"),
    Fate.HALF: (Garbled, "not the stream"),
    Fate.TYPES: (Garbled, "not the stream"),
    Fate.HUGE: (Garbled, "more than"),
}


@kinds
@pytest.mark.parametrize("fate", FATES)
async def test_each_fate_is_an_error_that_another_try_may_mend(town: Town, kind: str, fate: Fate) -> None:
    town.conduct.fates.append(fate)
    error, message = FATES[fate]
    async with town.minds(kind, first=0.3, idle=0.3) as made:
        with trio.fail_after(4), pytest.raises(ProviderError, match=message) as caught:
            await reply(made)
        assert type(caught.value) is error
        assert caught.value.retry
        assert caught.value.provider == made.provider
        assert words(await reply(made)) == REPLY


@kinds
async def test_a_reply_with_nothing_in_it_is_an_empty_reply(town: Town, kind: str) -> None:
    town.conduct.fates.append(Fate.EMPTY)
    async with town.minds(kind) as made:
        assert words(await reply(made)) == ""


@kinds
@pytest.mark.parametrize(
    ("status", "error", "after"),
    [
        (400, Rejected, None),
        (404, Rejected, None),
        (500, Unreachable, None),
        (429, Overloaded, 7.0),
        (503, Overloaded, 7.0),
    ],
)
async def test_a_refusal_says_whose_turn_it_is_and_is_not_tried_again(
    town: Town, kind: str, status: int, error: type[ProviderError], after: float | None
) -> None:
    town.conduct.statuses, town.conduct.retry_after = (status,), "7"
    town.conduct.fates.append(Fate.ERROR)
    async with town.minds(kind) as made:
        with pytest.raises(ProviderError, match=f"{made.provider}: {status} the simulator fails") as caught:
            await reply(made)
    assert (type(caught.value), caught.value.after) == (error, after)
    assert sum(n for name, n in town.conduct.requests.items() if not name.endswith("error")) == 1


@kinds
async def test_a_wrong_key_is_rejected_and_not_repeated(town: Town, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIND_KEY", "sk-wrong-one")
    async with town.minds(kind) as made:
        with pytest.raises(Rejected, match=r"401 .*\*\*\*") as caught:
            await reply(made)
        assert "sk-wrong-one" not in f"{caught.value!r} {made.service!r} {made.dial.key!r} {vars(made)}"


FIRST = {
    "openai": {"choices": [{"index": 0, "delta": {"content": "We "}}]},
    "azureopenai": {"choices": [{"index": 0, "delta": {"content": "We "}}]},
    "anthropic": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "We "}},
    "gemini": {"candidates": [{"content": {"parts": [{"text": "We "}]}}]},
}


@kinds
@pytest.mark.parametrize("how", ["left", "cancelled", "cancelled before the answer"])
async def test_leaving_closes_the_connection_at_once(town: Town, nursery: trio.Nursery, kind: str, how: str) -> None:
    asked, gone = trio.Event(), trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while not request.endswith(b"}"):
                request += await stream.receive_some()
            if how != "cancelled before the answer":
                data = f"data: {json.dumps(FIRST[kind])}\n\n".encode()
                head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                await stream.send_all(head + b"%x\r\n%b\r\n" % (len(data), data))
            asked.set()
            with suppress(trio.BrokenResourceError):
                assert not await stream.receive_some()
            gone.set()

    (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
    url = KINDS[kind][1].format(listener.socket.getsockname()[1])
    async with town.minds(kind, url=url) as made:
        if how == "left":
            async with made().think(HISTORY) as thoughts:
                assert await anext(thoughts) == Token("We ")
        else:
            async with trio.open_nursery() as calls:
                calls.start_soon(reply, made)
                await asked.wait()
                calls.cancel_scope.cancel()
        with trio.fail_after(1):
            await gone.wait()


@kinds
async def test_many_at_once_do_not_wait_for_each_other(town: Town, kind: str) -> None:
    town.conduct.chat_delay = 0.2
    start = trio.current_time()
    async with town.minds(kind) as made, trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(reply, made)
    assert trio.current_time() - start < 1.5


@kinds
async def test_nobody_there_is_unreachable(town: Town, kind: str) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with town.minds(kind, url=KINDS[kind][1].format(port)) as made:
        with pytest.raises(Unreachable, match="connection lost"):
            await reply(made)


@pytest.mark.parametrize("module", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "'model' is missing"),
        ({"model": "m", "key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"model": "m", "url": "localhost:1"}, "not an address"),
        ({"model": "m", "url": "http://x", "temprature": 1}, "did you mean temperature"),
        ({"model": "m", "url": "http://x", "temperature": 3}, "less than or equal to 2"),
        ({"model": "m", "url": "http://x", "extra": {"tools": []}}, "tools cannot be set here"),
    ],
)
def test_wrong_settings_are_told_at_the_start(module: str, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        import_module(f"parlance.actors.thinker.{module}").make(settings, Agent(name="a"))


@pytest.mark.parametrize(
    ("module", "settings", "wanted"),
    [
        ("openai", {"temperature": 0.5, "max_tokens": 9}, {"temperature": 0.5, "max_tokens": 9}),
        (
            "openai",
            {"max_completion_tokens": 9, "usage": False, "extra": {"reasoning_effort": "none"}},
            {"max_completion_tokens": 9, "reasoning_effort": "none"},
        ),
        ("anthropic", {}, {"max_tokens": 1024}),
        ("anthropic", {"max_tokens": 9, "temperature": 0.5}, {"max_tokens": 9, "temperature": 0.5}),
        ("gemini", {}, {}),
        (
            "gemini",
            {"max_tokens": 9, "temperature": 0.5, "extra": {"generationConfig": {"topK": 1}}},
            {"generationConfig": {"topK": 1, "maxOutputTokens": 9, "temperature": 0.5}},
        ),
    ],
)
def test_settings_are_in_the_request(module: str, settings: dict[str, Any], wanted: dict[str, Any]) -> None:
    given = {"model": "m", "url": "http://127.0.0.1:1", **settings}
    made = import_module(f"parlance.actors.thinker.{module}").make(given, Agent(name="a"))
    body = made.wire.request([Line("caller", "hi")], ())
    always = {"model", "stream", "messages", "contents"} | (
        {"stream_options"} if settings.get("usage", True) else set()
    )
    assert {name: value for name, value in body.items() if name not in always} == wanted
    assert json.dumps(body)
