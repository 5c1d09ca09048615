"""A simulated streaming ear: AssemblyAI's v3/ws.

Messages and parameters as in assemblyai 1.8 (`streaming/v3/models.py`); their order, and the errors, as in
https://www.assemblyai.com/docs/streaming/ (`message-sequence`, `common-session-errors-and-closures`). A turn is from
the first loud audio to the end of turn. The universal-streaming models tell it as bare words, and once more with
capitals and full stops if `format_turns` asks for that; the others tell it so at once. That audio must not come quicker
than somebody speaks is not simulated.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import trio
from trio_websocket import WebSocketConnection

from bench.simulators.conduct import Conduct
from bench.simulators.door import Asked, Behind
from bench.simulators.ear import Ear, Unfit, spread

LEAST, MOST = 50, 1000
"""Milliseconds of audio in a message."""
LONGEST = timedelta(hours=3)
"""Of a session. It is told, and not kept to."""

_ENCODINGS = {"pcm_s16le": "linear16", "pcm_mulaw": "mulaw"}
_PLAIN = ("universal-streaming-english", "universal-streaming-multilingual")
"""Models that tell words without capitals and full stops."""
_MODELS = (
    *_PLAIN, "u3-rt-pro", "u3-rt-pro-beta-1", "u3-pro", "whisper-rt", "universal-3-5-pro", "universal-3-6",
    "universal-3-6-pro",
)  # fmt: skip
_SILENCES = {"min_turn_silence", "max_turn_silence", "min_end_of_turn_silence_when_confident"}


@dataclass(frozen=True, slots=True)
class Config:
    """What of a session may change. Silences are seconds."""

    least: float = 0.4
    most: float = 1.28
    threshold: float = 0.4
    formatted: bool = False

    def changed(self, told: dict[str, Any]) -> Config:
        """With those that are given (values, or their text); what is unknown is passed over, as the service does it.
        Raises `Unfit`.
        """
        now = self
        for name, value in told.items():
            if name in _SILENCES:
                seconds = _number(name, value, math.inf) / 1000
                now = replace(now, most=seconds) if name == "max_turn_silence" else replace(now, least=seconds)
            elif name == "end_of_turn_confidence_threshold":
                now = replace(now, threshold=_number(name, value, 1.0))
            elif name == "format_turns":
                now = replace(now, formatted=str(value).lower() == "true")
        return now

    @property
    def silence(self) -> float:
        """After which a turn has ended. With a threshold of one nothing is certain enough for the lesser."""
        return self.most if self.threshold >= 1 else min(self.least, self.most)


def _number(name: str, value: Any, most: float) -> float:
    try:
        number = float(value)
    except (ValueError, TypeError):
        number = math.nan
    if not 0 <= number <= most:
        raise Unfit(f"Invalid {name}: {value}")
    return number


@dataclass(frozen=True, slots=True)
class Fixed:
    """What of a session stays. Raises `Unfit`."""

    encoding: str
    rate: int
    model: str
    inactivity: float

    @classmethod
    def of(cls, asked: Asked) -> Fixed:
        rate, encoding = asked.first("sample_rate"), asked.first("encoding", "pcm_s16le")
        model, inactivity = asked.first("speech_model", _PLAIN[0]), asked.first("inactivity_timeout", "inf")
        if not rate.isdecimal() or not int(rate):
            raise Unfit("Sample rate must be a positive integer")
        if encoding not in _ENCODINGS:
            raise Unfit(f"Invalid encoding: {encoding}; this simulator hears {', '.join(_ENCODINGS)}")
        if model not in _MODELS:
            raise Unfit(f"Invalid speech_model: {model}")
        return cls(_ENCODINGS[encoding], int(rate), model, _number("inactivity_timeout", inactivity, math.inf))


def check(asked: Asked) -> None:
    """Nothing: wrong parameters are told inside the connection."""


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    try:
        fixed, settings = Fixed.of(asked), Config().changed({name: values[0] for name, values in asked.query.items()})
    except Unfit as unfit:
        await connection.send_message(json.dumps({"type": "Error", "error_code": 3006, "error": str(unfit)}))
        await connection.aclose(3006, str(unfit)[:120])
        return
    await _Session(fixed, settings, connection, conduct).run()


class _Session(Ear):
    def __init__(self, fixed: Fixed, settings: Config, connection: WebSocketConnection, conduct: Conduct) -> None:
        super().__init__(connection, conduct, fixed.encoding, fixed.rate)
        self._settings, self.patience = settings, fixed.inactivity
        self._plain = fixed.model in _PLAIN
        self._opened, self._order = trio.current_time(), 0
        self._spoke = self._quiet = 0.0
        expires = int((datetime.now(UTC) + LONGEST).timestamp())
        configuration = {"model": fixed.model, "mode": "balanced", "api_version": "simulated"}
        self.say({"type": "Begin", "id": str(uuid4()), "expires_at": expires, "configuration": configuration})

    def audio(self, audio: bytes) -> None:
        ms = len(audio) * 1000 / self.second
        if not LEAST <= ms <= MOST:
            told = f"Input Duration Violation: {ms:.1f} ms. Expected between {LEAST} and {MOST} ms"
            self._error(3007, f"Input Duration Error: {told}")
            return
        for loud, seconds in self.steps(audio):
            self.position = round(self.position + seconds, 6)
            if loud:
                self._loud(seconds)
            if self.hearing:
                self._silence(0 if loud else seconds)

    def _loud(self, seconds: float) -> None:
        self._quiet = 0.0
        if not self.hearing:
            self.begin()
            self._spoke = round(self.position - seconds, 6)
            if not self._plain:
                self.say({"type": "SpeechStarted", "timestamp": round(self._spoke * 1000)}, self.conduct.stt_delay)

    def _silence(self, seconds: float) -> None:
        heard = self.position - self._spoke
        if (words := self.news(heard)) is not None:
            self.interim(self._turn(words, over=False))
        self._quiet = round(self._quiet + seconds, 6)
        if self._quiet and self._quiet >= self._settings.silence:
            self._end()

    def _end(self) -> None:
        messages = [self._turn(self.text, over=True)]
        if self._plain and self._settings.formatted:
            messages.append(self._turn(self.text, over=True, formatted=True))
        self.final(*messages)
        self.end()
        self._order += 1
        self._quiet = 0.0

    def _turn(self, text: str, *, over: bool, formatted: bool = False) -> dict[str, Any]:
        formatted = formatted or (over and not self._plain)
        if self._plain and not formatted:
            text = _bare(text)
        words = [
            {"start": round(start * 1000), "end": round(end * 1000), "text": word, "confidence": 0.99}
            | {"word_is_final": True}
            for word, start, end in spread(text, self._spoke, self.position)
        ]
        if not over and self._plain and words:
            words[-1]["word_is_final"] = False
            text = " ".join(text.split()[:-1])
        return {
            "type": "Turn",
            "turn_order": self._order,
            "turn_is_formatted": formatted,
            "end_of_turn": over,
            "transcript": text,
            "utterance": text if over else "",
            "end_of_turn_confidence": 0.9 if over else 0.01,
            "words": words,
        }

    # ------------------------------------------------------------------------------------------ control

    def command(self, message: str) -> None:
        try:
            told = json.loads(message)
        except ValueError:
            self._error(3006, f"Invalid JSON: {message[:100]}")
            return
        kind = told.get("type") if isinstance(told, dict) else None
        if not isinstance(kind, str):
            self._error(3006, f"Invalid Message: {message[:100]}")
            return
        self.conduct.requests[kind] += 1
        if kind == "ForceEndpoint":
            if self.hearing:
                self._end()
        elif kind == "UpdateConfiguration":
            self._update(told)
        elif kind == "Terminate":
            self._terminate()
        elif kind != "KeepAlive":
            self._error(3006, f"Invalid Message Type: {kind[:100]}")

    def _update(self, told: dict[str, Any]) -> None:
        try:
            self._settings = self._settings.changed(told)
        except Unfit as unfit:
            self._error(3006, str(unfit))

    def _terminate(self) -> None:
        if self.hearing:
            self._end()
        lasted = round(trio.current_time() - self._opened)
        self.say(
            {
                "type": "Termination",
                "audio_duration_seconds": round(self.position),
                "session_duration_seconds": lasted,
            }
        )
        self.close()

    def idle(self) -> None:
        self._error(4031, "Session idle for too long")

    def fail(self) -> None:
        self._error(3005, "Session Cancelled: An error occurred")

    def _error(self, code: int, told: str) -> None:
        self.say({"type": "Error", "error_code": code, "error": told})
        self.close(code, told if len(told.encode()) <= 123 else "See Error message for details")


def _bare(text: str) -> str:
    words = (word.strip(".,;:?!").lower() for word in text.split())
    return " ".join(word for word in words if word)


BEHIND = Behind(lines={"/v3/ws": (check, line)})
