"""The ears, minds and voices there are, by the name an agent's file uses. A provider is imported when it is used.

Each module has a `make`: `make(settings)` for ears and voices (shared by calls and by agents), and
`make(settings, agent)` for minds, which returns a factory (one mind per call).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from parlance.actors.listener.port import Ear
from parlance.actors.speaker.port import Voice
from parlance.actors.thinker.port import Mind
from parlance.engine.agent import Agent, Provider
from parlance.engine.errors import Misconfigured
from parlance.engine.faults import Fault, explain, meant, told

PROVIDERS = {
    "ear": {
        "sphinx": "parlance.actors.listener.sphinx",
        "deepgram": "parlance.actors.listener.deepgram",
        "rehearsal": "parlance.actors.listener.rehearsal",
    },
    "mind": {
        "script": "parlance.actors.thinker.script",
        "openai": "parlance.actors.thinker.openai",
        "rehearsal": "parlance.actors.thinker.rehearsal",
    },
    "voice": {
        "espeak": "parlance.actors.speaker.espeak",
        "deepgram": "parlance.actors.speaker.deepgram",
        "openai": "parlance.actors.speaker.openai",
        "rehearsal": "parlance.actors.speaker.rehearsal",
    },
}


@dataclass(frozen=True, slots=True)
class Crew:
    """What an agent's calls share, and how a call gets a mind of its own."""

    agent: Agent
    ear: Ear
    mind: Callable[[], Mind]
    voice: Voice


class Registry:
    """Makes crews. Agents whose ear or voice is set alike share one: a warm worker for each would cost its memory."""

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        """Every ear and voice made so far."""

    def crew(self, agent: Agent) -> Crew:
        """The agent's ear, mind and voice. Raises `Misconfigured` where one is unknown or refuses its settings."""
        if wrong := faults(agent):
            raise Misconfigured(f"agent {agent.name}: {'; '.join(map(told, wrong))}")
        make_mind = _module("mind", agent.mind).make
        return Crew(
            agent,
            ear=self._share("ear", agent.ear),
            mind=make_mind(agent.mind.settings, agent),
            voice=self._share("voice", agent.voice),
        )

    def _share(self, role: str, provider: Provider) -> Any:
        key = f"{role} {provider.model_dump_json()}"
        if key not in self.shared:
            self.shared[key] = _module(role, provider).make(provider.settings)
        return self.shared[key]


def faults(agent: Agent) -> list[Fault]:
    """Providers that do not exist and settings they do not take, at the place in the agent's file."""
    found: list[Fault] = []
    for role, known in PROVIDERS.items():
        provider: Provider = getattr(agent, role)
        kind = provider.kind
        if kind in known:
            found.extend(_settings(role, provider))
        else:
            found.append(((role,), f"there is no {role} {kind!r}{meant(kind, sorted(known))}"))
    return found


def _settings(role: str, provider: Provider) -> list[Fault]:
    """What a provider's own settings say of these. The script mind's are checked with its script."""
    wanted = getattr(_module(role, provider), "Settings", None)
    if wanted is None:
        return []
    try:
        wanted(**provider.settings)
    except ValidationError as error:
        return [((role, *where), text) for where, text in explain(error, wanted)]
    return []


def _module(role: str, provider: Provider) -> Any:
    return import_module(PROVIDERS[role][provider.kind])
