"""Asterisk's WebSocket channel: one table for both forms of its control, and who is let in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.asterisk.access import Access, password
from parlance.actors.media.asterisk.settings import Settings
from parlance.actors.media.asterisk.wire import FORMATS, TEXT, Asterisk, Known
from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Marked, Started, Visit
from parlance.actors.media.webhook import Denied
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

PLAIN = (
    "MEDIA_START connection_id:parlance channel:WebSocket/parlance/0x5140 channel_id:1761245643.1 "
    "format:ulaw optimal_frame_size:160 ptime:20"
)


def start(**changes: Any) -> str:
    """The `MEDIA_START` of Asterisk's own documentation, with changes."""
    return json.dumps(
        {
            "event": "MEDIA_START",
            "connection_id": "parlance",
            "channel": "WebSocket/parlance/0x5140",
            "channel_id": "1761245643.1",
            "format": "ulaw",
            "optimal_frame_size": 160,
            "ptime": 20,
            "channel_variables": {"DIALEDPEERNUMBER": "parlance/c(ulaw)"},
        }
        | changes
    )


def begun(first: str = "", **query: str) -> Asterisk:
    wire = Asterisk(Known(query))
    wire.receive(first or start())
    return wire


def visit(peer: str = "192.0.2.1:40000", query: dict[str, str] | None = None, **headers: str) -> Visit:
    return Visit({}, query or {}, headers, peer)


def basic(word: str, user: str = "asterisk") -> str:
    return "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()


@pytest.mark.parametrize(
    ("query", "first", "expected"),
    [
        ({}, PLAIN, Started(call="1761245643.1")),
        ({}, PLAIN.replace(" channel_id:1761245643.1", ""), Started(call="WebSocket/parlance/0x5140")),
        (
            {},
            start(),
            Started(call="1761245643.1", parameters={"DIALEDPEERNUMBER": "parlance/c(ulaw)"}),
        ),
        (
            {"agent": "sales", "from": " 33199000010", "to": "0033987654321", "channel": "17.4", "call": "ours"},
            PLAIN,
            Started(
                "sales",
                "17.4",
                "+33199000010",
                "+33987654321",
                {"agent": "sales", "from": " 33199000010", "to": "0033987654321", "channel": "17.4", "call": "ours"},
            ),
        ),
        ({"ticket": "t1", "call": "ours"}, PLAIN, Started(call="ours", parameters={"call": "ours"}, ticket="t1")),
        (
            {"agent": "sales"},
            start(
                channel_variables={
                    "__PARLANCE_TICKET": "t2",
                    "PARLANCE_CALL": "ours",
                    "PARLANCE_AGENT": "other",
                    "PARLANCE_FROM": "anonymous",
                    "TABLE": 7,
                }
            ),
            Started(
                "sales",
                "ours",
                parameters={
                    "PARLANCE_CALL": "ours",
                    "PARLANCE_AGENT": "other",
                    "PARLANCE_FROM": "anonymous",
                    "TABLE": "7",
                    "agent": "sales",
                },
                ticket="t2",
            ),
        ),
        ({}, start(channel_variables=[1]), Started(call="1761245643.1")),
    ],
)
def test_a_start_says_which_call_it_is(query, first, expected):
    assert Asterisk(Known(query)).receive(first) == expected


def test_the_password_is_the_ticket_where_there_is_no_other():
    assert Asterisk(Known({"call": "ours"}, "word")).receive(PLAIN) == Started(
        call="1761245643.1", parameters={"call": "ours"}, ticket="word"
    )


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [
        ("ulaw", "mulaw", 8000),
        ("alaw", "alaw", 8000),
        ("slin", "pcm16", 8000),
        ("slin16", "pcm16", 16000),
        ("slin24", "pcm16", 24000),
        ("slin48", "pcm16", 48000),
    ],
)
def test_the_format_is_the_one_of_the_start(name, encoding, rate):
    wire = begun(start(format=name))
    assert wire.format == Format(encoding, rate)
    frame = bytes(wire.format.frame)
    assert wire.receive(frame) is frame
    assert wire.audio(frame) is frame


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        (start(format="opus"), 1003, "'opus' is not supported: this endpoint takes ulaw, alaw, slin"),
        (start(format=["ulaw"]), 1003, "list is not supported"),
        (PLAIN.replace("format:ulaw ", ""), 1003, "NoneType is not supported"),
        (PLAIN.replace("ulaw", "g729"), 1003, "'g729'"),
    ],
)
def test_a_format_that_is_not_taken_ends_the_call(first, code, words):
    with pytest.raises(LineError, match=words) as caught:
        Asterisk().receive(first)
    assert (caught.value.fatal, caught.value.code) == (True, code)


@pytest.mark.parametrize("again", [PLAIN, start()])
def test_a_second_start_is_fatal(again):
    with pytest.raises(LineError, match="twice") as caught:
        begun().receive(again)
    assert (caught.value.fatal, caught.value.code) == (True, 1002)


EVENTS: list[tuple[str, Any]] = [
    ("MEDIA_MARK_PROCESSED p1", Marked("p1")),
    ('{"event":"MEDIA_MARK_PROCESSED","channel_id":"1.1","correlation_id":"p1"}', Marked("p1")),
    ("DTMF_END digit:5 channel_id:1.1", Digit("5")),
    ("DTMF_END digit:#", Digit("#")),
    ('{"event":"DTMF_END","channel_id":"1.1","digit":"*"}', Digit("*")),
    ("MEDIA_XOFF", None),
    ("MEDIA_XON", None),
    ('{"event":"MEDIA_XOFF","channel_id":"1.1"}', None),
    ("STATUS channel_id:1.1 queue_length:43 queue_full:false", None),
    ("QUEUE_DRAINED", None),
    ("MEDIA_BUFFERING_COMPLETED x", None),
    ("ERROR channel_id:1.1 error_text:FLUSH_MEDIA not supported in passthrough mode", None),
    ('{"event":"TO_COME"}', None),
    (b"", None),
]


