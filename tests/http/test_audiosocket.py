"""The AudioSocket listener over real TCP, and its socket's pace by a clock of its own."""

from __future__ import annotations

import logging
import socket
import struct
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import trio
from house import living_tasks, until
from trio.testing import wait_all_tasks_blocked

from parlance.actors.media.asterisk.audiosocket import CLEAR, AudioSocket
from parlance.actors.media.port import Digit, Started
from parlance.actors.media.webhook import Denied
from parlance.engine.errors import LineGone, Refused, Stalled
from parlance.http.audiosocket import PacketSocket, serve
from parlance.http.socket import CLOSING, LATE, QUEUE

HANGUP = b"\x00\x00\x00"


def made(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def frame(mark: int = 0) -> bytes:
    return made(0x10, bytes([mark]) * 320)


class Stream:
    """A TCP stream whose peer can say something, stop reading, and vanish."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.reads = trio.Event()
        self.reads.set()
        self.ended = self.closed = False
        self._put, self._get = trio.open_memory_channel[bytes](100)

    def say(self, data: bytes) -> None:
        self._put.send_nowait(data)

    async def receive_some(self, most: int) -> bytes:
        return await self._get.receive()

    async def send_all(self, data: bytes) -> None:
        await self.reads.wait()
        if self.closed:
            raise trio.BrokenResourceError
        self.sent.append((trio.current_time(), data))

    async def send_eof(self) -> None:
        self.ended = True
        self.say(b"")

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()

    @property
    def packets(self) -> list[bytes]:
        return [data for _, data in self.sent]


def opened(stream: Stream) -> Any:
    return PacketSocket(stream, "192.0.2.1:5000")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ the socket


async def test_packets_arrive_whole_however_they_were_cut(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        whole = frame(1) + frame(2) + HANGUP
        for n in range(0, len(whole), 100):
            stream.say(whole[n : n + 100])
        assert [await connection.receive() for _ in range(3)] == [frame(1), frame(2), HANGUP]


async def test_audio_goes_out_as_fast_as_it_is_heard(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        start = trio.current_time()
        for n in range(10):
            connection.send(frame(n))
        await trio.sleep(0.5)
        connection.send(frame(99))
        await wait_all_tasks_blocked()
    assert stream.packets == [*(frame(n) for n in range(10)), frame(99)]
    times = [at - start for at, _ in stream.sent]
    assert times[:10] == pytest.approx([n * 0.02 for n in range(10)])
    assert times[10] == pytest.approx(0.5)


async def test_clear_throws_away_what_waits(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        for n in range(10):
            connection.send(frame(n))
        await trio.sleep(0.05)
        connection.send(CLEAR)
        connection.send(frame(77))
        await trio.sleep(0.5)
        assert stream.packets == [frame(0), frame(1), frame(2), frame(77)]
        assert stream.sent[3][0] - stream.sent[2][0] == pytest.approx(0.02)
        assert connection.statistics() == {"queued": 0, "peak": 10, "dropped": 7}


async def test_clear_leaves_a_packet_on_its_way_and_a_hangup_alone(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        stream.reads = trio.Event()
        connection.send(frame(1))
        await wait_all_tasks_blocked()
        connection.send(frame(2))
        connection.send(HANGUP)
        connection.send(CLEAR)
        stream.reads.set()
        await trio.sleep(0.1)
        assert stream.packets == [frame(1), HANGUP]


async def test_a_queue_at_its_pace_is_not_stalled_and_a_blocked_one_is(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        for n in range(200):
            connection.send(frame(n))
        await trio.sleep(2)
        connection.send(frame())
        stream.reads = trio.Event()
        await trio.sleep(LATE + 0.03)
        with pytest.raises(Stalled, match=r"192\.0\.2\.1:5000 does not read"):
            connection.send(frame())
        before = trio.current_time()
    assert trio.current_time() - before <= CLOSING + 0.01
    assert stream.closed


async def test_the_queue_has_a_bound(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        for _ in range(QUEUE):
            connection.send(frame())
        with pytest.raises(Stalled):
            connection.send(frame())


async def test_closing_sends_what_is_queued_and_then_ends(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        connection.send(frame(1))
        connection.send(frame(2))
        connection.send(HANGUP)
        await connection.close()
        await connection.close()
        assert stream.packets == [frame(1), frame(2), HANGUP]
        assert stream.ended
        assert stream.closed
        connection.send(frame(3))
        with pytest.raises(LineGone):
            await connection.receive()
    assert len(stream.sent) == 3


async def test_closing_wakes_who_listens(autojump_clock, nursery):
    stream, heard = Stream(), []

    async def listen(connection: PacketSocket) -> None:
        with pytest.raises(LineGone):
            await connection.listen(heard.append)
        heard.append("over")

    async with opened(stream) as connection:
        nursery.start_soon(listen, connection)
        stream.say(frame(1) + frame(2))
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await connection.receive()
        await connection.close()
        await wait_all_tasks_blocked()
    assert heard == [frame(1), frame(2), "over"]


async def test_a_peer_that_has_gone_stays_gone(autojump_clock):
    stream = Stream()
    async with opened(stream) as connection:
        stream.say(frame(1))
        stream.say(b"")
        assert await connection.receive() == frame(1)
        for _ in range(2):
            with pytest.raises(LineGone, match="closed the line"):
                await connection.receive()
        connection.send(frame(2))
        await wait_all_tasks_blocked()
    assert stream.sent == []


async def test_a_cancelled_call_still_says_goodbye(autojump_clock):
    stream = Stream()
    with trio.move_on_after(1):
        async with opened(stream) as connection:
            try:
                await connection.receive()
            finally:
                connection.send(HANGUP)
    assert stream.packets == [HANGUP]
    assert stream.closed


# ---------------------------------------------------------------------------------------- the listener


async def echo(taken: list[Any], connection: PacketSocket, wire: Any, started: Started | None) -> bool:
    """A call that says back what it hears, until it is hung up."""
    begun = wire.receive(await connection.receive())
    taken.append(begun)
    while True:
        heard = wire.receive(await connection.receive())
        if isinstance(heard, bytes):
            connection.send(wire.audio(heard))
        elif isinstance(heard, Digit):
            taken.append(heard)
        else:
            return False


async def listening(nursery: trio.Nursery, take: Any, make: Any = lambda peer: (AudioSocket(), None)) -> int:
    port: int = await nursery.start(partial(serve, take, make, host="127.0.0.1", port=0))
    return port


async def read(stream: trio.SocketStream, size: int) -> bytes:
    found = b""
    with trio.fail_after(5):
        while len(found) < size and (data := await stream.receive_some(size - len(found))):
            found += data
    return found


async def test_a_call_over_tcp(nursery):
    taken: list[Any] = []
    port = await listening(nursery, partial(echo, taken))
    call = uuid4()
    async with await trio.open_tcp_stream("127.0.0.1", port) as asterisk:
        await asterisk.send_all(made(1, call.bytes) + frame(1)[:100])
        await asterisk.send_all(frame(1)[100:] + frame(2) + made(3, b"7"))
        assert await read(asterisk, 646) == frame(1) + frame(2)
        await asterisk.send_all(HANGUP)
        assert await read(asterisk, 1) == b""
    assert taken == [Started(call=str(call), ticket=str(call)), Digit("7")]
    nursery.cancel_scope.cancel()


async def test_who_is_not_let_in_is_closed_and_the_listener_goes_on(nursery, caplog):
    def nobody(peer: str) -> Any:
        raise Denied(403, "source", "not from here")

    caplog.set_level(logging.INFO, "parlance.http.audiosocket")
    taken: list[Any] = []
    port = await listening(nursery, partial(echo, taken), nobody)
    for _ in range(2):
        async with await trio.open_tcp_stream("127.0.0.1", port) as asterisk:
            assert await read(asterisk, 1) == b""
    assert taken == []
    assert "not from here" in caplog.text
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("fault", [Refused("full", reason="full", code=1013), LineGone("gone"), ZeroDivisionError()])
async def test_what_one_call_raises_ends_only_that_call(nursery, fault, caplog):
    async def fail(*_: Any) -> bool:
        raise fault

    port = await listening(nursery, fail)
    await wait_all_tasks_blocked()
    before = living_tasks()
    for _ in range(2):
        async with await trio.open_tcp_stream("127.0.0.1", port) as asterisk:
            assert await read(asterisk, 1) == b""
    assert ("a call from 127.0.0.1" in caplog.text) is isinstance(fault, ZeroDivisionError)
    await until(lambda: living_tasks() == before)
    nursery.cancel_scope.cancel()


async def test_a_call_keeps_its_socket_until_it_drops_it(nursery):
    sockets: list[PacketSocket] = []

    async def keep(connection: PacketSocket, wire: Any, started: Any) -> bool:
        sockets.append(connection)
        return True

    port = await listening(nursery, keep)
    async with await trio.open_tcp_stream("127.0.0.1", port) as asterisk:
        await until(lambda: bool(sockets))
        sockets[0].send(frame(5))
        assert await read(asterisk, 323) == frame(5)
        sockets[0].drop()
        assert await read(asterisk, 1) == b""
    nursery.cancel_scope.cancel()


async def test_a_peer_that_resets_is_a_peer_that_has_gone(nursery):
    gone = trio.Event()

    async def wait(connection: PacketSocket, wire: Any, started: Any) -> bool:
        with pytest.raises(LineGone):
            await connection.receive()
        gone.set()
        return False

    port = await listening(nursery, wait)
    asterisk = await trio.open_tcp_stream("127.0.0.1", port)
    await trio.sleep(0.05)
    asterisk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asterisk.socket.close()
    with trio.fail_after(5):
        await gone.wait()
    nursery.cancel_scope.cancel()
