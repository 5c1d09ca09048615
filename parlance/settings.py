"""The settings: everything that an operator of the whole house may have an opinion about, as one validated tree.

What belongs to one agent is in that agent's own file; what belongs to one carrier is in that carrier's folder, and only
named here. Complete without a file and without an environment: `config` reads both. Times are seconds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from parlance.actors.media.acs.settings import Settings as Acs
from parlance.actors.media.asterisk.settings import Settings as Asterisk
from parlance.actors.media.freeswitch.settings import Settings as FreeSwitch
from parlance.actors.media.plivo.settings import Settings as Plivo
from parlance.actors.media.ringcentral.settings import Settings as RingCentral
from parlance.actors.media.ringover.settings import Settings as Ringover
from parlance.actors.media.telnyx.settings import Settings as Telnyx
from parlance.actors.media.twilio.settings import Settings as Twilio
from parlance.actors.media.vonage.settings import Settings as Vonage
from parlance.engine.agent import Strict
from parlance.engine.hours import zone
from parlance.switchboard.routing import OurNumber, Rule

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class Limits(Strict):
    calls: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Simultaneous calls, all agents together."""
    lateness: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.01
    """How late the metronome may be before no more calls are taken; 0 takes them however late it is."""
    agents: dict[str, Annotated[int, Field(ge=1, le=100_000)]] = Field(default_factory=dict)
    """Simultaneous calls of single agents, instead of what their own files say."""


class Drain(Strict):
    limit: Seconds = 30.0
    """How long calls may go on after the program was asked to stop."""
    grace: Seconds = 10.0
    """How long their last words may take after that."""


class Media(Strict):
    hello: Seconds = 10.0
    """From an open media socket to the carrier's start message."""
    bad_messages: Annotated[int, Field(ge=0, le=100_000)] = 10
    """How many malformed messages a call survives."""
    silence: Seconds = 30.0
    """No audio at all from the carrier, not even silence: the line is dead."""
    lead: Annotated[float, Field(ge=0.02, le=5, allow_inf_nan=False)] = 0.2
    """Audio sent ahead of the ear."""
    reconnect: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 5.0
    """How long a call waits for its media socket to come back after it was dropped; 0: not at all."""
    open: bool | None = None
    """Whether sockets of the browser profile, and of Twilio where it is not set up, are taken from anybody. Not said:
    only while the house listens on this machine's own addresses, and has no `public_url`."""
    origins: tuple[str, ...] = ()
    """Pages of other hosts that may open browser sockets, as `https://example.com`."""
    second_host: str = "0.0.0.0"
    second_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Another port on which Ringover's media sockets are taken at `/ws`; 0: none."""


class Watch(Strict):
    limit: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.05
    """A task that stops all others for longer is reported; 0 turns the watch off."""


class Garbage(Strict):
    freeze: bool = True
    """Never walk again what the start has made."""
    threshold: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    """Objects made since the last collection that set the next one off; 0 leaves Python's own number."""


class Log(Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"
    # `json` is a method of every pydantic model, so only the key can have that name.
    as_json: bool = Field(default=False, alias="json")
    """The key `json`: one JSON object a line instead of text."""

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class Key(Strict):
    """One holder of an API key. The key itself is nowhere: `parlance key` makes one and says its hash."""

    name: Word
    hash: str
    scopes: tuple[Literal["calls:read", "calls:write", "calls:place", "admin"], ...] = ("calls:read",)

    @field_validator("hash")
    @classmethod
    def _hashed(cls, hash: str) -> str:
        if hash.startswith("plk_"):
            raise ValueError("this is the key itself: put the hash here that `parlance key` printed with it")
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", hash):
            raise ValueError("this is no hash as `parlance key` prints it: sha256: and 64 hexadecimal digits")
        return hash


class Api(Strict):
    """The calls API."""

    keys: tuple[Key, ...] = ()
    rate: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 50.0
    """Requests a second that one key may make, on average."""
    burst: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Requests that it may make at once."""


class Lives(Strict):
    """How long a call may be where it is, before it counts as lost."""

    setup: Seconds = 30.0
    """Until it rings, or its media comes."""
    ring: Seconds = 120.0
    media: Seconds = 10.0
    """From the answer to the media."""
    ending: Seconds = 30.0


class Carriers(Strict):
    """Who brings calls. A carrier that is not here is not set up."""

    ringover: Ringover | None = None
    acs: Acs | None = None
    ringcentral: RingCentral | None = None
    twilio: Twilio | None = None
    telnyx: Telnyx | None = None
    plivo: Plivo | None = None
    vonage: Vonage | None = None
    asterisk: Asterisk | None = None
    freeswitch: FreeSwitch | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are set up."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


class Settings(Strict):
    """Everything an operator can set."""

    host: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """0 lets the system choose one."""
    public_url: str = ""
    """Where carriers find this house: `https://your.host`. Carriers with webhooks need it."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that share the port, each with limits of its own."""
    agents: tuple[Path, ...] = ()
    """YAML files, or folders of them, in addition to the agents that ship."""
    default_agent: Annotated[str, StringConstraints(min_length=1)] = "receptionist"
    """Who answers when neither the carrier, a rule nor the number called says who shall."""
    zone: str = "UTC"
    """The time zone of the rules' hours."""
    numbers: tuple[OurNumber, ...] = ()
    rules: tuple[Rule, ...] = ()
    limits: Limits = Limits()
    drain: Drain = Drain()
    media: Media = Media()
    lives: Lives = Lives()
    api: Api = Api()
    carriers: Carriers = Carriers()
    watch: Watch = Watch()
    gc: Garbage = Garbage()
    log: Log = Log()

    @field_validator("zone")
    @classmethod
    def _known(cls, name: str) -> str:
        zone(name)
        return name

    @field_validator("public_url")
    @classmethod
    def _address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?", url):
            raise ValueError("write it like https://your.host, with its scheme and without a slash at the end")
        return url

    @field_validator("numbers")
    @classmethod
    def _once(cls, numbers: tuple[OurNumber, ...]) -> tuple[OurNumber, ...]:
        said = [(number.carrier, number.number) for number in numbers]
        if double := next((one for one in said if said.count(one) > 1), None):
            raise ValueError(f"{double[1]} of {double[0]} is there twice")
        return numbers

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        known = {*type(self.carriers).model_fields, "browser"}
        for number in self.numbers:
            if number.carrier not in known:
                there = ", ".join(sorted(known))
                raise ValueError(f"numbers: there is no carrier {number.carrier!r}; there are {there}")
        if self.media.second_port and self.carriers.ringover is None:
            raise ValueError("media.second_port: it is for Ringover, which is not set up: add [carriers.ringover]")
        if self.workers > 1 and (self.carriers.names or self.api.keys):
            raise ValueError("workers: with carriers or API keys there can be one only: each knows its own calls")
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the house."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def open(self) -> bool:
        """Whether sockets that show nothing are taken."""
        return self.loopback and not self.public_url if self.media.open is None else self.media.open
