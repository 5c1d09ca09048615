"""What one frame costs on its way through a call: read, hear, tick, write; and in every carrier's wire.

A real call of the `rehearsal` agent on a real socket (a pair within this process), without its clock: each step is
called as the reactor and the metronome call it. The wires are measured by themselves. Every figure also comes as a
ratio to a reference, the parsing of one Twilio message by the standard library's `json`, measured between the steps: on
a slower machine both grow. `--check` compares the ratios with the committed ones in `frame.json` and exits with 1 where
one has doubled, or where a wire takes more than 10 µs a frame.
"""

from __future__ import annotations

import base64
import json
import socket as sockets
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from time import process_time
from typing import Any

import trio
import trio.testing
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from bench import instrument, wires
from bench.dialects import DIALECTS
from parlance import main as root
from parlance.actors.media.jitter import Sequencer
from parlance.actors.media.port import Started
from parlance.actors.media.twilio.wire import Twilio
from parlance.actors.speaker.rehearsal import sound
from parlance.codecs import mulaw, tone
from parlance.codecs.format import TELEPHONE, Format
from parlance.house import House
from parlance.http.direct import DirectSocket

COMMITTED = Path(__file__).with_suffix(".json")
WORSE = 2.0
"""A ratio this many times the committed one is a step that has become slower, and no noise."""
NOISE = 0.1
"""Of the reference: steps that take next to nothing differ by so much from run to run."""
MOST = 10.0
"""µs that a wire may take to read a frame and to write one, on the machine of the committed figures."""
WIRE = "wire "
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
    "tones": "a voiced frame searched for the tones of keys, PCM16 at 8 kHz",
    "jitter": "a message in its order, by its time",
    **{f"{WIRE}{name}": "20 ms read, and a frame's share of a message written" for name in DIALECTS},
}


class Still:
    """A reactor that does nothing: the steps are called from here."""

    def listen(self, socket: DirectSocket, events: int) -> None:
        pass

    def forget(self, socket: DirectSocket) -> None:
        pass


def media(audio: bytes, place: int = 316) -> str:
    """A message as Twilio sends it; `place` counts a stream's frames from 0."""
    coded = base64.b64encode(audio).decode()
    sound = {"track": "inbound", "chunk": f"{place + 1}", "timestamp": f"{place * 20}", "payload": coded}
    return json.dumps({"event": "media", "sequenceNumber": f"{place + 2}", "streamSid": STREAM, "media": sound})


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
        entry = house.office.arrivals.of("twilio", Started(agent="rehearsal", call="CA1"))
        self.call, media = house.call(house.agents["rehearsal"], wire, self.socket, entry)
        self.media: Any = media

    def calm(self) -> None:
        """Frames come faster here than on any line: what is ahead is forgotten, and what was sent is thrown away."""
        self.media._pace.ahead = 0.0
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
    message = line.wire.audio(bytes(800))
    places, texts, frames = count(), deque[str](), deque[bytes]()

    def fresh() -> None:
        """The same message twice is heard once."""
        line.calm()
        texts.extend(media(QUIET, next(places)) for _ in range(BATCH))
        frames.clear()
        frames.extend(Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in texts)

    def read() -> None:
        line.peer.send(frames.popleft())
        line.socket.ready(READABLE)

    def hear() -> None:
        line.media.hear(texts.popleft())

    def read_fresh() -> None:
        fresh()
        texts.clear()

    sending = best(lambda: line.peer.send(frames.popleft()), read_fresh)
    line.calm()
    found = {
        **isolated(voiced),
        "reference": best(lambda: json.loads(quiet), line.calm),
        "read": best(read, read_fresh) - sending,
        "hear": best(hear, fresh),
        "judge": best(lambda: line.media._judge(voiced, line.call.clock()), line.calm),
        "tick": best(lambda: line.call.tick(trio.current_time()), line.calm),
        "write": best(lambda: line.socket.send(message), line.calm),
    }
    # A call that has ended hears nothing, and that costs next to nothing.
    assert not line.media._over, line.call.state.reason
    return found


def isolated(voiced: bytes) -> dict[str, float]:
    """The steps that need no call."""
    detector, linear = tone.Detector(Format("pcm16", 8000)), mulaw.decode(voiced)
    sequencer, places = Sequencer(TELEPHONE, rate=1000), count(0, 20)
    found = {
        "tones": best(lambda: detector.feed(linear), lambda: None),
        "jitter": best(lambda: sequencer.place(next(places), voiced), lambda: None),
    }
    for name, step in wires.steps(voiced).items():
        hear = best(step.hear, partial(step.refill, BATCH))
        found[f"{WIRE}{name}"] = hear + step.share * best(step.say, lambda: None)
    return found


def ratios(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(figures[name] / figures["reference"], 3) for name in WHAT}


def slower(figures: dict[str, float], committed: dict[str, Any]) -> list[str]:
    """The steps whose ratio is `WORSE` times the committed one or more, and the wires that take more than `MOST`."""
    found = []
    for name, ratio in ratios(figures).items():
        us = ratio * committed["us"]["reference"]
        if ratio > WORSE * committed["ratios"][name] + NOISE:
            found.append(f"{name}: {ratio:.2f} times the reference, committed {committed['ratios'][name]:.2f}")
        elif name.startswith(WIRE) and us > MOST:
            found.append(f"{name}: {us:.1f} us a frame, limit {MOST:.0f} us")
    return found


def main() -> int:
    parser = instrument.options("frame", __doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed ratios")
    options = parser.parse_args()
    with instrument.progress() as seen:
        seen(f"{len(WHAT)} steps")
        figures = trio.run(measured)
    committed = json.loads(COMMITTED.read_text())
    found = {"us": {name: round(value, 2) for name, value in figures.items()}, "ratios": ratios(figures)}
    if options.json:
        instrument.document(figures=found)
    else:
        width = max(map(len, WHAT))
        print(f"{'reference':{width}} {figures['reference']:6.2f} us  json.loads of one message")
        for name, what in WHAT.items():
            ratio, then = found["ratios"][name], committed["ratios"][name]
            of = f"{ratio:5.2f} of the reference (committed {then:.2f})"
            print(f"{name:{width}} {figures[name]:6.2f} us  {of}  {what}")
    wrong = slower(figures, committed) if options.check else []
    for fault in wrong:
        print(f"slower: {fault}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
