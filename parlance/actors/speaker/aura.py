"""A voice at Deepgram over a WebSocket, v1/speak, in µ-law: kind `deepgram-ws`. Not tried against the live service.

Messages as in deepgram-sdk 7.17 (`speak/v1`). A phrase is `Speak` and `Flush`, and `Flushed` says that all of it has
been sent; after `Clear` what still comes is of the old phrase until `Cleared`
(https://developers.deepgram.com/docs/tts-ws-clear).

Deepgram heeds 20 `Flush` a minute on a connection (https://developers.deepgram.com/docs/tts-ws-flush), and every phrase
needs one. A connection near that is not used for another reply, but one reply with more phrases than that in a minute
runs into it. Prefer the kind `deepgram`, one HTTP request a phrase: on a warm connection it is as quick and knows no
such limit. This kind is for networks and contracts that want WebSockets.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

from pydantic import Field

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.fields import text, written
from parlance.actors.speaker.phrase import Phrase
from parlance.actors.speaker.spoken import plain
from parlance.actors.speaker.stream import StreamService, StreamVoice
from parlance.actors.speaker.wire import Brief, Message, Piece, VoiceWire
from parlance.actors.verdict import verdict
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Overloaded
from parlance.engine.faults import checked

NAME = "deepgram-ws"
FLUSHES, WINDOW = 20, 60.0
"""So many `Flush` in so many seconds are heeded on a connection."""

_FLUSH, _CLEAR = written(type="Flush"), written(type="Clear")


class Settings(StreamService):
    url: str = "wss://api.deepgram.com/v1/speak"
    key_env: Variable = "DEEPGRAM_API_KEY"
    model: Annotated[str, Field(min_length=1)] = "aura-2-thalia-en"
    """The voice and its language."""

    def address(self) -> str:
        return address(self.url, {"model": self.model, "encoding": "mulaw", "sample_rate": TELEPHONE.rate})


class AuraWire(VoiceWire):
    """v1/speak: nothing in its audio says whose it is, the order does."""

    protocol = "v1/speak"

    def __init__(self, brief: Brief) -> None:
        super().__init__(NAME, brief)
        self._clearing = 0
        """`Clear` that was sent and not answered: what comes before is of phrases that nobody wants."""
        self._flushes: deque[float] = deque(maxlen=FLUSHES)

    def say(self, text: str, now: float) -> list[Message]:
        self._phrase = Phrase(NAME, text)
        self._flushes.append(now)
        return [written(type="Speak", text=plain(text).strip()), _FLUSH]

    def receive(self, message: Message, now: float) -> Piece | None:
        if isinstance(message, bytes):
            return Piece(self._phrase.add(message)) if self._phrase and not self._clearing else None
        return super().receive(message, now)

    def take(self, told: dict[str, Any], now: float) -> Piece | None:
        match text(told["type"]):
            case "Cleared":
                self._clearing = max(0, self._clearing - 1)
            case "Flushed" if self._phrase and not self._clearing:
                self._phrase = None
                return Piece(done=True)
            case "Warning" if "flush" in str(told).lower() or verdict(told) is Overloaded:
                raise self.failed(Overloaded, told)
            case "Error":
                raise self.failed(verdict(told), told)
        return None

    def abort(self) -> list[Message]:
        if self._phrase is None:
            return []
        self._phrase = None
        self._clearing += 1
        return [_CLEAR]

    def reusable(self, now: float) -> bool:
        """A reply of usual length must still fit into the limit."""
        return sum(at > now - WINDOW for at in self._flushes) <= FLUSHES // 2


def make(settings: dict[str, Any]) -> StreamVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"voice {NAME}")
    dial = Dial(NAME, chosen, scheme="Token", extra="deepgram")
    return StreamVoice(dial, chosen, chosen.address(), lambda: AuraWire(dial.brief))
