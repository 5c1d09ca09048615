"""The command as a user runs it: in this process where it ends at once, in its own for calls, servers and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
import trio
from stage import speech
from test_house import start
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket

from parlance import main as root
from parlance import play
from parlance.__main__ import main
from parlance.agents import load
from parlance.codecs import mulaw
from parlance.engine.agent import Agent
from parlance.engine.trace import CallEnded, Record
from parlance.play import load as recording
from parlance.settings import Settings

FILES = ["call.wav", "trace.jsonl", "transcript.txt"]
SECONDS = 0.5
PITCH = 440
ENDING = 5.0
"""Seconds within which a program that was told to end has ended."""


def wav(rate: int, bits: int = 16, *, floats: bool = False, channels: int = 1, seconds: float = SECONDS) -> bytes:
    """A WAV file: a tone of 440 Hz at half of full scale, the same on every channel."""
    tone = np.sin(np.arange(round(seconds * rate)) * (2 * np.pi * PITCH / rate)) / 2
    if floats:
        audio = np.repeat(tone, channels).astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        audio = np.repeat(np.rint(tone * 127) + 128, channels).astype(np.uint8).tobytes()
    else:
        whole = np.repeat(np.rint(tone * (2 ** (bits - 1) - 1)), channels).astype("<i4")
        audio = whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 3 if floats else 1, channels, rate, rate * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", len(body)) + body


@dataclass
class Done:
    code: Any
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


Command = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and none of the user's settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PARLANCE_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def command(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command in this process. What it lets escape, and would show as a traceback, fails the test."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["parlance", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    yield run
    # The command has bound the log to an output that this test captured.
    structlog.reset_defaults()


class Program:
    """The command in a process of its own."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.out = self.err = b""
        self._news = trio.Event()

    async def read(self, name: str, stream: trio.abc.ReceiveStream) -> None:
        async for chunk in stream:
            setattr(self, name, getattr(self, name) + chunk)
            self._news.set()
            self._news = trio.Event()

    async def says(self, text: bytes) -> None:
        with trio.fail_after(20):
            while text not in self.out + self.err:
                await self._news.wait()

    def signal(self, number: signal.Signals) -> None:
        """To it and its children, as a terminal does."""
        os.killpg(self.process.pid, number)

    async def ends(self, within: float = ENDING) -> int:
        with trio.fail_after(within):
            return await self.process.wait()

    @property
    def port(self) -> int:
        return int(self.err.split(b"http://127.0.0.1:")[1].split(b"/")[0])


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[Program]:
    """`parlance` with these arguments; killed in the end if it still runs. No traceback may be in what it said."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "parlance", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    made = Program(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.read, "out", process.stdout)
            nursery.start_soon(made.read, "err", process.stderr)
            try:
                yield made
            finally:
                if process.returncode is None:
                    made.signal(signal.SIGKILL)
    finally:
        with trio.CancelScope(shield=True):
            await process.wait()
    assert b"Traceback" not in made.out + made.err, (made.out + made.err).decode()


# ------------------------------------------------------------------------------------------ recordings


@pytest.mark.parametrize("rate", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 12345])
@pytest.mark.parametrize(
    "kind", [{"bits": 8}, {"bits": 16}, {"bits": 24}, {"bits": 32}, {"bits": 32, "floats": True}, {"channels": 2}]
)
def test_every_kind_of_recording_sounds_the_same(tmp_path: Path, rate: int, kind: dict[str, Any]) -> None:
    path = tmp_path / "caller.wav"
    path.write_bytes(wav(rate, **kind))
    heard = np.frombuffer(mulaw.decode(recording(path)), np.int16).astype(float)
    assert len(heard) == pytest.approx(SECONDS * 8000, abs=1)
    tone = np.sin(np.arange(len(heard)) * (2 * np.pi * PITCH / 8000)) * 16384
    inside = slice(400, -400)  # A filter rings where the tone begins and ends.
    error = np.sqrt(np.mean((heard - tone)[inside] ** 2))
    assert error < 16384 * 0.03, "less than 3 % of the tone: what 8 bits and the µ-law leave"


BAD = {
    "no WAV": (b"hello", "caller.wav: not a WAV file: it does not begin with RIFF and WAVE"),
    "empty": (b"", "caller.wav: the file is empty"),
    "no samples": (wav(8000, seconds=0), "caller.wav: the file holds no audio: its data chunk is empty"),
    "too slow": (wav(7999), "caller.wav: 7999 samples a second is out of range: 8000 to 48000 are supported"),
    "too fast": (wav(96000), "caller.wav: 96000 samples a second is out of range: 8000 to 48000 are supported"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_recording_that_cannot_be_used_gets_one_line_and_nothing_is_written(
    command: Command, here: Path, name: str
) -> None:
    data, message = BAD[name]
    (here / "caller.wav").write_bytes(data)
    done = command("call", "caller.wav", "--agent", "rehearsal", "--json")
    assert (done.code, done.out, done.lines) == (2, "", [f"parlance: {message}"])
    assert not (here / "out").exists()


def test_a_recording_that_is_not_there_or_is_a_folder_gets_one_line(command: Command, here: Path) -> None:
    done = command("call", "missing.wav")
    assert (done.code, done.lines) == (2, ["parlance: missing.wav: cannot be read: No such file or directory"])
    done = command("call", str(here))
    assert (done.code, done.lines) == (2, [f"parlance: {here}: cannot be read: Is a directory"])


def test_an_unknown_agent_gets_the_names_of_those_there_are(command: Command, here: Path) -> None:
    (here / "caller.wav").write_bytes(wav(8000))
    done = command("call", "caller.wav", "--agent", "nobody")
    known = "callcenter, receptionist, rehearsal, sales"
    own = "your own are in the files and folders that the setting `agents` names"
    assert (done.code, done.out) == (2, "")
    assert done.lines == [f"parlance: there is no agent 'nobody'; there are {known}; {own}"]
    assert not (here / "out").exists()


@pytest.mark.parametrize("out", ["caller.wav", "caller.wav/deeper", "/proc/parlance", "locked/out"])
def test_an_out_folder_that_cannot_be_written_gets_one_line(command: Command, here: Path, out: str) -> None:
    (here / "caller.wav").write_bytes(wav(8000))
    (here / "locked").mkdir(mode=0o500)
    if out == "locked/out" and os.access(here / "locked", os.W_OK):
        out = "/sys/parlance"  # The administrator may write anywhere but there.
    done = command("call", "caller.wav", "--agent", "rehearsal", "--out", out)
    assert (done.code, done.out, len(done.lines)) == (2, "", 1)
    assert f"cannot record the call in {out}" in done.err
    assert "choose a folder that can be written" in done.err
    assert (here / "caller.wav").read_bytes() == wav(8000)


def test_a_wrong_option_gets_the_usage(command: Command) -> None:
    for arguments in (["call"], ["call", "a.wav", "--agnet", "x"], ["serve", "--port", "70000"], ["sing"]):
        done = command(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "Usage:" in done.err


# -------------------------------------------------------------------------------------------- settings

SETTINGS = """prot = 8080
port = 99999
[limits]
calls = "many"
"""
BROKEN = """name: broken
voice: espaek
limits:
  calls: 0
