"""The servers that the bench compares with: known, started the same way, and honest where they are not installed."""

from __future__ import annotations

import base64
import json
import os
import py_compile
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from stage import speech
from trio_websocket import WebSocketConnection, open_websocket_url

from bench import peers
from parlance.actors.speaker.rehearsal import sound

FRAME, BEAT = 160, 0.02


def installed(tmp_path: Path, *names: str) -> dict[str, peers.Peer]:
    """The peers as they are where environments of these names are installed."""
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / ".ready").touch()
    return peers.servers(tmp_path)


def test_both_are_known_by_their_own_names():
    known = peers.servers()
    assert {"plain", "pipecat"} <= set(known)
    assert all(name == peer.name for name, peer in known.items())


def test_where_nothing_is_installed_there_is_no_command_but_a_way(tmp_path: Path):
    for peer in installed(tmp_path).values():
        assert peer.command(8080) is None
        assert peer.how == "make peers"


def test_an_environment_that_is_not_complete_is_none(tmp_path: Path):
    (tmp_path / "plain" / "bin").mkdir(parents=True)
    (tmp_path / "plain" / "bin" / "python").touch()
    assert peers.servers(tmp_path)["plain"].command(8080) is None


def test_one_may_be_installed_without_the_other(tmp_path: Path):
    known = installed(tmp_path, "plain")
    assert known["plain"].command(8080) is not None
    assert known["pipecat"].command(8080) is None


@pytest.mark.parametrize("name", peers.servers())
def test_a_command_runs_the_script_in_its_own_environment_on_the_port(name: str, tmp_path: Path):
    peer = installed(tmp_path, "plain", "pipecat")[name]
    command = peer.command(8123)
    assert command is not None
    assert command[0] == str(peer.environment / "bin" / "python")
    assert str(peer.script) in command
    assert command[command.index("--port") + 1] == "8123"


def test_every_peer_speaks_the_sound_of_the_rehearsal_voice(tmp_path: Path):
    for peer in installed(tmp_path, "plain", "pipecat").values():
        command = peer.command(8080)
        assert command is not None
        assert Path(command[command.index("--sound") + 1]).read_bytes() == sound()


def test_a_damaged_sound_is_written_again(tmp_path: Path):
    peers.spoken_below(tmp_path).write_bytes(b"half")
    assert peers.spoken_below(tmp_path).read_bytes() == sound()
    assert len(list(tmp_path.iterdir())) == 1


def test_one_of_them_sends_messages_as_long_as_parlances(tmp_path: Path):
    known = installed(tmp_path, "plain")
    command, usual = known["plain-100"].command(8080), known["plain"].command(8080)
    assert command is not None
    assert usual is not None
    assert command[command.index("--frame") + 1] == str(FRAME * 5)
    assert "--frame" not in usual


@pytest.mark.parametrize("script", sorted({peer.script for peer in peers.servers().values()}))
def test_the_scripts_are_python_and_need_nothing_of_parlance(script: Path, tmp_path: Path):
    py_compile.compile(str(script), cfile=str(tmp_path / "compiled"), doraise=True)
    assert "import parlance" not in script.read_text("utf-8")
    assert "from parlance" not in script.read_text("utf-8")


@pytest.mark.parametrize("name", ["plain", "pipecat"])
def test_what_an_environment_is_made_of_is_pinned_and_has_no_address(name: str):
    lines = [line for line in (peers.HERE / f"{name}.txt").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    assert lines
    assert all("==" in line or "~=" in line for line in lines)
    assert not any("://" in line or line.startswith("-") for line in lines)


@pytest.fixture(params=["plain", "plain-100"])
def plain(request: pytest.FixtureRequest) -> peers.Peer:
    """The peer itself, where it is installed."""
    peer = peers.servers()[request.param]
    if peer.command(0) is None:
        pytest.skip(f"the peer is not installed ({peer.how})")
    return peer


async def test_the_handwritten_one_answers_and_is_cut_off(plain: peers.Peer):
    async with running(plain) as port, open_websocket_url(f"ws://127.0.0.1:{port}{plain.path}") as line:
        with trio.fail_after(6):
            await line.send_message('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await line.send_message('{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1"}}')
            await say(line, speech(0.6) + b"\xff" * FRAME * 20)
            begin = trio.current_time()
            assert await event(line) == "media"
            assert trio.current_time() - begin < 1.0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(say, line, speech(0.6))
                while (said := await event(line)) == "media":
                    pass
                nursery.cancel_scope.cancel()
            assert said == "clear"


@asynccontextmanager
async def running(peer: peers.Peer) -> AsyncIterator[int]:
    """The peer's process, until it takes calls; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = peer.command(port)
    assert command is not None
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, env=environment, stdout=subprocess.DEVNULL)
        process = await nursery.start(run)
        with trio.fail_after(10):
            while not await answers(port):
                assert process.poll() is None
                await trio.sleep(0.05)
        yield port
        nursery.cancel_scope.cancel()


async def answers(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def say(line: WebSocketConnection, audio: bytes) -> None:
    begin = trio.current_time()
    for number in range(len(audio) // FRAME):
        await trio.sleep_until(begin + number * BEAT)
        payload = base64.b64encode(audio[number * FRAME : (number + 1) * FRAME]).decode()
        await line.send_message(json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": payload}}))


async def event(line: WebSocketConnection) -> str:
    return str(json.loads(await line.get_message())["event"])
