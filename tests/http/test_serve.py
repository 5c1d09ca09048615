from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from house import House, living_tasks, open_files, response_head, until
from hypercorn.trio.tcp_server import TCPServer
from trio_websocket import ConnectionClosed

from parlance.engine.errors import Misconfigured
from parlance.http.connections import CUT
from parlance.http.serve import UNHEARD, listen, serve, watch_signals

pytestmark = pytest.mark.swift


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody calls")


async def attempt(host: str, port: int) -> str:
    with pytest.raises(Misconfigured) as caught:
        await serve(nothing, host=host, port=port, graceful=1, stop=trio.Event())
    return str(caught.value)


async def test_a_port_that_is_taken_is_said_with_what_to_do():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert await attempt("127.0.0.1", port) == (
            f"Cannot listen on 127.0.0.1:{port}: the port is taken, perhaps by another parlance. "
            "Stop that program, or choose another port with --port"
        )


async def test_an_address_of_another_machine_is_said():
    assert "does not have that address" in await attempt("192.0.2.1", 0)


async def test_a_port_that_is_not_permitted_is_said(monkeypatch: pytest.MonkeyPatch):
    async def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(trio, "open_tcp_listeners", forbidden)
    assert "this user may not" in await attempt("127.0.0.1", 80)


async def test_a_host_that_nobody_knows_is_said(monkeypatch: pytest.MonkeyPatch):
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(trio, "open_tcp_listeners", unknown)
    assert await attempt("nowhere.invalid", 80) == (
        "Cannot listen on nowhere.invalid:80: the host is unknown (Name or service not known)"
    )


async def test_the_bound_port_is_reported_and_answers(house: House):
    assert house.port > 0
    assert (await house.get("/health")).status_code == 200


async def test_stopping_without_connections_is_immediate_and_frees_everything(page: Path):
    await until(lambda: True)
    files, tasks = open_files(), living_tasks()
    async with trio.open_nursery() as nursery:
        house = House(page, graceful=30)
        house.port = await nursery.start(house.run)
        begun = trio.current_time()
        house.stop.set()
    assert trio.current_time() - begun < 1
    assert (open_files(), living_tasks()) == (files, tasks)
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream("127.0.0.1", house.port)


async def test_stopping_does_not_wait_for_a_connection_that_is_kept_alive_and_idle(page: Path):
    async with trio.open_nursery() as nursery:
        house = House(page, graceful=10)
        house.port = await nursery.start(house.run)
        async with await trio.open_tcp_stream("127.0.0.1", house.port) as browser:
            await browser.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await browser.receive_some()
            begun = trio.current_time()
            house.stop.set()
            with trio.fail_after(5):
                while await browser.receive_some():
                    pass
    assert trio.current_time() - begun < 2


async def test_stopping_waits_for_a_call_that_ends_in_time(page: Path):
    done = []

    async def take(socket: Any, wire: Any, started: Any) -> None:
        await socket.receive()
        await trio.sleep(0.3)
        done.append(True)

    async with trio.open_nursery() as nursery:
        house = House(page, take=take, graceful=10)
        house.port = await nursery.start(house.run)
        async with house.dial() as line:
            await line.send_message("x")
            await trio.sleep(0.1)
            house.stop.set()
            begun = trio.current_time()
            with pytest.raises(ConnectionClosed) as caught:
                await line.get_message()
            assert caught.value.reason.code == 1000
    assert done == [True]
    assert trio.current_time() - begun < 2


async def test_stopping_with_open_calls_ends_them_in_bounded_time(page: Path):
    async with trio.open_nursery() as nursery:
        house = House(page, graceful=0.3)
        house.port = await nursery.start(house.run)
        async with house.dial() as first, house.dial() as second:
            for line in (first, second):
                await line.send_message("x")
                await line.get_message()
            begun = trio.current_time()
            house.stop.set()
            for line in (first, second):
                with pytest.raises(ConnectionClosed) as caught:
                    await line.get_message()
                assert caught.value.reason.code == 1001
    assert 0.25 < trio.current_time() - begun < 2


async def test_cancelling_the_server_ends_it_in_bounded_time(page: Path):
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            house = House(page, graceful=60)
            house.port = await nursery.start(house.run)
            async with house.dial() as line:
                await line.send_message("x")
                await line.get_message()
                begun = trio.current_time()
                nursery.cancel_scope.cancel()
    assert trio.current_time() - begun < 2


