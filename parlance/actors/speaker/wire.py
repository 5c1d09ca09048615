"""What a voice over a WebSocket sends and what it makes of what comes, whichever provider it is. Pure.

A `VoiceWire` is the protocol of one connection: it takes and returns messages, and is told the time. A provider's own
messages are in its adapter; the text of a phrase, its audio and how far in the text the audio is, are here.
"""

from __future__ import annotations

import base64
import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable

Message = str | bytes
Brief = Callable[[object], str]
"""Makes what a provider said fit for an error: short, and without the key."""
Times = tuple[tuple[int, float], ...]

MOST = 600.0
"""Seconds of audio that a phrase may have: more is not speech."""
AHEAD = 48
"""Characters that may be skipped to find a word again: what is spoken is not always what was written."""
OFF, SLACK = 1.5, 0.5
"""Audio may be so many times as long as its times say, and so many seconds more: a pause may end it."""

_HEARD = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Sc"}
_FILES = {b"RIFF": "a WAV file", b"OggS": "an Ogg file", b"fLaC": "a FLAC file", b"ID3": "an MP3 file"}
_HURRIED = ("too many", "limit", "overload", "capacity", "busy", "concurren", "max_active")
_SPENT = ("quota", "payment", "credit")
_REFUSED = ("invalid", "auth", "unsupported", "permission", "not found", "not_found", "missing")


class Closed(Unreachable):
    """The connection had ended before it was used: the provider's own time-out, mostly."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the present phrase: audio, times as in `Sound`, and whether the phrase is whole with it."""

    audio: bytes = b""
    times: Times = ()
    done: bool = False


class VoiceWire(Protocol):
    """One connection's protocol. One phrase is spoken at a time; `now` is in seconds of any one clock."""

    format: Format

    def say(self, text: str, now: float) -> list[Message]:
        """What to send for the phrase `text`. The first phrase of a reply opens what a reply needs."""

    def receive(self, message: Message, now: float) -> Piece | None:
        """What a message says of the present phrase; None: nothing. Raises `ProviderError`."""

    def quiet(self) -> float:
        """Seconds without a message after which `settle` is to be sent; infinite: never."""

    def settle(self) -> list[Message]:
        """What makes the provider say that the present phrase is whole."""

    def finish(self, now: float) -> list[Message]:
        """What to send when the reply is whole."""

    def abort(self) -> list[Message]:
        """What to send when no more is wanted of the reply."""

    def reusable(self, now: float) -> bool:
        """Whether another reply may be spoken on this connection, after `finish` or `abort`."""


class Phrase:
    """A phrase while it is spoken: its audio so far, and where in the text that is."""

    def __init__(self, provider: str, text: str, form: Format = TELEPHONE) -> None:
        self._provider, self._form = provider, form
        self._bytes = 0
        self.text = Follower(text)
        self.said = 0.0
        """Seconds that the audio has as far as its times go."""
        self._told = (0, 0.0)

    @property
    def seconds(self) -> float:
        return self._bytes / self._form.second

    def add(self, audio: bytes) -> bytes:
        """Count more audio, and give it back. Raises `Garbled` for what is no bare audio, or too much."""
        if not self._bytes:
            for mark, what in _FILES.items():
                if audio.startswith(mark):
                    raise Garbled(self._provider, f"sent {what} where there should be bare audio")
        self._bytes += len(audio)
        if self.seconds > MOST:
            raise Garbled(self._provider, f"sent more than {MOST:g} s of audio for a phrase")
        return audio

    def times(self, found: Iterable[tuple[int, float]]) -> Times:
        """Those of `found` that are news: both their numbers only grow."""
        news = []
        for count, at in found:
            if count > self._told[0]:
                self._told = count, max(at, self._told[1])
                news.append(self._told)
        return tuple(news)

    def check(self) -> None:
        """Raises `Garbled` where a whole phrase's audio is much longer or shorter than its times say."""
        if self.said and not self.said / OFF - SLACK <= self.seconds <= self.said * OFF + SLACK:
            told = f"{self.seconds:.1f} s of audio that should be {self.said:.1f} s long: is its rate another one?"
            raise Garbled(self._provider, f"sent {told}")


