"""An ear at AssemblyAI: streaming transcription over a WebSocket, v3/ws. Not tried against the live service.

Messages, parameters and codes as in assemblyai 1.8 (`streaming/v3/models.py`), and
https://www.assemblyai.com/docs/streaming/ for what they mean (`message-sequence`, `turn-detection`).

Audio goes in pieces of 50 to 1000 ms and no others: what is left of an utterance at its end is filled up with silence,
because its words are wanted now and not with the next one's.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.fields import each, mapping, number, text, written
from parlance.actors.listener.stream import StreamedEar, StreamService
from parlance.actors.listener.turns import State, Turn, Turns
from parlance.actors.listener.wire import NOTHING, EarWire, Step
from parlance.actors.verdict import verdict
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.faults import checked

NAME = "assemblyai"
KEEP_ALIVE = 5.0
"""Seconds without audio after which the service is told that we are still there."""
LEAST, MOST = TELEPHONE.second // 20, TELEPHONE.second
"""Bytes of audio in a message."""
NEVER = 60_000
"""Milliseconds of silence that end no turn of a call."""

_FORCE, _KEEP_ALIVE, _CLOSE = (written(type=kind) for kind in ("ForceEndpoint", "KeepAlive", "Terminate"))
_BUSY = (1013, 3009, 4029, 4102)
_AGAIN = (3005, 3008, 4004, 4008, 4010, 4030, 4031, 4103)
"""Sessions that have ended, or broke: a new one is all they need. Every other code is of a request that is wrong."""


class Settings(StreamService):
    """AssemblyAI charges for as long as a session is open, with audio or without: none is warm unless asked for."""

    url: str = "wss://streaming.assemblyai.com/v3/ws"
    key_env: Variable = "ASSEMBLYAI_API_KEY"
    version: str = "2025-05-12"
    """Of the interface, in the header `AssemblyAI-Version`."""
    warm: Annotated[int, Field(ge=0, le=100)] = 0
    model: Annotated[str, Field(min_length=1)] = "universal-streaming-english"
    endpoints: bool = True
    """Whether the service decides when a turn is over, from the words and how they sound, sooner than silence alone can
    tell. False for callers who pause in the middle of what they say, such as those who read out numbers.
    """
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.4
    """How certain the service must be that a turn is over."""
    min_turn_silence: Annotated[int, Field(ge=0, le=10_000)] = 400
    """Milliseconds of silence that end a turn which is certain to be over."""
    max_turn_silence: Annotated[int, Field(ge=0, le=10_000)] = 1280
    """Milliseconds of silence that end any turn."""
    format_turns: bool = False
    """Final words with capitals and full stops. They come later."""
    keyterms: tuple[str, ...] = ()
    """Words to expect, such as names."""

    @property
    def query(self) -> dict[str, object]:
        own = self.endpoints
        terms = {"keyterms_prompt": json.dumps(self.keyterms)} if self.keyterms else {}
        return {
            "sample_rate": TELEPHONE.rate,
            "encoding": "pcm_mulaw",
            "speech_model": self.model,
            "end_of_turn_confidence_threshold": self.confidence if own else 1.0,
            "min_turn_silence": self.min_turn_silence if own else NEVER,
            "max_turn_silence": self.max_turn_silence if own else NEVER,
            "format_turns": str(self.format_turns).lower(),
            **terms,
        }


class AssemblyWire(EarWire[Turn]):
    """v3/ws: the words of turns say which milliseconds of the audio they are of."""

    protocol = "v3/ws"
    patience = KEEP_ALIVE
    gone_after = 2
    """To noise the service says nothing, which must not look like a service that has gone."""

    def __init__(self, dial: Dial, settings: Settings) -> None:
        super().__init__(dial.name, dial.brief)
        self.endpoints = settings.endpoints
        self._formatted = settings.format_turns
        self._turns = Turns(endpoints=settings.endpoints)
        self._left = bytearray()
        """Audio too short to be sent."""

    def begin(self, utterance: int) -> Step:
        self._turns.begin(utterance)
        return NOTHING

    def hear(self, audio: bytes) -> Step:
        self._left += audio
        return Step(self._pieces())

    def end(self, utterance: int) -> Step:
        if self._left:
            self._left += TELEPHONE.silence * (LEAST - len(self._left))
        pieces = self._pieces()
        asked = self._turns.end(utterance, self.position)
        return Step([*pieces, _FORCE] if asked else pieces)

    def _pieces(self) -> list[str | bytes]:
        pieces: list[str | bytes] = []
        while len(self._left) >= LEAST:
            pieces.append(self.passed(bytes(self._left[:MOST])))
            del self._left[:MOST]
        return pieces

    def parse(self, told: dict[str, Any]) -> Turn | None:
        kind = text(told.get("type", "Error"))
        if kind == "Error":
            code, words = told.get("error_code"), text(told["error"])
            raise self.failed(_kind(code, words), f"{code or ''} {words}".strip())
        return _turn(told, formatted=self._formatted) if kind == "Turn" else None

    def take(self, told: Turn) -> Step:
        # What ends a turn is not told: while an utterance's last words are waited for, it is that we asked for them.
        return Step(news=self._turns.add(replace(told, forced=self._turns.pending)))

    def give_up(self, utterance: int) -> Step:
        return Step(news=self._turns.give_up(utterance))

    def alive(self) -> Step:
        return Step([_KEEP_ALIVE])

    def bye(self) -> Step:
        return Step([_CLOSE])


def _kind(code: object, words: str) -> type[ProviderError]:
    if code is None:
        return verdict(words)
    if code in _BUSY:
        return Overloaded
    return Unreachable if code in _AGAIN else Rejected


def _turn(told: dict[str, Any], *, formatted: bool) -> Turn:
    over = bool(told["end_of_turn"]) and (not formatted or bool(told["turn_is_formatted"]))
    words, said = each(told["words"], mapping), text(told["transcript"])
    spoken = " ".join(text(word["text"]) for word in words)
    times = [(number(word["start"]) / 1000, number(word["end"]) / 1000) for word in words]
    return Turn(
        int(number(told["turn_order"])),
        # Until the end the transcript lacks the last words, which may still change.
        said if over else spoken or said,
        times[-1][1] if times else 0.0,
        State.OVER if over else State.GOING,
        times,
    )


def make(settings: dict[str, Any]) -> StreamedEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"ear {NAME}")
    dial = Dial(NAME, chosen, more={"AssemblyAI-Version": chosen.version}, extra="assemblyai")
    url = address(chosen.url, chosen.query)
    return StreamedEar(dial, chosen, url, lambda: AssemblyWire(dial, chosen), keep=_KEEP_ALIVE, every=KEEP_ALIVE)
