"""HTTP requests to providers, whose answers are streams. What they wait for and what their failures are called.

`httpx` does the work, on Trio. Connections are shared by all calls of an agent and stay warm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from ssl import SSLError
from typing import Any

import trio

from parlance.actors.dial import CLOSING, Dial, Patience, Service, complaint
from parlance.engine.errors import Garbled, ProviderError, Unreachable

KEPT = 60.0
"""Seconds that an idle connection is kept for the next request: longer than people pause."""

_COMPLAINT = 4096
"""Bytes of a refusal that are read."""


class WebService(Service):
    first: Patience = 5.0
    """Seconds from a request to the first of its answer, connecting included."""


class Web:
    """HTTP requests of one provider, on connections that all calls share and that stay warm between requests.

    Each connection is a client of its own: a client's pool looks at every connection it has for each of the others,
    twice a request, which from a hundred on takes longer than the request.
    """

    def __init__(self, dial: Dial, service: WebService) -> None:
        self._dial, self._service = dial, service
        self._httpx = httpx = dial.library("httpx")
        ended = dial.library("anyio").EndOfStream
        self._lost = (httpx.RequestError, httpx.StreamError, httpx.InvalidURL, SSLError, ended)
        # Read once for all clients. Without TLS there is nothing to verify.
        self._trust = httpx.create_ssl_context() if service.url.startswith("https:") else False
        self._idle: deque[tuple[float, Any]] = deque()
        """Clients that nobody uses and since when. The right end is taken first; on the left are the cold ones."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Live as long as the house; then the connections are closed."""
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(CLOSING, shield=True):
                while self._idle:
                    await self._idle.pop()[1].aclose()

    def _take(self) -> Any:
        if self._idle:
            return self._idle.pop()[1]
        return self._httpx.AsyncClient(
            timeout=self._httpx.Timeout(None, connect=self._service.connect),
            limits=self._httpx.Limits(max_connections=1, keepalive_expiry=KEPT),
            headers={"Accept-Encoding": "identity", **self._dial.headers},
            verify=self._trust,
        )

    async def _give_back(self, client: Any, *, warm: bool) -> None:
        """For the next request. What has not been used for long is closed."""
        now = trio.current_time()
        (self._idle.append if warm else self._idle.appendleft)((now, client))
        with trio.move_on_after(CLOSING, shield=True):
            while self._idle and self._idle[0][0] < now - KEPT:
                await self._idle.popleft()[1].aclose()

    @asynccontextmanager
    async def post(self, url: str, body: Mapping[str, object]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of the answer to `body` (sent as JSON), as it comes. Leaving ends the request at once."""
        async with aclosing(self._chunks(url, body)) as chunks:
            yield chunks

    async def _chunks(self, url: str, body: Mapping[str, object]) -> AsyncGenerator[bytes]:
        client, whole = self._take(), False
        try:
            async with aclosing(self._answer(client, url, body)) as chunks:
                async for chunk in chunks:
                    yield chunk
            whole = True
        finally:
            await self._give_back(client, warm=whole)

    async def _answer(self, client: Any, url: str, body: Mapping[str, object]) -> AsyncGenerator[bytes]:
        dial, service = self._dial, self._service
        until, late = trio.current_time() + service.first, f"no answer within {service.first:g} s"
        with self._mapped(Unreachable), dial.by(until, late):
            response = await client.send(client.build_request("POST", url, json=body), stream=True)
        chunks, some = response.aiter_raw(), False
        try:
            with self._mapped(Garbled):
                if response.status_code >= 300:
                    with dial.by(until, f"{response.status_code}, and no reason within {service.first:g} s"):
                        raise dial.refusal(response.status_code, complaint(await _start(chunks)))
                if (kind := response.headers.get("content-type", "")).startswith(("application/json", "text/")):
                    raise Garbled(dial.name, f"sent {dial.brief(kind)} where there should be audio")
                while True:
                    with dial.by(until, late):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    some = True
                    yield chunk
                    # The time that the caller of this takes with a chunk is not the provider's.
                    until, late = trio.current_time() + service.idle, f"no more audio within {service.idle:g} s"
        finally:
            await _leave(response, chunks, self._lost)
        if not some:
            raise Garbled(dial.name, "sent no audio at all")

    @contextmanager
    def _mapped(self, lost: type[ProviderError]) -> Iterator[None]:
        """Foreign exceptions as ours; `lost` is what a lost connection means at this point."""
        try:
            yield
        except self._httpx.TimeoutException as error:
            raise Unreachable(self._dial.name, f"no connection within {self._service.connect:g} s") from error
        except self._lost as error:
            raise self._dial.lost(lost, error) from error


async def _start(chunks: AsyncIterator[bytes]) -> bytes:
    """The first few kilobytes of a body."""
    body = b""
    async for chunk in chunks:
        body += chunk
        if len(body) >= _COMPLAINT:
            break
    return body[:_COMPLAINT]


async def _leave(response: Any, chunks: AsyncGenerator[bytes], lost: tuple[type[Exception], ...]) -> None:
    """End the answer now, wherever it is.

    A body is read through generators within generators. Left suspended, the inner ones would be found by the garbage
    collector; so they are driven to their end, which in a cancelled scope is the first place where they wait.
    """
    with trio.CancelScope() as scope:
        scope.cancel()
        with suppress(*lost):
            while await anext(chunks, None) is not None:
                pass
    with trio.move_on_after(CLOSING, shield=True):
        await chunks.aclose()
        await response.aclose()
