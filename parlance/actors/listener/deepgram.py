"""An ear at Deepgram: live transcription over a WebSocket, v1/listen. Not tried against the live service.

Messages as in deepgram-sdk 7.16 (`listen/v1`), and https://developers.deepgram.com/docs/ for what they mean: `finalize`
(an answer is usual, not certain), `keep-alive` (10 s without a message end the connection), `endpointing`.

The telephone's µ-law goes through as it is. Audio is sent during utterances only; their end is decided here, and asked
for with `Finalize`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.fields import each, mapping, number, text, written
from parlance.actors.listener.port import Heard
from parlance.actors.listener.segments import Segment, Segments
from parlance.actors.listener.stream import StreamedEar, StreamService
from parlance.actors.listener.wire import NOTHING, EarWire, Step
from parlance.actors.verdict import verdict
from parlance.codecs.format import TELEPHONE
from parlance.engine.faults import checked

NAME = "deepgram"
KEEP_ALIVE = 4.0
"""Seconds without audio after which the service is told that we are still there. It asks for three to five."""

_FINALIZE, _KEEP_ALIVE, _CLOSE = (written(type=kind) for kind in ("Finalize", "KeepAlive", "CloseStream"))


class Settings(StreamService):
    """Deepgram charges for audio and not for connections, so that one may well be warm."""

    url: str = "wss://api.deepgram.com/v1/listen"
    key_env: Variable = "DEEPGRAM_API_KEY"
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


class DeepgramWire(EarWire[Segment]):
    """v1/listen: results say which seconds of the audio they are of."""

    protocol = "v1/listen"
    patience = KEEP_ALIVE

    def __init__(self, dial: Dial) -> None:
        super().__init__(dial.name, dial.brief)
        self._segments = Segments()

    def begin(self, utterance: int) -> Step:
        self._segments.begin(utterance, self.position)
        return NOTHING

    def end(self, utterance: int) -> Step:
        return Step([_FINALIZE], _all(self._segments.end(utterance, self.position)))

    def parse(self, told: dict[str, Any]) -> Segment | None:
        kind = text(told["type"])
        if kind == "Error":
            raise self.failed(verdict(told), told)
        return _segment(told) if kind == "Results" else None

    def take(self, told: Segment) -> Step:
        return Step(news=_all(self._segments.add(told)))

    def give_up(self, utterance: int) -> Step:
        return Step(news=_all(self._segments.give_up(utterance)))

    def alive(self) -> Step:
        return Step([_KEEP_ALIVE])

    def bye(self) -> Step:
        return Step([_CLOSE])


def _all(heard: Heard | None) -> list[Heard]:
    return [] if heard is None else [heard]


def _segment(told: dict[str, Any]) -> Segment:
    start = number(told["start"])
    best, *_ = each(mapping(told["channel"])["alternatives"], mapping)
    return Segment(
        start,
        start + number(told["duration"]),
        text(best["transcript"]),
        final=bool(told["is_final"]),
        paused=bool(told.get("speech_final")),
        asked=bool(told.get("from_finalize")),
    )


def make(settings: dict[str, Any]) -> StreamedEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"ear {NAME}")
    dial = Dial(NAME, chosen, scheme="Token", extra="deepgram")
    url = address(chosen.url, chosen.query)
    return StreamedEar(dial, chosen, url, lambda: DeepgramWire(dial), keep=_KEEP_ALIVE, every=KEEP_ALIVE)
