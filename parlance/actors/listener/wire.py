"""What a streaming ear says and is told over one connection: what every provider's protocol has in common. Pure.

A provider's wire makes messages of what the listener asks for, and news of the messages that come. It knows no clock
and no socket; `stream.py` has both. Positions are seconds of the audio that was sent over this connection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from parlance.actors.listener.port import News
from parlance.actors.wire import Brief, Wire
from parlance.actors.wire import Message as Message

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of something: messages to send, and news to tell, both in their order."""

    send: Sequence[Message] = ()
    news: Sequence[News] = ()


NOTHING = Step()


class EarWire(Wire, ABC, Generic[Parsed]):
    """One connection's protocol."""

    chunk = 0.1
    endpoints = False
    gone_after = 1
    """A service that has said nothing to so many utterances of a second or more, one after the other, has gone."""

    def __init__(self, name: str, brief: Brief) -> None:
        super().__init__(name, brief)
        self._sent = 0

    @property
    def position(self) -> float:
        """Where we are: how much audio was sent."""
        return self._sent / self.format.second

    @property
    @abstractmethod
    def patience(self) -> float:
        """Seconds without a message of ours after which `alive` has something to send. It may change with a step."""

    @abstractmethod
    def begin(self, utterance: int) -> Step:
        """An utterance begins here."""

    def hear(self, audio: bytes) -> Step:
        """Audio, in `format`."""
        return Step([self.passed(audio)])

    @abstractmethod
    def end(self, utterance: int) -> Step:
        """An utterance, which had audio, ends here: ask for its final words, or tell them if they are known."""

    def receive(self, message: Message) -> Step | None:
        """A message came. None: it says nothing of the audio, as greetings do. Raises `Garbled` for what the protocol
        does not know, and what an error in it says.
        """
        told = self.read(message, self.parse)
        return None if told is None else self.take(told)

    @abstractmethod
    def parse(self, told: dict[str, Any]) -> Parsed | None:
        """A message that is JSON; None if it says nothing of the audio. Raises what reading it raises (`fields`), and a
        `ProviderError` if the message is one.
        """

    @abstractmethod
    def take(self, told: Parsed) -> Step:
        """What comes of a message."""

    @abstractmethod
    def give_up(self, utterance: int) -> Step:
        """Wait no longer for an utterance's final words: they are what is known. Nothing if it was over before."""

    @abstractmethod
    def alive(self) -> Step:
        """Nothing was sent for `patience`."""

    def bye(self) -> Step:
        """The connection is left."""
        return NOTHING

    def passed(self, audio: bytes) -> bytes:
        """`audio`, counted as sent."""
        self._sent += len(audio)
        return audio

    def silence(self, seconds: float) -> bytes:
        """So much of it, in whole samples."""
        return self.format.silence * round(seconds * self.format.rate)
