"""What the switchboard needs of the house and of carriers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from parlance.actors.media.errand import Control, Errand, Handle, Stamp, Verb
from parlance.actors.media.port import Socket, Wire
from parlance.engine.agent import Agent
from parlance.engine.errors import Refused
from parlance.engine.exchange import Seat


class Carrier(Protocol):
    """A carrier that takes our requests, whoever carries them."""

    name: str
    verbs: frozenset[Verb]

    async def do(self, verb: Verb, ask: Callable[[Control, Stamp], Errand]) -> Handle:
        """Have one errand run, again where that helps. Raises `ProviderError`; `errors.Ended` is one."""


class Host(Protocol):
    """What the switchboard needs of the house."""

    @property
    def agents(self) -> Mapping[str, Agent]: ...

    def seat(self, agent: str) -> Seat:
        """Capacity for one call of that agent. Raises `errors.Refused`."""

    def agent(self, name: str) -> Agent:
        """Raises `errors.Refused` for one that takes no calls here."""

    def closed(self, agent: str) -> str:
        """Why `seat` would refuse this agent a call now, in one word and without counting it; empty if it would not."""

    def refuse(self, reason: str, code: int, message: str) -> Refused:
        """The error to raise for a call that is not taken, counted under `reason`."""


class Line(Protocol):
    """What the switchboard needs of a call's media."""

    @property
    def waiting(self) -> bool:
        """Whether its socket was dropped, and another one may take its place."""

    def rejoin(self, wire: Wire, socket: Socket) -> bool:
        """Go on with this socket; False if it does not wait for one."""

    def answered(self) -> None:
        """The call was answered: what came so far was early media."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that a call may be where it is, before it counts as lost."""

    setup: float = 30.0
    """Until the carrier says that it rings, or its media comes."""
    ring: float = 120.0
    media: float = 10.0
    """From the answer to the media."""
    ending: float = 30.0
    """Last words, the carrier's good-bye: then it is over, whoever has not said so."""
