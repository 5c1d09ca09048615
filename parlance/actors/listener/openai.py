"""An ear at any service with OpenAI's transcription endpoint: one request an utterance. Not tried against the live
service, nor against the servers that are compatible with it (whisper.cpp's, speaches).

Request and answers as in openai-python 3.52 (`audio/transcriptions`), whose multipart form writes a list as `name[]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.dial import Dial, Variable, complaint
from parlance.actors.fields import opened, text
from parlance.actors.listener.request import RequestEar, RequestService
from parlance.actors.sse import Events
from parlance.actors.verdict import verdict
from parlance.actors.web import Web
from parlance.engine.errors import Garbled
from parlance.engine.faults import checked

NAME = "openai"

_DELTA, _DONE = "transcript.text.delta", "transcript.text.done"


class Settings(RequestService):
    url: str = "https://api.openai.com/v1/audio/transcriptions"
    key_env: Variable = "OPENAI_API_KEY"
    model: Annotated[str, Field(min_length=1)] = "gpt-transcribe"
    language: str = ""
    """ISO 639-1; empty: the service finds out."""
    prompt: str = ""
    """What the conversation is about."""
    keywords: tuple[str, ...] = ()
    """Words to expect, such as names, where the model takes them."""
    stream: bool = False
    """Whether the final words come one by one, where the model can do that."""


class OpenAIScribe:
    provider = NAME
    longest = 60.0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._dial = Dial(NAME, settings, scheme="Bearer", extra="openai")
        self._httpx = self._dial.library("httpx")
        self._web = Web(self._dial, settings, what="words")
        optional = {"language": settings.language, "prompt": settings.prompt, "keywords[]": list(settings.keywords)}
        self._fields: dict[str, Any] = {"model": settings.model, "response_format": "json"}
        self._fields |= {name: value for name, value in optional.items() if value}
        if settings.stream:
            self._fields["stream"] = "true"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""
        await self._web.run(task_status=task_status)

    async def transcribe(self, file: bytes, so_far: Callable[[str], None]) -> str:
        files = {"file": ("audio.wav", file, "audio/wav")}
        form = self._httpx.Request("POST", self.settings.url, data=self._fields, files=files)
        headers = {"Content-Type": form.headers["Content-Type"]}
        body = form.read()
        if not self.settings.stream:
            return self._text(await self._web.whole(self.settings.url, content=body, headers=headers))
        words, events = "", Events()
        async with self._web.post(self.settings.url, content=body, headers=headers, kind="events") as chunks:
            async for chunk in chunks:
                for data in self._fed(events, chunk):
                    more, done = self._event(data)
                    if done:
                        return more
                    words += more
                    so_far(words)
        raise Garbled(NAME, "the answer broke off in the middle")

    def _fed(self, events: Events, chunk: bytes) -> Iterator[str]:
        try:
            yield from events.feed(chunk)
        except ValueError as error:
            raise Garbled(NAME, f"not a stream of events: {self._dial.brief(error)}") from None

    def _text(self, body: bytes | str) -> str:
        """The words of an answer, or of the last event of one."""
        try:
            return text(opened(body)["text"])
        except (ValueError, KeyError):
            shown = body.decode(errors="replace") if isinstance(body, bytes) else body
            raise Garbled(NAME, f"not a transcription: {self._dial.brief(shown)}") from None

    def _event(self, data: str) -> tuple[str, bool]:
        """More words, or all of them and that these are all."""
        if data == "[DONE]":
            raise Garbled(NAME, "the answer ended without its words")
        try:
            told = opened(data)
            kind = told.get("type")
            delta = text(told["delta"]) if kind == _DELTA else ""
        except (ValueError, KeyError):
            raise Garbled(NAME, f"not an event of a transcription: {self._dial.brief(data)}") from None
        if kind == "error" or (kind is None and told.get("error")):
            raise verdict(data)(NAME, self._dial.brief(complaint(data)))
        return (self._text(data), True) if kind == _DONE else (delta, False)


def make(settings: dict[str, Any]) -> RequestEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    return RequestEar(OpenAIScribe(checked(Settings, settings, f"ear {NAME}")))