wellcome: Hello.
"""


@pytest.mark.parametrize("arguments", [["serve"], ["agents"], ["call", "caller.wav"]])
def test_every_fault_of_the_settings_is_in_one_message_and_nothing_starts(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    (here / "mine.toml").write_text(SETTINGS)
    (here / "caller.wav").write_bytes(wav(8000))
    monkeypatch.setenv("PARLANCE_MEDIA__LEAD", "long")
    monkeypatch.setenv("PARLANCE_MEDIA__HELO", "3")
    done = command(*arguments, "--config", "mine.toml")
    assert (done.code, done.out) == (2, "")
    assert done.lines[0] == "parlance: The settings are wrong:"
    assert sorted(line.split(": ")[0].strip() + " " + line.split(": ")[1] for line in done.lines[1:]) == [
        "PARLANCE_MEDIA__HELO media.helo",
        "PARLANCE_MEDIA__LEAD media.lead",
        "mine.toml:1 prot",
        "mine.toml:2 port",
        "mine.toml:4 limits.calls",
    ]
    assert not (here / "out").exists()


@pytest.mark.parametrize("arguments", [["serve"], ["agents"], ["call", "caller.wav"]])
def test_every_fault_of_the_agents_is_in_one_message_and_nothing_starts(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    (here / "agents").mkdir()
    (here / "agents" / "a.yaml").write_text(BROKEN)
    (here / "agents" / "b.yaml").write_text("name: other\nvoice: espaek\nmind: scrpt\n")
    (here / "agents" / "c.yaml").write_text("name: third\ngreeting: [1\n")
    (here / "caller.wav").write_bytes(wav(8000))
    monkeypatch.setenv("PARLANCE_AGENTS", "agents")
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("parlance: ")
    places = [line.removeprefix("parlance: ").split(": ")[0] for line in done.lines]
    assert {"agents/a.yaml:4", "agents/a.yaml:5", "agents/b.yaml:2", "agents/b.yaml:3"} <= set(places)
    assert "agents/c.yaml" in done.err
    assert "did you mean espeak?" in done.err
    assert not (here / "out").exists()


def test_a_default_agent_that_does_not_exist_is_refused_at_start(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLANCE_DEFAULT_AGENT", "nobody")
    done = command("serve", "--port", "0")
    assert (done.code, done.out) == (2, "")
    header, fault = done.lines
    assert header == "parlance: The settings are wrong:"
    assert fault.strip().startswith("PARLANCE_DEFAULT_AGENT: default_agent: there is no agent 'nobody'; there are ")
    assert "receptionist" in fault


@pytest.mark.parametrize(("how", "code"), [("completed", 0), ("failed", 1)])
def test_a_call_that_failed_is_told_by_the_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, how: str, code: int
) -> None:
    async def played(*_: object, **__: object) -> list[Record]:
        return [Record(1, 2.0, CallEnded(how, "so it was"))]

    monkeypatch.setattr(play, "play", played)
    assert command("call", "caller.wav").code == code


def test_the_agents_are_listed_for_people_and_for_programs(command: Command) -> None:
    listed = command("agents")
    facts = json.loads(command("agents", "--json").out)
    assert [fact["name"] for fact in facts] == ["callcenter", "receptionist", "rehearsal", "sales"]
    assert listed.code == 0
    for fact in facts:
        line = next(line for line in listed.out.splitlines() if line.split()[:1] == [fact["name"]])
        assert {fact["ear"], fact["mind"], fact["voice"], str(fact["calls"])} <= set(line.split())


# ------------------------------------------------------------------------------------------------ call


def caller(path: Path, seconds: float) -> bytes:
    """Somebody who speaks for so long, from the first sample; the recording, and what a telephone carries of it."""
    spoken = mulaw.decode(speech(seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(spoken)
    return spoken


def tracks(path: Path) -> tuple[bytes, bytes]:
    """Caller and agent, from a header that is right for the file's size."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        assert file.getnframes() * 4 + 44 == path.stat().st_size
        both = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    return both[:, 0].tobytes(), both[:, 1].tobytes()


