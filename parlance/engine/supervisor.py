"""Supervision: which children there are, what follows from each one's end, and in which order they stop.

Everything that restarts, gives up on or stops a child lives here; what a child does is not known here. After
the model of Erlang/OTP's `supervisor`, with one difference: children start side by side, because a caller
must not wait for one connection after the other, and stop one after the other in reverse, because who feeds
goes before who is fed.

Each child runs in a shielded scope of its own. So a cancellation from outside reaches none of them directly:
it wakes the supervisor, which stops them in order, and only then does the cancellation go on its way.

What cannot be done under Trio: leave a task behind. A child that shields itself beyond its grace is reported
as `overran`, does not keep the others from being stopped, and its scope stays cancelled, but `run` ends only
when it has gone. Hence the rule of the house that every shield has a deadline: then stopping takes no longer
than the sum of the graces and the longest such shield. A child that blocks the thread, or spins without a
checkpoint, stops everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from parlance.engine.child import Budget, Child, Report, Restart, What
from parlance.engine.errors import Exhausted, hopeless

USUAL = Budget()


@dataclass(frozen=True, slots=True)
class SupervisorStatistics:
    """`living`: the children that run now, in their order. `spare`: restarts left in the budget now."""

    living: tuple[str, ...]
    ready: int
    restarts: int
    failures: int
    overran: int
    exhausted: int
    spare: int


@dataclass(slots=True, eq=False)
class _Cell:
    """One child's place in a running supervisor. `settled`: it was ready once, or will never be."""

    child: Child
    scope: trio.CancelScope | None = None
    settled: trio.Event = field(default_factory=trio.Event)
    gone: trio.Event = field(default_factory=trio.Event)
    ready: bool = False


class _Life:
    """The `task_status` of one life of a child."""

    def __init__(self, began: Callable[[], None]) -> None:
        self._began: Callable[[], None] | None = began

    def started(self, value: object = None) -> None:
        if self._began is None:
            raise RuntimeError("started() was called twice in one life: call it once, when ready")
        began, self._began = self._began, None
        began()


