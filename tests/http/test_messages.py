"""The lane past the protocol: whatever comes, and however it is cut, it makes no difference but for the time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from parlance.actors.media.port import Message
from parlance.http.messages import UTF8, Messages

LIMIT = 1000


class Side:
    """One socket's messages; `lane` is whether it may pass the protocol by."""

    def __init__(self, *, lane: bool) -> None:
        self.told: list[Message] = []
        self.messages = Messages(ServerProtocol(state=OPEN, max_size=LIMIT), "peer:1", self.told.append)
        self.messages._theirs = not lane
        self.sent = b""

    def feed(self, data: bytes, chunk: int) -> None:
        for at in range(0, len(data), chunk):
            self.messages.feed(data[at : at + chunk])
            self.sent += b"".join(self.messages.outgoing())

    @property
    def end(self) -> tuple[int | None, bool]:
        gone = self.messages.gone
        return (None if gone is None else gone.code), self.messages.over


payloads = st.one_of(
    st.binary(max_size=200), st.text(max_size=100).map(str.encode), st.sampled_from([b"x" * 999, b"x" * 1001])
)
frames = st.builds(
    lambda opcode, data, fin, mask: Frame(opcode, data, fin).serialize(mask=mask),
    st.sampled_from([Opcode.TEXT, Opcode.TEXT, Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    payloads,
    st.booleans() | st.just(True),
    st.sampled_from([True] * 9 + [False]),
)
control = st.builds(
    lambda opcode, data: Frame(opcode, data).serialize(mask=True),
    st.sampled_from([Opcode.PING, Opcode.PONG]),
    st.binary(max_size=125),
)
closes = st.builds(
    lambda code: Frame(Opcode.CLOSE, code.to_bytes(2, "big") + b"bye").serialize(mask=True), st.integers(999, 5000)
)
rubbish = st.binary(min_size=1, max_size=20)


@settings(max_examples=400, deadline=None)
@given(
    parts=st.lists(st.one_of(frames, frames, frames, control, closes, rubbish), max_size=8), chunk=st.integers(1, 400)
)
def test_the_lane_makes_no_difference(parts: list[bytes], chunk: int) -> None:
    with_lane, without = Side(lane=True), Side(lane=False)
    stream = b"".join(parts)
    with_lane.feed(stream, chunk)
    without.feed(stream, chunk)
    assert with_lane.told == without.told
    assert with_lane.end[0] == without.end[0]
    if with_lane.end[0] != UTF8:
        # What comes in one segment with a broken text the protocol still looks at, and the lane does not.
        assert with_lane.end == without.end
        assert with_lane.sent == without.sent


def test_the_lane_is_taken() -> None:
    side = Side(lane=True)
    side.messages._parse = lambda data: pytest.fail("the protocol was asked")  # type: ignore[method-assign]
    short, long = "hello", "x" * 400
    side.feed(b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in (short, long, short)), 100)
    assert side.told == [short, long, short]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 999, 1000])
def test_every_length_that_is_allowed_arrives(length: int) -> None:
    side = Side(lane=True)
    side.feed(Frame(Opcode.TEXT, b"x" * length).serialize(mask=True), 7)
    assert side.told == ["x" * length]


def test_nothing_is_said_to_who_has_said_goodbye() -> None:
    side = Side(lane=True)
    bye = Frame(Opcode.CLOSE, int(CloseCode.NORMAL_CLOSURE).to_bytes(2, "big")).serialize(mask=True)
    side.feed(bye + Frame(Opcode.TEXT, b"more").serialize(mask=True), 1000)
    assert side.told == []
    assert side.end == (1000, True)
    assert not side.messages.open
