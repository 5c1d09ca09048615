"""The provider simulators: that they speak the protocols, do what they are told, and carry a whole call."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from stage import speech
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    open_websocket_url,
    wrap_client_stream,
)

from bench.simulators import speak
from bench.simulators.__main__ import agent as agent_file
from bench.simulators.__main__ import main as simulators
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.ear import TEXT
from bench.simulators.town import doors
from parlance import main
from parlance.actors.thinker import openai
from parlance.actors.thinker.port import Line, Token
from parlance.actors.thinker.rehearsal import REPLY
from parlance.actors.websocket import alone
from parlance.agents import load
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Agent
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Unreachable
from parlance.settings import Settings

KEY = [(b"Authorization", b"Token k")]
LISTEN = "/v1/listen?encoding=mulaw&sample_rate=8000&interim_results=true"


class Running:
    def __init__(self, conduct: Conduct, ports: dict[str, int]) -> None:
        self.conduct, self.ports = conduct, ports

    def http(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @asynccontextmanager
    async def socket(self, name: str, path: str, headers: Any = KEY) -> AsyncIterator[WebSocketConnection]:
        stream = await trio.open_tcp_stream("127.0.0.1", self.ports[name])
        try:
            async with trio.open_nursery() as nursery:
                line = await wrap_client_stream(nursery, stream, "127.0.0.1", path, extra_headers=headers)
                yield line
                await line.aclose()
        finally:
            # trio-websocket leaves its stream open where the server has closed first.
            await trio.aclose_forcefully(stream)


@pytest.fixture
async def running(nursery: trio.Nursery) -> Running:
    conduct = Conduct(stt_delay=0.0, chat_delay=0.0, chat_pace=1000.0, tts_delay=0.0, tts_pace=100.0)
    return Running(conduct, {name: await nursery.start(door.serve, 0) for name, door in doors(conduct).items()})


# ------------------------------------------------------------------------------------------------ chat


async def reply(running: Running, **settings: Any) -> str:
    url = f"{running.http('openai')}/v1"
    chosen = {"model": "m", "base_url": url, "first": 2, "idle": 2, "warm": 0, **settings}
    minds = openai.make(chosen, Agent(name="a"))
    with alone():
        async with trio.open_nursery() as nursery:
            await nursery.start(minds.run)
            async with minds().think((Line("caller", "hello"),)) as thoughts:
                text = "".join([thought.text async for thought in thoughts if isinstance(thought, Token)])
            nursery.cancel_scope.cancel()
    return text


@pytest.mark.swift
async def test_the_mind_is_answered_at_the_pace(running: Running) -> None:
    running.conduct.chat_pace, running.conduct.text = 10.0, "one two three four"
    start = trio.current_time()
    assert await reply(running) == "one two three four"
    assert trio.current_time() - start == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("fate", "status", "error"),
    [
        (Fate.ERROR, 429, Overloaded),
        (Fate.ERROR, 500, Unreachable),
        (Fate.CUT, 500, Garbled),
        (Fate.STALL, 500, Unreachable),
    ],
)
@pytest.mark.swift
async def test_the_mind_meets_its_fate(running: Running, fate: Fate, status: int, error: type) -> None:
    running.conduct.fates.append(fate)
    running.conduct.statuses = (status,)
    with trio.fail_after(4), pytest.raises(ProviderError) as caught:
        await reply(running, idle=0.2)
    assert type(caught.value) is error
    assert running.conduct.requests[f"/v1/chat/completions {fate.value}"] == 1


async def test_usage_comes_last_and_only_if_it_is_asked_for(running: Running) -> None:
    body: dict[str, Any] = {"model": "m", "messages": [], "stream": True}
    async with httpx.AsyncClient(
        base_url=running.http("openai"), headers={"Authorization": "Bearer k"}, verify=False
    ) as client:
        plain = (await client.post("/v1/chat/completions", json=body)).text
        counted = (
            await client.post("/v1/chat/completions", json=body | {"stream_options": {"include_usage": True}})
        ).text
        whole = (await client.post("/v1/chat/completions", json=body | {"stream": False})).json()
    assert "usage" not in plain
    events = counted.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    last = json.loads(events[-2].removeprefix("data: "))
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 40
    assert whole["choices"][0]["message"]["content"] == REPLY


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/v1/chat/completions", {}, b"{}", 401),
        ("/v1/completions", {"Authorization": "Bearer k"}, b"{}", 404),
        ("/v1/chat/completions", {"Authorization": "Bearer k"}, b'{"model": "m"', 400),
        ("/v1/chat/completions", {"Authorization": "Bearer k"}, b'{"model": "m"}', 400),
    ],
)
async def test_a_wrong_request_is_refused(
    running: Running, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        response = await client.post(running.http("openai") + path, headers=headers, content=body)
    assert response.status_code == status
    assert response.json()["error"]["message"]


# ----------------------------------------------------------------------------------------------- speech


async def until(socket: WebSocketConnection, kind: str) -> tuple[bytes, list[dict[str, Any]]]:
    """Audio and messages, up to the first message of this type."""
    sound, messages = b"", []
    with trio.fail_after(4):
        while True:
            message = await socket.get_message()
            if isinstance(message, bytes):
                sound += message
            else:
                messages.append(json.loads(message))
                if messages[-1]["type"] == kind:
                    return sound, messages


async def tell(socket: WebSocketConnection, kind: str, **more: Any) -> None:
    await socket.send_message(json.dumps({"type": kind, **more}))


SPEAK = "/v1/speak?encoding=mulaw&sample_rate=8000"


async def test_what_was_said_is_spoken_when_it_is_flushed(running: Running) -> None:
    async with running.socket("deepgram", SPEAK) as socket:
        for _ in range(2):
            await tell(socket, "Speak", text="one two ")
            await tell(socket, "Speak", text="three")
            await tell(socket, "Flush")
        first, told = await until(socket, "Flushed")
        second, _ = await until(socket, "Flushed")
        assert first == second == b"".join(speak.audio("one two three", TELEPHONE))
        assert [message["type"] for message in told] == ["Metadata", "Flushed"]
        await tell(socket, "Close")
        with trio.fail_after(2), pytest.raises(ConnectionClosed) as closed:
            await socket.get_message()
        assert closed.value.reason.code == 1000


async def test_clear_stops_the_audio_and_what_waits(running: Running) -> None:
    async with running.socket("deepgram", SPEAK) as socket:
        for _ in range(2):
            await tell(socket, "Speak", text="word " * 100)
            await tell(socket, "Flush")
        while not isinstance(await socket.get_message(), bytes):
            pass
        await tell(socket, "Clear")
        sound, told = await until(socket, "Cleared")
        assert len(sound) < 8.5 * TELEPHONE.second / 2
        assert [message["type"] for message in told] == ["Cleared"]
        await tell(socket, "Speak", text="and now")
        await tell(socket, "Flush")
        assert (await until(socket, "Flushed"))[0] == b"".join(speak.audio("and now", TELEPHONE))


async def test_too_many_flushes_are_warned_of(running: Running) -> None:
    async with running.socket("deepgram", SPEAK) as socket:
        for _ in range(speak.FLUSHES + 1):
            await tell(socket, "Flush")
        _, told = await until(socket, "Warning")
        assert told[-1]["code"]


# ----------------------------------------------------------------------------------------------- hearing


async def test_closing_the_stream_brings_the_last_words_and_the_sum(running: Running) -> None:
    async with running.socket("deepgram", LISTEN) as socket:
        await tell(socket, "KeepAlive")
        await tell(socket, "Finalize")
        await socket.send_message(b"\x80" * 8000)
        await tell(socket, "CloseStream")
        _, told = await until(socket, "Metadata")
        interim, final, metadata = told
        assert not interim["is_final"]
        assert interim["channel"]["alternatives"][0]["transcript"] == "I would like to book"
        assert final["is_final"]
        assert not final["from_finalize"]
        assert (final["start"], final["duration"]) == (0.0, 1.0)
        assert final["channel"]["alternatives"][0]["transcript"] == TEXT
        assert metadata["duration"] == 1.0
        with trio.fail_after(2), pytest.raises(ConnectionClosed) as closed:
            await socket.get_message()
        assert closed.value.reason.code == 1000
    assert running.conduct.requests["utterance"] == 1


async def test_finalize_is_answered_with_its_mark_and_its_place_in_the_stream(running: Running) -> None:
    async with running.socket("deepgram", LISTEN.replace("&interim_results=true", "")) as socket:
        for start in (0.0, 1.0):
            await socket.send_message(b"\x80" * 8000)
            await tell(socket, "Finalize")
            _, told = await until(socket, "Results")
            assert (told[0]["is_final"], told[0]["from_finalize"], told[0]["start"]) == (True, True, start)


async def test_what_is_no_message_is_an_error(running: Running) -> None:
    async with running.socket("deepgram", LISTEN) as socket:
        await socket.send_message('{"type"')
        assert (await until(socket, "Error"))[1][-1]["description"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [(LISTEN, [], 401), ("/v1/listen?encoding=mp3&sample_rate=8000", KEY, 400), ("/v3/listen", KEY, 404)],
)
async def test_a_wrong_handshake_is_refused(running: Running, path: str, headers: Any, status: int) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as rejected:
        async with running.socket("deepgram", path, headers):
            pass
    assert rejected.value.exceptions[0].status_code == status


@pytest.mark.parametrize(
    ("name", "key", "body"),
    [("deepgram", KEY, b'{"err_'), ("azure", [(b"Ocp-Apim-Subscription-Key", b"k")], b"")],
)
async def test_a_refusal_has_the_body_that_its_service_gives_it(
    running: Running, name: str, key: Any, body: bytes
) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as rejected:
        async with running.socket(name, "/nothing", key):
            pass
    sent = rejected.value.exceptions[0].body or b""
    assert sent.startswith(body)
    assert bool(sent) == bool(body)


# ----------------------------------------------------------------------------------------------- conduct


def test_chances_are_kept_and_the_seed_decides_them() -> None:
    def draw(seed: int) -> list[Fate]:
        conduct = Conduct(errors=0.1, stalls=0.2, cuts=0.3, seed=seed)
        return [conduct.fate("x") for _ in range(5000)]

    fates = draw(1)
    assert fates == draw(1)
    assert fates != draw(2)
    for fate, chance in ((Fate.ERROR, 0.1), (Fate.STALL, 0.2), (Fate.CUT, 0.3), (Fate.NONE, 0.4)):
        assert fates.count(fate) / len(fates) == pytest.approx(chance, abs=0.03)


def test_jitter_only_adds() -> None:
    conduct = Conduct(jitter=0.1)
    late = [conduct.late(0.05) for _ in range(1000)]
    assert min(late) >= 0.05
    assert 0.14 < max(late) <= 0.15
    assert Conduct().late(0.05) == 0.05


# ----------------------------------------------------------------------------------------------- process


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    file = tmp_path / "simulated.yaml"
    command = [sys.executable, "-m", "bench.simulators", "--agent", str(file), "--chat-delay", "0"]
    command += ["--key", "k", "--tool", 'find_room={"day":"monday"}']
    root = Path(main.__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=-1, stdout=-1, stderr=-1, text=True) as running:
        try:
            yield running, file
        finally:
            running.kill()


@pytest.mark.parametrize("ending", ["signal", "closed pipe"])
def test_the_process_says_where_it_is_and_what_it_was_asked(
    process: tuple[subprocess.Popen[str], Path], ending: str
) -> None:
    running, file = process
    assert running.stdout is not None
    assert running.stdin is not None
    ready = json.loads(running.stdout.readline())
    assert ready["ready"] is True
    chat, ask = f"{ready['openai']}/v1/chat/completions", {"type": "function", "function": {"name": "find_room"}}
    assert httpx.post(chat, json={}, headers={"Authorization": "Bearer no"}).status_code == 401
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "a"}], "tools": [ask]}
    told = httpx.post(chat, json=asked, headers={"Authorization": "Bearer k"}).text
    assert all(words in told for words in ("find_room", "mon"))
    headers = {"Authorization": "Token k"}
    assert httpx.post(f"{ready['deepgram']}/v1/speak", json={"text": "a"}, headers=headers).status_code == 200
    agent = load.load([file])["simulated"]
    assert agent.ear.settings["url"] == f"{ready['deepgram']}/v1/listen".replace("http", "ws", 1)
    assert agent.mind.settings["base_url"] == f"{ready['openai']}/v1"
    assert agent.voice.settings["url"] == f"{ready['deepgram']}/v1/speak"
    if ending == "signal":
        os.kill(running.pid, signal.SIGTERM)
    else:
        running.stdin.close()
    assert running.wait(5) == 0
    assert json.loads(running.stdout.readline()) == {
        "requests": {"/v1/chat/completions": 1, "tool call": 1, "/v1/speak": 1}
    }


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What is told of options that cannot be."""
    monkeypatch.setattr(sys, "argv", ["simulators", *options])
    with pytest.raises(SystemExit) as exit_:
        simulators()
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "in use" in refused(monkeypatch, capsys, "--deepgram-port", str(taken.getsockname()[1]))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--errors", "2"), "--errors: must be a number from 0 to 1"),
        (("--deepgram-port", "x"), "--deepgram-port: must be a number"),
        (("--errors", "0.6", "--cuts", "0.6"), "more than 1 together"),
        (("--agent", "/nowhere/simulated.yaml"), "/nowhere/simulated.yaml"),
        (("--tool", "find_room={"), "--tool: must be like find_room="),
        (("--tool", "=7"), "--tool: must be like find_room="),
    ],
)
def test_bad_use_is_told(
    options: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(monkeypatch, capsys, *options)


# ---------------------------------------------------------------------------------------------- the call


def frame(audio: bytes) -> str:
    payload = base64.b64encode(audio).decode()
    return json.dumps({"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": payload}})