HANDSHAKE = (
    b"GET /api/v1/media/twilio HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x00" * 5000,
        b"GET " + b"x" * 20_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxx",
        HANDSHAKE.replace(b"sec-websocket-key", b"x"),
        HANDSHAKE.replace(b"1.1", b"1.0"),
        HANDSHAKE + b"sent before the answer to the handshake",
        HANDSHAKE.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\nhello"),
    ],
)
async def test_rubbish_ends_its_own_connection_only_and_is_no_error_of_ours(house: House, rubbish: bytes, caplog):
    async with house.dial() as good:
        await good.send_message("x")
        await good.get_message()
        tasks = living_tasks()
        async with await trio.open_tcp_stream("127.0.0.1", house.port) as stream:
            with suppress(trio.BrokenResourceError), trio.fail_after(3):
                await stream.send_all(rubbish)
                await stream.send_eof()
                while await stream.receive_some():
                    pass
        await until(lambda: living_tasks() == tasks)
        await good.send_message("y")
        assert await good.get_message() == "y"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_an_error_in_one_connection_is_logged_and_does_not_end_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog
):
    async with house.dial() as good:

        async def broken(self: TCPServer) -> None:
            raise ZeroDivisionError("a bug in the server")

        monkeypatch.setattr(TCPServer, "run", broken)
        async with await trio.open_tcp_stream("127.0.0.1", house.port) as stream:
            assert await stream.receive_some() == b""
        await good.send_message("x")
        assert await good.get_message() == "x"
    assert "a bug in the server" in caplog.text


@pytest.mark.parametrize(
    "frame",
    [
        b"\x83\x80\0\0\0\0",
        b"\xf1\x80\0\0\0\0",
        b"\x81\x02\xff\xff",
        b"\x81\x82\0\0\0\0\xff\xff",
        b"\x88\x81\0\0\0\0\x03",
        b"\x88\x82\0\0\0\0\x03\xe8" + b"\x81\x81\0\0\0\0x",
    ],
)
async def test_broken_frames_end_their_own_call_only(house: House, frame: bytes):
    async with house.dial() as good:
        async with await house.raw() as bad:
            await response_head(bad)
            with suppress(trio.BrokenResourceError), trio.fail_after(3):
                await bad.send_all(frame)
                while await bad.receive_some():
                    pass
        await good.send_message("x")
        assert await good.get_message() == "x"


async def test_a_download_that_is_not_read_does_not_hold_the_server(page: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("parlance.http.connections.WRITE", 0.5)
    (page / "large.js").write_text("x" * 8_000_000)
    async with trio.open_nursery() as nursery:
        house = House(page, graceful=0.1)
        house.port = await nursery.start(house.run)
        before = living_tasks()
        async with await trio.open_tcp_stream("127.0.0.1", house.port) as stream:
            await stream.send_all(b"GET /static/large.js HTTP/1.1\r\nhost: x\r\n\r\n")
            await until(lambda: living_tasks() > before)
            await until(lambda: living_tasks() == before)
        house.stop.set()


async def test_stopping_cuts_a_download_that_is_not_read(page: Path):
    (page / "large.js").write_text("x" * 8_000_000)
    async with trio.open_nursery() as nursery:
        house = House(page, graceful=0.1)
        house.port = await nursery.start(house.run)
        async with await trio.open_tcp_stream("127.0.0.1", house.port) as stream:
            await stream.send_all(b"GET /static/large.js HTTP/1.1\r\nhost: x\r\n\r\n")
            await stream.receive_some(1)
            begun = trio.current_time()
            house.stop.set()
            await until(lambda: not nursery.child_tasks, within=CUT + 2)
            assert trio.current_time() - begun > 0.1


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has this option")
async def test_the_kernel_watches_for_dead_peers_on_every_connection():
    (listener,) = await listen("127.0.0.1", 0)
    async with listener:
        async with await trio.open_tcp_stream(*listener.socket.getsockname()[:2]), await listener.accept() as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNHEARD * 1000
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_the_first_signal_drains_and_the_second_ends():
    calls = []
    with trio.fail_after(3):
        async with trio.open_nursery() as nursery:
            await nursery.start(watch_signals, lambda: calls.append("drain"))
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: calls == ["drain"])
            assert len(nursery.child_tasks) == 1
            os.kill(os.getpid(), signal.SIGINT)
    assert calls == ["drain"]
