"""A voice server as somebody who knows their craft writes one by hand: FastAPI, uvicorn and a receive loop per call.

    .peers/plain/bin/python bench/peers/plain.py --port PORT --sound FILE

It does what every such server does: WebRTC's detector on each frame, the end of a turn after 300 ms without voice,
stubs for hearing, thinking and speaking that wait as long as the agent `rehearsal` does, a reply that is spoken
sentence by sentence in paced frames of 20 ms (`--frame`), and `clear` when the caller cuts in. It has no supervision,
deadlines, journal or record of what was heard, and it does not resume after a cough. It runs in an environment of its
own and imports nothing of parlance.
"""

from __future__ import annotations

import argparse
import asyncio
import audioop
import base64
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
import webrtcvad
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

FRAME = 160
"""Bytes of µ-law in a message: 20 ms, unless other ones are asked for."""
EVIDENCE, WINDOW, SILENCE = 3, 5, 15
"""Voiced frames of so many that are speech, and frames without voice that end a turn (300 ms)."""
QUIET = 200
"""RMS below which nothing is speech: -44 dBFS."""
AHEAD = 0.2
"""Seconds of audio that are sent before they are due: more than a sentence has to wait for its first audio."""
EAR, MIND, PACE, VOICE, WORD = 0.05, 0.1, 100, 0.05, 0.085
"""Seconds until the final words and until the first word of a reply; words a second; seconds until the first audio of
a sentence, and that a word takes to say."""
REPLY = (
    "Of course, let me just have a look at the calendar. There is a free hour on Monday at ten. "
    "We could also see you on Thursday in the afternoon. So please tell me which of them suits you best."
)


class Ear:
    """Says when the caller's turn begins and ends."""

    def __init__(self) -> None:
        self.talking = False
        self._vad = webrtcvad.Vad(2)
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._silent = 0

    def hear(self, frame: bytes) -> str | None:
        """One frame of µ-law: "began", "ended" or nothing."""
        linear = audioop.ulaw2lin(frame, 2)
        voiced = audioop.rms(linear, 2) > QUIET and self._vad.is_speech(linear, 8000)
        if self.talking:
            self._silent = 0 if voiced else self._silent + 1
            if self._silent < SILENCE:
                return None
            self.talking = False
            self._recent.clear()
            return "ended"
        self._recent.append(voiced)
        if sum(self._recent) < EVIDENCE:
            return None
        self.talking, self._silent = True, 0
        return "began"


async def words() -> AsyncIterator[str]:
    """The language model's stub: forty words."""
    start = time.monotonic() + MIND
    for number, word in enumerate(REPLY.split()):
        await asyncio.sleep(start + number / PACE - time.monotonic())
        yield word


async def sentences() -> AsyncIterator[int]:
    """How many words each sentence has, as soon as its last one is there."""
    count = 0
    async for word in words():
        count += 1
        if word[-1] in ".?!":
            yield count
            count = 0
    if count:
        yield count


class Call:
    """One media stream: hears, answers, and stops when the caller cuts in."""

    def __init__(self, socket: WebSocket, sound: bytes, size: int) -> None:
        self.socket = socket
        self.size = size
        self.sound = sound
        self.stream = ""
        self.ear = Ear()
        self.reply: asyncio.Task[None] | None = None
        self.marked = 0
        self.playing = False

    async def run(self) -> None:
        try:
            async for text in self.socket.iter_text():
                message = json.loads(text)
                match message["event"]:
                    case "media":
                        await self.hear(base64.b64decode(message["media"]["payload"]))
                    case "mark":
                        if message["mark"]["name"] == str(self.marked):
                            self.playing = False
                    case "start":
                        self.stream = message["streamSid"]
                    case "stop":
                        return
        except WebSocketDisconnect:
            # The caller hung up while something was said to him.
            return
        finally:
            self.silence()

    async def hear(self, frame: bytes) -> None:
        match self.ear.hear(frame):
            case "began":
                self.silence()
                if self.playing:
                    self.playing = False
                    await self.send(event="clear")
            case "ended":
                self.reply = asyncio.create_task(self.answer())

    def silence(self) -> None:
        if self.reply is not None:
            self.reply.cancel()
            self.reply = None

    async def answer(self) -> None:
        await asyncio.sleep(EAR)
        due = 0.0
        try:
            async for count in sentences():
                await asyncio.sleep(VOICE)
                due = await self.play(self.sound[: round(count * WORD * 8000)], due)
            self.marked += 1
            await self.send(event="mark", mark={"name": str(self.marked)})
        except (WebSocketDisconnect, RuntimeError):
            # The caller hung up; starlette has either error for a socket that is closed.
            return

    async def play(self, audio: bytes, due: float) -> float:
        """Send `audio`, to be heard from `due` on or at once; when it will have been heard."""
        due = max(due, time.monotonic())
        for at in range(0, len(audio), self.size):
            if (early := due - AHEAD - time.monotonic()) > 0:
                await asyncio.sleep(early)
            frame = audio[at : at + self.size]
            self.playing = True
            await self.send(event="media", media={"payload": base64.b64encode(frame).decode()})
            due += len(frame) / 8000
        return due

    async def send(self, **message: Any) -> None:
        await self.socket.send_text(json.dumps({"streamSid": self.stream, **message}))


def application(sound: bytes, size: int) -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.websocket("/media")
    async def media(socket: WebSocket) -> None:
        await socket.accept()
        await Call(socket, sound, size).run()

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="A hand-written voice server, to compare with.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sound", type=Path, required=True, help="µ-law at 8 kHz that every phrase is cut from")
    parser.add_argument("--frame", type=int, default=FRAME, help="bytes of µ-law in a message")
    options = parser.parse_args()
    app = application(options.sound.read_bytes(), options.frame)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
