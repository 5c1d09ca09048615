"""The RingCentral profile's media socket: who is let in, what comes in, what goes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Marked, Started, Stopped, Visit
from parlance.actors.media.ringcentral.access import Access
from parlance.actors.media.ringcentral.settings import Settings
from parlance.actors.media.ringcentral.wire import PCM, RingCentral
from parlance.actors.media.webhook import Denied
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import LineError

AUDIO = bytes(range(160))
QUERY = {"call_id": "g-1", "from_number": "+15550001", "to_number": "+15550002", "session_id": "s-9"}


def settings(**said: Any) -> Settings:
    return Settings.model_validate({"validation_token": "v", **said})


def visit(peer: str = "10.0.0.7:4000", headers: dict[str, str] | None = None, **query: str) -> Visit:
    return Visit({}, query, headers or {}, peer)


def test_the_promised_path():
    assert Access(settings()).paths == ("/api/voice/realtime/ws/call",)


@pytest.mark.parametrize(
    ("query", "headers", "call", "ticket"),
    [
        ({**QUERY, "ticket": "T1", "call": "c1"}, {}, "c1", "T1"),
        ({**QUERY, "ticket": "T1"}, {}, "g-1", "T1"),
        # The gateway's token says nothing of a call: then it is the gateway's own id, whatever it claims.
        ({**QUERY, "token": "fixed", "call": "c1"}, {}, "g-1", "fixed"),
        ({**QUERY, "call": "c1"}, {"authorization": "Bearer fixed"}, "g-1", "fixed"),
        ({**QUERY, "ticket": "T1", "call": "c1"}, {"authorization": "Bearer fixed"}, "c1", "T1"),
        ({"session_id": "s-9", "ticket": "fixed"}, {}, "s-9", "fixed"),
        ({"ticket": "fixed"}, {}, "", "fixed"),
    ],
)
def test_a_query_with_a_ticket_starts_the_call(query, headers, call, ticket):
    access = Access(settings(media_token="fixed"))
    wire, started = access.open(visit(headers=headers, **query))
    assert started is not None
    assert (started.call, started.ticket) == (call, ticket)
    assert started.caller == query.get("from_number", "")
    assert started.called == query.get("to_number", "")
    assert not {"ticket", "token"} & started.parameters.keys()
    assert wire.receive(AUDIO) == AUDIO


def test_a_query_without_a_ticket_waits_for_start():
    access = Access(settings(media_token="fixed"))
    wire, started = access.open(visit(**QUERY, agent="sales"))
    assert started is None
    with pytest.raises(LineError, match="before start") as error:
        wire.receive(AUDIO)
    assert not error.value.fatal
    begun = wire.receive(json.dumps({"type": "start", "ticket": "T1", "call": "c1", "from_number": 15550009999}))
    assert isinstance(begun, Started)
    assert (begun.call, begun.ticket, begun.agent) == ("c1", "T1", "sales")
    assert (begun.caller, begun.called) == ("+15550009999", "+15550002")
    assert wire.receive(AUDIO) == AUDIO


def test_the_token_in_start_is_the_gateways():
    wire, _ = Access(settings(media_token="fixed")).open(visit())
    begun = wire.receive('{"type":"start","token":"fixed","call":"c1","call_id":"g-1"}')
    assert isinstance(begun, Started)
    assert begun.call == "g-1"


def test_known_is_only_the_token_that_was_set():
    assert Access(settings(media_token="fixed")).knows("fixed")
    assert not Access(settings(media_token="fixed")).knows("fixeD")
    assert not Access(settings()).knows("")


def test_sockets_from_elsewhere_are_refused():
    access = Access(settings(sources=["10.0.0.0/8"]))
    access.guard(visit("10.1.2.3:5"), 0.0)
    with pytest.raises(Denied) as denied:
        access.guard(visit("11.1.2.3:5"), 0.0)
    assert denied.value.status == 403


@pytest.mark.parametrize(
    ("set_up", "query", "expected"),
    [
        ("mulaw", {}, TELEPHONE),
        ("pcm", {}, PCM),
        ("mulaw", {"encoding": "pcm"}, PCM),
        ("pcm", {"encoding": "PCMU", "sampleRate": "8000", "channels": "1"}, TELEPHONE),
    ],
)
def test_the_format_is_set_up_and_a_query_overrides_it(set_up, query, expected):
    wire, _ = Access(settings(encoding=set_up)).open(visit(ticket="T", **query))
    assert wire.format == expected


@pytest.mark.parametrize(
    "query", [{"encoding": "opus"}, {"sampleRate": "16000"}, {"sample_rate": "44100"}, {"channels": "2"}]
)
def test_another_format_in_the_query_is_refused_with_what_is_taken(query):
    with pytest.raises(LineError, match="takes mulaw or pcm at 8000 Hz") as error:
        Access(settings()).open(visit(ticket="T", **query))
    assert (error.value.fatal, error.value.code) == (True, 1003)


def begun(encoding: str = "mulaw") -> RingCentral:
    """A call that its query has started."""
    return RingCentral(PCM if encoding == "pcm" else TELEPHONE, begun=True)


def test_start_before_the_call_settles_the_format():
    wire = RingCentral()
    wire.receive(json.dumps({"type": "config", "format": {"encoding": "pcm", "sampleRate": 8000, "channels": 1}}))
    assert wire.format == PCM
    wire.receive(json.dumps({"type": "start", "encoding": "mulaw"}))
    assert wire.format == TELEPHONE


def test_start_after_the_query_is_no_second_start_but_two_are():
    wire = begun()
    assert wire.receive('{"type":"start"}') is None
    with pytest.raises(LineError, match="start came twice") as error:
        wire.receive('{"type":"start"}')
    assert (error.value.fatal, error.value.code) == (True, 1002)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "stop"}, Stopped("hung up")),
        ({"type": "stop", "reason": "caller left"}, Stopped("caller left")),
        ({"type": "config"}, None),
        ({"type": "config", "format": {"encoding": "mulaw", "sampleRate": 8000, "channels": 1}, "volume": 3}, None),
        ({"type": "weather"}, None),
        (AUDIO, AUDIO),
        (b"", None),
    ],
)
def test_what_comes_in(message, expected):
    assert begun().receive(message if isinstance(message, bytes) else json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("wire", "message", "words", "code"),
    [
        (begun(), {"type": "config", "encoding": "pcm"}, "begun with mulaw", 1003),
        (begun("pcm"), {"type": "start", "format": {"encoding": "mulaw"}}, "begun with pcm16", 1003),
        (begun(), {"type": "config", "sampleRate": 16000}, "at '16000' Hz", 1003),
        (begun(), {"type": "config", "encoding": ["pcm"]}, "not supported", 1003),
        (begun(), {"type": 7}, "no type", None),
        (begun(), {}, "no type", None),
        (begun(), [], "JSON object", None),
        (begun("pcm"), AUDIO[:3], "within a sample", None),
        (RingCentral(), AUDIO, "before start", None),
    ],
)
def test_what_is_refused(wire: RingCentral, message: Any, words: str, code: int | None):
    with pytest.raises(LineError, match=words) as error:
        wire.receive(message if isinstance(message, bytes) else json.dumps(message))
    assert error.value.fatal is (code is not None)
    if code is not None:
        assert error.value.code == code


def test_what_goes_out():
    wire = begun()
    assert wire.audio(AUDIO) == AUDIO
    (stop,) = wire.goodbye("the agent said goodbye")
    assert isinstance(stop, str)
    assert json.loads(stop) == {"type": "stop", "reason": "the agent said goodbye"}
    assert (wire.mark("m"), wire.clear(), wire.press("1"), wire.transfer("+15550001")) == (None, None, None, None)
    assert (wire.marks, wire.digits, wire.batch) == (False, False, 0.02)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["type", "format", "encoding", "sampleRate", "channels", "call_id", "ticket", "call", "from_number", "reason"]
    ),
    st.sampled_from(["start", "stop", "config", "mulaw", "pcm", "8000"]) | JSON,
)


@given(st.lists(st.binary() | st.text() | (JSON | FIELDS).map(json.dumps), max_size=6), st.booleans())
def test_whatever_comes_it_is_audio_a_signal_or_a_line_error(messages, started):
    wire = RingCentral(begun=started)
    for message in messages:
        try:
            heard = wire.receive(message)
        except LineError:
            continue
        assert heard is None or isinstance(heard, bytes | Started | Stopped | Marked | Digit)


@given(st.dictionaries(st.sampled_from(["encoding", "channels", "ticket", "call", *QUERY]), st.text()))
def test_whatever_a_query_says_it_is_opened_or_a_line_error(query):
    try:
        _, started = Access(settings(media_token="fixed")).open(visit(**query))
    except LineError as error:
        assert error.fatal
    else:
        assert (started is None) is not bool(query.get("ticket"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("+33199000010", "+33199000010"),
        ("33199000010", "+33199000010"),
        ("+1 (650) 555-0100", "+16505550100"),
        ("6505550100", "6505550100"),
        ("101", "101"),
        ("Anonymous", ""),
        (" unknown ", ""),
        ("sip:bob@example.org", "sip:bob@example.org"),
        ("", ""),
        ("9" * 65, ""),
        ("٣٣١٢٣٤٥٦٧٨٩", "٣٣١٢٣٤٥٦٧٨٩"),
    ],
)
def test_numbers_are_e164_where_they_can_be(said, expected):
    assert e164(said, bare=11) == expected
