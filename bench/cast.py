"""Agents whose ears, minds and voices are simulated providers: their settings, by name, and where the simulators are.

The names are those of an agent's file (`parlance.registry`), and `azureopenai`, which is the `openai` mind at Azure.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from bench.machine import ROOT
from bench.process import child, last
from parlance.engine.agent import Agent

Hosts = Mapping[str, str]
"""Host and port by the provider's name in `bench.simulators.town`."""

STARTING = 20.0
"""Seconds that the simulators have to start."""

_MODEL = {"model": "simulated"}
_VOICE = {"voice": "simulated"}

SETTINGS: dict[str, dict[str, tuple[str, str, dict[str, Any]]]] = {
    "ear": {
        "deepgram": ("deepgram", "ws://{}/v1/listen", {}),
        "flux": ("deepgram", "ws://{}/v2/listen", {}),
        "openai": ("openai", "http://{}/v1/audio/transcriptions", {}),
        "elevenlabs": ("elevenlabs", "ws://{}/v1/speech-to-text/realtime", {}),
        "assemblyai": ("assemblyai", "ws://{}/v3/ws", {}),
        "azure": ("azure", "http://{}/speech/recognition/conversation/cognitiveservices/v1", {}),
    },
    "mind": {
        "openai": ("openai", "http://{}/v1", _MODEL),
        "azureopenai": ("azureopenai", "http://{}", {"kind": "openai", "api_version": "2024-10-21", **_MODEL}),
        "anthropic": ("anthropic", "http://{}", _MODEL),
        "gemini": ("gemini", "http://{}", _MODEL),
    },
    "voice": {
        "elevenlabs": ("elevenlabs", "ws://{}/v1/text-to-speech", _VOICE),
        "elevenlabs-http": ("elevenlabs", "http://{}", _VOICE),
        "deepgram": ("deepgram", "http://{}/v1/speak", {}),
        "deepgram-ws": ("deepgram", "ws://{}/v1/speak", {}),
        "openai": ("openai", "http://{}/v1/audio/speech", {**_MODEL, **_VOICE}),
        "azure": ("azure", "http://{}/cognitiveservices/v1", {}),
        "cartesia": ("cartesia", "ws://{}/tts/websocket", _VOICE),
    },
}
"""By role and name: whose door, the address there, and what else must be set."""

COMBINATIONS = (
    "deepgram+openai+deepgram",
    "flux+anthropic+elevenlabs",
    "assemblyai+gemini+cartesia",
    "elevenlabs+azureopenai+deepgram-ws",
    "openai+openai+openai",
    "azure+gemini+azure",
)
"""Of ear, mind and voice: every ear, every mind, and every voice but `elevenlabs-http`."""

NOWHERE: Hosts = {door: "127.0.0.1:9" for known in SETTINGS.values() for door, _, _ in known.values()}
"""Where nobody is asked."""


def settings(role: str, name: str, hosts: Hosts = NOWHERE) -> dict[str, Any]:
    """What stands in an agent's file, `kind` included. Raises `KeyError` for what is not simulated."""
    door, url, more = SETTINGS[role][name]
    return {"kind": name, "url": url.format(hosts[door]), **more}


def agent(name: str, three: Sequence[str], hosts: Hosts, **more: Any) -> Agent:
    """An agent with these providers: an ear, a mind and a voice; each may be several, `a,b`: `b` is for when `a` fails.

    `more`: whatever else stands in its file.
    """
    roles = {
        role: [settings(role, one, hosts) for one in names.split(",")]
        for role, names in zip(SETTINGS, three, strict=True)
    }
    told = {"name": name, "greeting": "", "prompt": "Nobody is listening.", "listed": False, **roles, **more}
    return Agent.model_validate(told)


def combination(text: str) -> tuple[str, ...]:
    """`ear+mind+voice` as its three. Raises `ValueError` for anything else."""
    parts = tuple(text.split("+"))
    if len(parts) != len(SETTINGS):
        raise ValueError(f"{text!r} is not ear+mind+voice")
    for role, names in zip(SETTINGS, parts, strict=True):
        for name in names.split(","):
            if name not in SETTINGS[role]:
                raise ValueError(f"there is no simulated {role} {name!r}; there are {', '.join(SETTINGS[role])}")
    return parts


class Simulators:
    """The simulators' process. `requests`: what they were asked, when it has ended."""

    def __init__(self, process: trio.Process, hosts: Hosts) -> None:
        self.process, self.hosts = process, hosts
        self.requests: dict[str, int] = {}

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(int(host.rpartition(":")[2]) for host in self.hosts.values())

    async def end(self) -> None:
        """End them, and read what they were asked."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        await self.process.stdin.aclose()
        told = b"".join([piece async for piece in self.process.stdout])
        for line in told.splitlines():
            self.requests = json.loads(line)["requests"]


@asynccontextmanager
async def simulators(options: Sequence[str], cores: Collection[int]) -> AsyncIterator[Simulators]:
    """`python -m bench.simulators` with these options. Raises `RuntimeError` if it does not start."""
    command = (sys.executable, "-m", "bench.simulators", *options)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        output = Path(folder) / "simulators.txt"
        with output.open("wb") as file:
            running = child(command, cores=cores, folder=ROOT, environment=os.environ, output=file, piped=True)
            async with running as process:
                yield Simulators(process, await _ready(process, output))


async def _ready(process: trio.Process, output: Path) -> Hosts:
    assert process.stdout is not None
    told = b""
    with trio.move_on_after(STARTING):
        while not told.endswith(b"\n"):
            piece = await process.stdout.receive_some()
            if not piece:
                break
            told += piece
    if not told.endswith(b"\n"):
        raise RuntimeError(f"the simulators have not started: {last(output)}")
    found = json.loads(told)
    return {name: url.removeprefix("http://") for name, url in found.items() if name != "ready"}