def events(text: str) -> list[dict[str, Any]]:
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


async def test_a_call_is_shown_and_leaves_its_three_files(here: Path) -> None:
    spoken = caller(here / "caller.wav", SECONDS)
    (here / "default.toml").write_text('default_agent = "rehearsal"\n')
    async with (
        program("call", "caller.wav", "--agent", "rehearsal", "--out", "shown") as shown,
        program("call", "caller.wav", "--config", "default.toml", "--out", "told", "--json") as told,
    ):
        assert await shown.ends(30) == 0
        assert await told.ends(30) == 0
    assert (shown.err, told.err) == (b"", b"")
    assert all(sorted(os.listdir(here / out)) == FILES for out in ("shown", "told"))

    text = shown.out.decode()
    assert "caller  I would like to book an appointment, please." in text
    assert "answered after" in text
    assert text.rstrip().endswith("shown/trace.jsonl")

    *records, waterfall = events(told.out.decode())
    assert records == events((here / "told" / "trace.jsonl").read_text())
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert records[0]["agent"] == "rehearsal", "the settings' default"
    assert records[-1]["event"] == "CallEnded"
    assert waterfall["event"] == "Waterfall"
    left, right = tracks(here / "told" / "call.wav")
    assert len(left) == len(right)
    assert left.startswith(spoken)
    timed = next(record for record in records if record["event"] == "TurnTimed")
    first = np.flatnonzero(np.abs(np.frombuffer(right, np.int16)) > 300)[0] / 8000
    assert first == pytest.approx(timed["first_frame"], abs=0.1), "at its place in the call"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_call_whose_files_can_be_used(here: Path, number: signal.Signals) -> None:
    spoken = caller(here / "caller.wav", 3.0)
    async with program("call", "caller.wav", "--agent", "rehearsal", "--json") as call:
        await call.says(b'"CallerSaid"')
        call.signal(number)
        assert await call.ends() == 128 + number
    assert call.err == b""
    records = events((here / "out" / "trace.jsonl").read_text())
    assert records == events(call.out.decode())
    assert (records[-1]["event"], records[-1]["reason"]) == ("CallEnded", "cancelled")
    left, _ = tracks(here / "out" / "call.wav")
    assert len(left) > 16000 * 0.1
    assert spoken.startswith(left[: len(spoken)])
    assert "Ended:" in (here / "out" / "transcript.txt").read_text()


