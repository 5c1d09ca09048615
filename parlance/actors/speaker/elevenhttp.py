"""A voice at ElevenLabs over HTTP: one request a phrase, through the `elevenlabs` package, in µ-law. Not tried against
the live service. Needs the extra `elevenlabs`.

The package (read in elevenlabs 2.78) makes the request; its own client carries it out by way of `web`, so that
connections, deadlines and errors are those of every other voice. It is not told the key: `web` has it. Its retries are
switched off, because they sleep by asyncio's clock.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from parlance.actors.dial import Dial, Variable
from parlance.actors.speaker.manner import Manner
from parlance.actors.speaker.single import Audio, SingleVoice
from parlance.actors.web import Web, WebService, run_out
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import ProviderError
from parlance.engine.faults import checked

NAME = "elevenlabs-http"
HEADER = "xi-api-key"
LONGEST = 5000
"""Characters of a text: what the strictest of the models takes."""

_OPTIONS = {"max_retries": 0, "chunk_size": None}
"""`chunk_size`: pieces as they come, and not when a kilobyte (0.13 s of µ-law) is full."""


class Settings(Manner, WebService):
    url: str = "https://api.elevenlabs.io"
    """The host; others are for data to stay in their region."""
    key_env: Variable = "ELEVENLABS_API_KEY"

    @property
    def request(self) -> dict[str, Any]:
        """The arguments that every request has."""
        optional = {"language_code": self.language, "voice_settings": self.voice_settings()}
        return {
            "voice_id": self.voice,
            "model_id": self.model,
            "output_format": "ulaw_8000",
            **{name: value for name, value in optional.items() if value},
        }


class Bridge(httpx.AsyncBaseTransport):
    """What carries out the package's requests. A refusal is a `ProviderError`, and no response."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {"Content-Type": request.headers["content-type"]}
        return httpx.Response(
            200, stream=Body(self._web.post(str(request.url), content=request.content, headers=headers))
        )


class Body(httpx.AsyncByteStream):
    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async with self._audio as chunks:
            async for chunk in chunks:
                yield chunk


class ElevenSpeech:
    """The package's speech, asked for a text."""

    def __init__(self, settings: Settings) -> None:
        dial = Dial(NAME, settings, header=HEADER, extra="elevenlabs")
        package = dial.library("elevenlabs")
        self.web = Web(dial, settings)
        client = package.AsyncElevenLabs(
            base_url=settings.url,
            api_key=None,
            httpx_client=httpx.AsyncClient(transport=Bridge(self.web), timeout=None),
        )
        self._stream, self._request = client.text_to_speech.with_raw_response.stream, settings.request

    @asynccontextmanager
    async def __call__(self, text: str) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._stream(text=text, request_options=_OPTIONS, **self._request) as response:
            try:
                yield response.data
            finally:
                await run_out(response.data, (ProviderError,))


def make(settings: dict[str, Any]) -> SingleVoice:
    """The voice of an agent's `voice:` settings. The package takes a quarter of a second to import: here, before there
    are calls. Raises `Misconfigured`.
    """
    speech = ElevenSpeech(checked(Settings, settings, f"voice {NAME}"))
    return SingleVoice(NAME, TELEPHONE, speech.web, speech, longest=LONGEST)
