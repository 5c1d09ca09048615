"""What is asked of whatever keeps things: a `Store` for what has been, a `Directory` for what is now. Pure.

Keeping never waits: no call ever waits for a store. Asking may wait. Both may be in memory (`memory`), and a process
that ends takes with it what is in memory; databases come behind the same two interfaces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from parlance.engine.record import Record


class Store(Protocol):
    """Records of calls, the ones that go on and the ones that have ended."""

    def keep(self, record: Record) -> None:
        """This is now the record of its call. Never waits."""

    async def get(self, id: str) -> Record | None:
        """The record of that call."""

    async def find(
        self, match: Callable[[Record], bool], *, before: tuple[float, str] | None, limit: int
    ) -> Sequence[Record]:
        """Up to `limit` records that match, the newest first; `before`: (created, id) of the last one already had."""


class Directory(Protocol):
    """Small facts that several processes may have to share, each for a limited time."""

    async def claim(self, key: str, value: str, seconds: float) -> str | None:
        """Remember `value` under `key`, unless there is one already: then that one is returned, else None."""

    async def release(self, key: str) -> None:
        """Forget what is under `key`."""

    async def spend(self, key: str, *, rate: float, burst: int) -> float:
        """Take one of the tokens that come back at `rate` a second, `burst` at most. 0.0, or seconds until there is
        one: then none was taken."""
