"""A simulated streaming ear that decides the end of turn itself: Deepgram's v2/listen (Flux).

Messages as in deepgram-sdk 7.17 (`listen/v2`); ranges, and what follows what, as in
https://developers.deepgram.com/docs/flux/ (`configuration`, `state`, `force-end-turn`). A turn is from the first loud
audio to the end of turn. Times are those of the audio, not of the clock. A turn without words ends at its time-out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from trio_websocket import WebSocketConnection

from bench.simulators.conduct import Conduct
from bench.simulators.door import Asked, Behind, Refusal
from bench.simulators.ear import Ear, Unfit, coding, spread

UPDATE = 0.24
"""Seconds of audio between updates."""
EAGER = 1 / 3
"""Seconds of quiet after which the turn has probably ended."""
END = 0.6
"""Seconds of quiet after which the model says that it has."""
PATIENCE = 60.0
"""Seconds without a message, after which the service hangs up. It heeds a WebSocket's pings too; this simulator does
not (https://github.com/deepgram/deepgram-python-sdk/issues/618).
"""

_KNOWN = {
    "model", "encoding", "sample_rate", "eager_eot_threshold", "eot_threshold", "eot_timeout_ms", "keyterm",
    "language_hint", "profanity_filter", "numerals", "redact", "mip_opt_out", "tag",
}  # fmt: skip
_MULTI = "flux-general-multi"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a turn ends. Raises `Unfit`."""

    eager_eot_threshold: float | None = None
    eot_threshold: float = 0.7
    eot_timeout_ms: int = 5000

    def __post_init__(self) -> None:
        eager = self.eager_eot_threshold
        if not 0.5 <= self.eot_threshold <= 1.0:
            raise Unfit("eot_threshold must be from 0.5 to 1.0")
        if eager is not None and not 0.3 <= eager <= 0.9:
            raise Unfit("eager_eot_threshold must be from 0.3 to 0.9")
        if eager is not None and eager > self.eot_threshold:
            raise Unfit("eager_eot_threshold must not be more than eot_threshold")
        if not 500 <= self.eot_timeout_ms <= 60000:
            raise Unfit("eot_timeout_ms must be from 500 to 60000")

    def changed(self, told: Mapping[str, Any]) -> Thresholds:
        """With those that are given (numbers, or their text). Raises `Unfit`."""
        values: dict[str, Any] = {}
        for name, value in told.items():
            if name not in self.__slots__:
                raise Unfit(f"there is no threshold {name}")
            try:
                values[name] = int(value) if name == "eot_timeout_ms" else float(value)
            except (ValueError, TypeError):
                raise Unfit(f"{name} must be a number") from None
        return replace(self, **values)


def check(asked: Asked) -> None:
    if unknown := asked.query.keys() - _KNOWN:
        raise Refusal(400, f"there is no parameter {', '.join(sorted(unknown))}")
    model = asked.first("model")
    if not model.startswith("flux-"):
        raise Refusal(400, "model must be one of flux-general-en, flux-general-multi")
    coding(asked)
    if "language_hint" in asked.query and model != _MULTI:
        raise Refusal(400, f"language_hint is for {_MULTI}")
    try:
        _thresholds(asked)
    except Unfit as unfit:
        raise Refusal(400, str(unfit)) from None


def _thresholds(asked: Asked) -> Thresholds:
    return Thresholds().changed({name: asked.first(name) for name in Thresholds.__slots__ if name in asked.query})


async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
    await _Session(asked, connection, conduct).run()


class _Session(Ear):
    def __init__(self, asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
        super().__init__(connection, conduct, *coding(asked))
        self.patience = PATIENCE
        self._thresholds = _thresholds(asked)
        self._multi = asked.first("model") == _MULTI
        self._keyterms, self._hints = asked.query.get("keyterm", []), asked.query.get("language_hint", [])
        self._numerals = asked.first("numerals", "false") == "true"
        self._request, self._sequence, self._turn = str(uuid4()), 0, 0
        self._since = self._spoke = self._updated = 0.0
        """Seconds of audio: where the turn's begins, where somebody spoke in it first, where the last update was."""
        self._quiet = 0.0
        self._whole = False
        """Whether all words of the turn were told."""
        self._eager: str | None = None
        """What was told with the eager end of turn, until somebody speaks on."""
        self.say({"type": "Connected"})

    def stamp(self, message: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        return {"type": "", "request_id": self._request, "sequence_id": self._sequence - 1} | message

    def audio(self, audio: bytes) -> None:
        for loud, seconds in self.steps(audio):
            self.position = round(self.position + seconds, 6)
            if loud:
                self._loud(seconds)
            elif self.hearing:
                self._silence(seconds)
            if round(self.position - self._updated, 6) >= UPDATE:
                self._update()

    def _loud(self, seconds: float) -> None:
        self._quiet = 0.0
        if not self.hearing:
            self.begin()
            self._spoke = round(self.position - seconds, 6)
            self._tell("StartOfTurn", self._heard, 0.01)
        elif self._eager is not None:
            self._eager = None
            self._tell("TurnResumed", self.text, 0.1)

    def _silence(self, seconds: float) -> None:
        limits = self._thresholds
        before, self._quiet = self._quiet, round(self._quiet + seconds, 6)
        if limits.eager_eot_threshold is not None and before < EAGER <= self._quiet and self.text:
            self._eager, self._whole = self.text, True
            self._tell("EagerEndOfTurn", self._eager, limits.eager_eot_threshold)
        if self._quiet >= min(END, limits.eot_timeout_ms / 1000) and limits.eot_threshold < 1.0 and self.text:
            self._end("model" if self._quiet >= END else "timeout")
        elif self._quiet >= limits.eot_timeout_ms / 1000:
            self._end("timeout")

    def _update(self) -> None:
        self._updated = self.position
        if self.hearing:
            self.interim(self._info("Update", self._heard if self._eager is None else self._eager, 0.1))
        else:
            self.say(self._info("Update", "", 0.0))

    @property
    def _heard(self) -> str:
        return self.text if self._whole else self.words(self.position - self._spoke)

    def _end(self, trigger: str) -> None:
        text = self.text if self._eager is None else self._eager
        confidence = max(self._thresholds.eot_threshold, 0.9) if trigger == "model" else 0.4
        self.final(self._info("EndOfTurn", text, confidence) | {"trigger": trigger})
        self.end()
        self._turn += 1
        self._since = self._updated = self.position
        self._quiet, self._eager, self._whole = 0.0, None, False

    def _tell(self, event: str, text: str, confidence: float) -> None:
        """A change of the turn's state, which takes the place of an update."""
        self._updated = self.position
        self.say(self._info(event, text, confidence), self.conduct.stt_delay)

    def _info(self, event: str, text: str, confidence: float) -> dict[str, Any]:
        words = [
            {"word": word, "confidence": 0.99, "start": start, "end": end}
            for word, start, end in spread(text, self._spoke, self.position)
        ]
        languages = {"languages": ["en"] if text else []} if self._multi else {}
        hinted = {"languages_hinted": self._hints} if self._hints else {}
        return {
            "type": "TurnInfo",
            "event": event,
            "turn_index": self._turn,
            "audio_window_start": round(self._since, 3),
            "audio_window_end": round(self.position, 3),
            "transcript": text,
            "words": words,
            "end_of_turn_confidence": confidence,
            **languages,
            **hinted,
        }

    # ------------------------------------------------------------------------------------------ control

    def command(self, message: str) -> None:
        try:
            told = json.loads(message)
            kind = told["type"]
        except (ValueError, KeyError, TypeError):
            told, kind = {}, "no type"
        self.conduct.requests[kind] += 1
        if kind == "ForceEndTurn":
            if self.hearing:
                self._end("manual")
        elif kind == "Configure":
            self._configure(told)
        elif kind == "CloseStream":
            self.close()
        else:
            self._break_off("UNPARSABLE_CLIENT_MESSAGE", f"not a message of this protocol: {kind}", 1008)

    def _configure(self, told: dict[str, Any]) -> None:
        try:
            thresholds = self._thresholds.changed(told.get("thresholds") or {})
            if told.get("language_hints") is not None and not self._multi:
                raise Unfit(f"language_hints are for {_MULTI}")
        except (Unfit, AttributeError) as error:
            code = "INVALID_CONFIGURATION"
            self.say({"type": "ConfigureFailure", "code": code, "description": str(error)})
            return
        self._thresholds = thresholds
        for name, value in (("_keyterms", told.get("keyterms")), ("_hints", told.get("language_hints"))):
            if value is not None:
                setattr(self, name, value)
        self._numerals = bool(told.get("numerals", self._numerals))
        hints = {"language_hints": self._hints} if self._multi else {}
        done = {"thresholds": asdict(thresholds), "keyterms": self._keyterms, "numerals": self._numerals, **hints}
        self.say({"type": "ConfigureSuccess", **done})

    def idle(self) -> None:
        self._break_off("NET-0001", "no message was received within the timeout window", 1011)

    def fail(self) -> None:
        self._break_off("INTERNAL_SERVER_ERROR", "the simulator fails, as it was told to", 1011)

    def _break_off(self, code: str, told: str, close: int) -> None:
        self.say({"type": "Error", "code": code, "description": told})
        self.close(close, f"{code}: {told}"[:120])


BEHIND = Behind(lines={"/v2/listen": (check, line)})
