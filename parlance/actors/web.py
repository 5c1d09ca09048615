"""HTTP requests to providers, whose answers are streams. What they wait for and what their failures are called.

`httpx` does the work, on Trio. Connections are shared by all calls of an agent and stay warm.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from ssl import SSLError
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.body import Kind, Reader, bodies
from parlance.actors.dial import CLOSING, Dial, Patience, Service, complaint, root, secure
from parlance.actors.warmth import Warmth
from parlance.engine.errors import Garbled, ProviderError, Unreachable

KEPT = 60.0
"""Seconds that an idle connection is kept for the next request: longer than people pause."""
EVERY = 45.0
"""Seconds without a request after which a warm connection gives a sign of life: usual servers drop it after 60."""

_COMPLAINT = 4096
"""Bytes of a refusal that are read."""


class WebService(Service):
    """The settings that all providers have which are asked over HTTP."""

    first: Patience = 3.0
    """Seconds from a request to the first of its answer, connecting included."""
    idle: Patience = 3.0
    """Seconds between two pieces of an answer."""
    total: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Seconds for a whole answer. The time that its reader takes does not count."""


@dataclass(slots=True, eq=False)
class _Client:
    """A client with one connection. `ends`: when it is replaced; `used`: when it was given back; `due`: when it gives a
    sign of life.
    """

    client: Any
    ends: float
    used: float = -math.inf
    due: float = math.inf


