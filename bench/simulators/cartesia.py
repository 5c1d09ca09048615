"""A simulated voice: Cartesia's text to speech over a WebSocket, with many contexts on one connection.

Messages as in cartesia 4.2 (`types/websocket_response`, `types/generation_request_param`); what they mean, and the
shape of errors, as in https://docs.cartesia.ai/use-the-api/ (`tts-websocket/contexts`, `api-errors`).
"""

from __future__ import annotations

import base64
import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from bench.simulators import pace
from bench.simulators.alignment import spoil
from bench.simulators.conduct import STALL, Conduct, Fate
from bench.simulators.door import Asked, Behind, Refusal
from bench.simulators.speak import WORD, audio
from parlance.codecs.format import Encoding, Format

PATIENCE = 300.0
"""Seconds without a message, after which the connection is closed (pipecat issue 1306)."""
EXPIRY = 1.0
"""Seconds after a context's last audio, after which it is gone."""
BUFFER = 3000
"""Milliseconds that text is held back for more of it, unless `max_buffer_delay_ms` says else."""
MOST_BUFFER = 5000

_ENCODINGS: dict[str, Encoding] = {"pcm_mulaw": "mulaw", "pcm_alaw": "alaw", "pcm_s16le": "pcm16"}
_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
_MAY_CHANGE = {"transcript", "continue", "flush", "duration", "max_buffer_delay_ms"}
"""Fields that may differ between the requests of a context."""
_ENDED = (".", "!", "?")
"""What a sentence ends with, which is not held back."""


def check(asked: Asked) -> None:
    version = asked.first("cartesia_version") or asked.headers.get(b"cartesia-version", b"").decode("latin-1")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", version):
        raise Refusal(400, "the header Cartesia-Version must be a date, as in 2026-08-14")


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    async with trio.open_nursery() as nursery:
        await _Session(connection, conduct, nursery).receive()
        nursery.cancel_scope.cancel()


class _Wrong(Exception):
    """A request is answered with an error: its title and words."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be said next in a context, from `at` on; then a flush is done, or the context is."""

    at: float
    text: str
    flush: bool
    last: bool


