from __future__ import annotations

import logging
from contextlib import suppress

import httpx
import pytest
import trio
from house import House, StubWire, ending, living_tasks, open_files, response_head, until
from trio_websocket import ConnectionClosed

from parlance.engine.errors import Refused
from parlance.http.gateway import Route


async def test_text_and_bytes_are_echoed(house: House):
    async with house.dial() as line:
        await line.send_message("frame")
        await line.send_message(b"\x00\x01")
        assert await line.get_message() == "frame"
        assert await line.get_message() == b"\x00\x01"


@pytest.mark.parametrize(
    ("path", "carrier", "agent"),
    [
        ("/api/v1/media/twilio", "twilio", None),
        ("/ws/voice-agent/sales?format=pcm16", "pcm16", "sales"),
        ("/ws/voice-agent/tech%2Dsupport", "webm", "tech-support"),
        ("/api/v1/realtime/conversation?agent=a&agent=b%20c", "browser", "b c"),
    ],
)
async def test_path_and_query_choose_wire_and_agent(house: House, path: str, carrier: str, agent: str | None):
    async def take(socket, wire, started):
        socket.send(f"{wire.carrier} {started and started.agent}")

    house.take = take
    async with house.dial(path) as line:
        assert await line.get_message() == f"{carrier} {agent}"


@pytest.mark.parametrize(
    "path", ["/", "/ws", "/ws/voice-agent/", "/ws/voice-agent/a/b", "/api/v1/media/twilio/", "/static/app.js"]
)
async def test_websocket_to_any_other_path_is_404(house: House, path: str):
    async with await house.raw(path) as stream:
        head = await response_head(stream)
        body = await stream.receive_some()
        assert head.startswith("HTTP/1.1 404")
        assert "application/problem+json" in head
        assert b'"status":404' in body
        assert await stream.receive_some() == b""


@pytest.mark.parametrize(
    ("agent", "code", "reason"),
    [
        ("nobody", 1003, "there is no agent 'nobody'"),
        ("busy", 1013, "all lines are taken"),
    ],
)
async def test_what_make_refuses_is_closed_with_its_code(house: House, agent: str, code: int, reason: str):
    async with house.dial(f"/ws/voice-agent/{agent}") as line:
        with pytest.raises(ConnectionClosed) as caught:
            await line.get_message()
    assert (caught.value.reason.code, caught.value.reason.reason) == (code, reason)


async def test_a_call_that_fails_is_logged_and_closed_1011_and_the_others_go_on(house: House, caplog):
    async def take(socket, wire, started):
        if await socket.receive() == "fail":
            raise ZeroDivisionError("a bug")
        socket.send("well")

    house.take = take
    async with house.dial() as good, house.dial() as bad:
        with caplog.at_level(logging.ERROR):
            await bad.send_message("fail")
            with pytest.raises(ConnectionClosed) as caught:
                await bad.get_message()
        assert caught.value.reason.code == 1011
        assert any("ZeroDivisionError" in (r.exc_text or str(r.exc_info)) for r in caplog.records)
        await good.send_message("x")
        assert await good.get_message() == "well"


async def test_refusal_by_take_is_closed_with_its_code(house: House):
    async def take(socket, wire, started):
        raise Refused("we are closing", reason="draining", code=1012)

    house.take = take
    async with house.dial() as line:
        with pytest.raises(ConnectionClosed) as caught:
            await line.get_message()
    assert (caught.value.reason.code, caught.value.reason.reason) == (1012, "we are closing")


async def test_a_call_that_returns_is_closed_in_good_order_after_its_last_message(house: House):
    async def take(socket, wire, started):
        for n in range(200):
            socket.send(f"{n}")

    house.take = take
    async with house.dial() as line:
        assert [await line.get_message() for _ in range(200)] == [str(n) for n in range(200)]
        with pytest.raises(ConnectionClosed) as caught:
            await line.get_message()
    assert caught.value.reason.code == 1000


