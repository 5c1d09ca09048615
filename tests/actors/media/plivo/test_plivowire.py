"""Plivo's stream: what the wire makes of what comes in, what a client makes of what goes out, and who is let in."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media import access, port
from parlance.actors.media.plivo.access import Access
from parlance.actors.media.plivo.settings import Settings
from parlance.actors.media.plivo.wire import Plivo, extras
from parlance.actors.media.port import Digit, Marked, Signal, Started, Stopped, Visit
from parlance.actors.media.webhook import Denied
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import LineError

AUDIO = bytes(range(160))
CODED = base64.b64encode(AUDIO).decode()
TOKEN = "plivotoken"


def start(extra: object = None, **changes: Any) -> dict[str, Any]:
    """The `start` of Plivo's own reference, with changes; None takes a key away."""
    content = {
        "callId": "call-1",
        "streamId": "stream-1",
        "accountId": "MA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        **changes,
    }
    message: dict[str, Any] = {"event": "start", "sequenceNumber": 1}
    message["start"] = {name: value for name, value in content.items() if value is not None}
    return message if extra is None else message | {"extra_headers": extra}


def media(**changes: Any) -> dict[str, Any]:
    content = {"track": "inbound", "timestamp": "1705312200000", "chunk": 41, "payload": CODED, **changes}
    return {"event": "media", "sequenceNumber": 42, "streamId": "stream-1", "media": content, "extra_headers": ""}


def fresh() -> Plivo:
    return Plivo()


def plivo() -> Plivo:
    wire = Plivo()
    wire.receive(json.dumps(start()))
    return wire


def wide() -> Plivo:
    wire = Plivo()
    wire.receive(json.dumps(start(mediaFormat={"encoding": "audio/x-l16", "sampleRate": 16000})))
    return wire


@pytest.mark.parametrize(
    ("make", "message", "expected"),
    [
        (fresh, start(), Started("", "call-1")),
        (fresh, start(mediaFormat=None), Started("", "call-1")),
        (fresh, start(streamId=None) | {"streamId": "stream-1"}, Started("", "call-1")),
        (fresh, start({"X-PH-agent": "sales"}), Started("sales", "call-1", parameters={"agent": "sales"})),
        (fresh, start("ticket=t1;call=c1"), Started("", "c1", parameters={"call": "c1"}, ticket="t1")),
        (fresh, start("token=t1"), Started("", "call-1", ticket="t1")),
        (fresh, start("call=c1"), Started("", "call-1", parameters={"call": "c1"})),
        (
            fresh,
            start("from=15550100,to=anonymous"),
            Started("", "call-1", "+15550100", "", {"from": "15550100", "to": "anonymous"}),
        ),
        (fresh, start("{}"), Started("", "call-1")),
        (plivo, media(), AUDIO),
        (wide, media(), AUDIO),
        (plivo, {"event": "media", "media": {"payload": CODED}}, AUDIO),
        (plivo, media(track="outbound"), None),
        (plivo, media(payload=""), None),
        (plivo, {"event": "dtmf", "streamId": "stream-1", "dtmf": {"digit": "5"}}, Digit("5")),
        (plivo, {"event": "dtmf", "dtmf": {"digit": 5}}, Digit("5")),
        (plivo, {"event": "playedStream", "streamId": "stream-1", "name": "p1"}, Marked("p1")),
        (plivo, {"event": "playedStream", "name": 7}, Marked("7")),
        (plivo, {"event": "clearedAudio", "streamId": "stream-1"}, None),
        (plivo, {"event": "stop"}, Stopped("hung up")),
        (plivo, {"event": "weather"}, None),
    ],
)
def test_a_message_is_audio_a_signal_or_nothing(make, message, expected):
    assert make().receive(json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("make", "message", "words", "fatal", "code"),
    [
        (fresh, media(), "media came before start", False, 1007),
        (plivo, start(), "start came twice", True, 1002),
        (fresh, {"event": "start"}, "no start in it", True, 1007),
        (fresh, start(streamId=7), "no streamId", True, 1007),
        (
            fresh,
            start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000}),
            "audio/x-mulaw at 8000",
            True,
            1003,
        ),
        (fresh, start(mediaFormat={"encoding": "audio/opus", "sampleRate": 8000}), "not supported", True, 1003),
        (fresh, start(mediaFormat={"encoding": [], "sampleRate": {}}), "not supported", True, 1003),
        (fresh, start(mediaFormat="mulaw"), "not supported", True, 1003),
        (plivo, media(payload=CODED[:-1]), "base64", False, 1007),
        (plivo, media(payload=None), "base64", False, 1007),
        (wide, media(payload="AAAA"), "16-bit", False, 1007),
        (plivo, {"event": "media", "media": []}, "no media in it", False, 1007),
        (plivo, {"event": "playedStream"}, "name", False, 1007),
        (plivo, {"event": "dtmf", "dtmf": {"digit": "55"}}, "not a digit", False, 1007),
        (plivo, {"event": "dtmf"}, "no dtmf in it", False, 1007),
        (plivo, {"event": 1}, "no event", False, 1007),
        (plivo, [], "JSON object", False, 1007),
    ],
)
def test_what_the_dialect_does_not_allow_says_why_and_whether_the_call_can_go_on(make, message, words, fatal, code):
    with pytest.raises(LineError, match=words) as caught:
        make().receive(json.dumps(message))
    assert (caught.value.fatal, caught.value.code) == (fatal, code)


