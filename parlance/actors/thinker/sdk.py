"""The way to a model through its vendor's own package, of those that share a base: openai and anthropic.

A package's client does the HTTP (httpx2 over anyio, which runs on Trio; read in openai 3.52 and anthropic 2.11), the
headers and the addresses. Its retries are switched off, because they would sleep through a caller's patience, and so
are its time-outs: deadlines are Trio's. Requests go through `post`, which the packages document for addresses they do
not know: the methods they have for those they know look at every field of the history, and import all types of the
service at the first request, while every call waits. The events of a stream are read elsewhere, because the packages'
readers leave asynchronous generators to the garbage collector.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from ssl import SSLError
from types import ModuleType
from typing import Any

import trio

from parlance.actors.dial import CLOSING, Dial, Service, complaint, root, secure
from parlance.actors.warmth import Warmth
from parlance.actors.web import EVERY, KEPT, beginning, leave
from parlance.engine.errors import Garbled, ProviderError, Unreachable

_MOST, _IDLE = 1000, 100
"""Connections, and idle ones, of one agent's minds: the packages' own numbers."""

_USUAL = ("accept", "connection", "content-", "host", "transfer-encoding", "user-agent", "x-stainless-")
"""Headers that are the package's own."""

Connect = Callable[[Any], Any]
"""Makes the package's client, which is to use this HTTP client."""


@dataclass(slots=True)
class _Client:
    package: Any
    http: Any
    users: int = 0
    retired: bool = False


class Sdk:
    """`connect`: makes the package's client; `path`: where requests go, after its base address."""

    def __init__(self, dial: Dial, service: Service, package: ModuleType, connect: Connect, path: str) -> None:
        self._dial, self._service, self._package, self._connect, self._path = dial, service, package, connect, path
        # openai 2 stands on httpx, openai 3 and anthropic 2 on httpx2.
        name = package.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]
        self._http = import_module(name)
        ended = import_module("anyio").EndOfStream
        self._lost = (self._http.RequestError, self._http.StreamError, self._http.InvalidURL, SSLError, ended)
        # Read once for all clients. Without TLS there is nothing to verify.
        with dial.environment():
            self._trust = self._http.create_ssl_context() if secure(service.url) else False
            self._client = self._open()
        # What its headers say of this machine is found out here, and not at the first request.
        _ = self._client.package.default_headers

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections open before they are needed, and replace them when they are old, until cancelled."""
        await self._rehearse()
        task_status.started()
        warmth = Warmth(self._service.lifetime)
        until = trio.current_time() + warmth.lifetime()
        try:
            while True:
                if trio.current_time() >= until:
                    until = trio.current_time() + warmth.lifetime()
                    await self._renew()
                if await self._warm(self._client.http):
                    warmth.succeeded()
                    wait = warmth.jittered(EVERY)
                else:
                    wait = warmth.failed()
                await trio.sleep(min(wait, max(until - trio.current_time(), 0)))
        finally:
            with trio.move_on_after(CLOSING, shield=True):
                await self._client.package.close()

    @asynccontextmanager
    async def post(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of the answer, as it comes. Leaving ends the request at once."""
        async with aclosing(self._chunks(body)) as chunks:
            yield chunks

    async def _chunks(self, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        client = self._client
        client.users += 1
        try:
            with self._mapped(Unreachable):
                response = await self._answer(client, body)
            chunks = response.aiter_raw()
            try:
                with self._mapped(Garbled):
                    async for chunk in chunks:
                        yield chunk
            finally:
                await leave(response, chunks, self._lost)
        finally:
            client.users -= 1
            await self._dismiss(client)

    async def _answer(self, client: _Client, body: Mapping[str, Any]) -> Any:
        """The service's response, of which nothing but the head was read."""
        return await client.package.post(
            self._path,
            cast_to=self._http.Response,
            body=body,
            stream=True,
            stream_cls=self._package.AsyncStream[object],
        )

    async def _headers(self, request: Any) -> None:
        """A request with the key that is meant for the service, and nothing that the package has found in the
        environment: headers of the user's, his organization, keys of other services.
        """
        if request.method != "POST":
            return
        for name in [name for name in request.headers if not name.startswith(_USUAL)]:
            del request.headers[name]
        request.headers.update(self._dial.headers)

    async def _refusal(self, response: Any) -> None:
        """Raises what a refusal means. The package would read it to its end, however long it is."""
        if response.status_code < 300 or response.request.method != "POST":
            return
        chunks = response.aiter_raw()
        try:
            told = complaint(await beginning(chunks, self._lost)) or response.reason_phrase
        finally:
            await leave(response, chunks, self._lost)
        raise self._dial.refusal(response.status_code, told, response.headers)

    @contextmanager
    def _mapped(self, lost: type[ProviderError]) -> Iterator[None]:
        """Foreign exceptions as ours; `lost` is what a lost connection means at this point."""
        package, dial = self._package, self._dial
        try:
            yield
        except package.APITimeoutError as error:
            raise Unreachable(dial.name, f"no connection within {self._service.connect:g} s") from error
        except package.APIConnectionError as error:
            if isinstance(error.__cause__, ProviderError):
                raise error.__cause__ from None
            raise dial.lost(lost, error.__cause__ or error) from error
        except self._lost as error:
            raise dial.lost(lost, error) from error
        except (ValueError, package.APIError) as error:
            raise Garbled(dial.name, f"not the stream of an answer: {dial.brief(error)}") from error

    async def _rehearse(self) -> None:
        """A request that goes nowhere: what the package puts off until its first one is done before a call waits."""
        client = self._open(transport=self._http.MockTransport(lambda _: self._http.Response(200)))
        response = await self._answer(client, {})
        await response.aclose()
        await client.package.close()

    def _open(self, **more: Any) -> _Client:
        limits = self._http.Limits(max_connections=_MOST, max_keepalive_connections=_IDLE, keepalive_expiry=KEPT)
        # Given, because the packages' own default reaches for asyncio when it is garbage collected.
        http = self._package.DefaultAsyncHttpxClient(
            timeout=self._http.Timeout(None, connect=self._service.connect),
            limits=limits,
            # Words that are compressed wait for each other, and a little of it may be a lot.
            headers={"Accept-Encoding": "identity"},
            event_hooks={"request": [self._headers], "response": [self._refusal]},
            follow_redirects=False,
            verify=self._trust,
            **more,
        )
        return _Client(self._connect(http), http)

    async def _warm(self, http: Any) -> bool:
        """Open idle connections, or use those there are, with requests that cost nothing and have no key."""
        opened = 0

        async def touch() -> None:
            nonlocal opened
            with trio.move_on_after(self._service.connect + self._service.idle), suppress(*self._lost):
                await http.head(root(self._service.url))
                opened += 1

        async with trio.open_nursery() as nursery:
            for _ in range(self._service.warm):
                nursery.start_soon(touch)
        return opened == self._service.warm

    async def _renew(self) -> None:
        """New connections for the next requests; the old ones are closed when nobody reads from them any more."""
        old, new = self._client, self._open()
        await self._warm(new.http)
        self._client, old.retired = new, True
        await self._dismiss(old)

    async def _dismiss(self, client: _Client) -> None:
        if client.retired and not client.users:
            with trio.move_on_after(CLOSING, shield=True):
                await client.package.close()
