"""Gemini's streamGenerateContent, as server-sent events. Pure.

Shapes as in google-genai 3.4 (`types`), names in camelCase as they are on the wire. A call of a tool comes whole, in
one part, and with the first of a reply a signature that has to be sent back with it. The caller begins, so where the
agent has spoken first a line is put before it. Thoughts are never spoken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parlance.actors.thinker.model import MADE, Name, Reply, Turn, count, safe, sound, text, tokens, turns
from parlance.actors.thinker.port import Ask, Entry, Spent, Thought, Tool, Use

_ENDED = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", "CONTINUATION")
_BROKEN = ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "OTHER")
"""Another try may go better."""
_OURS = "gemini:"
"""What stands before the signature of a call that Gemini has made, also where it has given none."""
_FOREIGN = "skip_thought_signature_validator"
"""The signature of a call that another model has made: without one, Gemini 3 refuses the first of a turn.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""


class Contents:
    """`options`: fields of the request besides the contents, the prompt and the tools."""

    def __init__(self, prompt: str, options: Mapping[str, Any]) -> None:
        self._fixed = dict(options)
        if prompt := prompt.strip():
            self._fixed["systemInstruction"] = {"parts": [{"text": prompt}]}

    def request(self, history: Sequence[Entry], tools: Sequence[Tool]) -> dict[str, Any]:
        told = turns(history, opening=True)
        last = max(at for at, turn in enumerate(told) if turn.who == "caller")
        contents = [content for at, turn in enumerate(told) for content in _contents(turn, checked=at > last)]
        declared = {"tools": [{"functionDeclarations": [_declared(tool) for tool in tools]}]} if tools else {}
        return {**self._fixed, "contents": contents, **declared}

    def reply(self, name: Name) -> Reply:
        return _Reply(name)


def _declared(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}


def _contents(turn: Turn, *, checked: bool) -> list[dict[str, Any]]:
    """`checked`: it follows the caller's last words, and Gemini looks at its signatures."""
    said = [{"text": turn.text}] if turn.text else []
    if turn.who == "caller":
        return [{"role": "user", "parts": said}]
    calls = [_part(use, foreign=_FOREIGN if checked and not at else "") for at, use in enumerate(turn.uses)]
    results = [{"functionResponse": {**_named(use), "response": {"output": use.result}}} for use in turn.uses]
    return [{"role": "model", "parts": said + calls}, *([{"role": "user", "parts": results}] if results else [])]


def _part(use: Use, *, foreign: str) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {**_named(use), "args": dict(use.arguments)}}
    signature = use.opaque.removeprefix(_OURS) if use.opaque.startswith(_OURS) else foreign
    return part | ({"thoughtSignature": signature} if signature else {})


def _named(use: Use) -> dict[str, str]:
    """An id that was made here is not sent: the service has given none."""
    return {"name": safe(use.name), **({} if use.id.startswith(MADE) else {"id": use.id})}


class _Reply(Reply):
    def __init__(self, name: Name) -> None:
        super().__init__()
        self._name = name

    def end(self) -> list[Thought]:
        if self.denied in _BROKEN and not self.said:
            raise ValueError(f"the answer ended with {self.denied}")
        return super().end()

    def _take(self, event: dict[str, Any]) -> list[Thought]:
        if usage := event.get("usageMetadata"):
            self.spent = Spent(
                count(usage, "promptTokenCount", "toolUsePromptTokenCount"),
                count(usage, "candidatesTokenCount", "thoughtsTokenCount"),
                count(usage, "cachedContentTokenCount"),
            )
        if blocked := (event.get("promptFeedback") or {}).get("blockReason"):
            self.finished, self.denied = True, text(blocked)
        thoughts: list[Thought] = []
        if not (candidates := event.get("candidates")):
            if not usage and not blocked:
                raise ValueError("an event with nothing in it")
            return thoughts
        first = candidates[0]
        for part in (first.get("content") or {}).get("parts") or ():
            thoughts += self._part(part)
        if reason := text(first.get("finishReason")):
            self.finished = self.done = True
            if reason not in _ENDED:
                self.denied = reason if reason in _BROKEN else text(first.get("finishMessage")) or reason
        return thoughts

    def _part(self, part: dict[str, Any]) -> list[Thought]:
        if call := part.get("functionCall"):
            signature = _OURS + text(part.get("thoughtSignature"))
            asked = sound(call.get("args") or {})
            return [Ask(text(call.get("id")) or self._name(), text(call["name"]), asked, signature)]
        return [] if part.get("thought") else tokens(part.get("text"))
