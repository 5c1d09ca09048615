"""What one frame costs on its way through a call: read, hear, tick, write.

    python -m bench.frame [--json] [--check]

A real call of the `rehearsal` agent on a real socket (a pair within this process), without its clock: each step is
called as the reactor and the metronome call it. Every figure also comes as a ratio to a reference, the parsing of one
Twilio message by the standard library's `json`, measured between the steps: on a slower machine both grow.
`--check` compares the ratios with the committed ones in `frame.json` and exits with 1 where one has doubled.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket as sockets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import Any

import trio
import trio.testing
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from parlance import main as root
from parlance.actors.media.port import Started
from parlance.actors.media.twilio import Twilio
from parlance.actors.speaker.rehearsal import sound
from parlance.house import House
from parlance.http.direct import DirectSocket

COMMITTED = Path(__file__).with_suffix(".json")
WORSE = 2.0
"""A ratio this many times the committed one is a step that has become slower, and no noise."""
ROUNDS, BATCH = 60, 50
READABLE = 1
QUIET = b"\xff\x7e" * 80
STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
WHAT = {
    "read": "a message from the kernel to the verdict: socket, WebSocket, `hear`",
    "hear": "a message to the verdict: JSON, base64, the listener, the gate on silence",
    "judge": "a voiced frame: the listener and the gate with WebRTC's detector",
    "tick": "a call's share of a beat, nothing due",
    "write": "100 ms of audio to the kernel",
}


class Still:
    """A reactor that does nothing: the steps are called from here."""

    def listen(self, socket: DirectSocket, events: int) -> None:
        pass

    def forget(self, socket: DirectSocket) -> None:
        pass


def media(audio: bytes) -> str:
    """A message as Twilio sends it."""
    sound = {"track": "inbound", "chunk": "317", "timestamp": "6340", "payload": base64.b64encode(audio).decode()}
    return json.dumps({"event": "media", "sequenceNumber": "318", "streamSid": STREAM, "media": sound})


class Line:
    """A call on a socket whose other end is ours."""

    def __init__(self, house: House) -> None:
        self.peer, self.raw = sockets.socketpair()
        for side in (self.peer, self.raw):
            side.setblocking(False)
        self.socket = DirectSocket(self.raw, "bench", ServerProtocol(state=OPEN), Still())
        wire = Twilio()
        wire.receive(json.dumps({"event": "start", "start": {"streamSid": STREAM, "callSid": "CA1"}}))
        self.wire = wire
        self.call = house.call(house.agents["rehearsal"], wire, self.socket, Started(call="CA1"))
        self.media: Any = self.call.media

    def calm(self) -> None:
        """Frames come faster here than on any line: what is ahead is forgotten, and what was sent is thrown away."""
        self.media._ahead = 0.0
        for side in (self.peer, self.raw):
            with suppress(BlockingIOError):
                while side.recv(1 << 16):
                    pass


def best(step: Callable[[], object], before: Callable[[], None]) -> float:
    """The least time of `ROUNDS` rounds, µs of CPU a step; `before` each round is not counted."""
    took = []
    for _ in range(ROUNDS):
        before()
        begin = process_time()
        for _ in range(BATCH):
            step()
        took.append(process_time() - begin)
    return min(took) / BATCH * 1e6


async def measured() -> dict[str, float]:
    """µs of every step of `WHAT`, and of the `reference`."""
    chosen, known = root.settings(None)
    house = House(chosen, known, only="rehearsal")
    async with trio.open_nursery() as nursery:
        await nursery.start(house.run)
        line = Line(house)
        await nursery.start(line.call.run)
        await trio.testing.wait_all_tasks_blocked()
        try:
            return steps(line)
        finally:
            line.peer.close()
            nursery.cancel_scope.cancel()
    raise AssertionError


def steps(line: Line) -> dict[str, float]:
    quiet, voiced = media(QUIET), sound()[800:960]
    framed = Frame(Opcode.TEXT, quiet.encode()).serialize(mask=True)
    message = line.wire.audio(bytes(800))

    def read() -> None:
        line.peer.send(framed)
        line.socket.ready(READABLE)

    def hear() -> None:
        line.media._ahead = 0.0
        line.media.hear(quiet)

    sending = best(lambda: line.peer.send(framed), line.calm)
    return {
        "reference": best(lambda: json.loads(quiet), line.calm),
        "read": best(read, line.calm) - sending,
        "hear": best(hear, line.calm),
        "judge": best(lambda: line.media._judge(voiced, line.call.clock()), line.calm),
        "tick": best(lambda: line.call.tick(trio.current_time()), line.calm),
        "write": best(lambda: line.socket.send(message), line.calm),
    }


def ratios(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(figures[name] / figures["reference"], 3) for name in WHAT}


def slower(figures: dict[str, float], committed: dict[str, Any]) -> list[str]:
    """The steps whose ratio is `WORSE` times the committed one or more."""
    return [
        f"{name}: {ratio:.2f} times the reference, committed {committed['ratios'][name]:.2f}"
        for name, ratio in ratios(figures).items()
        if ratio > WORSE * committed["ratios"][name]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.frame", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--check", action="store_true", help="compare with the committed ratios")
    options = parser.parse_args()
    figures = trio.run(measured)
    committed = json.loads(COMMITTED.read_text())
    document = {"us": {name: round(value, 2) for name, value in figures.items()}, "ratios": ratios(figures)}
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        print(f"{'reference':10} {figures['reference']:6.2f} us  json.loads of one message")
        for name, what in WHAT.items():
            ratio, then = document["ratios"][name], committed["ratios"][name]
            print(f"{name:10} {figures[name]:6.2f} us  {ratio:5.2f} of the reference (committed {then:.2f})  {what}")
    wrong = slower(figures, committed) if options.check else []
    for fault in wrong:
        print(f"slower: {fault}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
