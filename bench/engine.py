"""What the engine's machinery costs by itself: mailbox, metronome, saturation, watch, supervisor and exchange.

Each figure is the best of several rounds on a running machine, so what else it does counts little; the ratios
hold better than the figures. Nothing here is a test: no figure is a pass or a failure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from bench import instrument
from parlance.engine.agent import Agent, Limits
from parlance.engine.child import Child
from parlance.engine.exchange import Exchange, Placed
from parlance.engine.mailbox import Mailbox, Policy
from parlance.engine.metronome import Metronome
from parlance.engine.saturation import Saturation
from parlance.engine.supervisor import Supervisor
from parlance.engine.watch import Watch

ROUNDS = 7
MEMBERS = (1, 100, 300)
CHILDREN = ("media", "listener", "thinker", "speaker")


async def best(count: int, work: Callable[[int], Awaitable[None]]) -> float:
    """The least time of `ROUNDS` rounds of `work(count)`, in µs for one of the `count`."""
    rounds = []
    for _ in range(ROUNDS):
        # Trio's clock is `perf_counter` with an offset.
        begin = trio.current_time()
        await work(count)
        rounds.append(trio.current_time() - begin)
    return min(rounds) / count * 1e6


async def mailbox_nowait(count: int) -> None:
    box: Mailbox[int] = Mailbox(8, Policy.WAIT)
    for item in range(count):
        box.put_nowait(item)
        box.get_nowait()


async def mailbox_weighed(count: int) -> None:
    box: Mailbox[bytes] = Mailbox(32_000, Policy.SHED, weigh=len)
    frame = bytes(160)
    for _ in range(count):
        box.put_nowait(frame)


async def mailbox_async(count: int) -> None:
    box: Mailbox[int] = Mailbox(8, Policy.WAIT)
    for item in range(count):
        await box.put(item)
        await box.get()


async def mailbox_tasks(count: int) -> None:
    box: Mailbox[int] = Mailbox(8, Policy.WAIT)

    async def producer() -> None:
        for item in range(count):
            await box.put(item)
        box.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(producer)
        async for _ in box:
            pass


class Idle:
    """A member with nothing to do."""

    def tick(self, now: float) -> None:
        pass

    def fail(self, error: Exception) -> None:
        raise error


def beats(members: int, watch: Watch | None = None) -> Callable[[int], Awaitable[None]]:
    metronome = Metronome(watch=watch)
    for _ in range(members):
        metronome.join(Idle())

    async def work(count: int) -> None:
        for _ in range(count):
            metronome.beat(0.0)

    return work


async def saturation(count: int) -> None:
    gauge = Saturation(0.01)
    for beat in range(count):
        gauge.note(beat % 97 / 10_000, 0.02)


async def steps(count: int) -> None:
    """Ten tasks that do nothing but take turns."""

    async def take_turns() -> None:
        for _ in range(count // 10):
            await trio.lowlevel.cancel_shielded_checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(take_turns)


async def metronome_loop(members: int) -> float:
    """µs from one tick to the next when the next is always due: the beat, the clock and Trio's timer."""
    metronome = Metronome(1e-6)
    for _ in range(members):
        metronome.join(Idle())
    rounds = []
    async with trio.open_nursery() as nursery:
        await nursery.start(metronome.run)
        for _ in range(ROUNDS):
            begin, ticks = trio.current_time(), metronome.statistics().ticks
            await trio.sleep(0.05)
            rounds.append((trio.current_time() - begin) / (metronome.statistics().ticks - ticks))
        nursery.cancel_scope.cancel()
    return min(rounds) * 1e6


async def lateness(seconds: float = 2.0) -> dict[str, float]:
    """How punctual 100 members are ticked at 20 ms on this machine as it is now, in µs."""
    metronome = Metronome()
    for _ in range(100):
        metronome.join(Idle())
    async with trio.open_nursery() as nursery:
        await nursery.start(metronome.run)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()
    figures = metronome.statistics()
    return {"lateness, median": figures.median * 1e6, "lateness, p99": figures.p99 * 1e6}


async def steady(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await trio.sleep_forever()


async def supervisors(count: int) -> None:
    for _ in range(count):
        supervisor = Supervisor([Child(name, steady) for name in CHILDREN])
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            nursery.cancel_scope.cancel()


class Short:
    """A call that is over at once."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.agent = "rehearsal"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.lowlevel.checkpoint()

    def drain(self) -> None:
        pass


def crashed(call: Placed, error: BaseException) -> None:
    raise error


async def calls(count: int) -> None:
    agent = Agent(name="rehearsal", limits=Limits(calls=10))
    async with trio.open_nursery() as nursery:
        exchange = Exchange(10, crashed=crashed)
        await nursery.start(exchange.run)
        for number in range(count):
            await exchange.place(exchange.admit(agent), Short(str(number)))
        nursery.cancel_scope.cancel()


async def measure(seen: Callable[[str], None]) -> dict[str, float]:
    """All figures, in µs; `seen` is told what is being measured."""
    figures: dict[str, float] = {}

    async def take(name: str, count: int, work: Callable[[int], Awaitable[None]]) -> None:
        seen(name)
        figures[name] = await best(count, work)

    await take("mailbox, put_nowait + get_nowait", 20_000, mailbox_nowait)
    await take("mailbox, put_nowait of a weighed frame, shedding", 20_000, mailbox_weighed)
    await take("mailbox, put + get in one task", 2_000, mailbox_async)
    await take("mailbox, one item from task to task", 2_000, mailbox_tasks)
    for members in MEMBERS:
        await take(f"metronome, one beat of {members} idle members", 2_000, beats(members))
    watch = Watch()
    with watch.on():
        for members in MEMBERS:
            await take(f"metronome, the same of {members} under a watch", 2_000, beats(members, watch))
    await take("saturation, one beat noted", 20_000, saturation)
    await take("one step of a task", 20_000, steps)
    with watch.on():
        await take("one step of a task under a watch", 20_000, steps)
    for members in MEMBERS:
        seen(name := f"metronome, one turn of the loop with {members}")
        figures[name] = await metronome_loop(members)
    seen("metronome, lateness")
    for name, value in (await lateness()).items():
        figures[f"metronome, {name} (100 members, 20 ms)"] = value
    await take("supervisor, start and stop 4 children", 100, supervisors)
    await take("exchange, admit, place and end a call", 500, calls)
    return figures


def main() -> None:
    options = instrument.options("engine", __doc__).parse_args()
    with instrument.progress() as seen:
        figures = {name: round(value, 3) for name, value in trio.run(measure, seen).items()}
    if options.json:
        instrument.document(unit="us", figures=figures)
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>9.2f} µs")


if __name__ == "__main__":
    main()
