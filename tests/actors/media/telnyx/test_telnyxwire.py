"""Telnyx's media socket: what the wire makes of what comes in, what Telnyx gets of what goes out, and who is let in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parlance.actors.media.port import Digit, Marked, Started, Stopped, Visit
from parlance.actors.media.telnyx.access import Access
from parlance.actors.media.telnyx.settings import Settings
from parlance.actors.media.telnyx.wire import Telnyx
from parlance.actors.media.webhook import Denied
from parlance.codecs import alaw, mulaw
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

SOUND = bytes(range(160))
PUBLIC = base64.b64encode(bytes(32)).decode()
MULAW = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
ALAW = {"encoding": "PCMA", "sample_rate": 8000, "channels": 1}
WIDE = {"encoding": "L16", "sample_rate": 16000, "channels": 1}


def start(**changes: Any) -> str:
    content = {
        "user_id": "u1",
        "call_control_id": "v3:c1",
        "from": "+15550001",
        "to": "+15550002",
        "media_format": MULAW,
        **changes,
    }
    kept = {name: value for name, value in content.items() if value is not None}
    return json.dumps({"event": "start", "sequence_number": "1", "stream_id": "s1", "start": kept})


def media(sound: bytes = SOUND, **changes: Any) -> str:
    content = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": base64.b64encode(sound).decode()}
    return json.dumps({"event": "media", "stream_id": "s1", "sequence_number": "4", "media": {**content, **changes}})


def started(described: Any = MULAW, **settings: Any) -> Telnyx:
    wire = Telnyx(**settings)
    wire.receive(start(media_format=described))
    return wire


def heard(message: Any) -> bytes:
    """What Telnyx takes out of a message of ours."""
    data = json.loads(message)
    assert data.keys() == {"event", "media"}
    assert data["event"] == "media"
    return base64.b64decode(data["media"]["payload"], validate=True)


def test_start_says_which_call_it_is():
    wire = Telnyx(ticket="t1", call="ours")
    assert wire.receive('{"event":"connected","version":"1.0.0"}') is None
    assert wire.receive(start()) == Started("", "ours", "+15550001", "+15550002", {}, "t1")


def test_without_our_id_the_call_has_the_carriers_and_parameters_may_name_the_agent():
    told = Telnyx(ticket="token").receive(start(custom_parameters={"agent": "sales", "n": 1}, **{"from": "anonymous"}))
    assert told == Started("sales", "v3:c1", "", "+15550002", {"agent": "sales", "n": "1"}, "token")


@pytest.mark.parametrize(
    ("described", "settings", "expected"),
    [
        (MULAW, {}, Format("mulaw", 8000)),
        ({**MULAW, "encoding": "pcmu", "sample_rate": "8000"}, {}, Format("mulaw", 8000)),
        (ALAW, {}, Format("alaw", 8000)),
        ({"encoding": "PCMA"}, {}, Format("alaw", 8000)),
        (None, {}, Format("mulaw", 8000)),
        (None, {"sent": Format("alaw", 8000)}, Format("alaw", 8000)),
        (WIDE, {"sent": Format("pcm16", 16000)}, Format("pcm16", 16000)),
        ({**WIDE, "sample_rate": 8000}, {}, Format("pcm16", 8000)),
    ],
)
def test_the_stream_is_as_start_says(described, settings, expected):
    assert started(described, **settings).format == expected


@pytest.mark.parametrize(
    "described",
    [
        {**MULAW, "encoding": "G722"},
        {**MULAW, "encoding": "OPUS", "sample_rate": 48000},
        {**MULAW, "sample_rate": 16000},
        {**MULAW, "channels": 2},
        {"encoding": [[]]},
        "PCMU",
    ],
)
def test_a_format_that_is_not_taken_ends_the_call_and_says_what_is(described):
    with pytest.raises(LineError) as caught:
        started(described)
    assert caught.value.fatal
    assert caught.value.code == 1003
    assert "PCMU" in str(caught.value) or "unreadable" in str(caught.value)


def test_rates_that_differ_between_the_directions_end_the_call():
    with pytest.raises(LineError, match="8000 samples a second and ours was asked for with 16000") as caught:
        started(MULAW, sent=Format("pcm16", 16000))
    assert (caught.value.fatal, caught.value.code) == (True, 1003)


def test_audio_comes_as_it_is():
    assert started().receive(media()) == SOUND


def test_l16_is_big_endian_on_the_wire_both_ways_unless_set_otherwise():
    sent = Format("pcm16", 16000)
    wire = started(WIDE, sent=sent)
    assert wire.receive(media(b"\x01\x02\x03\x04")) == b"\x02\x01\x04\x03"
    assert heard(wire.audio(b"\x02\x01\x04\x03")) == b"\x01\x02\x03\x04"
    little = started(WIDE, sent=sent, big=False)
    assert little.receive(media(b"\x01\x02\x03\x04")) == b"\x01\x02\x03\x04"
    assert heard(little.audio(b"\x01\x02\x03\x04")) == b"\x01\x02\x03\x04"


def test_a_call_in_alaw_is_answered_in_the_mulaw_that_was_asked_for():
    wire = started(ALAW)
    assert wire.receive(media()) == SOUND
    assert heard(wire.audio(SOUND)) == mulaw.encode(alaw.decode(SOUND))


def test_a_call_in_mulaw_is_answered_in_the_l16_that_was_asked_for():
    wire = started(MULAW, sent=Format("pcm16", 8000))
    told = heard(wire.audio(SOUND))
    little = bytes(byte for pair in zip(told[1::2], told[0::2], strict=True) for byte in pair)
    assert little == mulaw.decode(SOUND)


def test_what_goes_out_is_telnyx_json():
    wire = started()
    assert heard(wire.audio(SOUND)) == SOUND
    assert json.loads(wire.mark('p"1')) == {"event": "mark", "mark": {"name": 'p"1'}}
    assert json.loads(wire.clear()) == {"event": "clear"}
    assert wire.hello("c", "a") == wire.goodbye("done") == ()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"event": "dtmf", "dtmf": {"digit": "5"}}, Digit("5")),
        ({"event": "dtmf", "dtmf": {"digit": 0}}, Digit("0")),
        ({"event": "dtmf", "dtmf": {"digit": "d"}}, Digit("D")),
        ({"event": "mark", "mark": {"name": "p1"}}, Marked("p1")),
        ({"event": "stop", "stop": {"call_control_id": "v3:c1"}}, Stopped("hung up")),
        ({"event": "weather"}, None),
        (json.loads(media(track="outbound")), None),
        (json.loads(media(b"")), None),
    ],
)
def test_a_message_is_a_signal_or_nothing(message, expected):
    assert started().receive(json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('{"event":"media","media":[]}', "no media in it"),
        (media(payload="***="), "base64"),
        ('{"event":"dtmf","dtmf":{"digit":"55"}}', "not a digit"),
        ('{"event":"dtmf"}', "no dtmf"),
        ('{"event":"mark","mark":{}}', "lacks its name"),
        ('{"event":1}', "no event"),
        ('{"event":"error","payload":{"code":100003,"title":"bad","detail":"malformed frame"}}', "malformed frame"),
        ('{"event":"error"}', "no reason given"),
        (b"\x00\x01", "binary"),
        ("[]", "object"),
        ("{", "JSON"),
    ],
)
def test_what_the_dialect_does_not_allow_is_said_and_the_call_goes_on(message, words):
    with pytest.raises(LineError, match=words) as caught:
        started().receive(message)
    assert not caught.value.fatal


def test_half_a_sample_of_l16_is_no_audio():
    with pytest.raises(LineError, match="half a sample"):
        started(WIDE, sent=Format("pcm16", 16000)).receive(media(b"\x01\x02\x03"))


def test_media_before_start_is_an_error_that_passes():
    with pytest.raises(LineError, match="before start") as caught:
        Telnyx().receive(media())
    assert not caught.value.fatal


def test_a_second_start_and_one_without_content_end_the_call():
    with pytest.raises(LineError) as caught:
        started().receive(start())
    assert (caught.value.fatal, caught.value.code) == (True, 1002)
    with pytest.raises(LineError) as caught:
        Telnyx().receive('{"event":"start"}')
    assert caught.value.fatal


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["event", "start", "media", "payload"]), inner),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["start", "media", "dtmf", "mark", "stop", "error", "connected"]) | JSON},
    optional={name: JSON for name in ("start", "media", "dtmf", "mark", "payload")},
)


@given(st.booleans(), st.binary() | st.text() | JSON.map(json.dumps) | EVENTS.map(json.dumps))
def test_nothing_but_a_line_error_escapes_whatever_comes(begun, data):
    wire = started() if begun else Telnyx()
    try:
        told = wire.receive(data)
    except LineError:
        return
    assert told is None or isinstance(told, bytes | Started | Marked | Digit | Stopped)


# ---------------------------------------------------------------------------------------------------- the way in


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"api_key": "KEY1", "public_key": PUBLIC, **changes})


def visit(query: dict[str, str], **headers: str) -> Visit:
    return Visit({}, query, headers, "192.0.2.1:5000")


def test_a_calls_ticket_and_our_id_come_from_the_url():
    access = Access(settings(media_token="fixed"))
    coming = visit({"ticket": "t1", "call": "ours", "agent": "sales"})
    access.guard(coming, 0.0)
    wire, known = access.open(coming)
    told = wire.receive(start())
    assert known is None
    assert isinstance(told, Started)
    assert (told.ticket, told.call, told.agent) == ("t1", "ours", "")
    assert not access.knows("t1")


def test_a_stream_that_was_set_up_elsewhere_names_the_token_and_the_agent_but_no_call_of_ours():
    access = Access(settings(media_token="fixed"))
    told = access.open(visit({"token": "fixed", "call": "ours", "agent": "sales"}))[0].receive(start())
    assert isinstance(told, Started)
    assert (told.ticket, told.call, told.agent) == ("fixed", "v3:c1", "sales")
    assert access.knows("fixed")


def test_a_socket_without_a_ticket_is_refused_at_the_door():
    with pytest.raises(Denied) as caught:
        Access(settings()).guard(visit({"call": "ours"}), 0.0)
    assert (caught.value.status, caught.value.reason) == (401, "unsigned")
    assert not Access(settings()).knows("")


def test_the_wire_sends_what_the_settings_say():
    access = Access(settings(codec="L16", rate="16000", byte_order="little"))
    wire, _ = access.open(visit({"ticket": "t"}))
    wire.receive(start(media_format=WIDE))
    assert heard(wire.audio(b"\x01\x02")) == b"\x01\x02"


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key": "not a key"},
        {"public_key": base64.b64encode(bytes(31)).decode()},
        {"codec": "PCMU", "rate": 16000},
        {"rate": 11025},
        {"api_key": ""},
        {"api": "api.telnyx.com"},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_work_are_refused(changes):
    with pytest.raises(ValidationError):
        settings(**changes)
