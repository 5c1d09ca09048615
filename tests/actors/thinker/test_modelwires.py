"""The protocols of language models, without a network: histories into requests, recorded and random events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.thinker.chat import Chat
from parlance.actors.thinker.contents import Contents
from parlance.actors.thinker.messages import Messages
from parlance.actors.thinker.model import MADE, OPENING, Complaint
from parlance.actors.thinker.port import Ask, Line, Spent, Thought, Token, Tool, Use

WIRES = {
    "chat": Chat("m", " Be brief. ", {"temperature": 0.5}),
    "messages": Messages("m", " Be brief. ", {"max_tokens": 9}),
    "contents": Contents(" Be brief. ", {"generationConfig": {"temperature": 0.5}}),
}
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}}
TOOL = Tool("look", "Looks.", SCHEMA)
ONE = Use("a1", "look", {"day": "\u00fc"}, "free", "gemini:c2ln")
TWO = Use("a2", "look", {}, "(not finished)")
MADE_UP = Use(f"{MADE}gemini-1", "look up!", {}, "no such tool", "gemini:")


def call(id: str, arguments: str, name: str = "look") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def block(role: str, *blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]}


def used(id: str, arguments: Mapping[str, Any], name: str = "look") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result(id: str, told: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": told}


def parts(role: str, *found: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in found]}


def answered(told: str, **named: str) -> dict[str, Any]:
    return {"functionResponse": {**named, "response": {"output": told}}}


def called(arguments: Mapping[str, Any], **named: str) -> dict[str, Any]:
    return {"functionCall": {**named, "args": arguments}}


CHAT_CALLS = [call("a1", '{"day": "\u00fc"}'), call("a2", "{}")]
CHAT_RESULTS = [
    {"role": "tool", "tool_call_id": "a1", "content": "free"},
    {"role": "tool", "tool_call_id": "a2", "content": "(not finished)"},
]
TALK: dict[str, tuple[list[Any], dict[str, list[dict[str, Any]]]]] = {
    "the caller speaks first": (
        [Line("caller", "hi"), Line("agent", "Yes?"), Line("caller", "open?")],
        {
            "chat": [user("hi"), {"role": "assistant", "content": "Yes?"}, user("open?")],
            "messages": [block("user", "hi"), block("assistant", "Yes?"), block("user", "open?")],
            "contents": [parts("user", "hi"), parts("model", "Yes?"), parts("user", "open?")],
        },
    ),
    "the agent speaks first, and twice": (
        [Line("agent", "Hello."), Line("agent", "Still there?"), Line("caller", "yes")],
        {
            "chat": [user(OPENING), {"role": "assistant", "content": "Hello. Still there?"}, user("yes")],
            "messages": [block("user", OPENING), block("assistant", "Hello. Still there?"), block("user", "yes")],
            "contents": [parts("user", OPENING), parts("model", "Hello. Still there?"), parts("user", "yes")],
        },
    ),
    "two tools in one reply, with words before": (
        [Line("caller", "free?"), Line("agent", "Let me see."), ONE, TWO],
        {
            "chat": [
                user("free?"),
                {"role": "assistant", "content": "Let me see.", "tool_calls": CHAT_CALLS},
                *CHAT_RESULTS,
            ],
            "messages": [
                block("user", "free?"),
                block("assistant", "Let me see.", used("a1", {"day": "\u00fc"}), used("a2", {})),
                block("user", result("a1", "free"), result("a2", "(not finished)")),
            ],
            "contents": [
                parts("user", "free?"),
                parts(
                    "model",
                    "Let me see.",
                    called({"day": "\u00fc"}, name="look", id="a1") | {"thoughtSignature": "c2ln"},
                    called({}, name="look", id="a2"),
                ),
                parts(
                    "user",
                    answered("free", name="look", id="a1"),
                    answered("(not finished)", name="look", id="a2"),
                ),
            ],
        },
    ),
    "the reply after a tool was not heard, and the caller goes on": (
        [Line("caller", "free?"), MADE_UP, Line("caller", "hello?")],
        {
            "chat": [
                user("free?"),
                {"role": "assistant", "content": None, "tool_calls": [call(MADE_UP.id, "{}", "look_up_")]},
                {"role": "tool", "tool_call_id": MADE_UP.id, "content": "no such tool"},
                user("hello?"),
            ],
            "messages": [
                block("user", "free?"),
                block("assistant", used(MADE_UP.id, {}, "look_up_")),
                block("user", result(MADE_UP.id, "no such tool"), "hello?"),
            ],
            "contents": [
                parts("user", "free?"),
                parts("model", called({}, name="look_up_")),
                parts("user", answered("no such tool", name="look_up_")),
                parts("user", "hello?"),
            ],
        },
    ),
    "words after a tool are a message of their own": (
        [ONE, Line("agent", "It is free."), Line("caller", "  "), Line("caller", "good")],
        {
            "chat": [
                user(OPENING),
                {"role": "assistant", "content": None, "tool_calls": CHAT_CALLS[:1]},
                CHAT_RESULTS[0],
                {"role": "assistant", "content": "It is free."},
                user("good"),
            ],
            "messages": [
                block("user", OPENING),
                block("assistant", used("a1", {"day": "\u00fc"})),
                block("user", result("a1", "free")),
                block("assistant", "It is free."),
                block("user", "good"),
            ],
            "contents": [
                parts("user", OPENING),
                parts("model", called({"day": "\u00fc"}, name="look", id="a1") | {"thoughtSignature": "c2ln"}),
                parts("user", answered("free", name="look", id="a1")),
                parts("model", "It is free."),
                parts("user", "good"),
            ],
        },
    ),
}
AROUND: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "stream": True, "temperature": 0.5, "stream_options": {"include_usage": True}},
    "messages": {"model": "m", "stream": True, "max_tokens": 9, "system": "Be brief."},
    "contents": {"generationConfig": {"temperature": 0.5}, "systemInstruction": {"parts": [{"text": "Be brief."}]}},
}
DECLARED: dict[str, list[dict[str, Any]]] = {
    "chat": [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}}],
    "messages": [{"name": "look", "description": "Looks.", "input_schema": SCHEMA}],
    "contents": [{"functionDeclarations": [{"name": "look", "description": "Looks.", "parametersJsonSchema": SCHEMA}]}],
}


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize("talk", TALK)
def test_a_history_becomes_the_messages_of_a_request(kind: str, talk: str) -> None:
    history, wanted = TALK[talk]
    system = [{"role": "system", "content": "Be brief."}] if kind == "chat" else []
    lines = {"contents" if kind == "contents" else "messages": system + wanted[kind]}
    assert WIRES[kind].request(history, ()) == {**AROUND[kind], **lines}


@pytest.mark.parametrize("kind", WIRES)
def test_tools_are_declared(kind: str) -> None:
    assert WIRES[kind].request([Line("caller", "hi")], [TOOL])["tools"] == DECLARED[kind]


def test_a_prompt_that_is_empty_is_not_sent_and_usage_only_if_wanted() -> None:
    body = Chat("m", " ", {}, usage=False).request([Line("caller", "hi")], ())
    assert body == {"model": "m", "stream": True, "messages": [user("hi")]}
    assert "system" not in Messages("m", "", {}).request([Line("caller", "hi")], ())
    assert "systemInstruction" not in Contents("", {}).request([Line("caller", "hi")], ())


# ------------------------------------------------------------------------------------------------ any event


RECORDED = {"chat": "chat", "messages": "anthropic", "contents": "gemini"}


def recorded(kind: str) -> list[dict[str, Any]]:
    path = Path(__file__).parents[2] / "wires" / f"{RECORDED[kind]}.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [line["message"] for line in lines if line["from"] == "server"]


@pytest.mark.parametrize("kind", WIRES)
def test_every_recorded_message_is_understood(kind: str) -> None:
    """One after another, whatever came before: words and tools are found, and only an error is a complaint."""
    found: list[Thought] = []
    for message in recorded(kind):
        reply = WIRES[kind].reply(lambda: "made-1")
        try:
            found += reply.read(json.dumps(message))
        except Complaint as complaint:
            assert message["error"]["message"] == str(complaint)
    words = "".join(thought.text for thought in found if isinstance(thought, Token))
    assert words.startswith("Hello")
    assert "Considering" not in words
    assert "Let me see" not in words


KEYS = (
    "choices delta content tool_calls function arguments name id index finish_reason usage type message content_block "
    "text input partial_json stop_reason candidates parts functionCall args finishReason usageMetadata error code"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["stop", "text", "text_delta", "STOP"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(WIRES)), st.lists(JSON, max_size=4))
def test_any_json_gives_thoughts_or_an_error_of_the_wire(kind: str, events: list[Any]) -> None:
    reply = WIRES[kind].reply(lambda: "made-1")
    try:
        for event in events:
            for thought in reply.read(json.dumps(event)):
                assert isinstance(thought, Token | Ask | Spent)
        reply.end()
    except (ValueError, Complaint):
        pass
