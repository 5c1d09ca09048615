"""Webhooks over a real server: what reaches a carrier's hooks, what does not, and what is counted."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest
import trio

from parlance.actors.media.webhook import Denied, Reply, Request, reply
from parlance.engine.errors import Misconfigured
from parlance.http import hooks as subject
from parlance.http.app import View, create
from parlance.http.hooks import BODY, Webhooks
from parlance.http.serve import serve
from parlance.http.tally import WINDOW, Tally

pytestmark = pytest.mark.swift

NOW = 1_800_000_000.0


@dataclass
class Carrier:
    """Believes who says `x-signature: good`."""

    carrier: str = "acme"
    paths: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"/hooks/acme": ("POST",), "/hooks/acme/{section}/end": ("POST", "GET")}
    )
    verified: list[tuple[Request, float]] = field(default_factory=list)
    handled: list[Request] = field(default_factory=list)
    told: object = None

    def verify(self, request: Request, now: float) -> None:
        self.verified.append((request, now))
        if request.headers.get("x-signature") != "good":
            raise Denied(401, "signature", "the secret detail")

    def handle(self, request: Request, reception: object) -> Reply:
        self.handled.append(request)
        self.told = reception
        if request.body == b"fault":
            raise ZeroDivisionError("the secret detail")
        if request.body == b"nonsense":
            raise Denied(400, "malformed", "the secret detail")
        if request.body == b"xml":
            return Reply(201, b"<Response/>", "text/xml", {"X-Own": "1", "Cache-Control": "max-age=1"})
        return reply({"ok": True})


@dataclass
class Office:
    port: int
    carrier: Carrier
    other: Carrier
    tally: Tally
    reception: object

    async def send(self, path: str = "/hooks/acme", *, method: str = "POST", good: bool = True, **options):
        headers = {**({"X-Signature": "good"} if good else {}), **options.pop("headers", {})}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as client:
            return await client.request(method, path, headers=headers, **options)

    async def raw(self, data: bytes) -> bytes:
        """What is answered until the other side closes, or says nothing more for a moment."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        got = b""
        async with stream:
            await stream.send_all(data)
            with trio.move_on_after(1):
                while part := await stream.receive_some():
                    got += part
        return got


@pytest.fixture
async def office(nursery: trio.Nursery) -> Office:
    tally, reception = Tally(), object()
    carrier = Carrier()
    other = Carrier("other", {"/hooks/acme": ("GET",), "/hooks/other": ("POST",)})
    app = create(View(agents={}, ready=lambda: None, statistics=dict))
    app.asgi_app = Webhooks(  # type: ignore[method-assign]
        app.asgi_app,
        [carrier, other],  # type: ignore[list-item]
        lambda carrier: reception,  # type: ignore[arg-type, return-value]
        public=lambda: "https://voice.example/base",
        wall=lambda: NOW,
        tally=tally,
    )
    run = partial(serve, app, host="127.0.0.1", port=0, graceful=0.5, stop=trio.Event())
    return Office(await nursery.start(run), carrier, other, tally, reception)


def counts(office: Office) -> dict[str, dict[str, int]]:
    return office.tally.statistics()["counts"]


async def test_a_request_reaches_its_carrier_as_it_came(office: Office):
    body = json.dumps({"id": 2**63 + 1}).encode() + b"\n "
    answer = await office.send(
        "/hooks/acme/caf%C3%A9/end?b=2&a=%2B1&a", content=body, headers={"X-Two": "1", "Content-Type": "text/odd"}
    )
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (
        200,
        {"ok": True},
        "application/json",
    )
    (request,) = office.carrier.handled
    assert request.body == body
    assert request.json() == {"id": 2**63 + 1}
    assert request.url == "https://voice.example/base/hooks/acme/caf%C3%A9/end?b=2&a=%2B1&a"
    assert (request.method, request.peer) == ("POST", "127.0.0.1")
    assert (request.headers["x-two"], request.headers["content-type"]) == ("1", "text/odd")
    assert office.carrier.verified == [(request, NOW)]
    assert office.carrier.told is office.reception
    assert counts(office) == {"acme": {"ok": 1}}


async def test_a_header_that_comes_twice_is_joined(office: Office):
    await office.raw(
        b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Two: 1\r\nx-two: 2\r\nContent-Length: 0\r\n\r\n"
    )
    ((request, _),) = office.carrier.verified
    assert request.headers["x-two"] == "1, 2"


async def test_a_reply_keeps_its_status_type_and_headers(office: Office):
    answer = await office.send(content=b"xml")
    assert (answer.status_code, answer.content) == (201, b"<Response/>")
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers.get_list("cache-control") == ["max-age=1"]
    assert answer.headers["x-own"] == "1"


