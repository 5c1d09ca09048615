"""The ears, minds and voices there are, by the name an agent's file uses. A provider is imported when it is used.

Each module has a `make`: `make(settings)` for ears and voices (shared by calls and by agents), and
`make(settings, agent)` for minds, which returns `Minds` (one mind per call). An agent's ear, mind and voice are
chains of them: one, or the one that is wanted and those to take when it fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import structlog
from pydantic import ValidationError

from parlance.actors.breaker import Breaker
from parlance.actors.choice import Choice
from parlance.actors.listener.chain import EarChain
from parlance.actors.listener.port import Ear
from parlance.actors.speaker.chain import VoiceChain
from parlance.actors.speaker.port import Voice
from parlance.actors.thinker import tools
from parlance.actors.thinker.chain import MindChain
from parlance.actors.thinker.port import Mind
from parlance.actors.thinker.tools import Toolbox
from parlance.engine.agent import Agent, Provider
from parlance.engine.errors import Misconfigured, Missing
from parlance.engine.faults import Fault, explain, meant, told

log = structlog.get_logger()

ROLES = ("ear", "mind", "voice")
HURRY = 3.0
"""Seconds to the first words that a mind has which says nothing of `first` and has another one after it: the caller
waits for both.
"""
_LISTENER, _THINKER, _SPEAKER = (f"parlance.actors.{actor}" for actor in ("listener", "thinker", "speaker"))
PROVIDERS = {
    "ear": {
        "sphinx": f"{_LISTENER}.sphinx",
        "deepgram": f"{_LISTENER}.deepgram",
        "flux": f"{_LISTENER}.flux",
        "openai": f"{_LISTENER}.openai",
        "elevenlabs": f"{_LISTENER}.elevenlabs",
        "assemblyai": f"{_LISTENER}.assemblyai",
        "azure": f"{_LISTENER}.azure",
        "rehearsal": f"{_LISTENER}.rehearsal",
    },
    "mind": {
        "script": f"{_THINKER}.script",
        "openai": f"{_THINKER}.openai",
        "anthropic": f"{_THINKER}.anthropic",
        "gemini": f"{_THINKER}.gemini",
        "rehearsal": f"{_THINKER}.rehearsal",
    },
    "voice": {
        "espeak": f"{_SPEAKER}.espeak",
        "elevenlabs": f"{_SPEAKER}.elevenlabs",
        "elevenlabs-http": f"{_SPEAKER}.elevenhttp",
        "deepgram": f"{_SPEAKER}.deepgram",
        "deepgram-ws": f"{_SPEAKER}.aura",
        "openai": f"{_SPEAKER}.openai",
        "azure": f"{_SPEAKER}.azure",
        "cartesia": f"{_SPEAKER}.cartesia",
        "rehearsal": f"{_SPEAKER}.rehearsal",
    },
}


@dataclass(frozen=True, slots=True)
class Crew:
    """What an agent's calls share, and how a call gets a mind of its own."""

    agent: Agent
    ear: Callable[[], Ear]
    mind: Callable[[], Mind]
    voice: Callable[[], Voice]
    tools: Toolbox