class Supervisor:
    """Runs `children`, restarts them within `budget`, and stops them in reverse order.

    `report` is told everything that happens; `exhausted` is called for each child that stays down because the
    budget was spent, or because its error is `errors.hopeless`, and the others go on. Without `exhausted` the
    first such child ends the supervisor with `errors.Exhausted`. Both are called at once and must neither wait
    nor raise. `ordered`: start one child after the other, each when the one before it is ready.
    """

    def __init__(
        self,
        children: Sequence[Child],
        budget: Budget = USUAL,
        *,
        report: Callable[[Report], None] | None = None,
        exhausted: Callable[[Child, BaseException | None], None] | None = None,
        ordered: bool = False,
    ) -> None:
        names = [child.name for child in children]
        if len(set(names)) < len(names):
            raise ValueError(f"children must have different names: {', '.join(names)}")
        self._children = tuple(children)
        self._budget = budget
        self._tell = report
        self._exhausted = exhausted
        self._ordered = ordered
        self._cells: list[_Cell] = []
        self._watch: trio.CancelScope | None = None
        self._stopping = False
        self._failure: BaseException | None = None
        self._spent: deque[float] = deque()
        self._restarts = self._failures = self._overran = self._given_up = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start all children, call `started()` when all are ready (or down for good), and supervise.

        Returns when all children have ended for good, when a significant one returned, or after `stop()`;
        raises the exception of a significant child, or `errors.Exhausted`. No child is left when it ends,
        whichever way. May be run again afterwards, with a new budget.
        """
        if self._watch is not None:
            raise RuntimeError("this supervisor is running already")
        self._watch = watch = trio.CancelScope()
        self._cells = [_Cell(child) for child in self._children]
        self._stopping, self._failure = False, None
        self._spent.clear()
        announced = False
        try:
            async with trio.open_nursery() as nursery:
                try:
                    with watch:
                        await self._start(nursery)
                        task_status.started()
                        announced = True
                        await trio.sleep_forever()
                finally:
                    self._stopping = True
                    await self._stop()
        finally:
            self._watch = None
        if self._failure is not None:
            raise self._failure
        if not announced:
            task_status.started()

    def stop(self) -> None:
        """End in good order: `run` stops all children in reverse and returns. Harmless when not running."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()

    def statistics(self) -> SupervisorStatistics:
        """Figures of this moment; counts are over all runs. Inside `trio.run` only: it needs the clock."""
        self._forget(trio.current_time())
        living = [cell for cell in self._cells if cell.scope is not None and not cell.gone.is_set()]
        return SupervisorStatistics(
            living=tuple(cell.child.name for cell in living),
            ready=sum(cell.ready for cell in living),
            restarts=self._restarts,
            failures=self._failures,
            overran=self._overran,
            exhausted=self._given_up,
            spare=max(0, self._budget.restarts - len(self._spent)),
        )

    async def _start(self, nursery: trio.Nursery) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._cells:
            self.stop()
        for cell in self._cells:
            nursery.start_soon(self._keep, cell, name=f"child {cell.child.name}")
            if self._ordered:
                await cell.settled.wait()
        for cell in self._cells:
            await cell.settled.wait()

    async def _stop(self) -> None:
        with trio.CancelScope(shield=True):
            for cell in reversed(self._cells):
                if cell.scope is None or cell.gone.is_set():
                    continue
                cell.scope.cancel()
                with trio.move_on_after(cell.child.grace):
                    await cell.gone.wait()
                if not cell.gone.is_set():
                    self._overran += 1
                    self._report(cell.child, "overran")

    async def _keep(self, cell: _Cell) -> None:
        """One child's task: life after life."""
        try:
            while not self._stopping and await self._live(cell):
                # A child that ends without a checkpoint must not keep everybody else from running.
                await trio.lowlevel.cancel_shielded_checkpoint()
                if not self._stopping:
                    self._restarts += 1
                    self._report(cell.child, "restarted")
        finally:
            cell.ready = False
            cell.gone.set()
            cell.settled.set()
            if all(other.gone.is_set() for other in self._cells):
                self.stop()

    async def _live(self, cell: _Cell) -> bool:
        """One life. Returns whether there is to be another."""
        child, error = cell.child, None

        def began() -> None:
            cell.ready = True
            cell.settled.set()
            self._report(child, "started")

        cell.scope = trio.CancelScope(shield=True)
        # One of the house's few broad excepts: what a child raises is its restart's reason. It is outside of the
        # scope, so that what the child raised on being stopped comes without the cancellation that came with it.
        try:
            with cell.scope:
                await child.run(task_status=_Life(began))
        except Exception as raised:
            error = raised
        cell.ready = False
        if error is not None:
            self._failures += 1
            self._report(child, "failed", error)
        elif cell.scope.cancel_called:
            self._report(child, "stopped")
        else:
            self._report(child, "returned")
        return not self._stopping and self._goes_on(child, error)

    def _goes_on(self, child: Child, error: Exception | None) -> bool:
        """Decide what follows from an end that nobody asked for."""
        wanted = child.restart is Restart.PERMANENT or (child.restart is Restart.TRANSIENT and error is not None)
        if wanted and not hopeless(error) and self._spend(trio.current_time()):
            return True
        failure: BaseException | None = error
        if wanted:
            self._given_up += 1
            self._report(child, "exhausted", error)
            if self._exhausted is not None:
                self._exhausted(child, error)
            else:
                failure = self._given_up_on(child, error)
                self._end(failure)
        if child.significant:
            self._end(failure)
        return False

    def _end(self, failure: BaseException | None) -> None:
        # The first reason to end is the reason.
        if not self._stopping:
            self._failure = failure
            self.stop()

    def _given_up_on(self, child: Child, cause: Exception | None) -> Exhausted:
        ending = "returned" if cause is None else f"failed ({type(cause).__name__}: {cause})"
        budget = f"the budget of {self._budget.restarts} restarts in {self._budget.seconds:g} s is spent"
        why = "another try cannot help" if hopeless(cause) else f"{budget}: look for what makes it end so often"
        error = Exhausted(f"{child.name} {ending}, and {why}")
        error.__cause__ = cause
        return error

    def _spend(self, now: float) -> bool:
        self._forget(now)
        if len(self._spent) >= self._budget.restarts:
            return False
        self._spent.append(now)
        return True

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0] <= now - self._budget.seconds:
            self._spent.popleft()

    def _report(self, child: Child, what: What, error: BaseException | None = None) -> None:
        if self._tell is not None:
            self._tell(Report(child, what, error))
