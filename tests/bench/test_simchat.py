"""The simulated chat completions: calls of tools, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simclient import JSON, asking, calm, events, like_one_of, parsed, recorded

from bench.simulators import chat
from bench.simulators.conduct import HUGE, Fate
from bench.simulators.door import Refusal

PATH = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "book", "parameters": {"type": "object", "properties": {}}}}
USER = {"role": "user", "content": "hello"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "book", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "done"}
BODY: dict[str, Any] = {"model": "m", "messages": [USER], "stream": True, "tools": [TOOL]}


async def streamed(client: Any, **more: Any) -> list[dict[str, Any]]:
    answer = await client.post(PATH, json=BODY | more)
    assert answer.status_code == 200, answer.text
    return parsed(events(answer.content))


async def test_a_tool_is_called_in_pieces_and_its_result_taken() -> None:
    conduct = calm()
    conduct.tools.append(("book", {"day": "Monday", "name": "Zo\u00eb \u2764"}))
    async with asking("openai", conduct) as client:
        told = await streamed(client, stream_options={"include_usage": True})
        deltas = [call for event in told for one in event["choices"] for call in one["delta"].get("tool_calls", ())]
        arguments = [call["function"]["arguments"] for call in deltas]
        assert deltas[0] == {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": "book", "arguments": ""},
        }
        assert len([part for part in arguments if part]) > 2
        assert json.loads("".join(arguments)) == {"day": "Monday", "name": "Zo\u00eb \u2764"}
        assert [one["finish_reason"] for event in told for one in event["choices"]][-1] == "tool_calls"
        assert told[-1]["usage"]["total_tokens"] > 20
        assert all(event["usage"] is None for event in told[:-1])
        assert [event for event in told if not like_one_of(event, recorded("chat"))] == []
        called = {
            "role": "assistant",
            "tool_calls": [{**deltas[0], "function": {"name": "book", "arguments": "".join(arguments)}}],
        }
        again = await streamed(client, messages=[USER, called, RESULT])
        assert again[-1]["choices"][0]["finish_reason"] == "stop"
    assert conduct.requests["tool call"] == 1


@pytest.mark.parametrize("more", [{"tools": None}, {"tool_choice": "none"}])
async def test_a_tool_is_called_only_if_it_may_be(more: dict[str, Any]) -> None:
    conduct = calm()
    conduct.tools.append(("book", {}))
    async with asking("openai", conduct) as client:
        assert (await streamed(client, **more))[-1]["choices"][0]["finish_reason"] == "stop"
    assert len(conduct.tools) == 1


async def test_tools_are_called_one_a_reply_in_their_order() -> None:
    conduct = calm()
    conduct.tools.extend([("book", {"n": 1}), ("other", {}), ("book", {"n": 2})])
    async with asking("openai", conduct) as client:
        whole = (await client.post(PATH, json=BODY | {"stream": False})).json()
        message = whole["choices"][0]["message"]
        assert (message["content"], message["tool_calls"][0]["function"]["arguments"]) == (None, '{"n": 1}')
        assert (
            "tool_calls" not in (await client.post(PATH, json=BODY | {"stream": False})).json()["choices"][0]["message"]
        )
    assert [name for name, _ in conduct.tools] == ["other", "book"]


@pytest.mark.parametrize(("fate", "length"), [(Fate.HALF, 0), (Fate.TYPES, 0), (Fate.HUGE, HUGE)])
async def test_arguments_of_a_call_are_spoiled(fate: Fate, length: int) -> None:
    conduct = calm()
    conduct.tools.append(("book", {"day": "Monday"}))
    conduct.fates.append(fate)
    async with asking("openai", conduct) as client:
        told = events((await client.post(PATH, json=BODY)).content)
    calls = [c for e in parsed(told) for one in e["choices"] for c in one["delta"].get("tool_calls", ())]
    arguments = [call["function"]["arguments"] for call in calls]
    assert (7 in arguments) == (fate is Fate.TYPES)
    assert sum(len(part) for part in arguments if part != 7) >= length
    assert len(told) - 1 - len(parsed(told)) == (fate is Fate.HALF)


async def test_azure_begins_with_its_filters_and_wants_a_version() -> None:
    async with asking("azureopenai", calm()) as client:
        path = "/openai/deployments/gpt/chat/completions"
        body = {"messages": [USER], "stream": True}
        refused = await client.post(path, json=body)
        told = parsed(events((await client.post(f"{path}?api-version=2024-10-21", json=body)).content))
        newer = await client.post("/openai/v1/chat/completions", json={"model": "m", **body})
        without = await client.post("/openai/v1/chat/completions", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "404")
    assert told[0]["choices"] == []
    assert told[0]["prompt_filter_results"]
    assert (newer.status_code, without.status_code) == (200, 400)


REFUSED = [
    ("no json", b'{"model": "m"'),
    ("no object", b"[]"),
    ("no model", {"model": None}),
    ("no messages", {"messages": None}),
    ("an unknown field", {"max_output_tokens": 7}),
    ("usage without a stream", {"stream": False, "stream_options": {"include_usage": True}}),
    ("two limits", {"max_tokens": 1, "max_completion_tokens": 1}),
    ("an unknown role", {"messages": [{"role": "model", "content": "x"}]}),
    ("content of the wrong type", {"messages": [{"role": "user", "content": 7}]}),
    ("no content", {"messages": [{"role": "user", "content": None}]}),
    ("a part of the wrong type", {"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]}),
    ("a text part without text", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("a result of nothing", {"messages": [USER, RESULT]}),
    ("a result of another call", {"messages": [USER, CALLED, RESULT | {"tool_call_id": "call_2"}]}),
    ("a result twice", {"messages": [USER, CALLED, RESULT, RESULT]}),
    ("a call without a result", {"messages": [USER, CALLED, USER]}),
    ("a call without a result at the end", {"messages": [USER, CALLED]}),
    ("a result without content", {"messages": [USER, CALLED, {"role": "tool", "tool_call_id": "call_1"}]}),
    (
        "arguments as an object",
        {"messages": [CALLED | {"tool_calls": [CALL | {"function": {"name": "b", "arguments": {}}}]}]},
    ),
    ("no calls", {"messages": [CALLED | {"tool_calls": []}]}),
    ("a call without an id", {"messages": [CALLED | {"tool_calls": [CALL | {"id": ""}]}]}),
    ("a call without a type", {"messages": [CALLED | {"tool_calls": [{**CALL, "type": None}]}]}),
    ("no tools", {"tools": []}),
    ("a flat tool", {"tools": [{"type": "function", "name": "book"}]}),
    ("a tool with a bad name", {"tools": [{"type": "function", "function": {"name": "book it"}}]}),
    ("a choice without tools", {"tools": None, "tool_choice": "auto"}),
]


@pytest.mark.parametrize("change", [change for _, change in REFUSED], ids=[name for name, _ in REFUSED])
async def test_a_wrong_request_is_refused_in_the_services_shape(change: Any) -> None:
    async with asking("openai", calm()) as client:
        content = change if isinstance(change, bytes) else json.dumps(BODY | change).encode()
        answer = await client.post(PATH, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert answer.json()["error"]["message"]


@given(
    st.fixed_dictionaries({}, optional={name: JSON for name in ("messages", "tools", "tool_choice", "stream_options")})
)
def test_any_json_is_taken_or_refused(fields: dict[str, Any]) -> None:
    try:
        request = chat._request(json.dumps(BODY | fields).encode(), True)
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert isinstance(request["messages"], list)