class Registry:
    """Makes crews. Agents whose ear or voice is set alike share one: what it keeps warm would be too much for each."""

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        """Every provider and toolbox made so far, by its settings or its agent. The house runs what has a `run`."""
        self._chains: dict[str, Any] = {}
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        """One for each provider, whoever asks it: what one agent's calls have learned helps the others'."""

    def crew(self, agent: Agent) -> Crew:
        """The agent's ear, mind, voice and tools. Raises `Misconfigured` where one is unknown or its settings are."""
        if wrong := faults(agent):
            raise Misconfigured(f"agent {agent.name}: {'; '.join(map(told, wrong))}")
        toolbox = Toolbox(agent)
        self.shared[f"tools {agent.name}"] = toolbox
        minds = [self.one("mind", agent, place) for place in range(len(agent.mind.chain))]
        return Crew(
            agent,
            ear=self._chain("ear", agent.ear, EarChain),
            mind=partial(MindChain, self._choice("mind", agent.mind, minds)),
            voice=self._chain("voice", agent.voice, VoiceChain),
            tools=toolbox,
        )

    def crews(self, agents: Collection[Agent]) -> dict[str, Crew]:
        """The crews of these agents, by name; an optional one for which a package is missing gets none. Raises
        `Misconfigured`, also where nobody is left whom people are offered.
        """
        crews: dict[str, Crew] = {}
        missing: dict[str, str] = {}
        for agent in agents:
            before = dict(self.shared)
            try:
                crews[agent.name] = self.crew(agent)
            except Missing as error:
                self.shared = before
                if not agent.optional:
                    raise Misconfigured(f"agent {agent.name}: {error}") from None
                missing[agent.name] = str(error)
        if missing and not any(crew.agent.listed for crew in crews.values()):
            raise Misconfigured("\n".join(f"agent {name}: {reason}" for name, reason in missing.items()))
        for name, reason in missing.items():
            log.warning("an agent is left out", agent=name, reason=reason)
        return crews

    def one(self, role: str, agent: Agent, place: int) -> Any:
        """What an agent's chain has at `place`: an ear, a voice, or its minds. Raises `Misconfigured`."""
        chain = getattr(agent, role).chain
        return self._mind(_hurried(chain, place), agent) if role == "mind" else self._one(role, chain[place])

    def _chain(self, role: str, provider: Provider, kind: Any) -> Any:
        key = f"{role} {provider.identity}"
        if key not in self._chains:
            made = [self._one(role, one) for one in provider.chain]
            self._chains[key] = partial(kind, self._choice(role, provider, made))
        return self._chains[key]

    def _choice(self, role: str, provider: Provider, made: Sequence[Any]) -> Choice[Any]:
        breakers = [self._breakers[f"{role} {one.identity}"] for one in provider.chain]
        return Choice(made, breakers)

    def _one(self, role: str, provider: Provider) -> Any:
        key = f"{role} {provider.identity}"
        if key not in self.shared:
            self.shared[key] = _module(role, provider).make(provider.settings)
        return self.shared[key]

    def _mind(self, provider: Provider, agent: Agent) -> Any:
        """Its prompt is the agent's own, and so is it."""
        key = f"mind {agent.name} {provider.identity}"
        if key not in self.shared:
            self.shared[key] = _module("mind", provider).make(provider.settings, agent)
        return self.shared[key]


def _hurried(chain: Sequence[Provider], place: int) -> Provider:
    """The mind at `place`, with `HURRY` where that is its time."""
    mind = chain[place]
    known = getattr(getattr(_module("mind", mind), "Settings", None), "model_fields", {})
    if place + 1 == len(chain) or "first" not in known or "first" in mind.settings:
        return mind
    return mind.model_copy(update={"first": HURRY})


def _patience(agent: Agent) -> list[Fault]:
    """Whether the last of several minds is asked before the reply has taken too long. For minds without faults."""
    chain, most = agent.mind.chain, agent.limits.thinking
    times = [getattr(settings("mind", _hurried(chain, place)), "first", 0.0) for place in range(len(chain))]
    if (before := sum(times[:-1])) < most:
        return []
    return [(("mind",), f"the last is asked after {before:g} s (`first` of the others): `limits.thinking` is {most:g}")]


def faults(agent: Agent, *, keys: bool = True) -> list[Fault]:
    """Providers that do not exist and settings they do not take, at the place in the agent's file. `keys`: whether
    their keys must be there.
    """
    found: list[Fault] = tools.faults(agent, keys=keys)
    for role, known in PROVIDERS.items():
        for place, provider in _places(role, getattr(agent, role)):
            if provider.kind in known:
                found.extend(_settings(role, provider, place, keys))
            else:
                found.append((place, f"there is no {role} {provider.kind!r}{meant(provider.kind, sorted(known))}"))
    return found or _patience(agent)


def _places(role: str, wanted: Provider) -> Iterator[tuple[tuple[str | int, ...], Provider]]:
    """An agent's providers of one role, and where in its file each is."""
    for index, provider in enumerate(wanted.chain):
        yield (role, index) if wanted.fallbacks else (role,), provider


def settings(role: str, provider: Provider) -> Any:
    """A provider's settings, with its defaults; None where it has none. For an agent without `faults` but for keys that
    are not there.
    """
    wanted = getattr(_module(role, provider), "Settings", None)
    return None if wanted is None else wanted.model_validate(provider.settings, context={"keys": False})


def _settings(role: str, provider: Provider, place: tuple[str | int, ...], keys: bool) -> list[Fault]:
    """What a provider's own settings say of these. The script mind's are checked with its script."""
    wanted = getattr(_module(role, provider), "Settings", None)
    if wanted is None:
        return []
    try:
        wanted.model_validate(provider.settings, context={"keys": keys})
    except ValidationError as error:
        return [((*place, *where), text) for where, text in explain(error, wanted)]
    return []


def _module(role: str, provider: Provider) -> Any:
    return import_module(PROVIDERS[role][provider.kind])
