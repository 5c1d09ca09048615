"""The `gemini` mind: Google's Gemini through `streamGenerateContent`.

The vendor's package does not run on Trio: the protocol is in `contents`, and `web` does the HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

import trio
from pydantic import Field, model_validator

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.thinker.contents import Contents
from parlance.actors.thinker.mind import ModelMinds, ModelService
from parlance.actors.web import Web
from parlance.engine.agent import Agent
from parlance.engine.faults import checked

NAME = "gemini"
URL = "https://generativelanguage.googleapis.com"

_OPTIONS = {"temperature": "temperature", "max_tokens": "maxOutputTokens"}


class Settings(ModelService):
    ours: ClassVar[frozenset[str]] = frozenset(("contents", "systemInstruction", "tools"))

    url: str = URL
    """Where the service is, without its version."""
    key_env: Variable = "GEMINI_API_KEY"
    version: Annotated[str, Field(pattern=r"^v[a-z0-9]+$", description="should be like v1 or v1beta")] = "v1"
    """Of the interface; as in google-genai 3.4."""
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The longest answer, thinking included."""

    @model_validator(mode="after")
    def _configured(self) -> Settings:
        if not isinstance(self.extra.get("generationConfig", {}), dict):
            raise ValueError("extra: generationConfig has fields, such as topK")
        return self


class _Way:
    """`Web`, to the address of one model."""

    def __init__(self, web: Web, url: str) -> None:
        self._web, self._url = web, url

    def post(self, body: Mapping[str, Any]) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._web.post(self._url, body, kind="events")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self._web.run(task_status=task_status)


def make(settings: dict[str, Any], agent: Agent) -> ModelMinds:
    """The minds of the agent's calls. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"agent {agent.name}: mind {NAME}")
    dial = Dial(NAME, chosen, header="x-goog-api-key")
    model = quote(chosen.model.removeprefix("models/"), safe="")
    url = f"{chosen.url.rstrip('/')}/{chosen.version}/models/{model}:streamGenerateContent"
    wire = Contents(agent.prompt, _options(chosen))
    return ModelMinds(dial, chosen, wire, _Way(Web(dial, chosen, what="words"), address(url, {"alt": "sse"})))


def _options(chosen: Settings) -> dict[str, Any]:
    told = {name: value for at, name in _OPTIONS.items() if (value := getattr(chosen, at)) is not None}
    config = {**chosen.extra.get("generationConfig", {}), **told}
    return {**chosen.extra, **({"generationConfig": config} if config else {})}
