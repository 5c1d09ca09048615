"""Provider simulators, on loopback: the services that ears, minds and voices are, with delays and faults as asked for.

Prints one line of JSON when they can be asked ({"ready": true, "deepgram": "http://...", "openai": "http://...", ...};
WebSockets are at the same ports), runs until SIGTERM, SIGINT or the end of the pipe that is its standard input, and
prints what it was asked: {"requests": {...}}.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path

import trio

from bench import instrument
from bench.simulators.conduct import Conduct
from bench.simulators.town import PROVIDERS, doors
from parlance.engine.errors import plain

AGENT = Path(__file__).parents[1] / "agents" / "simulated.yaml"
PORTS = {"deepgram": 18761, "openai": 18762}
"""Those in the agent's file."""


def agent(ports: dict[str, int]) -> str:
    """The agent's file, with these ports."""
    names = {str(usual): str(ports[name]) for name, usual in PORTS.items()}
    return re.sub(r"(?<=//127\.0\.0\.1:)\d+", lambda found: names[found[0]], AGENT.read_text("utf-8"))


async def run(conduct: Conduct, wanted: dict[str, int], agent_file: Path | None) -> None:
    async with trio.open_nursery() as nursery:
        ports: dict[str, int] = {}
        for name, door in doors(conduct).items():
            ports[name] = await nursery.start(door.serve, wanted[name])
        if agent_file is not None:
            await trio.Path(agent_file).write_text(agent(ports), "utf-8")
        nursery.start_soon(_signals, nursery.cancel_scope)
        nursery.start_soon(_input, nursery.cancel_scope)
        told = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        print(json.dumps({"ready": True, **told}), flush=True)
    print(json.dumps({"requests": dict(conduct.requests)}), flush=True)


async def _signals(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


async def _input(scope: trio.CancelScope) -> None:
    """A pipe that closes says that whoever started us has gone. A terminal, a file or nothing says nothing."""
    try:
        piped = stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return
    if not piped:
        return
    while True:
        await trio.lowlevel.wait_readable(0)
        if not os.read(0, 4096):
            scope.cancel()
            return


def _within(least: float, most: float, kind: type = float) -> Callable[[str], float]:
    """Reads a number of these bounds."""

    def read(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a number from {least:g} to {most:g}, and is {text!r}")
        return value

    return read


_chance, _seconds, _port = _within(0, 1), _within(0, 60), _within(0, 65535, int)


def _tool(text: str) -> tuple[str, dict[str, object]]:
    """Reads a tool's name and what it is asked with."""
    name, _, given = text.partition("=")
    try:
        arguments = json.loads(given or "{}")
    except ValueError:
        arguments = None
    if not name or not isinstance(arguments, dict):
        raise argparse.ArgumentTypeError(f'must be like find_room={{"day":"monday"}}, and is {text!r}')
    return name, arguments


def options() -> argparse.ArgumentParser:
    parser = instrument.parser("simulators", __doc__)
    usual = Conduct()
    for name, kind, what in (
        ("stt-delay", _seconds, "seconds from the end of an utterance to its words"),
        ("chat-delay", _seconds, "seconds to the first word of a reply"),
        ("chat-pace", _within(0.1, 1e6), "words a second"),
        ("tts-delay", _seconds, "seconds to the first audio of a phrase"),
        ("tts-pace", _within(0.1, 1e6), "times real time at which audio is sent"),
        ("jitter", _seconds, "the most seconds that are added to each delay"),
        ("errors", _chance, "chance of HTTP 500 or 429, or of the protocol's own error message"),
        ("stalls", _chance, "chance of an answer that stops for 30 s"),
        ("cuts", _chance, "chance of a connection dropped in mid-answer"),
        ("seed", int, "of the chances and the jitter"),
    ):
        default = getattr(usual, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=f"{what} ({default:g})")
    parser.add_argument("--text", default="", help="what ears hear and minds say, instead of their own words")
    parser.add_argument("--key", default="", help="the only key that is accepted; any, if it is not given")
    parser.add_argument(
        "--tool",
        type=_tool,
        action="append",
        default=[],
        dest="tools",
        metavar="NAME=JSON",
        help='a tool that the next mind asks for if it may, like find_room={"day":"monday"}; several times for several',
    )
    for name in PROVIDERS:
        parser.add_argument(f"--{name}-port", type=_port, default=0, metavar="PORT", help="0: any that is free")
    parser.add_argument("--agent", type=Path, metavar="FILE", help="write an agent that uses these simulators")
    return parser


def main() -> None:
    parser = options()
    chosen = vars(parser.parse_args())
    agent_file = chosen.pop("agent")
    wanted = {name: chosen.pop(f"{name}_port") for name in PROVIDERS}
    conduct = Conduct(**{**chosen, "tools": deque(chosen["tools"])})
    if conduct.errors + conduct.stalls + conduct.cuts > 1:
        parser.error("the chances of errors, stalls and cuts are more than 1 together")
    try:
        trio.run(run, conduct, wanted, agent_file)
    except* OSError as group:
        parser.exit(2, f"python -m bench.simulators: {plain(group)}\n")


if __name__ == "__main__":
    main()