@pytest.mark.parametrize(("data", "expected"), EVENTS)
def test_events_of_either_form(data, expected):
    assert begun().receive(data) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("MEDIA_MARK_PROCESSED", "lacks its mark"),
        ('{"event":"MEDIA_MARK_PROCESSED","correlation_id":""}', "lacks its mark"),
        ("DTMF_END", "lacks its digit"),
        ("DTMF_END digit:55", "not a digit"),
        ('{"event":"DTMF_END","digit":[]}', "lacks its digit"),
        ("hello", "no event"),
        ("", "no event"),
        ("{}", "no event"),
        ('{"event":7}', "no event"),
        ("{", "not JSON"),
    ],
)
def test_what_the_dialect_does_not_allow_is_not_fatal(data, words):
    with pytest.raises(LineError, match=words) as caught:
        begun().receive(data)
    assert not caught.value.fatal


def test_half_a_sample_is_an_error():
    with pytest.raises(LineError, match="16-bit"):
        begun(start(format="slin")).receive(b"abc")


def test_audio_before_the_start_is_dropped():
    wire = Asterisk()
    assert wire.receive(bytes(160)) is None
    assert isinstance(wire.receive(PLAIN), Started)
    assert wire.receive(b"x" * 160) == b"x" * 160


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (PLAIN, ["ANSWER", "MARK_MEDIA p1", "FLUSH_MEDIA", "HANGUP"]),
        (
            start(),
            [
                '{"command":"ANSWER"}',
                '{"command":"MARK_MEDIA","correlation_id":"p1"}',
                '{"command":"FLUSH_MEDIA"}',
                '{"command":"HANGUP"}',
            ],
        ),
    ],
)
def test_commands_take_the_form_of_the_start(first, expected):
    wire = begun(first)
    said = [*wire.hello("c", "a"), wire.mark("p1"), wire.clear(), *wire.goodbye("done")]
    assert said == expected
    assert max(map(len, said)) < TEXT


@given(st.booleans(), st.text() | st.binary())
def test_nothing_escapes_a_line_error(started, data):
    wire = begun() if started else Asterisk()
    try:
        wire.receive(data)
    except LineError:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(
    st.booleans(),
    st.sampled_from(["MEDIA_START", "DTMF_END", "MEDIA_MARK_PROCESSED", "STATUS"]),
    st.dictionaries(st.sampled_from(["format", "digit", "correlation_id", "channel_variables", "channel_id"]), JSON),
    st.sampled_from([*FORMATS, None]),
)
def test_nothing_escapes_a_line_error_whatever_the_json(started, event, details, line):
    wire = begun() if started else Asterisk()
    message = {"event": event, **details} | ({"format": line} if line else {})
    try:
        wire.receive(json.dumps(message))
    except LineError:
        pass


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+33199000010", "+33199000010"),
        (" 33199000010", "+33199000010"),
        ("0033199000010", "+33199000010"),
        ("0123456789", "0123456789"),
        ("2001", "2001"),
        ("Anonymous", ""),
        ("", ""),
        ("alice", "alice"),
        ("٣٤٥", "٣٤٥"),
    ],
)
def test_numbers_become_international_where_they_say_so(number, expected):
    assert e164(number, bare=16) == expected


# -------------------------------------------------------------------------------------- who is let in


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"authorization": basic("word")}, {}, "word"),
        ({"authorization": basic("wo:rd", user="")}, {}, "wo:rd"),
        ({"authorization": "Bearer word"}, {}, "word"),
        ({"authorization": "basic !!!"}, {}, ""),
        ({"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()}, {}, ""),
        ({}, {"token": "word"}, "word"),
        ({"authorization": basic("word")}, {"token": "other"}, "word"),
        ({}, {}, ""),
    ],
)
def test_the_password_of_a_handshake(headers, query, expected):
    assert password(visit(query=query, **headers)) == expected


def test_a_wrong_password_is_refused_and_none_is_for_the_ticket_to_decide():
    access = Access(Settings(media_token="word"))
    access.guard(visit(authorization=basic("word")), 0)
    access.guard(visit(query={"ticket": "of a call"}), 0)
    with pytest.raises(Denied) as caught:
        access.guard(visit(authorization=basic("wore")), 0)
    assert (caught.value.status, caught.value.reason) == (401, "token")
    assert "wor" not in str(caught.value)
    with pytest.raises(Denied):
        Access(Settings()).guard(visit(authorization=basic("word")), 0)


def test_networks():
    access = Access(Settings(networks=["198.51.100.0/24"]))
    access.guard(visit("198.51.100.7:1"), 0)
    with pytest.raises(Denied) as caught:
        access.guard(visit("192.0.2.1:1"), 0)
    assert caught.value.status == 403
    with pytest.raises(ValueError, match="networks"):
        Settings(networks=["everywhere"])


def test_what_the_handshake_said_reaches_the_start():
    access = Access(Settings(media_token="word"))
    wire, known = access.open(visit(query={"agent": "sales"}, authorization=basic("word")))
    assert known is None
    started = wire.receive(PLAIN)
    assert isinstance(started, Started)
    assert started.agent == "sales"
    assert access.knows(started.ticket)
    assert not access.knows("wore")
    assert not Access(Settings()).knows("")
