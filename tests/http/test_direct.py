"""What only the reactor's sockets have to prove: no task, bounded reading ahead, the kernel's back-pressure, faults."""

from __future__ import annotations

import json
import socket as sockets
from contextlib import suppress

import pytest
import trio
import trio.testing
from house import House, living_tasks, response_head, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol
from websockets.server import ServerProtocol

from parlance.engine.errors import LineGone, Stalled
from parlance.http.direct import CHUNK, EARLY, DirectSocket
from parlance.http.reactor import MANY, Reactor
from parlance.http.socket import CLOSING, LATE


def pair() -> tuple[sockets.socket, sockets.socket]:
    """Two connected, non-blocking sockets: a peer's and ours."""
    theirs, ours = sockets.socketpair()
    theirs.setblocking(False)
    ours.setblocking(False)
    return theirs, ours


class Still:
    """A reactor that reads when it is told to."""

    def __init__(self) -> None:
        self.events = 0

    def listen(self, socket: DirectSocket, events: int) -> None:
        self.events = events

    def forget(self, socket: DirectSocket) -> None:
        self.events = 0


def socket_on(raw: sockets.socket, reactor: Still | Reactor, size: int = 1 << 16) -> DirectSocket:
    return DirectSocket(raw, "peer:1", ServerProtocol(state=OPEN, max_size=size), reactor)


def frames(*messages: str | bytes) -> bytes:
    kinds = [(Opcode.TEXT, m.encode()) if isinstance(m, str) else (Opcode.BINARY, m) for m in messages]
    return b"".join(Frame(kind, data).serialize(mask=True) for kind, data in kinds)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300)), max_size=8),
    split=st.integers(1, 50),
    chunk=st.integers(1, 400),
)
def test_messages_arrive_whole_however_they_are_cut_into_frames_and_segments(
    messages: list[str | bytes], split: int, chunk: int
) -> None:
    heard: list[str | bytes] = []
    stream = b""
    for message in messages:
        data = message.encode() if isinstance(message, str) else message
        parts = [data[at : at + split] for at in range(0, len(data), split)] or [b""]
        for number, part in enumerate(parts):
            first = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
            frame = Frame(first if number == 0 else Opcode.CONT, part, fin=number == len(parts) - 1)
            stream += frame.serialize(mask=True)

    async def feed() -> None:
        theirs, ours = pair()
        socket = socket_on(ours, Still())
        socket._hear = heard.append
        for at in range(0, len(stream), chunk):
            theirs.send(stream[at : at + chunk])
            socket.ready(1)
        while not drained(socket):
            pass
        theirs.close()
        ours.close()

    trio.run(feed)
    assert heard == messages


def drained(socket: DirectSocket) -> bool:
    """Read what is left in the kernel; whether there was nothing more."""
    try:
        socket._raw.recv(1, sockets.MSG_PEEK)
    except BlockingIOError:
        return True
    socket.ready(1)
    return False


async def test_a_call_on_the_line_has_no_task_of_its_socket(house: House) -> None:
    if not house.direct:
        pytest.skip("the ASGI door has tasks")
    heard: list[object] = []
    sockets_: list[DirectSocket] = []

    async def take(socket: DirectSocket, wire: object, started: object) -> None:
        sockets_.append(socket)
        await socket.listen(heard.append)

    house.take = take
    before = living_tasks()
    async with house.dial() as connection:
        await connection.send_message("one")
        await until(lambda: heard == ["one"])
        # The connection's own task, in which this stub listens, and two of the client's.
        assert living_tasks() - before <= 3
        sockets_[0].send("two")
        assert await connection.get_message() == "two"


async def test_who_does_not_receive_is_not_read_for_and_nothing_is_lost() -> None:
    theirs, ours = pair()
    reactor = Still()
    socket = socket_on(ours, reactor)
    theirs.send(frames(*(str(n) for n in range(EARLY + 10))))
    socket.ready(1)
    assert len(socket._inbox) >= EARLY
    assert reactor.events == 0
    got = [await socket.receive() for _ in range(EARLY + 10)]
    assert got == [str(n) for n in range(EARLY + 10)]
    assert reactor.events == 1
    theirs.close()
    socket.ready(1)
    with pytest.raises(LineGone, match="dropped"):
        await socket.receive()
    await socket.close()


