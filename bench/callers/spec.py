"""What the callers are told: the one JSON object on standard input, checked."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


class BadSpec(Exception):
    """The spec cannot be run. Its text says what is wrong, in one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Strict):
    """What of the response time is not the engine's own share, in seconds."""

    end_of_turn: Seconds = 0.3
    """From the last voiced frame until an agent of these settings takes the turn as ended."""
    providers: Seconds = 0.31
    """What ear, mind and voice take by their settings."""


class Spec(_Strict):
    """One run of callers."""

    url: str
    """`ws://host:port/path` of the server's media socket; without a path it is the dialect's own."""
    carrier: Literal["twilio", "ringover", "acs"] = "twilio"
    """Whose dialect is spoken."""
    token: str = ""
    bearer: str = ""
    """What lets the sockets in: the token that was set up with the carrier, and what the carrier signs its handshake
    with."""
    agent: str = "rehearsal"
    """As the dialect passes it on."""
    calls: Annotated[int, Field(ge=1, le=5000)] = 1
    ramp: Seconds = 5.0
    """Over which the calls arrive, one after another."""
    seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 45.0
    """The steady window after the ramp, in which turns are counted."""
    mix: Literal["conversation", "rough"] = "conversation"
    seed: int = 1
    budget: Budget = Budget()
    patience: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 3.0
    """After which an unanswered utterance is a failed turn."""
    reply: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 3.4
    """Seconds of sound that the agent answers every turn with: what is missing or too much is held against it."""
    waveform: bool = False
    """Whether one call's two tracks are part of the result."""
    arrival: Literal["spread", "at once"] = "spread"
    """`at once`: all calls are dialed within 100 ms, and the ramp is only the time before the window. Who is refused
    dials again about once a second, so that what is too much is offered all the time."""
    hold: Literal["run"] = "run"
    """How long a call lasts: to the end of the run, unless the mix hangs up."""
    greeter: str = ""
    """An agent with a greeting, whom short calls are made to in the window, beside all others: of these is measured how
    soon the greeting begins. Empty: there are none."""

    @field_validator("url")
    @classmethod
    def _plain_socket(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "ws" or not parts.hostname:
            raise ValueError(f"{url!r} is not the address of an unencrypted WebSocket: ws://host:port/path")
        _ = parts.port  # raises ValueError where it is no number
        return url


def read(text: str) -> Spec:
    """The spec in `text`. Raises `BadSpec`, with every fault in one line."""
    try:
        return Spec.model_validate_json(text)
    except ValidationError as error:
        faults = [": ".join(filter(None, (_place(fault["loc"]), fault["msg"]))) for fault in error.errors()]
        raise BadSpec(f"the spec is wrong: {'; '.join(faults)}") from None


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path))
