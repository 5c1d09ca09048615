from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import pytest
import trio
from house import House, ending, living_tasks, open_files, response_head, until
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import assert_checkpoints, wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, WebSocketConnection

from parlance.engine.errors import LineGone, Stalled
from parlance.http.socket import ABORT, CLOSING, LATE, PARTING, QUEUE, AsgiSocket, open_socket, shorten


class Server:
    """An ASGI server whose peer can stop reading, answer a close or not, and vanish."""

    def __init__(self, *, answers: bool = True, stubborn: bool = False, aborts: bool = False) -> None:
        self.answers = answers
        self.stubborn = stubborn
        self.sent: list[Any] = []
        self.reads = trio.Event()
        self.reads.set()
        self.cut = trio.Event()
        self._put, self._get = trio.open_memory_channel[dict[str, Any]](32)
        state = {ABORT: self.abort} if aborts else {}
        self.scope: dict[str, Any] = {"type": "websocket", "client": ("192.0.2.1", 5000), "state": state}

    def abort(self) -> None:
        self.cut.set()
        self.reads.set()
        self.put(type="websocket.disconnect", code=1006)

    def put(self, **event: Any) -> None:
        self._put.send_nowait(event)

    async def receive(self) -> dict[str, Any]:
        return await self._get.receive()

    async def send(self, event: Any) -> None:
        with trio.CancelScope(shield=self.stubborn):
            await self.reads.wait()
        if self.cut.is_set():
            return
        self.sent.append(event)
        if event["type"] == "websocket.close" and self.answers:
            self.put(type="websocket.disconnect", code=event["code"])

    def open(self) -> Any:
        return open_socket(self.scope, self.receive, self.send)

    @property
    def messages(self) -> list[Any]:
        return [e.get("text", e.get("bytes")) for e in self.sent if e["type"] == "websocket.send"]

    @property
    def closes(self) -> list[tuple[int, str]]:
        return [(e["code"], e["reason"]) for e in self.sent if e["type"] == "websocket.close"]


async def test_text_and_bytes_arrive_as_they_are():
    server = Server()
    async with server.open() as socket:
        server.put(type="websocket.receive", text="", bytes=None)
        server.put(type="websocket.receive", bytes=b"", text=None)
        server.put(type="websocket.receive", text="words")
        assert [await socket.receive() for _ in range(3)] == ["", b"", "words"]
        assert socket.peer == "192.0.2.1:5000"


async def test_sending_keeps_the_order_and_never_waits():
    server = Server()
    async with server.open() as socket:
        for n in range(100):
            socket.send(str(n))
        assert server.sent == []
    assert server.messages == [str(n) for n in range(100)]
    assert server.closes == [(1000, "")]


async def test_listening_hears_everything_until_the_peer_goes():
    server, heard = Server(), []
    async with server.open() as socket:
        for n in range(5):
            server.put(type="websocket.receive", text=str(n))
        server.put(type="websocket.disconnect", code=1001, reason="away")
        with pytest.raises(LineGone, match="1001 away"):
            await socket.listen(heard.append)
    assert heard == list("01234")


async def test_a_peer_that_has_gone_stays_gone(autojump_clock):
    server = Server()
    async with server.open() as socket:
        server.put(type="websocket.disconnect", code=1001)
        for _ in range(3):
            with pytest.raises(LineGone) as caught:
                await socket.receive()
            assert caught.value.code == 1001
        socket.send("into the void")
        await wait_all_tasks_blocked()
        assert socket.statistics()["dropped"] == 1
        before = trio.current_time()
    assert server.sent == []
    assert trio.current_time() == before


async def test_stalled_when_the_oldest_message_is_too_old(autojump_clock):
    server = Server(aborts=True)
    async with server.open() as socket:
        server.reads = trio.Event()
        socket.send("a")
        await trio.sleep(LATE - 0.01)
        socket.send("b")
        await trio.sleep(0.02)
        with pytest.raises(Stalled, match=r"192\.0\.2\.1:5000 does not read"):
            socket.send("c")
        assert socket.statistics() == {"queued": 2, "peak": 2, "dropped": 0}


