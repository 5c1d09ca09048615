"""Vonage's signed webhooks: who is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.vonage.hooks import Hooks
from parlance.actors.media.vonage.settings import ANSWER, EVENT, Settings
from parlance.actors.media.webhook import Addresses, Denied, Request

NOW = 1_780_000_000.0
SECRET = "0123456789abcdef0123456789abcdef"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"


@cache
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def hooks(**changes: Any) -> Hooks:
    named = {"application_id": "app", "api_key": "abcd", "private_key": pem(), "signature_secret": SECRET, **changes}
    return Hooks(Settings.model_validate(named), Addresses("https://voice.example"))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims: dict[str, Any], secret: str = SECRET, alg: str = "HS256") -> str:
    """A JWT by hand (RFC 7515)."""
    head = encoded(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    content = f"{head}.{encoded(json.dumps(claims).encode())}"
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}.get(alg)
    signature = hmac.new(secret.encode(), content.encode(), digest).digest() if digest else b""
    return f"{content}.{encoded(signature)}"


def claims(payload: bytes, **changes: Any) -> dict[str, Any]:
    said = {
        "iat": int(NOW),
        "jti": "j1",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(payload).hexdigest(),
        "api_key": "abcd",
        "application_id": "app",
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def post(path: str, body: Any, query: str = "", authorization: str = "") -> Request:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": authorization} if authorization else {}
    return Request("POST", f"https://voice.example{path}{query}", headers, sent)


def get(fields: dict[str, str], authorization: str = "") -> Request:
    return Request("GET", f"https://voice.example{ANSWER}?{urlencode(fields)}", {"authorization": authorization}, b"")


BODY = b'{"status":"ringing","uuid":"' + UUID.encode() + b'"}'
ASKED = {"to": "442079460000", "from": "447700900000", "uuid": UUID, "SipHeader_X-Name": "J\u00fcrgen / Sons"}
COMPACT = json.dumps(ASKED, separators=(",", ":"), ensure_ascii=False).encode()


def signed(
    payload: bytes = BODY, body: bytes = BODY, secret: str = SECRET, alg: str = "HS256", **changes: Any
) -> Request:
    return post(EVENT, body, authorization=f"Bearer {token(claims(payload, **changes), secret, alg)}")


@pytest.mark.parametrize(
    "sent",
    [
        signed(),
        signed(iat=int(NOW) - 299),
        signed(iat=int(NOW) + 299),
        signed(iat=NOW),
        signed(api_key=None, application_id=None),
        signed(exp=1),
        signed(payload_hash=hashlib.sha256(BODY).hexdigest().upper()),
        signed(body=BODY.replace(b",", b", ").replace(b":", b" : ", 1)),
        get(ASKED, f"bearer {token(claims(COMPACT))}"),
        get({**ASKED, "agent": "sales"}, f"Bearer {token(claims(COMPACT))}"),
    ],
)
def test_what_vonage_has_signed_is_believed(sent):
    hooks().verify(sent, NOW)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (post(EVENT, BODY), "unsigned"),
        (post(EVENT, BODY, authorization="Bearer "), "unsigned"),
        (post(EVENT, BODY, authorization="Basic YTpi"), "unsigned"),
        (post(EVENT, BODY, authorization="Bearer a.b.c"), "signature"),
        (post(EVENT, BODY, authorization="Bearer \xe9"), "signature"),
        (signed(secret="1" * 32), "signature"),
        (signed(alg="HS512"), "signature"),
        (signed(alg="none", secret=""), "signature"),
        (signed(body=BODY.replace(b"ringing", b"answered")), "signature"),
        (signed(payload_hash=None), "signature"),
        (signed(payload_hash=5), "signature"),
        (signed(payload_hash=""), "signature"),
        (signed(application_id="other"), "signature"),
        (signed(api_key="other"), "signature"),
        (signed(iat=None), "signature"),
        (signed(iat="now"), "signature"),
        (signed(iat=True), "signature"),
        (signed(iat=int(NOW) - 301), "expired"),
        (signed(iat=int(NOW) + 301), "expired"),
        (signed(iat=10**400), "expired"),
        (signed(iat=float("nan")), "expired"),
        (get({**ASKED, "uuid": "other"}, f"Bearer {token(claims(COMPACT))}"), "signature"),
        (get({**ASKED, "more": "1"}, f"Bearer {token(claims(COMPACT))}"), "signature"),
    ],
)
def test_anything_else_is_not(sent, reason):
    with pytest.raises(Denied) as caught:
        hooks().verify(sent, NOW)
    assert (caught.value.status, caught.value.reason) == (401, reason)
    assert SECRET not in str(caught.value)


def test_what_was_once_signed_cannot_be_sent_again_later():
    once = signed()
    hooks().verify(once, NOW + 10)
    with pytest.raises(Denied) as caught:
        hooks().verify(once, NOW + 600)
    assert caught.value.reason == "expired"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_tampered_with_is_worth_nothing(part):
    parts = token(claims(BODY)).split(".")
    parts[part] = parts[part][:-4] + ("AAAA" if parts[part][-4:] != "AAAA" else "BBBB")
    with pytest.raises(Denied) as caught:
        hooks().verify(post(EVENT, BODY, authorization=f"Bearer {'.'.join(parts)}"), NOW)
    assert caught.value.reason == "signature"


@given(st.text(), st.binary())
def test_no_header_makes_it_fail_otherwise(header, body):
    with pytest.raises(Denied):
        hooks().verify(post(EVENT, body, authorization=f"Bearer {header}"), NOW)
