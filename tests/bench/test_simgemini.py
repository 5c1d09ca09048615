"""The simulated streamGenerateContent of Gemini: calls of tools with their signatures, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simclient import JSON, asking, calm, events, like_one_of, parsed, recorded

from bench.simulators import gemini
from bench.simulators.conduct import Fate
from bench.simulators.door import Refusal

STREAM = "/v1/models/m:streamGenerateContent"
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}}
TOOLS = [{"functionDeclarations": [{"name": "book", "description": "Books.", "parameters": SCHEMA}]}]
USER = {"role": "user", "parts": [{"text": "hello"}]}
BODY: dict[str, Any] = {"contents": [USER], "tools": TOOLS}


def signed(number: int = 1) -> dict[str, Any]:
    """A call as the service would have made it."""
    mark = f"function-call-{number}"
    call = {"name": "book", "args": {}, "id": mark}
    return {"functionCall": call, "thoughtSignature": gemini._signature("book", mark)}


def unsigned() -> dict[str, Any]:
    return {"functionCall": signed()["functionCall"]}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def result(**more: Any) -> dict[str, Any]:
    response = {"name": "book", "id": "function-call-1", "response": {"output": "done"}} | more
    return {"role": "user", "parts": [{"functionResponse": response}]}


async def streamed(client: httpx.AsyncClient, **more: Any) -> list[dict[str, Any]]:
    answer = await client.post(f"{STREAM}?alt=sse", json=BODY | more)
    assert answer.status_code == 200, answer.text
    return parsed(events(answer.content))


def parts(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for event in told for one in event["candidates"] for part in one["content"].get("parts", ())]


async def test_a_tool_is_called_and_its_signature_has_to_come_back() -> None:
    conduct = calm()
    conduct.tools.append(("book", {"day": "Zo\u00eb"}))
    async with asking("gemini", conduct) as client:
        told = await streamed(client)
        part = parts(told)[0]
        assert part["functionCall"] == {"name": "book", "args": {"day": "Zo\u00eb"}, "id": "function-call-1"}
        assert [event for event in told if not like_one_of(event, recorded("gemini"))] == []
        assert told[-1]["candidates"][0]["finishReason"] == "STOP"
        again = await streamed(client, contents=[USER, model(part), result()])
        assert "".join(part["text"] for part in parts(again))
        part["thoughtSignature"] = "AAAA"
        wrong = await client.post(STREAM, json=BODY | {"contents": [USER, model(part), result()]})
        assert (wrong.status_code, wrong.json()["error"]["message"]) == (400, "Corrupted thought signature.")


async def test_lines_end_as_the_services_do_and_nothing_follows_the_end() -> None:
    async with asking("gemini", calm()) as client:
        answer = await client.post(f"{STREAM}?alt=sse", json=BODY)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.content.endswith(b"}\r\n\r\n")
        whole = await client.post(STREAM, json=BODY)
    assert parsed(events(answer.content)) == whole.json()


async def test_thoughts_come_where_they_are_asked_for() -> None:
    async with asking("gemini", calm()) as client:
        plain = parts(await streamed(client))
        told = parts(await streamed(client, generation_config={"thinking_config": {"include_thoughts": True}}))
    assert [part["text"] for part in told if part.get("thought")] == [gemini.THOUGHT]
    assert [part for part in told if not part.get("thought")] == plain


async def test_an_empty_answer_has_no_parts() -> None:
    conduct = calm()
    conduct.fates.append(Fate.EMPTY)
    async with asking("gemini", conduct) as client:
        told = await streamed(client)
    assert [event["candidates"][0]["content"] for event in told] == [{"role": "model"}]


LATER = {"role": "user", "parts": [{"text": "and?"}]}
TAKEN = [
    ("a call with its result", [USER, model(signed()), result()]),
    ("a call after words", [USER, model({"text": "One moment."}, signed()), result()]),
    ("two steps", [USER, model(signed()), result(), model(signed(2)), result(id="function-call-2")]),
    ("an old call without its signature", [USER, model(unsigned()), result(), model({"text": "Done."}), LATER]),
    ("an agent that speaks first", [model({"text": "Hello."}), USER]),
    ("no role", [{"parts": [{"text": "hello"}]}]),
]


@pytest.mark.parametrize("told", [told for _, told in TAKEN], ids=[name for name, _ in TAKEN])
async def test_turns_are_taken(told: list[Any]) -> None:
    async with asking("gemini", calm()) as client:
        assert await streamed(client, contents=told)


def turns(*contents: Any) -> dict[str, Any]:
    return {"contents": list(contents)}


def tool(**declared: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "book", **declared}]}]}


inside = signed()["functionCall"] | {"thoughtSignature": signed()["thoughtSignature"]}
REFUSED = [
    ("no contents", turns()),
    ("contents as text", {"contents": "hello"}),
    ("an unknown field", {"messages": []}),
    ("a field of the configuration outside of it", {"maxOutputTokens": 9}),
    ("an unknown field of the configuration", {"generationConfig": {"maxTokens": 9}}),
    ("an unknown role", turns({"role": "assistant", "parts": [{"text": "x"}]})),
    ("the system as a role", turns({"role": "system", "parts": [{"text": "x"}]}, USER)),
    ("the system as text", {"systemInstruction": "x"}),
    ("no parts", turns({"role": "user", "parts": []})),
    ("content in place of parts", turns({"role": "user", "content": "x"})),
    ("a part with nothing", turns({"role": "user", "parts": [{}]})),
    ("a part with two things", turns({"role": "user", "parts": [{"text": "x", "functionCall": {"name": "b"}}]})),
    ("a text that is none", turns({"role": "user", "parts": [{"text": 7}]})),
    ("a call without its signature", turns(USER, model(unsigned()), result())),
    ("a signature inside of the call", turns(USER, model({"functionCall": inside}), result())),
    ("a call without a result", turns(USER, model(signed()))),
    ("a call without a result before words", turns(USER, model(signed()), USER)),
    ("a result without a call", turns(USER, result())),
    ("a call after the agent's own words", turns(USER, model({"text": "x"}), model(signed()), result())),
    ("a call at the beginning", turns(model(signed()), result())),
    ("a result of another name", turns(USER, model(signed()), result(name="other"))),
    ("a result with another id", turns(USER, model(signed()), result(id="x"))),
    ("a result as text", turns(USER, model(signed()), result(response="done"))),
    ("arguments as text", turns(USER, model({"functionCall": {"name": "book", "args": "{}"}}), result())),
    ("a tool of openai's", {"tools": [{"type": "function", "function": {"name": "book"}}]}),
    ("a tool without a name", {"tools": [{"functionDeclarations": [{}]}]}),
    ("a tool with a bad name", tool(name="book it")),
    ("an unknown field of a tool", tool(input_schema=SCHEMA)),
    ("a keyword that only JSON Schema has", tool(parameters={"type": "object", "$schema": "x"})),
    ("one deep inside", tool(parameters={"type": "object", "properties": {"a": {"const": 1}}})),
]


@pytest.mark.parametrize("change", [change for _, change in REFUSED], ids=[name for name, _ in REFUSED])
async def test_a_wrong_request_is_refused_in_the_services_shape(change: dict[str, Any]) -> None:
    async with asking("gemini", calm()) as client:
        answer = await client.post(f"{STREAM}?alt=sse", json=BODY | change)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"]


FIELDS = ("contents", "tools", "toolConfig", "generationConfig", "systemInstruction")


@given(st.fixed_dictionaries({}, optional={name: JSON for name in FIELDS}))
def test_any_json_is_taken_or_refused(fields: dict[str, Any]) -> None:
    try:
        request = gemini._request(json.dumps(BODY | fields).encode())
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert request["contents"]
