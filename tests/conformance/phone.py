"""A carrier's phone: a real client on a real socket, that speaks one dialect.

It sends a frame of 20 ms for every 20 ms of an absolute clock, plays what it gets at the pace of an ear, and does
what its carrier would: it throws away what it is told to, and echoes marks when their time has come.
"""

from __future__ import annotations

import socket as sockets
import struct
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import trio
from ear import Ear
from links import Link
from stage import speech

from bench.dialects.asterisk import identity
from bench.dialects.port import Audio, Clear, Dialect, Mark, Message, Other, Ring, Told, Unspoken
from parlance.codecs import tone
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE, Format

BEAT = 0.02
T = TypeVar("T", bound=Told)


@cache
def voiced(seconds: float, line: Format) -> tuple[bytes, ...]:
    """Somebody speaking, in frames."""
    return frames(convert(speech(seconds), TELEPHONE, line), line)


def frames(audio: bytes, line: Format) -> tuple[bytes, ...]:
    audio += line.silence * (-len(audio) % line.frame // line.width)
    return tuple(audio[at : at + line.frame] for at in range(0, len(audio), line.frame))


class Phone:
    """One call. `dial` it, and it lives in the nursery until the line is down."""

    def __init__(self, dialect: Dialect, ring: Ring) -> None:
        self.dialect, self.ring = dialect, ring
        self.id = str(identity(ring.call)) if dialect.stream else ring.call
        """As parlance knows the call."""
        self.line = dialect.format
        self.ear = Ear(self.line)
        self.told: list[tuple[float, Told]] = []
        """What parlance has sent, audio apart, and when it came; of audio all that came is in `arrived`."""
        self.arrived: list[tuple[float, int]] = []
        """When audio came, and how many bytes."""
        self.unspoken: list[str] = []
        self.onset = 0.0
        """When the first frame was sent of what is or was last being said."""
        self.offset = 0.0
        """When the last one was."""
        self.silent = True
        """Send silence when nothing is said."""
        self.talks = True
        """The mouth is open: if not, nothing is sent at all, and what is said waits."""
        self.sent = 0
        """Frames sent."""
        self.place = 0
        """Frames for which there was time."""
        self.down = trio.Event()
        """The line is down; `code` and `reason` say how."""
        self.code: int | None = None
        self.reason = ""
        self.swaps: set[int] = set()
        """Places whose frames are sent after the next one."""
        self.loses: set[int] = set()
        """Places whose frames are lost."""
        self._kept: list[Message] = []
        self._mouth: deque[bytes] = deque()
        self._marks: deque[tuple[float, str]] = deque()
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self.link: Link

    def serve(self, link: Link, nursery: trio.Nursery) -> None:
        """Begin: the socket is open, and the dialect has said its hello."""
        self.link = link
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._talk)
                    nursery.start_soon(self._echo)
                    await self._listen()
                    nursery.cancel_scope.cancel()
        finally:
            self.down.set()
            # However it ended: a phone keeps no socket.
            await trio.aclose_forcefully(self.link.stream)

    # ------------------------------------------------------------------------------------------- mouth

    async def _talk(self) -> None:
        begin, beat = trio.current_time(), 0
        silence = self.line.silence * (self.line.frame // self.line.width)
        while True:
            await trio.sleep_until(begin + beat * BEAT)
            beat += 1
            if not self.talks:
                continue
            late = 1 + self._owed
            self._owed = 0
            for _ in range(late):
                await self._frame(silence)

    _owed = 0

    async def _frame(self, silence: bytes) -> None:
        speaking = bool(self._mouth)
        place, self.place = self.place, self.place + 1
        if not speaking and not self.silent:
            return
        payload = self._mouth.popleft() if speaking else silence
        if speaking and payload is _FIRST:
            self.onset = trio.current_time()
            payload = self._mouth.popleft()
        message = self.dialect.media(place, payload)
        if place in self.swaps:
            self._kept.append(message)
        else:
            for one in ([] if place in self.loses else [message]) + self._kept:
                await self.link.send(one)
            self._kept.clear()
        self.sent += 1
        if speaking:
            self.offset = trio.current_time()

    def say(self, seconds: float) -> None:
        """Speak for so long, after whatever is being said."""
        self._mouth += (_FIRST, *voiced(seconds, self.line))

    def sound(self, audio: bytes) -> None:
        """Make this sound, in the line's format."""
        self._mouth += (_FIRST, *frames(audio, self.line))

    def stall(self, seconds: float) -> Callable[[], None]:
        """Send nothing; what is returned sends what is owed at once."""
        self.talks = False

        def resume() -> None:
            self._owed = round(seconds / BEAT)
            self.talks = True

        return resume

    async def said(self) -> None:
        """Until everything has been said."""
        while self._mouth and not self.down.is_set():
            await trio.sleep(BEAT / 2)

    async def press(self, digits: str) -> None:
        """By message where the dialect has one, else as tones."""
        for digit in digits:
            messages = self.dialect.digit(digit)
            for message in messages:
                await self.link.send(message)
            if not messages:
                self.sound(tone.keys(digit, self.line))
        await self.said()

    # --------------------------------------------------------------------------------------------- ear

    async def _listen(self) -> None:
        while (message := await self.link.receive()) is not None:
            now = trio.current_time()
            self._take(message, now)
            for answer in self._answers:
                await self.link.send(answer)
            self._answers.clear()
        self.code, self.reason = self.link.code, self.link.reason

    _answers: list[Message]

    def _take(self, message: Message, now: float) -> None:
        self._answers = []
        try:
            understood = self.dialect.read(message)
        except Unspoken as unspoken:
            self.unspoken.append(str(unspoken))
            return
        for told in understood:
            if isinstance(told, Audio):
                self.arrived.append((now, len(told.payload)))
                self.ear.play(told.payload, now)
                continue
            self.told.append((now, told))
            if isinstance(told, Other) and told.what.startswith("session "):
                self.id = told.what.removeprefix("session ")
            if isinstance(told, Mark):
                self._marks.append((max(now, self.ear.end), told.name))
                self._wake.set()
            elif isinstance(told, Clear):
                self.ear.clear(now)
                # What was reached before is echoed by its own time.
                overtaken = [name for due, name in self._marks if due > now]
                self._marks = deque((due, name) for due, name in self._marks if due <= now)
                self._answers += self.dialect.cleared()
                if self.dialect.echoes:
                    self._answers += [self.dialect.mark(name) for name in overtaken]

    async def _echo(self) -> None:
        while True:
            self._wake = trio.Event()
            with trio.move_on_at(self._marks[0][0] if self._marks else float("inf")):
                await self._wake.wait()
            while self._marks and self._marks[0][0] <= trio.current_time():
                await self.link.send(self.dialect.mark(self._marks.popleft()[1]))

    def all(self, kind: type[T]) -> list[tuple[float, T]]:
        return [(at, told) for at, told in self.told if isinstance(told, kind)]

    async def until(self, condition: Callable[[], object], within: float = 5.0) -> None:
        """Wait for something at the far end of a real socket, which has no event here to wait for."""
        with trio.move_on_after(within) as scope:
            while not condition():
                await trio.sleep(0.005)
        assert not scope.cancelled_caught, f"{self.dialect.name}: waited {within:g} s for nothing"

    async def hears(self, seconds: float = BEAT, within: float = 5.0) -> float:
        """Until the ear has begun to play a reply and heard so much of it. When it began."""
        before = len(self.ear.pieces)
        await self.until(lambda: len(self.ear.pieces) > before, within)
        start = self.ear.pieces[before].start
        await self.until(lambda: self.ear.seconds(start, trio.current_time()) >= seconds, within)
        return start

    async def silence(self, seconds: float = 0.4, within: float = 8.0) -> None:
        """Until the ear has heard nothing for so long."""
        await self.until(lambda: trio.current_time() - self.ear.end >= seconds, within)

    # ------------------------------------------------------------------------------------------- ends

    async def hang_up(self) -> None:
        """As this carrier does: with its word for it, or by closing."""
        for message in self.dialect.stop(self.ring):
            await self.link.send(message)
        if not self.dialect.stops:
            await self.link.close()
        await self.over()

    async def over(self, within: float = 5.0) -> None:
        """Until the line is down."""
        with trio.move_on_after(within) as scope:
            await self.down.wait()
        assert not scope.cancelled_caught, f"{self.dialect.name}: the line stays up"

    async def cut(self) -> None:
        """A reset: the network is gone."""
        stream = self.link.stream
        stream.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self._scope.cancel()
        await trio.aclose_forcefully(stream)
        await self.down.wait()


_FIRST = b"the first frame of what is said comes next"
