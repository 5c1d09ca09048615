"""Who is let in before a handshake is answered, and what is agreed on with it: the same through both doors."""

from __future__ import annotations

import json
import logging

import pytest
from house import House, StubWire, response_head

from parlance.actors.media.access import bearer
from parlance.actors.media.port import Visit
from parlance.actors.media.webhook import Denied
from parlance.http.gateway import Gateway, Route


@pytest.fixture
def visits(house: House) -> list[Visit]:
    """What the guard saw. `/guarded/{room}` wants the token `open` and answers with its protocol."""
    seen: list[Visit] = []

    def guard(visit: Visit) -> None:
        seen.append(visit)
        if visit.query.get("fault"):
            raise ZeroDivisionError("a bug with the secret detail")
        if bearer(visit) != "open":
            raise Denied(401, "token", "the secret detail")

    def make(visit: Visit):
        assert visit == seen[-1]
        return StubWire("x"), None

    house.routes += [
        Route("/guarded/{room}", make, carrier="ringover", guard=guard, subprotocols=("v2", "v1")),
        Route("/here", lambda visit: (StubWire("x"), None), same_origin=True, origins=("https://App.example",)),  # type: ignore[arg-type, return-value]
    ]
    return seen


async def answer(house: House, path: str, headers: str = "") -> tuple[int, dict[str, str], bytes]:
    async with await house.raw(path, headers=headers) as stream:
        head = await response_head(stream)
        lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
        named = {name.lower(): value for name, _, value in lines}
        length = int(named.get("content-length", 0))
        body = b""
        while len(body) < length:
            body += await stream.receive_some()
        if length:
            assert await stream.receive_some() == b"", "the connection stays open"
        return int(head.split()[1]), named, body


async def test_who_has_the_token_is_let_in_and_seen_whole(house: House, visits: list[Visit]):
    async with house.dial("/guarded/a%20b?token=open&x=1&x=2", extra_headers=[("X-Two", "1"), ("x-two", "2")]) as line:
        await line.send_message("hello")
        assert await line.get_message() == "hello"
    (visit,) = visits
    assert (visit.path, visit.query) == ({"room": "a b"}, {"token": "open", "x": "2"})
    assert visit.headers["x-two"] == "1, 2"
    assert visit.headers["upgrade"].lower() == "websocket"
    assert visit.peer.startswith("127.0.0.1:")
    assert house.gateway.denied == {}


async def test_who_has_not_gets_the_guards_status_and_no_socket(house: House, visits: list[Visit], caplog):
    taken: list[object] = []
    house.take = lambda *arguments: taken.append(arguments)
    caplog.set_level(logging.INFO)
    for _ in range(2):
        status, headers, body = await answer(house, "/guarded/a?token=wrong")
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        assert headers["www-authenticate"] == "Bearer"
        assert json.loads(body) == {"type": "about:blank", "title": "Unauthorized", "status": 401, "reason": "token"}
    assert house.gateway.denied == {("ringover", "token"): 2}
    assert taken == []
    # The operator is told more than the visitor.
    assert "the secret detail" in caplog.text


async def test_a_guard_that_fails_lets_nobody_in(house: House, visits: list[Visit], caplog):
    status, _, body = await answer(house, "/guarded/a?token=open&fault=1")
    assert status == 500
    assert b"secret" not in body
    assert "ZeroDivisionError" in caplog.text
    assert house.gateway.denied == {("ringover", "fault"): 1}
    assert (await answer(house, "/guarded/a?token=open"))[0] == 101


async def test_a_handshake_that_is_none_is_not_shown_to_the_guard(house: House, visits: list[Visit]):
    status, _, _ = await answer(house, "/guarded/a?token=wrong", "Sec-WebSocket-Version: 8\r\n")
    assert (status, visits, house.gateway.denied) == (400, [], {})


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [("v1", "v1"), ("v1, v2", "v2"), ("x,v1", "v1"), ("x", None), (None, None), ("V1", None)],
)
async def test_the_preferred_subprotocol_of_those_offered_is_agreed_on(
    house: House, visits: list[Visit], offered: str | None, agreed: str | None
):
    headers = "" if offered is None else f"Sec-WebSocket-Protocol: {offered}\r\n"
    status, named, _ = await answer(house, "/guarded/a?token=open", headers)
    assert (status, named.get("sec-websocket-protocol")) == (101, agreed)


async def test_a_path_that_names_no_subprotocol_agrees_on_none(house: House):
    status, named, _ = await answer(house, "/api/v1/media/twilio", "Sec-WebSocket-Protocol: v1\r\n")
    assert (status, named.get("sec-websocket-protocol")) == (101, None)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://test", 101),
        ("https://TEST", 101),
        ("https://test:443", 101),
        ("https://app.example", 101),
        ("http://app.example", 403),
        ("https://test:8443", 403),
        ("https://test.evil.example", 403),
        ("https://eviltest", 403),
        ("https://test@evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
        ("test", 403),
    ],
)
async def test_a_page_of_another_host_is_refused(house: House, visits: list[Visit], origin: str | None, status: int):
    headers = "" if origin is None else f"Origin: {origin}\r\n"
    assert (await answer(house, "/here", headers))[0] == status
    assert house.gateway.denied == ({("", "origin"): 1} if status == 403 else {})


async def test_where_any_page_may_come_no_origin_is_looked_at(house: House):
    assert (await answer(house, "/api/v1/media/twilio", "Origin: https://evil.example\r\n"))[0] == 101


async def test_a_server_that_cannot_answer_a_handshake_closes_it():
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(event):
        sent.append(event["type"])

    def guard(visit: Visit) -> None:
        raise Denied(403, "source", "no")

    gateway = Gateway(None, None, [Route("/x", None, guard=guard)])  # type: ignore[arg-type]
    scope = {"type": "websocket", "path": "/x", "query_string": b"", "headers": []}
    await gateway(scope, receive, send)
    assert sent == ["websocket.close"]
    assert gateway.denied == {("", "source"): 1}
