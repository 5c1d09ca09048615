"""What the house needs of a carrier's REST interface: a `Control` that turns our verbs into requests. Pure.

A control is sans-IO: it builds an `Errand` and reads its answer; `runner` carries them. A verb that a carrier does not
have is not in `verbs`. What cannot be done any more because the call has ended there is `Ended`, which is no fault.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from parlance.engine.errors import Rejected

Verb = Literal["place", "answer", "reject", "hang_up", "transfer", "mute", "hold", "dtmf", "message"]


@dataclass(frozen=True, slots=True)
class Errand:
    """One HTTP request to a carrier. `headers` hold what authenticates it: they are never logged."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""
    again: bool = False
    """Whether it may be sent again when nobody knows what became of it. What was refused with 429 may be always."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """`now`: seconds since 1970, of this attempt; `id`: of the act, the same for all its attempts."""

    now: float
    id: str


@dataclass(frozen=True, slots=True)
class Handle:
    """What a carrier knows a call by: its id, and another one where its control needs one."""

    call: str = ""
    leg: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A call to be placed. Numbers are E.164 with their plus."""

    call: str
    """Our id."""
    to: str
    source: str
    """The number it comes from: ours, at the carrier."""
    agent: str
    ticket: str
    """Lets the call's media socket in."""
    ring: int = 30
    """Seconds for which it may ring."""
    machines: bool = False
    """Whether the carrier shall listen for answering machines."""


class Control(ABC):
    """One carrier's requests: what to send now. A verb that is not in `verbs` is never asked for; a carrier that has no
    word for it inherits what refuses it. Raises `errors.Rejected`.
    """

    carrier: str
    verbs: frozenset[Verb]

    @abstractmethod
    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand: ...

    def answer(self, call: str, leg: str, context: str, ours: str, ticket: str, stamp: Stamp) -> Errand:
        """Take a call that was offered (`webhook.Offer`) and send its media here."""
        raise self._lacking("answer")

    def reject(self, call: str, leg: str, context: str, busy: bool, stamp: Stamp) -> Errand:
        """Refuse a call that was offered."""
        raise self._lacking("reject")

    @abstractmethod
    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand: ...

    @abstractmethod
    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        """Connect the caller with the number `to`, blind; our media ends."""

    def mute(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        raise self._lacking("mute")

    def hold(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        raise self._lacking("hold")

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        raise self._lacking("dtmf")

    def message(self, source: str, to: str, words: str, stamp: Stamp) -> Errand:
        """A text message (SMS)."""
        raise self._lacking("message")

    def _lacking(self, verb: Verb) -> Rejected:
        return Rejected(self.carrier, f"there is no {verb} here")

    @abstractmethod
    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        """The answer to an errand of this verb; the handle may be empty.

        Raises `errors.Ended` where the call is over already, `Overloaded`, `Unreachable` (5xx), and `Rejected` for any
        other status that is no success, each with the carrier's own words.
        """
