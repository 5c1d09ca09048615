"""The whole house over real sockets: what a carrier, a browser and a badly behaved client get. Rehearsal agents, no
speech providers; a second call on the line shows that nobody else is troubled.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from stage import speech
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket

from parlance import main
from parlance.agents import load
from parlance.engine.agent import Agent
from parlance.house import House
from parlance.settings import Settings

pytestmark = pytest.mark.swift

BEAT = 0.02


def agents(**changes: Any) -> dict[str, Agent]:
    """Agents without a CPU: the shipped rehearsal agent, and a copy of it under the name of the default one."""
    rehearsal = load.shipped()["rehearsal"]
    plain = rehearsal.model_dump() | changes
    return {
        "rehearsal": rehearsal,
        "receptionist": Agent.model_validate(
            plain | {"name": "receptionist", "listed": True, "greeting": "Hello, who is there?"}
        ),
    }


class Server:
    def __init__(self, port: int, nursery: trio.Nursery) -> None:
        self.port, self.nursery = port, nursery
        self.sockets: list[WebSocketConnection] = []

    async def connect(self, path: str) -> WebSocketConnection:
        self.sockets.append(await connect_websocket(self.nursery, "127.0.0.1", self.port, path, use_ssl=False))
        return self.sockets[-1]

    async def twilio(self, agent: str = "rehearsal", call: str = "CA1") -> WebSocketConnection:
        """A Twilio call that has said its `start`."""
        socket = await self.connect("/api/v1/media/twilio")
        await socket.send_message('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await socket.send_message(start(agent, call))
        return socket

    async def browser(self, agent: str = "rehearsal", query: str = "?format=pcm16") -> WebSocketConnection:
        return await self.connect(f"/ws/voice-agent/{agent}{query}")


def start(agent: str, call: str) -> str:
    return json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ1",
            "start": {
                "accountSid": "AC1",
                "streamSid": "MZ1",
                "callSid": call,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"agent": agent},
            },
        }
    )


def media(audio: bytes) -> str:
    payload = base64.b64encode(audio).decode()
    return json.dumps({"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": payload}})


@asynccontextmanager
async def server(settings: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[Server]:
    chosen = Settings.model_validate({"port": 0, **(settings or {})})
    bound: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(main.run, chosen, agents(**changes), opened=lambda host, port: bound.append(port)))
        with trio.fail_after(10):
            while not bound or not await ready(bound[0]):
                await trio.sleep(0.02)
        house = Server(bound[0], nursery)
        yield house
        for socket in house.sockets:
            # trio-websocket leaves its stream open where the server has closed first.
            await socket._stream.aclose()
        nursery.cancel_scope.cancel()


async def ready(port: int) -> bool:
    return (await get(port, "/ready"))[0] == 200


async def get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """A plain HTTP GET; (status, JSON)."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def converse(socket: WebSocketConnection, seconds: float = 4.0) -> dict[str, Any]:
    """Speak once as a Twilio caller and listen: what came, and the seconds from the last voiced frame to an answer."""
    speaking, got = speech(0.8), {"media": 0, "marks": 0, "answered": None}
    last_voiced = 0.0

    async def listen() -> None:
        while True:
            message = json.loads(await socket.get_message())
            if message["event"] == "media":
                got["media"] += len(base64.b64decode(message["media"]["payload"]))
                got["answered"] = got["answered"] or trio.current_time() - last_voiced
            elif message["event"] == "mark":
                got["marks"] += 1
                await socket.send_message(json.dumps({"event": "mark", "streamSid": "MZ1", "mark": message["mark"]}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        begin = trio.current_time()
        for frame in range(int(seconds / BEAT)):
            await trio.sleep_until(begin + frame * BEAT)
            audio = speaking[frame * 160 : frame * 160 + 160]
            last_voiced = trio.current_time() if audio else last_voiced
            await socket.send_message(media(audio or b"\xff" * 160))
        nursery.cancel_scope.cancel()
    return got


async def ending(socket: WebSocketConnection) -> tuple[list[dict[str, Any]], int, str]:
    """What the server still says, and its close code and reason."""
    said = []
    with trio.fail_after(10):
        try:
            while True:
                said.append(json.loads(await socket.get_message()))
        except ConnectionClosed as closed:
            assert closed.reason is not None
            return said, closed.reason.code, closed.reason.reason or ""


async def idle(port: int) -> dict[str, Any]:
    """The figures of `/health` once no call is left."""
    with trio.fail_after(5):
        while (figures := (await get(port, "/health"))[1])["calls"]:
            await trio.sleep(0.05)
    return figures


async def test_a_twilio_caller_is_answered() -> None:
    async with server() as house:
        socket = await house.twilio()
        got = await converse(socket)
        assert got["media"] > 8000
        assert got["marks"] > 2
        assert 0.2 < got["answered"] < 1.5
        await socket.send_message('{"event":"stop","streamSid":"MZ1","stop":{}}')
        _, code, reason = await ending(socket)
        assert (code, bool(reason)) == (1000, True)
        assert (await idle(house.port))["admitted"] == 1


async def test_the_default_agent_greets_at_once() -> None:
    async with server() as house:
        socket = await house.twilio(agent="")
        begin = trio.current_time()
        with trio.fail_after(2):
            assert json.loads(await socket.get_message())["event"] == "media"
        assert trio.current_time() - begin < 0.5
        await socket.aclose()
        await idle(house.port)


async def test_an_unknown_agent_is_refused_with_1003_and_a_message() -> None:
    async with server() as house:
        said, code, _ = await ending(await house.browser("nobody"))
        assert code == 1003
        assert said[-1]["type"] == "error"
        assert "nobody" in said[-1]["message"]
        assert "receptionist" in said[-1]["message"]
        _, code, _ = await ending(await house.twilio("nobody"))
        assert code == 1003


async def test_a_recording_browser_is_heard_and_answered_in_mp3() -> None:
    """The profile's default form: WebM/Opus of a MediaRecorder in, MP3 out."""
    recording = (Path(__file__).parent / "codecs" / "mediarecorder.webm").read_bytes()
    async with server() as house:
        socket = await house.browser("receptionist", query="")
        played = b""
        with trio.fail_after(10):
            while (message := json.loads(await socket.get_message()))["type"] != "turn_ended":
                if message["type"] == "audio_response":
                    played += base64.b64decode(message["data"])
                assert message["type"] not in ("clear", "mark")
        decoded = sum(frame.samples for frame in av.open(io.BytesIO(played), format="mp3").decode(audio=0)) / 16000
        assert message["heard_seconds"] <= decoded <= message["heard_seconds"] + 0.3
        for at in range(0, len(recording), 2000):
            chunk = base64.b64encode(recording[at : at + 2000]).decode()
            await socket.send_message(json.dumps({"type": "audio_chunk", "data": chunk, "is_final": False}))
        await socket.send_message('{"type":"end_session"}')
        said, code, _ = await ending(socket)
        assert (code, said[-1]["type"]) == (1000, "ended")
        assert not any(message["type"] == "error" for message in said)

        socket = await house.browser("receptionist", query="")
        await socket.send_message('{"type":"audio_chunk","data":"bm8gd2VibSBhdCBhbGw=","is_final":true}')
        with trio.fail_after(5):
            while (message := json.loads(await socket.get_message()))["type"] != "error":
                pass
        assert "recording cannot be read" in message["message"]


async def test_a_format_nobody_speaks_is_refused() -> None:
    async with server() as house:
        _, code, reason = await ending(await house.browser(query="?format=opus"))
        assert code == 1003
        assert "pcm16" in reason


async def test_over_the_limit_calls_are_refused_and_the_rest_goes_on() -> None:
    async with server({"limits": {"calls": 2}}) as house:
        first = await house.twilio(call="CA1")
        await house.twilio(call="CA2")
        _, code, _ = await ending(await house.twilio(call="CA3"))
        assert code == 1013
        assert (await get(house.port, "/ready"))[0] == 503
        assert (await converse(first))["media"] > 8000
        assert (await get(house.port, "/health"))[1]["refused"] == {"full": 1}


BAD = {
    "not json": "{",
    "not an object": "[1]",
    "a wrong payload": media(b"").replace('"payload": ""', '"payload": "%%%"'),
    "a binary frame": b"\x00" * 160,
    "an unknown shape": '{"event":"media"}',
}


@pytest.mark.parametrize("bad", BAD)
async def test_bad_messages_end_that_call_with_its_reason_and_trouble_no_other(bad: str) -> None:
    async with server() as house:
        other = await house.twilio(call="CA-other")
        culprit = await house.twilio(call="CA-bad")
        for _ in range(11):
            await culprit.send_message(BAD[bad])
        _, code, reason = await ending(culprit)
        assert (code, reason) == (1008, "more than 10 bad messages")
        assert (await converse(other))["media"] > 8000


async def test_a_browser_is_told_what_was_wrong_and_the_call_goes_on() -> None:
    async with server() as house:
        socket = await house.browser()
        assert json.loads(await socket.get_message())["type"] == "connection_established"
        for bad in ("{", '{"type":"start"}', '{"type":"audio_chunk","data":"%"}'):
            await socket.send_message(bad)
            with trio.fail_after(2):
                while (message := json.loads(await socket.get_message()))["type"] != "error":
                    pass
            assert message["message"]
        assert (await get(house.port, "/health"))[1]["calls"] == 1


async def test_a_second_start_ends_the_call() -> None:
    async with server() as house:
        socket = await house.twilio()
        await socket.send_message(start("rehearsal", "CA1"))
        _, code, reason = await ending(socket)
        assert code in (1002, 1007, 1008)
        assert "start" in reason
        await idle(house.port)


async def test_a_frame_of_a_megabyte_ends_that_connection() -> None:
    async with server() as house:
        other, culprit = await house.twilio(call="CA-other"), await house.twilio(call="CA-bad")
        with trio.move_on_after(5):
            try:
                await culprit.send_message("x" * 1_000_000)
            except ConnectionClosed:
                pass
        _, code, _ = await ending(culprit)
        assert code == 1009
        assert (await converse(other))["media"] > 8000


async def test_audio_faster_than_real_time_ends_the_call() -> None:
    async with server() as house:
        socket = await house.twilio()
        frame = media(b"\xff" * 160)
        with trio.move_on_after(5):
            try:
                for _ in range(600):
                    await socket.send_message(frame)
            except ConnectionClosed:
                pass
        _, code, reason = await ending(socket)
        assert (code, reason) == (1008, "audio arrives faster than real time")


async def test_a_client_that_vanishes_ends_its_call() -> None:
    async with server({"media": {"reconnect": 0.3}}) as house:
        socket = await house.twilio()
        await converse(socket, 1.5)
        await socket._stream.aclose()
        await idle(house.port)


async def test_nothing_is_started_by_a_socket_that_never_says_start() -> None:
    async with server({"media": {"hello": 0.3}}) as house:
        _, code, reason = await ending(await house.connect("/api/v1/media/twilio"))
        assert code == 1008
        assert "start" in reason
        assert (await idle(house.port))["admitted"] == 0


async def test_sigterm_lets_calls_finish_up_to_the_limit_then_ends_them_properly() -> None:
    async with server({"drain": {"limit": 1.0, "grace": 6.0}}) as house:
        socket = await house.twilio()
        os.kill(os.getpid(), signal.SIGTERM)
        with trio.fail_after(2):
            while (await get(house.port, "/ready"))[1].get("reason") != "draining":
                await trio.sleep(0.02)
        _, code, _ = await ending(await house.twilio(call="CA2"))
        assert code == 1012
        got: list[str] = []
        begin = trio.current_time()
        with trio.fail_after(10):
            try:
                while True:
                    message = json.loads(await socket.get_message())
                    got.append(message["event"])
                    if message["event"] == "mark":
                        await socket.send_message(
                            json.dumps({"event": "mark", "streamSid": "MZ1", "mark": message["mark"]})
                        )
            except ConnectionClosed as closed:
                assert closed.reason is not None
                assert (closed.reason.code, closed.reason.reason) == (1000, "drained")
        assert "media" in got, "the agent's closing line was played"
        assert trio.current_time() - begin > 0.9


async def test_a_call_that_fails_before_its_line_lives_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[House] = []
    monkeypatch.setattr(main, "House", lambda *given: built.append(House(*given)) or built[-1])

    def full(record: Any) -> None:
        raise OSError("the disk is full")

    async with server() as house:
        built[0].sinks.append(full)
        socket = await house.twilio()
        with pytest.raises(ConnectionClosed), trio.fail_after(3):
            await socket.get_message()
        built[0].sinks.clear()
        assert (await get(house.port, "/health"))[1]["crashed"] == 1
        again = await house.twilio(call="CA2")
        assert (await converse(again))["answered"] is not None
