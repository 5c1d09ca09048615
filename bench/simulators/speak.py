"""A simulated text-to-speech service: Deepgram's v1/speak over HTTP and over a WebSocket, and OpenAI's audio/speech.

The audio is the rehearsal voice's, as long as the text would take, in pieces of a tenth of a second, sent faster than
real time.
"""

from __future__ import annotations

import json
import math
from collections import deque
from functools import cache
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from bench.simulators.conduct import STALL, Conduct, Cut, Fate
from bench.simulators.door import Answer, Asked, Refusal
from parlance.actors.speaker.rehearsal import sound
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE, Encoding, Format

WORD = 0.085
"""Seconds a word takes."""
PIECE = 0.1
"""Seconds of audio sent at a time."""
SPEED = 5.0
"""Times real time."""
FLUSHES, WINDOW = 20, 60.0
"""So many `Flush` messages are heeded in so many seconds (https://developers.deepgram.com/docs/tts-ws-flush)."""

_ENCODINGS: dict[str, Encoding] = {"mulaw": "mulaw", "alaw": "alaw", "linear16": "pcm16"}
_RATES = ("8000", "16000", "24000", "48000")


@cache
def _sound(wanted: Format) -> bytes:
    return convert(sound(), TELEPHONE, wanted)


def audio(text: str, wanted: Format) -> list[bytes]:
    """`text` spoken, in pieces."""
    size = int(PIECE * wanted.rate) * wanted.width
    whole = round(len(text.split()) * WORD * wanted.rate) * wanted.width
    prepared = _sound(wanted)
    prepared *= math.ceil(whole / len(prepared))
    return [prepared[at : min(at + size, whole)] for at in range(0, whole, size)]


def check(asked: Asked) -> None:
    if asked.first("encoding", "linear16") not in _ENCODINGS or asked.first("sample_rate", "24000") not in _RATES:
        raise Refusal(400, f"encoding must be one of {', '.join(_ENCODINGS)}, sample_rate of {', '.join(_RATES)}")


def _format(asked: Asked) -> Format:
    check(asked)
    return Format(_ENCODINGS[asked.first("encoding", "linear16")], int(asked.first("sample_rate", "24000")))


async def speak(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """Deepgram's v1/speak."""
    await _answer(audio(_text(asked.body, "text"), _format(asked)), answer, fate, conduct)


async def speech(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """OpenAI's audio/speech: 16-bit PCM at 24 kHz."""
    text = _text(asked.body, "model", "voice", "input")
    if json.loads(asked.body).get("response_format") != "pcm":
        raise Refusal(400, "this simulator knows the response_format pcm only")
    await _answer(audio(text, Format("pcm16", 24000)), answer, fate, conduct)


def _text(body: bytes, *wanted: str) -> str:
    """The last of the wanted fields."""
    try:
        fields = [json.loads(body)[name] for name in wanted]
    except (ValueError, KeyError, TypeError):
        fields = [None]
    if not all(isinstance(field, str) and field for field in fields):
        raise Refusal(400, f"the body must be a JSON object with {', '.join(wanted)}")
    return str(fields[-1])


async def _answer(pieces: list[bytes], answer: Answer, fate: Fate, conduct: Conduct) -> None:
    start = trio.current_time() + conduct.late(conduct.tts_delay)
    for number, piece in enumerate(pieces):
        await trio.sleep_until(start + number * PIECE / SPEED)
        if number == 0:
            answer.begin("audio/basic")
        await answer.piece(piece)
        if fate is Fate.CUT:
            raise Cut
        if fate is Fate.STALL:
            await trio.sleep(STALL)
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
        await self._tell(type="Metadata", request_id="1", model_name="simulated")
        with self._out:
            while True:
                message = await self._connection.get_message()
                try:
                    told = json.loads(message)
                    kind = told["type"]
                    text = str(told["text"]) if kind == "Speak" else ""
                except (ValueError, KeyError, TypeError):
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
        start = trio.current_time() + self._conduct.late(self._conduct.tts_delay)
        for number, piece in enumerate(audio(text, self._format)):
            with trio.move_on_at(start + number * PIECE / SPEED):
                await self._cleared.wait()
                return
            await self._connection.send_message(piece)
            if fate is Fate.CUT:
                raise Cut
            if fate is Fate.STALL:
                await trio.sleep(STALL)
        await self._tell(type="Flushed", sequence_id=self._flushed)
        self._flushed += 1

    async def _tell(self, **message: Any) -> None:
        await self._connection.send_message(json.dumps(message))
