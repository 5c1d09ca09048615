"""The media actor: the line's life, the caller's audio to the gate and the ear, and the beat of the agent's audio.

`hear` is called for each message of the line and `tick` for each beat of the metronome; neither waits, and between
the frame that proves speech and the queued `clear` nothing else runs. The end of the line is the end of the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from parlance.actors.media.courier import PROPER, Courier
from parlance.actors.media.gate import Gate, Verdict
from parlance.actors.media.outgoing import Outgoing
from parlance.actors.media.pace import Pace
from parlance.actors.media.playout import Playout
from parlance.actors.media.port import Digit, Marked, Message, Signal, Socket, Started, Stopped, Wire
from parlance.codecs import tone
from parlance.codecs.pcm import Framer
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import LineError, LineGone, Stalled
from parlance.engine.roles import Desk

PAUSED = 0.5
"""Seconds without a frame after which a caller who was speaking counts as silent: carriers may suppress silence."""
STORE = 0.4
"""Seconds of the agent's audio that wait here for their time: what a voice that falters may fall behind."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a line may do before its call ends.

    `silence`: seconds without any audio; `faults`: bad messages; `lead`: seconds of audio sent ahead of the ear;
    `reconnect`: seconds that a socket which was dropped is waited for (0: its end is the call's).
    """

    faults: int = 10
    silence: float = 30.0
    lead: float = 0.3
    reconnect: float = 0.0


async def _nowhere(_: str) -> None:
    """The order of a line that nobody can transfer."""
    await trio.lowlevel.checkpoint()


class MediaActor(Outgoing):
    """One call's line. `feed` takes every frame of the caller, in the line's format.

    `early`: audio comes before the call is answered; it is taken for a sign of life and nothing else, until
    `answered()`. `onward`: what connects the caller with a number where the wire has no message for it.
    """

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
        early: bool = False,
        onward: Callable[[str], Awaitable[None]] = _nowhere,
    ) -> None:
        playout = Playout(
            wire.format,
            lead=bounds.lead,
            batch=wire.batch,
            marks=wire.marks,
            clears=wire.clear() is not None,
            store=STORE,
        )
        courier = Courier(wire, socket, patience=bounds.reconnect, names=names)
        super().__init__(wire.format, playout, courier, desk)
        self.gate = gate
        self.prepared = prepared
        self.faults = 0
        self._feed, self._bounds, self._onward = feed, bounds, onward
        self._pace = Pace(wire.format.second)
        self._tones = None if wire.digits else tone.Detector(wire.format)
        self._framer = Framer(wire.format.frame)
        self._frame = wire.format.frame
        # A speaker is woken for half of the store at a time.
        self._enough = int(STORE / 2 * wire.format.rate) * wire.format.width
        self._room = trio.Event()
        self._early = early
        self._ready = False
        """The line is up: `run` has begun."""
        self._code, self._reason = 1000, ""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry the line until it ends; then say goodbye in the line's own way."""
        try:
            self._greet()
            self._ready = True
            task_status.started()
            self._desk.happen(m.Up() if self._early else m.Answered())
            while await self._carried():
                pass
        finally:
            try:
                if number := self._desk.onward:
                    self._desk.note(t.Transferred(number, await self._courier.onward(number, self._onward)))
            finally:
                await self._courier.leave(self._code, self._reason or self._desk.reason)

    async def _carried(self) -> bool:
        """Carry one socket to its end. Whether there is another one now."""
        try:
            await self._courier.socket.listen(self.hear)
        except LineGone as gone:
            if self._over or self._desk.reason or not self._courier.hopes(gone):
                self._left(gone)
                return False
            self._courier.lost()
            # Also if time stands still already, for a caller on hold.
            self._stop()
            self._desk.note(t.LineLost(str(gone)))
            self._desk.happen(m.Lost(str(gone)))
            if await self._courier.successor():
                return True
            self._left(gone)
        return False

    def _left(self, gone: LineGone) -> None:
        proper = gone.code in PROPER
        self._end(str(gone), m.How.COMPLETED, gone.code or 1000, m.By.CALLER if proper else m.By.CARRIER)

    # ------------------------------------------------------------------------------- asked from outside

    @property
    def waiting(self) -> bool:
        """Whether a successor of a dropped socket is waited for."""
        return self._courier.waiting

    def rejoin(self, wire: Wire, socket: Socket) -> bool:
        """Take this socket, which has said that it is this call's, for the one that was dropped. From then on it is the
        call's to close. False if nobody waits for it. Raises `LineError` (1003) for audio in another format.
        """
        if not self._courier.waiting:
            return False
        if wire.format != self.format:
            ours = f"{self.format.encoding} at {self.format.rate} Hz"
            raise LineError(f"this call's audio is {ours}, and cannot change", fatal=True, code=1003)
        self.faults, self._pace = 0, Pace(self.format.second)
        self._pace.last = self._desk.clock()
        self._framer.flush()
        self._desk.note(t.LineBack(round(self._courier.take(wire, socket), 3)))
        self._greet()
        self._desk.happen(m.Back())
        return True

    def answered(self) -> None:
        """The other side has picked up: what was early audio is the call's from now on."""
        if not self._early:
            return
        self._early = False
        self._pace.last = self._desk.clock()
        if self._ready:
            self._desk.happen(m.Answered())

    # ------------------------------------------------------------------------------ from the caller

    def hear(self, data: Message) -> None:
        """One message of the line. After the line's end, whatever may still come of it is nobody's."""
        if self._over:
            return
        try:
            heard = self._courier.wire.receive(data)
            if isinstance(heard, bytes):
                self._audio(heard)
            else:
                self._pace.signal(self._desk.clock())
                if heard is not None:
                    self._signal(heard)
        except LineError as error:
            self._fault(error)

    def _audio(self, audio: bytes) -> None:
        now = self._desk.clock()
        self._pace.audio(len(audio), now)
        if self._frozen or self._early:
            return
        if len(audio) == self._frame and not self._framer.rest:
            self._judge(audio, now)
            return
        for frame in self._framer.feed(audio):
            self._judge(frame, now)

    def _judge(self, frame: bytes, now: float) -> None:
        self._feed(frame)
        if self._tones is not None and now > self._echoes:
            for digit in self._tones.feed(frame):
                self._desk.pressed(digit)
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
                self._desk.pressed(digit)
            case Stopped(reason):
                self._end(reason, m.How.COMPLETED, by=m.By.CALLER)
            case Started():
                raise LineError("the call was started twice", fatal=True, code=1008)

    def _fault(self, error: LineError) -> None:
        self.faults += 1
        self._desk.note(t.LineFault(str(error), self.faults))
        for message in self._courier.wire.complaint(str(error), code="bad_message", retry=not error.fatal):
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
        if not playout.turn or self._over or self._frozen:
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

    def _watch(self, now: float) -> None:
        """What a line does by doing nothing."""
        quiet = now - self._pace.last
        if quiet > PAUSED and self.gate.close() is Verdict.ENDED:
            self._desk.voice_ended(self.gate.ended)
        if quiet > self._bounds.silence and not (self._over or self._frozen or self._early):
            self._end(f"no audio from the line for {self._bounds.silence:g} s", m.How.FAILED, 1008)

    def freeze(self) -> None:
        super().freeze()
        if self.gate.close() is Verdict.ENDED:
            self._desk.voice_ended(self.gate.ended)

    def thaw(self) -> None:
        super().thaw()
        self._pace.last = self._desk.clock()

    def _alive(self) -> float:
        return self._pace.alive

    def _greet(self) -> None:
        for message in self._courier.hello():
            self._send(message)

    def _send(self, message: Message) -> None:
        try:
            self._courier.send(message)
        except Stalled as stalled:
            self._end(str(stalled), m.How.FAILED, 1008)

    def _end(self, reason: str, how: m.How, code: int = 1000, by: m.By = m.By.CARRIER) -> None:
        if self._over:
            return
        self._over = True
        self._code, self._reason = code, reason
        self._desk.happen(m.Gone(reason, how, by))

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
