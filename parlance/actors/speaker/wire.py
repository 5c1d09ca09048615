"""What a voice says and is told over one WebSocket: what every provider's protocol has in common. Pure.

A provider's wire makes messages of phrases, and pieces of phrases of the messages that come. It knows no socket, and is
told the time; `stream.py` has both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from parlance.actors.speaker.phrase import Phrase
from parlance.actors.speaker.port import Times
from parlance.actors.wire import Brief as Brief
from parlance.actors.wire import Message as Message
from parlance.actors.wire import Wire
from parlance.engine.errors import Unreachable


class Closed(Unreachable):
    """The connection had ended before it was used: the provider's own time-out, mostly."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the present phrase: audio, times, and whether the phrase is whole with it."""

    audio: bytes = b""
    times: Times = ()
    done: bool = False


class VoiceWire(Wire, ABC):
    """One connection's protocol. One phrase is spoken at a time; `now` is in seconds of any one clock."""

    def __init__(self, name: str, brief: Brief) -> None:
        super().__init__(name, brief)
        self._phrase: Phrase | None = None
        """The one that is spoken."""

    @abstractmethod
    def say(self, text: str, now: float) -> list[Message]:
        """What to send for the phrase `text`. The first phrase of a reply opens what a reply needs."""

    def receive(self, message: Message, now: float) -> Piece | None:
        """What a message says of the present phrase; None: nothing. Raises `Garbled` for what the protocol does not
        know, and what an error in it says.
        """
        return self.read(message, lambda told: self.take(told, now))

    @abstractmethod
    def take(self, told: dict[str, Any], now: float) -> Piece | None:
        """The same of a message that is JSON. Raises what reading it raises (`fields`), and a `ProviderError` if the
        message is one.
        """

    def quiet(self) -> float:
        """Seconds without a message after which `settle` is to be sent; infinite: never."""
        return math.inf

    def settle(self) -> list[Message]:
        """What makes the provider say that the present phrase is whole."""
        return []

    def finish(self, now: float) -> list[Message]:
        """What to send when the reply is whole."""
        return []

    @abstractmethod
    def abort(self) -> list[Message]:
        """What to send when no more is wanted of the reply."""

    def reusable(self, now: float) -> bool:
        """Whether another reply may be spoken on this connection, after `finish` or `abort`."""
        return True
