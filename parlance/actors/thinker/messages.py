"""Anthropic's Messages, streamed. Pure.

Shapes as in anthropic 2.11 (`types`). The roles alternate and the caller begins, so where the agent has spoken first a
line is put before it; results of tools stand at the beginning of the caller's next message. Thinking is never spoken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from parlance.actors.thinker.model import Calls, Name, Reply, Turn, count, safe, short, sound, text, tokens, turns
from parlance.actors.thinker.port import Ask, Entry, Spent, Thought, Tool, Use

_IN = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_OURS = "anthropic:"
"""What stands before the thinking that came with a call, as JSON: with `thinking` on, both go back together."""
_THINKING = ("thinking", "redacted_thinking")
_PIECES = {"thinking_delta": "thinking", "signature_delta": "signature"}
_CACHED = "cache_read_input_tokens"
_OUT = "output_tokens"


class Messages:
    """`options`: fields of the request besides the model, the messages and the tools."""

    def __init__(self, model: str, prompt: str, options: Mapping[str, Any]) -> None:
        self._fixed = {"model": model, "stream": True, **options}
        if prompt := prompt.strip():
            self._fixed["system"] = prompt

    def request(self, history: Sequence[Entry], tools: Sequence[Tool]) -> dict[str, Any]:
        messages: list[dict[str, Any]] = []
        told = turns(history, opening=True)
        last = max(at for at, turn in enumerate(told) if turn.who == "caller")
        for at, turn in enumerate(told):
            for role, blocks in _blocks(turn, present=at > last):
                if messages and messages[-1]["role"] == role:
                    messages[-1]["content"] += blocks
                else:
                    messages.append({"role": role, "content": blocks})
        declared = {"tools": [_declared(tool) for tool in tools]} if tools else {}
        return {**self._fixed, "messages": messages, **declared}

    def reply(self, name: Name) -> Reply:
        return _Reply(name)


def _declared(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def _blocks(turn: Turn, *, present: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    """Roles and what they say. `present`: it follows the caller's last words; earlier thinking is not wanted."""
    said = [{"type": "text", "text": turn.text}] if turn.text else []
    if turn.who == "caller":
        return [("user", said)]
    calls = [
        {"type": "tool_use", "id": safe(short(use.id)), "name": safe(use.name), "input": dict(use.arguments)}
        for use in turn.uses
    ]
    results = [{"type": "tool_result", "tool_use_id": safe(short(use.id)), "content": use.result} for use in turn.uses]
    thought = [block for use in turn.uses if present for block in _thought(use)]
    return [("assistant", thought + said + calls), *([("user", results)] if results else [])]


def _thought(use: Use) -> list[dict[str, Any]]:
    return list(json.loads(use.opaque.removeprefix(_OURS))) if use.opaque.startswith(_OURS) else []


class _Reply(Reply):
    def __init__(self, name: Name) -> None:
        super().__init__()
        self._calls = Calls(name)
        self._usage: dict[str, Any] = {}
        self._thinking: dict[object, dict[str, Any]] = {}

    def end(self) -> list[Thought]:
        self.spent = Spent(count(self._usage, *_IN), count(self._usage, _OUT), count(self._usage, _CACHED))
        return super().end()

    def _take(self, event: dict[str, Any]) -> list[Thought]:
        self.idle = event["type"] == "ping"
        match event["type"]:
            case "message_start":
                self._count(event["message"].get("usage"))
            case "content_block_start":
                return self._begin(event["index"], event["content_block"])
            case "content_block_delta":
                return self._go_on(event["index"], event["delta"])
            case "message_delta":
                self._count(event.get("usage"))
                return self._stop(event["delta"])
            case "message_stop":
                self.finished = self.done = True
        return []

    def _begin(self, at: object, block: dict[str, Any]) -> list[Thought]:
        if block["type"] == "text":
            return tokens(block.get("text"))
        if block["type"] in _THINKING:
            self._thinking[at] = dict(sound(block))
        if block["type"] == "tool_use":
            self._calls.add(at, block["id"], block["name"], "")
        return []

    def _go_on(self, at: object, delta: dict[str, Any]) -> list[Thought]:
        if delta["type"] == "text_delta":
            return tokens(delta["text"])
        if delta["type"] == "input_json_delta":
            self._calls.more(at, delta["partial_json"])
        if (name := _PIECES.get(delta["type"])) and (block := self._thinking.get(at)):
            block[name] = block.get(name, "") + text(delta.get(name))
        return []

    def _stop(self, delta: dict[str, Any]) -> list[Thought]:
        if not (reason := delta.get("stop_reason")):
            return []
        self.finished = True
        if reason == "refusal":
            self.denied = text((delta.get("stop_details") or {}).get("explanation")) or "refusal"
        asks = self._calls.whole()
        if self._thinking and asks and isinstance(asks[0], Ask):
            asks[0] = replace(asks[0], opaque=_OURS + json.dumps(list(self._thinking.values())))
        return asks

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        """The last figures count: those at the end are of the whole answer."""
        self._usage |= {name: told for name, told in (usage or {}).items() if told is not None}
