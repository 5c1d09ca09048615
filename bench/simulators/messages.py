"""A simulated language model: Anthropic's Messages, streamed as server-sent events or whole.

Shapes as in anthropic 2.11 (`types`). Consecutive turns of one role are one turn, as its `message_create_params` says,
and the last must not be the assistant's: newer models do not continue it. Newer versions of the interface have no
`temperature`, `top_p` and `top_k`. Words of the refusals as the service's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bench.simulators import pace
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from parlance.actors.thinker.rehearsal import REPLY

VERSIONS = {"2023-06-01": True, "2026-10-21": False}
"""And whether they know how to set the sampling."""

_FIELDS = frozenset(
    """
    cache_control container diagnostics inference_geo max_tokens messages metadata model output_config service_tier
    speed stop_sequences stream system thinking tool_choice tools user_profile_id
    """.split()
)
_SAMPLING = frozenset(("temperature", "top_p", "top_k"))
_BLOCKS = {
    "user": {"text", "image", "document", "search_result", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
    "system": {"text"},
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


async def messages(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    request = _request(asked)
    text = conduct.text or REPLY
    refused = (request.get("tool_choice") or {}).get("type") == "none"
    call = pace.chosen(conduct, fate, () if refused else {tool["name"] for tool in request.get("tools", ())})
    if not request.get("stream"):
        await _whole(answer, fate, conduct, text, call)
        return
    if fate is Fate.EMPTY:
        reply = pace.Reply(_START, (), _end(None, 1), _text)
    else:
        reply = _called(call) if call else _spoken(text)
    await pace.think(answer, fate, conduct, reply)


async def _whole(answer: Answer, fate: Fate, conduct: Conduct, text: str, call: pace.Call | None) -> None:
    said = pace.fragments(call) if call else pace.words(text)

    def message(told: Any) -> dict[str, Any]:
        content = [_use(call, call.arguments if told == text else told)] if call else [_said(told)]
        usage = {"input_tokens": pace.PROMPT, "output_tokens": len(said)}
        return _MESSAGE | {"content": content if told else [], "stop_reason": _reason(call), "usage": usage}

    await pace.ponder(conduct, len(said))
    await pace.whole(answer, fate, text, message)


def _reason(call: pace.Call | None) -> str:
    return "tool_use" if call else "end_turn"


def _said(text: Any) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _use(call: pace.Call, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{call.number:024}", "name": call.name, "input": arguments}


def error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _event(kind: str, **fields: Any) -> bytes:
    return pace.event({"type": kind, **fields}, kind)


def _text(text: Any) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _arguments(part: Any) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": part})


_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "simulated",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {
        "input_tokens": pace.PROMPT,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    },
}
_START = _event("message_start", message=_MESSAGE)
_PING = _event("ping")
_COMPLAINT = pace.event(error("overloaded_error", "Overloaded"), "error")


def _begin(block: Mapping[str, Any]) -> bytes:
    return _START + _event("content_block_start", index=0, content_block=block) + _PING


def _end(call: pace.Call | None, said: int) -> bytes:
    delta = {"stop_reason": _reason(call), "stop_sequence": None}
    return _event("message_delta", delta=delta, usage={"output_tokens": said}) + _event("message_stop")


_STOP = _event("content_block_stop", index=0)


@lru_cache(32)
def _spoken(text: str) -> pace.Reply:
    said = pace.words(text)
    tail = _STOP + _end(None, len(said))
    return pace.Reply(_begin(_said("")), [_text(word) for word in said], tail, _text, _COMPLAINT)


def _called(call: pace.Call) -> pace.Reply:
    said = ["", *pace.fragments(call)]
    tail = _STOP + _end(call, len(said))
    return pace.Reply(_begin(_use(call, {})), [_arguments(part) for part in said], tail, _arguments, _COMPLAINT)


def _request(asked: Asked) -> dict[str, Any]:
    """The request. Raises `Refusal`."""
    version = asked.headers.get(b"anthropic-version", b"").decode("latin-1")
    if not version:
        raise Refusal(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise Refusal(400, f'anthropic-version: "{version}" is not a valid version')
    try:
        request = json.loads(asked.body)
    except ValueError:
        raise Refusal(400, "The request body is not valid JSON") from None
    if not isinstance(request, dict):
        raise Refusal(400, "Input should be a valid dictionary")
    for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if name not in request:
            raise Refusal(400, f"{name}: Field required")
        if not isinstance(request[name], kind) or isinstance(request[name], bool):
            raise Refusal(400, f"{name}: Input should be a valid {kind.__name__}")
    if unknown := sorted(request.keys() - _FIELDS - (_SAMPLING if VERSIONS[version] else set())):
        raise Refusal(400, f"{unknown[0]}: Extra inputs are not permitted")
    if request["max_tokens"] < 1:
        raise Refusal(400, "max_tokens: Input should be greater than or equal to 1")
    if isinstance(system := request.get("system", ""), str):
        system = [_said(system)] if "system" in request else []
    if system:
        _blocks(system, "system", "system")
    _tools(request)
    _turns(request["messages"])
    return request


def _tools(request: Mapping[str, Any]) -> None:
    tools = request.get("tools", [])
    if not isinstance(tools, list):
        raise Refusal(400, "tools: Input should be a valid list")
    choice = request.get("tool_choice")
    if choice is not None and (not isinstance(choice, dict) or not isinstance(choice.get("type"), str)):
        raise Refusal(400, "tool_choice: Input should be a valid dictionary")
    if not tools and choice is not None:
        raise Refusal(400, "tool_choice may only be specified while providing tools")
    for at, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or not _NAME.fullmatch(tool["name"]):
            raise Refusal(400, f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Refusal(400, f"tools.{at}.custom.input_schema.type: Field required")
        if unknown := tool.keys() & {"parameters", "function"}:
            raise Refusal(400, f"tools.{at}.custom.{min(unknown)}: Extra inputs are not permitted")


def _turns(told: list[Any]) -> None:
    """The messages, those of the same role next to each other as one."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for at, message in enumerate(told):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _BLOCKS:
            raise Refusal(400, f"messages.{at}.role: Input should be 'user', 'assistant' or 'system'")
        content = message.get("content")
        content = [_said(content)] if isinstance(content, str) else content
        _blocks(content, role, f"messages.{at}.content")
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(content)
        else:
            turns.append((role, list(content)))
    if not turns:
        raise Refusal(400, "messages: at least one message is required")
    if turns[-1][0] == "assistant":
        raise Refusal(
            400,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    before: set[str] = set()
    for at, (_, blocks) in enumerate(turns):
        _results(at, before, blocks)
        before = {block["id"] for block in blocks if block["type"] == "tool_use"}


def _results(at: int, before: set[str], blocks: list[dict[str, Any]]) -> None:
    """Calls of the turn before have their results at the beginning of this one, which has no others."""
    told = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if missing := sorted(before - {block.get("tool_use_id") for block in blocks[: len(told)]}):
        raise Refusal(
            400,
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message.",
        )
    if unknown := [name for name in told if name not in before]:
        raise Refusal(
            400,
            f"messages.{at}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {unknown[0]}. Each "
            "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
        )


def _blocks(blocks: Any, role: str, where: str) -> None:
    if not isinstance(blocks, list):
        raise Refusal(400, f"{where}: Input should be a valid list")
    if not blocks:
        raise Refusal(400, f"{where}: all messages must have non-empty content")
    for at, block in enumerate(blocks):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in _BLOCKS[role]:
            raise Refusal(400, f"{where}.{at}.type: Input tag '{kind}' found does not match any of the expected tags")
        if kind == "text" and not (isinstance(block.get("text"), str) and block["text"].strip()):
            raise Refusal(400, f"{where}: text content blocks must contain non-whitespace text")
        if kind == "tool_result" and not isinstance(block.get("tool_use_id"), str):
            raise Refusal(400, f"{where}.{at}.tool_result.tool_use_id: Field required")
        if kind == "tool_result" and not isinstance(block.get("content", ""), str | list):
            raise Refusal(400, f"{where}.{at}.tool_result.content: Input should be a valid string")
        if kind == "tool_use":
            if not all(isinstance(block.get(name), str) and _NAME.fullmatch(block[name]) for name in ("id", "name")):
                raise Refusal(400, f"{where}.{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not isinstance(block.get("input"), dict):
                raise Refusal(400, f"{where}.{at}.tool_use.input: Input should be a valid dictionary")


BEHIND = Behind({"/v1/messages": messages})
