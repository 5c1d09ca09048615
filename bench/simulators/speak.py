"""A simulated text-to-speech service: Deepgram's v1/speak over HTTP and over a WebSocket, and OpenAI's audio/speech.

The audio is the rehearsal voice's, as long as the text would take, in pieces of a tenth of a second, sent faster than
real time.
"""

from __future__ import annotations

import json
import math
import struct
from collections import deque
from functools import cache
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from bench.simulators import pace
from bench.simulators.conduct import HUGE, STALL, Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from parlance.actors.speaker.rehearsal import sound
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE, Encoding, Format

WORD = 0.085
"""Seconds a word takes."""
FLUSHES, WINDOW = 20, 60.0
"""So many `Flush` messages are heeded in so many seconds (https://developers.deepgram.com/docs/tts-ws-flush)."""
LONGEST = 2000
"""Characters of a text that Deepgram speaks over HTTP."""
INPUT = 4096
"""Characters of a text that OpenAI speaks (openai 3.52, `types/audio/speech_create_params`)."""

_ENCODINGS: dict[str, Encoding] = {"mulaw": "mulaw", "alaw": "alaw", "linear16": "pcm16"}
_RATES = {
    "mulaw": ("8000", "16000"),
    "alaw": ("8000", "16000"),
    "linear16": ("8000", "16000", "24000", "32000", "48000"),
}
"""https://developers.deepgram.com/docs/tts-media-output-settings"""
_TAGS: dict[Encoding, int] = {"pcm16": 1, "alaw": 6, "mulaw": 7}
"""WAVE_FORMAT_PCM, _ALAW and _MULAW."""


@cache
def _sound(wanted: Format) -> bytes:
    return convert(sound(), TELEPHONE, wanted)


def audio(text: str, wanted: Format) -> list[bytes]:
    """`text` spoken, in pieces."""
    size = int(pace.PIECE * wanted.rate) * wanted.width
    whole = round(len(text.split()) * WORD * wanted.rate) * wanted.width
    prepared = _sound(wanted)
    prepared *= math.ceil(whole / len(prepared))
    return [prepared[at : min(at + size, whole)] for at in range(0, whole, size)]


def wav(pieces: list[bytes], spoken: Format) -> list[bytes]:
    """The pieces as a WAV file: the first begins with its header."""
    size = sum(map(len, pieces))
    shape = (_TAGS[spoken.encoding], 1, spoken.rate, spoken.second, spoken.width, 8 * spoken.width)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, *shape, b"data", size)
    return [header + (pieces[0] if pieces else b""), *pieces[1:]]


