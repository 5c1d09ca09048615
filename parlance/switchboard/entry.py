"""One call on the switchboard: its record, its life, and what it holds on to while it lives."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from parlance.actors.media.errand import Handle
from parlance.actors.media.port import Wire
from parlance.actors.media.webhook import Refusal, Welcome
from parlance.engine.call import Call
from parlance.engine.exchange import Seat
from parlance.engine.life import Life
from parlance.engine.record import Direction, Record, Status
from parlance.switchboard.numbers import same_number
from parlance.switchboard.port import Line


def new_id() -> str:
    """A call's id: unguessable, and short enough to be read aloud in two breaths."""
    return secrets.token_hex(8)


@dataclass(slots=True, eq=False)
class Entry:
    """`ours`: the call came here by our word, or we have placed it, so that it is ours to hang up."""

    record: Record
    kept: Callable[[Record], None]
    ours: bool = True
    known: bool = True
    """Whether there is a record of it: not yet, of a socket that may still be turned away."""
    attempt: int = 0
    """Which one this is, of a call that is dialed again."""
    undecided: int = 0
    """Errands on their way that decide what there is to hang up."""
    hanging: bool = False
    """To be hung up as soon as that is known."""
    lock: trio.Lock = field(default_factory=trio.Lock)
    """Operators' commands come one after another."""
    life: Life = field(default_factory=Life)
    lines: list[tuple[str, str]] = field(default_factory=list)
    """What the index knows it by: carriers' ids, old ones too."""
    ticket: str = field(default_factory=lambda: secrets.token_hex(24))
    seat: Seat | None = None
    parting: list[Callable[[], None]] = field(default_factory=list)
    """To be called when the call has ended: those who brought it another socket."""
    call: Call | None = None
    media: Line | None = None
    wire: Wire | None = None
    verdict: Welcome | Refusal | None = None
    """What was answered when the call was offered."""
    context: str = ""
    expires: float | None = None
    """When its present status has lasted too long, by Trio's clock."""
    ring: float | None = None
    """Seconds for which it may ring, where that is ours to say."""
    order: float = 0.0
    """Of the latest news, where the carrier numbers them."""
    past: set[str] = field(default_factory=set)
    """The carrier's ids of earlier attempts."""
    seen: set[str] = field(default_factory=set)
    """Events that were told already."""
    attempts: int | None = None
    """How often it may be dialed, where whoever ordered it has said."""
    machine: bool = False
    """An answering machine has taken it."""
    machined: Callable[[], None] | None = None
    """To be called when that is known; None while nobody listens."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def handle(self) -> Handle:
        return Handle(self.record.line, self.record.leg)

    @property
    def outbound(self) -> bool:
        return self.record.direction is Direction.OUTBOUND

    @property
    def awaited(self) -> bool:
        """Whether its media may come now: an outbound one must have been dialed."""
        return self.call is None and (not self.outbound or (self.record.due is None and self.record.attempts > 0))

    def fits(self, caller: str, called: str) -> bool:
        """Whether these numbers may be its; an empty one may be anybody's. Of a call that we placed, who is the caller
        depends on whom one asks.
        """
        ours = (self.record.caller, self.record.called)
        return _alike(ours, (caller, called)) or (self.outbound and _alike(ours, (called, caller)))

    def change(self, **what: Any) -> None:
        """Another record, and it is kept. Nothing, if nothing is different."""
        record = replace(self.record, **what)
        if record != self.record:
            self.record = record
            if self.known:
                self.kept(record)

    def release(self) -> None:
        """Give the seat back, if no call sits in it."""
        if self.seat is not None:
            self.seat.release()
            self.seat = None

    def again(self, due: float) -> None:
        """Back to the beginning: it is dialed once more at `due`."""
        self.release()
        self.past.add(self.record.line)
        self.attempt += 1
        self.undecided, self.hanging = 0, False
        self.life = Life()
        self.ticket = secrets.token_hex(24)
        self.expires, self.order = None, 0.0
        self.seen.clear()
        self.change(status=Status.INITIALIZING, due=due, line="", leg="", ringing=None, connected=None)


def _alike(ours: tuple[str, str], said: tuple[str, str]) -> bool:
    return all(not one or not other or same_number(one, other) for one, other in zip(ours, said, strict=True))
