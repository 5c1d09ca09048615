"""Round trips to the simulators without any adapter: a socket, and the bytes that an adapter would send, ready-made.

What of a response time is the simulators' and the kernel's, then, and not ours.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import httpx
import trio
from websockets.frames import Frame, Opcode

from bench.cast import SETTINGS, Hosts
from bench.unplugged import ears, minds, voices

ROUNDS = 15
REST = 0.02
"""Seconds for what comes before it is asked for, such as greetings and words so far."""
LATE = 5.0

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_PATHS = {
    "openai": "/v1/chat/completions",
    "azureopenai": "/openai/deployments/simulated/chat/completions?api-version=2024-10-21",
    "anthropic": "/v1/messages",
}

Asked = tuple[bytes, Sequence[bytes], bytes]
"""A handshake, if there is one; what is sent after it; and what is answered."""


async def trips(combination: Sequence[str], hosts: Hosts, speech: bytes) -> dict[str, float]:
    """The least seconds of several rounds from asking to the first byte of the answer, by role: what disturbs a round
    would make our own share look smaller.
    """
    found = {}
    for role, names in zip(SETTINGS, combination, strict=True):
        name = names.partition(",")[0]
        asked = await {"ear": ear, "mind": mind, "voice": voice}[role](name, speech)
        host, _, port = hosts[SETTINGS[role][name][0]].partition(":")
        found[role] = min([await _trip(host, int(port), asked) for _ in range(ROUNDS)])
    return found


async def ear(name: str, speech: bytes) -> Asked:
    if name in ears.ASKED:
        return await _page(ears.request, name)
    made = ears.made(name)
    wire = made._wire()
    said = [*wire.begin(1).send]
    step = round(wire.chunk * wire.format.second)
    for at in range(0, len(speech), step):
        said += wire.hear(speech[at : at + step]).send
    pool = made._pool
    ended = b"".join(map(_frame, wire.end(1).send))
    return _handshake(pool._url, pool._dial.headers), [_frame(message) for message in said], ended


async def mind(name: str, speech: bytes) -> Asked:
    made = minds.made(name)
    body = made.wire.request(minds.HISTORY, ())
    path = _PATHS[name] if name in _PATHS else minds.path(name)
    headers = {"content-type": "application/json", **made.dial.headers}
    return b"", (), _post(path, headers, json.dumps(body).encode())


async def voice(name: str, speech: bytes) -> Asked:
    if name in voices.ASKED:
        return await _page(voices.request, name)
    made = voices.made(name)
    pool = made._pool
    phrase = made._make().say("Of course, let me just have a look at the calendar.", 0.0)
    return _handshake(pool._url, pool._dial.headers), (), b"".join(map(_frame, phrase))


async def _trip(host: str, port: int, asked: Asked) -> float:
    """On a connection of its own, which is there before."""
    greeting, before, last = asked
    with socket.create_connection((host, port), timeout=LATE) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if greeting:
            line.sendall(greeting)
            answer = line.recv(1 << 16)
            assert b" 101 " in answer[:40], answer[:200]
        for message in before:
            line.sendall(message)
        await trio.sleep(REST)
        _drain(line)
        begin = trio.current_time()
        line.sendall(last)
        answer = line.recv(1 << 16)
        took = trio.current_time() - begin
        assert greeting or b" 200 " in answer[:40], answer[:400]
        return took


def _drain(line: socket.socket) -> None:
    line.setblocking(False)
    try:
        while line.recv(1 << 16):
            pass
    except BlockingIOError:
        pass
    line.settimeout(LATE)


def _handshake(url: str, headers: Mapping[str, str]) -> bytes:
    more = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": _KEY, "Sec-WebSocket-Version": "13"}
    return _head("GET", url, {**more, **headers})


async def _page(make: Callable[[str, int, list[httpx.Request]], Awaitable[float]], name: str) -> Asked:
    """The request that an adapter makes."""
    requests: list[httpx.Request] = []
    await make(name, 1, requests)
    body = await requests[0].aread()
    headers = {name: value for name, value in requests[0].headers.items() if name not in ("host", "content-length")}
    return b"", (), _post(str(requests[0].url), headers, body)


def _post(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    return _head("POST", url, {**headers, "content-length": str(len(body))}) + body


def _head(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _frame(message: str | bytes) -> bytes:
    if isinstance(message, str):
        return Frame(Opcode.TEXT, message.encode()).serialize(mask=True)
    return Frame(Opcode.BINARY, message).serialize(mask=True)