def spoiled(text: str, wanted: Format, fate: Fate) -> list[bytes]:
    """`text` spoken, in pieces, as its fate wants bare audio: ended early, or none, or too much, or at another rate."""
    if fate is Fate.EMPTY:
        return []
    if fate is Fate.RATE:
        other = Format("pcm16", 8000 if wanted.rate == 24000 else 24000)
        return wav(audio(text, other), other)
    pieces = audio(text, wanted)
    if fate is Fate.HALF and pieces:
        return pieces[:-1] or [pieces[0][: len(pieces[0]) // 2]]
    return [huge(wanted)] if fate is Fate.HUGE else pieces


@cache
def huge(wanted: Format) -> bytes:
    """More audio than anybody asked for."""
    prepared = _sound(wanted)
    return (prepared * math.ceil(HUGE / len(prepared)))[:HUGE]


def check(asked: Asked) -> None:
    encoding, rate = asked.first("encoding", "linear16"), asked.first("sample_rate", "24000")
    if encoding not in _ENCODINGS:
        raise Refusal(400, f"encoding must be one of {', '.join(_ENCODINGS)}")
    if rate not in _RATES[encoding]:
        raise Refusal(400, f"sample_rate must be one of {', '.join(_RATES[encoding])} for {encoding}")


def check_line(asked: Asked) -> None:
    check(asked)
    if asked.first("container", "none") != "none":
        raise Refusal(400, "there is no container over a WebSocket")


def _format(asked: Asked) -> Format:
    return Format(_ENCODINGS[asked.first("encoding", "linear16")], int(asked.first("sample_rate", "24000")))


async def speak(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """Deepgram's v1/speak."""
    check(asked)
    text = _text(asked.body, "text")
    if len(text) > LONGEST:
        raise Refusal(413, f"the text has more than {LONGEST} characters")
    if (container := asked.first("container", "wav")) not in ("none", "wav"):
        raise Refusal(400, "container must be none or wav")
    await voice(text, _format(asked), answer, fate, conduct, boxed=container == "wav")


async def speech(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """OpenAI's audio/speech: 16-bit PCM at 24 kHz."""
    text = _input(asked.body)
    await voice(text, Format("pcm16", 24000), answer, fate, conduct, kind="audio/pcm")


def _input(body: bytes) -> str:
    text = _text(body, "model", "input")
    told = json.loads(body)
    chosen = told.get("voice")
    if not (chosen and isinstance(chosen, str)) and not (
        isinstance(chosen, dict) and isinstance(chosen.get("id"), str)
    ):
        raise Refusal(400, "voice must be a name, or an object with an id")
    if len(text) > INPUT:
        raise Refusal(400, f"input has more than {INPUT} characters")
    if told.get("response_format") != "pcm":
        raise Refusal(400, "this simulator knows the response_format pcm only")
    if told.get("stream_format", "audio") != "audio":
        raise Refusal(400, "this simulator knows the stream_format audio only")
    speed = told.get("speed", 1)
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
        raise Refusal(400, "speed must be from 0.25 to 4")
    return text


def _text(body: bytes, *wanted: str) -> str:
    """The last of the wanted fields."""
    try:
        fields = [json.loads(body)[name] for name in wanted]
    except (ValueError, KeyError, TypeError):
        fields = [None]
    if not all(isinstance(field, str) and field for field in fields):
        raise Refusal(400, f"the body must be a JSON object with {', '.join(wanted)}")
    return str(fields[-1])


async def voice(
    text: str,
    wanted: Format,
    answer: Answer,
    fate: Fate,
    conduct: Conduct,
    *,
    kind: str = "audio/basic",
    boxed: bool = False,
) -> None:
    """`text` spoken, as the body of an answer of content type `kind`; `boxed`: in a WAV file."""
    await trio.sleep(conduct.late(conduct.tts_delay))
    if fate is Fate.TYPES:
        await answer.whole(200, {"audio": None, "text": [len(text)]})
        return
    pieces = spoiled(text, wanted, fate)
    answer.begin("audio/wav" if boxed or fate is Fate.RATE else kind)
    body = wav(pieces, wanted) if boxed and fate is not Fate.RATE else pieces or [b""]
    for due, piece in pace.spoken(body, conduct):
        await trio.sleep_until(due)
        await answer.piece(piece)
        await pace.broken(fate)
    await answer.end()


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    """Deepgram's v1/speak over a WebSocket."""
    session = _Session(_format(asked), connection, conduct)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.send)
        await session.receive()


class _Session:
    def __init__(self, wanted: Format, connection: WebSocketConnection, conduct: Conduct) -> None:
        self._format, self._connection, self._conduct = wanted, connection, conduct
        self._text = ""
        self._out, self._jobs = trio.open_memory_channel[str | None](math.inf)
        self._cleared = trio.Event()
        self._flushes: deque[float] = deque(maxlen=FLUSHES)
        self._flushed = self._clears = 0

    async def receive(self) -> None:
        """The client's messages, until it closes the stream."""
        await self._tell(type="Metadata", request_id="1", model_name="simulated", model_version="1", model_uuid="1")
        with self._out:
            while True:
                message = await self._connection.get_message()
                try:
                    told = json.loads(message)
                    kind = told["type"]
                    text = told["text"] if kind == "Speak" else ""
                    known = kind in ("Speak", "Flush", "Clear", "Close") and isinstance(text, str)
                except (ValueError, KeyError, TypeError):
                    known = False
                if not known:
                    await self._connection.aclose(1008, "DATA-0000: not a message of this protocol")
                    return
                self._conduct.requests[kind] += 1
                if kind == "Close":
                    return
                await self._command(kind, text)

    async def _command(self, kind: str, text: str) -> None:
        if kind == "Speak":
            self._text += text
        elif kind == "Flush":
            now = trio.current_time()
            if len(self._flushes) == FLUSHES and now < self._flushes[0] + WINDOW:
                await self._tell(type="Warning", code="FLUSH", description="too many Flush messages")
                return
            self._flushes.append(now)
            self._out.send_nowait(self._text)
            self._text = ""
        elif kind == "Clear":
            self._text = ""
            self._cleared.set()
            self._out.send_nowait(None)

    async def send(self) -> None:
        """Audio of what was flushed, in its order; `Clear` stops what is being sent and what waits."""
        async for text in self._jobs:
            if text is None:
                self._cleared = trio.Event()
                await self._tell(type="Cleared", sequence_id=self._clears)
                self._clears += 1
            elif not self._cleared.is_set():
                await self._speak(text)
        await self._connection.aclose()

    async def _speak(self, text: str) -> None:
        fate = self._conduct.fate("speak")
        if fate is Fate.ERROR:
            await self._tell(type="Error", description="the simulator fails, as it was told to")
            await self._connection.aclose(1011, "NET-0000")
            return
        if fate is Fate.SILENT:
            await trio.sleep(STALL)
            return
        if await pace.stopped(self._cleared, trio.current_time() + self._conduct.late(self._conduct.tts_delay)):
            return
        # Half a message there can be here: the one that says that all is spoken.
        pieces = audio(text, self._format) if fate is Fate.HALF else spoiled(text, self._format, fate)
        for due, piece in pace.spoken(pieces, self._conduct):
            if await pace.stopped(self._cleared, due):
                return
            await self._connection.send_message(piece)
            await pace.broken(fate)
        await self._done(fate)

    async def _done(self, fate: Fate) -> None:
        if fate is Fate.HALF:
            await self._connection.send_message('{"type": "Flushed", "seque')
        elif fate is Fate.TYPES:
            await self._tell(type=["Flushed"], sequence_id={})
        else:
            await self._tell(type="Flushed", sequence_id=self._flushed)
        self._flushed += 1

    async def _tell(self, **message: Any) -> None:
        await self._connection.send_message(json.dumps(message))


DEEPGRAM = Behind({"/v1/speak": speak}, {"/v1/speak": (check_line, line)})
OPENAI = Behind({"/v1/audio/speech": speech})
