"""A simulated language model: OpenAI's chat completions, streamed as server-sent events or whole, and Azure's of them.

Forty fixed words, or `Conduct.text`; calls of tools from `Conduct.tools`. Requests are checked as the service does it:
shapes as in openai 3.52 (`types/chat`), words of the refusals as the service's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from bench.simulators import pace
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from parlance.actors.thinker.rehearsal import REPLY

_FIELDS = frozenset(
    """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
    stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options
    """.split()
)
_ROLES = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
"""And the parts that their content may have."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILTERS = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


async def completions(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """OpenAI's, and the newer address of Azure's."""
    await _complete(asked, answer, fate, conduct)


async def deployed(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """Azure's, of a deployment: the model is in the path, `api-version` in the query."""
    if not asked.first("api-version"):
        raise Refusal(404, "Resource not found")
    filtered = [{"prompt_index": 0, "content_filter_results": _FILTERS}]
    empty = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": filtered}
    await _complete(asked, answer, fate, conduct, first=pace.event(empty), model=False)


async def _complete(
    asked: Asked, answer: Answer, fate: Fate, conduct: Conduct, *, first: bytes = b"", model: bool = True
) -> None:
    request = _request(asked.body, model)
    text = conduct.text or REPLY
    declared = {tool["function"]["name"] for tool in request.get("tools") or ()}
    call = pace.chosen(conduct, fate, () if request.get("tool_choice") == "none" else declared)
    if not request.get("stream"):
        await _whole(answer, fate, conduct, text, call)
        return
    counted = bool((request.get("stream_options") or {}).get("include_usage"))
    reply = _called(call, counted, first) if call else _spoken(text, counted, first)
    await pace.think(answer, fate, conduct, reply)


async def _whole(answer: Answer, fate: Fate, conduct: Conduct, text: str, call: pace.Call | None) -> None:
    said = pace.fragments(call) if call else pace.words(text)

    def completion(content: Any) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if call:
            function = {"name": call.name, "arguments": "".join(said) if content == text else content}
            calls = [{"id": f"call_{call.number}", "type": "function", "function": function}]
            message |= {"content": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(call)}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "simulated",
            "choices": [choice],
            "usage": _usage(len(said)),
        }

    await pace.ponder(conduct, len(said))
    await pace.whole(answer, fate, text, completion)


def _reason(call: pace.Call | None) -> str:
    return "tool_calls" if call else "stop"


def _usage(said: int) -> dict[str, int]:
    return {"prompt_tokens": pace.PROMPT, "completion_tokens": said, "total_tokens": pace.PROMPT + said}


def _chunk(counted: bool, choices: list[dict[str, Any]], **more: Any) -> bytes:
    """`counted`: usage is asked for, and null in all chunks but the last."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "simulated"}
    return pace.event(chunk | {"choices": choices} | ({"usage": None} if counted else {}) | more)


def _delta(counted: bool, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
    return _chunk(counted, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}])


def _tail(counted: bool, reason: str, said: int) -> bytes:
    usage = _chunk(True, [], usage=_usage(said)) if counted else b""
    return _delta(counted, {}, reason) + usage + b"data: [DONE]\n\n"


@lru_cache(32)
def _spoken(text: str, counted: bool, first: bytes) -> pace.Reply:
    def event(content: Any) -> bytes:
        return _delta(counted, {"content": content})

    head = first + _delta(counted, {"role": "assistant", "content": "", "refusal": None})
    said = pace.words(text)
    return pace.Reply(head, [event(word) for word in said], _tail(counted, "stop", len(said)), event)


def _called(call: pace.Call, counted: bool, first: bytes) -> pace.Reply:
    def event(arguments: Any) -> bytes:
        return _delta(counted, {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})

    function = {"name": call.name, "arguments": ""}
    begun = {"index": 0, "id": f"call_{call.number}", "type": "function", "function": function}
    head = first + _delta(counted, {"role": "assistant", "content": None, "tool_calls": [begun], "refusal": None})
    said = pace.fragments(call)
    return pace.Reply(head, [event(part) for part in said], _tail(counted, "tool_calls", len(said)), event)


def _request(body: bytes, model: bool) -> dict[str, Any]:
    """The request. Raises `Refusal`."""
    try:
        request = json.loads(body)
    except ValueError:
        raise Refusal(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(request, dict):
        raise Refusal(400, "the body must be a JSON object")
    if model and not (request.get("model") and isinstance(request["model"], str)):
        raise Refusal(400, "you must provide a model parameter")
    if unknown := sorted(request.keys() - _FIELDS):
        raise Refusal(400, f"Unrecognized request argument supplied: {unknown[0]}")
    if not isinstance(request.get("messages"), list):
        raise Refusal(400, "Missing required parameter: 'messages'.")
    if not isinstance(options := request.get("stream_options") or {}, dict):
        raise Refusal(400, "Invalid type for 'stream_options': expected an object.")
    if options and not request.get("stream"):
        raise Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    if request.get("max_tokens") is not None and request.get("max_completion_tokens") is not None:
        raise Refusal(400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    _tools(request)
    _messages(request["messages"])
    return request


def _tools(request: Mapping[str, Any]) -> None:
    tools = request.get("tools")
    if tools is None:
        if request.get("tool_choice") is not None:
            raise Refusal(400, "Invalid value for 'tool_choice': it is only allowed when 'tools' are specified.")
        return
    if not isinstance(tools, list) or not tools:
        raise Refusal(400, "Invalid 'tools': expected an array with at least one element.")
    for at, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict):
            raise Refusal(400, f"Missing required parameter: 'tools[{at}].function'.")
        _named(function.get("name"), f"tools[{at}].function.name")
        if not isinstance(function.get("parameters", {}), dict):
            raise Refusal(400, f"Invalid type for 'tools[{at}].function.parameters': expected an object.")


def _named(name: object, where: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refusal(400, f"Invalid '{where}': expected a string that matches '^[a-zA-Z0-9_-]+$', of 64 at most.")


def _messages(messages: Iterable[Any]) -> None:
    owed: list[str] = []
    """The calls that have no result yet."""
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise Refusal(400, f"Invalid value: '{role}'. Supported values are: {', '.join(_ROLES)}.")
        if role == "tool":
            if (answered := message.get("tool_call_id")) not in owed:
                raise Refusal(
                    400,
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    f"'tool_calls' (messages[{at}], {answered}).",
                )
            owed.remove(answered)
        elif owed:
            break
        if role == "assistant" and message.get("tool_calls") is not None:
            owed = _calls(message["tool_calls"], f"messages[{at}].tool_calls")
        _content(message, f"messages[{at}].content")
    if owed:
        raise Refusal(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(owed)}",
        )


def _calls(calls: Any, where: str) -> list[str]:
    """The calls' ids."""
    if not isinstance(calls, list) or not calls:
        raise Refusal(400, f"Invalid '{where}': expected an array with at least one element.")
    for at, call in enumerate(calls):
        if not isinstance(call, dict) or call.get("type") != "function" or not isinstance(call.get("function"), dict):
            raise Refusal(400, f"Missing required parameter: '{where}[{at}].type'.")
        if not isinstance(call.get("id"), str) or not call["id"]:
            raise Refusal(400, f"Missing required parameter: '{where}[{at}].id'.")
        _named(call["function"].get("name"), f"{where}[{at}].function.name")
        if not isinstance(call["function"].get("arguments"), str):
            raise Refusal(400, f"Invalid type for '{where}[{at}].function.arguments': expected a string.")
    return [call["id"] for call in calls]


def _content(message: Mapping[str, Any], where: str) -> None:
    content, role = message.get("content"), message["role"]
    if content is None and role == "assistant" and ("tool_calls" in message or "refusal" in message):
        return
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        raise Refusal(400, f"Invalid value for '{where}': expected a string, got {json.dumps(content)[:40]}.")
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _ROLES[role] or (kind == "text" and not isinstance(part.get("text"), str)):
            raise Refusal(400, f"Invalid value for '{where}[{at}]': it is no part that a message of {role} may have.")


BEHIND = Behind({"/v1/chat/completions": completions})
AZURE = Behind({"/openai/deployments/*/chat/completions": deployed, "/openai/v1/chat/completions": completions})