@dataclass(slots=True, eq=False)
class _Context:
    name: str
    fixed: dict[str, Any]
    """What every request of it must say again."""
    format: Format
    timed: bool
    send: trio.MemorySendChannel[_Job]
    jobs: trio.MemoryReceiveChannel[_Job]
    buffer: str = ""
    due: float = math.inf
    """When the buffer is said even if it is no whole sentence."""
    finished: bool = False
    flushes: int = 1
    spoken: float = 0.0
    """Seconds of audio so far."""
    fate: Fate | None = None
    wait: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Of the one that waits for more to say."""
    cancelled: trio.Event = field(default_factory=trio.Event)


class _Session:
    def __init__(self, connection: WebSocketConnection, conduct: Conduct, nursery: trio.Nursery) -> None:
        self._connection, self._conduct, self._nursery = connection, conduct, nursery
        self._contexts: dict[str, _Context] = {}
        self._gone: set[str] = set()

    async def receive(self) -> None:
        """The client's requests, until it closes the connection or asks nothing for too long."""
        while True:
            with trio.move_on_after(PATIENCE) as patience:
                message = await self._connection.get_message()
            if patience.cancelled_caught:
                await self._connection.aclose(1000, "connection idle timeout")
                return
            name: str | None = None
            try:
                told = _object(message)
                name = told["context_id"]
                self._take(told)
            except _Wrong as wrong:
                await self._fail(name, 400, *wrong.args)

    def _take(self, told: dict[str, Any]) -> None:
        name = told["context_id"]
        context = self._contexts.get(name)
        if told.get("cancel") is True:
            self._conduct.requests["cancel"] += 1
            if context is not None:
                context.cancelled.set()
                context.wait.cancel()
                self._forget(context)
            return
        wanted = _format(told)
        going, flush = bool(told.get("continue")), bool(told.get("flush"))
        self._conduct.requests["flush" if flush else "continue" if going else "finish"] += 1
        if name in self._gone or (context is not None and context.finished):
            raise _Wrong("Context closed", f"The context {name} has expired or was finished.")
        fixed = {key: value for key, value in told.items() if key not in _MAY_CHANGE}
        if context is None:
            if not told["transcript"].strip() and not going:
                raise _Wrong("Empty transcript", "The transcript of the first request has no words.")
            context = self._begin(name, fixed, wanted)
        elif context.fixed != fixed:
            raise _Wrong("Invalid request", "All fields but transcript and continue must stay as they were.")
        self._add(context, told["transcript"], _delay(told), flush=flush, last=not going)

    def _begin(self, name: str, fixed: dict[str, Any], wanted: Format) -> _Context:
        send, jobs = trio.open_memory_channel[_Job](math.inf)
        context = _Context(name, fixed, wanted, fixed.get("add_timestamps") is True, send, jobs)
        self._contexts[name] = context
        self._nursery.start_soon(self._speak, context)
        return context

    def _add(self, context: _Context, text: str, delay: float, *, flush: bool, last: bool) -> None:
        """More text: said now if it is enough, asked for, or all; else after `delay` seconds."""
        context.buffer += text
        context.finished = last
        now = trio.current_time()
        context.due = min(context.due, now + delay) if context.buffer.strip() else math.inf
        if flush or last or context.due <= now or context.buffer.rstrip().endswith(_ENDED):
            self._make(context, flush=flush, last=last)
        if context.due < math.inf:
            context.wait.deadline = context.due

    def _make(self, context: _Context, *, flush: bool = False, last: bool = False) -> None:
        at = trio.current_time() + self._conduct.late(self._conduct.tts_delay)
        context.send.send_nowait(_Job(at, context.buffer, flush, last))
        context.buffer, context.due = "", math.inf

    def _forget(self, context: _Context) -> None:
        self._contexts.pop(context.name, None)
        self._gone.add(context.name)

    async def _speak(self, context: _Context) -> None:
        """A context's life: what is to be said, until it was the last, or nothing more comes in time."""
        while (job := await self._job(context)) is not None:
            if job.text.strip() and not await self._generation(context, job):
                return
            if job.flush:
                await self._tell(context, type="flush_done", flush_done=True, flush_id=context.flushes)
                context.flushes += 1
            if job.last:
                break
        if not context.cancelled.is_set():
            self._forget(context)
            await self._tell(context, type="done", done=True, status_code=200)

    async def _job(self, context: _Context) -> _Job | None:
        """What is to be said next; None if nothing came in time, or the context is cancelled."""
        expiry = trio.current_time() + EXPIRY if context.spoken else math.inf
        while not context.cancelled.is_set():
            with suppress(trio.WouldBlock):
                return context.jobs.receive_nowait()
            with trio.CancelScope(deadline=context.due if context.due < math.inf else expiry) as context.wait:
                return await context.jobs.receive()
            if trio.current_time() >= context.due:
                self._make(context)
            elif context.due == math.inf and trio.current_time() >= expiry:
                return None
        return None

    async def _generation(self, context: _Context, job: _Job) -> bool:
        """Say it; False if the context ended with that."""
        if context.fate is None:
            context.fate = self._conduct.fate("context")
        fate, begun = context.fate, context.spoken
        silent = fate is Fate.SILENT
        if await pace.stopped(context.cancelled, job.at + STALL if silent else job.at) or silent:
            return False
        if fate is Fate.ERROR:
            self._forget(context)
            await self._fail(context.name, self._conduct.status(), "Failure", "the simulator fails, as it was told to")
            return False
        words, spoiling = job.text.split(), fate
        pieces = [] if fate is Fate.EMPTY else audio(job.text, context.format)
        for due, piece in pace.spoken(pieces, self._conduct):
            if await pace.stopped(context.cancelled, due):
                return False
            now, after = context.spoken - begun, context.spoken - begun + len(piece) / context.format.second
            if context.timed:
                await self._times(context, words, begun, (math.ceil(now / WORD - 1e-6), math.ceil(after / WORD - 1e-6)))
            await self._chunk(context, piece * 3 if fate is Fate.RATE else piece, spoiling)
            context.spoken, spoiling = begun + after, Fate.NONE
            await pace.broken(fate, context.cancelled)
        return not context.cancelled.is_set()

    async def _times(self, context: _Context, words: list[str], begun: float, which: tuple[int, int]) -> None:
        """The words that begin in a chunk, with their times from the beginning of the context, in seconds."""
        numbers = range(which[0], min(which[1], len(words)))
        if numbers:
            start = [round(begun + number * WORD, 3) for number in numbers]
            times = {
                "words": [words[number] for number in numbers],
                "start": start,
                "end": [round(begun + (number + 1) * WORD, 3) for number in numbers],
            }
            await self._tell(context, type="timestamps", word_timestamps=times, flush_id=context.flushes)

    async def _chunk(self, context: _Context, sound: bytes, fate: Fate) -> None:
        told = {
            "type": "chunk",
            "context_id": context.name,
            "data": base64.b64encode(sound).decode(),
            "done": False,
            "status_code": 206,
            "step_time": 1.5,
            "flush_id": context.flushes,
        }
        wrong = {"data": 5, "done": "no", "status_code": "206"}
        await self._connection.send_message(spoil(told, wrong, fate, "data"))

    async def _tell(self, context: _Context, **message: Any) -> None:
        told = {"context_id": context.name, "done": False, "status_code": 206}
        await self._connection.send_message(json.dumps(told | message))

    async def _fail(self, name: str | None, status: int, title: str, words: str) -> None:
        code = "concurrency_limited" if status == 429 else "invalid_request" if status < 500 else None
        told = {"type": "error", "done": True, "status_code": status, "error_code": code, "title": title}
        told |= {"message": words, "request_id": "1"}
        await self._connection.send_message(json.dumps(told if name is None else told | {"context_id": name}))


