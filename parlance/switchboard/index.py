"""The calls that are known, by whatever somebody may know them by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import trio

from parlance.actors.media.webhook import Welcome
from parlance.engine.record import Status
from parlance.switchboard.entry import Entry

PAST = 2_000
"""Calls that have ended and are still known: news of them may come late, and twice."""


class Index:
    """Entries by our id, by their ticket, by the carrier's id."""

    def __init__(self) -> None:
        self._ids: dict[str, Entry] = {}
        self._tickets: dict[str, Entry] = {}
        self._lines: dict[tuple[str, str], Entry] = {}
        self._past: OrderedDict[str, Entry] = OrderedDict()
        self._emptied = trio.Event()

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Entry]:
        """Those that live, the oldest first."""
        return iter(list(self._ids.values()))

    def add(self, entry: Entry) -> None:
        self._ids[entry.id] = entry
        self.note(entry)

    def note(self, entry: Entry) -> None:
        """What it is known by has changed."""
        if entry.id in self._ids:
            self._tickets[entry.ticket] = entry
        if entry.record.line:
            key = (entry.record.carrier, entry.record.line)
            if self._lines.get(key) is not entry:
                self._lines[key] = entry
                entry.lines.append(key)

    def forget(self, entry: Entry) -> None:
        """What it was known by so far is about to change."""
        self._tickets.pop(entry.ticket, None)
        self._unline(entry)

    def _unline(self, entry: Entry) -> None:
        for key in entry.lines:
            if self._lines.get(key) is entry:
                del self._lines[key]
        entry.lines.clear()

    def settle(self, entry: Entry) -> None:
        """It has ended. Its carrier's id is known for a while, its ticket no more."""
        self._ids.pop(entry.id, None)
        self._tickets.pop(entry.ticket, None)
        self._past[entry.id] = entry
        while len(self._past) > PAST:
            self._unline(self._past.popitem(last=False)[1])
        if not self._ids:
            self._emptied.set()

    async def empty(self) -> None:
        """Wait until no call lives."""
        while self._ids:
            self._emptied = trio.Event()
            await self._emptied.wait()

    def get(self, id: str) -> Entry | None:
        return self._ids.get(id)

    def ended(self, id: str) -> Entry | None:
        return self._past.get(id)

    def ticket(self, ticket: str) -> Entry | None:
        return self._tickets.get(ticket)

    def line(self, carrier: str, call: str) -> Entry | None:
        """By the carrier's id: one that lives or has ended not long ago."""
        return self._lines.get((carrier, call)) if call else None

    def waiting(self, carrier: str, caller: str, called: str) -> Entry | None:
        """The oldest call of a carrier that waits for its media, as far as its numbers do not contradict. One that was
        given a ticket is not taken by a socket that says nothing at all.
        """
        said = bool(caller or called)
        return next(
            (
                one
                for one in self._of(carrier)
                if one.awaited and one.fits(caller, called) and (said or not isinstance(one.verdict, Welcome))
            ),
            None,
        )

    def nameless(self, carrier: str, caller: str, called: str) -> Entry | None:
        """The oldest inbound call of a carrier whose media has come without the carrier's id."""
        return next(
            (
                one
                for one in self._of(carrier)
                if one.call is not None and not one.outbound and not one.record.line and one.fits(caller, called)
            ),
            None,
        )

    def _of(self, carrier: str) -> Iterator[Entry]:
        """Calls that nobody is ending."""
        return (
            entry
            for entry in self._ids.values()
            if entry.record.carrier == carrier and entry.life.status is not Status.ENDING
        )
