"""What the simulated streaming ears share: a session that hears audio and tells words, and what may befall an answer.

An utterance is what one `fate` is drawn for. Loudness is all that is heard of the audio: the words are `Conduct.text`.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from bench.simulators.conduct import HUGE, Conduct, Cut, Fate
from bench.simulators.door import Asked, Refusal
from bench.simulators.pace import broken

TEXT = "I would like to book an appointment, please."
WORD = 0.25
"""Seconds of audio for an interim word; the first interim has two."""
STEP = 0.02
"""Seconds of audio that are loud or quiet as one."""
WIDTH = {"mulaw": 1, "alaw": 1, "linear16": 2}
"""Bytes of a sample, by what the simulated ears can listen to."""
LOUD = 924
"""A 16-bit sample of -31 dBFS."""

_KINDS = ("type", "message_type", "event")
_SEGMENT = 0x30
"""G.711's segments from the fourth on are louder than -31 dBFS, in both laws."""
_CLOSING = 1.0
"""Seconds for the other side to answer a goodbye."""

Close = tuple[int, str]
"""A WebSocket's close code and reason."""


class Unfit(Exception):
    """A parameter, or a message, that the service refuses in its own way."""


def coding(asked: Asked) -> tuple[str, int]:
    """Encoding and rate, in Deepgram's names. Raises `Refusal`."""
    encoding, rate = asked.first("encoding"), asked.first("sample_rate")
    if encoding not in WIDTH or not rate.isdecimal() or not int(rate):
        raise Refusal(400, "encoding must be mulaw, alaw or linear16 (here), and sample_rate a number above zero")
    return encoding, int(rate)


@cache
def _codes(encoding: str) -> bytes:
    """Of each G.711 code, whether it is loud."""
    zero = 0xFF if encoding == "mulaw" else 0xD5
    return bytes(((code ^ zero) & 0x70) >= _SEGMENT for code in range(256))


