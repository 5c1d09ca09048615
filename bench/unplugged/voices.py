"""Voices on connections that answer every phrase with the same messages, and on bodies that are there at once."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from time import process_time
from typing import Any

import httpx

from bench.cast import settings
from bench.unplugged.messages import Closed, Connection, recorded
from bench.unplugged.pages import answering
from parlance.actors.speaker.port import Sound, Speech
from parlance.actors.speaker.rehearsal import sound
from parlance.actors.speaker.single import SingleVoice
from parlance.actors.speaker.stream import StreamVoice
from parlance.actors.websocket import Socket
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE
from parlance.registry import PROVIDERS

ASKED = ("elevenlabs-http", "deepgram", "openai", "azure")
"""Those that are asked over HTTP."""

_PIECE = sound()[: TELEPHONE.second // 10]
_AUDIO = {"elevenlabs": "audio", "cartesia": "data"}
"""Where a message has its audio; without, it is audio."""
_CONTEXT = {"elevenlabs": "contextId", "cartesia": "context_id"}


def made(name: str) -> Any:
    """The adapter's own."""
    chosen = {key: value for key, value in settings("voice", name).items() if key != "kind"}
    if name == "azure":
        chosen["voice"] = "en-US-AvaMultilingualNeural"
    return import_module(PROVIDERS["voice"][name]).make(chosen)


async def chunk(name: str, count: int) -> float:
    return await (_streamed if name in ASKED else _spoken)(name, count)


# ------------------------------------------------------------------------------ voices on WebSockets


class _Lent:
    """In the place of the pool: one connection, on which nothing was said yet."""

    def __init__(self, voice: StreamVoice, line: Connection) -> None:
        self._dial, self._line = voice._dial, line

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Socket]:
        yield Socket(self._dial, self._line, Closed)


async def _spoken(name: str, count: int) -> float:
    voice: StreamVoice = made(name)

    def sent(message: str | bytes) -> None:
        if isinstance(message, str) and "flush" in message.lower() and not line.messages:
            line.messages.extend([_message(name, json.loads(message).get("context_id"))] * count)

    line = Connection(sent=sent)
    pool: Any = _Lent(voice, line)
    voice._pool = pool
    # A phrase that goes on: its end is another message.
    text = "Hi " * (count + 9)
    async with voice.reply() as reply, reply.speak(text) as speech:
        await _sounds(speech, count)
        return (process_time() - line.began) / count


def _message(name: str, context: str | None) -> str | bytes:
    """A recorded message of audio, with a piece of it and the name of this context."""
    if name not in _AUDIO:
        return _PIECE
    told = next(one for one in recorded(name) if one.get(_AUDIO[name]) and one.get(_CONTEXT[name]))
    return json.dumps(told | {_AUDIO[name]: base64.b64encode(_PIECE).decode(), _CONTEXT[name]: context})


# ------------------------------------------------------------------------------------ voices over HTTP


async def _streamed(name: str, count: int) -> float:
    voice: SingleVoice = made(name)
    keeper: Any = voice._keeper
    async with answering(keeper, "application/octet-stream", _pieces(voice, count + 1)):
        async with voice.reply() as reply, reply.speak("Good morning.") as speech:
            await _sounds(speech, 1)
            begin = process_time()
            await _sounds(speech, count)
            return (process_time() - begin) / count


async def request(name: str, count: int, asked: list[httpx.Request] | None = None) -> float:
    """`asked`: gets the requests."""
    voice: SingleVoice = made(name)
    keeper: Any = voice._keeper
    took = 0.0
    async with answering(keeper, "application/octet-stream", _pieces(voice, 1)) as requests:
        for _ in range(count):
            begin = process_time()
            async with voice.reply() as reply, reply.speak("Good morning.") as speech:
                await _sounds(speech, 1)
                took += process_time() - begin
                async for _ in speech:
                    pass
    (asked if asked is not None else []).extend(requests)
    return took / count


def _pieces(voice: SingleVoice, count: int) -> list[bytes]:
    return [convert(_PIECE, TELEPHONE, voice.format)] * count


async def _sounds(speech: AsyncIterator[Speech], count: int) -> None:
    for _ in range(count):
        piece = await anext(speech)
        assert isinstance(piece, Sound)
        assert piece.audio
