"""A simulated language model: OpenAI's chat completions, streamed as server-sent events or whole; forty fixed words."""

from __future__ import annotations

import json
from typing import Any

import trio

from bench.simulators.conduct import STALL, Conduct, Cut, Fate
from bench.simulators.door import Answer, Asked, Refusal
from parlance.actors.thinker.rehearsal import REPLY

WORDS = [word if number == 0 else f" {word}" for number, word in enumerate(REPLY.split())]


def _chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "simulated"}
    return b"data: " + json.dumps(chunk | {"choices": choices} | more).encode() + b"\n\n"


def _delta(delta: dict[str, str], reason: str | None = None) -> bytes:
    return _chunk([{"index": 0, "delta": delta, "finish_reason": reason}])


_USAGE = {"prompt_tokens": 20, "completion_tokens": len(WORDS), "total_tokens": 20 + len(WORDS)}
_ROLE = _delta({"role": "assistant", "content": ""})
_PIECES = [_delta({"content": word}) for word in WORDS]
_STOP = _delta({}, "stop")
_COUNTED = _chunk([], usage=_USAGE)
_DONE = b"data: [DONE]\n\n"


async def completions(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    request = _request(asked.body)
    start = trio.current_time() + conduct.late(conduct.chat_delay)
    if not request.get("stream"):
        await trio.sleep_until(start + len(WORDS) / conduct.chat_pace)
        message = {"role": "assistant", "content": REPLY}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        await answer.whole(200, {"object": "chat.completion", "choices": [choice], "usage": _USAGE})
        return
    await trio.sleep_until(start)
    answer.begin("text/event-stream")
    sent = 0
    while sent < len(_PIECES):
        await trio.sleep_until(start + sent / conduct.chat_pace)
        due = max(sent + 1, int((trio.current_time() - start) * conduct.chat_pace) + 1)
        await answer.piece((b"" if sent else _ROLE) + b"".join(_PIECES[sent:due]))
        sent = due
        if fate is Fate.CUT:
            raise Cut
        if fate is Fate.STALL:
            await trio.sleep(STALL)
    counted = _COUNTED if (request.get("stream_options") or {}).get("include_usage") else b""
    await answer.piece(_STOP + counted + _DONE)
    await answer.end()


def _request(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
        if request["model"] and isinstance(request["messages"], list):
            return dict(request)
    except (ValueError, KeyError, TypeError):
        pass
    raise Refusal(400, "the body must be a JSON object with a model and messages")
