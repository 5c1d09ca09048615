"""A simulated streaming ear: ElevenLabs' Scribe realtime, with commits by the client or by silence.

Messages and ranges as in elevenlabs 2.78 (`types/*_payload.py`, `realtime/scribe.py`). An utterance is the audio
between two commits; with commits by silence, it is from the first loud audio. That the real one says nothing to the
first two seconds of audio is not simulated.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from trio_websocket import WebSocketConnection

from bench.simulators.conduct import Conduct
from bench.simulators.door import Asked, Behind
from bench.simulators.ear import Ear, Unfit, spread

PATIENCE = 15.0
"""Seconds without audio, after which the service says goodbye in the ordinary way (code 1000)."""
LEAST = 0.3
"""Seconds of audio that a commit needs (https://github.com/elevenlabs/packages/issues/378)."""
LONGEST = 90.0
"""Seconds of audio that are committed without being asked (https://elevenlabs.io/docs, commit strategies)."""

_FORMATS = {"ulaw_8000": ("mulaw", 8000)} | {
    f"pcm_{rate}": ("linear16", rate) for rate in (8000, 16000, 22050, 24000, 44100, 48000)
}
_RANGES = {
    "vad_silence_threshold_secs": (1.5, 0.3, 3.0),
    "vad_threshold": (0.4, 0.1, 0.9),
    "min_speech_duration_ms": (100.0, 50, 2000),
    "min_silence_duration_ms": (100.0, 50, 2000),
}
"""What it is if it is not given, the least and the most."""
_FIELDS: dict[str, type] = {"audio_base_64": str, "commit": bool, "sample_rate": int}


@dataclass(frozen=True, slots=True)
class Config:
    """What `session_started` tells."""

    sample_rate: int
    audio_format: str
    language_code: str | None
    commit_strategy: str
    vad_silence_threshold_secs: float
    vad_threshold: float
    min_speech_duration_ms: int
    min_silence_duration_ms: int
    model_id: str
    include_timestamps: bool
    include_language_detection: bool
    keyterms: list[str]


def config(asked: Asked) -> Config:
    """Raises `Unfit`."""
    model, wanted = asked.first("model_id"), asked.first("audio_format", "pcm_16000")
    strategy, terms = asked.first("commit_strategy", "manual"), asked.query.get("keyterms", [])
    if not model.startswith("scribe_"):
        raise Unfit("model_id must be a realtime model, such as scribe_v2_realtime")
    if wanted not in _FORMATS:
        raise Unfit(f"audio_format must be one of {', '.join(_FORMATS)}")
    if strategy not in ("manual", "vad"):
        raise Unfit("commit_strategy must be manual or vad")
    if len(terms) > 50 or any(len(term) > 20 for term in terms):
        raise Unfit("keyterms are at most 50, of at most 20 characters each")
    stamps = _switch(asked, "include_timestamps")
    if stamps and _switch(asked, "filter_background_audio"):
        raise Unfit("filter_background_audio cannot be combined with include_timestamps")
    return Config(
        _FORMATS[wanted][1],
        wanted,
        asked.first("language_code") or None,
        strategy,
        _number(asked, "vad_silence_threshold_secs"),
        _number(asked, "vad_threshold"),
        int(_number(asked, "min_speech_duration_ms")),
        int(_number(asked, "min_silence_duration_ms")),
        model,
        stamps,
        _switch(asked, "include_language_detection"),
        terms,
    )


def _number(asked: Asked, name: str) -> float:
    usual, least, most = _RANGES[name]
    try:
        number = float(asked.first(name, str(usual)))
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise Unfit(f"{name} must be from {least} to {most}")
    return number


def _switch(asked: Asked, name: str) -> bool:
    if (told := asked.first(name, "false")) not in ("true", "false"):
        raise Unfit(f"{name} must be true or false")
    return told == "true"


def check(asked: Asked) -> None:
    """Nothing: wrong parameters are told inside the connection."""


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    try:
        settings = config(asked)
    except Unfit as unfit:
        await connection.send_message(json.dumps({"message_type": "invalid_request", "error": str(unfit)}))
        await connection.aclose(1008, "invalid_request")
        return
    await _Session(settings, connection, conduct).run()


class _Session(Ear):
    def __init__(self, settings: Config, connection: WebSocketConnection, conduct: Conduct) -> None:
        super().__init__(connection, conduct, *_FORMATS[settings.audio_format])
        self._settings, self.patience = settings, PATIENCE
        self._start = 0.0
        self._first = True
        self._quiet: float | None = None
        """Seconds of silence since somebody spoke; None before."""
        self.say({"message_type": "session_started", "session_id": uuid4().hex, "config": asdict(settings)})

    def audio(self, audio: bytes) -> None:
        self._refuse("audio must be base64 inside a message of type input_audio_chunk")

    def command(self, message: str) -> None:
        try:
            told = json.loads(message)
            audio = self._chunk(told)
        except Unfit as unfit:
            self._refuse(str(unfit))
            return
        except ValueError:
            self._refuse("a message must be JSON, and its audio base64")
            return
        self._first = False
        self._hear(audio)
        if told["commit"]:
            self.conduct.requests["commit"] += 1
            self._asked()

    def _chunk(self, told: Any) -> bytes:
        """A message's audio. Raises `Unfit`, `ValueError`."""
        if not isinstance(told, dict) or told.get("message_type") != "input_audio_chunk":
            raise Unfit("message_type must be input_audio_chunk")
        for name, kind in _FIELDS.items():
            if type(told.get(name)) is not kind:
                raise Unfit(f"{name} is required, and must be {kind.__name__}")
        if told["sample_rate"] != self._settings.sample_rate:
            raise Unfit(f"sample_rate must be that of the audio_format, {self._settings.sample_rate}")
        if told.get("previous_text") is not None and not self._first:
            raise Unfit("previous_text can only be sent with the first chunk")
        return base64.b64decode(told["audio_base_64"], validate=True)

    def _hear(self, audio: bytes) -> None:
        for loud, seconds in self.steps(audio):
            if not self.hearing and (loud or self._settings.commit_strategy == "manual"):
                self.begin()
                self._start = self.position
            self.position = round(self.position + seconds, 6)
            if not self.hearing:
                continue
            heard = self.position - self._start
            if (words := self.news(heard)) is not None:
                self.interim({"message_type": "partial_transcript", "text": words})
            if loud:
                self._quiet = 0.0
            elif self._quiet is not None:
                self._quiet = round(self._quiet + seconds, 6)
            if self._over_now(heard):
                self._commit()

    def _over_now(self, heard: float) -> bool:
        """Whether the service commits by itself."""
        waited = self._quiet is not None and self._quiet >= self._settings.vad_silence_threshold_secs
        return heard >= LONGEST or (self._settings.commit_strategy == "vad" and waited)

    def _asked(self) -> None:
        heard = self.position - self._start if self.hearing else 0.0
        if heard >= LEAST:
            self._commit()
            return
        told = f"Commit request ignored: only {heard:.2f}s of uncommitted audio. "
        told += f"You need at least {LEAST}s of uncommitted audio before committing."
        self.say({"message_type": "commit_throttled", "error": told})

    def _commit(self) -> None:
        messages: list[dict[str, Any]] = [{"message_type": "committed_transcript", "text": self.text}]
        if self._settings.include_timestamps or self._settings.include_language_detection:
            messages.append(self._detailed())
        self.final(*messages)
        self.end()
        self._start, self._quiet = self.position, None

    def _detailed(self) -> dict[str, Any]:
        words: list[dict[str, Any]] = []
        for word, start, end in spread(self.text, self._start, self.position):
            if words:
                words.append({"text": " ", "start": start, "end": start, "type": "spacing", "logprob": 0.0})
            words.append({"text": word, "start": start, "end": end, "type": "word", "logprob": -0.01})
        return {
            "message_type": "committed_transcript_with_timestamps",
            "text": self.text,
            "language_code": self._settings.language_code or "en",
            "words": words if self._settings.include_timestamps else None,
        }

    def idle(self) -> None:
        self.close()

    def fail(self) -> None:
        self.say({"message_type": "transcriber_error", "error": "the simulator fails, as it was told to"})
        self.close(1011, "transcriber_error")

    def _refuse(self, told: str) -> None:
        self.say({"message_type": "input_error", "error": told})
        self.close(1008, "input_error")


BEHIND = Behind(lines={"/v1/speech-to-text/realtime": (check, line)})
