"""An ear at Deepgram that decides itself when a turn is over: Flux, v2/listen. Not tried against the live service.

Messages as in deepgram-sdk 7.16 (`listen/v2`), and https://developers.deepgram.com/docs/flux/ for what they mean:
`state` (what follows what), `configuration` (thresholds), `force-end-turn` (nothing happens where no turn is going on).

Flux does its work on audio and not on the clock: without audio a turn that has begun is never over, and it has no
message that keeps a connection alive. So silence is sent wherever the caller's audio pauses and something is waited
for, and a little of it between utterances.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.fields import each, mapping, number, text, written
from parlance.actors.listener.stream import StreamedEar, StreamService
from parlance.actors.listener.turns import State, Turn, Turns
from parlance.actors.listener.wire import NOTHING, EarWire, Step
from parlance.actors.verdict import verdict
from parlance.codecs.format import TELEPHONE
from parlance.engine.faults import checked

NAME = "flux"
KEEP_ALIVE = 8.0
"""Seconds without audio after which some silence is sent. The service hangs up after sixty, and users have seen twenty
(https://github.com/deepgram/deepgram-python-sdk/issues/618, 649).
"""
DANGLING = 0.5
"""The same while the service is in the middle of a turn."""
WAITING = 0.25
"""The same while final words are waited for: no audio of the caller is to come."""
CHUNK = 0.08
"""Seconds of audio at a time that the service asks for."""

_FORCE, _CLOSE = written(type="ForceEndTurn"), written(type="CloseStream")
_STATES = {"EagerEndOfTurn": State.EAGER, "TurnResumed": State.RESUMED, "EndOfTurn": State.OVER}


class Settings(StreamService):
    """Nothing but audio keeps a connection alive, and audio is what Deepgram charges for: none is warm unless asked
    for, and a warm one is replaced before the service would hang up.
    """

    url: str = "wss://api.deepgram.com/v2/listen"
    key_env: Variable = "DEEPGRAM_API_KEY"
    warm: Annotated[int, Field(ge=0, le=100)] = 0
    lifetime: Annotated[float, Field(ge=1, le=86_400)] = 20.0
    model: Annotated[str, Field(min_length=1)] = "flux-general-en"
    eot_threshold: Annotated[float, Field(ge=0.5, le=1)] = 0.7
    """How certain the service must be that a turn is over; 1: it never is, and silence alone decides."""
    eager_eot_threshold: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    """How certain it must be for thinking ahead; 0: never. Below 0.5 most thoughts come too early and are thrown away,
    each at the price of an answer; near `eot_threshold` they come no sooner than the end itself.
    """
    eot_timeout_ms: Annotated[int, Field(ge=500, le=60_000)] = 5000
    """Silence that ends a turn however uncertain it is. The listener's own end of turn mostly comes before."""
    keyterms: tuple[str, ...] = ()
    """Words to expect, such as names."""
    language_hints: tuple[str, ...] = ()
    """Languages to expect, for a model of several."""

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        eager = self.eager_eot_threshold
        if eager and not 0.3 <= eager <= self.eot_threshold:
            raise ValueError(f"eager_eot_threshold must be 0, or from 0.3 to eot_threshold, and is {eager:g}")
        return self

    @property
    def query(self) -> dict[str, object]:
        eager = {"eager_eot_threshold": self.eager_eot_threshold} if self.eager_eot_threshold else {}
        return {
            "model": self.model,
            "encoding": "mulaw",
            "sample_rate": TELEPHONE.rate,
            "eot_threshold": self.eot_threshold,
            **eager,
            "eot_timeout_ms": self.eot_timeout_ms,
            "keyterm": self.keyterms,
            "language_hint": self.language_hints,
        }


class FluxWire(EarWire[Turn]):
    """v2/listen: turns say up to which second of the audio they were heard."""

    protocol = "v2/listen"
    chunk = CHUNK
    endpoints = True

    def __init__(self, dial: Dial) -> None:
        super().__init__(dial.name, dial.brief)
        self._turns = Turns(endpoints=True)

    @property
    def patience(self) -> float:
        if self._turns.pending:
            return WAITING
        return DANGLING if self._turns.speaking else KEEP_ALIVE

    def begin(self, utterance: int) -> Step:
        self._turns.begin(utterance)
        return NOTHING

    def end(self, utterance: int) -> Step:
        return Step([_FORCE]) if self._turns.end(utterance, self.position) else NOTHING

    def parse(self, told: dict[str, Any]) -> Turn | None:
        kind = text(told["type"])
        if kind == "Error":
            raise self.failed(verdict(told), told)
        return _turn(told) if kind == "TurnInfo" else None

    def take(self, told: Turn) -> Step:
        return Step(news=self._turns.add(told))

    def give_up(self, utterance: int) -> Step:
        return Step(news=self._turns.give_up(utterance))

    def alive(self) -> Step:
        dangling = self._turns.pending or self._turns.speaking
        return Step([self.passed(self.silence(self.patience if dangling else CHUNK))])

    def bye(self) -> Step:
        return Step([_CLOSE])


def _turn(told: dict[str, Any]) -> Turn:
    words = each(told.get("words") or [], mapping)
    timed = all(word.get("start") is not None and word.get("end") is not None for word in words)
    return Turn(
        int(number(told["turn_index"])),
        text(told["transcript"]),
        number(told["audio_window_end"]),
        _STATES.get(text(told["event"]), State.GOING),
        [(number(word["start"]), number(word["end"])) for word in words] if timed else (),
        forced=told.get("trigger") == "manual",
    )


def make(settings: dict[str, Any]) -> StreamedEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"ear {NAME}")
    dial = Dial(NAME, chosen, scheme="Token", extra="deepgram")
    return StreamedEar(dial, chosen, address(chosen.url, chosen.query), lambda: FluxWire(dial))
