"""Tools of an agent's own: what the mind is told of them, and what comes of using one, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door, Refusal
from parlance.actors.thinker.port import Ask
from parlance.actors.thinker.tools import MOST, OWN, Failure, Toolbox, faults
from parlance.engine.agent import Agent
from tests.actors.thinker.chatserver import Stream, serving

Making = Callable[..., Awaitable[Toolbox]]
ORDER = {
    "name": "order_status",
    "description": "Where an order is.",
    "parameters": {"number": {"type": "string", "description": "The order's number."}},
    "required": ["number"],
}
AT = {"url": "http://a.example/x"}
NUMBER = ("tools", 0, "parameters", "number")


class Shop:
    """A server that keeps what it was asked."""

    def __init__(self) -> None:
        self.conduct = Conduct()
        self.asked: list[Asked] = []
        self.answer: dict[str, Any] = {"status": "on its way", "days": 2}
        self.status = 200

    async def page(self, asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
        self.asked.append(asked)
        if fate is Fate.STALL:
            await trio.sleep(30)
        if self.status != 200:
            raise Refusal(self.status, "the shop is closed")
        await answer.whole(200, self.answer)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def made(nursery: trio.Nursery, shop: Shop) -> Making:
    port = await nursery.start(Door(shop.conduct, {"/orders": shop.page}, {}, keys={"host": None}).serve, 0)

    async def make(**more: Any) -> Toolbox:
        tool = {**ORDER, "url": f"http://127.0.0.1:{port}/orders?shop=1", **more}
        toolbox = Toolbox(Agent.model_validate({"name": "a", "tools": ["hang_up", "transfer", tool]}))
        await nursery.start(toolbox.run)
        return toolbox

    return make


def test_the_mind_is_told_what_there_is() -> None:
    agent = Agent.model_validate({"name": "a", "tools": ["hang_up", {**ORDER, "url": "http://shop.example/orders"}]})
    hang_up, order = Toolbox(agent).declared
    assert hang_up is OWN["hang_up"]
    assert (order.name, order.description) == ("order_status", "Where an order is.")
    assert order.parameters == {"type": "object", "properties": ORDER["parameters"], "required": ["number"]}


@pytest.mark.parametrize(("number", "names"), [("", {"hang_up"}), ("+33199000001", {"hang_up", "transfer"})])
def test_nobody_is_transferred_to_nowhere(number: str, names: set[str]) -> None:
    assert {tool.name for tool in Toolbox(Agent(name="a", transfer=number)).declared} == names


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("book", "'book' is none of hang_up, transfer, take_message"),
        ({"name": "hang_up", "url": "http://a.example", "description": "d"}, "a name of parlance's own"),
        ({"name": "book", "url": "http://a.example"}, "needs a `description`"),
        ({"name": "book", "url": "ftp://a.example", "description": "d"}, "url"),
        ({"name": "hang_up", "description": "Ends it."}, "its name is all that can be set"),
        ({**ORDER, "url": "http://a.example", "required": ["nummer"]}, "there is no parameter nummer"),
        ({**ORDER, "name": "a b", "url": "http://a.example"}, "name"),
    ],
)
def test_a_tool_that_cannot_be_is_refused_at_the_start(tool: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Agent.model_validate({"name": "a", "tools": [tool]})


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="there are two of hang_up"):
        Agent.model_validate({"name": "a", "tools": ["hang_up", "transfer", "hang_up"]})


async def test_arguments_go_there_and_the_answer_comes_back(shop: Shop, made: Making) -> None:
    result = await (await made()).use(Ask("1", "order_status", {"number": "42"}), "call-1.1")
    assert json.loads(result) == {"status": "on its way", "days": 2}
    (asked,) = shop.asked
    assert json.loads(asked.body) == {"number": "42"}
    assert asked.first("shop") == "1"
    assert asked.headers[b"idempotency-key"] == b"call-1.1"


async def test_the_token_is_sent_and_never_told(shop: Shop, made: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "very-secret-token")
    shop.status = 403
    toolbox = await made(key_env="SHOP_TOKEN")
    with pytest.raises(Failure) as caught:
        await toolbox.use(Ask("1", "order_status", {"number": "42"}), "k")
    assert shop.asked[0].headers[b"authorization"] == b"Bearer very-secret-token"
    assert "very-secret" not in str(caught.value)
    assert "closed" in str(caught.value)


async def test_without_a_token_nothing_of_this_machine_is_sent(
    shop: Shop, made: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell puts the path of the program that it starts into `_`."""
    monkeypatch.setenv("_", "/home/somebody/bin/parlance")
    await (await made()).use(Ask("1", "order_status", {"number": "42"}), "k")
    assert not any(b"somebody" in value for value in shop.asked[0].headers.values())


@pytest.mark.parametrize(("status", "doubt"), [(404, False), (500, True), (503, True)])
async def test_the_mind_is_told_where_nobody_knows_whether_it_was_done(
    shop: Shop, made: Making, status: int, doubt: bool
) -> None:
    shop.status = status
    with pytest.raises(Failure) as caught:
        await (await made()).use(Ask("1", "order_status", {"number": "42"}), "k")
    assert ("not known whether" in str(caught.value)) is doubt