def loud(audio: bytes, encoding: str) -> bool:
    """Whether any of it is louder than -31 dBFS. Raises `KeyError` for an encoding that is not in `WIDTH`."""
    if WIDTH[encoding] == 1:
        return any(audio.translate(_codes(encoding)))
    samples = memoryview(audio[: len(audio) // 2 * 2]).cast("h")
    return bool(samples) and (max(samples) >= LOUD or min(samples) <= -LOUD)


def spread(text: str, start: float, end: float) -> Iterator[tuple[str, float, float]]:
    """The words, evenly from start to end (seconds)."""
    words = text.split()
    each = (end - start) / max(len(words), 1)
    for number, word in enumerate(words):
        yield word, round(start + number * each, 3), round(start + (number + 1) * each, 3)


class Ear(ABC):
    """One connection's session."""

    patience = math.inf
    """Seconds without a message, after which `idle` is called."""

    def __init__(self, connection: WebSocketConnection, conduct: Conduct, encoding: str, rate: int) -> None:
        self.connection, self.conduct, self.encoding = connection, conduct, encoding
        self.second = rate * WIDTH[encoding]
        """Bytes."""
        self.position = 0.0
        """Seconds of audio that were heard."""
        self._fate: Fate | None = None
        self._words = 0
        """As many were news already."""
        self._mute = self._over = False
        self._out, self._due = trio.open_memory_channel[tuple[float, str | Fate | Close]](math.inf)
        self._last = -math.inf

    @abstractmethod
    def audio(self, audio: bytes) -> None:
        """A binary message."""

    @abstractmethod
    def command(self, message: str) -> None:
        """A text message."""

    @abstractmethod
    def idle(self) -> None:
        """Nothing came for `patience`."""

    @abstractmethod
    def fail(self) -> None:
        """Tell an error in the protocol's own way, and close."""

    def stamp(self, message: dict[str, Any]) -> dict[str, Any]:
        """What every message has besides."""
        return message

    async def run(self) -> None:
        """Listen and tell, until the connection is closed by either side. Raises `Cut`, `ConnectionClosed`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            while True:
                with trio.move_on_after(self.patience) as patience:
                    message = await self.connection.get_message()
                if self._over:
                    continue
                if patience.cancelled_caught:
                    self.idle()
                elif isinstance(message, bytes):
                    self.audio(message)
                else:
                    self.command(message)

    @property
    def text(self) -> str:
        """All that is heard in this utterance."""
        return "" if self._fate is Fate.EMPTY else self.conduct.text or TEXT

    def words(self, seconds: float) -> str:
        """What of it is heard after so much audio."""
        return " ".join(self.text.split()[: int(seconds / WORD) + 1])

    def steps(self, audio: bytes) -> Iterator[tuple[bool, float]]:
        """The audio in steps: whether each is loud, and how many seconds it has."""
        size = int(STEP * self.second)
        for at in range(0, len(audio), size):
            step = audio[at : at + size]
            yield loud(step, self.encoding), len(step) / self.second

    # ------------------------------------------------------------------------------------------ an utterance

    @property
    def hearing(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return self._fate is not None

    def begin(self) -> None:
        self._fate = self.conduct.fate("utterance")
        self._mute = self._mute or self._fate is Fate.SILENT

    def end(self) -> None:
        self._fate, self._words = None, 0

    def news(self, seconds: float) -> str | None:
        """What is heard after so much audio of the utterance, if that is longer by a word than the last time."""
        before, self._words = self._words, int(seconds / WORD)
        return self.words(seconds) if self._words > before else None

    def interim(self, message: dict[str, Any]) -> None:
        """Words that may change. The connection is cut, or stalls, after them."""
        self.say(message, self.conduct.stt_delay)
        self._break()

    def final(self, *messages: dict[str, Any]) -> None:
        """The last words of the utterance. What befalls them befalls the first of the messages."""
        self._break()
        if self._fate is Fate.ERROR:
            self.fail()
        for message in messages:
            self.say(message, self.conduct.stt_delay, self._fate)
            self._fate = Fate.NONE

    def _break(self) -> None:
        if self._fate in (Fate.CUT, Fate.STALL):
            self._plan(0, self._fate)
            self._fate = Fate.NONE

    # ------------------------------------------------------------------------------------------ telling

    def say(self, message: dict[str, Any], delay: float = 0.0, fate: Fate | None = None) -> None:
        """Send it after `delay`, and after all that was said before."""
        if self._mute:
            return
        message = self.stamp(message)
        if fate is Fate.TYPES:
            message = mistyped(message)
        if fate is Fate.HUGE:
            message = message | {"padding": "x" * HUGE}
        text = json.dumps(message)
        self._plan(delay, text[: len(text) // 2] if fate is Fate.HALF else text)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after all that was said; what comes or is said later does not matter."""
        self._plan(0, (code, reason))
        self._mute, self._over, self.patience = True, True, math.inf

    def _plan(self, delay: float, what: str | Fate | Close) -> None:
        self._last = max(self._last, trio.current_time() + (self.conduct.late(delay) if delay else 0))
        self._out.send_nowait((self._last, what))

    async def _send(self) -> None:
        """What is planned, at its time and in its order."""
        async for at, what in self._due:
            if at > trio.current_time():
                await trio.sleep_until(at)
            if isinstance(what, str):
                await self.connection.send_message(what)
            elif isinstance(what, Fate):
                await broken(what)
            else:
                with trio.move_on_after(_CLOSING):
                    await self.connection.aclose(*what)
                raise Cut


def mistyped(message: Mapping[str, Any]) -> dict[str, Any]:
    """The same kind of message, with values of the wrong types. What is true or false stays."""
    return {name: value if name in _KINDS else _wrong(value) for name, value in message.items()}


def _wrong(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return 7 if isinstance(value, str | list | dict) else "seven"
