"""An ear at Deepgram: live transcription over a WebSocket, v1/listen. Not tried against the live service.

Messages as in deepgram-sdk 7.16 (`listen/v1`), and https://developers.deepgram.com/docs/ for what they mean: `finalize`
(an answer is usual, not certain), `keep-alive` (10 s without a message end the connection), `endpointing`.

The telephone's µ-law goes through as it is. Audio is sent during utterances only; their end is decided here, and asked
for with `Finalize`.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.dial import CLOSING, Dial, Patience, Service, address, complaint
from parlance.actors.listener.port import Heard
from parlance.actors.listener.segments import Segment, Segments
from parlance.actors.websocket import Socket, alone, socket
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.faults import checked

NAME = "deepgram"
KEEP_ALIVE = 4.0
"""Seconds without audio after which the service is told that we are still there. It asks for three to five."""
ENOUGH = 1.0
"""Seconds of audio of which a service that works has something to say."""

_FINALIZE, _KEEP_ALIVE, _CLOSE = (json.dumps({"type": name}) for name in ("Finalize", "KeepAlive", "CloseStream"))


class Settings(Service):
    url: str = "wss://api.deepgram.com/v1/listen"
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "DEEPGRAM_API_KEY"
    model: Annotated[str, Field(min_length=1)] = "nova-3"
    language: Annotated[str, Field(min_length=1)] = "en"
    keyterms: tuple[str, ...] = ()
    """Words to expect, such as names."""
    punctuate: bool = True
    """Full stops and commas help to tell a finished sentence from one that goes on."""
    endpointing: Annotated[int, Field(ge=0, le=5000)] = 0
    """Milliseconds of silence after which the service makes words final by itself; 0: only when asked.

    With it the words may be there when the turn ends, and its end waits for nothing.
    """
    final: Patience = 1.0
    """Seconds from asking for the final words until those that came so far count as final."""

    @property
    def query(self) -> dict[str, object]:
        return {
            "model": self.model,
            "language": self.language,
            "encoding": "mulaw",
            "sample_rate": TELEPHONE.rate,
            "channels": 1,
            "interim_results": "true",
            "punctuate": str(self.punctuate).lower(),
            "endpointing": self.endpointing or "false",
            "keyterm": self.keyterms,
        }


class DeepgramHearing:
    """One call's ear."""

    def __init__(self, dial: Dial, settings: Settings, line: Socket, told: Callable[[Heard], None]) -> None:
        self._dial, self._settings, self._line, self._told = dial, settings, line, told
        self._segments = Segments()
        self._sent = 0
        """Bytes."""
        self._begun: dict[int, tuple[int, float]] = {}
        """The utterances that have not ended: the bytes sent before each, and when it began."""
        self._due: dict[int, float] = {}
        """Until when the final words of an utterance are waited for."""
        self._owed: dict[int, float] = {}
        """Of those that were long enough to be heard, when they began."""
        self._spoke = trio.current_time()
        """When we sent something last."""
        self._unanswered: float | None = None
        """Since when audio has been sent to which nothing was said."""
        self._heard = -math.inf
        """When something came last."""
        self._wait = trio.CancelScope()

    async def begin(self, utterance: int) -> None:
        self._begun[utterance] = self._sent, trio.current_time()
        self._segments.begin(utterance, self._sent / TELEPHONE.second)
        self._unanswered = None
        await trio.lowlevel.checkpoint()

    async def hear(self, audio: bytes) -> None:
        self._sent += len(audio)
        self._spoke = trio.current_time()
        if self._unanswered is None:
            self._unanswered = self._spoke
        self._hurry()
        await self._line.send(audio)

    async def end(self, utterance: int) -> None:
        before, began = self._begun.pop(utterance)
        heard = self._segments.end(utterance, self._sent / TELEPHONE.second)
        if heard is None and self._sent == before:
            heard = self._segments.give_up(utterance)
        if heard is not None:
            self._told(heard)
        else:
            self._due[utterance] = trio.current_time() + self._settings.final
            if self._sent - before >= ENOUGH * TELEPHONE.second:
                self._owed[utterance] = began
            self._hurry()
        await self._line.send(_FINALIZE)

    async def listen(self) -> None:
        """Tell what is heard, until cancelled, and keep the connection alive. One task, that waits for what is next."""
        while True:
            message = None
            with trio.CancelScope(deadline=self._next()) as self._wait:
                message = await self._line.receive()
            if message is None:
                await self._late()
            else:
                self._unanswered, self._heard = None, trio.current_time()
                if (segment := self._read(message)) is not None and (heard := self._segments.add(segment)) is not None:
                    if heard.final:
                        self._settle(heard.utterance)
                    self._told(heard)

    def _next(self) -> float:
        """When something is to be done if nothing comes."""
        return min(self._spoke + KEEP_ALIVE, self._stalled(), *self._due.values())

    def _stalled(self) -> float:
        """When the service has said nothing to an open utterance's audio for too long."""
        return math.inf if self._unanswered is None or not self._begun else self._unanswered + self._settings.idle

    def _hurry(self) -> None:
        self._wait.deadline = min(self._wait.deadline, self._next())

    async def _late(self) -> None:
        """Something is due that did not come."""
        now = trio.current_time()
        for utterance in [utterance for utterance, at in self._due.items() if at <= now]:
            if self._heard < self._owed.get(utterance, -math.inf):
                raise Unreachable(NAME, f"no words within {self._settings.final:g} s of the end of the turn")
            self._settle(utterance)
            if (heard := self._segments.give_up(utterance)) is not None:
                self._told(heard)
        if now >= self._stalled():
            raise Unreachable(NAME, f"has said nothing to {self._settings.idle:g} s of audio")
        if now >= self._spoke + KEEP_ALIVE:
            self._spoke = now
            await self._line.send(_KEEP_ALIVE)

    def _settle(self, utterance: int) -> None:
        self._due.pop(utterance, None)
        self._owed.pop(utterance, None)

    def _read(self, message: str | bytes) -> Segment | None:
        """A message's words, if it is one that has any."""
        try:
            told = json.loads(message)
            kind = told["type"]
            if kind == "Results":
                return _segment(told)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise Garbled(NAME, f"not a message of v1/listen: {self._dial.brief(message)}") from None
        if kind == "Error":
            raise _failure(self._dial, message)
        return None


