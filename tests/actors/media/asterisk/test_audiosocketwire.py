"""AudioSocket without a socket: cutting a stream, the packets' dialect, and when the next one is due."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.asterisk.access import Access
from parlance.actors.media.asterisk.audiosocket import CLEAR, SLIP, AudioSocket, Pacer, Packets, duration
from parlance.actors.media.asterisk.settings import Settings
from parlance.actors.media.port import Digit, Started, Stopped
from parlance.actors.media.webhook import Denied
from parlance.engine.errors import LineError

CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


def made(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def begun(rate: int = 8000) -> AudioSocket:
    wire = AudioSocket(rate)  # type: ignore[arg-type]
    wire.receive(made(1, CALL.bytes))
    return wire


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=400))), st.lists(st.integers(1, 700), min_size=1))
def test_cutting_the_stream_anywhere_changes_nothing(packets, cuts):
    stream = b"".join(made(*each) for each in packets)
    cutter, found, at, turn = Packets(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += cutter.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [made(*each) for each in packets]


def test_the_longest_packet_there_is():
    whole = made(0x10, bytes(65535))
    cutter = Packets()
    assert cutter.feed(whole[:-1]) == []
    assert cutter.feed(whole[-1:] + b"\x00") == [whole]
    assert cutter.feed(b"\x00\x00") == [made(0)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (made(0x10, b"\x01\x02" * 160), b"\x01\x02" * 160),
        (made(0x10), None),
        (made(0x03, b"5"), Digit("5")),
        (made(0x03, b"#"), Digit("#")),
        (made(0x00), Stopped("hung up")),
        (made(0xFF, b"\x02"), Stopped("Asterisk reports error 02")),
        (made(0xFF), Stopped("Asterisk reports error without a code")),
        (made(0x7A, b"to come"), None),
    ],
)
def test_packets(data, expected):
    assert begun().receive(data) == expected


def test_the_uuid_is_the_call_and_its_ticket_unless_a_token_vouches_for_it():
    assert AudioSocket().receive(made(1, CALL.bytes)) == Started(call=str(CALL), ticket=str(CALL))
    assert AudioSocket(agent="sales", token="word").receive(made(1, CALL.bytes)) == Started(
        "sales", str(CALL), ticket="word"
    )


@pytest.mark.parametrize(
    ("make", "data", "code", "words"),
    [
        (begun, made(1, CALL.bytes), 1002, "twice"),
        (AudioSocket, made(1, b"short"), 1007, "16 bytes, not 5"),
        (AudioSocket, made(0x10, bytes(320)), 1002, "first packet must be the UUID"),
        (AudioSocket, made(0x03, b"5"), 1002, "first packet must be the UUID"),
        (begun, made(0x12, bytes(640)), 1003, "16000 Hz is not taken: this endpoint takes 8000 Hz"),
        (lambda: begun(16000), made(0x10, bytes(320)), 1003, "8000 Hz is not taken: this endpoint takes 16000 Hz"),
    ],
)
def test_what_ends_the_call(make, data, code, words):
    with pytest.raises(LineError, match=words) as caught:
        make().receive(data)
    assert (caught.value.fatal, caught.value.code) == (True, code)


@pytest.mark.parametrize("data", ["clear", b"", b"\x10\x00", made(0x10, b"abc"), made(3, b"x"), made(3), made(0)[:2]])
def test_what_is_an_error_and_does_not_end_the_call(data):
    with pytest.raises(LineError) as caught:
        begun().receive(data)
    assert not caught.value.fatal


@given(st.booleans(), st.binary() | st.text() | st.builds(made, st.integers(0, 255), st.binary()))
def test_nothing_escapes_a_line_error(started, data):
    try:
        (begun() if started else AudioSocket()).receive(data)
    except LineError:
        pass


@pytest.mark.parametrize(("rate", "kind"), [(8000, 0x10), (16000, 0x12), (24000, 0x13), (48000, 0x16)])
def test_audio_out_is_one_packet_of_its_rate(rate, kind):
    wire = begun(rate)
    frame = bytes(range(256)) * 8
    frame = frame[: wire.format.frame]
    assert wire.audio(frame) == made(kind, frame)
    assert wire.audio(frame * 2) == made(kind, frame * 2)
    assert duration(made(kind, frame)) == pytest.approx(0.02)
    assert wire.batch == 0.02
    assert wire.receive(wire.audio(frame)) == frame


def test_the_other_words():
    assert begun().clear() == CLEAR
    assert list(begun().goodbye("done")) == [b"\x00\x00\x00"]
    assert duration(made(0)) == 0


# ------------------------------------------------------------------------------------------- the pacer


def test_packets_go_as_fast_as_they_are_heard():
    pacer, gone, now = Pacer(), [], 10.0
    for _ in range(5):
        wait = pacer.wait(10.0, now)
        now += max(0.0, wait)
        gone.append(now)
        pacer.sent(0.02)
        now += 0.001
    assert gone == pytest.approx([10.0, 10.02, 10.04, 10.06, 10.08])


def test_a_little_lateness_is_caught_up_and_does_not_drift():
    pacer = Pacer()
    pacer.wait(1.0, 1.0)
    pacer.sent(0.02)
    assert pacer.wait(1.0, 1.05) < 0
    pacer.sent(0.02)
    assert pacer.wait(1.0, 1.05) == pytest.approx(-0.01)


def test_a_stall_is_not_caught_up_beyond_the_slip():
    pacer = Pacer()
    pacer.wait(1.0, 1.0)
    pacer.sent(0.02)
    assert pacer.wait(1.0, 9.0) == pytest.approx(-SLIP)


def test_after_a_pause_a_new_stretch_begins():
    pacer = Pacer()
    pacer.wait(1.0, 1.0)
    pacer.sent(0.02)
    assert pacer.wait(1.05, 1.05) == 0
    pacer.sent(0.02)
    assert pacer.wait(1.05, 1.05) == pytest.approx(0.02)


# -------------------------------------------------------------------------------------- who is let in


def test_connections_are_let_in_by_where_they_come_from():
    access = Access(Settings(audiosocket_agent="sales", audiosocket_rate=16000))
    wire, _ = access.connect("127.0.0.1:5000")
    started = wire.receive(made(1, CALL.bytes))
    assert isinstance(started, Started)
    assert (started.agent, started.call, wire.format.rate) == ("sales", str(CALL), 16000)
    assert access.knows(started.ticket)
    assert not access.knows(str(CALL))
    assert not Access(Settings()).knows(started.ticket)
    access.connect("::1:5000")
    with pytest.raises(Denied) as caught:
        access.connect("192.0.2.1:5000")
    assert caught.value.status == 403


@pytest.mark.parametrize("networks", [["192.0.2.0/24"], []])
def test_no_network_is_not_every_network(networks):
    access = Access(Settings(audiosocket_networks=networks))
    if networks:
        access.connect("192.0.2.1:5000")
    with pytest.raises(Denied):
        access.connect("203.0.113.1:5000")