START = {
    "streamSid": "MZ1",
    "callSid": "CA1",
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    "customParameters": {"agent": "simulated"},
}


async def answered(socket: WebSocketConnection) -> float:
    """Speak for 0.5 s as a Twilio caller; seconds from the last voiced frame to the first of the answer."""
    await socket.send_message(json.dumps({"event": "start", "streamSid": "MZ1", "start": START}))
    voiced, last = speech(0.5), 0.0
    heard = trio.Event()

    async def listen() -> None:
        while json.loads(await socket.get_message())["event"] != "media":
            pass
        heard.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        begin, number = trio.current_time(), 0
        while not heard.is_set():
            audio = voiced[number * 160 : number * 160 + 160]
            last = trio.current_time() if audio else last
            await socket.send_message(frame(audio or b"\xff" * 160))
            number += 1
            with trio.move_on_at(begin + number * 0.02):
                await heard.wait()
        return trio.current_time() - last


# The first fate is that of the handshake which makes the next connection warm, when the call takes the one that is.
CUT_EAR = (Fate.NONE, Fate.CUT)
CUT_MIND = (Fate.NONE, Fate.NONE, Fate.CUT)


@pytest.mark.parametrize(("fates", "ears", "minds"), [((), 1, 1), (CUT_EAR, 2, 1), (CUT_MIND, 1, 2)])
async def test_a_whole_call_is_answered_whatever_is_cut(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fates: tuple[Fate, ...], ears: int, minds: int
) -> None:
    file = tmp_path / "simulated.yaml"
    # What is thought ahead is asked for too, and would have the fate that is meant for the reply.
    file.write_text(agent_file(running.ports))
    agent = load.load([file])["simulated"]
    settings = Settings.model_validate({"port": 0, "default_agent": "simulated"})
    async with trio.open_nursery() as nursery:
        opened: list[int] = []
        nursery.start_soon(
            partial(main.run, settings, {"simulated": agent}, opened=lambda host, port: opened.append(port))
        )
        with trio.fail_after(8):
            while not opened or not await ready(opened[0]):
                await trio.sleep(0.02)
            # The agent's own lines are spoken already.
            lines = running.conduct.requests["/v1/speak"]
            running.conduct.fates.extend(fates)
            url = f"ws://127.0.0.1:{opened[0]}/api/v1/media/twilio"
            async with open_websocket_url(url) as socket:
                # The end of the turn is decided 0.3 s after the last voiced frame, and no provider takes any time.
                assert 0.25 < await answered(socket) < 1.5
        nursery.cancel_scope.cancel()
    asked = running.conduct.requests
    # One connection more than was used is warm.
    assert (asked["/v1/listen"], asked["utterance"], asked["/v1/chat/completions"]) == (ears + 1, ears, minds)
    assert (lines, asked["Finalize"]) == (6, 1)
    assert asked["/v1/speak"] > lines


async def ready(port: int) -> bool:
    async with httpx.AsyncClient(verify=False) as client:
        return (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == 200
