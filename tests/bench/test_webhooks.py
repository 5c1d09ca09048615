"""The bench's webhooks are what the carriers' hooks take, and their sender counts what becomes of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.webhooks import requests
from parlance.actors.media.ringover import hooks as ringover
from parlance.actors.media.ringover import settings as ringoversettings
from parlance.actors.media.twilio import hooks as twilio
from parlance.actors.media.twilio import settings as twiliosettings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Request, What

PUBLIC, NUMBER = "https://bench.example", "+33100000002"
KEYS = {"ringover": "r" * 64, "twilio": "t" * 64}
NOW = 1_800_000_000.0
HOOKS: dict[str, Any] = {
    "ringover": ringover.Hooks(ringoversettings.Settings(webhook_key=KEYS["ringover"]), Addresses(PUBLIC)),
    "twilio": twilio.Hooks(twiliosettings.Settings(auth_token=KEYS["twilio"]), Addresses(PUBLIC)),
}


class Told:
    """A reception that remembers."""

    def __init__(self) -> None:
        self.news: list[News] = []

    def offered(self, offer: Offer) -> Refusal:
        raise AssertionError(offer)

    def told(self, news: News) -> None:
        self.news.append(news)


def read(data: bytes) -> tuple[str, Request]:
    """The carrier, and the request as the house has it."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return path.split("/")[4], Request(method, PUBLIC + path, headers, body)


def test_the_hooks_take_them_and_every_call_rings_is_answered_and_ends() -> None:
    told, order = Told(), list[str]()
    made = requests(1200, NOW, PUBLIC, NUMBER, KEYS)
    for carrier, request in map(read, made):
        hooks = HOOKS[carrier]
        hooks.verify(request, NOW + 60)
        assert hooks.handle(request, told).status == 200
        order.append(carrier)
    assert len(made) == len(told.news) == 1200
    assert {news.called for news in told.news} == {NUMBER}
    assert not any(news.outbound for news in told.news)
    lives: dict[str, list[What]] = {}
    for news in told.news:
        lives.setdefault(news.call, []).append(news.what)
    assert len(lives) == 400
    assert all(life == [What.RINGING, What.ANSWERED, What.ENDED] for life in lives.values())
    assert Counter(order) == {"ringover": 600, "twilio": 600}
    assert len({news.event for news in told.news}) == 1200, "none is taken for a second delivery"


def test_another_key_is_not_taken() -> None:
    other = {name: key[1:] + "x" for name, key in KEYS.items()}
    for carrier, request in map(read, requests(6, NOW, PUBLIC, NUMBER, other)):
        with pytest.raises(Denied, match="not"):
            HOOKS[carrier].verify(request, NOW)


# ------------------------------------------------------------------------------------------------ the sender


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        server.taken += 1
        if server.mode == "mute":
            self.close_connection = True
            return
        self.send_response(503 if server.mode == "busy" and server.taken % 2 else 200)
        if server.mode == "short" and server.taken % 5 == 0:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    """The sender connects many times at once; what does not fit into the queue comes again a second later."""


@contextmanager
def door(mode: str) -> Iterator[Any]:
    server: Any = Server(("127.0.0.1", 0), Door)
    server.mode, server.taken = mode, 0
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("mode", "ok"), [("well", 60), ("busy", 30), ("short", 60), ("mute", 0)])
def test_the_sender_says_what_was_answered_and_how_fast(mode: str, ok: int) -> None:
    with door(mode) as server:
        spec = {"port": server.server_port, "rate": 100, "seconds": 0.6, "public": PUBLIC, "number": NUMBER}
        spec["keys"] = KEYS
        done = subprocess.run(
            [sys.executable, "-m", "bench.webhooks"], input=json.dumps(spec), capture_output=True, text=True, timeout=20
        )
    found = json.loads(done.stdout)
    assert found["ok"] == ok
    if mode == "mute":
        assert "closed a connection" in done.stderr
        return
    assert (found["sent"], found["took_ms"]["n"], found["late_ms"]["n"]) == (60, 60, 60)
    assert 0 < found["took_ms"]["p50"] < 500
    assert done.stderr == ""
