"""The driver of ears that are asked for a whole utterance: one request, one answer.

What the caller says is collected, and sent as a WAV file when his turn has ended. An interruption needs words while he
still speaks, so the words so far are asked for meanwhile. Each such request has all of the utterance in it: they come
further and further apart, so that the audio of all of them is at most three times the utterance's.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

import trio
from pydantic import Field

from parlance.actors.listener.port import Heard, Told
from parlance.actors.web import WebService
from parlance.actors.websocket import alone
from parlance.codecs import wav
from parlance.codecs.format import Format
from parlance.engine.errors import ProviderError
from parlance.engine.witness import Failed

LEAST = 0.1
"""Seconds: there are no words in less audio, and OpenAI refuses it."""
AGAIN = 1.0
"""Seconds: a final request that a service wants later than that is not made again."""
GROWTH = 1.5
"""How much longer an utterance has become when its words so far are asked for again."""


class RequestService(WebService):
    """What all ears that are asked have."""

    rate: Literal[8000, 16000] = 16000
    """Samples a second of what is sent. It is 16000 that these models hear in and that every server takes; 8000 is
    half the upload, and loses nothing of a telephone call.
    """
    interim: Annotated[float, Field(ge=0, le=10)] = 0.8
    """Seconds of audio after which the words so far are asked for; 0: never.

    0.3 s of it come from before the gate's verdict. So an interruption's words are asked for half a second after it and
    are there about a second after it, within the two that a held reply waits; much sooner there are none to be heard.
    """
    first: Annotated[float, Field(gt=0, le=60)] = 2.5
    """Seconds for an answer, connecting included: less than the agent's `limits.transcript`, or nobody waits for it."""
    warm: Annotated[int, Field(ge=0, le=100)] = 2
    """One connection for the words so far, which is dropped when the turn ends, and one for the final ones."""


class Scribe(Protocol):
    """A service that writes down an utterance."""

    provider: str
    longest: float
    """Seconds of audio that it takes at a time."""

    @property
    def settings(self) -> RequestService: ...

    async def transcribe(self, file: bytes, so_far: Callable[[str], None]) -> str:
        """The words in a WAV file (PCM16, mono). `so_far` is called with those that are known before all are."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""


@dataclass(slots=True)
class _Utterance:
    number: int
    audio: bytearray = field(default_factory=bytearray)
    heard: int = 0
    """Bytes, also of what is not kept any more."""
    asked: int = 0
    """Bytes that had been heard when words were asked for last."""
    text: str = ""
    asking: trio.CancelScope = field(default_factory=trio.CancelScope)


class RequestHearing:
    """One call's ear."""

    chunk = 0.1
    endpoints = False

    def __init__(self, scribe: Scribe, nursery: trio.Nursery, told: Told) -> None:
        self.provider, self.format = scribe.provider, Format("pcm16", scribe.settings.rate)
        self._scribe, self._nursery, self._told = scribe, nursery, told
        self._most = round(scribe.longest * self.format.rate) * self.format.width
        self._step = scribe.settings.interim * self.format.second
        self._open: _Utterance | None = None
        self._requests = 0
        """Under way."""
        self._rested = -math.inf
        """Until when words so far are not asked for, because the service failed or has asked for a pause."""
        self._last = trio.Event()
        """Set when the final words of the last utterance were told."""
        self._last.set()

    async def begin(self, utterance: int) -> None:
        self._open = _Utterance(utterance)
        await trio.lowlevel.checkpoint()

    async def hear(self, audio: bytes) -> None:
        if (utterance := self._open) is not None:
            utterance.audio += audio
            utterance.heard += len(audio)
            # What somebody says last is what he wants an answer to.
            if (excess := len(utterance.audio) - self._most) > 0:
                del utterance.audio[:excess]
            if self._step and not self._requests and utterance.heard >= self._next(utterance):
                utterance.asked = utterance.heard
                if trio.current_time() >= self._rested:
                    self._requests += 1
                    utterance.asking = trio.CancelScope()
                    self._nursery.start_soon(self._interim, utterance, utterance.asking)
        await trio.lowlevel.checkpoint()

    async def end(self, utterance: int) -> None:
        ended, self._open = self._open, None
        if ended is not None:
            ended.asking.cancel()
            before, self._last = self._last, trio.Event()
            self._requests += 1
            self._nursery.start_soon(self._final, ended, before, self._last)
        await trio.lowlevel.checkpoint()

    def _next(self, utterance: _Utterance) -> float:
        return max(utterance.asked + self._step, utterance.asked * GROWTH)

    async def _interim(self, utterance: _Utterance, asking: trio.CancelScope) -> None:
        """The words so far, unless the utterance ends before they are known."""
        try:
            with asking:
                self._tell(utterance, await self._ask(utterance, lambda text: None))
        except ProviderError as error:
            # These are requests that can be done without: the final one says whether the service can.
            if not error.retry:
                raise
            self._rested = trio.current_time() + (error.after or self._scribe.settings.idle)
        finally:
            self._requests -= 1

    async def _final(self, utterance: _Utterance, before: trio.Event, done: trio.Event) -> None:
        def so_far(text: str) -> None:
            if len(text) > len(utterance.text):
                self._tell(utterance, text)

        text = ""
        try:
            if len(utterance.audio) >= LEAST * self.format.second:
                text = await self._insist(utterance, so_far)
        finally:
            self._requests -= 1
        await before.wait()
        self._told(Heard(utterance.number, text, final=True))
        done.set()

    async def _insist(self, utterance: _Utterance, so_far: Callable[[str], None]) -> str:
        """Two tries: nobody else has the whole utterance, another ear would get only the end of it."""
        try:
            return await self._ask(utterance, so_far)
        except ProviderError as error:
            if not error.retry or (error.after or 0.0) > AGAIN:
                raise
            self._told(Failed(self.provider, str(error)))
            await trio.sleep(error.after or 0.0)
        return await self._ask(utterance, so_far)

    async def _ask(self, utterance: _Utterance, so_far: Callable[[str], None]) -> str:
        file = wav.encode(bytes(utterance.audio), self.format.rate)
        return (await self._scribe.transcribe(file, so_far)).strip()

    def _tell(self, utterance: _Utterance, text: str) -> None:
        if text and text != utterance.text:
            utterance.text = text
            self._told(Heard(utterance.number, text, final=False))


class RequestEar:
    """An ear that asks `scribe`. A final request that fails twice ends it; words so far that do not come do not."""

    def __init__(self, scribe: Scribe) -> None:
        self.provider, self.scribe = scribe.provider, scribe

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""
        await self.scribe.run(task_status=task_status)

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[RequestHearing]:
        """An ear for one call: it connects when it has something to ask."""
        with alone():
            async with trio.open_nursery() as nursery:
                yield RequestHearing(self.scribe, nursery, told)
                nursery.cancel_scope.cancel()
