"""HTTP to providers: warm connections, bounds, deadlines. A small server says what it was asked on which connection."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h11
import pytest
import trio
import trio.testing

from parlance.actors import body, web
from parlance.actors.dial import Dial
from parlance.actors.speaker import deepgram
from parlance.actors.thinker import openai
from parlance.actors.web import Web, WebService
from parlance.engine.agent import Agent
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

KEY = "key-that-is-secret"


class Service(WebService):
    url: str = "https://provider.invalid/v1/x"
    key_env: str = "TEST_API_KEY"


@dataclass
class Server:
    """Answers POST with `status`, `headers` and `pieces` (a number: seconds to wait), HEAD with 404."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "audio/basic"})
    pieces: tuple[bytes | float, ...] = (b"sound",)
    asked: list[tuple[int, str, dict[str, str], bytes]] = field(default_factory=list)
    """The number of its connection, the method, headers and body of each request."""
    connections: int = 0
    open: int = 0
    url: str = ""

    async def talk(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        self.open += 1
        number = self.connections
        try:
            await self._requests(stream, number)
        except (h11.ProtocolError, trio.BrokenResourceError):
            pass
        finally:
            self.open -= 1
            await trio.aclose_forcefully(stream)

    async def _requests(self, stream: trio.SocketStream, number: int) -> None:
        http, data, request = h11.Connection(h11.SERVER), b"", None
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request, data = event, b""
            elif isinstance(event, h11.Data):
                data += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                method = request.method.decode()
                headers = {name.decode(): value.decode() for name, value in request.headers}
                self.asked.append((number, method, headers, data))
                for part in self._answer(method):
                    if isinstance(part, float):
                        await trio.sleep(part)
                    else:
                        await stream.send_all(http.send(part) or b"")
                http.start_next_cycle()
            else:
                return

    def _answer(self, method: str) -> list[Any]:
        if method == "HEAD":
            return [h11.Response(status_code=404, headers=[("content-length", "9")]), h11.EndOfMessage()]
        head = h11.Response(status_code=self.status, headers=[*self.headers.items(), ("transfer-encoding", "chunked")])
        parts = [piece if isinstance(piece, float) else h11.Data(data=piece) for piece in self.pieces]
        return [head, *parts, h11.EndOfMessage()]

    def methods(self) -> str:
        return " ".join(f"{method}{number}" for number, method, _, _ in self.asked)


@pytest.fixture
async def server(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("TEST_API_KEY", KEY)
    made = Server()
    listeners = await nursery.start(partial(trio.serve_tcp, made.talk, 0, host="127.0.0.1"))
    made.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1/x"
    return made


def client(server: Server, *, what: str = "audio", **settings: Any) -> Web:
    service = Service(**{"url": server.url, "key_env": "TEST_API_KEY", "warm": 0, **settings})
    return Web(Dial("p", service, scheme="Token"), service, what=what)


@asynccontextmanager
async def running(made: Web) -> AsyncIterator[Web]:
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(3):
        while not true():
            await trio.sleep(0.005)


async def failure(server: Server, kind: Any = "audio", **settings: Any) -> ProviderError:
    async with running(client(server, **settings)) as made:
        with trio.fail_after(3), pytest.raises(ProviderError) as caught:
            await made.whole(server.url, {}, kind=kind)
    return caught.value


async def test_a_connection_is_open_before_it_is_needed_and_another_after_that(server: Server) -> None:
    async with running(client(server, warm=1)) as made:
        await until(lambda: server.methods() == "HEAD1")
        await until(lambda: bool(made._idle))
        async with made.post(server.url, {"a": 1}) as chunks:
            async for _ in chunks:
                assert server.methods().startswith("HEAD1 POST1")
                await until(lambda: server.methods() == "HEAD1 POST1 HEAD2")
        assert await made.whole(server.url, {}, kind="audio") == b"sound"
    await until(lambda: server.open == 0)
    assert not any(KEY in str(headers) for _, method, headers, _ in server.asked if method == "HEAD")
    assert all(headers["authorization"] == f"Token {KEY}" for _, method, headers, _ in server.asked if method == "POST")


async def test_a_warm_connection_gives_signs_of_life(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "EVERY", 0.05)
    async with running(client(server, warm=1)):
        await until(lambda: server.methods().startswith("HEAD1 HEAD1 HEAD1"))


async def test_a_warm_connection_is_replaced_at_its_lifetime(server: Server) -> None:
    async with running(client(server, warm=1, lifetime=1)):
        await until(lambda: server.methods() == "HEAD1 HEAD2" and server.open == 1)


async def test_a_server_that_is_not_there_is_tried_again_and_holds_up_nobody(server: Server) -> None:
    async with running(client(server, warm=1, url="http://127.0.0.1:9")) as made:
        await trio.sleep(0.05)
        assert await made.whole(server.url, {}, kind="audio") == b"sound"


async def test_connections_given_back_after_the_end_are_closed(server: Server) -> None:
    async with running(client(server)) as made:
        chunks = made.post(server.url, {})
        answer = await chunks.__aenter__()
        assert await anext(answer) == b"sound"
    async for _ in answer:
        pass
    await chunks.__aexit__(None, None, None)
    await until(lambda: server.open == 0)


async def test_a_request_that_is_left_closes_its_connection(server: Server) -> None:
    server.pieces = (b"sound", 0.02) * 400
    async with running(client(server)) as made:
        async with made.post(server.url, {}) as answer:
            assert await anext(answer) == b"sound"
        await until(lambda: server.open == 0)


async def test_what_is_sent(server: Server) -> None:
    async with running(client(server)) as made:
        await made.whole(server.url, {"text": "caf\u00e9 \ud83d"}, kind="audio")
        await made.whole(server.url, content="<x/>", headers={"Content-Type": "application/ssml+xml"}, kind="audio")
    (_, _, first, data), (_, _, second, more) = server.asked
    assert (first["content-type"], data) == ("application/json", b'{"text": "caf\\u00e9 \\ud83d"}')
    assert (second["content-type"], more) == ("application/ssml+xml", b"<x/>")
    assert first["accept-encoding"] == second["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("kind", "content", "pieces", "told"),
    [
        ("audio", "application/json", (b"{}",), "sent application/json where there should be audio"),
        ("audio", "text/html", (b"<p>",), "sent text/html where there should be audio"),
        ("audio", "audio/mpeg", (b"\xff\xfb",), "sent an MP3 file where there should be bare audio"),
        ("audio", "Audio/WAV; x=1", (b"abcdef",), "sent a WAV file where there should be bare audio"),
        ("audio", "audio/basic", (b"RI", b"F", b"F1234"), "sent a WAV file where there should be bare audio"),
        ("audio", "audio/basic", (b"ID3",), "sent an MP3 file where there should be bare audio"),
        ("audio", "audio/basic", (b"OggS1",), "sent an Ogg file"),
        ("audio", "", (b"fLaC1",), "sent a FLAC file"),
        ("audio", "audio/basic", (), "sent no audio at all"),
        ("events", "application/json", (b"{}",), "sent application/json where there should be audio"),
        ("audio", "Application/JSON", (b"{}",), "sent Application/JSON where there should be audio"),
        ("json", "text/html", (b"<p>",), "sent text/html where there should be audio"),
        ("json", "application/json", (), "sent no audio at all"),
        ("json", "application/json", (b"x" * 70_000,) * 16, "sent more than 1 MB of audio"),
        ("audio", "audio/basic", (b"x" * 900_000,) * 10, "sent more than 8 MB of audio"),
    ],
)
async def test_a_wrong_body_is_garbled(
    server: Server, kind: Any, content: str, pieces: tuple[bytes, ...], told: str
) -> None:
    server.headers, server.pieces = ({"content-type": content} if content else {}), pieces
    error = await failure(server, kind)
    assert type(error) is Garbled
    assert told in str(error)


@pytest.mark.parametrize(
    ("kind", "content", "pieces"),
    [
        ("audio", "audio/basic", (b"R", b"I", b"F", b"X", b"FF")),
        ("audio", "", (b"RI",)),
        ("audio", "audio/l16;rate=24000", (b"123RIFF",)),
        ("events", "text/event-stream; charset=utf-8", (b"data: 1\n\n", b"RIFF")),
        ("json", "", (b"RIFF",)),
        ("json", "text/plain", (b"x" * 1000,)),
    ],
)
async def test_a_right_body_comes_whole(server: Server, kind: Any, content: str, pieces: tuple[bytes, ...]) -> None:
    server.headers, server.pieces = ({"content-type": content} if content else {}), pieces
    async with running(client(server)) as made:
        assert await made.whole(server.url, {}, kind=kind) == b"".join(pieces)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "after"),
    [
        (302, {"location": "http://127.0.0.1:1/"}, Rejected, None),
        (401, {"retry-after": "3"}, Rejected, None),
        (429, {"retry-after": "3"}, Overloaded, 3.0),
        (429, {"Retry-After-Ms": "250"}, Overloaded, 0.25),
        (
            503,
            {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2026 07:28:09 GMT"},
            Overloaded,
            9.0,
        ),
        (429, {}, Overloaded, None),
        (500, {}, Unreachable, None),
    ],
)
async def test_a_refusal(
    server: Server, status: int, headers: dict[str, str], kind: type[ProviderError], after: float | None
) -> None:
    server.status, server.headers = status, headers
    server.pieces = (b'{"error": {"message": "key is ' + KEY.encode(), b'"}}')
    error = await failure(server)
    assert type(error) is kind
    assert str(error) == f"p: {status} key is ***"
    assert error.after == after
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("pieces", "settings", "told"),
    [
        ((9.0,), {"first": 0.1}, "no answer within 0.1 s"),
        ((b"sound", 9.0), {"idle": 0.1}, "no more words within 0.1 s"),
        ((b"sound", 0.1) * 20, {"total": 0.5}, "not all of the words within 0.5 s"),
        ((9.0,), {"total": 0.1}, "no answer within 0.1 s"),
    ],
)
async def test_deadlines(server: Server, pieces: Any, settings: dict[str, float], told: str) -> None:
    server.pieces = pieces
    error = await failure(server, what="words", **settings)
    assert type(error) is Unreachable
    assert str(error) == f"p: {told}"


