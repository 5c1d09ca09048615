"""The `openai` mind: any service that speaks OpenAI's chat completions, streamed. Needs the extra `openai`.

OpenAI's own, Azure OpenAI's, and servers of your own that speak it too (Ollama, vLLM, llama.cpp). The protocol is in
`chat`, the way there in `sdk`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, Field, model_validator

from parlance.actors.dial import Dial, Variable
from parlance.actors.thinker.chat import Chat
from parlance.actors.thinker.mind import ModelMinds, ModelService
from parlance.actors.thinker.sdk import Sdk
from parlance.engine.agent import Agent
from parlance.engine.faults import checked

NAME = "openai"
URL = "https://api.openai.com/v1"

_PATH = "/chat/completions"
_OPTIONS = ("temperature", "max_tokens", "max_completion_tokens")


class Settings(ModelService):
    ours: ClassVar[frozenset[str]] = ModelService.ours | {"stream_options"}

    url: Annotated[str, Field(validation_alias=AliasChoices("url", "base_url"))] = URL
    """Where the service is, up to and including `/v1`; also called `base_url`."""
    key_env: Variable = "OPENAI_API_KEY"
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The longest answer. OpenAI's reasoning models know `max_completion_tokens` only; many other servers, this."""
    max_completion_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    usage: bool = True
    """Ask what a reply has cost. Some servers refuse requests that do."""
    api_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]*$", description="should be like 2024-10-21")] = ""
    """Azure OpenAI's, such as `2024-10-21`: then `url` is the resource's endpoint, and `model` names the deployment."""

    @model_validator(mode="after")
    def _sensible(self) -> Settings:
        if self.max_tokens and self.max_completion_tokens:
            raise ValueError("max_tokens and max_completion_tokens are two names of one thing: set one")
        if self.api_version and self.url == URL:
            raise ValueError("api_version is Azure's: set `url` to your resource's endpoint")
        return self


def make(settings: dict[str, Any], agent: Agent) -> ModelMinds:
    """The minds of the agent's calls. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"agent {agent.name}: mind {NAME}")
    azure = bool(chosen.api_version)
    dial = Dial(
        NAME, chosen, header="api-key" if azure else "Authorization", scheme="" if azure else "Bearer", extra=NAME
    )
    package = dial.library("openai")
    common = {"api_key": dial.key.get_secret_value(), "max_retries": 0, "timeout": None}

    def connect(http: Any) -> Any:
        if azure:
            where = {"azure_endpoint": chosen.url, "api_version": chosen.api_version}
            return package.AsyncAzureOpenAI(**common, **where, http_client=http)
        return package.AsyncOpenAI(**common, base_url=chosen.url, http_client=http)

    options = {name: value for name in _OPTIONS if (value := getattr(chosen, name)) is not None}
    wire = Chat(chosen.model, agent.prompt, {**chosen.extra, **options}, usage=chosen.usage)
    return ModelMinds(dial, chosen, wire, Sdk(dial, chosen, package, connect, _PATH))