def _object(message: str | bytes) -> dict[str, Any]:
    try:
        told = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise _Wrong("Invalid request", "A message must be a JSON object.")
    if not isinstance(told.get("context_id"), str) or not told["context_id"]:
        raise _Wrong("Invalid request", "context_id is required.")
    return told


def _format(told: dict[str, Any]) -> Format:
    """The audio that a request wants. Raises `_Wrong` for a request with something missing or wrong."""
    voice, form = told.get("voice"), told.get("output_format")
    chosen = voice.get("id") if isinstance(voice, dict) else voice
    for name, value in (("model_id", told.get("model_id")), ("voice", chosen)):
        if not isinstance(value, str) or not value:
            raise _Wrong("Invalid request", f"{name} is required.")
    if not isinstance(told.get("transcript"), str):
        raise _Wrong("Invalid request", "transcript is required.")
    if not isinstance(form, dict) or form.get("container") != "raw":
        raise _Wrong("Invalid request", "output_format must have the container raw.")
    encoding, rate = form.get("encoding"), form.get("sample_rate")
    if encoding not in _ENCODINGS or rate not in _RATES:
        raise _Wrong("Invalid request", f"output_format: there is no {encoding} at {rate} here.")
    return Format(_ENCODINGS[encoding], rate)


def _delay(told: dict[str, Any]) -> float:
    wait = told.get("max_buffer_delay_ms")
    wait = BUFFER if wait is None else wait
    if not isinstance(wait, int) or not 0 <= wait <= MOST_BUFFER:
        raise _Wrong("Invalid request", f"max_buffer_delay_ms must be from 0 to {MOST_BUFFER}.")
    return wait / 1000


BEHIND = Behind(lines={"/tts/websocket": (check, line)})