# ----------------------------------------------------------------------------------------------- serve


def rehearse(folder: Path, settings: str) -> Path:
    """Settings of that name with which every agent is a rehearsal, so that a server is up at once."""
    (folder / "agents").mkdir()
    for name in ("receptionist", "sales", "callcenter"):
        text = f"name: {name}\near: rehearsal\nmind: rehearsal\nvoice: rehearsal\n"
        (folder / "agents" / f"{name}.yaml").write_text(text)
    path = folder / settings
    path.write_text('agents = ["agents"]\n')
    return path


@pytest.fixture
def rehearsals(here: Path) -> Path:
    return rehearse(here, "rehearsals.toml")


async def closing(line: WebSocketConnection) -> tuple[int, str]:
    """The server's close code and reason, which must come soon."""

    async def listen() -> None:
        with trio.fail_after(2):
            while True:
                await line.get_message()

    with pytest.raises(ConnectionClosed) as closed:
        await listen()
    # trio-websocket leaves its stream open where the server has closed first.
    await line._stream.aclose()
    reason = closed.value.reason
    assert reason is not None
    return reason.code, reason.reason or ""


def test_a_port_that_is_taken_gets_one_line(command: Command, rehearsals: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("serve", "--port", str(port), "--config", str(rehearsals))
    assert (done.code, done.out, len(done.lines)) == (2, "", 1)
    assert f"127.0.0.1:{port}" in done.err
    assert "--port" in done.err


async def test_sigterm_ends_a_server_that_is_idle_or_still_starting(rehearsals: Path) -> None:
    serve = partial(program, "serve", "--port", "0", "--config", str(rehearsals))
    async with serve() as idle, serve() as starting:
        await starting.says(b"http://")
        starting.signal(signal.SIGTERM)
        assert await starting.ends() == 0
        await idle.says(b"ready")
        idle.signal(signal.SIGTERM)
        assert await idle.ends() == 0
    assert (idle.out, starting.out) == (b"", b"")
    assert b"drained" in idle.err


async def test_a_second_sigterm_does_not_wait_for_the_calls(rehearsals: Path) -> None:
    async with program("serve", "--port", "0", "--config", str(rehearsals)) as server:
        await server.says(b"ready")
        async with open_websocket("127.0.0.1", server.port, "/api/v1/media/twilio", use_ssl=False) as line:
            await line.send_message('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await line.send_message(start("rehearsal", "CA1"))
            await server.says(b"carrier=twilio")
            server.signal(signal.SIGTERM)
            await server.says(b"draining")
            with trio.move_on_after(1):
                await server.process.wait()
            assert server.process.returncode is None, "the call may go on for 30 s"
            server.signal(signal.SIGTERM)
            assert await server.ends() == 0
            await closing(line)


def rehearsal() -> dict[str, Agent]:
    """A default agent without a CPU, with a greeting that has to be prepared."""
    plain = load.shipped()["rehearsal"].model_dump()
    return {"receptionist": Agent.model_validate(plain | {"name": "receptionist", "greeting": "Hello, who is there?"})}


async def test_a_signal_before_the_house_has_started_ends_it() -> None:
    default = signal.getsignal(signal.SIGTERM)

    async def stop() -> None:
        while signal.getsignal(signal.SIGTERM) is default:
            await trio.lowlevel.checkpoint()
        os.kill(os.getpid(), signal.SIGTERM)

    with trio.fail_after(ENDING):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            await root.run(Settings(port=0), rehearsal())


async def test_a_call_that_comes_before_the_house_is_ready_is_told_to_try_again() -> None:
    opened: list[int] = []
    listening = trio.Event()

    def note(host: str, port: int) -> None:
        opened.append(port)
        listening.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(root.run, Settings(port=0), rehearsal(), opened=note))
        with trio.fail_after(5):
            await listening.wait()
            async with open_websocket("127.0.0.1", opened[0], "/ws/voice-agent/receptionist", use_ssl=False) as line:
                code, reason = await closing(line)
        assert (code, reason) == (1013, "this server is starting: try again in a moment")
        nursery.cancel_scope.cancel()
