"""The services that have pages, for tests: which page is about which provider, and what its settings are."""

from __future__ import annotations

import importlib

from parlance.actors.dial import Service
from parlance.registry import PROVIDERS

PAGE = {"flux": "deepgram", "deepgram-ws": "deepgram", "elevenlabs-http": "elevenlabs"}
"""The pages of providers that have none of their own name."""


def services() -> list[tuple[str, str, type[Service]]]:
    """Every provider on the network: role, kind, settings."""
    found = []
    for role, kinds in PROVIDERS.items():
        for kind, module in kinds.items():
            chosen = importlib.import_module(module).Settings
            if issubclass(chosen, Service):
                found.append((role, kind, chosen))
    return found


SERVICES = services()