async def test_a_peer_that_reads_in_time_never_stalls(autojump_clock):
    server = Server()
    async with server.open() as socket:
        for n in range(20):
            server.reads = trio.Event()
            socket.send(str(n))
            await trio.sleep(LATE - 0.1)
            server.reads.set()
            await wait_all_tasks_blocked()
    assert len(server.messages) == 20


async def test_a_flood_within_one_instant_is_bounded(autojump_clock):
    server = Server(aborts=True)
    async with server.open() as socket:
        server.reads = trio.Event()
        for n in range(QUEUE):
            socket.send(str(n))
        with pytest.raises(Stalled):
            socket.send("one more")


async def test_what_is_queued_is_sent_before_the_close(autojump_clock):
    server = Server()
    async with server.open() as socket:
        server.reads = trio.Event()
        socket.send("goodbye")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.close, 1001, "done")
            await trio.sleep(CLOSING / 2)
            server.reads.set()
        assert server.messages == ["goodbye"]
        assert server.closes == [(1001, "done")]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_closing_a_stalled_peer_cuts_it_in_bounded_time(autojump_clock, stubborn: bool):
    server = Server(aborts=True, stubborn=stubborn)
    before = living_tasks()
    async with server.open() as socket:
        server.reads = trio.Event()
        socket.send("never read")
        await wait_all_tasks_blocked()
        begun = trio.current_time()
        await socket.close()
        assert trio.current_time() - begun <= CLOSING
        assert server.cut.is_set()
    assert living_tasks() == before


async def test_what_is_known_to_stall_is_not_waited_for(autojump_clock):
    server = Server(aborts=True, stubborn=True)
    async with server.open() as socket:
        server.reads = trio.Event()
        socket.send("never read")
        await trio.sleep(LATE + 0.1)
        begun = trio.current_time()
        await socket.close()
        assert trio.current_time() - begun <= CLOSING - PARTING


async def test_a_peer_that_does_not_answer_the_close_is_waited_for_a_moment_and_not_cut(autojump_clock):
    server = Server(answers=False, aborts=True)
    async with server.open() as socket:
        begun = trio.current_time()
        await socket.close()
        assert trio.current_time() - begun == pytest.approx(PARTING)
        assert not server.cut.is_set()


async def test_closing_twice_and_at_once_sends_one_close():
    server = Server()
    async with server.open() as socket:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.close, 1000, "first")
            nursery.start_soon(socket.close, 1001, "second")
        await socket.close(1002)
        socket.send("late")
    assert len(server.closes) == 1
    assert server.closes[0][0] in (1000, 1001)
    assert server.messages == []


async def test_close_ends_a_receive_that_waits(autojump_clock):
    server = Server(answers=False)
    async with server.open() as socket, trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(LineGone, match="closed on this side"):
                await socket.receive()

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        await socket.close()


async def test_close_takes_in_what_a_talkative_peer_still_sends(autojump_clock):
    """The server's reader must not be left before a full queue, where it would never see that its line was closed."""
    server = Server(answers=False)

    async def talk() -> None:
        for _ in range(1000):
            await server._put.send({"type": "websocket.receive", "text": "x"})
        await server._put.send({"type": "websocket.disconnect", "code": 1000})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        async with server.open() as socket:
            begun = trio.current_time()
            await socket.close()
            assert trio.current_time() - begun < PARTING
    assert server._put.statistics().current_buffer_used == 0


@pytest.mark.parametrize(("error", "code"), [(ValueError("a bug"), 1011), (LineGone("x"), 1011)])
async def test_an_error_leaves_the_context_as_itself(error: Exception, code: int):
    server = Server()
    with pytest.raises(type(error)) as caught:
        async with server.open():
            raise error
    assert caught.value is error
    assert server.closes == [(code, "")]


async def test_a_cancelled_call_still_says_goodbye(autojump_clock):
    server = Server()
    with trio.move_on_after(5) as scope:
        async with server.open() as socket:
            await trio.sleep(4.9)
            server.reads = trio.Event()
            socket.send("last words")
            trio.lowlevel.spawn_system_task(_later, server.reads, 0.5)
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert server.messages == ["last words"]
    assert server.closes == [(1001, "")]