async def test_a_slow_peer_gets_everything_in_order(nursery: trio.Nursery) -> None:
    theirs, ours = pair()
    reactor = Reactor()
    await nursery.start(reactor.run)
    socket = socket_on(ours, reactor)
    count = 400
    for n in range(count):
        socket.send(json.dumps([n, "x" * 2000]))
    assert socket.statistics()["queued"] > 0
    client = Protocol(CLIENT, state=OPEN)
    got: list[int] = []
    with trio.fail_after(5):
        while len(got) < count:
            await trio.lowlevel.wait_readable(theirs)
            client.receive_data(theirs.recv(1 << 16))
            got += [json.loads(bytes(frame.data))[0] for frame in client.events_received()]  # type: ignore[union-attr]
    assert got == list(range(count))
    assert socket.statistics()["queued"] == 0
    theirs.close()
    await socket.close()


async def test_a_peer_that_never_reads_is_stalled_and_cut(autojump_clock: trio.testing.MockClock) -> None:
    theirs, ours = pair()
    socket = socket_on(ours, Still())
    while not socket.statistics()["queued"]:
        socket.send("x" * 2000)
    await trio.sleep(LATE / 2)
    socket.send("still in time")
    await trio.sleep(LATE)
    with pytest.raises(Stalled, match="does not read"):
        socket.send("too late")
    begin = trio.current_time()
    await socket.close()
    assert trio.current_time() - begin <= CLOSING
    assert ours.fileno() == -1
    theirs.close()


async def test_what_hear_raises_is_raised_by_listen_and_nobody_else_is_troubled(nursery: trio.Nursery) -> None:
    reactor = Reactor()
    await nursery.start(reactor.run)
    (bad_peer, bad_raw), (good_peer, good_raw) = pair(), pair()
    bad, good = socket_on(bad_raw, reactor), socket_on(good_raw, reactor)
    heard: list[object] = []

    def fail(message: object) -> None:
        raise ZeroDivisionError(message)

    nursery.start_soon(listens, good, heard.append)
    bad_peer.send(frames("one", "two"))
    with pytest.raises(ZeroDivisionError, match="one"), trio.fail_after(2):
        await bad.listen(fail)
    good_peer.send(frames("hello"))
    await until(lambda: heard == ["hello"])
    bad_peer.close()
    good_peer.close()
    await bad.close()
    await good.close()


async def listens(socket: DirectSocket, hear) -> None:
    with suppress(LineGone):
        await socket.listen(hear)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (Frame(Opcode.TEXT, b"x" * 2000).serialize(mask=True), 1009),
        (Frame(Opcode.TEXT, b"unmasked").serialize(mask=False), 1002),
        (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
        (Frame(Opcode.CONT, b"of nothing").serialize(mask=True), 1002),
        (b"\xf1\x80\x00\x00\x00\x00", 1002),
        (Frame(Opcode.CLOSE, b"\x0f\xa1bye").serialize(mask=True), 4001),
    ],
    # Masks are random, and a test's name is not.
    ids=["too long", "not masked", "no UTF-8", "continues nothing", "reserved bits", "leaves"],
)
async def test_who_breaks_the_protocol_or_leaves_is_known_by_the_code(sent: bytes, code: int) -> None:
    theirs, ours = pair()
    socket = socket_on(ours, Still(), size=1000)
    heard: list[object] = []
    theirs.send(frames("before") + sent + frames("after"))
    socket.ready(1)
    with pytest.raises(LineGone) as caught:
        await socket.listen(heard.append)
    assert caught.value.code == code
    assert heard == ["before"]
    theirs.close()
    socket.ready(1)
    await socket.close()


