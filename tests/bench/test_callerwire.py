"""The bytes of a caller's side, and what its ear does with the other side's."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
import wsproto
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from bench.callers import wire
from bench.callers.ear import Ear
from bench.measure.record import Record
from parlance.actors.media.port import Marked, Started, Stopped
from parlance.actors.media.twilio import Twilio


def test_a_twilio_server_understands_the_messages() -> None:
    server, twilio = wsproto.Connection(wsproto.ConnectionType.SERVER), Twilio()
    payload = bytes(range(160))
    for message in (wire.connected(), wire.start("CA1", "rehearsal"), wire.media(4, payload)):
        server.receive_data(message)
    server.receive_data(wire.mark(9, "p1") + wire.stop(10, "CA1") + wire.closing())
    *texts, close = list(server.events())
    assert isinstance(close, CloseConnection)
    heard = [twilio.receive(text.data) for text in texts if isinstance(text, TextMessage)]
    assert heard[0] is None
    assert isinstance(heard[1], Started)
    assert (heard[1].agent, heard[1].call) == ("rehearsal", "CA1")
    assert heard[2:] == [payload, Marked("p1"), Stopped("hung up")]
    media = json.loads(texts[2].data)
    assert media["sequenceNumber"] == "6"
    assert (media["media"]["chunk"], media["media"]["timestamp"]) == ("5", "80")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_of_every_length(size: int) -> None:
    server = wsproto.Connection(wsproto.ConnectionType.SERVER)
    server.receive_data(wire.frame(wire.BINARY, bytes(size)))
    assert sum(len(event.data) for event in server.events() if isinstance(event, BytesMessage)) == size


@given(cuts=st.lists(st.integers(1, 400), max_size=30))
def test_the_inbox_reads_frames_in_whatever_pieces(cuts: list[int]) -> None:
    server = wsproto.Connection(wsproto.ConnectionType.SERVER)
    stream = b"".join(
        server.send(event)
        for event in (
            TextMessage("one"),
            TextMessage("two, " * 60, message_finished=False),
            Ping(b"still there?"),
            TextMessage("and its end"),
            TextMessage("x" * 70_000),
            BytesMessage(b"noise"),
            CloseConnection(1013, "all lines are taken"),
        )
    )
    inbox, found, at = wire.Inbox(), [], 0
    for cut in cuts:
        found += inbox.feed(stream[at : at + cut])
        at += cut
    found += inbox.feed(stream[at:])
    assert [opcode for opcode, _ in found] == [wire.TEXT, wire.PING, wire.TEXT, wire.TEXT, wire.BINARY, wire.CLOSE]
    assert found[2][1] == b"two, " * 60 + b"and its end"
    assert wire.closed(found[-1][1]) == "1013 all lines are taken"


@pytest.mark.parametrize("data", [b"\x81\x85abcdefghi", b"\xc1\x01a", b"\x80\x01a", b"\x01\x01a\x81\x01b"])
def test_a_broken_frame_is_an_error(data: bytes) -> None:
    with pytest.raises(wire.BadAnswer):
        wire.Inbox().feed(data)


def test_the_handshake_is_checked() -> None:
    assert wire.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "RFC 6455, 1.3"
    good = f"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {wire.accept()}"
    assert wire.upgraded(good.encode()) == ""
    assert wire.upgraded(b"HTTP/1.1 503 Service Unavailable\r\nx: y") == "HTTP 503 Service Unavailable"
    assert "Accept" in wire.upgraded(b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: no")
    assert wire.upgraded(b"SSH-2.0-x").startswith("no HTTP")


# --------------------------------------------------------------------------------------------------- ear


def heard(seconds: float) -> bytes:
    return b64encode(bytes(round(seconds * 8000)))


def test_a_mark_is_due_when_all_audio_before_it_was_played() -> None:
    ear = Ear(record := Record(0, 0.0))
    ear.media(1.0, heard(0.1))
    ear.media(1.05, heard(0.1))
    assert ear.mark(1.06, "a") == pytest.approx(1.2)
    ear.media(1.07, heard(0.06))
    assert ear.mark(1.07, "b") == pytest.approx(1.26)
    assert ear.due(1.19) == []
    assert ear.due(1.201) == ["a"]
    assert ear.due(1.3) == ["b"]
    assert ear.mark(2.0, "c") == 2.0, "nothing is queued"
    assert ear.due(2.0) == ["c"]
    assert record.echoes == [(1.201, "a"), (1.3, "b"), (2.0, "c")]


def test_audio_after_a_pause_plays_when_it_arrives() -> None:
    ear = Ear(record := Record(0, 0.0))
    ear.media(1.0, heard(0.1))
    ear.media(1.5, heard(0.1))
    assert [begin for begin, *_ in record.pieces] == [1.0, 1.5]
    assert ear.until == pytest.approx(1.6)


def test_clear_empties_what_was_not_played_and_all_marks_are_due() -> None:
    ear = Ear(record := Record(0, 0.0))
    for number in range(4):
        ear.media(1.0, heard(0.1))
        ear.mark(1.0, f"m{number}")
    assert ear.due(1.11) == ["m0"]
    assert ear.clear(1.15) == ["m1", "m2", "m3"]
    assert ear.until == 1.15
    assert [count for _, _, count, _ in record.pieces] == [800, 400]
    assert record.clears == [1.15]
    assert ear.due(9.0) == []
    ear.media(1.2, heard(0.1))
    assert record.pieces[-1][0] == 1.2
