"""Media sockets on the switchboard: which call each of them is, and whether it may come in.

A socket is let in by its call's ticket, by the carrier's own token, or where the house takes calls from anybody who
reaches it. Of one call there is one socket at a time: a second one comes in only while the call waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from parlance.actors.media.access import Access
from parlance.actors.media.port import Socket, Started, Wire
from parlance.engine import life as l
from parlance.engine.errors import Refused
from parlance.engine.message import By
from parlance.engine.record import Direction, Status
from parlance.switchboard.board import Switchboard
from parlance.switchboard.entry import Entry

POLICY = 1008
"""The close code of a media socket that is not let in (RFC 6455, section 7.4.1)."""
NUMBER = 64
"""Characters kept of a caller's and a called number."""


_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A carrier's id that is ours, too: it can stand in a path. Any other one is the carrier's only."""
PAIRS, NAME, VALUE = 20, 64, 512
"""What is kept of a stream's parameters: so many, with so many characters."""


def bounded(parameters: Mapping[str, str]) -> dict[str, str]:
    """As much of them as the API takes of an operator."""
    return {name[:NAME]: value[:VALUE] for name, value in list(parameters.items())[:PAIRS]}


class Arrivals:
    """`accesses`: of the carriers whose sockets must show that they may; any other carrier's are taken as they come."""

    def __init__(
        self,
        board: Switchboard,
        accesses: Mapping[str, Access],
        local: Callable[[], datetime],
        refuse: Callable[[str, int, str], Refused],
    ) -> None:
        self._board, self._accesses, self._local, self._refuse = board, accesses, local, refuse

    def of(self, carrier: str, started: Started) -> Entry:
        """The call that this socket is. Raises `Refused` with the code to close it with."""
        index = self._board.index
        entry = index.ticket(started.ticket) if started.ticket else None
        if entry is None:
            self._check(carrier, started)
            entry = index.line(carrier, started.call) or index.get(started.call)
        if entry is not None and entry.record.carrier != carrier:
            raise self._refuse("no-ticket", POLICY, "this call is another carrier's")
        if entry is not None and entry.life.status.final:
            # A carrier may send its call here again, after another agent or a person had it: that is another call.
            entry = None
        if entry is None and started.again:
            raise self._refuse("unknown-call", POLICY, f"there is no call {started.call[:64]} any more")
        if entry is None and not started.call:
            entry = index.waiting(carrier, started.caller, started.called)
        if entry is None:
            return self._new(carrier, started)
        if entry.life.status is Status.ENDING:
            raise self._refuse("ended", POLICY, f"call {entry.id} has ended")
        if entry.media is not None and not entry.media.waiting:
            raise self._refuse("duplicate", POLICY, f"call {started.call or entry.id} is on the line already")
        return entry

    def _check(self, carrier: str, started: Started) -> None:
        access = self._accesses.get(carrier)
        if access is None or access.knows(started.ticket):
            return
        if not started.ticket:
            raise self._refuse("no-ticket", POLICY, "a media socket needs its call's ticket or the carrier's token")
        told = f"this is neither the ticket of a call nor the media_token of {carrier}"
        raise self._refuse("unknown-call", POLICY, told)

    def _new(self, carrier: str, started: Started) -> Entry:
        """A call of which nobody has told us before."""
        board, caller, called = self._board, started.caller[:NUMBER], started.called[:NUMBER]
        agent = board.router.agent(carrier, caller, called, self._local(), named=started.agent)
        board.host.agent(agent)
        plain = _ID.fullmatch(started.call) is not None and board.index.ended(started.call) is None
        return board.open(
            carrier,
            Direction.INBOUND,
            agent,
            known=False,
            id=started.call if plain else "",
            caller=caller,
            called=called,
            line=started.call,
            metadata=bounded(started.parameters),
        )

    def rejoin(self, entry: Entry, wire: Wire, socket: Socket, ended: Callable[[], None]) -> None:
        """The call's media comes back on another socket. Raises `Refused`, and `LineError` for another format."""
        if entry.media is None or not entry.media.rejoin(wire, socket):
            raise self._refuse("duplicate", POLICY, f"call {entry.id} is on the line already")
        entry.wire = wire
        entry.parting.append(ended)

    def turned_away(self, entry: Entry, reason: str) -> None:
        """Its media was not let in, for want of room or of its agent: unless it has other media, that ends it."""
        if entry.call is None:
            # What nobody has offered us is not ours to hang up: its carrier may have other plans for it.
            entry.ours = entry.ours and (entry.outbound or entry.verdict is not None)
            self._board.happen(entry, l.End(By.HOUSE, reason, failed=True))
