"""Which providers the agents use, and whether they work: `parlance providers`, and one real request each.

Part of the composition root. A request costs what it costs at the provider: a word or two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from parlance.actors.dial import Service
from parlance.actors.listener.port import Heard, News
from parlance.actors.speaker.port import Sound
from parlance.actors.thinker.port import Line, Token
from parlance.actors.websocket import alone
from parlance.codecs import wav
from parlance.codecs.convert import convert
from parlance.codecs.format import Format
from parlance.engine.agent import Agent, Provider
from parlance.engine.errors import Missing, ParlanceError, Unreachable, plain
from parlance.registry import ROLES, Registry, settings

PATIENCE = 20.0
"""Seconds for everything that one check does."""
STARTING = 10.0
"""Seconds for what a provider keeps ready (warm connections, workers) to be so."""
SPOKEN = "Hello, can you hear me?"
ASKED = "Please say hello, in one or two words."
SPEECH = Path(__file__).parent / "actors" / "listener" / "hello.wav"
PIECE = 0.1
"""Seconds of audio that an ear is sent at a time, ten times as fast as somebody speaks."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One ear, mind or voice of some agents. `places`: where it stands in their chains: 0 is the one that is wanted, 1
    the first fallback, and so on.
    """

    role: str
    kind: str
    places: tuple[int, ...]
    agents: tuple[str, ...]
    model: str = ""
    host: str = ""
    key: str = ""
    """Where the key comes from, a variable's name or a file's, and whether it is set; never the key."""


@dataclass(frozen=True, slots=True)
class Health:
    """What one request has shown. Seconds, None for what did not happen."""

    provider: Entry
    ready: float | None = None
    """Until it was connected, or a worker was there."""
    first: float | None = None
    """From the request to the first word or the first audio; of an ear, from the end of the speech to its words."""
    whole: float | None = None
    told: str = ""
    """What was heard or said, or how much audio came; or why it is not asked."""
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in ("ready", "first", "whole", "told", "error")}
        return {**asdict(self.provider), **shown}


def providers(agents: Mapping[str, Agent]) -> list[tuple[Entry, Agent]]:
    """Every provider once, and an agent that has it at the first of its places; those of the most agents first."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for agent in agents.values():
        for role in ROLES:
            for place, chosen in enumerate(getattr(agent, role).chain):
                found.setdefault((role, chosen.identity), {}).setdefault(agent.name, place)
    rows = []
    for (role, _), users in found.items():
        first = agents[min(users, key=lambda name: users[name])]
        rows.append((_described(role, users, getattr(first, role).chain[users[first.name]]), first))
    return sorted(rows, key=lambda row: (row[0].role, row[0].places, -len(row[0].agents)))


def _described(role: str, users: Mapping[str, int], wanted: Provider) -> Entry:
    """`users`: the agents, and its place in each."""
    chosen = settings(role, wanted)
    model = next((str(value) for name in ("model", "voice") if (value := getattr(chosen, name, ""))), "")
    host, key = "on this machine", ""
    if isinstance(chosen, Service):
        host = urlsplit(chosen.url).netloc.rpartition("@")[2]
        key = chosen.origin()
    return Entry(role, wanted.kind, tuple(sorted(set(users.values()))), tuple(users), model, host, key)


async def check(agents: Mapping[str, Agent], told: Callable[[Entry], None]) -> list[Health]:
    """One real request to each provider, one after another. `told` is called before each."""
    registry = Registry()
    results = []
    for provider, agent in providers(agents):
        told(provider)
        try:
            with trio.fail_after(PATIENCE), alone():
                one = registry.one(provider.role, agent, provider.places[0])
                results.append(await _one(provider, one))
        except trio.TooSlowError:
            results.append(Health(provider, error=f"not done within {PATIENCE:g} s"))
        except ParlanceError as error:
            if isinstance(error, Missing) and all(agents[name].optional for name in provider.agents):
                results.append(Health(provider, told=f"left out: {error}"))
            else:
                results.append(Health(provider, error=plain(error)))
    return results


async def _one(provider: Entry, one: Any) -> Health:
    ask = {"ear": _ear, "mind": _mind, "voice": _voice}[provider.role]
    began = trio.current_time()
    async with _running(one):
        return await ask(provider, one, trio.current_time() - began)


@asynccontextmanager
async def _running(one: Any) -> AsyncIterator[None]:
    """What it keeps ready, kept ready."""
    async with trio.open_nursery() as nursery:
        if (run := getattr(one, "run", None)) is not None:
            with trio.move_on_after(STARTING) as late:
                await nursery.start(run)
            if late.cancelled_caught:
                raise Unreachable(one.provider, f"not ready within {STARTING:g} s")
        yield
        nursery.cancel_scope.cancel()


async def _mind(provider: Entry, minds: Any, ready: float) -> Health:
    began, first, words = trio.current_time(), None, []
    async with minds().think((Line("caller", ASKED),)) as thoughts:
        async for thought in thoughts:
            if isinstance(thought, Token):
                first = first or trio.current_time() - began
                words.append(thought.text)
    text = "".join(words).strip()
    error = "" if text else "it said nothing"
    return Health(provider, ready, first, trio.current_time() - began, text, error)


async def _voice(provider: Entry, voice: Any, ready: float) -> Health:
    began, first, seconds = trio.current_time(), None, 0.0
    async with voice.reply() as reply, reply.speak(SPOKEN) as speech:
        async for piece in speech:
            if isinstance(piece, Sound) and piece.audio:
                first = first or trio.current_time() - began
                seconds += len(piece.audio) / piece.format.second
    error = "" if seconds else "no audio came"
    return Health(provider, ready, first, trio.current_time() - began, f"{seconds:.1f} s of audio", error)


async def _ear(provider: Entry, ear: Any, ready: float) -> Health:
    words: list[str] = []
    done = trio.Event()

    def told(news: News) -> None:
        if isinstance(news, Heard):
            words[:] = [news.text]
            if news.final:
                done.set()

    began = trio.current_time()
    async with ear.open(told) as hearing:
        opened = trio.current_time() - began
        audio = await trio.to_thread.run_sync(partial(_speech, hearing.format))
        size = int(PIECE * hearing.format.rate) * hearing.format.width
        await hearing.begin(1)
        for at in range(0, len(audio), size):
            await hearing.hear(audio[at : at + size])
            await trio.sleep(PIECE / 10)
        ended = trio.current_time()
        await hearing.end(1)
        await done.wait()
    error = "" if words[0] else "it heard no words"
    return Health(provider, ready + opened, trio.current_time() - ended, trio.current_time() - began, words[0], error)


def _speech(wanted: Format) -> bytes:
    """`SPOKEN`, as a synthetic voice says it over a telephone."""
    recorded = wav.read(SPEECH)
    return convert(recorded.samples, Format("pcm16", recorded.rate), wanted)
