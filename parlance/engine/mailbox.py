"""Bounded mailboxes between tasks: everything about being full, being empty and being closed lives here.

A mailbox knows nothing of what it carries but its weight. Producers on the frame path use `put_nowait`, which
never waits and never switches tasks; only what may wait is `async`. Not for use across threads.

Two invariants make cancellation safe and the order first in, first out: a getter waits only while the mailbox
is empty, and a putter waits only while its item, or one before it, does not fit. Whoever removes a waiter has
already done that waiter's work, so a wake-up cannot be lost to a cancellation that comes after it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar, cast

import outcome
import trio

from parlance.engine.errors import Full

T = TypeVar("T")


class Policy(Enum):
    """What happens to an item that does not fit."""

    WAIT = "wait"
    """The producer waits: the mailbox is its brake."""
    SHED = "shed"
    """The oldest items make room, and are counted."""
    REFUSE = "refuse"
    """`errors.Full`: it must never happen."""


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """`put` = `taken` + `shed` + `cleared` + `length`. `weight`, `peak` and `bound` are in the bound's unit."""

    length: int
    weight: int
    peak: int
    bound: int
    put: int
    taken: int
    shed: int
    cleared: int
    waiting_putters: int
    waiting_getters: int
    closed: bool


class Mailbox(Generic[T]):
    """A queue of at most `bound` items; or, with `weigh`, of items that weigh at most `bound` together.

    No item weighs less than 1, so that no number of empty ones can pass the bound. An item heavier than the
    whole bound can never fit: SHED sheds that item itself, WAIT and REFUSE raise `errors.Full`.
    """

    def __init__(self, bound: int, policy: Policy, *, weigh: Callable[[T], int] | None = None) -> None:
        if bound < 1:
            raise ValueError(f"a mailbox must be able to hold something: its bound is {bound}")
        self._bound = bound
        self._policy = policy
        self._weigh = weigh
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._closed = False
        self._getters: OrderedDict[trio.lowlevel.Task, None] = OrderedDict()
        self._putters: OrderedDict[trio.lowlevel.Task, tuple[T, int]] = OrderedDict()
        self._peak = self._put = self._taken = self._shed = self._cleared = 0

    def put_nowait(self, item: T) -> None:
        """Put `item`, or do what the policy says where it does not fit.

        Raises `trio.WouldBlock` (WAIT: it does not fit, or others wait before it), `errors.Full` (REFUSE),
        `trio.ClosedResourceError` (closed).
        """
        self._offer(item, self._weight_of(item))

    async def put(self, item: T) -> None:
        """Put `item`; under WAIT, when there is room for it and for all that waited before it.

        Cancelled, it has put nothing. Raises as `put_nowait` does, but for `trio.WouldBlock`; closing the
        mailbox wakes a waiting putter with `trio.ClosedResourceError`, its item not put.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        weight = self._weight_of(item)
        try:
            self._offer(item, weight)
        except trio.WouldBlock:
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._putters[task] = (item, weight)

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._putters[task]
            # The one that gave up may have been too heavy for the room there is, and those behind it not.
            self._let_in()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def get_nowait(self) -> T:
        """The oldest item. Raises `trio.WouldBlock` (empty) or `trio.EndOfChannel` (closed and empty)."""
        if not self._items:
            if self._closed:
                raise trio.EndOfChannel("this mailbox was closed and is empty")
            raise trio.WouldBlock
        item, weight = self._items.popleft()
        self._weight -= weight
        self._taken += 1
        if self._putters:
            self._let_in()
        return item

    async def get(self) -> T:
        """The oldest item, when there is one. Raises `trio.EndOfChannel` once closed and empty.

        Cancelled, it has taken nothing.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            item = self.get_nowait()
        except trio.WouldBlock:
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return item
        task = trio.lowlevel.current_task()
        self._getters[task] = None

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._getters[task]
            return trio.lowlevel.Abort.SUCCEEDED

        return cast("T", await trio.lowlevel.wait_task_rescheduled(abort))

    def __aiter__(self) -> Mailbox[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.get()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """No more puts; what is inside can still be taken. Closing twice is closing once."""
        if self._closed:
            return
        self._closed = True
        while self._putters:
            task, _ = self._putters.popitem(last=False)
            trio.lowlevel.reschedule(
                task, outcome.Error(trio.ClosedResourceError("this mailbox was closed while a put waited"))
            )
        while self._getters:
            getter, _ = self._getters.popitem(last=False)
            trio.lowlevel.reschedule(getter, outcome.Error(trio.EndOfChannel("this mailbox was closed")))

    def clear(self) -> int:
        """Throw away what is inside and say how many items that were.

        Items of putters that wait are not inside yet: they come in now.
        """
        count = len(self._items)
        self._items.clear()
        self._weight = 0
        self._cleared += count
        self._let_in()
        return count

    def __len__(self) -> int:
        return len(self._items)

    def statistics(self) -> MailboxStatistics:
        """Figures of this moment."""
        return MailboxStatistics(
            length=len(self._items),
            weight=self._weight,
            peak=self._peak,
            bound=self._bound,
            put=self._put,
            taken=self._taken,
            shed=self._shed,
            cleared=self._cleared,
            waiting_putters=len(self._putters),
            waiting_getters=len(self._getters),
            closed=self._closed,
        )

    def _weight_of(self, item: T) -> int:
        return 1 if self._weigh is None else max(1, self._weigh(item))

    def _offer(self, item: T, weight: int) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this mailbox was closed: nobody will read what is put now")
        if weight > self._bound:
            self._oversize(weight)
            return
        if self._getters:
            task, _ = self._getters.popitem(last=False)
            self._put += 1
            self._taken += 1
            trio.lowlevel.reschedule(task, outcome.Value(item))
            return
        if self._putters or self._weight + weight > self._bound:
            self._make_room(weight)
        self._store(item, weight)

    def _store(self, item: T, weight: int) -> None:
        self._items.append((item, weight))
        self._weight += weight
        self._put += 1
        if self._weight > self._peak:
            self._peak = self._weight

    def _make_room(self, weight: int) -> None:
        if self._policy is Policy.WAIT:
            raise trio.WouldBlock
        if self._policy is Policy.REFUSE:
            raise Full(
                f"a mailbox with a bound of {self._bound} holds {self._weight} and is offered {weight} more:"
                " its reader is stuck, or its writer sends too much"
            )
        while self._weight + weight > self._bound:
            _, freed = self._items.popleft()
            self._weight -= freed
            self._shed += 1

    def _oversize(self, weight: int) -> None:
        if self._policy is not Policy.SHED:
            raise Full(f"an item that weighs {weight} can never fit a bound of {self._bound}: split it")
        self._put += 1
        self._shed += 1

    def _let_in(self) -> None:
        while self._putters:
            task, (item, weight) = next(iter(self._putters.items()))
            if self._weight + weight > self._bound:
                return
            del self._putters[task]
            self._store(item, weight)
            trio.lowlevel.reschedule(task)
