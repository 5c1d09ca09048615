"""The embedded voice: eSpeak NG, through ctypes from its wheel.

The library keeps its voice and settings in globals and is not thread-safe: one phrase at a time in the whole process,
in a thread. That is no bottleneck: 1.5 s of speech take 1 ms. eSpeak ends most phrases with their last sound (7 ms of
silence were measured after it) and some, as those that end with a quotation mark, with 0.3 s of silence; so whatever
silence there is gets cut off, and the pause that belongs between phrases is added here.
"""

from __future__ import annotations

import ctypes
import threading
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import trio
from pydantic import Field

from parlance.actors.speaker.port import Sound, Speech
from parlance.codecs.format import Format
from parlance.engine.agent import Strict
from parlance.engine.errors import Misconfigured, Missing, Rejected
from parlance.engine.faults import checked

NAME = "espeak"
RATE = 22_050
CHUNK = RATE // 10 * 2
"""Bytes of a chunk: 100 ms."""
FORMAT = Format("pcm16", RATE)
LONGEST = 300
"""Characters spoken in one go; a longer text is cut where a sentence, a clause or a word ends."""
PAUSES = {".": 0.2, "!": 0.2, "?": 0.2, ",": 0.12, ";": 0.12, ":": 0.12}
"""Seconds of silence after a phrase that ends so; after any other `PAUSE`."""
PAUSE = 0.08
SILENT = 100
"""Samples up to this size, -50 dBFS, are silence."""
MARGIN = RATE // 200
"""Samples left on either side of the sound: 5 ms."""

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_CHARACTERS = 1
_PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3}
_KEPT = {"Cc": " ", "Cf": "", "Cs": ""}
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_turn = trio.Lock()
_thread = trio.CapacityLimiter(1)


class Settings(Strict):
    voice: Annotated[str, Field(min_length=1, max_length=64)] = "en-us"
    """A voice of eSpeak NG, with a variant if wanted: `en-us`, `en-gb+f3`, `de`."""
    rate: Annotated[int, Field(ge=80, le=450)] = 170
    """Words a minute."""
    pitch: Annotated[int, Field(ge=0, le=100)] = 50
    volume: Annotated[int, Field(ge=0, le=200)] = 100
    """100 is eSpeak's own; much more clips."""


class Job:
    """One piece of text on its way through the library. Setting `abort` ends it within one buffer of audio."""

    def __init__(self, text: str, settings: Settings) -> None:
        self.text = text
        self.settings = settings
        self.abort = False
        self.audio = bytearray()
        self.error = ""


class Library:
    """libespeak-ng, loaded and initialized once per process. Every method blocks."""

    _only: Library | None = None
    _loading = threading.Lock()

    @classmethod
    def load(cls) -> Library:
        """The library of this process. Raises `Misconfigured` when the wheel is missing or does not work."""
        with cls._loading:
            if cls._only is None:
                cls._only = cls()
            return cls._only

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise Missing(f"voice {NAME}", "espeakng-loader", "local") from error
        self._data = Path(espeakng_loader.get_data_path())
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise Misconfigured(f"voice {NAME}: cannot load eSpeak NG ({error})") from error
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        # The buffer, in milliseconds, is how often the callback is asked whether to go on.
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, 100, str(self._data).encode(), _DONT_EXIT)
        if rate != RATE:
            raise Misconfigured(f"voice {NAME}: eSpeak NG does not start with its data in {self._data} ({rate})")
        self._lock = threading.Lock()
        self._job: Job | None = None
        # ctypes keeps no reference of its own to a callback.
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._applied: Settings | None = None

    def check(self, settings: Settings) -> None:
        """Raises `Misconfigured` for a voice or a variant that eSpeak NG does not have."""
        variant = settings.voice.partition("+")[2]
        with self._lock:
            known = self._apply(settings)
        # eSpeak NG takes a voice with an unknown variant, and leaves the variant out.
        if not known or (variant and variant not in self._variants()):
            voices = ", ".join(sorted(self._voices(settings.voice[:1])))
            raise Misconfigured(f"voice {NAME}: eSpeak NG has no voice {settings.voice!r}; it has {voices}")

    def speak(self, job: Job) -> None:
        """Fill the job's `audio`, or set its `error`."""
        with self._lock:
            if not self._apply(job.settings):
                job.error = f"no voice {job.settings.voice!r}"
                return
            text = job.text.encode() + b"\0"
            self._job = job
            try:
                status = self._library.espeak_Synth(text, len(text), 0, _CHARACTERS, 0, _UTF8, None, None)
            finally:
                self._job = None
            if status != 0 and not job.abort:
                job.error = f"synthesis failed with status {status}"

    def _apply(self, settings: Settings) -> bool:
        if settings == self._applied:
            return True
        self._applied = None
        if self._library.espeak_SetVoiceByName(settings.voice.encode()) != 0:
            return False
        for name, number in _PARAMETERS.items():
            self._library.espeak_SetParameter(number, getattr(settings, name), 0)
        self._applied = settings
        return True

    def _voices(self, beginning: str) -> set[str]:
        names = {path.name.lower() for path in (self._data / "lang").rglob("*") if path.is_file()}
        return {name for name in names if name.startswith(beginning.lower())} or names

    def _variants(self) -> set[str]:
        return {path.name for path in (self._data / "voices" / "!v").iterdir()}

    def _receive(self, samples: Any, count: int, _events: Any) -> int:
        job = self._job
        if job is None or job.abort:
            return 1
        if count > 0:
            job.audio += ctypes.string_at(samples, count * 2)
        return 0


