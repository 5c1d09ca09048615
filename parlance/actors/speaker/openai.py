"""A voice at any service with OpenAI's speech endpoint: one request a phrase. Not tried against the live service.

Request as in openai-python 3.51 (`audio/speech`); that `pcm` is 16-bit little-endian mono at 24 kHz is what
https://platform.openai.com/docs/guides/text-to-speech says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.dial import Dial
from parlance.actors.web import Web, WebService
from parlance.codecs.format import Format
from parlance.engine.faults import checked

NAME = "openai"


class Settings(WebService):
    model: Annotated[str, Field(min_length=1)]
    voice: Annotated[str, Field(min_length=1)]
    instructions: Annotated[str, Field(max_length=4096)] = ""
    """How to speak: a tone, an accent."""
    url: str = "https://api.openai.com/v1/audio/speech"
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "OPENAI_API_KEY"


class OpenAIVoice:
    format = Format("pcm16", 24000)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._web = Web(Dial(NAME, settings, scheme="Bearer", extra="openai"), settings)
        self._body = {"model": settings.model, "voice": settings.voice, "response_format": "pcm"}
        if settings.instructions:
            self._body["instructions"] = settings.instructions

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""
        await self._web.run(task_status=task_status)

    def speak(self, text: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._web.post(self.settings.url, self._body | {"input": text})


def make(settings: dict[str, Any]) -> OpenAIVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    return OpenAIVoice(checked(Settings, settings, f"voice {NAME}"))
