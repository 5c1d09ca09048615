"""FreeSWITCH's media modules: what starts a call, what is audio, what each of them understands, and who is let in."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.freeswitch.access import Access, password
from parlance.actors.media.freeswitch.settings import Settings
from parlance.actors.media.freeswitch.wire import FreeSwitch, Known
from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Started, Stopped, Visit
from parlance.actors.media.webhook import Denied
from parlance.engine.errors import LineError

FRAME = bytes(range(160)) * 2


def begun(**query: str) -> FreeSwitch:
    wire = FreeSwitch(Known(query))
    wire.receive("{}")
    return wire


def visit(peer: str = "192.0.2.1:40000", query: dict[str, str] | None = None, **headers: str) -> Visit:
    return Visit({}, query or {}, {name.replace("_", "-"): value for name, value in headers.items()}, peer)


@pytest.mark.parametrize(
    ("query", "first", "expected"),
    [
        ({}, FRAME, Started()),
        ({}, "", Started(parameters={"metadata": ""})),
        ({}, "table 7", Started(parameters={"metadata": "table 7"})),
        ({}, "[1]", Started(parameters={"metadata": "[1]"})),
        (
            {},
            json.dumps({"uuid": "u1", "agent": "sales", "from": "0033199000010", "to": "2001", "deep": {}}),
            Started(
                "sales",
                "u1",
                "+33199000010",
                "2001",
                {"uuid": "u1", "agent": "sales", "from": "0033199000010", "to": "2001"},
            ),
        ),
        (
            {"agent": "receptionist", "uuid": "u2"},
            json.dumps({"uuid": "u1", "agent": "sales"}),
            Started("receptionist", "u2", parameters={"uuid": "u2", "agent": "receptionist"}),
        ),
        (
            {"uuid": "u1"},
            json.dumps({"call": "ours", "ticket": "t1"}),
            Started(call="ours", parameters={"call": "ours", "uuid": "u1"}, ticket="t1"),
        ),
        ({}, json.dumps({"call": "ours", "uuid": "u1"}), Started(call="u1", parameters={"call": "ours", "uuid": "u1"})),
        ({}, json.dumps({"token": "word"}), Started(ticket="word")),
    ],
)
def test_the_first_message_starts_the_call(query, first, expected):
    assert FreeSwitch(Known(query)).receive(first) == expected


def test_the_token_of_the_handshake_is_the_ticket_where_there_is_no_other():
    assert FreeSwitch(Known({}, "word")).receive(FRAME) == Started(ticket="word")
    assert FreeSwitch(Known({}, "word")).receive('{"ticket":"t1"}') == Started(ticket="t1")


@pytest.mark.parametrize(
    ("query", "first", "usual", "rate"),
    [
        ({}, FRAME, 8000, 8000),
        ({}, FRAME, 16000, 16000),
        ({"rate": "16000"}, FRAME, 8000, 16000),
        ({"rate": "16k"}, '{"sampleRate":8000}', 8000, 16000),
        ({}, '{"sampleRate":24000}', 8000, 24000),
        ({}, '{"rate":"48k","mixType":"mono"}', 8000, 48000),
    ],
)
def test_the_rate(query, first, usual, rate):
    wire = FreeSwitch(Known(query, rate=usual))
    assert isinstance(wire.receive(first), Started)
    assert (wire.format.encoding, wire.format.rate) == ("pcm16", rate)
    assert json.loads(wire.audio(FRAME))["data"]["sampleRate"] == rate


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ('{"sampleRate":11025}', "'11025' is not supported: this endpoint takes 8000, 16000"),
        ('{"rate":true}', "'True' is not supported"),
        ('{"mixType":"stereo"}', "takes mono"),
    ],
)
def test_what_ends_the_call_before_it_begins(first, words):
    with pytest.raises(LineError, match=words) as caught:
        FreeSwitch().receive(first)
    assert (caught.value.fatal, caught.value.code) == (True, 1003)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (FRAME, FRAME),
        (b"", None),
        ("any text", None),
        ("{", None),
        ('{"event":"mood"}', None),
        ('{"event":["stop"]}', None),
        ('{"event":"dtmf","digit":"5"}', Digit("5")),
        ('{"type":"dtmf","digit":5}', Digit("5")),
        ('{"event":"dtmf","dtmf":"#"}', Digit("#")),
        ('{"event":"stop"}', Stopped("hung up")),
        ('{"type":"hangup"}', Stopped("hung up")),
    ],
)
def test_messages(data, expected):
    assert begun().receive(data) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"abc", "16-bit"), ('{"event":"dtmf"}', "not a digit"), ('{"event":"dtmf","digit":"55"}', "not a digit")],
)
def test_what_is_an_error_and_does_not_end_the_call(data, words):
    with pytest.raises(LineError, match=words) as caught:
        begun().receive(data)
    assert not caught.value.fatal


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.sampled_from(["event", "type", "digit", "rate", "sampleRate", "mixType", "from", "agent", "ticket"])


@given(st.booleans(), st.text() | st.binary() | st.dictionaries(NAMES | st.text(), JSON).map(json.dumps))
def test_nothing_escapes_a_line_error(started, data):
    try:
        (begun() if started else FreeSwitch()).receive(data)
    except LineError:
        pass


def test_what_each_module_understands():
    stream, fork = FreeSwitch(Known(module="stream")), FreeSwitch(Known(module="fork"))
    coded = base64.b64encode(FRAME).decode()
    assert json.loads(stream.audio(FRAME)) == {
        "type": "streamAudio",
        "data": {"audioDataType": "raw", "sampleRate": 8000, "audioData": coded},
    }
    assert json.loads(fork.audio(FRAME)) == {
        "type": "playAudio",
        "data": {"audioContentType": "raw", "sampleRate": 8000, "audioContent": coded},
    }
    assert stream.clear() is None
    assert json.loads(str(fork.clear())) == {"type": "killAudio"}
    assert FreeSwitch(Known(audio="binary")).audio(FRAME) is FRAME
    assert json.loads(str(stream.goodbye('a "quiet" end')[0])) == {
        "type": "disconnect",
        "data": {"reason": 'a "quiet" end'},
    }


def test_digits_are_listened_for_unless_a_script_tells_them():
    assert not FreeSwitch().digits
    assert FreeSwitch(Known({"dtmf": "text"})).digits


@pytest.mark.parametrize(
    ("number", "expected"),
    [("+331", "+331"), (" 331", "+331"), ("00331", "+331"), ("0331", "0331"), ("UNKNOWN", ""), ("bob", "bob")],
)
def test_numbers_become_international_where_they_say_so(number, expected):
    assert e164(number, bare=16) == expected


# -------------------------------------------------------------------------------------- who is let in


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"authorization": "Bearer word"}, {}, "word"),
        ({"authorization": "Basic " + base64.b64encode(b"fs:word").decode()}, {}, "word"),
        ({"authorization": "Basic *"}, {}, ""),
        ({}, {"token": "word"}, "word"),
        ({}, {}, ""),
    ],
)
def test_the_token_of_a_handshake(headers, query, expected):
    assert password(visit(query=query, **headers)) == expected


def test_a_wrong_token_and_a_wrong_source_are_refused():
    access = Access(Settings(media_token="word", networks=["192.0.2.0/24"]))
    access.guard(visit(authorization="Bearer word"), 0)
    access.guard(visit(query={"ticket": "of a call"}), 0)
    for status, stranger in [(401, visit(authorization="Bearer wore")), (403, visit("198.51.100.1:9"))]:
        with pytest.raises(Denied) as caught:
            access.guard(stranger, 0)
        assert caught.value.status == status
    with pytest.raises(ValueError, match="networks"):
        Settings(networks=["x"])


@pytest.mark.parametrize(
    ("settings", "query", "headers", "kind"),
    [
        ({}, {}, {}, "streamAudio"),
        ({"module": "fork"}, {}, {}, "playAudio"),
        ({}, {"module": "fork"}, {}, "playAudio"),
        ({}, {}, {"sec_websocket_protocol": "audio.drachtio.org"}, "playAudio"),
        ({}, {"module": "stream"}, {"sec_websocket_protocol": "audio.drachtio.org"}, "streamAudio"),
    ],
)
def test_which_module_speaks(settings, query, headers, kind):
    wire, known = Access(Settings(**settings)).open(visit(query=query, **headers))
    assert known is None
    assert json.loads(str(wire.audio(FRAME)))["type"] == kind


@pytest.mark.parametrize("query", [{"module": "spoon"}, {"audio": "mp3"}])
def test_an_address_that_makes_no_sense(query):
    with pytest.raises(LineError, match="must be"):
        Access(Settings()).open(visit(query=query))


def test_binary_audio_by_the_address_or_the_settings():
    for settings, query in [({"audio": "binary"}, {}), ({}, {"audio": "binary"})]:
        wire, _ = Access(Settings(**settings)).open(visit(query=query))
        assert wire.audio(FRAME) is FRAME
