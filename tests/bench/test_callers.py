"""A caller's call over a socket, and the whole process against small servers."""

from __future__ import annotations

import json
import select
import socket
import sys
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket
import wsproto
from wsproto.events import CloseConnection

from bench.callers import wire
from bench.callers.line import Call, State
from bench.callers.speech import level
from bench.measure.record import Record, Said


@contextmanager
def dialed(answer: str) -> Iterator[tuple[Call, socket.socket, Callable[[], None]]]:
    """A call whose handshake was answered so, the server's socket, and what lets the call read and write."""
    with socket.create_server(("127.0.0.1", 0)) as server, select.epoll() as poller:
        call = Call(Record(0, 0.0), "CA1", "rehearsal", (server.family, server.getsockname()), poller, lambda *_: None)
        call.dial(0.0, wire.upgrade("x", "/"))
        peer, _ = server.accept()

        def turn() -> None:
            for _, event in poller.poll(0.05):
                call.ready(1.0, event)

        with peer:
            turn()
            assert peer.recv(4096).startswith(b"GET / HTTP/1.1\r\n")
            peer.sendall(answer.encode())
            turn()
            yield call, peer, turn
            call.give_up(9.0)


OPEN = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {wire.accept()}\r\n\r\n"


def test_a_refused_handshake_ends_the_call_before_start() -> None:
    with dialed("HTTP/1.1 503 Service Unavailable\r\n\r\n") as (call, _, _):
        assert (call.state, call.record.started, call.record.by) == (State.OVER, None, "server")
        assert call.record.why == "HTTP 503 Service Unavailable"


def test_a_call_that_the_server_closes_knows_why() -> None:
    server = wsproto.Connection(wsproto.ConnectionType.SERVER)
    with dialed(OPEN) as (call, peer, turn):
        assert call.record.started is not None
        peer.sendall(server.send(CloseConnection(1013, "all lines are taken")))
        turn()
        assert (call.state, call.record.by, call.record.why) == (State.OVER, "server", "1013 all lines are taken")
        call.hang_up(2.0, abrupt=False)
        assert call.record.by == "server", "it is over already"


def test_a_caller_hangs_up_with_a_stop_or_with_a_reset() -> None:
    with dialed(OPEN) as (call, peer, turn):
        call.hang_up(2.0, abrupt=False)
        assert peer.recv(4096).endswith(wire.stop(2, "CA1") + wire.closing())
        peer.close()
        turn()
        assert (call.state, call.record.by, call.record.ended) == (State.OVER, "us", 2.0)
    with dialed(OPEN) as (call, peer, _):
        call.hang_up(2.0, abrupt=True)
        peer.recv(4096)  # what was sent before
        with pytest.raises(ConnectionResetError):
            peer.recv(4096)
        assert (call.state, call.record.by) == (State.OVER, "us")


def test_an_utterance_counts_only_if_the_call_had_all_of_it() -> None:
    with dialed(OPEN) as (call, _, _):
        call.end(1.0, Said("turn", 0, 0))
        call.begin(2.0)
        call.end(3.48, Said("turn", 0, 0))
        call.end(5.0, Said("turn", 0, 0))
        assert call.record.said == [Said("turn", 1.98, 3.48)]


def test_what_the_kernel_does_not_take_is_kept_in_order_and_counted() -> None:
    with dialed(OPEN) as (call, peer, turn):
        sent = wire.connected() + wire.start("CA1", "rehearsal")
        frames = (wire.frame(wire.BINARY, bytes([number % 256]) * 50_000) for number in range(2000))
        while call.unread < 5:
            sent += (frame := next(frames))
            call.send(frame)
        got = bytearray()
        while len(got) < len(sent) and (data := peer.recv(1 << 20)):
            got += data
            turn()
        assert got == sent
        call.send(wire.closing())
        assert call.unread == 5, "all was taken, and what follows goes straight on"


# ----------------------------------------------------------------------------------------- the whole process


