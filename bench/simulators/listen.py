"""A simulated streaming speech-to-text service: Deepgram's v1/listen, with a fixed transcript for every utterance.

Messages as in deepgram-sdk 7.17 (`listen/v1`). An utterance is the audio between two finals. Interim words come while
its audio does; the final ones after `Finalize`, `CloseStream`, or as much silence as `endpointing` asks for.
"""

from __future__ import annotations

import json
import math
from typing import Any
from uuid import uuid4

from trio_websocket import WebSocketConnection

from bench.simulators.conduct import Conduct
from bench.simulators.door import Asked, Behind, Refusal
from bench.simulators.ear import Ear, coding, loud, spread

PATIENCE = 10.0
"""Seconds without a message, after which the service hangs up (https://developers.deepgram.com/docs/audio-keep-alive)."""

_SWITCHES = ("interim_results", "punctuate", "smart_format", "numerals", "vad_events")


def check(asked: Asked) -> None:
    coding(asked)
    if asked.first("channels", "1") != "1":
        raise Refusal(400, "this simulator hears one channel only")
    if not (asked.first("endpointing", "false") in ("true", "false") or asked.first("endpointing").isdecimal()):
        raise Refusal(400, "endpointing must be milliseconds, or false")
    for name in _SWITCHES:
        if asked.first(name, "false") not in ("true", "false"):
            raise Refusal(400, f"{name} must be true or false")
    wait = asked.first("utterance_end_ms", "1000")
    if not wait.isdecimal() or int(wait) < 1000 or ("utterance_end_ms" in asked.query and not _interims(asked)):
        raise Refusal(400, "utterance_end_ms must be at least 1000, and needs interim_results")


def _interims(asked: Asked) -> bool:
    return asked.first("interim_results") == "true"


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    await _Session(asked, connection, conduct).run()


class _Session(Ear):
    def __init__(self, asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
        super().__init__(connection, conduct, *coding(asked))
        self.patience = PATIENCE
        self._interims, self._model = _interims(asked), asked.first("model", "general")
        wait = asked.first("endpointing", "false")
        self._endpointing = int(wait) / 1000 if wait.isdecimal() and int(wait) else math.inf
        self._events = asked.first("vad_events") == "true"
        self._request = str(uuid4())
        self._start = 0.0
        self._quiet: float | None = None
        """Seconds of silence since somebody spoke; None before."""

    def audio(self, audio: bytes) -> None:
        if not self.hearing:
            self.begin()
        if self._endpointing < math.inf or self._events:
            self._level(audio)
        seconds = len(audio) / self.second
        self.position += seconds
        if self._interims and (words := self.news(self.position - self._start)) is not None:
            self.interim(self._result(words, final=False))
        if self._quiet is not None and self._quiet >= self._endpointing:
            self._final(speech_final=True)

    def _level(self, audio: bytes) -> None:
        if loud(audio, self.encoding):
            if self._quiet is None and self._events:
                self.say({"type": "SpeechStarted", "channel": [0], "timestamp": round(self.position, 3)})
            self._quiet = 0.0
        elif self._quiet is not None:
            self._quiet += len(audio) / self.second

    def command(self, message: str) -> None:
        try:
            told = json.loads(message)
            kind = told["type"]
        except (ValueError, KeyError, TypeError):
            self._refuse("a text message must be a JSON object with a type", message)
            return
        self.conduct.requests[kind] += 1
        if kind == "Finalize":
            self._final(from_finalize=True)
        elif kind == "CloseStream":
            self._final()
            self.say(self._sum())
            self.close()
        elif kind == "Configure":
            self._configure(told)
        elif kind != "KeepAlive":
            self._refuse(f"unknown variant {kind!r}", message)

    def _configure(self, told: dict[str, Any]) -> None:
        terms = told.get("keyterms")
        if terms is not None and not self._model.startswith("nova-3"):
            code, why = "CONFIGURE_KEYTERMS_NOT_SUPPORTED", "keyterms can be replaced with Nova-3 models only"
            self.say({"type": "ConfigureFailure", "request_id": self._request, "code": code, "description": why})
            return
        now = {} if terms is None else {"keyterms": terms}
        self.say({"type": "ConfigureSuccess", "request_id": self._request, **now})

    def idle(self) -> None:
        told = "Deepgram did not receive audio data or a text message within the timeout window"
        self.say({"type": "Error", "variant": "NET-0001", "description": told})
        self.close(1011, f"NET-0001: {told}")

    def fail(self) -> None:
        told = "the simulator fails, as it was told to"
        self.say({"type": "Error", "variant": "INTERNAL", "description": told, "message": told})
        self.close(1011, f"NET-0000: {told}")

    def _refuse(self, told: str, message: str) -> None:
        self.say({"type": "Error", "variant": "SchemaError", "description": told, "message": message[:200]})
        self.close(1008, f"DATA-0000: {told}"[:120])

    def _final(self, **marks: bool) -> None:
        """The final words of the audio since the last ones; nothing if there was none, as the service does it."""
        if self.position > self._start:
            self.final(self._result(self.text, final=True, **marks))
        self.end()
        self._start, self._quiet = self.position, None

    def _result(
        self, text: str, *, final: bool, speech_final: bool = False, from_finalize: bool = False
    ) -> dict[str, Any]:
        words = [
            {
                "word": word.strip(".,?!").lower(),
                "start": start,
                "end": end,
                "confidence": 0.99,
                "punctuated_word": word,
            }
            for word, start, end in spread(text, self._start, self.position)
        ]
        model = {"name": self._model, "version": "2026-01-01.0", "arch": "simulated"}
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": round(self._start, 3),
            "duration": round(self.position - self._start, 3),
            "is_final": final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.99 if text else 0.0, "words": words}]},
            "metadata": {"request_id": self._request, "model_info": model, "model_uuid": "simulated"},
        }

    def _sum(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request,
            "sha256": "0" * 64,
            "created": "2026-01-01T00:00:00.000Z",
            "duration": self.position,
            "channels": 1,
        }


BEHIND = Behind(lines={"/v1/listen": (check, line)})