async def test_one_socket_that_sends_much_does_not_keep_the_others_waiting(nursery: trio.Nursery) -> None:
    theirs, ours = pair()
    heard: list[object] = []
    socket = socket_on(ours, Still())
    socket._hear = heard.append
    theirs.send(frames(*["x" * 200] * 100))
    socket.ready(1)
    assert len(heard) <= CHUNK // 200
    theirs.close()
    socket.ready(1)
    await socket.close()


async def test_many_sockets_share_a_pass_and_all_are_heard(nursery: trio.Nursery) -> None:
    reactor = Reactor()
    await nursery.start(reactor.run)
    count = 4 * MANY
    pairs = [pair() for _ in range(count)]
    heard: list[list[object]] = [[] for _ in range(count)]
    sockets_ = [socket_on(ours, reactor) for _, ours in pairs]
    for socket, words in zip(sockets_, heard, strict=True):
        nursery.start_soon(listens, socket, words.append)
    for n in range(5):
        for theirs, _ in pairs:
            theirs.send(frames(str(n)))
        await until(lambda n=n: all(len(words) == n + 1 for words in heard))
    assert all(words == ["0", "1", "2", "3", "4"] for words in heard)
    assert reactor.passes < reactor.reads
    for theirs, _ in pairs:
        theirs.close()
    async with trio.open_nursery() as closing:
        for socket in sockets_:
            closing.start_soon(socket.close)


async def test_a_cancelled_reactor_lets_sockets_say_goodbye() -> None:
    theirs, ours = pair()
    reactor = Reactor()
    async with trio.open_nursery() as nursery:
        await nursery.start(reactor.run)
        socket = socket_on(ours, reactor)

        async def call() -> None:
            try:
                await trio.sleep_forever()
            finally:
                await socket.close(1001, "going down")

        async def peer() -> None:
            # It answers the close frame, so that nobody waits for a time-out.
            with trio.CancelScope(shield=True), trio.fail_after(2):
                await trio.lowlevel.wait_readable(theirs)
                assert theirs.recv(100)[2:4] == (1001).to_bytes(2, "big")
                theirs.send(Frame(Opcode.CLOSE, b"\x03\xe9").serialize(mask=True))

        nursery.start_soon(call)
        nursery.start_soon(peer)
        await trio.testing.wait_all_tasks_blocked()
        begin = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - begin < CLOSING / 2
    assert ours.fileno() == -1
    theirs.close()


async def test_a_closed_socket_drops_what_is_sent_and_tells_its_listener(house: House) -> None:
    gone: list[LineGone] = []

    async def take(socket: DirectSocket, wire: object, started: object) -> None:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                try:
                    await socket.listen(lambda message: None)
                except LineGone as error:
                    gone.append(error)

            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()
            await socket.close(4000, "enough")
            socket.send("into the void")
            assert socket.statistics()["dropped"] == 1

    house.take = take
    async with house.dial() as connection:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.get_message()
    assert (caught.value.reason.code, caught.value.reason.reason) == (4000, "enough")
    await until(lambda: len(gone) == 1)


async def test_the_response_to_a_handshake_is_the_same_through_both_doors(house: House) -> None:
    stream = await house.raw()
    async with stream:
        head = await response_head(stream)
    assert head.startswith("HTTP/1.1 101")
    assert "s3pplmbitxaq9kygzzhzrbk+xoo=" in head.lower()
    assert "sec-websocket-extensions" not in head.lower()


