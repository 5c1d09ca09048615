"""The composition root: settings and agents become a house with a front door. The only files that import everything
are this one, `house`, `play` and `__main__`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import structlog
import trio

from parlance import config
from parlance.actors.thinker import script
from parlance.agents import load as agents
from parlance.engine.agent import Agent
from parlance.engine.garbage import GarbageStatistics
from parlance.engine.watch import WatchStatistics
from parlance.front import Front
from parlance.house import House
from parlance.http import health
from parlance.http.reactor import Reactor, possible
from parlance.http.serve import serve, watch_signals
from parlance.http.share import ABSENT, FULL, Queue, Share
from parlance.registry import faults
from parlance.settings import Log, Settings
from parlance.workers import deaf, obey

log = structlog.get_logger()


def settings(file: Path | None, *, keys: bool = True) -> tuple[Settings, dict[str, Agent]]:
    """The settings and every agent. Raises `Misconfigured` with every fault in one message. `keys`: whether the keys of
    the agents' providers must be there.
    """
    known: dict[str, Agent] = {}

    def read(paths: Sequence[Path]) -> dict[str, Agent]:
        known.update(agents.load(paths, checks=(partial(faults, keys=keys), script.faults)))
        return known

    chosen = config.load(file, agents=read)
    for name, calls in chosen.limits.agents.items():
        limits = known[name].limits.model_copy(update={"calls": calls})
        known[name] = known[name].model_copy(update={"limits": limits})
    return chosen, known


async def run(
    chosen: Settings,
    known: dict[str, Agent],
    *,
    opened: Callable[[str, int], None] = lambda host, port: None,
    share: Share | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then drain, and end. A second signal ends at once.

    `share`: this is one of several workers. It ends when the process that started it says so or has gone, and not
    by signals.
    """
    if share is not None:
        deaf()
    house = House(chosen, known)
    queue = None if share is None else Queue(share, lambda: load(house))
    stop = trio.Event()
    reactor = Reactor(house.watch) if possible() else None
    front = Front(house, reactor, lambda: statistics(house, queue))
    # The sockets are read until everything else has ended: calls that are cancelled say goodbye, too.
    async with _reading(reactor), trio.open_nursery() as nursery:

        def drain() -> None:
            nursery.start_soon(close)

        async def watch(*, task_status: trio.TaskStatus[None]) -> None:
            await watch_signals(drain, task_status=task_status)
            log.warning("second signal: ending at once")
            nursery.cancel_scope.cancel()

        async def listen_to_parent(queue: Queue) -> None:
            await obey(drain, queue.leave)
            nursery.cancel_scope.cancel()

        async def close() -> None:
            log.info("draining", calls=len(house.exchange.calls), limit=chosen.drain.limit)
            await house.drain()
            stop.set()

        if queue is None:
            await nursery.start(watch)
        port = await nursery.start(
            lambda task_status: _front(front, queue, chosen, stop, nursery.cancel_scope, task_status=task_status)
        )
        if queue is not None:
            nursery.start_soon(listen_to_parent, queue)
        opened(chosen.host, port)
        await nursery.start(front.listen)
        await nursery.start(house.run)
        if queue is not None:
            nursery.start_soon(queue.keep)
        await nursery.start(_keep_watch, house)
        for name in chosen.carriers.names:
            for gap in getattr(getattr(chosen.carriers, name), "gaps", ()):
                log.warning("a carrier is not set up in full", carrier=name, gap=gap)
        log.info("ready", host=chosen.host, port=port, agents=sorted(house.agents))


@asynccontextmanager
async def _reading(reactor: Reactor | None) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        if reactor is not None:
            await nursery.start(reactor.run)
        yield
        nursery.cancel_scope.cancel()


async def _keep_watch(house: House, *, task_status: trio.TaskStatus[None]) -> None:
    """Measure what stops the process, from its start to its end. The start itself may take as long as it takes."""
    chosen, watch = house.settings.gc, house.watch
    with house.garbage.kept(freeze=chosen.freeze, threshold=chosen.threshold), watch.on() if watch else nullcontext():
        task_status.started()
        await trio.sleep_forever()


async def _front(
    front: Front,
    queue: Queue | None,
    chosen: Settings,
    stop: trio.Event,
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[int],
) -> None:
    """The front door; when it has closed, so has the house."""
    await serve(
        front.app,
        host=chosen.host,
        port=chosen.port,
        graceful=chosen.drain.grace,
        stop=stop,
        door=front.door,
        queue=queue,
        task_status=task_status,
    )
    scope.cancel()


def load(house: House) -> int:
    """How much a worker has to do: its calls, and far more if it takes no others. `ABSENT` until it is ready."""
    refusal = house.refusal()
    if refusal == "starting":
        return ABSENT
    return house.exchange.statistics().seats + (FULL if refusal else 0)


def statistics(house: House, queue: Queue | None = None) -> dict[str, object]:
    """Figures for `/health`; of several workers, of the one that answers, and how many calls each of them has."""
    calls, beat, gauge = house.exchange.statistics(), house.metronome.statistics(), house.saturation
    return {
        "calls": calls.calls,
        "limit": calls.total,
        "agents": dict(calls.agents),
        "peak": calls.peak,
        "admitted": calls.admitted,
        "refused": dict(calls.refused),
        "crashed": calls.crashed,
        "metronome": {
            "ticks": beat.ticks,
            "skipped": beat.skipped,
            "late_ms": {"p99": _ms(beat.p99), "worst": _ms(beat.worst)},
        },
        "saturation": {
            "late_ms": _ms(gauge.late),
            "limit_ms": _ms(gauge.limit),
            "saturated": gauge.saturated,
            "times": gauge.times,
        },
        "loop": None if house.watch is None else _loop(house.watch.statistics()),
        "gc": _collections(house.garbage.statistics()),
        **({} if queue is None else {"workers": queue.loads()}),
        **health.process(),
    }


def _loop(watched: WatchStatistics) -> dict[str, object]:
    worst = watched.worst
    return {
        "watching": watched.watching,
        "lag_ms": {"p99": _ms(watched.lag_p99), "worst": _ms(watched.lag_worst)},
        "step_ms": _ms(watched.step_worst),
        "over": watched.over,
        # Whose call it was is for the log: this page may be anybody's.
        "worst": worst and {"ms": _ms(worst.seconds), "task": worst.task, "where": worst.where},
    }


def _collections(garbage: GarbageStatistics) -> dict[str, object]:
    return {
        "collections": garbage.collections,
        "pause_ms": {"worst": _ms(garbage.longest), "total": _ms(garbage.total)},
        "frozen": garbage.frozen,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def logs(chosen: Log) -> None:
    """Logging of ours and of the libraries, to standard error, as text or as JSON."""
    level = getattr(logging, chosen.level.upper())
    render = (
        structlog.processors.JSONRenderer()
        if chosen.as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # The libraries' lines, and those of rooms that know no structlog, look like all others.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])
