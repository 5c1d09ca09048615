"""A simulated voice over a WebSocket with many contexts: ElevenLabs' `multi-stream-input`.

Messages as in elevenlabs 2.78 (`types/*_multi`). The shape of errors, the limit of contexts and the words of the
time-out are as users reported them (livekit/agents issue 218, livekit/agents-js issue 1985); that any text or `flush`
for an unknown context opens it, as in pipecat pull request 4126.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from bench.simulators import pace
from bench.simulators.alignment import Timed, spoil, timed
from bench.simulators.conduct import STALL, Conduct, Fate
from bench.simulators.door import Asked, Refusal
from parlance.codecs.format import Format

CONTEXTS = 5
"""At most so many on one connection, those that are closed and still speak included."""
PATIENCE = 20.0
"""Seconds without a message, after which a context is closed, or a connection; `inactivity_timeout` changes it."""
MOST_PATIENCE = 180.0
SCHEDULE = (120.0, 160.0, 250.0, 290.0)
"""Characters that are waited for before each generation, unless `auto_mode` is on or `flush` comes."""

_PCM = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
FORMATS = {f"pcm_{rate}": Format("pcm16", rate) for rate in _PCM}
FORMATS |= {"ulaw_8000": Format("mulaw", 8000), "alaw_8000": Format("alaw", 8000)}
_RANGES = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}


def unfit(told: Any) -> str:
    """What is wrong with voice settings; nothing if nothing is."""
    if not isinstance(told, dict | None):
        return "must be an object"
    for name, (least, most) in _RANGES.items():
        value = (told or {}).get(name)
        if value is not None and not (isinstance(value, int | float) and least <= value <= most):
            return f"{name} must be from {least} to {most}"
    return ""


def check(asked: Asked) -> None:
    if asked.first("output_format", "mp3_44100_128") not in FORMATS:
        raise Refusal(403, f"output_format must be one of {', '.join(FORMATS)} in this simulator")
    wait = asked.first("inactivity_timeout", "20")
    if not wait.isdecimal() or not 1 <= int(wait) <= MOST_PATIENCE:
        raise Refusal(403, f"inactivity_timeout must be from 1 to {MOST_PATIENCE:g}")
    if {asked.first(name, "false") for name in ("sync_alignment", "auto_mode")} - {"true", "false"}:
        raise Refusal(403, "sync_alignment and auto_mode must be true or false")


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    async with trio.open_nursery() as nursery:
        await _Session(asked, connection, conduct, nursery).receive()


@dataclass(slots=True, eq=False)
class _Context:
    name: str | None
    schedule: tuple[float, ...]
    send: trio.MemorySendChannel[tuple[float, str]]
    touched: float = 0.0
    buffer: str = ""
    made: int = 0
    """Generations so far."""
    flushed: bool = False
    """All that was said before the last flush is still spoken if the context is closed."""
    fate: Fate | None = None
    stopped: trio.Event = field(default_factory=trio.Event)


class _Wrong(Exception):
    """The connection is ended with this message; the arguments are its name, its words and the close code."""


class _Session:
    def __init__(self, asked: Asked, connection: WebSocketConnection, conduct: Conduct, nursery: trio.Nursery) -> None:
        self._connection, self._conduct, self._nursery = connection, conduct, nursery
        self._format = FORMATS[asked.first("output_format")]
        self._patience = float(asked.first("inactivity_timeout", f"{PATIENCE:g}"))
        self._aligned = asked.first("sync_alignment") == "true"
        self._auto = asked.first("auto_mode") == "true"
        self._open: dict[str | None, _Context] = {}
        self._alive = 0
        """Contexts that have not sent their last message."""
        self._touched = trio.current_time()

    async def receive(self) -> None:
        """The client's messages, until it closes the connection, or does something wrong, or says nothing too long."""
        try:
            while True:
                message = None
                with trio.move_on_at(self._next() + self._patience):
                    message = await self._connection.get_message()
                if message is None:
                    self._expire()
                elif self._take(message):
                    break
        except _Wrong as wrong:
            await self._end(*wrong.args)

    def _next(self) -> float:
        """When what is silent longest was heard last."""
        return min(self._touched, *(context.touched for context in self._open.values()), math.inf)

    def _expire(self) -> None:
        late = trio.current_time() - self._patience
        for context in [context for context in self._open.values() if context.touched <= late]:
            self._close(context)
        if self._touched <= late:
            told = f"Have not received a new text input within the timeout of {self._patience:g} seconds."
            raise _Wrong("input_timeout_exceeded", f"{told} Streaming input terminated.", 1008)

    async def _end(self, name: str, words: str, code: int) -> None:
        await self._connection.send_message(json.dumps({"message": words, "error": name, "code": code}))
        await self._connection.aclose(code, words[:120])
        self._nursery.cancel_scope.cancel()

    def _take(self, message: str | bytes) -> bool:
        """Do what a message says; True if it closes the connection. Raises `_Wrong`."""
        try:
            told = json.loads(message) if isinstance(message, str) else None
        except ValueError:
            told = None
        if not isinstance(told, dict) or not isinstance(told.get("context_id"), str | None):
            raise _Wrong("invalid_message", "A message must be a JSON object.", 1008)
        if not isinstance(text := told.get("text") or "", str):
            raise _Wrong("invalid_message", "The text must be a string.", 1008)
        self._touched = trio.current_time()
        if told.get("close_socket"):
            self._count("close_socket")
            for one in list(self._open.values()):
                self._flush(one)
                self._close(one)
            return True
        context: _Context | None = self._open.get(told.get("context_id"))
        if told.get("close_context"):
            self._count("close_context")
            if context is not None:
                self._close(context)
            return False
        flush = told.get("flush") is True
        if context is None and (text or flush):
            context = self._begin(told)
        elif text and {"voice_settings", "generation_config"} & {name for name, value in told.items() if value}:
            raise _Wrong("invalid_message", "voice_settings can only be set in the first message of a context.", 1008)
        self._count("text" if text.strip() else "space" if text else "flush" if flush else "keepalive")
        if context is not None:
            context.touched = self._touched
            self._add(context, text, flush=flush)
        return False

    def _count(self, kind: str) -> None:
        self._conduct.requests[kind] += 1

    def _begin(self, told: dict[str, Any]) -> _Context:
        if self._alive >= CONTEXTS:
            words = f"Maximum simultaneous contexts per WebSocket connection exceeded ({CONTEXTS})."
            raise _Wrong("max_active_conversations", f"{words} Please close an existing context.", 1008)
        config = told.get("generation_config")
        schedule = (config.get("chunk_length_schedule") if isinstance(config, dict) else None) or SCHEDULE
        if fault := unfit(told.get("voice_settings")):
            raise _Wrong("invalid_message", f"voice_settings: {fault}", 1008)
        if not all(isinstance(length, int | float) and 50 <= length <= 500 for length in schedule):
            raise _Wrong("invalid_message", "chunk_length_schedule: must be from 50 to 500", 1008)
        send, jobs = trio.open_memory_channel[tuple[float, str]](math.inf)
        context = _Context(told.get("context_id"), tuple(schedule), send)
        self._open[context.name] = context
        self._alive += 1
        self._nursery.start_soon(self._speak, context, jobs)
        return context

    def _add(self, context: _Context, text: str, *, flush: bool) -> None:
        """More text, and a generation of all there is, or of its whole words if that is enough."""
        context.buffer += text
        context.flushed = context.flushed and not text.strip()
        if flush:
            self._flush(context)
            return
        whole = context.buffer.rfind(" ") + 1
        enough = 1 if self._auto else context.schedule[min(context.made, len(context.schedule) - 1)]
        if len(context.buffer) >= enough and context.buffer[:whole].strip():
            self._make(context, whole)

    def _flush(self, context: _Context) -> None:
        context.flushed = True
        self._make(context, len(context.buffer))

    def _make(self, context: _Context, length: int) -> None:
        text, context.buffer = context.buffer[:length].lstrip(), context.buffer[length:]
        if text:
            context.made += 1
            at = trio.current_time() + self._conduct.late(self._conduct.tts_delay)
            context.send.send_nowait((at, text))

    def _close(self, context: _Context) -> None:
        """No more is made in it. The name is free."""
        del self._open[context.name]
        context.send.close()
        if not context.flushed:
            context.stopped.set()

    async def _speak(self, context: _Context, jobs: trio.MemoryReceiveChannel[tuple[float, str]]) -> None:
        """What is made in a context, and its last message."""
        async for at, text in jobs:
            if context.fate is None:
                context.fate = self._conduct.fate("context")
            if not context.stopped.is_set():
                await self._generation(context, context.fate, at, text)
        self._alive -= 1
        await self._connection.send_message(json.dumps({"audio": None, "isFinal": True, "contextId": context.name}))

    async def _generation(self, context: _Context, fate: Fate, at: float, text: str) -> None:
        silent = fate is Fate.SILENT
        if await pace.stopped(context.stopped, at + STALL if silent else at) or silent:
            return
        if fate is Fate.ERROR:
            limited = self._conduct.status() == 429
            name, code = ("rate_limit_exceeded", 1008) if limited else ("internal_error", 1011)
            await self._end(name, "The simulator fails, as it was told to.", code)
        spoiling = fate
        pieces = timed(text, self._format, fate) or [Timed(b"", [], [], [])]
        for due, piece in pace.spoken(pieces, self._conduct):
            if await pace.stopped(context.stopped, due):
                return
            await self._connection.send_message(self._message(context, piece, spoiling))
            await pace.broken(fate, context.stopped)
            spoiling = Fate.NONE

    def _message(self, context: _Context, piece: Timed, fate: Fate) -> str:
        times = {"chars": piece.chars, "charStartTimesMs": piece.starts, "charDurationsMs": piece.lengths}
        aligned = times if self._aligned and piece.chars else None
        told: dict[str, Any] = {
            "audio": base64.b64encode(piece.sound).decode(),
            "isFinal": None,
            "normalizedAlignment": aligned,
            "alignment": aligned,
            "contextId": context.name,
        }
        return spoil(told, {"audio": 5, "alignment": "none", "isFinal": "no"}, fate, "audio")
