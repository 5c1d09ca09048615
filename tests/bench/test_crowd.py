"""The callers' whole process against small servers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket

from bench.callers.speech import level
from bench.dialects.twilio import STREAM


@dataclass
class Agent:
    """A small server: it answers 0.3 s after the caller's last frame with 3.4 s of sound, and clears at barge-in."""

    gap: float = 0.0
    clears: bool = True
    refuses: bool = False
    slow: float = 0.0
    marks: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        await trio.sleep(self.slow)
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
                        await socket.send_message(json.dumps({"event": "clear", "streamSid": STREAM}))
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
                    mark = {"event": "mark", "streamSid": STREAM, "mark": {"name": f"m{number}"}}
                    await socket.send_message(json.dumps(mark))


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
        "slow": Agent(slow=1.0),
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
            "arrival": "at once" if name == "refuses" else "spread",
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
    assert right["turns"] | {"unsaid": 0, "overran": 0, "unasked_clears": 0, "unasked_sound": 0} == right["turns"]
    assert right["calls"]["redials"] == 0
    assert right["answer_ms"]["n"] == 1
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
    # 6.1 s in which somebody refused dials again after 0.5 to 1.5 s.
    assert 4 <= refused["redials"] <= 11
    assert refused | {"offered": 1, "admitted": 0, "refused": 1 + refused["redials"], "half_answered": 0} == refused
    assert refused["refusals"] == {"1013 all lines are taken": refused["refused"]}
    assert refused["refused_ms"]["n"] == refused["refused"]
    assert results["refuses"]["turns"]["asked"] == 0
    slow = results["slow"]
    assert slow["answer_ms"]["worst"] > 1000
    assert slow["turns"] | {"asked": 2, "unsaid": 1, "failed": 1, "answered": 1, "unasked_sound": 0} == slow["turns"]


async def test_callers_that_are_stopped_for_a_moment_find_their_run_void() -> None:
    with trio.fail_after(15):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(trio_websocket.serve_websocket, Agent().serve, "127.0.0.1", 0, None))
            spec = {"url": f"ws://127.0.0.1:{server.port}/", "ramp": 0.1, "seconds": 1.8, "patience": 0.3}
            said = await stopped(spec)
            nursery.cancel_scope.cancel()
    callers = said["callers"]
    assert callers["void"].startswith("callers were late: p99 ")
    assert callers["late_ms"]["worst"] > 250
    assert callers["stalls"] >= 3


async def stopped(spec: dict[str, Any]) -> dict[str, Any]:
    """The result of a run whose process is stopped for 0.3 s, three times in its window."""
    said = b""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "bench.callers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        async with process.stdin:
            await process.stdin.send_all(json.dumps(spec).encode())
        while b'"begin"' not in said:
            said += await process.stdout.receive_some()
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            await trio.sleep(0.3)
            process.send_signal(signal.SIGCONT)
            await trio.sleep(0.1)
        while part := await process.stdout.receive_some():
            said += part
        assert await process.wait() == 0
        await process.stdout.aclose()
    finally:
        process.kill()
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result


async def test_bad_input_is_one_line_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for spec, fault in (({"url": f"ws://127.0.0.1:{port}/"}, f"no server at 127.0.0.1:{port}"), ({}, "url")):
        code, events, complaint = await callers(spec)
        assert (code, events) == (2, [])
        assert fault in complaint
        assert complaint.count("\n") == 1