@pytest.mark.parametrize(
    "flood",
    [
        Frame(Opcode.PING, b"?").serialize(mask=True),
        Frame(Opcode.PONG, b"").serialize(mask=True),
        Frame(Opcode.CONT, b"", fin=False).serialize(mask=True),
    ],
    ids=["ping", "pong", "continuation"],
)
async def test_a_flood_of_frames_that_bring_nothing_ends_the_socket(flood: bytes, nursery: trio.Nursery) -> None:
    reactor = Reactor()
    await nursery.start(reactor.run)
    theirs, ours = pair()
    socket = socket_on(ours, reactor)
    theirs.send(Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True))

    async def pour() -> None:
        with suppress(OSError):
            while True:
                await trio.lowlevel.wait_writable(theirs)
                theirs.send(flood * 10)

    async with trio.open_nursery() as pouring:
        pouring.start_soon(pour)
        with pytest.raises(LineGone, match="empty frames") as caught, trio.fail_after(2):
            await socket.listen(lambda message: None)
        await socket.close()
        theirs.close()
        pouring.cancel_scope.cancel()
    assert caught.value.code == 1008
    assert socket.statistics()["peak"] < 200


async def test_a_ping_now_and_then_is_answered_and_no_flood(autojump_clock: trio.testing.MockClock) -> None:
    theirs, ours = pair()
    socket = socket_on(ours, Still())
    for _ in range(500):
        await trio.sleep(0.15)
        theirs.send(Frame(Opcode.PING, b"?").serialize(mask=True))
        socket.ready(1)
        assert theirs.recv(100) == b"\x8a\x01?"
    theirs.close()
    socket.ready(1)
    await socket.close()


async def test_after_a_fault_nothing_more_is_kept_and_the_peer_s_end_is_seen() -> None:
    theirs, ours = pair()
    socket = socket_on(ours, Still())
    theirs.send(Frame(Opcode.TEXT, b"\xff").serialize(mask=True) + b"\x81" * 100)
    socket.ready(1)
    for _ in range(50):
        theirs.send(b"\x81" * 1000)
        socket.ready(1)
    assert socket._messages._rest == b""
    theirs.close()
    socket.ready(1)
    begin = trio.current_time()
    await socket.close()
    assert trio.current_time() - begin < CLOSING / 2


async def test_what_stalled_was_not_sent(autojump_clock: trio.testing.MockClock) -> None:
    theirs, ours = pair()
    socket = socket_on(ours, Still())
    while not socket.statistics()["queued"]:
        socket.send("x" * 2000)
    queued = socket.statistics()["queued"]
    await trio.sleep(LATE + 0.1)
    for _ in range(3):
        with pytest.raises(Stalled):
            socket.send("too late")
    assert socket.statistics()["queued"] == queued
    assert socket._messages.outgoing() == []
    theirs.close()
    await socket.close()


async def test_a_socket_that_nobody_closed_is_cut_by_the_call_s_end() -> None:
    theirs, ours = pair()
    reactor = Still()
    socket = socket_on(ours, reactor)
    socket.drop()
    assert ours.fileno() == -1
    assert reactor.events == 0
    with pytest.raises(LineGone):
        await socket.receive()
    await socket.close()
    socket.drop()
    assert theirs.recv(10) == b""
    theirs.close()


async def test_a_socket_outlives_its_reactor_without_harm() -> None:
    theirs, ours = pair()
    async with trio.open_nursery() as nursery:
        reactor = Reactor()
        await nursery.start(reactor.run)
        nursery.cancel_scope.cancel()
    socket = socket_on(ours, reactor)
    with trio.fail_after(CLOSING + 1):
        await socket.close()
    assert ours.fileno() == -1
    theirs.close()


async def test_a_fault_of_ours_in_one_socket_ends_that_one_only(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reactor = Reactor()
    await nursery.start(reactor.run)
    (bad_peer, bad_raw), (good_peer, good_raw) = pair(), pair()
    bad, good = socket_on(bad_raw, reactor), socket_on(good_raw, reactor)
    monkeypatch.setattr(bad._messages, "feed", lambda data: 1 / 0)
    heard: list[object] = []
    nursery.start_soon(listens, good, heard.append)
    bad_peer.send(frames("x"))
    with pytest.raises(ZeroDivisionError), trio.fail_after(2):
        await bad.listen(heard.append)
    good_peer.send(frames("hello"))
    await until(lambda: heard == ["hello"])
    assert "peer:1 failed" in caplog.text
    bad_peer.close()
    good_peer.close()
    await bad.close()
    await good.close()