@pytest.mark.parametrize(
    ("kind", "rate", "expected"),
    [
        ("audio/x-mulaw", 8000, TELEPHONE),
        ("audio/x-l16", 8000, Format("pcm16", 8000)),
        ("audio/x-l16", "16000", Format("pcm16", 16000)),
        ("Audio/X-L16;rate=16000", 16000, Format("pcm16", 16000)),
    ],
)
def test_the_start_says_the_format_both_ways(kind, rate, expected):
    wire = Plivo()
    wire.receive(json.dumps(start(mediaFormat={"encoding": kind, "sampleRate": rate})))
    assert wire.format == expected
    sent = json.loads(str(wire.audio(AUDIO)))
    assert sent["media"] == {"contentType": kind.partition(";")[0].lower(), "sampleRate": int(rate), "payload": CODED}


def test_what_goes_out_is_plivos():
    wire: port.Wire = plivo()
    sent = [json.loads(str(each)) for each in (wire.audio(AUDIO), wire.mark('p"1'), wire.clear())]
    assert sent == [
        {
            "event": "playAudio",
            "streamId": "stream-1",
            "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": CODED},
        },
        {"event": "checkpoint", "streamId": "stream-1", "name": 'p"1'},
        {"event": "clearAudio", "streamId": "stream-1"},
    ]
    keys = wire.press("1#")
    assert keys is not None
    assert [json.loads(str(each)) for each in keys] == [
        {"event": "sendDTMF", "dtmf": "1"},
        {"event": "sendDTMF", "dtmf": "#"},
    ]
    assert wire.transfer("+15550100") is None


def test_a_stream_id_with_quotes_in_it_still_makes_json():
    wire = Plivo()
    wire.receive(json.dumps(start(streamId='s"\\')))
    assert {json.loads(str(each))["streamId"] for each in (wire.audio(AUDIO), wire.mark("m"), wire.clear())} == {'s"\\'}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("userId=12345;sessionId=abc-xyz", {"userId": "12345", "sessionId": "abc-xyz"}),
        ("test1=12,test2=123", {"test1": "12", "test2": "123"}),
        ("X-PH-a=1; x-ph-b = 2 ", {"a": "1", "b": "2"}),
        ('{"X-PH-a": "1", "n": 5, "deep": []}', {"a": "1", "n": "5", "deep": ""}),
        ({"a": "b=c"}, {"a": "b=c"}),
        ("a=b=c", {"a": "b=c"}),
        ("", {}),
        ("nothing", {}),
        ("{broken", {}),
        ("[]", {}),
        (None, {}),
        (7, {}),
    ],
)
def test_extra_headers_come_in_several_spellings(said, expected):
    assert extras(said) == expected


# ----------------------------------------------------------------------------------- any data whatever

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
VALID = [start("ticket=t1"), media(), {"event": "playedStream", "name": "p"}, {"event": "dtmf", "dtmf": {"digit": "1"}}]


def judge(wire: Plivo, data: str | bytes) -> None:
    try:
        result = wire.receive(data)
    except LineError as error:
        assert len(str(error)) < 300
        return
    assert result is None or (isinstance(result, bytes) and result) or isinstance(result, Signal)
    if isinstance(result, Started):
        assert all(isinstance(value, str) for value in (result.call, result.ticket, *result.parameters.values()))


@given(st.sampled_from([fresh, plivo, wide]), st.text() | st.binary() | JSON.map(json.dumps))
def test_any_data_parses_or_raises_a_line_error(make, data):
    judge(make(), data)


