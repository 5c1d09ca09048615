"""What one frame costs on its way through a call: read, hear, tick, write.

    python -m bench.frame [--json] [--check]

A real call of the `rehearsal` agent on a real socket (a pair within this process), without its clock: each step is
called as the reactor and the metronome call it. Every figure also comes as a ratio to a reference, the parsing of one
Twilio message by the standard library's `json`, measured between the steps: on a slower machine both grow.
`--check` compares the ratios with the committed ones in `frame.json` and exits with 1 where one is worse by half.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket as sockets
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import trio
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from parlance import main as root
from parlance.actors.media.port import Started
from parlance.actors.media.twilio import Twilio
from parlance.actors.speaker.rehearsal import sound
from parlance.engine.call import Call
from parlance.house import House
from parlance.http.direct import DirectSocket

COMMITTED = Path(__file__).with_suffix(".json")
WORSE = 1.5
"""A ratio this many times the committed one is a step that has become slower, and no noise."""
ROUNDS, BATCH = 60, 50
READABLE = 1
QUIET = b"\xff\x7e" * 80


class Still:
    """A reactor that does nothing: the steps are called from here."""

    def listen(self, socket: DirectSocket, events: int) -> None:
        pass

    def forget(self, socket: DirectSocket) -> None:
        pass


def media(audio: bytes, number: int = 3) -> str:
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": str(number),
            "streamSid": "MZ18ad3ab5a668481ce02b83e7395059f0",
            "media": {
                "track": "inbound",
                "chunk": str(number),
                "timestamp": str(number * 20),
                "payload": base64.b64encode(audio).decode(),
            },
        }
    )


START = json.dumps(
    {
        "event": "start",
        "streamSid": "MZ18ad3ab5a668481ce02b83e7395059f0",
        "start": {"streamSid": "MZ18ad3ab5a668481ce02b83e7395059f0", "callSid": "CA1"},
    }
)


class Line:
    """A call on a socket whose other end is ours."""

    def __init__(self, house: House) -> None:
        self.peer, raw = sockets.socketpair()
        for side in (self.peer, raw):
            side.setblocking(False)
        self.socket = DirectSocket(raw, "bench", ServerProtocol(state=OPEN), Still())
        wire = Twilio()
        wire.receive(START)
        self.call: Call = house.call(house.agents["rehearsal"], wire, self.socket, Started(call="CA1"))
        self.media: Any = self.call.media
        self.speech = [sound()[at : at + 160] for at in range(0, 160 * 50, 160)]

    def drain(self) -> None:
        try:
            while self.peer.recv(1 << 16):
                pass
        except BlockingIOError:
            pass


def best(step: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    """The least time of `ROUNDS` rounds, µs of CPU a step; `before` each round is not counted."""
    took = []
    for _ in range(ROUNDS):
        before()
        begin = process_time()
        for _ in range(BATCH):
            step()
        took.append(process_time() - begin)
    return min(took) / BATCH * 1e6


async def steps() -> dict[str, float]:
    chosen, known = root.settings(None)
    house = House(chosen, known, only="rehearsal")
    found: dict[str, float] = {}
    async with trio.open_nursery() as nursery:
        await nursery.start(house.run)
        line = Line(house)
        nursery.start_soon(line.call.run)
        while line.socket._hear is None:  # noqa: ASYNC110 - the call opens in a few turns of the loop
            await trio.lowlevel.checkpoint()
        found = measure(line)
        nursery.cancel_scope.cancel()
    line.peer.close()
    return found


def measure(line: Line) -> dict[str, float]:
    actor, socket = line.media, line.socket
    quiet = media(QUIET)
    framed = Frame(Opcode.TEXT, quiet.encode()).serialize(mask=True)

    def calm() -> None:
        # Frames come faster here than from any line: what is ahead is forgotten between the rounds.
        actor._ahead = 0.0
        line.drain()

    def read() -> None:
        line.peer.send(framed)
        socket.ready(READABLE)

    def send_only() -> None:
        line.peer.send(framed)

    def hear() -> None:
        actor._ahead = 0.0
        actor.hear(quiet)

    def listen() -> None:
        actor._ahead = 0.0
        actor._judge(line.speech[0], line.call.clock())

    def tick() -> None:
        line.call.tick(trio.current_time())

    message = actor._wire.audio(bytes(800))

    def write() -> None:
        socket.send(message)

    def reference() -> None:
        json.loads(quiet)

    own = best(send_only, before=lambda: _empty(line))
    _empty(line)
    found = {
        "reference": best(reference),
        "read": best(read, before=calm) - own,
        "hear": best(hear, before=calm),
        "judge a voiced frame": best(listen, before=calm),
        "tick": best(tick, before=calm),
        "write": best(write, before=calm),
    }
    return found


def _empty(line: Line) -> None:
    """What the peer has sent and nobody read."""
    try:
        while line.socket._raw.recv(1 << 16):
            pass
    except BlockingIOError:
        pass


if __name__ == "__main__":
    print(trio.run(steps))
