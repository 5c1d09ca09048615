"""OpenAI's chat completions, as OpenAI, Azure OpenAI and many servers of their own speak them. Pure.

Shapes as in openai 3.52 (`types/chat`). A call of a tool comes in pieces, which `index` tells apart; reasoning, other
choices than the first and refusals are never spoken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from parlance.actors.thinker.model import Calls, Name, Reply, Turn, count, safe, short, text, tokens, turns
from parlance.actors.thinker.port import Entry, Spent, Thought, Tool

_LAST = "[DONE]"


class Chat:
    """`options`: fields of the request besides the model, the messages and the tools. `usage`: ask what it has cost."""

    def __init__(self, model: str, prompt: str, options: Mapping[str, Any], *, usage: bool = True) -> None:
        prompt = prompt.strip()
        self._fixed = {"model": model, "stream": True, **options}
        if usage:
            self._fixed["stream_options"] = {"include_usage": True}
        self._system = [{"role": "system", "content": prompt}] if prompt else []

    def request(self, history: Sequence[Entry], tools: Sequence[Tool]) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [*self._system]
        for turn in turns(history, opening=True):
            messages += _messages(turn)
        declared = {"tools": [_declared(tool) for tool in tools]} if tools else {}
        return {**self._fixed, "messages": messages, **declared}

    def reply(self, name: Name) -> Reply:
        return _Reply(name)


def _declared(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(turn: Turn) -> list[dict[str, Any]]:
    if turn.who == "caller":
        return [{"role": "user", "content": turn.text}]
    if not turn.uses:
        return [{"role": "assistant", "content": turn.text}]
    calls = [
        {
            "id": short(use.id),
            "type": "function",
            "function": {"name": safe(use.name), "arguments": json.dumps(use.arguments, ensure_ascii=False)},
        }
        for use in turn.uses
    ]
    results = [{"role": "tool", "tool_call_id": short(use.id), "content": use.result} for use in turn.uses]
    return [{"role": "assistant", "content": turn.text or None, "tool_calls": calls}, *results]


class _Reply(Reply):
    def __init__(self, name: Name) -> None:
        super().__init__()
        self._calls = Calls(name)
        self._refusal = ""
        self._begun = False

    def read(self, data: str) -> list[Thought]:
        if data == _LAST:
            self.done = True
            return []
        return super().read(data)

    def _take(self, event: dict[str, Any]) -> list[Thought]:
        if usage := event.get("usage"):
            cached = usage.get("prompt_tokens_details") or {}
            self.spent = Spent(
                count(usage, "prompt_tokens"), count(usage, "completion_tokens"), count(cached, "cached_tokens")
            )
        if not (choices := event.get("choices")):
            self.idle = True
            return []
        choice = choices[0]
        delta = choice.get("delta") or {}
        thoughts = tokens(delta.get("content"))
        # Some servers repeat the beginning while they wait.
        self.idle = self._begun and not any(value for name, value in delta.items() if name != "role")
        self._begun = True
        self._refusal += text(delta.get("refusal"))
        for at, piece in enumerate(delta.get("tool_calls") or ()):
            function = piece.get("function") or {}
            index = piece.get("index")
            self._calls.add(
                at if index is None else index, piece.get("id"), function.get("name"), function.get("arguments")
            )
        if reason := choice.get("finish_reason"):
            self.finished, self.idle = True, False
            thoughts += self._calls.whole()
            self.denied = self._refusal or ("content_filter" if reason == "content_filter" else "")
        return thoughts
