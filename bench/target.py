"""What can be put under load: how each server is started, when it is ready, what of a response time is not its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from bench.machine import ROOT
from bench.plan import BadUse, Row
from parlance.actors.listener.rehearsal import Settings as EarSettings
from parlance.actors.speaker.rehearsal import Settings as VoiceSettings
from parlance.actors.thinker.phrases import Splitter
from parlance.actors.thinker.rehearsal import REPLY
from parlance.actors.thinker.rehearsal import Settings as MindSettings

SIMULATED = {"DEEPGRAM_API_KEY": "bench", "OPENAI_API_KEY": "bench"}
"""Keys for the simulators, over whatever real ones there are: those are none of their business."""
GREETER = ROOT / "bench" / "agents" / "greeter.yaml"


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test. `command` makes it listen on the port it is given; `path` is its media socket (empty: the
    one that the carrier knows), `ready` and `health` are pages, the latter of one of its `workers`. `end_of_turn`,
    `providers`: seconds of each response that are not its own work.
    """

    name: str
    command: Callable[[int], list[str]]
    path: str
    ready: str
    health: str | None = None
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    end_of_turn: float = 0.3
    providers: float = 0.0


def rehearsed() -> float:
    """Seconds of an answer that the rehearsal providers take by their settings: the ear's words, the mind's first
    phrase with the word that shows its end, and the voice's first sound."""
    ear, mind, voice = EarSettings(), MindSettings(), VoiceSettings()
    splitter = Splitter()
    needed = next(count for count, word in enumerate(REPLY.split()) if splitter.feed(f"{word} "))
    return ear.delay + mind.wait + needed / mind.pace + voice.wait


def parlance(row: Row, agents: Path | None = None) -> Target:
    """This house, as `row` wants it; `agents` is a file with an agent that the simulators serve."""
    workers = ["--workers", str(row.workers)] if row.workers > 1 else []
    # The limit is each worker's.
    limit = ceil(row.limit / row.workers)
    files = [GREETER, *([] if agents is None else [agents])]
    own = {
        "PARLANCE_LIMITS__CALLS": str(limit),
        "PARLANCE_LOG__LEVEL": "warning",
        "PARLANCE_AGENTS": os.pathsep.join(map(str, files)),
    }
    if agents is not None:
        own |= SIMULATED
    return Target(
        name="parlance",
        command=lambda port: [sys.executable, "-m", "parlance", "serve", "--port", str(port), *workers],
        path="/api/v1/media/twilio" if row.carrier == "twilio" else "",
        ready="/ready",
        health="/health",
        workers=row.workers,
        environment=environment(own),
        # The simulators take as long, by their own settings.
        providers=rehearsed(),
    )


def peer(name: str) -> Target:
    """The peer `name`. Raises `BadUse` if there is none of that name, `Missing` if it is not installed."""
    # Only who asks for peers needs them.
    from bench import peers

    known = peers.servers()
    if name not in known:
        raise BadUse(f"there is no peer {name!r}; there are {', '.join(sorted(known))}")
    found = known[name]
    if found.command(0) is None:
        raise Missing(f"{name} is not installed and is left out; to install it: {found.how}")
    return Target(
        name=name,
        command=lambda port: found.command(port) or [],
        path=found.path,
        ready=found.ready,
        environment={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        end_of_turn=found.end_of_turn,
        providers=found.providers,
    )


class Missing(Exception):
    """A peer is known, but not installed; the message says how to."""


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """Ours for a child: this checkout's code, and none of the settings that somebody made for his own server."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PARLANCE_")}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(own)
