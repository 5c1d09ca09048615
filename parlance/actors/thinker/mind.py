"""What drives a language model: deadlines, the events of its answer, and its failures in the house's words.

The protocol is the wire's business, and how bytes get there and back the way's. Deadlines are Trio's and count events,
so that neither a service's comments nor its pings hide that it says nothing. The time that whoever reads the thoughts
takes with one is not the service's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count
from typing import Annotated, Any, ClassVar, Protocol

import trio
from pydantic import Field, model_validator

from parlance.actors.dial import Dial, Patience
from parlance.actors.sse import Events
from parlance.actors.thinker.model import MADE, Complaint, Name, Wire
from parlance.actors.thinker.port import Ask, Entry, Thought, Tool, Use
from parlance.actors.web import WebService
from parlance.engine.errors import Garbled, ProviderError

_COST = 1.0
"""Seconds for what follows the end of a reply: how much it has cost."""
_TAIL = 0.1
"""Seconds for the end of a body after the last event."""


class ModelService(WebService):
    """The settings that all language models have."""

    ours: ClassVar[frozenset[str]] = frozenset(("model", "messages", "stream", "tools"))

    model: Annotated[str, Field(min_length=1)]
    """The model's name, as the service knows it. There is none by default: names are given up faster than releases."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    extra: Annotated[dict[str, Any], Field(default_factory=dict)]
    """More fields of the request, as the service names them."""
    first: Patience = 6.0
    """Seconds from the request to the first event of the answer, connecting included."""
    idle: Patience = 4.0
    """Seconds between two events."""

    @model_validator(mode="after")
    def _additional(self) -> ModelService:
        if taken := sorted(self.ours & self.extra.keys()):
            raise ValueError(f"extra: {', '.join(taken)} cannot be set here")
        return self


class Way(Protocol):
    """How a request gets to the service. Failures are `ProviderError`."""

    def post(self, body: Mapping[str, Any]) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The answer's body as it comes. Leaving ends the request at once."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections open until cancelled, and close them."""


class ModelMinds:
    """Makes the minds of one agent's calls, which share connections."""

    def __init__(self, dial: Dial, service: ModelService, wire: Wire, way: Way) -> None:
        self.provider = dial.name
        self.dial, self.service, self.wire, self.way = dial, service, wire, way

    def __call__(self) -> ModelMind:
        return ModelMind(self)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections warm until cancelled; then close them."""
        await self.way.run(task_status=task_status)


class ModelMind:
    """One call's mind. It remembers nothing: the history is all it is told."""

    ahead = True

    def __init__(self, minds: ModelMinds) -> None:
        self.provider = minds.provider
        self._minds, self._made = minds, count(1)

    @asynccontextmanager
    async def think(
        self, history: Sequence[Entry], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[AsyncIterator[Thought]]:
        async with aclosing(self._thoughts(history, tools)) as thoughts:
            yield thoughts

    def committed(self, heard: str, complete: bool) -> None:
        """The history tells."""

    def _name(self) -> str:
        return f"{MADE}{self.provider}-{next(self._made)}"

    async def _thoughts(self, history: Sequence[Entry], tools: Sequence[Tool]) -> AsyncGenerator[Thought]:
        minds, answer = self._minds, _Answer(self._minds, self._name)
        ids = {entry.id for entry in history if isinstance(entry, Use)}
        async with minds.way.post(minds.wire.request(history, tools)) as chunks:
            while (events := await answer.more(chunks)) is not None:
                for event in events:
                    thoughts, at = answer.read(event), trio.current_time()
                    for thought in thoughts:
                        yield _known(thought, ids, self._name)
                    answer.given(at)
            for thought in answer.end():
                yield thought
            await _rest(chunks)


class _Answer:
    """One answer as it comes: whether it comes in time, and what it says."""

    def __init__(self, minds: ModelMinds, name: Name) -> None:
        self._dial, self._reply = minds.dial, minds.wire.reply(name)
        self._events, self._clock = Events(), _Clock(minds.service)

    async def more(self, chunks: AsyncIterator[bytes]) -> Sequence[str] | None:
        """The events of the next chunk; None: it is over. What befalls a reply that is whole is nobody's concern."""
        if self._reply.done:
            return None
        try:
            with self._dial.by(self._clock.until, self._clock.late):
                chunk = await anext(chunks, None)
            with self._read():
                return None if chunk is None else self._events.feed(chunk)
        except ProviderError:
            if not self._reply.finished:
                raise
            return None

    def read(self, data: str) -> list[Thought]:
        """What an event says."""
        with self._read():
            return [] if self._reply.done else self._reply.read(data)

    def given(self, at: float) -> None:
        """What an event said was given on, from `at` on."""
        if not self._reply.idle:
            self._clock.event(at, finished=self._reply.finished)

    def end(self) -> list[Thought]:
        with self._read():
            return self._reply.end()

    @contextmanager
    def _read(self) -> Iterator[None]:
        """What is wrong with an event, and what the service complains about, as errors of ours."""
        try:
            yield
        except Complaint as error:
            raise error.kind(self._dial.name, self._dial.brief(error)) from None
        except ValueError as error:
            raise Garbled(self._dial.name, f"not the stream of an answer: {self._dial.brief(error)}") from None


def _known(thought: Thought, ids: set[str], name: Name) -> Thought:
    """A use of a tool under an id that no other one in the call has: some models count anew in every reply."""
    if not isinstance(thought, Ask):
        return thought
    while thought.id in ids:
        thought = replace(thought, id=name())
    ids.add(thought.id)
    return thought


class _Clock:
    """When the next event is due."""

    def __init__(self, service: ModelService) -> None:
        now = trio.current_time()
        self._service, self._end = service, now + service.total
        self.until, self.late = self._end, f"no whole answer within {service.total:g} s"
        self._due(now + service.first, f"no words within {service.first:g} s")

    def event(self, given: float, *, finished: bool) -> None:
        """An event came, and its thoughts were given at `given`: what has passed since is not the service's time."""
        now, idle = trio.current_time(), self._service.idle
        self._end += now - given
        self._due(now + (min(idle, _COST) if finished else idle), f"no more words within {idle:g} s")

    def _due(self, until: float, late: str) -> None:
        if until < self._end:
            self.until, self.late = until, late
        else:
            self.until, self.late = self._end, f"no whole answer within {self._service.total:g} s"


async def _rest(chunks: AsyncIterator[bytes]) -> None:
    """A connection can be used again only if its last answer was read to the end."""
    with trio.move_on_after(_TAIL):
        try:
            while await anext(chunks, None) is not None:
                pass
        except ProviderError:
            return
