"""Requests to Twilio: what is sent for each verb, and what is made of the answers."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media import errand
from parlance.actors.media.errand import Handle, Outgoing, Stamp
from parlance.actors.media.twilio.control import Control
from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

ACCOUNT = {"account_sid": "AC1", "auth_token": "s3cret"}
STAMP = Stamp(0.0, "act")
OUT = Outgoing("c1", "+15550100", "+15550199", "sales", "t1", ring=25)
CALLS = "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls"


def control(**keys: object) -> errand.Control:
    return Control(Settings.model_validate({**ACCOUNT, **keys}), Addresses("https://voice.example"))


def form(sent: errand.Errand) -> list[tuple[str, str]]:
    return parse_qsl(sent.body.decode(), keep_blank_values=True, strict_parsing=True)


def test_a_call_is_placed_with_its_stream_and_what_tells_us_of_it():
    sent = control().place(OUT, STAMP)
    assert (sent.method, sent.url, sent.again) == ("POST", CALLS + ".json", False)
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")) == b"AC1:s3cret"
    fields = form(sent)
    status = "https://voice.example/api/v1/webhooks/twilio/status?call=c1"
    assert [(name, value) for name, value in fields if name != "Twiml"] == [
        ("To", "+15550100"),
        ("From", "+15550199"),
        ("Timeout", "25"),
        ("StatusCallback", status),
        ("StatusCallbackMethod", "POST"),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackEvent", "answered"),
        ("StatusCallbackEvent", "completed"),
    ]
    stream = fromstring(dict(fields)["Twiml"]).find("./Connect/Stream")
    assert stream is not None
    assert stream.attrib == {"url": "wss://voice.example/api/v1/media/twilio", "statusCallback": status}
    assert [(each.attrib["name"], each.attrib["value"]) for each in stream] == [
        ("ticket", "t1"),
        ("call", "c1"),
        ("agent", "sales"),
        ("from", "+15550199"),
        ("to", "+15550100"),
    ]


def test_machines_are_listened_for_in_the_background():
    sent = control(machine_detection="DetectMessageEnd").place(Outgoing(**_fields(OUT), machines=True), STAMP)
    assert form(sent)[-4:] == [
        ("MachineDetection", "DetectMessageEnd"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", "https://voice.example/api/v1/webhooks/twilio/status?call=c1"),
        ("AsyncAmdStatusCallbackMethod", "POST"),
    ]


def _fields(outgoing: Outgoing) -> dict[str, str]:
    return {name: getattr(outgoing, name) for name in ("call", "to", "source", "agent", "ticket")}


def test_hanging_up_may_be_said_twice_and_transferring_may_not():
    handle = Handle("CA/1")
    sent = control().hang_up(handle, STAMP)
    assert (sent.url, form(sent), sent.again) == (f"{CALLS}/CA%2F1.json", [("Status", "completed")], True)
    sent = control().transfer(handle, "+15550123", STAMP)
    assert (sent.url, sent.again) == (f"{CALLS}/CA%2F1.json", False)
    ((name, document),) = form(sent)
    assert name == "Twiml"
    assert document.endswith(
        '<Response><Dial action="https://voice.example/api/v1/webhooks/twilio/transfer">'
        "<Number>+15550123</Number></Dial></Response>"
    )


def test_a_text_message():
    sent = control().message("+15550199", "+15550100", "Hi & bye", STAMP)
    assert sent.url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert form(sent) == [("To", "+15550100"), ("From", "+15550199"), ("Body", "Hi & bye")]


@pytest.mark.parametrize(
    ("keys", "host"),
    [
        ({}, "https://api.twilio.com"),
        ({"region": "ie1"}, "https://api.ie1.twilio.com"),
        ({"edge": "dublin"}, "https://api.dublin.us1.twilio.com"),
        ({"edge": "dublin", "region": "ie1"}, "https://api.dublin.ie1.twilio.com"),
        ({"url": "http://127.0.0.1:8099", "edge": "dublin"}, "http://127.0.0.1:8099"),
    ],
)
def test_the_host_is_the_accounts(keys, host):
    assert control(**keys).hang_up(Handle("CA1"), STAMP).url == f"{host}/2010-04-01/Accounts/AC1/Calls/CA1.json"


def test_an_api_key_takes_the_place_of_the_auth_token():
    sent = control(api_key="SK1", api_secret="other").hang_up(Handle("CA1"), STAMP)
    assert base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")) == b"SK1:other"
    assert "/Accounts/AC1/" in sent.url


@pytest.mark.parametrize(("keys", "able"), [({}, True), ({"account_sid": ""}, False), ({"auth_token": ""}, False)])
def test_without_an_account_there_are_no_verbs(keys, able):
    assert control(**keys).verbs == (frozenset({"place", "hang_up", "transfer", "message"}) if able else frozenset())


def test_what_authenticates_is_not_shown():
    sent = control().hang_up(Handle("CA1"), STAMP)
    assert "Basic" not in repr(sent)


# ------------------------------------------------------------------------------------------- answers


def answer(**content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("verb", "status", "body", "handle"),
    [
        ("place", 201, answer(sid="CA9", status="queued"), Handle("CA9")),
        ("place", 201, b"<html>", Handle()),
        ("place", 201, b"[]", Handle()),
        ("hang_up", 200, answer(sid="CA9"), Handle()),
        ("transfer", 200, answer(sid="CA9"), Handle()),
        ("message", 201, answer(sid="SM1"), Handle()),
    ],
)
def test_a_success_is_a_handle(verb, status, body, handle):
    assert control().read(verb, status, {}, body) == handle


@pytest.mark.parametrize(
    ("verb", "status", "body", "error", "words"),
    [
        ("hang_up", 404, answer(code=20404, message="not found"), Ended, r"not found \(20404\)"),
        ("hang_up", 404, b"", Ended, "HTTP 404"),
        ("transfer", 400, answer(code=21220, message="Call is not in-progress"), Ended, "not in-progress"),
        ("place", 404, answer(code=20404, message="no account"), Rejected, "no account"),
        ("place", 400, answer(code=21211, message="Invalid 'To'"), Rejected, r"Invalid 'To' \(21211\)"),
        ("place", 401, answer(code=20003, message="Authenticate: s3cret"), Rejected, r"Authenticate: \*\*\*"),
        ("place", 302, b"", Rejected, "HTTP 302"),
        ("place", 429, answer(code=20429, message="Too Many Requests"), Overloaded, "Too Many"),
        ("hang_up", 503, b"", Overloaded, "HTTP 503"),
        ("hang_up", 500, answer(message="oops"), Unreachable, "oops"),
        ("hang_up", 502, b"\xff", Unreachable, "HTTP 502"),
        ("hang_up", 400, answer(message="x" * 900), Rejected, "^twilio: x{200}$"),
    ],
)
def test_a_failure_says_whose_act_it_was(verb, status, body, error, words):
    with pytest.raises(error, match=words) as caught:
        control().read(verb, status, {}, body)
    assert caught.type is error


@given(
    st.sampled_from(["place", "hang_up", "transfer", "message"]),
    st.integers(100, 599),
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["sid", "code", "message"]), inner),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_a_handle_or_a_providers_error(verb, status, body):
    try:
        assert isinstance(control().read(verb, status, {}, body), Handle)
    except ProviderError as error:
        assert len(str(error)) < 260