class Web:
    """HTTP requests of one provider, on connections that all calls share and that stay warm between requests.

    Each connection is a client of its own: a client's pool looks at every connection it has for each of the others,
    twice a request, which from a hundred on takes longer than the request. `what`: what answers hold, for errors.
    """

    def __init__(self, dial: Dial, service: WebService, *, what: str = "audio") -> None:
        self._dial, self._service, self._what = dial, service, what
        self._httpx = httpx = dial.library("httpx")
        ended = dial.library("anyio").EndOfStream
        self._body = bodies(httpx)
        self._lost = (httpx.RequestError, httpx.StreamError, httpx.InvalidURL, SSLError, ended)
        # Made once for all clients: it takes milliseconds, also without TLS, where there is nothing to verify.
        with dial.environment():
            self._trust = httpx.create_ssl_context(verify=secure(service.url))
            # The others are made in calls.
            httpx.AsyncClient(verify=self._trust)
        self._idle: deque[_Client] = deque()
        """Clients that nobody uses. The right end is taken first; on the left are the cold ones."""
        self._warmth = Warmth(service.lifetime)
        self._changed = trio.Event()
        self._over = False

    # -------------------------------------------------------------------------------- connections

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections warm for as long as the house lives; then all that nobody uses are closed."""
        try:
            task_status.started()
            while True:
                self._changed = trio.Event()
                with trio.move_on_at(self._due()):
                    await self._changed.wait()
                await self._trim()
                if (client := self._next()) is not None and not await self._touch(client):
                    await trio.sleep(self._warmth.failed())
        finally:
            self._over = True
            with trio.move_on_after(CLOSING, shield=True):
                while self._idle:
                    await self._idle.pop().client.aclose()

    def _due(self) -> float:
        """When something is to be done for the connections if nobody asks for one."""
        warm = self._service.warm
        if len(self._idle) < warm:
            return -math.inf
        cold = [self._idle[0].used + KEPT] if len(self._idle) > warm else []
        return min([math.inf, *cold, *(min(client.due, client.ends) for client in self._warm())])

    def _warm(self) -> list[_Client]:
        return list(self._idle)[max(0, len(self._idle) - self._service.warm) :]

    def _next(self) -> _Client | None:
        """The client that is due: one of those that are kept warm, or a new one."""
        now, warm = trio.current_time(), self._warm()
        if len(warm) < self._service.warm:
            return self._new()
        # What replaces it is open before it is closed: used by nobody, it is then the coldest.
        if any(client.ends <= now for client in warm):
            return self._new()
        for client in warm:
            if client.due <= now:
                self._idle.remove(client)
                return client
        return None

    async def _touch(self, client: _Client) -> bool:
        """Open the connection, or keep it open, by a request that costs nothing. Nothing depends on its answer."""
        whole = False
        try:
            with suppress(*self._lost), trio.move_on_after(self._service.connect + self._service.first):
                await client.client.head(root(self._service.url))
                whole = True
                self._warmth.succeeded()
        finally:
            await self._give_back(client, whole=whole)
        return whole

    async def _trim(self) -> None:
        """Close what has not been used for long, and what has lived long and is not needed."""
        now = trio.current_time()
        with trio.move_on_after(CLOSING, shield=True):
            while len(self._idle) > self._service.warm and self._idle[0].used + KEPT <= now:
                await self._idle.popleft().client.aclose()
            for client in [client for client in self._idle if client.ends <= now]:
                if len(self._idle) > self._service.warm and client in self._idle:
                    self._idle.remove(client)
                    await client.client.aclose()

    def _new(self) -> _Client:
        client = self._httpx.AsyncClient(
            timeout=self._httpx.Timeout(None, connect=self._service.connect),
            # Whether a connection that was idle for long still stands is seen when it is used.
            limits=self._httpx.Limits(max_connections=1, keepalive_expiry=None),
            headers={"Accept-Encoding": "identity"},
            verify=self._trust,
        )
        return _Client(client, trio.current_time() + self._warmth.lifetime())

    def _take(self) -> _Client:
        client = self._idle.pop() if self._idle else self._new()
        self._changed.set()
        return client

    async def _give_back(self, client: _Client, *, whole: bool) -> None:
        """For the next request, if its answer was read to the end."""
        now = trio.current_time()
        if whole and not self._over and now < client.ends:
            client.used, client.due = now, now + self._warmth.jittered(EVERY)
            self._idle.append(client)
        else:
            with trio.move_on_after(CLOSING, shield=True):
                await client.client.aclose()
        self._changed.set()
        await self._trim()

    # ----------------------------------------------------------------------------------- requests

    @asynccontextmanager
    async def post(
        self,
        url: str,
        body: Mapping[str, object] | None = None,
        *,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        kind: Kind = "audio",
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of the answer to `body` (sent as JSON) or `content`, as it comes. Leaving ends the request at once.

        `kind`: what the answer has to be; anything else is `Garbled`, and so is one that is too large or empty.
        """
        more = dict(headers or {})
        if body is not None:
            # Escaped, so that half of an emoji's surrogates can be sent, which UTF-8 has no bytes for.
            content, more = json.dumps(body), {"Content-Type": "application/json", **more}
        async with aclosing(self._chunks(url, content or b"", more, kind)) as chunks:
            yield chunks

    async def whole(
        self,
        url: str,
        body: Mapping[str, object] | None = None,
        *,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        kind: Kind = "json",
    ) -> bytes:
        """The answer's whole body."""
        async with self.post(url, body, content=content, headers=headers, kind=kind) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def _chunks(
        self, url: str, content: bytes | str, headers: dict[str, str], kind: Kind
    ) -> AsyncGenerator[bytes]:
        client, whole = self._take(), False
        try:
            async with aclosing(self._answer(client.client, url, content, headers, kind)) as chunks:
                async for chunk in chunks:
                    yield chunk
            whole = True
        finally:
            await self._give_back(client, whole=whole)

    async def _answer(
        self, client: Any, url: str, content: bytes | str, headers: dict[str, str], kind: Kind
    ) -> AsyncGenerator[bytes]:
        dial, service, left = self._dial, self._service, self._service.total
        start = trio.current_time()
        until, late = start + min(service.first, left), f"no answer within {min(service.first, left):g} s"
        with self._mapped(Unreachable), dial.by(until, late):
            request = client.build_request("POST", url, content=content, headers={**dial.headers, **headers})
            request.stream = self._body(content)
            response = await client.send(request, stream=True)
        chunks, reader = response.aiter_raw(), Reader(dial.name, dial.brief, kind, self._what)
        try:
            with self._mapped(Garbled):
                if response.status_code >= 300:
                    with dial.by(until, f"{response.status_code}, and no reason within {service.first:g} s"):
                        told = complaint(await beginning(chunks, self._lost)) or response.reason_phrase
                    raise dial.refusal(response.status_code, told, dict(response.headers))
                reader.begin(*(response.headers.get(name, "") for name in ("content-type", "content-encoding")))
                left -= trio.current_time() - start
                while True:
                    start = trio.current_time()
                    with dial.by(until, late):
                        chunk = await anext(chunks, None)
                    left -= trio.current_time() - start
                    if sound := reader.feed(chunk) if chunk is not None else reader.end():
                        yield sound
                    if chunk is None:
                        break
                    # The time that the caller of this takes with a chunk is not the provider's.
                    until, late = self._patience(left)
        finally:
            await leave(response, chunks, self._lost)

    def _patience(self, left: float) -> tuple[float, str]:
        """Until when the next piece has to come, and what it is called if it does not."""
        now, service = trio.current_time(), self._service
        if left < service.idle:
            return now + left, f"not all of the {self._what} within {service.total:g} s"
        return now + service.idle, f"no more {self._what} within {service.idle:g} s"

    @contextmanager
    def _mapped(self, lost: type[ProviderError]) -> Iterator[None]:
        """Foreign exceptions as ours; `lost` is what a lost connection means at this point."""
        try:
            yield
        except self._httpx.TimeoutException as error:
            raise Unreachable(self._dial.name, f"no connection within {self._service.connect:g} s") from error
        except self._lost as error:
            raise self._dial.lost(lost, error) from error


async def beginning(chunks: AsyncIterator[bytes], lost: tuple[type[Exception], ...]) -> bytes:
    """The first few kilobytes of a refusal's body, or what came of it: it only says more of what the status says."""
    body = b""
    with suppress(*lost):
        async for chunk in chunks:
            body += chunk
            if len(body) >= _COMPLAINT:
                break
    return body[:_COMPLAINT]


async def run_out(chunks: AsyncIterator[bytes], lost: tuple[type[Exception], ...]) -> None:
    """Drive what reads a body to its end, which in a cancelled scope is the first place where it waits.

    A body is read through generators within generators. Left suspended, the inner ones would be found by the garbage
    collector.
    """
    with trio.CancelScope() as scope:
        scope.cancel()
        with suppress(*lost):
            while await anext(chunks, None) is not None:
                pass


async def leave(response: Any, chunks: AsyncGenerator[bytes], lost: tuple[type[Exception], ...]) -> None:
    """End the answer now, wherever it is."""
    await run_out(chunks, lost)
    with trio.move_on_after(CLOSING, shield=True):
        await chunks.aclose()
        await response.aclose()