class Follower:
    """Finds what is spoken in a phrase's text, and never goes back.

    Spoken words need not be the written ones: numbers are spelled out, marks left out. What is not found is passed
    over; the next word that is found near by is where the voice is.
    """

    def __init__(self, text: str) -> None:
        self._text = _low(text)
        self._end = max((at + 1 for at, char in enumerate(text) if _said(char)), default=0)
        self._at = 0
        self._word = ""
        self.lost = False
        """Whether what was spoken last is not in the text; until it is found again."""

    @property
    def whole(self) -> bool:
        """Whether the last that can be heard of the text has been spoken."""
        return self._at >= self._end

    def word(self, word: str) -> int | None:
        """The characters that have been spoken after `word`; None if it is not near."""
        wanted = _low(word.strip())
        for form in (wanted, wanted.strip("".join(char for char in wanted if not _said(char)))):
            if form and (at := self._text.find(form, self._at, self._at + AHEAD + len(form))) >= 0:
                self._at = at + len(form)
                return self._at
        return None

    def char(self, char: str) -> int | None:
        """The same after one more character, which may be a space."""
        if char.isspace():
            found = self.word(self._word) if self.lost and self._word else None
            self.lost = self.lost and found is None
            self._word = ""
            return found
        self._word += char
        at = self._at
        while not self.lost and at < len(self._text) and self._text[at].isspace():
            at += 1
        if self.lost or self._text[at : at + len(char)] != _low(char):
            # A mark that is not written, or not spoken, is no reason to lose the place.
            self.lost = self.lost or _said(char)
            return None
        self._at = at + len(char)
        return self._at

    def again(self, chars: str) -> bool:
        """Whether `chars` are the text from its beginning once more, and not what comes next. If so, be there."""
        start = "".join(_low(chars).split())
        rest, whole = ("".join(self._text[at:].split()) for at in (self._at, 0))
        if not self._at or len(start) < 4 or rest.startswith(start[:4]) or not whole.startswith(start[:12]):
            return False
        self._at, self._word, self.lost = 0, "", False
        return True


def _low(text: str) -> str:
    """`text` in lower case, of the same length."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _said(char: str) -> bool:
    """Letters, digits and signs of money are heard; marks, spaces and pictures are not."""
    return unicodedata.category(char[:1] or " ") in _HEARD


def sayable(text: str) -> bool:
    """Whether there is anything in `text` that can be heard."""
    return any(map(_said, text))


def plain(text: str) -> str:
    """`text` with spaces for what no service can take: control characters and half a UTF-16 pair. No longer, no
    shorter.
    """
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)


def written(message: Mapping[str, object]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def parsed(provider: str, message: Message, brief: Brief) -> dict[str, Any]:
    """A message as the JSON object that it must be. Raises `Garbled`."""
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Garbled(provider, f"not a JSON object: {brief(message[:400])}")
    return told


def decoded(provider: str, data: object) -> bytes:
    """Audio in base64; none is none. Raises `Garbled`."""
    if data is None:
        return b""
    if isinstance(data, str):
        with suppress(ValueError):
            return base64.b64decode(data, validate=True)
    raise Garbled(provider, "sent audio that is no base64")


def numbers(values: object) -> list[float]:
    """A list of finite numbers. Raises `ValueError`."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise ValueError("not a list of numbers")
    found = [float(value) if abs(value) < 1e9 else math.nan for value in values]
    if not all(map(math.isfinite, found)):
        raise ValueError("not finite")
    return found


def strings(values: object) -> list[str]:
    """A list of texts. Raises `ValueError`."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("not a list of texts")
    return values


def failure(provider: str, told: str, status: object = None) -> ProviderError:
    """An error inside the stream, by its status (as HTTP's) where it has one and else by its words."""
    words = told.lower()
    kind: type[ProviderError] = Unreachable
    if any(word in words for word in _SPENT):
        kind = Rejected
    elif status == 429 or any(word in words for word in _HURRIED):
        kind = Overloaded
    elif (isinstance(status, int) and 400 <= status < 500) or any(word in words for word in _REFUSED):
        kind = Rejected
    return kind(provider, told)
