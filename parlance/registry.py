"""The ears, minds and voices there are, by the name an agent's file uses. A provider is imported when it is used.

Each module has a `make`: `make(settings)` for ears and voices (shared by calls and by agents), and
`make(settings, agent)` for minds, which returns a factory (one mind per call). An agent's ear, mind and voice are
chains of them: one, or the one that is wanted and those to take when it fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from parlance.actors.breaker import Breaker
from parlance.actors.choice import Choice
from parlance.actors.listener.chain import EarChains
from parlance.actors.listener.port import Ear
from parlance.actors.speaker.chain import VoiceChain
from parlance.actors.speaker.port import Voice
from parlance.actors.thinker import tools
from parlance.actors.thinker.chain import MindChains
from parlance.actors.thinker.port import Mind
from parlance.actors.thinker.tools import Toolbox
from parlance.engine.agent import Agent, Provider
from parlance.engine.errors import Misconfigured
from parlance.engine.faults import Fault, explain, meant, told

ROLES = ("ear", "mind", "voice")
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
    voice: Voice
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
            ear=self._chain("ear", agent.ear, EarChains),
            mind=MindChains(self._choice("mind", agent.mind, minds)),
            voice=self._chain("voice", agent.voice, VoiceChain),
            tools=toolbox,
        )

    def one(self, role: str, agent: Agent, place: int) -> Any:
        """What an agent's chain has at `place`: an ear, a voice, or a factory of minds. Raises `Misconfigured`."""
        provider = getattr(agent, role).chain[place]
        return self._mind(provider, agent) if role == "mind" else self._one(role, provider)

    def _chain(self, role: str, provider: Provider, kind: Any) -> Any:
        key = f"{role} {provider.model_dump_json()}"
        if key not in self._chains:
            made = [self._one(role, one) for one in provider.chain]
            self._chains[key] = kind(self._choice(role, provider, made))
        return self._chains[key]

    def _choice(self, role: str, provider: Provider, made: Sequence[Any]) -> Choice[Any]:
        breakers = [self._breakers[f"{role} {one.model_dump_json()}"] for one in provider.chain]
        return Choice(made, breakers)

    def _one(self, role: str, provider: Provider) -> Any:
        key = f"{role} {provider.model_dump_json()}"
        if key not in self.shared:
            self.shared[key] = _module(role, provider).make(provider.settings)
        return self.shared[key]

    def _mind(self, provider: Provider, agent: Agent) -> Any:
        """Its prompt is the agent's own, and so is it."""
        key = f"mind {agent.name} {provider.model_dump_json()}"
        if key not in self.shared:
            self.shared[key] = _module("mind", provider).make(provider.settings, agent)
        return self.shared[key]


def faults(agent: Agent) -> list[Fault]:
    """Providers that do not exist and settings they do not take, at the place in the agent's file."""
    found: list[Fault] = tools.faults(agent)
    for role, known in PROVIDERS.items():
        for place, provider in _places(role, getattr(agent, role)):
            if provider.kind in known:
                found.extend(_settings(role, provider, place))
            else:
                found.append((place, f"there is no {role} {provider.kind!r}{meant(provider.kind, sorted(known))}"))
    return found


def _places(role: str, wanted: Provider) -> Iterator[tuple[tuple[str | int, ...], Provider]]:
    """An agent's providers of one role, and where in its file each is."""
    for index, provider in enumerate(wanted.chain):
        yield (role, index) if wanted.fallbacks else (role,), provider


def settings(role: str, provider: Provider) -> Any:
    """A provider's settings, with its defaults; None where it has none. For an agent without `faults`."""
    wanted = getattr(_module(role, provider), "Settings", None)
    return None if wanted is None else wanted(**provider.settings)


def _settings(role: str, provider: Provider, place: tuple[str | int, ...]) -> list[Fault]:
    """What a provider's own settings say of these. The script mind's are checked with its script."""
    wanted = getattr(_module(role, provider), "Settings", None)
    if wanted is None:
        return []
    try:
        wanted(**provider.settings)
    except ValidationError as error:
        return [((*place, *where), text) for where, text in explain(error, wanted)]
    return []


def _module(role: str, provider: Provider) -> Any:
    return import_module(PROVIDERS[role][provider.kind])
