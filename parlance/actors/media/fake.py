"""A carrier without a network: the far end of a line, for tests, for `parlance call` and for anyone's experiments.

`FakeLine` is both ends' socket and the far end's telephone: it plays what it is sent at the pace of the ear, echoes
marks when they are reached, obeys `clear`, and says what its caller says, one 20 ms frame a beat. What the ear heard
and what the mouth said go to two taps, aligned to the sample. It is a member of the metronome, like a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio

from parlance.actors.media.port import Digit, Marked, Message, Signal, Started, Stopped
from parlance.codecs.format import FRAME_MS, TELEPHONE, Format
from parlance.engine.errors import LineError, LineGone, Stalled
from parlance.engine.trace import TraceEvent

BEAT = FRAME_MS / 1000
Tap = Callable[[int, bytes], None]


class FakeWire:
    """The simplest dialect: audio is bytes, everything else is `verb argument` as text. `carrier`: for records."""

    def __init__(
        self,
        line: Format = TELEPHONE,
        *,
        marks: bool = True,
        clears: bool = True,
        batch: float = 0.06,
        carrier: str = "fake",
        digits: bool = True,
        early: bool = False,
        presses: bool = False,
        transfers: bool = False,
    ) -> None:
        self.carrier = carrier
        self.format = line
        self.marks = marks
        self.batch = batch
        self.digits, self.early = digits, early
        self._clears, self._presses, self._transfers = clears, presses, transfers

    def receive(self, data: Message) -> bytes | Signal | None:
        if isinstance(data, bytes):
            return data
        verb, _, argument = data.partition(" ")
        match verb:
            case "mark":
                return Marked(argument)
            case "digit":
                return Digit(argument)
            case "start":
                return Started(agent=argument)
            case "stop":
                return Stopped(argument or "caller hung up")
        raise LineError(f"unknown verb {verb[:20]!r}")

    def hello(self, call: str, agent: str) -> Sequence[Message]:
        return ()

    def audio(self, payload: bytes) -> Message:
        return payload

    def mark(self, name: str) -> Message | None:
        return f"mark {name}" if self.marks else None

    def clear(self) -> Message | None:
        return "clear" if self._clears else None

    def press(self, digits: str) -> Sequence[Message] | None:
        return (f"press {digits}",) if self._presses else None

    def transfer(self, number: str) -> Sequence[Message] | None:
        return (f"transfer {number}",) if self._transfers else None

    def announce(self, event: TraceEvent) -> Sequence[Message]:
        return ()

    def complaint(self, error: str, *, code: str, retry: bool) -> Sequence[Message]:
        return (f"error {code}",)

    def goodbye(self, reason: str) -> Sequence[Message]:
        return (f"bye {reason}",)


class FakeLine:
    """The far end. `ear`, `mouth`: taps called with (sample position, audio) in the line's format."""

    peer = "fake"

    def __init__(self, line: Format = TELEPHONE, *, ear: Tap | None = None, mouth: Tap | None = None) -> None:
        self.format = line
        self.reads = True
        """False: the far end stops reading, as a hung client does."""
        self.closed: tuple[int, str] | None = None
        self.sent: list[str] = []
        """Text messages from the call, in order."""
        self.on_end: Callable[[], None] | None = None
        """Called when everything there was to say has been said."""
        self._ear, self._mouth = ear, mouth
        self._speech: deque[bytes] = deque()
        self._buffer: deque[bytes | str] = deque()
        self._position = 0
        self._epoch: float | None = None
        self._hear: Callable[[Message], None] | None = None
        self._inbox: deque[Message] = deque()
        self._news = trio.Event()
        self._gone: Exception | None = None
        self._silence = line.silence * (line.frame // line.width)
        self._unread = 0

    # ------------------------------------------------------------------------------- the caller's part

    def say(self, audio: bytes) -> None:
        """Say this (in the line's format) after what is being said."""
        frame = self.format.frame
        self._speech.extend(
            audio[i : i + frame].ljust(frame, self.format.silence[:1]) for i in range(0, len(audio), frame)
        )

    def tell(self, message: Message) -> None:
        """Send this message to the call now."""
        if self._hear is not None:
            self._hear(message)
        else:
            self._inbox.append(message)
            self._news.set()

    def vanish(self, reason: str = "the line was dropped", code: int | None = None) -> None:
        """Go, without a word."""
        self._gone = LineGone(reason, code=code)
        self._news.set()

    def tick(self, now: float) -> None:
        """Play and say everything up to `now`: after a late beat, several frames."""
        if self._epoch is None:
            self._epoch = now
        while not self._gone and self._epoch + (self._position // self._step) * BEAT <= now + 1e-6:
            self._beat()

    def fail(self, error: Exception) -> None:
        """A fault in the call's frame path, met while it heard us."""
        self._gone = error
        self._news.set()

    @property
    def _step(self) -> int:
        return self.format.frame // self.format.width

    def _beat(self) -> None:
        spoken = self._speech.popleft() if self._speech else self._silence
        heard = self._play()
        if self._mouth is not None:
            self._mouth(self._position, spoken)
        if self._ear is not None:
            self._ear(self._position, heard)
        self._position += self._step
        self.tell(spoken)
        if not self._speech and self.on_end is not None:
            end, self.on_end = self.on_end, None
            end()

    def _play(self) -> bytes:
        need, played = self.format.frame, b""
        while self._buffer:
            head = self._buffer[0]
            if isinstance(head, str):
                self._buffer.popleft()
                self.tell(f"mark {head}")
            elif need:
                self._buffer.popleft()
                played += head[:need]
                if len(head) > need:
                    self._buffer.appendleft(head[need:])
                need = self.format.frame - len(played)
            else:
                break
        return played + self._silence[: self.format.frame - len(played)]

    # ---------------------------------------------------------------------------- the call's socket

    async def receive(self) -> Message:
        while not self._inbox:
            if self._gone is not None:
                raise self._gone
            self._news = trio.Event()
            await self._news.wait()
        return self._inbox.popleft()

    async def listen(self, hear: Callable[[Message], None]) -> None:
        self._hear = hear
        while self._inbox:
            hear(self._inbox.popleft())
        while self._gone is None:
            self._news = trio.Event()
            await self._news.wait()
        raise self._gone

    def send(self, data: Message) -> None:
        if self._gone is not None or self.closed is not None:
            return
        if not self.reads:
            self._unread += 1
            if self._unread > 50:
                raise Stalled("the other side does not read")
            return
        if isinstance(data, bytes):
            self._buffer.append(data)
            return
        self.sent.append(data)
        verb, _, argument = data.partition(" ")
        if verb == "mark":
            self._buffer.append(argument)
        elif verb == "clear":
            marks = [item for item in self._buffer if isinstance(item, str)]
            self._buffer.clear()
            for name in marks:
                self.tell(f"mark {name}")

    def drop(self) -> None:
        """Nothing: there is nothing to cut."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()
        if self.closed is None:
            self.closed = (code, reason)
            self._gone = self._gone or LineGone("closed", code=code)
            self._news.set()
