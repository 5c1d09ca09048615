"""The first look at a connection: media sockets to the reactor, everything else to the ASGI server, with every byte."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
import trio
from house import House, response_head, until
from websockets.frames import Frame, Opcode

from parlance.http import door
from parlance.http.direct import DirectSocket
from parlance.http.socket import AsgiSocket

pytestmark = pytest.mark.swift

HANDSHAKE = (
    b"GET /api/v1/media/twilio HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def taken(house: House) -> list[object]:
    """Every socket that was brought; each gets an echo."""
    sockets: list[object] = []
    echo = house.take

    async def take(socket, wire, started) -> None:
        sockets.append(socket)
        await echo(socket, wire, started)

    house.take = take
    return sockets


async def connect(house: House) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", house.port)


async def answer(stream: trio.SocketStream) -> bytes:
    with trio.fail_after(3):
        return b"".join([data async for data in stream])


async def test_a_media_path_has_a_socket_of_its_door(house: House, taken: list[object]) -> None:
    async with house.dial() as connection:
        await connection.send_message("hello")
        assert await connection.get_message() == "hello"
    assert type(taken[0]) is (DirectSocket if house.direct else AsgiSocket)


async def test_a_handshake_in_many_small_segments(house: House, taken: list[object]) -> None:
    async with await connect(house) as stream:
        for byte in HANDSHAKE:
            await stream.send_all(bytes([byte]))
        assert (await response_head(stream)).startswith("HTTP/1.1 101")
        await stream.send_all(Frame(Opcode.TEXT, b"hi").serialize(mask=True))
        assert await stream.receive_some(100) == b"\x81\x02hi"


async def test_messages_in_one_segment_with_the_handshake_are_not_lost(house: House, taken: list[object]) -> None:
    if not house.direct:
        pytest.skip("the ASGI server refuses such a handshake")
    async with await connect(house) as stream:
        await stream.send_all(HANDSHAKE + Frame(Opcode.TEXT, b"early").serialize(mask=True))
        assert (await response_head(stream)).startswith("HTTP/1.1 101")
        assert await stream.receive_some(100) == b"\x81\x05early"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", b"200"),
        (b"HEAD /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", b"200"),
        (b"GET /api/v1/media/twilio HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /api/v1/media/nobody HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", b"404"),
        (b"POST /api/v1/media/twilio HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", b"404"),
        (b"G", b"400"),
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET /api/v1/media/twilio HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET /api/v1/media/twilio HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"4"),
    ],
)
async def test_everything_else_is_answered_as_if_nobody_had_looked(
    house: House, request_: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "WAIT", 0.2)
    async with await connect(house) as stream:
        await stream.send_all(request_)
        if request_ == b"G":
            await stream.send_eof()
        try:
            got = await answer(stream)
        except trio.BrokenResourceError:
            assert len(request_) > door.HEAD  # Refused before it was read: a reset may overtake the answer.
            return
        # Nothing is answered to who hangs up in the middle of a word.
        assert got.startswith(b"HTTP/1.1 " + status) or (request_ == b"G" and got == b"")


async def test_a_kept_connection_may_still_become_a_media_socket(house: House, taken: list[object]) -> None:
    async with await connect(house) as stream:
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        head = await response_head(stream)
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        while length:
            length -= len(await stream.receive_some(length))
        await stream.send_all(HANDSHAKE)
        assert (await response_head(stream)).startswith("HTTP/1.1 101")
    await until(lambda: len(taken) == 1)
    assert isinstance(taken[0], AsgiSocket)


async def test_who_says_nothing_is_left_to_the_servers_own_time_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "WAIT", 0.1)
    async with await connect(house) as stream:
        await trio.sleep(0.3)
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        assert (await answer(stream)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("changed", "by", "status"),
    [
        (b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Version: 8\r\n", "400 426"),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", "400"),
        (b"Upgrade: websocket\r\n", b"Upgrade: carrier-pigeon\r\n", "400 404 426"),
    ],
)
async def test_a_wrong_handshake_is_refused(house: House, changed: bytes, by: bytes, status: str) -> None:
    async with await connect(house) as stream:
        await stream.send_all(HANDSHAKE.replace(changed, by))
        head = await response_head(stream)
        assert head.split()[1] in status.split()


async def test_a_path_that_is_escaped_is_the_same_path(house: House, taken: list[object]) -> None:
    async with house.dial("/ws/voice%2Dagent/sales?format=pcm16") as connection:
        await connection.send_message("hello")
        assert await connection.get_message() == "hello"
    assert type(taken[0]) is (DirectSocket if house.direct else AsgiSocket)


@pytest.mark.parametrize(
    "target",
    [
        "//[",
        "//x/api/v1/media/twilio",
        "///api/v1/media/twilio",
        "http://x/api/v1/media/twilio",
        "/api/v1/media/twilio#x",
        "/api/v1/media/twilio/",
        "/api/v1/media/twilio%00",
        "*",
    ],
)
async def test_what_one_door_does_not_take_for_a_media_path_the_other_does_not_either(
    house: House, target: str, taken: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    async with await connect(house) as stream:
        await stream.send_all(HANDSHAKE.replace(b"/api/v1/media/twilio", target.encode()))
        head = await response_head(stream)
    assert head.split()[1] in ("404", "400")
    assert taken == []
    assert "Traceback" not in caplog.text


async def test_a_caller_who_resets_after_the_handshake_is_no_error_of_ours(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        stream = await connect(house)
        await stream.send_all(HANDSHAKE)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()
    async with house.dial() as connection:
        await connection.send_message("hello")
        assert await connection.get_message() == "hello"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_lines_that_end_without_a_return_are_not_waited_for(house: House) -> None:
    async with await connect(house) as stream:
        await stream.send_all(b"GET /health HTTP/1.1\nHost: test\nConnection: close\n\n")
        with trio.fail_after(door.WAIT / 2):
            assert (await answer(stream)).startswith(b"HTTP/1.1 ")


async def test_who_has_said_nothing_does_not_hold_the_shutdown(page: Path) -> None:
    house = House(page, direct=True)
    async with trio.open_nursery() as nursery:
        house.port = await nursery.start(house.run)
        async with await connect(house):
            await until(lambda: True)
            begin = trio.current_time()
            house.stop.set()
            with trio.fail_after(door.WAIT / 2):
                await closed(nursery)
            assert trio.current_time() - begin < 1


async def closed(nursery: trio.Nursery) -> None:
    while nursery.child_tasks:
        await trio.sleep(0.01)
