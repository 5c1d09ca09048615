"""A voice at Cartesia over a WebSocket, in µ-law: kind `cartesia`. Not tried against the live service.

Messages as in cartesia 4.2 (`types/websocket_response`, `types/generation_request_param`); what they mean as in
https://docs.cartesia.ai/use-the-api/tts-websocket/contexts and `context-flushing-and-flush-i-ds` beside it. A phrase is
its text, to be continued, and an empty text with `flush`; `flush_done` ends it. The numbers of flushes are not used:
they begin at 1 in the documents, and at 0 as users saw them.

A context ends a second after its last audio, while the caller still hears it; so the voice goes on as it began only
where phrases follow each other closely, and any other phrase has a context of its own. What was cancelled may still be
spoken to its end; it is known by its context's name, and dropped.

Words' times count from the beginning of the context, or of what was flushed (the documents do not say): a phrase's
first word tells which. A connection is closed after five minutes without a request
(https://docs.cartesia.ai/use-the-api/concurrency-limits-and-timeouts); nothing but a request keeps it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field

from parlance.actors.dial import Dial, Variable
from parlance.actors.fields import audio, each, mapping, number, text, written
from parlance.actors.speaker.phrase import Phrase
from parlance.actors.speaker.spoken import plain
from parlance.actors.speaker.stream import StreamService, StreamVoice
from parlance.actors.speaker.wire import Brief, Closed, Message, Piece, VoiceWire
from parlance.actors.verdict import verdict
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import ProviderError
from parlance.engine.faults import checked

NAME = "cartesia"
FRESH = 0.5
"""Seconds after its last audio for which a context is used: it ends after one, and messages travel."""
EARLY = 0.25
"""Seconds by which a word may begin before its phrase's audio does, by the context's clock."""

_TAG = re.compile(r"<(?=/?[A-Za-z])")


class Settings(StreamService):
    voice: Annotated[str, Field(min_length=1)]
    """The voice's id."""
    model: Annotated[str, Field(min_length=1)] = "sonic-3.5"
    language: Annotated[str, Field(min_length=2)] | None = None
    version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="should be a date like 2026-08-14")] = (
        "2026-08-14"
    )
    """What `Cartesia-Version` says."""
    url: str = "wss://api.cartesia.ai/tts/websocket"
    key_env: Variable = "CARTESIA_API_KEY"
    speed: Annotated[float, Field(ge=0.6, le=1.5)] | None = None
    volume: Annotated[float, Field(ge=0.5, le=2)] | None = None
    lifetime: Annotated[float, Field(ge=1, le=290)] = 240.0
    """Seconds after which a connection that nobody uses is replaced; the service closes it after 300."""

    def request(self) -> dict[str, object]:
        """What all requests have in common."""
        wanted: dict[str, object] = {
            "model_id": self.model,
            "voice": {"id": self.voice},
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": TELEPHONE.rate},
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,
        }
        if self.language:
            wanted["language"] = self.language
        how = {"speed": self.speed, "volume": self.volume}
        if how := {name: value for name, value in how.items() if value is not None}:
            wanted["generation_config"] = how
        return wanted


class CartesiaWire(VoiceWire):
    """tts/websocket: a phrase is a flush of a context. `context` names a new one."""

    protocol = "tts/websocket"

    def __init__(self, settings: Settings, brief: Brief, context: Callable[[], str]) -> None:
        super().__init__(NAME, brief)
        self._common, self._new = settings.request(), context
        self._context: str | None = None
        self._spoken = 0.0
        """Seconds of audio that the context had before the phrase."""
        self._origin: float | None = None
        """Where the phrase's first sample is on the clock of its words; None until one has come."""
        self._last = -math.inf
        """When audio came last."""

    def say(self, text: str, now: float) -> list[Message]:
        if self._context is None or not self._fresh(now):
            self._context, self._spoken = self._new(), 0.0
        self._phrase, self._origin, self._last = Phrase(NAME, text), None, now
        # The service would take a tag for a command; a space for its first character, and it is words.
        words = _TAG.sub(" ", plain(text)).strip()
        return [self._request(f"{words} "), self._request("", flush=True)]

    def take(self, told: dict[str, Any], now: float) -> Piece | None:
        kind, context = text(told["type"]), told.get("context_id")
        if context is not None and text(context) != self._context:
            return None
        match kind:
            case "chunk":
                return self._chunk(told, now)
            case "timestamps":
                return self._times(told)
            case "flush_done":
                return self._whole()
            case "done":
                self._context = None
                return self._whole()
            case "error":
                raise self._failure(told)
        return None

    def _chunk(self, told: dict[str, Any], now: float) -> Piece | None:
        sound = audio(told.get("data"))
        self._last = now
        if self._phrase is None:
            self._spoken += len(sound) / TELEPHONE.second
            return None
        return Piece(self._phrase.add(sound)) if sound else None

    def _times(self, told: dict[str, Any]) -> Piece | None:
        phrase = self._phrase
        if phrase is None or told.get("word_timestamps") is None:
            return None
        timed = mapping(told["word_timestamps"])
        starts, ends = each(timed["start"], number), each(timed["end"], number)
        words = list(zip(each(timed["words"], text), starts, ends, strict=True))
        if not words:
            return None
        if self._origin is None:
            self._origin = self._spoken if words[0][1] >= self._spoken - EARLY else 0.0
        found = []
        for word, _, end in words:
            at = max(0.0, end - self._origin)
            phrase.said = max(phrase.said, at)
            if (count := phrase.text.word(word)) is not None:
                found.append((count, at))
        return Piece(times=times) if (times := phrase.times(found)) else None

    def _whole(self) -> Piece | None:
        phrase, self._phrase = self._phrase, None
        if phrase is None:
            return None
        self._spoken += phrase.seconds
        phrase.check()
        return Piece(done=True)

    def _failure(self, told: dict[str, Any]) -> ProviderError:
        title, words, status = told.get("title"), told.get("message") or told.get("error"), told.get("status_code")
        gone = isinstance(title, str) and title.lower().startswith("context")
        kind = Closed if gone else verdict(words, status, f"{told.get('error_code')} {title}")
        return self.failed(kind, f"{status or 'error'} {title or ''}: {words}")

    def finish(self, now: float) -> list[Message]:
        """A context that is about to end is left alone: it might be gone, and be begun again by this."""
        messages: list[Message] = [self._request("", going=False)] if self._context and self._fresh(now) else []
        self._context = None
        return messages

    def abort(self) -> list[Message]:
        context, self._context, self._phrase = self._context, None, None
        return [] if context is None else [written(context_id=context, cancel=True)]

    def _fresh(self, now: float) -> bool:
        return now < self._last + FRESH

    def _request(self, text: str, *, going: bool = True, flush: bool = False) -> str:
        told = self._common | {"context_id": self._context, "transcript": text, "continue": going}
        if flush:
            told["flush"] = True
        return written(**told)


def make(settings: dict[str, Any]) -> StreamVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"voice {NAME}")
    dial = Dial(NAME, chosen, scheme="Bearer", more={"Cartesia-Version": chosen.version}, extra="cartesia")
    return StreamVoice(dial, chosen, chosen.url, lambda: CartesiaWire(chosen, dial.brief, lambda: uuid4().hex))
