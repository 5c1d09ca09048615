"""Requests to Plivo: what is sent for each verb, and what is made of the answers."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media import errand
from parlance.actors.media.errand import Handle, Outgoing, Stamp
from parlance.actors.media.plivo.control import Control
from parlance.actors.media.plivo.settings import Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

STAMP = Stamp(0.0, "act")
ACCOUNT = "https://api.plivo.com/v1/Account/MA1"
STATUS = "https://voice.example/api/v1/webhooks/plivo/status?call=c1"


def control(**keys: object) -> errand.Control:
    account = {"auth_id": "MA1", "auth_token": "s3cret"}
    return Control(Settings.model_validate({**account, **keys}), Addresses("https://voice.example"))


def outgoing(*, machines: bool = False) -> Outgoing:
    return Outgoing("c1", "+15550100", "+15550199", "sales", "t1", ring=25, machines=machines)


PLACED = {
    "from": "15550199",
    "to": "15550100",
    "answer_url": "https://voice.example/api/v1/webhooks/plivo/answer?call=c1&ticket=t1&agent=sales",
    "answer_method": "POST",
    "ring_url": STATUS,
    "ring_method": "POST",
    "hangup_url": STATUS,
    "hangup_method": "POST",
    "ring_timeout": 25,
}


@pytest.mark.parametrize(
    ("machines", "more"),
    [
        (False, {}),
        (
            True,
            {
                "machine_detection": "true",
                "machine_detection_url": STATUS,
                "machine_detection_method": "POST",
            },
        ),
    ],
)
def test_a_call_is_placed_with_where_it_asks_once_it_is_answered(machines, more):
    sent = control().place(outgoing(machines=machines), STAMP)
    assert (sent.method, sent.url, sent.again) == ("POST", ACCOUNT + "/Call/", False)
    assert sent.headers["content-type"] == "application/json"
    assert base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")) == b"MA1:s3cret"
    assert json.loads(sent.body) == PLACED | more


def test_a_call_is_hung_up_by_its_own_id_or_canceled_by_its_requests():
    sent = control().hang_up(Handle("u/1", "r1"), STAMP)
    assert (sent.method, sent.url, sent.body, sent.again) == ("DELETE", ACCOUNT + "/Call/u%2F1/", b"", True)
    sent = control().hang_up(Handle("", "r/1"), STAMP)
    assert (sent.method, sent.url, sent.body, sent.again) == ("DELETE", ACCOUNT + "/Request/r%2F1/", b"", True)


def test_what_else_can_be_done_to_a_call():
    handle = Handle("u1")
    sent = control().transfer(handle, "+15550123", STAMP)
    assert (sent.method, sent.url, sent.again) == ("POST", ACCOUNT + "/Call/u1/", False)
    assert json.loads(sent.body) == {
        "legs": "aleg",
        "aleg_url": "https://voice.example/api/v1/webhooks/plivo/transfer?to=%2B15550123",
        "aleg_method": "POST",
    }
    sent = control().dtmf(handle, "12#", STAMP)
    assert (sent.method, sent.url, sent.again) == ("POST", ACCOUNT + "/Call/u1/DTMF/", False)
    assert json.loads(sent.body) == {"digits": "12#", "leg": "aleg"}
    sent = control().message("+15550199", "+15550100", "Hi", STAMP)
    assert (sent.method, sent.url, sent.again) == ("POST", ACCOUNT + "/Message/", False)
    assert json.loads(sent.body) == {"src": "15550199", "dst": "15550100", "text": "Hi"}


def test_host_and_version_are_settings():
    sent = control(url="http://127.0.0.1:8099", version="v2").dtmf(Handle("u1"), "1", STAMP)
    assert sent.url == "http://127.0.0.1:8099/v2/Account/MA1/Call/u1/DTMF/"


@pytest.mark.parametrize(("keys", "able"), [({}, True), ({"auth_id": ""}, False), ({"auth_token": ""}, False)])
def test_without_an_account_there_are_no_verbs(keys, able):
    every = frozenset({"place", "hang_up", "transfer", "dtmf", "message"})
    assert control(**keys).verbs == (every if able else frozenset())


def test_what_authenticates_is_not_shown():
    assert "Basic" not in repr(control().hang_up(Handle("u1"), STAMP))


def answer(**content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("verb", "status", "body", "handle"),
    [
        ("place", 201, answer(message="call fired", request_uuid="r1", api_id="a"), Handle("", "r1")),
        ("place", 201, answer(request_uuid=["r1", "r2"]), Handle("", "r1")),
        ("place", 201, b"<html>", Handle()),
        ("hang_up", 204, b"", Handle()),
        ("transfer", 202, answer(message="call transferred"), Handle()),
        ("dtmf", 202, answer(message="digits sent"), Handle()),
    ],
)
def test_a_success_is_a_handle(verb, status, body, handle):
    assert control().read(verb, status, {}, body) == handle


@pytest.mark.parametrize(
    ("verb", "status", "body", "error", "words"),
    [
        ("hang_up", 404, answer(error="call not found"), Ended, "call not found"),
        ("transfer", 404, b"", Ended, "HTTP 404"),
        ("dtmf", 404, b"", Ended, "HTTP 404"),
        ("place", 404, answer(error="not found"), Rejected, "not found"),
        ("place", 400, answer(error={"error": "invalid to"}), Rejected, "invalid to"),
        ("place", 401, answer(error="bad s3cret"), Rejected, r"bad \*\*\*"),
        ("place", 429, b"", Overloaded, "HTTP 429"),
        ("hang_up", 503, b"", Overloaded, "HTTP 503"),
        ("hang_up", 500, b"\xff", Unreachable, "HTTP 500"),
        ("hang_up", 400, answer(error="x" * 900), Rejected, "^plivo: x{200}$"),
    ],
)
def test_a_failure_says_whose_act_it_was(verb, status, body, error, words):
    with pytest.raises(error, match=words) as caught:
        control().read(verb, status, {}, body)
    assert caught.type is error


NAMES = st.sampled_from(["request_uuid", "error", "message"])
JSON = st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@given(
    st.sampled_from(["place", "hang_up", "transfer", "dtmf"]),
    st.integers(100, 599),
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_a_handle_or_a_providers_error(verb, status, body):
    try:
        assert isinstance(control().read(verb, status, {}, body), Handle)
    except ProviderError as error:
        assert len(str(error)) < 260
