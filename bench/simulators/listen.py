"""A simulated streaming speech-to-text service: Deepgram's v1/listen, with a fixed transcript for every utterance.

An utterance is the audio between two finals. Interim words come while its audio does; the final ones after `Finalize`,
`CloseStream`, or as much silence as `endpointing` asks for.
"""

from __future__ import annotations

import json
import math
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from bench.simulators.conduct import STALL, Conduct, Cut, Fate
from bench.simulators.door import Asked, Refusal

TEXT = "I would like to book an appointment, please."
WORD = 0.25
"""Seconds of audio for an interim word; the first interim has two."""
PATIENCE = 10.0
"""Seconds without a message, after which the service hangs up (NET-0001)."""

_WIDTH = {"mulaw": 1, "alaw": 1, "linear16": 2}
_LOUD = bytes((~code & 0x70) >= 0x30 for code in range(256))
"""Of a µ-law code, whether it is louder than -31 dBFS: the segments of G.711 from the fourth on."""


def check(asked: Asked) -> None:
    if asked.first("encoding") not in _WIDTH or not asked.first("sample_rate").isdecimal():
        raise Refusal(400, "encoding must be mulaw, alaw or linear16, and sample_rate a number")


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    session = _Session(asked, connection, conduct)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.send)
        await session.receive()


class _Session:
    def __init__(self, asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
        self._connection, self._conduct = connection, conduct
        self._second = int(asked.first("sample_rate")) * _WIDTH[asked.first("encoding")]
        self._interims = asked.first("interim_results") == "true"
        wait = asked.first("endpointing", "false")
        measured = wait.isdecimal() and asked.first("encoding") == "mulaw"
        self._endpointing = int(wait) / 1000 if measured else math.inf
        self._words = TEXT.split()
        self._out, self._due = trio.open_memory_channel[tuple[float, str | Fate]](math.inf)
        self._position = self._start = 0.0
        self._told = 0
        self._fate: Fate | None = None
        self._quiet: float | None = None
        """Seconds of silence since somebody spoke; None before."""
        self._last = 0.0

    async def receive(self) -> None:
        """The client's messages, until it closes the stream or says nothing for too long."""
        with self._out:
            while True:
                with trio.move_on_after(PATIENCE) as patience:
                    message = await self._connection.get_message()
                if patience.cancelled_caught:
                    self._plan(0, Fate.ERROR)
                    return
                if isinstance(message, bytes):
                    self._audio(message)
                elif not self._command(message):
                    return

    async def send(self) -> None:
        """What is planned, at its time and in its order."""
        async for at, message in self._due:
            await trio.sleep_until(at)
            if message is Fate.CUT:
                raise Cut
            if message is Fate.STALL:
                await trio.sleep(STALL)
            elif isinstance(message, Fate):
                await self._connection.aclose(1011, "NET-0001: no audio was received within the timeout window")
            else:
                await self._connection.send_message(message)
        await self._connection.aclose()

    def _audio(self, audio: bytes) -> None:
        if self._fate is None:
            self._fate = self._conduct.fate("utterance")
        seconds = len(audio) / self._second
        self._position += seconds
        words = int((self._position - self._start) / WORD)
        if self._interims and words > self._told:
            self._told = words
            self._result(" ".join(self._words[: words + 1]), final=False)
            if self._fate in (Fate.CUT, Fate.STALL):
                self._plan(0, self._fate)
        if self._endpointing < math.inf:
            if any(audio.translate(_LOUD)):
                self._quiet = 0.0
            elif self._quiet is not None:
                self._quiet += seconds
                if self._quiet >= self._endpointing:
                    self._final(speech_final=True)

    def _command(self, message: str) -> bool:
        """False if the stream is over."""
        try:
            kind = json.loads(message)["type"]
        except (ValueError, KeyError, TypeError):
            self._plan(0, _error("DATA", "a text message must be a JSON object with a type"))
            return False
        self._conduct.requests[kind] += 1
        if kind == "Finalize":
            self._final(from_finalize=True)
        elif kind == "CloseStream":
            self._final()
            self._plan(
                0, json.dumps({"type": "Metadata", "request_id": "1", "duration": self._position, "channels": 1})
            )
            return False
        return True

    def _final(self, **marks: bool) -> None:
        """The final words of the audio since the last ones; nothing if there was none, as the service does it."""
        if self._position > self._start:
            if self._fate is Fate.ERROR:
                self._plan(0, _error("INTERNAL", "the simulator fails, as it was told to"))
                self._plan(0, Fate.ERROR)
            self._result(TEXT, final=True, **marks)
        self._start, self._told, self._fate, self._quiet = self._position, 0, None, None

    def _result(self, text: str, *, final: bool, speech_final: bool = False, from_finalize: bool = False) -> None:
        result: dict[str, Any] = {
            "type": "Results",
            "channel_index": [0, 1],
            "start": round(self._start, 3),
            "duration": round(self._position - self._start, 3),
            "is_final": final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.99, "words": []}]},
        }
        self._plan(self._conduct.stt_delay, json.dumps(result))

    def _plan(self, delay: float, message: str | Fate) -> None:
        self._last = max(self._last, trio.current_time() + (self._conduct.late(delay) if delay else 0))
        self._out.send_nowait((self._last, message))


def _error(variant: str, text: str) -> str:
    return json.dumps({"type": "Error", "variant": variant, "description": text, "message": text})