async def test_a_readers_time_does_not_count(server: Server) -> None:
    server.pieces = (b"sound", 0.01, b"more!", 0.01, b"last!")
    async with running(client(server, total=0.3, idle=0.2)) as made, made.post(server.url, {}) as chunks:
        async for _ in chunks:
            await trio.sleep(0.25)


async def test_a_body_of_the_largest_size_is_none_too_many(server: Server) -> None:
    server.headers, server.pieces = {}, (b"x" * (1 << 19),) * 2
    async with running(client(server)) as made:
        assert len(await made.whole(server.url, {}, kind="json")) == body.LARGEST["json"]


@pytest.mark.parametrize("kind", ["audio", "json"])
async def test_a_packed_body_is_no_noise_for_the_caller(server: Server, kind: Any) -> None:
    server.headers |= {"content-encoding": "gzip"}
    error = await failure(server, kind)
    assert type(error) is Garbled
    assert "packed with gzip" in str(error)


async def test_a_connection_is_closed_at_the_very_moment_at_which_it_is_cold(
    server: Server, autojump_clock: trio.testing.MockClock
) -> None:
    """On a clock that stands still while there is something to do, which a real one nearly does."""
    made = client(server)
    for used in (0.1, 0.7, 1.3):
        made._idle.append(web._Client(made._new().client, math.inf, used))
    async with running(made):
        await trio.sleep(web.KEPT + 2)
        assert not made._idle


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:1"), ("HTTP_PROXY", "ftp://127.0.0.1:1"), ("SSL_CERT_FILE", "/nowhere.pem")],
)
def test_what_cannot_be_used_of_the_environment_is_told_at_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    told = "the proxy or the certificates that the environment names cannot be used: "
    with pytest.raises(Misconfigured, match=f"deepgram: {told}"):
        deepgram.make({"url": "https://127.0.0.1:9/v1/speak"})
    with pytest.raises(Misconfigured, match=told):
        openai.make({"url": "https://127.0.0.1:9/v1", "model": "m"}, Agent(name="a"))
