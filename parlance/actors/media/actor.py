"""The media actor: the caller's audio to the gate and the ear, the agent's audio from the playout to the line.

`hear` is called for each message of the line and `tick` for each beat of the metronome; neither waits, and between
the frame that proves speech and the queued `clear` nothing else runs. The end of the line is the end of the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import trio

from parlance.actors.media.gate import Gate, Verdict
from parlance.actors.media.playout import Playout
from parlance.actors.media.port import Digit, Marked, Message, Signal, Socket, Started, Stopped, Wire
from parlance.codecs.pcm import Framer
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import LineError, LineGone, Stalled
from parlance.engine.roles import Desk, Heard

PAUSED = 0.5
"""Seconds without a frame after which a caller who was speaking counts as silent: carriers may suppress silence."""
AHEAD = 3.0
"""Seconds of audio a caller may be ahead of real time: a burst after a stall is fine, a file at full speed is not."""
SIGNALS = 100
"""Messages without audio a line may send in a second, all call long: marks come ten a second at the most."""
SLACK = 1.01
"""How much faster than our clock a carrier's may run."""
STORE = 0.4
"""Seconds of the agent's audio that wait here for their time: what a voice that falters may fall behind."""
GOODBYE = 1.0
"""Seconds for the last messages and the closing handshake."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a line may do before its call ends. `silence`: seconds without any audio; `faults`: bad messages."""

    faults: int = 10
    silence: float = 30.0
    lead: float = 0.3