async def test_compression_is_refused_although_offered(house: House):
    stream = await house.raw(headers="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
    async with stream:
        head = await response_head(stream)
    assert head.startswith("HTTP/1.1 101")
    assert "extensions" not in head.lower()


async def test_oversized_frame_ends_its_call_with_1009_and_no_other(house: House):
    endings = []

    async def take(socket, wire, started):
        if wire.carrier != "twilio":
            endings.append(await ending(socket))
        else:
            while True:
                socket.send(await socket.receive())

    house.take = take
    async with house.dial() as good, house.dial("/ws/voice-agent/sales") as bad:
        async with trio.open_nursery() as nursery:

            async def talk() -> None:
                for n in range(50):
                    await good.send_message(str(n))
                    assert await good.get_message() == str(n)

            nursery.start_soon(talk)
            # The server may say so before the whole of it was sent.
            with suppress(ConnectionClosed):
                await bad.send_message("x" * 1_000_000)
            with pytest.raises(ConnectionClosed) as caught:
                await bad.get_message()
        assert caught.value.reason.code == 1009
        await until(lambda: bool(endings))
    assert endings[0].code == 1009


async def test_endless_message_is_not_collected(house: House):
    lengths = []

    async def take(socket, wire, started):
        lengths.append((await ending(socket)).code)

    house.take = take
    stream = await house.raw()
    async with stream:
        await response_head(stream)
        with trio.fail_after(4), suppress(trio.BrokenResourceError):
            # A text frame that never finishes, then its continuations.
            opcode = 0x01
            while True:
                await stream.send_all(bytes([opcode, 0xFE, 0x40, 0, 0, 0, 0, 0]) + b"x" * 0x4000)
                opcode = 0x00
    await until(lambda: lengths == [1009])


async def test_message_of_exactly_the_limit_is_taken(house: House):
    async with house.dial() as line:
        for _ in range(2):
            await line.send_message("x" * 65536)
            assert len(await line.get_message()) == 65536


@pytest.mark.parametrize("code", [1000, 1001, 4000])
async def test_close_code_of_the_peer_is_known(house: House, code: int):
    endings = []

    async def take(socket, wire, started):
        endings.append(await ending(socket))

    house.take = take
    async with house.dial() as line:
        await line.aclose(code, "bye")
    await until(lambda: bool(endings))
    assert endings[0].code == code
    assert "bye" in str(endings[0])


async def test_peer_that_vanishes_ends_its_call_at_once(house: House):
    endings = []

    async def take(socket, wire, started):
        endings.append(await ending(socket))

    house.take = take
    stream = await house.raw()
    await response_head(stream)
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    await stream.aclose()
    await until(lambda: bool(endings), within=1)
    assert endings[0].code == 1006


async def test_no_task_and_no_file_is_left_of_many_sockets(house: House):
    async def once(n: int) -> None:
        if n % 3 == 0:
            stream = await house.raw()
            await response_head(stream)
            await stream.aclose()
        else:
            async with house.dial() as line:
                await line.send_message("x")
                await line.get_message()
                if n % 3 == 1:
                    await line.aclose(1000)

    await once(1)
    await until(lambda: True)
    tasks, files = living_tasks(), open_files()
    for _ in range(5):
        async with trio.open_nursery() as nursery:
            for n in range(12):
                nursery.start_soon(once, n)
    await until(lambda: living_tasks() <= tasks)
    assert open_files() <= files


async def test_other_requests_reach_the_application(house: House):
    assert isinstance(await house.get("/health"), httpx.Response)
    assert (await house.get("/api/v1/media/twilio")).status_code == 404


def test_pattern_is_literal_but_for_its_parameters():
    route = Route("/a.b/{one}/c/{two}", lambda visit: (StubWire("x"), None))  # type: ignore[arg-type, return-value]
    assert route.match("/a.b/1/c/2") == {"one": "1", "two": "2"}
    assert route.match("/axb/1/c/2") is None
    assert route.match("/a.b/1/c/") is None
    assert route.match("/a.b/1/x/c/2") is None