@dataclass
class Agent:
    """A small server: it answers 0.3 s after the caller's last frame with 3.4 s of sound, and clears at barge-in."""

    gap: float = 0.0
    clears: bool = True
    refuses: bool = False
    marks: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        talking = quiet = 0
        async with trio.open_nursery() as nursery:
            reply = trio.CancelScope()
            while True:
                try:
                    message = json.loads(await socket.get_message())
                except trio_websocket.ConnectionClosed:
                    break
                if message["event"] == "media":
                    voiced = level(b64decode(message["media"]["payload"])) > -50
                    talking, quiet = (talking + 1, 0) if voiced else (talking, quiet + 1)
                    if voiced and talking == 3 and self.clears:
                        reply.cancel()
                        await socket.send_message('{"event": "clear", "streamSid": "x"}')
                    if quiet == 10 and talking > 3:
                        talking, reply = 0, trio.CancelScope()
                        nursery.start_soon(self._reply, socket, reply)
                    continue
                self.told.append(message["event"])
                if message["event"] == "mark":
                    self.marks.append(message["mark"]["name"])
                if message["event"] == "start" and self.refuses:
                    await socket.aclose(1013, "all lines are taken")
            nursery.cancel_scope.cancel()

    async def _reply(self, socket: trio_websocket.WebSocketConnection, scope: trio.CancelScope) -> None:
        sound = json.dumps({"event": "media", "media": {"payload": b64encode(b"\x10\x90" * 400).decode()}})
        with scope, suppress(trio_websocket.ConnectionClosed):
            await trio.sleep(0.1)
            begin, ahead = trio.current_time(), 0.3
            for number in range(34):
                if self.gap and number == 12:
                    ahead = -self.gap
                await trio.sleep_until(begin + number * 0.1 - ahead)
                await socket.send_message(sound)
                if number % 4 == 0:
                    await socket.send_message(json.dumps({"event": "mark", "mark": {"name": f"m{number}"}}))


Serve = Callable[[trio_websocket.WebSocketRequest], Awaitable[None]]


async def callers(spec: dict[str, Any]) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, events, and standard error of the process."""
    done = await trio.run_process(
        [sys.executable, "-m", "bench.callers"],
        stdin=json.dumps(spec).encode(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


async def test_the_process_finds_what_small_servers_do_right_and_wrong() -> None:
    agents = {
        "right": Agent(),
        "gap": Agent(gap=0.12),
        "no clear": Agent(clears=False),
        "refuses": Agent(refuses=True),
    }
    results: dict[str, dict[str, Any]] = {}
    lines: dict[str, list[dict[str, Any]]] = {}

    async def one(name: str, nursery: trio.Nursery) -> None:
        server = await nursery.start(partial(trio_websocket.serve_websocket, agents[name].serve, "127.0.0.1", 0, None))
        spec = {
            "url": f"ws://127.0.0.1:{server.port}/media",
            "calls": 1,
            "ramp": 0.1,
            "seconds": 6.5,
            "patience": 0.8,
            "budget": {"end_of_turn": 0.2, "providers": 0.1},
            "waveform": name == "right",
        }
        code, lines[name], complaint = await callers(spec)
        assert (code, complaint) == (0, "")
        results[name] = lines[name][-1]

    with trio.fail_after(20):
        async with trio.open_nursery() as servers:
            async with trio.open_nursery() as runs:
                for name in agents:
                    runs.start_soon(one, name, servers)
            servers.cancel_scope.cancel()

    right = results["right"]
    kinds = [line["event"] for line in lines["right"]]
    assert kinds[-1] == "result"
    assert [line["what"] for line in lines["right"] if line["event"] == "window"] == ["begin", "end"]
    assert any(line["up"] == 1 for line in lines["right"] if line["event"] == "progress")
    assert right["calls"] | {"offered": 1, "admitted": 1, "refused": 0, "dropped": 0, "stuck": 0} == right["calls"]
    assert right["turns"] | {"asked": 2, "answered": 2, "failed": 0, "interrupted": 1} == right["turns"]
    assert right["gaps"]["count"] == 0
    assert 290 < right["response_ms"]["p50"] < 600
    assert right["own_ms"]["p50"] == pytest.approx(right["response_ms"]["p50"] - 300, abs=0.01)
    assert 55 < right["clear_ms"]["p50"] < 300
    assert right["silence_ms"]["p50"] <= right["clear_ms"]["p50"] + 10
    assert len(right["waveform"]["agent"]) == len(right["waveform"]["caller"]) == 650
    assert {"utterance", "answer", "barge-in", "clear", "mark"} <= {e["what"] for e in right["waveform"]["events"]}
    assert agents["right"].marks[:3] == ["m0", "m4", "m8"]
    assert agents["right"].told[:2] == ["connected", "start"]
    assert agents["right"].told[-1] == "stop"

    assert results["gap"]["gaps"]["count"] == 1
    assert results["gap"]["gaps"]["worst_ms"] >= 100
    assert results["no clear"]["turns"]["uncleared"] == results["no clear"]["turns"]["failed"] == 1
    assert results["no clear"]["clear_ms"]["n"] == 0
    refused = results["refuses"]["calls"]
    assert refused | {"admitted": 0, "refused": 1, "half_answered": 0} == refused
    assert refused["refusals"] == {"1013 all lines are taken": 1}
    assert refused["refused_ms"]["n"] == 1
    assert results["refuses"]["turns"]["asked"] == 0


async def test_bad_input_is_one_line_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for spec, fault in (({"url": f"ws://127.0.0.1:{port}/"}, f"no server at 127.0.0.1:{port}"), ({}, "url")):
        code, events, complaint = await callers(spec)
        assert (code, events) == (2, [])
        assert fault in complaint
        assert complaint.count("\n") == 1
