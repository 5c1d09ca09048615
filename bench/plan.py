"""What is run: which server, with how many calls, for how long. Pure: the options of the command become a list of rows,
and the rows say how long they will take.

With few calls the window is longer, so that a single caller has enough turns: his pattern of 25.5 s holds four replies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.limits import FULL

Mix = Literal["conversation", "rough"]
Arrival = Literal["spread", "at once"]
Carrier = Literal["twilio", "ringover", "acs"]

GREETER = "greeter"
"""The agent that visitors call."""

CALLS = (1, 10, 50, 100)
QUICK = (1, 20)
WINDOW = 45.0
"""Seconds in which turns are counted."""
LONG_WINDOW = 100.0
QUICK_WINDOW = 26.0
KNEE_WINDOW = 30.0
"""Of a run of the search for the knee: there are many, with many calls each."""
FEW = 5
"""Fewer calls than this have the long window."""
RAMP, QUICK_RAMP = 5.0, 2.0
AROUND = 8.0
"""Seconds that a run takes besides ramp and window: a server starts and ends, calls end."""
MOST = 1000
"""Calls that the load-test agents may take."""
PATIENCE = 3.0
"""Seconds after which an utterance without an answer is a failed turn."""
OVERLOAD = 1.5
SHORTEST = 10.0
"""Seconds of the shortest window that has a turn in it, with the patience after it."""


class BadUse(ValueError):
    """The command cannot be carried out as given; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `calls`: how many are offered; `limit`: how many the server may take; times in seconds."""

    server: str
    calls: int
    limit: int
    seconds: float
    ramp: float
    agent: str = "rehearsal"
    mix: Mix = "conversation"
    arrival: Arrival = "spread"
    workers: int = 1
    seed: int = 1
    carrier: Carrier = "twilio"
    """In whose dialect the callers speak."""
    webhooks: int = 0
    """Carriers' webhooks a second, while the calls are up."""
    visited: bool = False
    """Whether short calls to an agent that greets come and go meanwhile."""

    @property
    def takes(self) -> float:
        """Seconds that this run is expected to take."""
        return AROUND + self.ramp + self.seconds

    @property
    def name(self) -> str:
        """The run in words."""
        offered = f"{self.calls} call{'s' * (self.calls != 1)}"
        dialect = f" on {self.carrier}" * (self.carrier != "twilio")
        return f"{self.server}, {offered}{dialect}{' at once' * (self.arrival == 'at once')}"

    def spec(
        self, url: str, *, end_of_turn: float, providers: float, waveform: bool, token: str = "", bearer: str = ""
    ) -> dict[str, Any]:
        """What the callers' process reads on its standard input. `token`, `bearer`: what lets its sockets in."""
        return {
            "url": url,
            "carrier": self.carrier,
            "token": token,
            "bearer": bearer,
            "greeter": GREETER if self.visited else "",
            "agent": self.agent,
            "calls": self.calls,
            "ramp": self.ramp,
            "seconds": self.seconds,
            "mix": self.mix,
            "seed": self.seed,
            "budget": {"end_of_turn": end_of_turn, "providers": providers},
            "patience": PATIENCE,
            "waveform": waveform,
            "arrival": self.arrival,
            "hold": "run",
        }


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; None is the default for what else was asked."""

    calls: tuple[int, ...] | None = None
    seconds: float | None = None
    ramp: float | None = None
    mix: Mix = "conversation"
    agent: str = "rehearsal"
    workers: int = 1
    seed: int = 1
    quick: bool = False
    find_knee: bool = False
    overload: int | None = None
    """The limit of which half as much again is offered."""
    peers: tuple[str, ...] = ()
    carriers: tuple[Carrier, ...] = ("twilio",)
    """Each number of calls is run with each of them; the rest of the plan with the first."""
    webhooks: int = 0

    def __post_init__(self) -> None:
        """Raises `BadUse`."""
        if self.workers > 1 and (self.carriers != ("twilio",) or self.webhooks):
            raise BadUse("--workers: only one process can know a carrier's calls: leave out --carrier and --webhooks")
        if self.peers and self.carriers != ("twilio",):
            raise BadUse("--peer: peers speak Twilio's dialect: leave out --carrier")

    def row(self, server: str, calls: int, carrier: Carrier | None = None) -> Row:
        """The run of `calls` calls against `server`."""
        usual = QUICK_WINDOW if self.quick else LONG_WINDOW if calls < FEW else WINDOW
        seconds = usual if self.seconds is None else self.seconds
        if calls == 1 and self.compared and not self.quick:
            # A tail of a handful of values is none.
            seconds = max(seconds, LONG_WINDOW)
        return Row(
            server=server,
            calls=calls,
            limit=room(calls),
            seconds=seconds,
            ramp=self._ramp,
            agent=self.agent,
            mix=self.mix,
            workers=self.workers,
            seed=self.seed,
            carrier=carrier or self.carriers[0],
            webhooks=self.webhooks if server == "parlance" else 0,
            # Nobody visits peers, who have no agent that greets: beside them that would be a cost of parlance's only.
            visited=server == "parlance" and not self.peers,
        )

    def rows(self) -> list[Row]:
        """Every run but those of the search for the knee, in order: peers stand beside parlance."""
        calls = self._asked
        if self.compared and 1 not in calls:
            calls = (1, *calls)
        rows = []
        for number in calls:
            rows += [self.row("parlance", number, carrier) for carrier in self.carriers]
            rows += [self.row(server, number) for server in self.peers]
        if self.overload:
            rows.append(self.flood(self.overload))
        return rows

    def knee(self, calls: int) -> Row:
        """A run of the search for the knee."""
        row = replace(self.row("parlance", calls), visited=False)
        return row if self.quick or self.seconds is not None else replace(row, seconds=KNEE_WINDOW)

    @property
    def compared(self) -> bool:
        """Is a run of the plan held against the single call's, so that there must be one?"""
        most = max(*self._asked, int((self.overload or 0) * OVERLOAD))
        return self.find_knee or most > FULL

    def flood(self, limit: int) -> Row:
        """Half as many calls again as the server may take, all at once."""
        return Row(
            server="parlance",
            calls=int(limit * OVERLOAD),
            limit=limit,
            seconds=self.row("parlance", limit).seconds,
            ramp=self._ramp,
            agent=self.agent,
            mix=self.mix,
            arrival="at once",
            workers=self.workers,
            seed=self.seed,
            carrier=self.carriers[0],
        )

    @property
    def _asked(self) -> tuple[int, ...]:
        """The numbers of calls that were asked for."""
        if self.calls is not None:
            return self.calls
        return (1,) if self.find_knee or self.overload else QUICK if self.quick else CALLS

    @property
    def _ramp(self) -> float:
        return (QUICK_RAMP if self.quick else RAMP) if self.ramp is None else self.ramp


def room(calls: int) -> int:
    """The limit for a run that shall not meet it: who hangs up and calls again may come before he was seen to go."""
    return calls + max(10, calls // 4)


def numbers(text: str) -> tuple[int, ...]:
    """`1,10,50` as numbers of calls, ascending and each once. Raises `BadUse`."""
    found = set()
    for part in text.split(","):
        if not part.strip().isdecimal() or not 1 <= int(part) <= MOST:
            raise BadUse(f"--calls is a list of numbers from 1 to {MOST} like 1,10,50,100; {part.strip()!r} is not one")
        found.add(int(part))
    return tuple(sorted(found))


def duration(seconds: float) -> str:
    """`310` is "5 min 10 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def expected(rows: Sequence[Row]) -> float:
    """Seconds that all of them take."""
    return sum(row.takes for row in rows)
