"""What a media actor's tests stand on: a call and a socket that write down what they are told, and time that passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parlance.actors.media.actor import Bounds, MediaActor
from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.media.gate import Gate
from parlance.actors.media.port import Message
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import Stalled

FRAME = TELEPHONE.frame
SILENT = b"\xff" * FRAME
BEAT = 0.02


class Desk:
    """A call that does nothing."""

    reason = ""
    onward = ""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[Any] = []
        self.happened: list[m.Event] = []
        self.on_first_frame: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def happen(self, event: m.Event) -> None:
        self.happened.append(event)

    def note(self, event: t.TraceEvent) -> None:
        self.told.append(event)

    def voice_began(self, at: float) -> None:
        self.told.append(("began", round(at, 6)))

    def voice_ended(self, at: float) -> None:
        self.told.append(("ended", round(at, 6)))

    def pressed(self, digit: str) -> None:
        self.told.append(t.DigitPressed(digit))

    def words(self, text: str, utterance: int) -> None:
        raise AssertionError("media knows no words")

    said = unheard = act = words

    def first_frame(self, turn: int) -> None:
        self.told.append(("first frame", turn))
        self.on_first_frame()

    def all(self, kind: type) -> list[Any]:
        return [event for event in (*self.told, *self.happened) if isinstance(event, kind)]


class Socket(FakeLine):
    """A line that writes down what it is sent, and may stall."""

    stalled = False

    def __init__(self, line: Format = TELEPHONE) -> None:
        super().__init__(line)
        self.got: list[Message] = []

    def send(self, data: Message) -> None:
        if self.stalled:
            raise Stalled("nobody reads")
        self.got.append(data)

    def texts(self) -> list[str]:
        return [data for data in self.got if isinstance(data, str)]

    def audio(self) -> bytes:
        return b"".join(data for data in self.got if isinstance(data, bytes))


class House:
    """A media actor with everything around it."""

    def __init__(self, wire: FakeWire | None = None, **bounds: Any) -> None:
        self.desk = Desk()
        self.wire = wire or FakeWire()
        self.socket = Socket(self.wire.format)
        self.fed: list[bytes] = []
        self.media = MediaActor(
            self.wire, self.socket, self.desk, self.fed.append, gate=Gate(self.wire.format), bounds=Bounds(**bounds)
        )

    def tick(self, count: int = 1) -> None:
        """`count` beats, each of which echoes the marks of what was played by then: a line without delay."""
        for _ in range(count):
            self.desk.now += BEAT
            self.media.tick(self.desk.now)

    def hear(self, *messages: Message) -> None:
        for message in messages:
            self.media.hear(message)

    def talk(self, audio: bytes) -> None:
        """Audio at its own pace, with a tick after each frame."""
        for at in range(0, len(audio), FRAME):
            self.desk.now += BEAT
            self.media.hear(audio[at : at + FRAME])
            self.media.tick(self.desk.now)

    def gone(self) -> m.Gone:
        (gone,) = self.desk.all(m.Gone)
        assert isinstance(gone, m.Gone)
        return gone
