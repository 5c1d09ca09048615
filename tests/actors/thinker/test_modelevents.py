"""Events of language models' streams, without a network: what thoughts they are, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parlance.actors.thinker.chat import Chat
from parlance.actors.thinker.contents import Contents
from parlance.actors.thinker.messages import Messages
from parlance.actors.thinker.model import Complaint
from parlance.actors.thinker.port import Ask, Spent, Thought, Token
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable, Withheld

WIRES = {
    "chat": Chat("m", "", {}),
    "messages": Messages("m", "", {}),
    "contents": Contents("", {}),
}


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def tool(**told: Any) -> dict[str, Any]:
    function = {name: told.pop(name) for name in ("name", "arguments") if name in told}
    return {**told, "function": function}


def start(block: dict[str, Any], at: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": at, "content_block": block}


def delta(kind: str, at: int = 0, **told: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": at, "delta": {"type": kind, **told}}


def stopped(reason: str, out: int = 7, **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": {"output_tokens": out}},
        {"type": "message_stop"},
    ]


def candidate(*found: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"content": {"role": "model", "parts": list(found)}, "index": 0}
    return {"candidates": [told | ({"finishReason": reason} if reason else {})], **more}


STARTED = {
    "type": "message_start",
    "message": {
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 3,
            "output_tokens": 1,
        }
    },
}
DONE = "[DONE]"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
COUNTED = {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "cachedContentTokenCount": 4}
ASKED = Ask("c1", "look", {"day": "Mo"})
REPLIES: dict[str, tuple[str, list[Any], list[Thought]]] = {
    "chat, words": (
        "chat",
        [chunk(role="assistant", content=""), chunk(content="Hi "), chunk(content="you."), chunk("stop"), DONE],
        [Token("Hi "), Token("you.")],
    ),
    "chat, usage": (
        "chat",
        [chunk(content="Hi"), chunk("length"), {"choices": [], "usage": USAGE}, DONE],
        [Token("Hi"), Spent(11, 7, 4)],
    ),
    "chat, usage with the last words, and no end mark": (
        "chat",
        [{**chunk("stop", content="Hi"), "usage": USAGE}],
        [Token("Hi"), Spent(11, 7, 4)],
    ),
    "chat, reasoning is not spoken": (
        "chat",
        [chunk(reasoning_content="hm", reasoning="hm"), chunk(content="Hi"), chunk("stop"), DONE],
        [Token("Hi")],
    ),
    "chat, two tools in pieces, interleaved": (
        "chat",
        [
            chunk(content="Let me see.", tool_calls=[tool(index=0, id="c1", name="look", arguments="")]),
            chunk(tool_calls=[tool(index=1, id="c2", name="book", arguments="")]),
            chunk(tool_calls=[tool(index=0, arguments='{"day"'), tool(index=1, arguments=" ")]),
            chunk(tool_calls=[tool(index=0, arguments=': "Mo"}')]),
            chunk("tool_calls"),
            DONE,
        ],
        [Token("Let me see."), ASKED, Ask("c2", "book", {})],
    ),
    "chat, calls that have no ids and end with stop": (
        "chat",
        [chunk(tool_calls=[tool(name="look", arguments='{"day": "Mo"}')]), chunk("stop")],
        [Ask("made-1", "look", {"day": "Mo"})],
    ),
    "chat, whole calls that all have one index": (
        "chat",
        [
            chunk(tool_calls=[tool(index=0, id="c1", name="look", arguments='{"day": "Mo"}')]),
            chunk(tool_calls=[tool(index=0, id="c2", name="book", arguments="{}")]),
            chunk("tool_calls"),
        ],
        [ASKED, Ask("c2", "book", {})],
    ),
    "chat, filtered after some words": (
        "chat",
        [{"choices": [], "prompt_filter_results": []}, chunk(content="Hi"), chunk("content_filter"), DONE],
        [Token("Hi")],
    ),
    "chat, half a character": (
        "chat",
        [chunk(content="a\ud83d"), chunk(content="\U0001f600"), chunk("stop")],
        [Token("a?"), Token("\U0001f600")],
    ),
    "messages, words": (
        "messages",
        [
            STARTED,
            start({"type": "thinking", "thinking": "hm"}),
            {"type": "ping"},
            delta("thinking_delta", thinking="hm"),
            delta("signature_delta", signature="x"),
            {"type": "content_block_stop", "index": 0},
            start({"type": "text", "text": ""}, 1),
            delta("text_delta", 1, text="Hi "),
            delta("text_delta", 1, text="you."),
            {"type": "content_block_stop", "index": 1},
            {"type": "something_new", "index": 1},
            *stopped("max_tokens"),
        ],
        [Token("Hi "), Token("you."), Spent(10, 7, 3)],
    ),
    "messages, tools": (
        "messages",
        [
            STARTED,
            start({"type": "text", "text": "See."}),
            start({"type": "tool_use", "id": "c1", "name": "look", "input": {}}, 1),
            delta("input_json_delta", 1, partial_json=""),
            delta("input_json_delta", 1, partial_json='{"day": '),
            delta("input_json_delta", 1, partial_json='"Mo"}'),
            start({"type": "server_tool_use", "id": "s1", "name": "web", "input": {}}, 2),
            delta("input_json_delta", 2, partial_json='{"q"'),
            start({"type": "tool_use", "id": "c2", "name": "book", "input": {}}, 3),
            *stopped("tool_use"),
        ],
        [Token("See."), ASKED, Ask("c2", "book", {}), Spent(10, 7, 3)],
    ),
    "contents, words": (
        "contents",
        [
            candidate({"text": "hm", "thought": True}),
            candidate({"text": "Hi "}),
            candidate({"text": "you."}, {"inlineData": {}}),
            candidate({"text": "", "thoughtSignature": "x"}, reason="MAX_TOKENS", usageMetadata=COUNTED),
        ],
        [Token("Hi "), Token("you."), Spent(11, 7, 4)],
    ),
    "contents, tools": (
        "contents",
        [
            candidate(
                {"text": "See."},
                {"functionCall": {"id": "c1", "name": "look", "args": {"day": "Mo"}}, "thoughtSignature": "s"},
                {"functionCall": {"name": "book"}},
            ),
            candidate(reason="STOP"),
        ],
        [Token("See."), Ask("c1", "look", {"day": "Mo"}, "gemini:s"), Ask("made-1", "book", {}, "gemini:")],
    ),
    "contents, unsafe after some words": (
        "contents",
        [candidate({"text": "Hi"}), {"candidates": [{"finishReason": "SAFETY"}]}],
        [Token("Hi")],
    ),
}


def thoughts(kind: str, events: list[Any]) -> list[Thought]:
    number = iter(range(1, 100))
    reply = WIRES[kind].reply(lambda: f"made-{next(number)}")
    found: list[Thought] = []
    for event in events:
        assert not reply.done
        found += reply.read(event if isinstance(event, str) else json.dumps(event))
    return found + reply.end()


@pytest.mark.parametrize("name", REPLIES)
def test_events_become_thoughts(name: str) -> None:
    kind, events, wanted = REPLIES[name]
    assert thoughts(kind, events) == wanted


@pytest.mark.parametrize(
    ("kind", "events", "words"),
    [
        ("chat", [chunk(refusal="I "), chunk(refusal="cannot."), chunk("stop"), DONE], "I cannot."),
        ("chat", [chunk("content_filter"), DONE], "content_filter"),
        ("messages", [STARTED, *stopped("refusal")], "refusal"),
        ("messages", [STARTED, *stopped("refusal", stop_details={"explanation": "No."})], "No."),
        ("contents", [{"candidates": [{"finishReason": "SAFETY"}]}], "SAFETY"),
        ("contents", [{"candidates": [{"finishReason": "SPII", "finishMessage": "No."}]}], "No."),
        ("contents", [{"promptFeedback": {"blockReason": "BLOCKLIST"}}], "BLOCKLIST"),
    ],
)
def test_a_refusal_without_a_word_before_it_is_rejected_in_its_words(kind: str, events: list[Any], words: str) -> None:
    with pytest.raises(Complaint, match=f"^{words}$") as caught:
        thoughts(kind, events)
    assert caught.value.kind is Withheld


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "m"}, Overloaded),
        ({"type": "rate_limit_error", "message": "m"}, Overloaded),
        ({"code": "insufficient_quota", "type": "x", "message": "m"}, Rejected),
        ({"code": 503, "status": "UNAVAILABLE", "message": "m"}, Overloaded),
        ({"code": 429, "message": "m"}, Overloaded),
        ({"code": 500, "message": "m"}, Unreachable),
        ({"code": 408, "message": "m"}, Unreachable),
        ({"code": 404, "message": "m"}, Rejected),
        ({"type": "authentication_error", "message": "m"}, Rejected),
        ({"type": "permission_error", "message": "m"}, Rejected),
        ({"type": "api_error", "message": "m"}, Unreachable),
        ("m", Unreachable),
    ],
)
@pytest.mark.parametrize("wire", WIRES)
def test_an_error_within_the_stream_says_whose_turn_it_is(wire: str, error: Any, kind: type[ProviderError]) -> None:
    with pytest.raises(Complaint, match=r"^m$") as caught:
        thoughts(wire, [{"type": "error", "error": error}])
    assert caught.value.kind is kind


BAD_ARGUMENTS = ["{", "[]", "7", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud83d"}', "[" * 100_000]
BAD_ARGUMENTS.append(f'{{"a": {"[" * 500}{"]" * 500}}}')


@pytest.mark.parametrize("told", BAD_ARGUMENTS, ids=lambda told: told[:12])
def test_arguments_that_are_no_object_are_refused(told: str) -> None:
    with pytest.raises(ValueError, match="arguments"):
        thoughts("chat", [chunk("tool_calls", tool_calls=[tool(index=0, id="c", name="f", arguments=told)])])
    use = start({"type": "tool_use", "id": "c", "name": "f", "input": {}})
    with pytest.raises(ValueError, match="arguments"):
        thoughts("messages", [use, delta("input_json_delta", partial_json=told), *stopped("tool_use")])


@pytest.mark.parametrize("told", [[], 7, "x", {"a": float("inf")}])
def test_arguments_that_are_no_object_are_refused_where_they_come_whole(told: Any) -> None:
    event = candidate({"functionCall": {"name": "f", "args": told}}, reason="STOP")
    if not told:
        assert thoughts("contents", [event]) == [Ask("made-1", "f", {}, "gemini:")]
        return
    with pytest.raises(ValueError, match="arguments"):
        thoughts("contents", [event])


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("chat", ["{not json"]),
        ("chat", ["5"]),
        ("chat", ["[" * 100_000]),
        ("chat", [{"choices": 7}]),
        ("chat", [chunk(content=5)]),
        ("chat", [chunk(tool_calls=[7])]),
        ("chat", [chunk(tool_calls=[tool(index=[], id="c")])]),
        ("chat", [chunk(content="Hi")]),
        ("chat", [DONE]),
        ("messages", [{}]),
        ("messages", [delta("text_delta", text=7)]),
        ("messages", [start({"type": "tool_use", "id": 7, "name": "f"})]),
        ("messages", [STARTED, start({"type": "text", "text": "Hi"})]),
        ("contents", [{}]),
        ("contents", [{"candidates": 7}]),
        ("contents", [candidate({"text": 7})]),
        ("contents", [candidate({"functionCall": {"args": {}}})]),
        ("contents", [candidate({"text": "Hi"})]),
        ("contents", [candidate(reason="MALFORMED_FUNCTION_CALL")]),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_no_answer_is_a_value_error(kind: str, events: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        thoughts(kind, events)
