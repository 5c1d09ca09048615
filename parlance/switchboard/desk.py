"""What operators may ask of the switchboard, as data, and what it answers. Pure.

All commands go through `Desk.command`, whoever gives them. A command to a call that has ended is answered, not raised:
`done` is False and `detail` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from parlance.engine.errors import ParlanceError
from parlance.engine.record import Direction, Record, Status
from parlance.switchboard.routing import OurNumber


@dataclass(frozen=True, slots=True)
class Order:
    """A call to be placed. Numbers are E.164. `source`: one of ours, empty for the agent's or the carrier's first."""

    to: str
    agent: str = ""
    source: str = ""
    carrier: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    not_before: float | None = None
    """Seconds since 1970 before which it is not dialed."""
    attempts: int | None = None
    """How often it may be dialed; None: as the settings say."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text message to be sent. Numbers are E.164. `source`: one of ours, empty for the default agent's first."""

    to: str
    words: str
    source: str = ""
    carrier: str = ""


@dataclass(frozen=True, slots=True)
class Terminate:
    """End the call. `words`: what the agent says before; None: nothing."""

    words: str | None = None
    reason: str = "ended by an operator"


@dataclass(frozen=True, slots=True)
class Transfer:
    to: str


@dataclass(frozen=True, slots=True)
class Mute:
    on: bool


@dataclass(frozen=True, slots=True)
class Hold:
    on: bool


@dataclass(frozen=True, slots=True)
class Press:
    digits: str


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    interrupt: bool = False


Command = Terminate | Transfer | Mute | Hold | Press | Say


@dataclass(frozen=True, slots=True)
class Answer:
    """`record`: the call after the command. `done`: whether it had an effect, `detail` says why not."""

    record: Record
    done: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls to list. Empty fields do not filter."""

    status: frozenset[Status] = frozenset()
    direction: Direction | None = None
    agent: str = ""
    carrier: str = ""
    number: str = ""
    """The caller's or the called one."""
    since: float | None = None
    """Created at or after this, seconds since 1970."""
    until: float | None = None
    """Created before this."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """Records, the newest first, and the cursor of the next page, None where there is none."""

    records: Sequence[Record]
    cursor: str | None = None


class Unknown(ParlanceError):
    """There is no such call, or never was."""


class Declined(ParlanceError):
    """What was asked for cannot be done. `code` is one word: `unknown-agent`, `unknown-number`, `bad-number`,
    `no-carrier`, `too-late` (the time to dial it is too far off), `draining`, `not-possible` (this carrier cannot),
    `not-now` (the call is not in the state for it), `full` (the queue of calls to be placed), `bad-cursor`, `conflict`
    (another order has this idempotency key), `carrier` (it said no)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Desk(Protocol):
    """Calls as a resource."""

    async def place(self, order: Order, key: str = "") -> tuple[Record, bool]:
        """Queue a call. The same `key` and order again give the same call, and False. Raises `Declined`."""

    async def send(self, message: Text) -> OurNumber:
        """Send a text message; from which number it went. Raises `Declined`."""

    async def get(self, id: str) -> Record:
        """Raises `Unknown`."""

    async def find(self, which: Filter, *, cursor: str | None, limit: int) -> Page:
        """Raises `Declined` (`bad-cursor`) for a cursor that is none of ours."""

    async def command(self, id: str, command: Command) -> Answer:
        """Raises `Unknown`, and `Declined` for what is not possible with a call that goes on."""