async def _later(event: trio.Event, delay: float) -> None:
    await trio.sleep(delay)
    event.set()


async def test_a_server_that_says_the_peer_has_gone_is_believed():
    server = Server()

    async def broken(event: Any) -> None:
        raise OSError("gone")

    async with open_socket(server.scope, server.receive, broken) as socket:
        socket.send("x")
        await wait_all_tasks_blocked()
        with pytest.raises(LineGone):
            await socket.receive()


async def test_two_readers_are_a_bug():
    server = Server()
    async with server.open() as socket, trio.open_nursery() as nursery:
        nursery.start_soon(ending, socket)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await socket.receive()
        await socket.close()


async def test_receive_is_a_checkpoint():
    server = Server()
    async with server.open() as socket:
        server.put(type="websocket.receive", text="x")
        with assert_checkpoints():
            await socket.receive()


@given(st.text(max_size=200))
def test_a_reason_fits_a_close_frame(reason: str):
    short = shorten(reason)
    assert len(short.encode()) <= 123
    assert reason.startswith(short)
    if len(reason.encode()) <= 123:
        assert short == reason


# --------------------------------------------------------------------------------- over a real Hypercorn


async def test_a_client_that_never_reads_is_stalled_and_cut_and_disturbs_nobody(house: House, caplog):
    figures: dict[str, float] = {}
    message = "x" * 300

    async def take(socket: AsgiSocket, wire: Any, started: Any) -> None:
        if wire.carrier == "twilio":
            while True:
                socket.send(await socket.receive())
        begun = trio.current_time()
        figures["bytes"] = 0
        try:
            while True:
                for _ in range(20):
                    socket.send(message)
                    figures["bytes"] += len(message)
                await trio.sleep(0.002)
        except Stalled:
            figures["stalled"] = trio.current_time() - begun
            await socket.close(1008, "you do not read")
            figures["closed"] = trio.current_time() - begun

    house.take = take
    async with house.dial() as good:
        await good.send_message("warm")
        await good.get_message()
        await until(lambda: True)
        tasks, files = living_tasks(), open_files()
        deaf = await house.raw("/ws/voice-agent/deaf", buffer=4096)
        async with deaf:
            await response_head(deaf)
            with trio.fail_after(8):
                while "closed" not in figures:
                    await good.send_message("still here?")
                    assert await good.get_message() == "still here?"
                    await trio.sleep(0.05)
            await until(lambda: living_tasks() == tasks)
            assert open_files() == files + 1
    assert figures["bytes"] < 2_000_000
    assert figures["closed"] - figures["stalled"] < CLOSING + 0.2
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_shutdown_with_a_client_that_never_reads_is_bounded(page, nursery: trio.Nursery):
    house = House(page, graceful=0.2)
    full = trio.Event()

    async def take(socket: AsgiSocket, wire: Any, started: Any) -> None:
        try:
            while True:
                socket.send("x" * 3000)
                await trio.lowlevel.checkpoint()
        except Stalled:
            full.set()
        await trio.sleep_forever()

    house.take = take
    async with trio.open_nursery() as server:
        house.port = await server.start(house.run)
        deaf = await house.raw(buffer=4096)
        async with deaf:
            with trio.fail_after(5):
                await full.wait()
            begun = trio.current_time()
            house.stop.set()
            with trio.fail_after(5):
                await until(lambda: not server.child_tasks, within=5)
            assert trio.current_time() - begun < 3.5


async def _talk(line: WebSocketConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await line.send_message("x" * 2000)


async def test_goodbye_reaches_a_peer_that_is_still_talking(house: House):
    """Closing over unread audio would reset the connection, and the last messages with it."""

    async def take(socket: AsgiSocket, wire: Any, started: Any) -> None:
        await socket.receive()
        for n in range(50):
            socket.send(str(n))
        await socket.close(1000, "done")

    house.take = take
    for _ in range(5):
        async with house.dial() as line, trio.open_nursery() as nursery:
            nursery.start_soon(_talk, line)
            assert [await line.get_message() for _ in range(50)] == [str(n) for n in range(50)]
            with pytest.raises(ConnectionClosed) as caught:
                await line.get_message()
            assert caught.value.reason.code == 1000
