"""The simulated Messages of Anthropic: their events, calls of tools, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simclient import JSON, asking, calm, events, like_one_of, parsed, recorded, until_cut

from bench.simulators import messages
from bench.simulators.conduct import Fate
from bench.simulators.door import Asked, Refusal

PATH = "/v1/messages"
VERSION = {"anthropic-version": "2026-10-21"}
TOOL = {"name": "book", "description": "Books.", "input_schema": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "hello"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
CALLED = {"role": "assistant", "content": [{"type": "text", "text": "One moment."}, USE]}
TEXT = {"type": "text", "text": "and"}
BODY: dict[str, Any] = {"model": "m", "max_tokens": 100, "messages": [USER], "stream": True, "tools": [TOOL]}


async def streamed(client: httpx.AsyncClient, **more: Any) -> list[dict[str, Any]]:
    answer = await client.post(PATH, json=BODY | more, headers=VERSION)
    assert answer.status_code == 200, answer.text
    named = [line.removeprefix("event: ") for line in answer.text.split("\n") if line.startswith("event: ")]
    told = parsed(events(answer.content))
    assert named == [event["type"] for event in told]
    return told


async def test_a_text_comes_in_its_events() -> None:
    conduct = calm()
    conduct.text = "one two"
    async with asking("anthropic", conduct) as client:
        told = await streamed(client)
        whole = (await client.post(PATH, json=BODY | {"stream": False}, headers=VERSION)).json()
    assert [event["type"] for event in told] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (told[-2]["delta"]["stop_reason"], told[-2]["usage"]["output_tokens"]) == ("end_turn", 2)
    assert (whole["content"], whole["stop_reason"]) == ([{"type": "text", "text": "one two"}], "end_turn")


async def test_an_empty_answer_has_no_block() -> None:
    conduct = calm()
    conduct.fates.append(Fate.EMPTY)
    async with asking("anthropic", conduct) as client:
        told = await streamed(client)
    assert [event["type"] for event in told] == ["message_start", "message_delta", "message_stop"]


async def test_a_tool_is_called_in_pieces_and_its_result_taken() -> None:
    conduct = calm()
    conduct.tools.append(("book", {"day": "Monday", "name": "Zo\u00eb"}))
    async with asking("anthropic", conduct) as client:
        told = await streamed(client)
        block = next(event["content_block"] for event in told if event["type"] == "content_block_start")
        parts = [event["delta"]["partial_json"] for event in told if event["type"] == "content_block_delta"]
        assert (block["type"], block["name"], block["input"]) == ("tool_use", "book", {})
        assert len(parts) > 2
        assert parts[0] == ""
        assert json.loads("".join(parts)) == {"day": "Monday", "name": "Zo\u00eb"}
        assert told[-2]["delta"]["stop_reason"] == "tool_use"
        assert [event for event in told if not like_one_of(event, recorded("anthropic"))] == []
        called = {"role": "assistant", "content": [block | {"input": json.loads("".join(parts))}]}
        result = {"role": "user", "content": [RESULT | {"tool_use_id": block["id"]}]}
        assert (await streamed(client, messages=[USER, called, result]))[-2]["delta"]["stop_reason"] == "end_turn"


async def test_an_overloaded_service_says_so_in_the_middle() -> None:
    conduct = calm()
    conduct.fates.append(Fate.CUT)
    conduct.statuses = (529,)
    async with asking("anthropic", conduct) as client:
        got = await until_cut(client, PATH, json=BODY, headers=VERSION)
    assert parsed(events(got))[-1]["error"]["type"] == "overloaded_error"
    assert b"event: error" in got


TAKEN = [
    ("turns of one role", [USER, USER]),
    ("an agent that speaks first", [{"role": "assistant", "content": "Hello."}, USER]),
    ("a result with text after it", [USER, CALLED, {"role": "user", "content": [RESULT, TEXT]}]),
    ("a result in one of two messages", [USER, CALLED, {"role": "user", "content": [RESULT]}, USER]),
]


@pytest.mark.parametrize("told", [told for _, told in TAKEN], ids=[name for name, _ in TAKEN])
async def test_turns_are_taken(told: list[Any]) -> None:
    async with asking("anthropic", calm()) as client:
        assert await streamed(client, messages=told)


@pytest.mark.parametrize(("version", "status"), [("2023-06-01", 200), ("2026-10-21", 400), ("2031-01-01", 400)])
async def test_only_older_versions_let_the_temperature_be_set(version: str, status: int) -> None:
    async with asking("anthropic", calm()) as client:
        answer = await client.post(PATH, json=BODY | {"temperature": 0.5}, headers={"anthropic-version": version})
    assert answer.status_code == status


REFUSED = [
    ("no model", {"model": None}),
    ("no limit", {"max_tokens": None}),
    ("a limit that is none", {"max_tokens": 0}),
    ("a limit in words", {"max_tokens": "9"}),
    ("no messages", {"messages": []}),
    ("an unknown field", {"max_completion_tokens": 9}),
    ("an unknown role", {"messages": [{"role": "tool", "content": "x"}]}),
    ("the system in a block that is none", {"system": [{"text": "x"}]}),
    ("an empty system", {"system": ""}),
    ("an empty text", {"messages": [{"role": "user", "content": " "}]}),
    ("no content", {"messages": [{"role": "user", "content": []}]}),
    ("the agent last", {"messages": [USER, {"role": "assistant", "content": "I"}]}),
    ("a call without a result", {"messages": [USER, CALLED, USER]}),
    ("a result after text", {"messages": [USER, CALLED, {"role": "user", "content": [TEXT, RESULT]}]}),
    ("a result of nothing", {"messages": [USER, {"role": "user", "content": [RESULT]}]}),
    ("a result of another", {"messages": [USER, CALLED, {"role": "user", "content": [RESULT | {"tool_use_id": "x"}]}]}),
    ("a result without an id", {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
    ("a call with a string", {"messages": [{"role": "assistant", "content": [USE | {"input": "{}"}]}, USER]}),
    ("a call by the user", {"messages": [{"role": "user", "content": [USE]}]}),
    ("a tool of openai's", {"tools": [{"type": "function", "function": {"name": "book"}}]}),
    ("a tool with parameters", {"tools": [TOOL | {"parameters": {}}]}),
    ("a tool without a schema", {"tools": [{"name": "book"}]}),
    ("a tool with a bad name", {"tools": [TOOL | {"name": "book it"}]}),
    ("a choice in a word", {"tool_choice": "auto"}),
    ("a choice without tools", {"tools": [], "tool_choice": {"type": "auto"}}),
]


@pytest.mark.parametrize("change", [change for _, change in REFUSED], ids=[name for name, _ in REFUSED])
async def test_a_wrong_request_is_refused_in_the_services_shape(change: dict[str, Any]) -> None:
    async with asking("anthropic", calm()) as client:
        answer = await client.post(PATH, json=BODY | change, headers=VERSION)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(("headers", "content"), [({}, b"{}"), (VERSION, b"{"), (VERSION, b"[]")])
async def test_what_is_no_request_is_refused(headers: dict[str, str], content: bytes) -> None:
    async with asking("anthropic", calm()) as client:
        answer = await client.post(PATH, content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@given(st.fixed_dictionaries({}, optional={name: JSON for name in ("messages", "tools", "tool_choice", "system")}))
def test_any_json_is_taken_or_refused(fields: dict[str, Any]) -> None:
    asked = Asked(PATH, {}, {b"anthropic-version": b"2026-10-21"}, json.dumps(BODY | fields).encode())
    try:
        request = messages._request(asked)
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert isinstance(request["messages"], list)