@given(st.sampled_from([fresh, plivo, wide]), st.sampled_from(VALID), JSON, st.data())
def test_a_valid_message_with_one_value_replaced_parses_or_raises_a_line_error(make, message, value, data):
    name = data.draw(st.sampled_from(sorted(message)))
    inner = message[name]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        value = {**inner, data.draw(st.sampled_from(sorted(inner))): value}
    judge(make(), json.dumps({**message, name: value}))


@given(st.lists(st.binary(max_size=2000)))
def test_a_client_plays_what_was_sent(frames):
    wire = plivo()
    heard = [base64.b64decode(json.loads(str(wire.audio(each)))["media"]["payload"], validate=True) for each in frames]
    assert heard == frames


# ------------------------------------------------------------------------------------------ who is let in

PATH = "/api/v1/media/plivo"


def gate(**keys: object) -> access.Access:
    return Access(Settings.model_validate({"auth_token": TOKEN, "media_signature": "present", **keys}))


def visit(headers: dict[str, str] | None = None, **query: str) -> Visit:
    return Visit({}, query, {"host": "voice.example", **(headers or {})}, "192.0.2.1:4444")


def sealed(text: str, key: str = TOKEN, name: str = "x-plivo-signature-v3") -> dict[str, str]:
    digest = hmac.new(key.encode(), f"{text}.n1".encode(), "sha256").digest()
    return {name: base64.b64encode(digest).decode(), "x-plivo-signature-v3-nonce": "n1"}


@pytest.mark.parametrize(
    ("query", "extra", "expected"),
    [
        (
            {"ticket": "t1", "call": "c1", "agent": "sales", "from": "+15550100"},
            None,
            Started("sales", "c1", "+15550100", "", {"call": "c1", "agent": "sales", "from": "+15550100"}, "t1"),
        ),
        (
            {"ticket": "t1"},
            "ticket=t1;agent=sales",
            Started("sales", "call-1", parameters={"agent": "sales"}, ticket="t1"),
        ),
        ({"ticket": "t1"}, "ticket=t2", Started("", "call-1", ticket="t1")),
        ({}, "ticket=t2", Started("", "call-1", ticket="t2")),
        ({"call": "c1"}, None, Started("", "call-1", parameters={"call": "c1"})),
    ],
)
def test_the_address_says_by_what_the_stream_comes_in_and_whose_call_it_is(query, extra, expected):
    wire, known = gate().open(visit(**query))
    assert known is None
    assert wire.receive(json.dumps(start(extra))) == expected


@pytest.mark.parametrize(
    ("media_token", "ticket", "known"),
    [("m1", "m1", True), ("m1", "m2", False), ("m1", "", False), ("", "", False)],
)
def test_only_the_token_that_was_set_is_known(media_token, ticket, known):
    assert gate(media_token=media_token).knows(ticket) is known


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({}, visit()),
        ({"auth_token": ""}, visit({"x-plivo-signature-v3": "x"})),
        ({"media_signature": "off"}, visit({"x-plivo-signature-v3": "x"})),
        ({}, visit(sealed(f"wss://voice.example{PATH}"))),
        ({}, visit(sealed(f"https://voice.example{PATH}"))),
        (
            {},
            visit(
                sealed(f"wss://voice.example{PATH}?call=c1&from=+1 5&ticket=t1"),
                ticket="t1",
                call="c1",
                **{"from": "+1 5"},
            ),
        ),
        ({}, visit({**sealed(f"wss://voice.example{PATH}"), "host": "inner", "x-forwarded-host": "voice.example"})),
        ({"media_signature": "required"}, visit(sealed(f"wss://voice.example{PATH}"))),
        ({"main_token": "main"}, visit(sealed(f"wss://voice.example{PATH}", "main", "x-plivo-signature-ma-v3"))),
    ],
)
def test_a_handshake_is_taken(keys, seen):
    gate(**keys).guard(seen, 0.0)


@pytest.mark.parametrize(
    ("keys", "seen", "reason"),
    [
        ({}, visit(sealed(f"wss://voice.example{PATH}", "other")), "signature"),
        ({}, visit(sealed(f"wss://other.example{PATH}")), "signature"),
        ({}, visit(sealed(f"wss://voice.example{PATH}"), ticket="t1"), "signature"),
        ({}, visit({"x-plivo-signature-v3": "x"}), "unsigned"),
        ({"media_signature": "required"}, visit(), "unsigned"),
    ],
)
def test_a_handshake_is_refused(keys, seen, reason):
    with pytest.raises(Denied) as caught:
        gate(**keys).guard(seen, 0.0)
    assert (caught.value.status, caught.value.reason) == (401, reason)