class EspeakVoice:
    """The embedded voice. Text is spoken as it stands: markup and eSpeak's own commands in it mean nothing."""

    provider = NAME

    def __init__(self, settings: Settings) -> None:
        """Loads the library, which blocks for some 20 ms the first time. Raises `Misconfigured`."""
        self.settings = settings
        self._library = Library.load()
        self._library.check(settings)

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[EspeakVoice]:
        yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Speech]]:
        async with aclosing(self._audio(text)) as audio:
            yield audio

    async def _audio(self, text: str) -> AsyncGenerator[Speech, None]:
        for piece in pieces(plain(text)):
            audio = trimmed(await self._say(piece))
            if audio:
                audio += bytes(2 * int(RATE * PAUSES.get(piece.rstrip("\"')]\u2019\u201d")[-1:], PAUSE)))
            for start in range(0, len(audio), CHUNK):
                yield Sound(audio[start : start + CHUNK], FORMAT)

    async def _say(self, text: str) -> bytes:
        job = Job(text, self.settings)
        done = trio.Event()

        async def work() -> None:
            # The thread cannot be cancelled, but told: it stops at the library's next buffer.
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._library.speak, job, limiter=_thread)
            done.set()

        async with _turn, trio.open_nursery() as nursery:
            nursery.start_soon(work)
            try:
                await done.wait()
            finally:
                job.abort = True
        if job.error:
            raise Rejected(NAME, job.error)
        return bytes(job.audio)


def trimmed(audio: bytes) -> bytes:
    """`audio` without the silence before and after it; nothing if it is all silence."""
    loud = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2").astype(np.int32)) > SILENT)
    if not loud.size:
        return b""
    return audio[2 * max(0, int(loud[0]) - MARGIN) : 2 * (int(loud[-1]) + MARGIN)]


def plain(text: str) -> str:
    """`text` without what eSpeak would take for a command (control characters) and what UTF-8 cannot say."""
    return " ".join("".join(_KEPT.get(unicodedata.category(c), c) for c in text).split())


def pieces(text: str) -> Iterator[str]:
    """`text` in pieces of at most `LONGEST` characters that have something to say."""
    while text:
        cut = len(text)
        if cut > LONGEST:
            head = text[:LONGEST]
            cut = max(head.rfind(end) for end in (". ", "! ", "? ")) + 1
            cut = cut or max(head.rfind(end) for end in (", ", "; ", ": ")) + 1 or head.rfind(" ") + 1 or LONGEST
        piece, text = text[:cut].strip(), text[cut:].strip()
        # eSpeak spells punctuation that stands alone.
        if any(unicodedata.category(c)[0] not in "PZ" for c in piece):
            yield piece


def make(settings: dict[str, Any]) -> EspeakVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    return EspeakVoice(checked(Settings, settings, f"voice {NAME}"))
