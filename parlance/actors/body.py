"""The bodies of requests over HTTP, and of their answers: whether one is what was asked for, and no larger. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from parlance.engine.errors import Garbled

Kind = Literal["audio", "events", "json", "any"]
"""Bare audio samples; server-sent events; JSON; whatever it is."""

LARGEST: dict[Kind, int] = {"audio": 8 << 20, "events": 8 << 20, "json": 1 << 20, "any": 1 << 20}
"""Bytes of a whole body."""

_FILES = {b"RIFF": "a WAV file", b"ID3": "an MP3 file", b"OggS": "an Ogg file", b"fLaC": "a FLAC file"}
_LETTERS = max(map(len, _FILES))
_TYPES = {
    "audio/mpeg": "an MP3 file",
    "audio/mp3": "an MP3 file",
    "audio/wav": "a WAV file",
    "audio/x-wav": "a WAV file",
    "audio/wave": "a WAV file",
    "audio/ogg": "an Ogg file",
    "audio/opus": "an Ogg file",
    "audio/flac": "a FLAC file",
    "audio/aac": "an AAC file",
    "audio/webm": "a WebM file",
}
_WRONG: dict[Kind, tuple[str, ...]] = {
    "audio": ("application/json", "text/"),
    "events": ("application/json", "text/html", "text/plain", "audio/"),
    "json": ("text/html", "audio/"),
    "any": (),
}


class Reader:
    """Reads one body of `provider`. `brief`: shortens what a provider said; `what`: what the body holds, for errors.
    Whatever it does not like is `Garbled`.
    """

    def __init__(self, provider: str, brief: Callable[[object], str], kind: Kind, what: str) -> None:
        self._provider, self._brief, self._kind, self._what = provider, brief, kind, what
        self._size = 0
        self._head: bytes | None = b"" if kind == "audio" else None
        """The first letters, until there are enough to tell a file from samples."""

    def begin(self, content: str, coding: str = "") -> None:
        """The answer's content type and coding (RFC 9110, 8.3 and 8.4), which may be missing."""
        if coding.strip().lower() not in ("", "identity"):
            raise self._garbled(f"sent {self._what} packed with {self._brief(coding)}, which nobody asked for")
        if content.lower().startswith(_WRONG[self._kind]):
            raise self._garbled(f"sent {self._brief(content)} where there should be {self._what}")
        if self._kind == "audio" and (what := _TYPES.get(content.partition(";")[0].strip().lower())):
            raise self._garbled(f"sent {what} where there should be bare audio")

    def feed(self, chunk: bytes) -> bytes:
        """What of the body can be given on, now that `chunk` is there."""
        self._size += len(chunk)
        if self._size > (most := LARGEST[self._kind]):
            raise self._garbled(f"sent more than {most >> 20} MB of {self._what}")
        if self._head is None:
            return chunk
        self._head += chunk
        return self._let_go() if len(self._head) >= _LETTERS else b""

    def end(self) -> bytes:
        """The body is whole: what was held back of it."""
        if not self._size and self._kind != "any":
            raise self._garbled(f"sent no {self._what} at all")
        return self._let_go()

    def _let_go(self) -> bytes:
        head, self._head = self._head or b"", None
        if what := file(head):
            raise self._garbled(f"sent {what} where there should be bare audio")
        return head

    def _garbled(self, message: str) -> Garbled:
        return Garbled(self._provider, message)


def file(head: bytes) -> str:
    """What file begins like this; empty: it may be bare audio."""
    return next((what for letters, what in _FILES.items() if head.startswith(letters)), "")


def bodies(httpx: Any) -> Callable[[bytes | str], Any]:
    """Makes the bodies of requests. The library's own are asynchronous generators, of which one that is cancelled while
    it is sent is left to the garbage collector.
    """

    class Body(httpx.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, content: bytes | str) -> None:
            self._content = content.encode() if isinstance(content, str) else content

        def __aiter__(self) -> AsyncIterator[bytes]:
            return _Once(self._content)

    return Body


class _Once:
    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        content, self._content = self._content, None
        if content is None:
            raise StopAsyncIteration
        return content
