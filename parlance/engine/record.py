"""What is known about a call besides its audio and its words: the record that operators and stores see. Pure.

Times are seconds since 1970. A record never changes; what has happened since makes another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from parlance.engine.effort import CallUsed


class Status(Enum):
    """Where a call is in its life. The last two are final."""

    INITIALIZING = "initializing"
    RINGING = "ringing"
    CONNECTED = "connected"
    """Answered; its media has not come yet."""
    IN_PROGRESS = "in_progress"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (Status.ENDED, Status.FAILED)


class Direction(Enum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class Record:
    """One call."""

    id: str
    carrier: str
    direction: Direction
    agent: str
    caller: str = ""
    called: str = ""
    status: Status = Status.INITIALIZING
    created: float = 0.0
    ringing: float | None = None
    connected: float | None = None
    started: float | None = None
    """When its media came and the agent could speak."""
    ended: float | None = None
    ended_by: str = ""
    """`caller`, `agent`, `operator`, `carrier` or `house`; empty while it goes on."""
    reason: str = ""
    """Why it ended, in words; in one word for what never was answered: `busy`, `no-answer`, `canceled`, `machine`."""
    answered_by: str = ""
    """`human` or `machine`, where somebody knows."""
    muted: bool = False
    held: bool = False
    transferred: str = ""
    """The number that the caller was connected with."""
    attempts: int = 0
    """How often an outbound call was dialed."""
    due: float | None = None
    """When an outbound call is dialed next; None while it is not waiting for that."""
    used: CallUsed | None = None
    """What it has used of ears, minds and voices; None until it has ended, or where nobody spoke."""
    line: str = ""
    """The carrier's id of the call."""
    leg: str = ""
    """The carrier's other id, where it has one."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What whoever placed the call wants to find again."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = asdict(self)
        return {**plain, "direction": self.direction.value, "status": self.status.value}
