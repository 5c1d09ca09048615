"""Voices that are asked once a phrase, over HTTP: what is said at all, in how many requests, and their audio.

Text goes out as it is, in any script, less what no service can be sent. What has nothing to say in it is not sent.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol

import trio

from parlance.actors.speaker.port import Sound
from parlance.actors.speaker.spoken import plain, sayable
from parlance.codecs.format import Format

Audio = AbstractAsyncContextManager[AsyncIterator[bytes]]

_MARKS = r".!?;:\u2026\u3002\uff01\uff1f\uff1b"
# Looked at from its first mark only: a model that goes on with dots for ever would take as many looks, squared.
_SENTENCE = re.compile(rf"(?<![{_MARKS}])[{_MARKS}]++[\"'\u201d\u2019)]*+(?=\s)|[\u3002\uff01\uff1f]")
_SPACE = re.compile(r"\s+")


class Keeper(Protocol):
    async def run(self, *, task_status: trio.TaskStatus[None] = ...) -> None: ...


class SingleVoice:
    """A voice for which `ask` gets the audio of a text of at most `longest` characters, in `format`.

    A longer phrase is asked for in several requests: the caller wants all of it, and not an apology.
    """

    def __init__(
        self, provider: str, format: Format, keeper: Keeper, ask: Callable[[str], Audio], *, longest: int
    ) -> None:
        self.provider, self.format, self.longest = provider, format, longest
        self._keeper, self._ask = keeper, ask

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""
        await self._keeper.run(task_status=task_status)

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[SingleVoice]:
        """A reply is nothing to such a service: only its phrases are."""
        yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Sound]]:
        async with aclosing(self._sounds(text)) as sounds:
            yield sounds

    async def _sounds(self, text: str) -> AsyncGenerator[Sound]:
        for part in parts(sent(text), self.longest):
            odd = b""
            async with self._ask(part) as chunks:
                async for chunk in chunks:
                    audio = odd + chunk
                    whole = len(audio) - len(audio) % self.format.width
                    # Half a sample at an answer's end is none, and would make noise of the next answer.
                    audio, odd = audio[:whole], audio[whole:]
                    if audio:
                        yield Sound(audio, self.format)


def sent(text: str) -> str:
    """What can be sent of `text`: nothing where there is nothing in it that can be heard."""
    text = plain(text).strip()
    return text if sayable(text) else ""


def parts(text: str, longest: int) -> Iterator[str]:
    """`text` in parts that fit, cut after a sentence, between words or, where there are none, anywhere."""
    while len(text) > longest:
        window = text[: longest + 1]
        ends = [match.end() for match in _SENTENCE.finditer(window) if match.end() <= longest]
        ends = ends if ends and ends[-1] > longest // 2 else [match.start() for match in _SPACE.finditer(window)]
        at = ends[-1] if ends and ends[-1] else longest
        if part := sent(text[:at]):
            yield part
        text = text[at:].strip()
    if text := sent(text):
        yield text
