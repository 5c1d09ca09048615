"""A desk without a switchboard, and the application in front of it with keys of every kind."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parlance.engine.record import Direction, Record, Status
from parlance.http.app import Office, View, create
from parlance.http.auth import SCOPES, Auth, Entry, Keys, make
from parlance.persistence.memory import MemoryDirectory, MemoryStore
from parlance.switchboard.desk import (
    Answer,
    Command,
    Declined,
    Filter,
    Hold,
    Mute,
    Order,
    Page,
    Terminate,
    Text,
    Transfer,
    Unknown,
)
from parlance.switchboard.routing import OurNumber

KEYS: dict[str, str] = {}
ENTRIES: list[Entry] = []
for name, scopes in [*((scope, (scope,)) for scope in SCOPES), ("nothing", ())]:
    KEYS[name], digest = make()
    ENTRIES.append(Entry(name, digest, scopes))


@dataclass
class StubDesk:
    """Keeps calls, and what it was asked for. `declines`, when set, is raised by everything."""

    store: MemoryStore = field(default_factory=MemoryStore)
    now: float = 1_795_200_000.0
    placed: list[tuple[Order, str]] = field(default_factory=list)
    asked: list[tuple[Filter, str | None, int]] = field(default_factory=list)
    commanded: list[tuple[str, Command]] = field(default_factory=list)
    sent: list[Text] = field(default_factory=list)
    declines: Exception | None = None

    async def send(self, message: Text) -> OurNumber:
        self._decline()
        self.sent.append(message)
        return OurNumber(number=message.source or "+33142685300", carrier="ringover")

    async def place(self, order: Order, key: str = "") -> tuple[Record, bool]:
        self._decline()
        for other, known in self.placed:
            if key and known == key:
                if other != order:
                    raise Declined("conflict", "another order has this key")
                (record,) = await self.store.find(lambda r: r.line == key, before=None, limit=1)
                return record, False
        self.placed.append((order, key))
        self.now += 1
        record = Record(
            f"c{len(self.placed)}",
            order.carrier or "ringover",
            Direction.OUTBOUND,
            order.agent or "receptionist",
            caller=order.source,
            called=order.to,
            created=self.now,
            line=key,
            metadata=order.metadata,
        )
        self.store.keep(record)
        return record, True

    async def get(self, id: str) -> Record:
        self._decline()
        if (record := await self.store.get(id)) is None:
            raise Unknown(f"there is no call {id}")
        return record

    async def find(self, which: Filter, *, cursor: str | None, limit: int) -> Page:
        self._decline()
        self.asked.append((which, cursor, limit))
        before = None
        if cursor is not None:
            try:
                created, id = base64.urlsafe_b64decode(cursor).decode().split(" ")
                before = (float(created), id)
            except ValueError:
                raise Declined("bad-cursor", "this is no cursor of ours") from None

        def match(record: Record) -> bool:
            return not which.status or record.status in which.status

        found = await self.store.find(match, before=before, limit=limit)
        last = f"{found[-1].created!r} {found[-1].id}" if len(found) == limit else None
        return Page(found, last and base64.urlsafe_b64encode(last.encode()).decode())

    async def command(self, id: str, command: Command) -> Answer:
        self._decline()
        record = await self.get(id)
        self.commanded.append((id, command))
        if record.status.final:
            return Answer(record, False, "the call has ended")
        match command:
            case Terminate(_, reason):
                record = replace(record, status=Status.ENDED, ended=self.now, ended_by="operator", reason=reason)
            case Mute(on):
                record = replace(record, muted=on)
            case Hold(on):
                record = replace(record, held=on)
            case Transfer(to):
                record = replace(record, transferred=to)
        self.store.keep(record)
        return Answer(record)

    def _decline(self) -> None:
        if self.declines is not None:
            raise self.declines


class Front:
    """The application over a stub desk, and a client of it."""

    def __init__(self, entries: list[Entry] | None = None, **limits: Any) -> None:
        self.desk = StubDesk()
        self.directory = MemoryDirectory()
        self.auth = Auth(Keys(ENTRIES if entries is None else entries), self.directory, **limits)
        view = View(agents={}, ready=lambda: None, statistics=dict)
        self.app = create(view, office=Office(self.desk, self.auth))
        self.client = self.app.test_client()

    async def ask(
        self,
        method: str,
        path: str = "/api/v1/calls",
        *,
        key: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers of the answer. `key`: the name of one of `KEYS`, or None."""
        sent = {**({} if key is None else {"Authorization": f"Bearer {KEYS[key]}"}), **(headers or {})}
        answer = await self.client.open(path, method=method, headers=sent, **options)
        return answer.status_code, await answer.get_json(force=True), answer.headers
