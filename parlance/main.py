"""The composition root: settings and agents become a house with a front door. The only files that import everything
are this one, `house`, `play` and `__main__`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
import trio

from parlance import config
from parlance.actors.media.browser import Browser
from parlance.actors.media.port import Started, Wire
from parlance.actors.media.recorded import Recorded
from parlance.actors.media.twilio import Twilio
from parlance.actors.thinker import script
from parlance.agents import load as agents
from parlance.codecs.errors import MissingCodec
from parlance.config import Settings
from parlance.engine.agent import Agent
from parlance.engine.errors import LineError
from parlance.house import House
from parlance.http.app import View, create
from parlance.http.gateway import Gateway, Route
from parlance.http.mend import App
from parlance.http.serve import serve, watch_signals
from parlance.registry import faults

log = structlog.get_logger()


def settings(file: Path | None) -> tuple[Settings, dict[str, Agent]]:
    """The settings and every agent. Raises `Misconfigured` with every fault in one message."""
    known: dict[str, Agent] = {}

    def read(paths: Sequence[Path]) -> dict[str, Agent]:
        known.update(agents.load(paths, checks=(faults, script.faults)))
        return known

    return config.load(file, agents=read), known


def routes(default: str) -> tuple[Route, ...]:
    """Which path speaks which dialect."""
    return (
        Route("/api/v1/media/twilio", lambda path, query: (Twilio(), None)),
        Route("/ws/voice-agent/{agent}", lambda path, query: _browser(path["agent"], query)),
        Route("/api/v1/realtime/conversation", lambda path, query: _browser(query.get("agent", default), query)),
    )


def _browser(agent: str, query: dict[str, str]) -> tuple[Wire, Started]:
    wanted = query.get("format", "webm")
    if wanted == "pcm16":
        return Browser(agent), Started(agent=agent)
    if wanted != "webm":
        raise LineError(f"format {wanted[:32]!r} is not spoken here: use webm or pcm16", fatal=True, code=1003)
    try:
        return Recorded(agent), Started(agent=agent)
    except MissingCodec as missing:
        raise LineError(f"{missing}; or use format=pcm16", fatal=True, code=1011) from None


async def run(
    chosen: Settings, known: dict[str, Agent], *, opened: Callable[[str, int], None] = lambda host, port: None
) -> None:
    """Serve until SIGTERM or SIGINT; then drain, and end. A second signal ends at once."""
    house = House(chosen, known)
    stop = trio.Event()
    app = create(View(agents=offered(house), ready=house.refusal, statistics=lambda: statistics(house)))
    app.asgi_app = Gateway(app.asgi_app, house.take, routes(chosen.default_agent))  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:

        async def watch(*, task_status: trio.TaskStatus[None]) -> None:
            await watch_signals(lambda: nursery.start_soon(close), task_status=task_status)
            log.warning("second signal: ending at once")
            nursery.cancel_scope.cancel()

        async def close() -> None:
            log.info("draining", calls=len(house.exchange.calls), limit=chosen.drain.limit)
            await house.drain()
            stop.set()

        await nursery.start(watch)
        port = await nursery.start(
            lambda task_status: _front(app, chosen, stop, nursery.cancel_scope, task_status=task_status)
        )
        opened(chosen.host, port)
        await nursery.start(house.run)
        log.info("ready", host=chosen.host, port=port, agents=sorted(house.agents))


async def _front(
    app: App, chosen: Settings, stop: trio.Event, scope: trio.CancelScope, *, task_status: trio.TaskStatus[int]
) -> None:
    """The front door; when it has closed, so has the house."""
    await serve(
        app,
        host=chosen.host,
        port=chosen.port,
        graceful=chosen.drain.grace,
        stop=stop,
        task_status=task_status,
    )
    scope.cancel()


def offered(house: House) -> dict[str, Agent]:
    """The agents that people can choose from, the one that answers by default first."""
    first = house.settings.default_agent
    names = sorted(house.agents, key=lambda name: (name != first, name))
    return {name: house.agents[name] for name in names if house.agents[name].listed}


def statistics(house: House) -> dict[str, object]:
    """Figures for `/health`."""
    calls, beat = house.exchange.statistics(), house.metronome.statistics()
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
            "late_ms": {"p99": round(beat.p99 * 1000, 2), "worst": round(beat.worst * 1000, 2)},
        },
    }


def logs(chosen: config.Log) -> None:
    """Logging of ours and of the libraries, to standard error, as text or as JSON."""
    level = getattr(logging, chosen.level.upper())
    render = (
        structlog.processors.JSONRenderer()
        if chosen.as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