@pytest.mark.parametrize(
    ("good", "body", "status", "title", "reason"),
    [(False, b"", 401, "Unauthorized", "signature"), (True, b"nonsense", 400, "Bad Request", "malformed")],
)
async def test_who_is_denied_learns_one_word(
    office: Office, caplog, good: bool, body: bytes, status: int, title: str, reason: str
):
    caplog.set_level(logging.INFO)
    answer = await office.send(good=good, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "about:blank", "title": title, "status": status, "reason": reason}
    assert "the secret detail" in caplog.text
    assert counts(office) == {"acme": {reason: 1}}
    if not good:
        assert office.carrier.handled == []


async def test_a_fault_in_the_hooks_is_500_logged_and_counted_and_the_next_one_is_worked_off(office: Office, caplog):
    answer = await office.send(content=b"fault")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert caplog.text.count("a webhook of acme failed") == 1
    assert "ZeroDivisionError" in caplog.text
    assert (await office.send()).status_code == 200
    assert counts(office) == {"acme": {"fault": 1, "ok": 1}}


CHUNK = b"400\r\n" + b"x" * 1024 + b"\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: %d\r\n\r\n" % (BODY + 1) + b"x" * (BODY + 1),
        b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * (BODY // 1024) + b"1\r\nx\r\n",
    ],
    ids=["whole", "chunked"],
)
async def test_a_body_over_the_limit_is_refused_and_nobody_sees_it(office: Office, rest: bytes):
    got = await office.raw(b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nX-Signature: good\r\n" + rest)
    assert got.startswith(b"HTTP/1.1 413")
    assert b'"reason":"oversized"' in got
    assert office.carrier.verified == []
    assert counts(office) == {"acme": {"oversized": 1}}


async def test_a_body_of_exactly_the_limit_is_taken(office: Office):
    assert (await office.send(content=b"x" * BODY)).status_code == 200
    assert len(office.carrier.handled[0].body) == BODY


@pytest.mark.parametrize("length", [b"10000000", b"999999999999999999999999999999"])
async def test_a_body_announced_too_long_is_not_waited_for(office: Office, length: bytes):
    got = await office.raw(b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n")
    assert got.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
    assert office.carrier.verified == []


async def test_a_body_that_does_not_come_is_given_up(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subject, "SLOW", 0.1)
    got = await office.raw(b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert got.startswith(b"HTTP/1.1 408")
    assert counts(office) == {"acme": {"slow": 1}}


async def test_who_goes_in_the_middle_of_a_body_leaves_no_trace(office: Office, caplog):
    stream = await trio.open_tcp_stream("127.0.0.1", office.port)
    await stream.send_all(b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    await trio.sleep(0.05)
    await stream.aclose()
    assert (await office.send()).status_code == 200
    assert counts(office) == {"acme": {"ok": 1}}
    assert "Traceback" not in caplog.text


async def test_two_carriers_may_share_a_path_by_method(office: Office):
    assert (await office.send(method="GET")).status_code == 200
    assert counts(office) == {"other": {"ok": 1}}
    answer = await office.send(method="DELETE")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/hooks", "/hooks/acme/", "/hooks/acme/end", "/hooks/acme/a/b/end", "/hooks/nobody"])
async def test_other_paths_are_the_applications(office: Office, path: str):
    answer = await office.send(path)
    assert answer.status_code == 404
    assert "content-security-policy" in answer.headers
    assert office.carrier.verified == []


async def test_one_connection_takes_many(office: Office):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{office.port}", trust_env=False) as client:
        for n in range(20):
            signed = {"X-Signature": "good"} if n % 2 else {}
            assert (await client.post("/hooks/acme", headers=signed)).status_code == (200 if n % 2 else 401)
    assert counts(office) == {"acme": {"ok": 10, "signature": 10}}
    assert office.tally.statistics()["took_ms"]["count"] == 20


def test_two_carriers_cannot_have_the_same_path_and_method():
    carriers = [Carrier("one", {"/x": ("GET", "POST")}), Carrier("two", {"/x": ("post",)})]
    with pytest.raises(Misconfigured, match="webhooks of one and of two have one path: /x"):
        Webhooks(None, carriers, None, public=str, wall=float, tally=Tally())  # type: ignore[arg-type]


def test_the_tally_knows_its_quantiles():
    tally = Tally()
    assert tally.statistics() == {"counts": {}, "took_ms": {"count": 0, "p50": 0.0, "p99": 0.0, "worst": 0.0}}
    tally.took(5.0)
    for n in range(WINDOW):
        tally.took((n + 1) / 1000)
    took = tally.statistics()["took_ms"]
    # The slow one has left the window, and is still the worst.
    assert took == {"count": WINDOW + 1, "p50": WINDOW // 2 + 1, "p99": WINDOW * 99 // 100 + 1, "worst": 5000.0}
