"""The `anthropic` mind: Anthropic's Messages, streamed. Needs the extra `anthropic`.

The protocol is in `messages`, the way there in `sdk`. The key goes into `x-api-key`, as the service documents it; the
package, from 2.11 on, would put it elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from parlance.actors.dial import Dial, Variable
from parlance.actors.thinker.messages import Messages
from parlance.actors.thinker.mind import ModelMinds, ModelService
from parlance.actors.thinker.sdk import Sdk
from parlance.engine.agent import Agent
from parlance.engine.faults import checked

NAME = "anthropic"
URL = "https://api.anthropic.com"

_HEADER = "x-api-key"
_PATH = "/v1/messages"


class Settings(ModelService):
    ours: ClassVar[frozenset[str]] = ModelService.ours | {"system", "max_tokens"}

    url: str = URL
    """Where the service is, without `/v1`."""
    key_env: Variable = "ANTHROPIC_API_KEY"
    version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="should be a date like 2026-10-21")] = (
        "2026-10-21"
    )
    """Of the interface: as in anthropic 2.11. It refuses `temperature`, which `2023-06-01` took."""
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """The longest answer, thinking included; the service wants one, and minutes of speech are less."""


def make(settings: dict[str, Any], agent: Agent) -> ModelMinds:
    """The minds of the agent's calls. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"agent {agent.name}: mind {NAME}")
    dial = Dial(NAME, chosen, header=_HEADER, more={"anthropic-version": chosen.version}, extra=NAME)
    package = dial.library("anthropic")

    def connect(http: Any) -> Any:
        return package.AsyncAnthropic(
            # Given, or the package looks for one of its own.
            api_key=dial.key.get_secret_value(),
            base_url=chosen.url,
            max_retries=0,
            timeout=None,
            http_client=http,
        )

    options: dict[str, Any] = {**chosen.extra, "max_tokens": chosen.max_tokens}
    if chosen.temperature is not None:
        options["temperature"] = chosen.temperature
    wire = Messages(chosen.model, agent.prompt, options)
    return ModelMinds(dial, chosen, wire, Sdk(dial, chosen, package, connect, _PATH))