@pytest.mark.parametrize(
    ("more", "place", "words"),
    [
        ({"url": "http://127.0.0.1:99999/x"}, ("tools", 0), "not an address"),
        (
            {"url": "http://a.example/x", "key_env": "NO_SUCH_TOKEN"},
            ("tools", 0, "key_env"),
            "NO_SUCH_TOKEN is not set",
        ),
        (
            {"url": "http://a.example/x", "timeout": 13},
            ("tools", 0, "timeout"),
            "13 s are more than limits.thinking, 12 s",
        ),
        ({**AT, "parameters": {"number": "string"}}, (*NUMBER,), "{type: string}"),
        ({**AT, "parameters": {"number": {"type": "strng"}}}, (*NUMBER, "type"), "did you mean string"),
        ({**AT, "parameters": {"number": {"type": ["string", "nil"]}}}, (*NUMBER, "type"), "no type 'nil'"),
        ({**AT, "parameters": {"number": {}}}, NUMBER, "'type' is missing"),
        ({**AT, "parameters": {"number": {"type": "array", "items": 5}}}, (*NUMBER, "items"), "{type: string}"),
        (
            {**AT, "parameters": {"number": {"type": "object", "properties": {"a": {"type": {}}}}}},
            (*NUMBER, "properties", "a", "type"),
            "no type {}",
        ),
        (
            {**AT, "parameters": {"type": "object", "properties": {}, "number": {"type": "string"}}},
            NUMBER[:-1],
            "leave out type and properties",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_at_the_start(more: dict[str, Any], place: tuple[Any, ...], words: str) -> None:
    ((where, told),) = faults(Agent.model_validate({"name": "a", "mind": "openai", "tools": [{**ORDER, **more}]}))
    assert where[: len(place)] == place
    assert words in told


def test_tools_that_nobody_would_use_are_told_at_the_start() -> None:
    written = {"name": "a", "mind": ["script", "script"], "tools": ["hang_up"]}
    assert faults(Agent.model_validate(written)) == [
        (("tools",), "the mind is a script, which uses no tools: it has acts")
    ]
    for fine in ({"mind": ["script", "rehearsal"]}, {"tools": []}):
        assert not faults(Agent.model_validate(written | fine))
    assert not faults(Agent(name="a"))


def test_a_schema_may_do_without_a_type_where_something_else_says_it() -> None:
    parameters = {"number": {"enum": ["1", "2"]}, "type": {"type": "string"}, "properties": {"type": "object"}}
    agent = {"name": "a", "mind": "openai", "tools": [{**ORDER, **AT, "parameters": parameters}]}
    assert not faults(Agent.model_validate(agent))


@pytest.mark.parametrize(
    ("prepare", "ask", "words"),
    [
        (None, Ask("1", "order_state", {}), "There is no tool 'order_state'; there are: hang_up, order_status"),
        (None, Ask("1", "order_status", {}), "Missing: number"),
        (
            {"status": 500},
            Ask("1", "order_status", {"number": "1"}),
            "^It is not known whether it was done: tool order_status: 500",
        ),
        (
            {"status": 404},
            Ask("1", "order_status", {"number": "1"}),
            "^It did not work: tool order_status: 404 the shop is closed",
        ),
    ],
)
async def test_what_goes_wrong_is_said_to_the_mind(
    shop: Shop, made: Making, prepare: dict[str, Any] | None, ask: Ask, words: str
) -> None:
    for name, value in (prepare or {}).items():
        setattr(shop, name, value)
    with pytest.raises(Failure, match=words):
        await (await made()).use(ask, "k")


async def test_a_tool_that_does_not_answer_is_not_waited_for(shop: Shop, made: Making) -> None:
    shop.conduct.fates.append(Fate.STALL)
    with trio.fail_after(5), pytest.raises(Failure, match=r"within 0\.2 s\. It is not known whether"):
        await (await made(timeout=0.2)).use(Ask("1", "order_status", {"number": "42"}), "k")


async def test_a_long_answer_is_cut(shop: Shop, made: Making) -> None:
    shop.answer = {"text": "word " * 4000}
    result = await (await made()).use(Ask("1", "order_status", {"number": "42"}), "k")
    assert len(result) < MOST + 20
    assert result.endswith("(cut off)")


async def test_an_endless_answer_is_refused(shop: Shop, made: Making) -> None:
    shop.answer = {"text": "w" * (2 << 20)}
    with pytest.raises(Failure, match="more than 1 MB"):
        await (await made()).use(Ask("1", "order_status", {"number": "42"}), "k")


def _dumped(told: object) -> bytes:
    return json.dumps(told).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([200, 404, 500]), st.binary() | JSON.map(_dumped))
@example({}, 200, b"[" * 100_000)
@example({}, 500, b"[" * 100_000)
@example({}, 200, b'{"said": "\\ud83d"}')
@example({}, 500, b'{"error": "\\ud83d"}')
@example({}, 200, b"9" * 5000)
async def test_whatever_a_server_is_asked_and_answers_is_words_for_the_mind(
    more: dict[str, Any], status: int, body: bytes
) -> None:
    """They can be sent on in any encoding, and nothing else is raised."""

    async def answer(stream: Stream) -> None:
        await stream.send_all(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))

    arguments = {"number": "42", **more}
    async with serving(answer) as server, trio.open_nursery() as nursery:
        tool = {**ORDER, "url": f"http://127.0.0.1:{server.port}/orders"}
        toolbox = Toolbox(Agent.model_validate({"name": "a", "tools": [tool]}))
        await nursery.start(toolbox.run)
        try:
            told = await toolbox.use(Ask("1", "order_status", arguments), "k")
            assert status == 200
        except Failure as failure:
            told = str(failure)
            assert status != 200
        nursery.cancel_scope.cancel()
    assert 0 < len(told.encode()) < 5 * MOST
    assert server.requests == [arguments]
