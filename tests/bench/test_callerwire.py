"""The bytes of a caller's side, and what its ear does with the other side's."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import wsproto
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from bench.callers import wire
from bench.callers.carrier import Carrier
from bench.callers.ear import Ear
from bench.callers.script import COUGH, SHORT, TURN
from bench.callers.speech import Speech, speech
from bench.dialects.port import Clear, Ring
from bench.measure.record import Record
from parlance.actors.media.acs.wire import Acs
from parlance.actors.media.port import Marked, Started, Stopped, Wire
from parlance.actors.media.ringover.wire import Ringover
from parlance.actors.media.twilio.wire import Twilio
from parlance.codecs import mulaw
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE

RING = Ring("CA1", "rehearsal", token="a token")


def read(stream: bytes) -> list[str | bytes]:
    """The messages in what a caller sends."""
    server = wsproto.Connection(wsproto.ConnectionType.SERVER)
    server.receive_data(stream)
    return [event.data for event in server.events() if isinstance(event, TextMessage | BytesMessage)]


def test_a_twilio_server_understands_the_messages() -> None:
    carrier, twilio = Carrier("twilio"), Twilio()
    payload = bytes(range(160))
    stream = carrier.hello(RING) + carrier.media(4, payload) + carrier.mark("p1") + carrier.stop(RING)
    messages = read(stream)
    heard = [twilio.receive(message) for message in messages]
    assert heard[0] is None
    assert isinstance(heard[1], Started)
    assert (heard[1].agent, heard[1].call, heard[1].ticket) == ("rehearsal", "CA1", "a token")
    assert heard[2:] == [payload, Marked("p1"), Stopped("hung up")]
    media = json.loads(messages[2])
    assert media["sequenceNumber"] == "6"
    assert (media["media"]["chunk"], media["media"]["timestamp"]) == ("5", "80")


@pytest.fixture(scope="module")
def said() -> Speech:
    return speech(TURN, SHORT, COUGH)


@pytest.mark.parametrize(
    ("name", "wire_of"),
    [("twilio", Twilio), ("ringover", Ringover), ("acs", lambda: Acs(Started(call="CA1")))],
)
def test_each_wire_hears_what_was_recorded_and_the_callers_hear_the_wire(
    said: Speech, name: str, wire_of: Callable[[], Wire]
) -> None:
    carrier, server = Carrier(name, said), wire_of()
    heard = [server.receive(message) for message in read(carrier.hello(RING))]
    assert isinstance(heard[-1], Started)
    clip = said.long[0]
    frames = [server.receive(message) for place in range(TURN) for message in read(carrier.media(place, clip[place]))]
    arrived = b"".join(frame for frame in frames if isinstance(frame, bytes))
    assert len(arrived) == TURN * server.format.frame
    # Once there and back, resampled twice: the same sound.
    back = np.frombuffer(mulaw.decode(convert(arrived, server.format, TELEPHONE)), "<i2").astype(float)
    first = np.frombuffer(mulaw.decode(b"".join(clip)), "<i2").astype(float)
    assert np.corrcoef(back, first)[0, 1] > 0.99

    told = server.audio(arrived[: 5 * server.format.frame])
    assert isinstance(told, str)
    coded = carrier.audio(told.encode())
    assert coded is not None
    assert carrier.samples(coded) == 800
    record = Record(0, 0.0, pieces=[(1.0, 1.0, 800, coded)])
    carrier.settle(record)
    (begin, _, count, settled), kept = record.pieces[0], b"".join(clip[:5])
    sounds = [np.frombuffer(mulaw.decode(one), "<i2").astype(float) for one in (b64decode(settled), kept)]
    assert (begin, count, len(sounds[0])) == (1.0, 800, 800)
    assert np.corrcoef(sounds[0], sounds[1])[0, 1] > 0.98

    clear = server.clear()
    assert isinstance(clear, str)
    assert carrier.audio(clear.encode()) is None
    assert carrier.told(clear.encode()) == [Clear()]


@pytest.mark.parametrize("name", ["twilio", "ringover", "acs"])
@pytest.mark.parametrize("message", [b"hello", b"{}", b"[]", b'{"event": "cleared"}', b"\xff"])
def test_what_the_carrier_would_not_understand_is_an_error(name: str, message: bytes) -> None:
    with pytest.raises(wire.BadAnswer):
        Carrier(name).told(message)


def test_the_handshake_is_the_dialects_unless_a_path_is_given() -> None:
    request = Carrier("ringover").request("x:1", "", RING).decode()
    assert request.startswith("GET /api/v1/media/ringover?token=a+token&agent=rehearsal HTTP/1.1\r\nHost: x:1\r\n")
    assert Carrier("ringover").request("x:1", "/media", RING).startswith(b"GET /media HTTP/1.1\r\n")
    signed = Carrier("acs").request("x:1", "", replace(RING, bearer="e.y.J"))
    assert b"\r\nAuthorization: Bearer e.y.J\r\nx-ms-call-connection-id: CA1\r\n" in signed
    assert signed.endswith(b"\r\n\r\n")


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


def hear(ear: Ear, at: float, seconds: float) -> None:
    count = round(seconds * 8000)
    ear.media(at, b64encode(bytes(count)), count)


def test_a_mark_is_due_when_all_audio_before_it_was_played() -> None:
    ear = Ear(record := Record(0, 0.0))
    hear(ear, 1.0, 0.1)
    hear(ear, 1.05, 0.1)
    assert ear.mark(1.06, "a") == pytest.approx(1.2)
    hear(ear, 1.07, 0.06)
    assert ear.mark(1.07, "b") == pytest.approx(1.26)
    assert ear.due(1.19) == []
    assert ear.due(1.201) == ["a"]
    assert ear.due(1.3) == ["b"]
    assert ear.mark(2.0, "c") == 2.0, "nothing is queued"
    assert ear.due(2.0) == ["c"]
    assert record.echoes == [(1.201, "a"), (1.3, "b"), (2.0, "c")]


def test_audio_after_a_pause_plays_when_it_arrives() -> None:
    ear = Ear(record := Record(0, 0.0))
    hear(ear, 1.0, 0.1)
    hear(ear, 1.5, 0.1)
    assert [begin for begin, *_ in record.pieces] == [1.0, 1.5]
    assert ear.until == pytest.approx(1.6)


def test_clear_empties_what_was_not_played_and_all_marks_are_due() -> None:
    ear = Ear(record := Record(0, 0.0))
    for number in range(4):
        hear(ear, 1.0, 0.1)
        ear.mark(1.0, f"m{number}")
    assert ear.due(1.11) == ["m0"]
    assert ear.clear(1.15) == ["m1", "m2", "m3"]
    assert ear.until == 1.15
    assert [count for _, _, count, _ in record.pieces] == [800, 400]
    assert record.clears == [1.15]
    assert ear.due(9.0) == []
    hear(ear, 1.2, 0.1)
    assert record.pieces[-1][0] == 1.2
