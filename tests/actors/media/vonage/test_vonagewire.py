"""Vonage's media socket: what the wire makes of what comes in, what Vonage gets of what goes out, and who is let in."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parlance.actors.media.playout import Playout
from parlance.actors.media.port import Digit, Marked, Started, Visit
from parlance.actors.media.vonage.access import Access
from parlance.actors.media.vonage.settings import Settings
from parlance.actors.media.vonage.wire import Vonage
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

FRAME = bytes(range(256)) * 2 + bytes(128)


def connected(**fields: Any) -> str:
    told = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", **fields}
    return json.dumps({name: value for name, value in told.items() if value is not None})


def started() -> Vonage:
    wire = Vonage()
    wire.receive(connected())
    return wire


def test_the_first_message_has_our_headers_among_its_fields():
    told = Vonage().receive(connected(ticket="t1", call="ours"))
    assert told == Started("", "ours", "", "", {}, "t1")


def test_headers_of_somebody_elses_control_object_name_agent_and_numbers():
    told = Vonage().receive(
        connected(ticket="token", agent="sales", uuid="u1", age=40, **{"from": "447700900123", "to": "+442079460000"})
    )
    assert isinstance(told, Started)
    assert (told.agent, told.call, told.ticket) == ("sales", "u1", "token")
    assert (told.caller, told.called) == ("+447700900123", "+442079460000")
    assert told.parameters["age"] == "40"
    assert "ticket" not in told.parameters


def test_a_call_without_a_ticket_is_not_ours_to_name():
    told = Vonage().receive(connected(call="ours", uuid="u1"))
    assert isinstance(told, Started)
    assert (told.call, told.ticket) == ("u1", "")


@pytest.mark.parametrize(
    ("described", "rate"),
    [("audio/l16;rate=16000", 16000), ("audio/l16;rate=8000", 8000), (" Audio/L16; rate=8000 ", 8000)],
)
def test_the_stream_is_as_the_first_message_says(described, rate):
    wire = Vonage(rate=8000)
    wire.receive(connected(**{"content-type": described}))
    assert wire.format == Format("pcm16", rate)


@pytest.mark.parametrize(
    "described", ["audio/l16;rate=24000", "audio/l16;rate=160000", "audio/x-mulaw;rate=8000", "", 5, [[]], None]
)
def test_another_stream_ends_the_call_and_is_told_what_is_taken(described):
    with pytest.raises(LineError, match="takes audio/l16;rate=16000") as caught:
        Vonage().receive(connected(**{"content-type": described}))
    assert (caught.value.fatal, caught.value.code) == (True, 1003)


def test_a_second_first_message_ends_the_call():
    with pytest.raises(LineError) as caught:
        started().receive(connected())
    assert (caught.value.fatal, caught.value.code) == (True, 1002)


def test_audio_is_passed_on_untouched():
    assert started().receive(FRAME) is FRAME
    assert started().receive(b"") is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"event": "websocket:dtmf", "digit": "5", "duration": 260}, Digit("5")),
        ({"event": "websocket:dtmf", "digit": 0}, Digit("0")),
        ({"event": "websocket:dtmf", "digit": "*"}, Digit("*")),
        ({"event": "websocket:notify", "payload": {"name": "p1"}}, Marked("p1")),
        ({"event": "websocket:notify", "payload": {"other": 1}}, None),
        ({"event": "websocket:notify", "payload": "p1"}, None),
        ({"event": "websocket:cleared"}, None),
        ({"event": "websocket:weather"}, None),
    ],
)
def test_a_message_is_a_signal_or_nothing(message, expected):
    assert started().receive(json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("make", "message", "words"),
    [
        (Vonage, FRAME, "before websocket:connected"),
        (started, FRAME[:-1], "half a sample"),
        (started, '{"event":"websocket:dtmf","digit":"12"}', "not a digit"),
        (started, '{"event":"websocket:dtmf"}', "not a digit"),
        (started, '{"action":"clear"}', "no event"),
        (started, "[]", "object"),
        (started, "{", "JSON"),
    ],
)
def test_what_the_dialect_does_not_allow_is_said_and_the_call_goes_on(make, message, words):
    with pytest.raises(LineError, match=words) as caught:
        make().receive(message)
    assert not caught.value.fatal


def test_what_goes_out_is_vonages():
    wire = started()
    assert wire.audio(FRAME) is FRAME
    assert wire.audio(b"\x01\x02") == b"\x01\x02" + bytes(638)
    assert json.loads(wire.mark("p1")) == {"action": "notify", "payload": {"name": "p1"}}
    assert json.loads(wire.clear()) == {"action": "clear"}
    assert wire.hello("c", "a") == wire.goodbye("done") == ()


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=6))
def test_a_reply_of_any_length_leaves_in_messages_of_exactly_one_frame(lengths):
    wire = started()
    playout = Playout(wire.format, lead=0.2, batch=wire.batch, marks=False, clears=True)
    playout.stage(1)
    playout.phrase("words")
    sizes, now = [], 0.0
    for length in lengths:
        playout.add(b"\x01\x02" * length)
    playout.complete()
    while not playout.played(now):
        while (due := playout.due(now)) is not None:
            sizes.append(len(wire.audio(due[0])))
        now += 0.02
    assert set(sizes) == {640}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from([f"websocket:{word}" for word in ("connected", "dtmf", "notify", "cleared")]) | JSON},
    optional={name: JSON for name in ("digit", "payload", "ticket", "call", "from", "to", "uuid")}
    | {"content-type": st.just("audio/l16;rate=16000") | JSON},
)


@given(st.booleans(), st.binary() | st.text() | JSON.map(json.dumps) | EVENTS.map(json.dumps))
def test_nothing_but_a_line_error_escapes_whatever_comes(begun, data):
    wire = started() if begun else Vonage()
    try:
        told = wire.receive(data)
    except LineError:
        return
    assert told is None or isinstance(told, bytes | Started | Marked | Digit)


# ---------------------------------------------------------------------------------------------------- the way in


@cache
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def settings(**changes: Any) -> Settings:
    named = {"application_id": "app", "private_key": pem(), "signature_secret": "s" * 32, **changes}
    return Settings.model_validate(named)


def test_the_ticket_is_the_headers_or_else_the_addresses():
    access = Access(settings(media_token="fixed", rate="8000"))
    coming = Visit({}, {"token": "fixed"}, {}, "192.0.2.1:5000")
    access.guard(coming, 0.0)
    wire, known = access.open(coming)
    assert known is None
    assert wire.format == Format("pcm16", 8000)
    told = wire.receive(connected())
    assert isinstance(told, Started)
    assert told.ticket == "fixed"
    told = access.open(coming)[0].receive(connected(ticket="t1"))
    assert isinstance(told, Started)
    assert told.ticket == "t1"
    assert access.knows("fixed")
    assert not access.knows("t1")
    assert not Access(settings()).knows("")


def test_a_key_may_be_written_on_one_line():
    assert settings(private_key=pem().replace("\n", "\\n")).application_id == "app"


def elliptic() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"private_key": ""},
        {"private_key": "/etc/private.key"},
        {"private_key": elliptic()},
        {"signature_secret": "too short"},
        {"application_id": ""},
        {"rate": "44100"},
        {"api": "api.nexmo.com"},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_work_are_refused(changes):
    with pytest.raises(ValidationError):
        settings(**changes)
