"""The agent's half of the media actor: a reply's audio from the voice to the playout, and from there to the line.

Playing stops for two reasons that know nothing of each other: the state machine holds a reply because the caller
speaks, and time stands still because the line is lost or the caller is on hold. It goes on when neither is left. Pure.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from parlance.actors.media.courier import Courier
from parlance.actors.media.playout import Playout
from parlance.actors.media.port import Message
from parlance.codecs import tone
from parlance.codecs.format import Format
from parlance.engine import trace as t
from parlance.engine.roles import Desk, Heard

SIGN = 0.1
"""Seconds between two signs of life of a good line at the most: so long after the last one it may still have lived."""
ECHO = 0.3
"""Seconds for which the tones of our own keys may come back after the last of them: from a telephone's hybrid, and
through a network."""


class Outgoing(ABC):
    """What the call and the speaker ask of the line."""

    def __init__(self, line: Format, playout: Playout, courier: Courier, desk: Desk) -> None:
        self.format = line
        self.playout = playout
        self._courier, self._desk = courier, desk
        self._audible = 0
        """The turn of which the last frame was sent."""
        self._held = False
        """The state machine wants the playing stopped."""
        self._frozen = False
        """Time stands still."""
        self._over = False
        """The line has ended."""
        self._muted = False
        """The operator wants the agent muted, also in turns to come."""
        self._keying = -1
        """The last turn that sounds keys: an operator's keys are no words of the agent's, and are never muted."""
        self._echoes = -1.0
        """Until when tones on the line may be the echo of our own."""

    @abstractmethod
    def _send(self, message: Message) -> None:
        """To the other side, or to nobody: a line that stalls ends the call."""

    @abstractmethod
    def _alive(self) -> float:
        """When the other side last sent anything: what was sent to it long after that went to nobody."""

    @abstractmethod
    def _wake(self) -> None:
        """Whoever waits for room is to look again."""

    # ------------------------------------------------------------------------------- from the call

    def stage(self, turn: int) -> None:
        self.playout.stage(turn)
        self.playout.mute(self._muted, self._desk.clock())
        self._held = False
        if self._frozen:
            self.playout.hold(self._desk.clock())
        self._wake()

    def play(self, turn: int, text: str, audio: bytes) -> None:
        self.phrase(turn, text)
        self.add(turn, audio)
        self.turn_done(turn)

    def keys(self, turn: int, digits: str) -> None:
        self._keying, self._echoes = turn, math.inf
        self.playout.mute(False, self._desk.clock())
        self.play(turn, "", tone.keys(digits, self.format))

    def press(self, digits: str) -> bool:
        # What a lost line is told is told to nobody: as tones the keys wait until it is back.
        messages = None if self._courier.waiting else self._courier.wire.press(digits)
        if messages is None:
            return False
        for message in messages:
            self._send(message)
        return True

    def hold(self) -> None:
        if self.playout.turn:
            self._held = True
            self._stop()

    def release(self) -> None:
        self._held = False
        if not self._frozen:
            self.playout.release()

    def freeze(self) -> None:
        self._frozen = True
        self._stop()

    def thaw(self) -> None:
        self._frozen = False
        if not self._held:
            self.playout.release()

    def _stop(self) -> None:
        """Stop playing. What was on its way on a line that is lost was not heard, whether it can be cleared or not.

        A line may die long before its socket does: what was sent after its last sign of life is played again. On a line
        that suppresses silence and echoes no marks that may repeat what was heard, which is the lesser evil.
        """
        lost = self._courier.waiting
        if not self.playout.turn or (self.playout.held and not lost):
            return
        now = self._desk.clock()
        self.playout.hold(min(now, self._alive() + SIGN) if lost else now, lost=lost)
        self._clear()

    def mute(self, on: bool) -> None:
        self._muted = on
        if self.playout.turn != self._keying and self.playout.mute(on, self._desk.clock()):
            self._clear()

    def finish(self, turn: int) -> Heard:
        if turn != self.playout.turn:
            return Heard("", 0.0, False)
        unheard = not self.playout.held and not self.playout.played(self._desk.clock())
        heard = self.playout.finish(self._desk.clock())
        if turn == self._keying:
            self._echoes = self._desk.clock() + ECHO
        if unheard:
            self._clear()
        self._wake()
        return heard

    def announce(self, record: t.Record) -> None:
        """Tell the line's other side what its dialect tells of an event."""
        for message in self._courier.wire.announce(record.event):
            self._send(message)

    # ---------------------------------------------------------------------------- from the speaker

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

    def timed(self, turn: int, times: tuple[tuple[int, float], ...]) -> None:
        if turn == self.playout.turn:
            self.playout.timed(times)

    def phrase_done(self, turn: int) -> None:
        if turn == self.playout.turn:
            self.playout.phrase_done()

    def turn_done(self, turn: int) -> None:
        if turn == self.playout.turn:
            self.playout.complete()
            mark = None if self.playout.held else self.playout.last()
            if mark is not None and (request := self._courier.wire.mark(mark)) is not None:
                self._send(request)

    def retake(self, turn: int) -> str:
        return self.playout.retake() if turn == self.playout.turn else ""

    # --------------------------------------------------------------------------------- to the line

    def _pour(self, now: float) -> None:
        """Send what is due."""
        playout = self.playout
        while (due := playout.due(now)) is not None:
            payload, mark = due
            if (message := self._courier.wire.audio(payload)) is not None:
                self._send(message)
            if mark is not None and (request := self._courier.wire.mark(mark)) is not None:
                self._send(request)
            if self._audible != playout.turn:
                self._audible = playout.turn
                self._desk.first_frame(playout.turn)

    def _clear(self) -> None:
        if (message := self._courier.wire.clear()) is not None:
            self._send(message)
