"""Twilio's stream as the house sees it: who is let in by what, and how its handshake is checked.

What the wire makes of each message is in `test_wires.py`, by one table with the browser's.
"""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media import access, port
from parlance.actors.media.port import Started, Visit
from parlance.actors.media.twilio.access import Access
from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.twilio.wire import Twilio
from parlance.actors.media.webhook import Denied

TOKEN = "12345auth"


def gate(**keys: object) -> access.Access:
    return Access(Settings.model_validate({"auth_token": TOKEN, "media_signature": "present", **keys}))


def visit(headers: dict[str, str] | None = None, **query: str) -> Visit:
    return Visit({}, query, {"host": "voice.example", **(headers or {})}, "192.0.2.1:4444")


def start(**parameters: object) -> str:
    content = {"streamSid": "MZ1", "callSid": "CA1", "customParameters": parameters}
    return json.dumps({"event": "start", "start": content})


def signed(url: str, key: str = TOKEN, digest: str = "sha1") -> str:
    return base64.b64encode(hmac.new(key.encode(), url.encode(), digest).digest()).decode()


@pytest.mark.parametrize(
    ("parameters", "query", "expected"),
    [
        (
            {"ticket": "t1", "call": "c1", "agent": "sales", "from": "+15550100"},
            {},
            Started("sales", "c1", "+15550100", "", {"call": "c1", "agent": "sales", "from": "+15550100"}, "t1"),
        ),
        ({"token": "t1"}, {}, Started("", "CA1", ticket="t1")),
        ({"ticket": "t1", "token": "t2"}, {}, Started("", "CA1", ticket="t1")),
        ({"call": "c1"}, {}, Started("", "CA1", parameters={"call": "c1"})),
        ({}, {"token": "t3"}, Started("", "CA1", ticket="t3")),
        ({"ticket": ""}, {"ticket": "t3"}, Started("", "CA1", ticket="t3")),
        ({"ticket": "t1"}, {"ticket": "t3"}, Started("", "CA1", ticket="t3")),
        (
            {"from": "anonymous", "to": "15550199"},
            {},
            Started("", "CA1", "", "+15550199", {"from": "anonymous", "to": "15550199"}),
        ),
        (
            {"from": "+266696687", "to": "sip:desk@x"},
            {},
            Started("", "CA1", "", "sip:desk@x", {"from": "+266696687", "to": "sip:desk@x"}),
        ),
    ],
)
def test_a_start_says_by_what_the_stream_comes_in_and_whose_call_it_is(parameters, query, expected):
    wire, known = gate().open(visit(**query))
    assert known is None
    assert wire.receive(start(**parameters)) == expected


def test_the_handshakes_bearer_is_a_ticket_too():
    wire, _ = gate().open(visit({"authorization": "Bearer t9"}))
    started = wire.receive(start())
    assert isinstance(started, Started)
    assert started.ticket == "t9"


def test_what_lets_a_stream_in_is_not_passed_on():
    started = Twilio().receive(start(ticket="t1", token="t2"))
    assert isinstance(started, Started)
    assert not {"t1", "t2"} & set(started.parameters.values())


def test_the_wire_says_what_a_telephone_does():
    wire: port.Wire = Twilio()
    assert (wire.digits, wire.marks, wire.batch) == (True, True, 0.1)
    assert wire.press("5") is None
    assert wire.transfer("+15550100") is None


@pytest.mark.parametrize(
    ("media_token", "ticket", "known"),
    [("m1", "m1", True), ("m1", "m2", False), ("m1", "", False), ("", "", False), ("", "m1", False)],
)
def test_only_the_token_that_was_set_is_known(media_token, ticket, known):
    assert gate(media_token=media_token).knows(ticket) is known


URL = "wss://voice.example/api/v1/media/twilio"
SHARED = {"shared_keys": {"k1": "shared"}}
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"


@pytest.mark.parametrize(
    ("keys", "headers"),
    [
        ({}, {}),
        ({"auth_token": ""}, {"x-twilio-signature": "whatever"}),
        ({"media_signature": "off"}, {"x-twilio-signature": "whatever"}),
        ({}, {"x-twilio-signature": signed(URL)}),
        ({}, {"x-twilio-signature": signed(URL + "/")}),
        ({}, {"x-twilio-signature": signed("wss://voice.example:443/api/v1/media/twilio")}),
        ({}, {"x-twilio-signature": signed(URL), "host": "inner:8080", "x-forwarded-host": "voice.example"}),
        ({"media_signature": "required"}, {"x-twilio-signature": signed(URL)}),
        (
            SHARED,
            {"x-twilio-signature": signed(URL, "shared", "sha256"), SETTINGS_HEADER: "key=k1,algorithm=HMAC_SHA256"},
        ),
    ],
)
def test_a_handshake_is_taken(keys, headers):
    gate(**keys).guard(visit(headers), 0.0)


@pytest.mark.parametrize(
    ("keys", "headers", "reason"),
    [
        ({}, {"x-twilio-signature": signed(URL, "other")}, "signature"),
        ({}, {"x-twilio-signature": signed("wss://other.example/api/v1/media/twilio")}, "signature"),
        ({}, {"x-twilio-signature": signed("wss://voice.example/api/v1/media/other")}, "signature"),
        ({"media_signature": "required"}, {}, "unsigned"),
        ({"media_signature": "required"}, {"x-twilio-signature": signed(URL, "other")}, "signature"),
        (SHARED, {"x-twilio-signature": signed(URL), SETTINGS_HEADER: "key=k1,algorithm=HMAC_SHA256"}, "signature"),
    ],
)
def test_a_handshake_is_refused(keys, headers, reason):
    with pytest.raises(Denied) as caught:
        gate(**keys).guard(visit(headers), 0.0)
    assert (caught.value.status, caught.value.reason) == (401, reason)


@given(st.dictionaries(st.sampled_from(["host", "x-forwarded-host", "x-twilio-signature", SETTINGS_HEADER]), st.text()))
def test_any_handshake_is_taken_or_denied(headers):
    try:
        gate(**SHARED).guard(visit(headers), 0.0)
    except Denied as denied:
        assert denied.status == 401
    else:
        assert "x-twilio-signature" not in headers