class MediaActor:
    """One call's line. `feed` takes every frame of the caller, in the line's format."""

    def __init__(
        self,
        wire: Wire,
        socket: Socket,
        desk: Desk,
        feed: Callable[[bytes], None],
        *,
        gate: Gate,
        names: tuple[str, str] = ("", ""),
        prepared: Callable[[str], bytes | None] = lambda _: None,
        bounds: Bounds = Bounds(),
    ) -> None:
        self.format = wire.format
        self.gate = gate
        self.playout = Playout(
            wire.format,
            lead=bounds.lead,
            batch=wire.batch,
            marks=wire.marks,
            clears=wire.clear() is not None,
            store=STORE,
        )
        self.prepared = prepared
        self.faults = 0
        self._wire, self._socket, self._desk, self._feed = wire, socket, desk, feed
        self._names, self._bounds = names, bounds
        self._framer = Framer(wire.format.frame)
        self._frame = wire.format.frame
        # A speaker is woken for half of the store at a time.
        self._enough = int(STORE / 2 * wire.format.rate) * wire.format.width
        self._audible = 0
        self._room = trio.Event()
        self._last = 0.0
        self._ahead = 0.0
        self._flood = self._flooded = 0.0
        self._over = False
        self._code, self._reason = 1000, ""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry the line until it ends; then say goodbye in the line's own way."""
        try:
            for message in self._wire.hello(*self._names):
                self._send(message)
            task_status.started()
            self._desk.happen(m.Answered())
            await self._socket.listen(self.hear)
        except LineGone as gone:
            self._end(str(gone), m.How.COMPLETED, gone.code or 1000)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GOODBYE):
                reason = self._reason or self._desk.reason
                for message in self._wire.goodbye(reason):
                    self._send(message)
                await self._socket.close(self._code, reason[:120])

    # ------------------------------------------------------------------------------ from the caller

    def hear(self, data: Message) -> None:
        """One message of the line. After the line's end, whatever may still come of it is nobody's."""
        if self._over:
            return
        try:
            heard = self._wire.receive(data)
            if isinstance(heard, bytes):
                self._audio(heard)
            else:
                self._bound_signals()
                if heard is not None:
                    self._signal(heard)
        except LineError as error:
            self._fault(error)

    def _audio(self, audio: bytes) -> None:
        now = self._desk.clock()
        # A leaky bucket: carriers' clocks differ from ours by some parts in a thousand, all call long.
        passed, self._last = now - self._last, now
        self._ahead = max(0.0, self._ahead - passed * SLACK) + len(audio) / self.format.second
        if self._ahead > AHEAD + 1e-6:
            raise LineError("audio arrives faster than real time", fatal=True, code=1008)
        if len(audio) == self._frame and not self._framer.rest:
            self._judge(audio, now)
            return
        for frame in self._framer.feed(audio):
            self._judge(frame, now)

    def _bound_signals(self) -> None:
        """Messages without audio cost a line nothing and us something: a flood of them ends the call."""
        now = self._desk.clock()
        self._flood = max(0.0, self._flood - (now - self._flooded) * SIGNALS) + 1
        self._flooded = now
        if self._flood > SIGNALS * AHEAD:
            raise LineError("too many messages without audio", fatal=True, code=1008)

    def _judge(self, frame: bytes, now: float) -> None:
        self._feed(frame)
        verdict = self.gate.judge(frame, now)
        if verdict is Verdict.BEGAN:
            self._desk.voice_began(self.gate.began)
        elif verdict is Verdict.ENDED:
            self._desk.voice_ended(self.gate.ended)

    def _signal(self, signal: Signal) -> None:
        match signal:
            case Marked(name):
                self.playout.echoed(name, self._desk.clock())
            case Digit(digit):
                self._desk.note(t.DigitPressed(digit))
            case Stopped(reason):
                self._end(reason, m.How.COMPLETED)
            case Started():
                raise LineError("the call was started twice", fatal=True, code=1008)

    def _fault(self, error: LineError) -> None:
        self.faults += 1
        self._desk.note(t.LineFault(str(error), self.faults))
        for message in self._wire.complaint(str(error), code="bad_message", retry=not error.fatal):
            self._send(message)
        if error.fatal:
            self._end(str(error), m.How.FAILED, error.code)
        elif self.faults > self._bounds.faults:
            self._end(f"more than {self._bounds.faults} bad messages", m.How.FAILED, 1008)

    # -------------------------------------------------------------------------------- to the caller

    def tick(self, now: float) -> None:
        """Send what is due, and tell the call what has been heard."""
        self._watch(now)
        playout = self.playout
        if not playout.turn or self._over:
            return
        self._pour(now)
        for text in playout.spoken(now):
            self._desk.note(t.Spoken(playout.turn, text))
        if playout.overdue:
            self._end("the line stopped playing", m.How.FAILED, 1008)
        elif playout.played(now):
            self._desk.happen(m.Played(playout.turn))
        else:
            playout.trim(now)
            if playout.room(now) >= self._enough:
                self._wake()

    def _pour(self, now: float) -> None:
        """Send what is due."""
        playout = self.playout
        while (due := playout.due(now)) is not None:
            payload, mark = due
            if (message := self._wire.audio(payload)) is not None:
                self._send(message)
            if mark is not None and (request := self._wire.mark(mark)) is not None:
                self._send(request)
            if self._audible != playout.turn:
                self._audible = playout.turn
                self._desk.first_frame(playout.turn)

    def _watch(self, now: float) -> None:
        """What a line does by doing nothing."""
        quiet = now - self._last
        if quiet > PAUSED and self.gate.close() is Verdict.ENDED:
            self._desk.voice_ended(self.gate.ended)
        if quiet > self._bounds.silence and not self._over:
            self._end(f"no audio from the line for {self._bounds.silence:g} s", m.How.FAILED, 1008)

    def stage(self, turn: int) -> None:
        self.playout.stage(turn)
        self._wake()

    def play(self, turn: int, text: str, audio: bytes) -> None:
        self.phrase(turn, text)
        self.add(turn, audio)
        self.turn_done(turn)

    def hold(self) -> None:
        if self.playout.turn and not self.playout.held:
            self.playout.hold(self._desk.clock())
            self._clear()

    def release(self) -> None:
        self.playout.release()

    def finish(self, turn: int) -> Heard:
        if turn != self.playout.turn:
            return Heard("", 0.0, False)
        unheard = not self.playout.held and not self.playout.played(self._desk.clock())
        heard = self.playout.finish(self._desk.clock())
        if unheard:
            self._clear()
        self._wake()
        return heard

    def announce(self, record: t.Record) -> None:
        """Tell the line's other side what its dialect tells of an event."""
        for message in self._wire.announce(record.event):
            self._send(message)

    def _clear(self) -> None:
        if (message := self._wire.clear()) is not None:
            self._send(message)

    def _send(self, message: Message) -> None:
        try:
            self._socket.send(message)
        except Stalled as stalled:
            self._end(str(stalled), m.How.FAILED, 1008)

    def _end(self, reason: str, how: m.How, code: int = 1000) -> None:
        if self._over:
            return
        self._over = True
        self._code, self._reason = code, reason
        self._desk.happen(m.Gone(reason, how))

    # --------------------------------------------------------------------------- from the speaker

    def phrase(self, turn: int, text: str) -> None:
        if turn == self.playout.turn:
            self.playout.phrase(text)

    def add(self, turn: int, audio: bytes) -> None:
        if turn == self.playout.turn:
            self.playout.add(audio)
            # An ear that has nothing to hear does not wait for the next beat: that would be 10 ms of every answer.
            now = self._desk.clock()
            if not self._over and self.playout.dry(now):
                self._pour(now)

    def phrase_done(self, turn: int) -> None:
        if turn == self.playout.turn:
            self.playout.phrase_done()

    def turn_done(self, turn: int) -> None:
        if turn == self.playout.turn:
            self.playout.complete()
            mark = None if self.playout.held else self.playout.last()
            if mark is not None and (request := self._wire.mark(mark)) is not None:
                self._send(request)

    def retake(self, turn: int) -> str:
        return self.playout.retake() if turn == self.playout.turn else ""

    async def room(self, turn: int) -> int:
        """Wait for room in the playout; a stale turn has all the room in the world, for nothing."""
        while turn == self.playout.turn:
            free = self.playout.room(self._desk.clock())
            if free >= self._frame:
                return free
            self._room = trio.Event()
            await self._room.wait()
        await trio.lowlevel.checkpoint()
        return self.format.second

    def _wake(self) -> None:
        self._room.set()
