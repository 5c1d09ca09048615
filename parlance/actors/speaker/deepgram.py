"""A voice at Deepgram: one request a phrase, v1/speak over HTTP, in µ-law. Not tried against the live service.

Request and answer as in deepgram-sdk 7.16 (`speak/v1`). Its WebSocket would save nothing: on a warm connection a
request is one way there and one back as well, and a WebSocket allows 20 `Flush` a minute
(https://developers.deepgram.com/docs/tts-ws-flush), while every phrase needs one, and a talkative agent has more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.dial import Dial, address
from parlance.actors.web import Web, WebService
from parlance.codecs.format import TELEPHONE
from parlance.engine.faults import checked

NAME = "deepgram"


class Settings(WebService):
    url: str = "https://api.deepgram.com/v1/speak"
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "DEEPGRAM_API_KEY"
    model: Annotated[str, Field(min_length=1)] = "aura-2-thalia-en"
    """The voice and its language."""


class DeepgramVoice:
    format = TELEPHONE

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._web = Web(Dial(NAME, settings, scheme="Token", extra="deepgram"), settings)
        query = {"model": settings.model, "encoding": "mulaw", "sample_rate": TELEPHONE.rate, "container": "none"}
        self._address = address(settings.url, query)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""
        await self._web.run(task_status=task_status)

    def speak(self, text: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._web.post(self._address, {"text": text})


def make(settings: dict[str, Any]) -> DeepgramVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    return DeepgramVoice(checked(Settings, settings, f"voice {NAME}"))
