"""Our requests to Vonage, and what is made of its answers."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp
from parlance.actors.media.vonage.control import Control
from parlance.actors.media.vonage.settings import Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ParlanceError, Rejected, Unreachable

STAMP = Stamp(1_780_000_000.7, "act-1")
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
CALL = Handle(UUID)
OUT = Outgoing("ours", "+33199000010", "+33987654321", "sales", "t1", ring=45, machines=True)


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def control(api: str = "https://api.nexmo.com/v1") -> Control:
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    named = {"application_id": "app", "private_key": pem, "signature_secret": "s" * 32, "api": api}
    return Control(Settings.model_validate(named), Addresses("https://voice.example"))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def content(errand: Errand) -> Any:
    assert errand.headers["content-type"] == "application/json"
    return json.loads(errand.body)


def test_a_request_is_signed_with_the_applications_key():
    scheme, _, token = control().hang_up(CALL, STAMP).headers["authorization"].partition(" ")
    head, claims, signature = token.split(".")
    assert scheme == "Bearer"
    assert json.loads(decoded(head))["alg"] == "RS256"
    assert json.loads(decoded(claims)) == {
        "application_id": "app",
        "iat": 1_780_000_000,
        "exp": 1_780_000_300,
        "jti": "act-1",
    }
    # Raises InvalidSignature if it is not.
    key().public_key().verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256())


def test_a_call_is_placed_with_its_control_object():
    errand = control().place(OUT, STAMP)
    assert (errand.method, errand.url, errand.again) == ("POST", "https://api.nexmo.com/v1/calls", False)
    assert content(errand) == {
        "to": [{"type": "phone", "number": "33199000010"}],
        "from": {"type": "phone", "number": "33987654321"},
        "ncco": [
            {
                "action": "connect",
                "eventType": "synchronous",
                "eventUrl": ["https://voice.example/api/v1/webhooks/vonage/event?call=ours"],
                "eventMethod": "POST",
                "endpoint": [
                    {
                        "type": "websocket",
                        "uri": "wss://voice.example/api/v1/media/vonage",
                        "content-type": "audio/l16;rate=16000",
                        "headers": {"ticket": "t1", "call": "ours"},
                    }
                ],
            }
        ],
        "event_url": ["https://voice.example/api/v1/webhooks/vonage/event?call=ours"],
        "event_method": "POST",
        "ringing_timer": 45,
        "machine_detection": "continue",
    }


@pytest.mark.parametrize(("ring", "sent"), [(0, 1), (30, 30), (600, 120)])
def test_ringing_is_kept_within_what_vonage_takes(ring, sent):
    asked = content(control().place(Outgoing("ours", "+331", "+332", "sales", "t", ring=ring), STAMP))
    assert asked["ringing_timer"] == sent
    assert "machine_detection" not in asked


FORWARD = {
    "action": "transfer",
    "destination": {
        "type": "ncco",
        "ncco": [
            {
                "action": "connect",
                "eventUrl": [f"https://voice.example/api/v1/webhooks/vonage/event?transfer={UUID}"],
                "eventMethod": "POST",
                "endpoint": [{"type": "phone", "number": "33199000010"}],
            }
        ],
    },
}


@pytest.mark.parametrize(
    ("make", "path", "sent", "again"),
    [
        (lambda c: c.hang_up(CALL, STAMP), "", {"action": "hangup"}, True),
        (lambda c: c.transfer(CALL, "+33199000010", STAMP), "", FORWARD, False),
        (lambda c: c.dtmf(CALL, "12#", STAMP), "/dtmf", {"digits": "12#"}, False),
    ],
)
def test_a_verb_changes_its_call(make, path, sent, again):
    errand = make(control("https://api-eu-3.vonage.com/v1"))
    assert (errand.method, errand.url) == ("PUT", f"https://api-eu-3.vonage.com/v1/calls/{UUID}{path}")
    assert content(errand) == sent
    assert errand.again is again


def test_an_id_cannot_lead_elsewhere():
    assert control().hang_up(Handle("../x?y"), STAMP).url == "https://api.nexmo.com/v1/calls/..%2Fx%3Fy"


def test_what_the_reply_to_a_webhook_does_is_no_verb():
    assert control().verbs == {"place", "hang_up", "transfer", "dtmf"}


def test_an_errand_does_not_show_its_token():
    errand = control().hang_up(CALL, STAMP)
    assert errand.headers["authorization"] not in repr(errand)


def test_the_answer_names_the_call():
    answer = b'{"uuid":"u1","status":"started","direction":"outbound","conversation_uuid":"CON-1"}'
    assert control().read("place", 201, {}, answer) == Handle("u1", "CON-1")
    assert control().read("hang_up", 204, {}, b"") == Handle()


def problem(title: str, detail: str = "") -> bytes:
    return json.dumps({"type": "https://developer.vonage.com/api-errors", "title": title, "detail": detail}).encode()


@pytest.mark.parametrize(
    ("verb", "status", "answer", "error", "words"),
    [
        ("hang_up", 404, problem("Not Found", "call does not exist"), Ended, "Not Found: call does not exist"),
        ("mute", 400, problem("Bad Request", "The call is not in progress"), Ended, "not in progress"),
        ("hang_up", 400, problem("Bad Request", "Unknown action"), Rejected, "Unknown action"),
        ("place", 404, problem("Not Found"), Rejected, "Not Found"),
        ("place", 400, b'{"error_title":"Bad Request"}', Rejected, "Bad Request"),
        ("place", 401, problem("Unauthorized", "You did not provide correct credentials."), Rejected, "credentials"),
        ("place", 429, b"", Overloaded, "HTTP 429"),
        ("transfer", 503, b"", Overloaded, "HTTP 503"),
        ("transfer", 502, b"<html>", Unreachable, "HTTP 502"),
    ],
)
def test_a_refusal_is_told_by_its_kind_in_the_carriers_words(verb, status, answer, error, words):
    with pytest.raises(error, match=words) as caught:
        control().read(verb, status, {}, answer)
    assert type(caught.value) is error
    assert caught.value.provider == "vonage"


def test_a_refusal_is_no_novel():
    with pytest.raises(Rejected) as caught:
        control().read("place", 400, {}, problem("Bad Request", "x" * 900))
    assert len(str(caught.value)) <= 200 + len("vonage: ")


@given(
    st.integers(100, 599), st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_comes_back_is_a_handle_or_an_error_of_ours(status, answer):
    try:
        assert isinstance(control().read("hang_up", status, {}, answer), Handle)
    except ParlanceError:
        assert not 200 <= status < 300