def _segment(told: dict[str, Any]) -> Segment:
    start = float(told["start"])
    text = told["channel"]["alternatives"][0]["transcript"]
    if not isinstance(text, str):
        raise ValueError(text)
    return Segment(
        start,
        start + float(told["duration"]),
        text,
        final=bool(told["is_final"]),
        paused=bool(told.get("speech_final")),
        asked=bool(told.get("from_finalize")),
    )


def _failure(dial: Dial, message: str | bytes) -> ProviderError:
    """An error inside the stream: there is no status for it, only its words."""
    told = dial.brief(complaint(message))
    words = dial.brief(message).lower()
    kind: type[ProviderError] = Unreachable
    if any(word in words for word in ("rate limit", "too many", "overloaded", "capacity")):
        kind = Overloaded
    elif any(word in words for word in ("invalid", "auth", "unsupported", "permission")):
        kind = Rejected
    return kind(NAME, told)


class DeepgramEar:
    format = TELEPHONE
    chunk = 0.1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._dial = Dial(NAME, settings, scheme="Token", extra="deepgram")
        self._dial.library("trio_websocket")

    @asynccontextmanager
    async def open(self, told: Callable[[Heard], None]) -> AsyncIterator[DeepgramHearing]:
        """A connection for one call."""
        with alone():
            async with socket(self._dial, address(self.settings.url, self.settings.query)) as line:
                hearing = DeepgramHearing(self._dial, self.settings, line, told)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(hearing.listen)
                    yield hearing
                    nursery.cancel_scope.cancel()
                with trio.move_on_after(CLOSING):
                    await line.send(_CLOSE)


def make(settings: dict[str, Any]) -> DeepgramEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    return DeepgramEar(checked(Settings, settings, f"ear {NAME}"))
