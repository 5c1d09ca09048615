"""Azure's tokens: which are believed, how the keys that prove them are learned, and the settings that name them."""

from __future__ import annotations

import json

import pytest
from azurecloud import (
    AUDIENCE,
    NOW,
    OWN,
    PUBLIC,
    SECRET,
    STRANGE,
    callback,
    coded,
    denied,
    event,
    hooks,
    jwk,
    jwks,
    settings,
    token,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA512
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parlance.actors.media.acs.hooks import Hooks
from parlance.actors.media.acs.keys import Keys
from parlance.actors.media.webhook import Addresses, Request


def test_a_callback_of_azure_is_believed():
    hooks().verify(callback([event("CallConnected")]), NOW)
    hooks().verify(callback([]), NOW + 299)


HEAD, BODY, SEAL = token().split(".")
CLAIMS = {"iss": "https://acscallautomation.communication.azure.com", "aud": AUDIENCE, "exp": NOW + 9e9}
UNSIGNED = f"{coded(json.dumps({'alg': 'none', 'kid': 'one'}).encode())}.{BODY}."


@pytest.mark.parametrize(
    ("bearer", "now", "expected"),
    [
        ("", NOW, "unsigned"),
        (token(STRANGE), NOW, "signature"),
        (token(signature=b""), NOW, "signature"),
        (f"{HEAD}.{BODY}.{SEAL[:-8]}AAAAAAAA", NOW, "signature"),
        (f"{HEAD}.{coded(json.dumps(CLAIMS).encode())}.{SEAL}", NOW, "signature"),
        (f"{coded(json.dumps({'alg': 'RS256', 'kid': 'one', 'x': 1}).encode())}.{BODY}.{SEAL}", NOW, "signature"),
        (UNSIGNED, NOW, "signature"),
        (token(head={"alg": "HS256"}), NOW, "signature"),
        (token(head={"alg": "RS512"}, digest=SHA512()), NOW, "signature"),
        (token(head={"kid": "two"}), NOW, "unknown-key"),
        (token(head={"kid": None}), NOW, "signature"),
        (token(iss="https://evil.example"), NOW, "issuer"),
        (token(iss=None), NOW, "claims"),
        (token(aud="another"), NOW, "audience"),
        (token(aud=None), NOW, "claims"),
        (token(exp=None), NOW, "claims"),
        (token(exp="soon"), NOW, "claims"),
        (token(exp=True), NOW, "claims"),
        (token(exp=10**400), NOW, "claims"),
        (token(iat="then"), NOW, "claims"),
        (token(), NOW + 361, "expired"),
        (token(), NOW - 61, "expired"),
        (token(exp=NOW + 86_400), NOW + 361, "expired"),
        (token(iat=None, nbf=NOW + 120), NOW, "expired"),
        ("a" * 20_000, NOW, "signature"),
        ("[" * 9_000, NOW, "signature"),
        (f"{coded(b'[' * 9000)}.{BODY}.{SEAL}", NOW, "signature"),
        ("\u00e4.\u00e4.\u00e4", NOW, "signature"),
    ],
)
def test_any_other_callback_is_not(bearer, now, expected):
    assert denied(hooks(), callback([event("CallConnected")], bearer=bearer), now) == (401, expected)


def test_the_secret_of_the_grid_is_no_key_to_callbacks():
    request = Request("POST", f"{PUBLIC}/api/v1/calls/acs/callbacks?secret={SECRET}", {}, b"[]")
    assert denied(hooks(), request) == (401, "unsigned")


@given(st.text())
def test_any_authorization_is_denied(words):
    request = Request("POST", f"{PUBLIC}/api/v1/calls/acs/callbacks", {"authorization": f"Bearer {words}"}, b"")
    assert denied(hooks(), request)[0] == 401


# ------------------------------------------------------------------------------------------ learned


def learner() -> tuple[Hooks, Keys, list[str]]:
    rang: list[str] = []
    keys = Keys(settings())
    hooks = Hooks(settings(), Addresses(PUBLIC), keys)
    hooks.wanted = lambda: rang.append("wanted")
    assert hooks.wanted is keys.wanted
    return hooks, keys, rang


SET = jwks(jwk(OWN, "one"))


def test_until_the_keys_are_there_callbacks_are_refused():
    hooks, _, rang = learner()
    errand = hooks.wants(0.0)
    assert errand is not None
    assert (errand.method, errand.url, errand.again) == (
        "GET",
        "https://acscallautomation.communication.azure.com/calling/keys",
        True,
    )
    assert denied(hooks, callback([])) == (401, "no-keys")
    assert rang == ["wanted"]
    hooks.learned(200, SET, NOW)
    hooks.verify(callback([]), NOW)
    assert hooks.wants(NOW) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (0, b""),
        (500, SET),
        (200, b""),
        (200, b"{"),
        (200, b"[" * 100_000),
        (200, b"[]"),
        (200, jwks()),
        (200, jwks({"kty": "RSA", "kid": "one"})),
        (200, jwks(jwk(OWN, "one", kty="EC"))),
        (200, jwks(jwk(OWN, "one", use="enc"))),
        (200, jwks(jwk(OWN, "one", n=7))),
        (200, jwks(jwk(OWN, "one", n="AQAB"))),
        (200, jwks(jwk(rsa.generate_private_key(65537, 1024), "one"))),
    ],
)
def test_a_bad_answer_is_no_answer(status, body):
    hooks, _, _ = learner()
    hooks.learned(status, body, NOW)
    assert hooks.wants(NOW + 4.9) is None
    assert hooks.wants(NOW + 5) is not None
    assert denied(hooks, callback([])) == (401, "no-keys")
    hooks.learned(200, SET, NOW + 5)
    hooks.learned(status, body, NOW + 3605)
    hooks.verify(callback([]), NOW)
    assert hooks.wants(NOW + 3605 + 59) is None
    assert hooks.wants(NOW + 3605 + 60) is not None


def test_the_keys_are_fetched_hourly_and_old_ones_are_forgotten():
    hooks, _, _ = learner()
    hooks.learned(200, SET, NOW)
    assert hooks.wants(NOW + 3599) is None
    assert hooks.wants(NOW + 3600) is not None
    hooks.learned(200, jwks(jwk(STRANGE, "two")), NOW + 10)
    assert denied(hooks, callback([])) == (401, "unknown-key")
    hooks.verify(callback([], bearer=token(STRANGE, {"kid": "two"})), NOW)


def test_an_unknown_key_is_asked_for_once_a_minute():
    hooks, _, rang = learner()
    hooks.learned(200, SET, NOW)
    unknown = callback([], bearer=token(head={"kid": "two"}))
    assert denied(hooks, unknown, NOW + 1) == (401, "unknown-key")
    assert (rang, hooks.wants(NOW + 59)) == ([], None)
    assert hooks.wants(NOW + 60) is not None
    assert denied(hooks, unknown, NOW + 61) == (401, "unknown-key")
    assert rang == ["wanted"]
    hooks.learned(200, SET, NOW + 61)
    assert hooks.wants(NOW + 120) is None


# ------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"connection_string": ""}, "must be endpoint="),
        ({"connection_string": "endpoint=https://x.example;accesskey="}, "must be endpoint="),
        ({"connection_string": "endpoint=http://x.example;accesskey=c2VjcmV0"}, "begin with https://"),
        ({"connection_string": "endpoint=x.example;accesskey=c2VjcmV0"}, "https:// and a host"),
        ({"connection_string": "endpoint=https://x.example/y;accesskey=c2VjcmV0"}, "https:// and a host"),
        ({"connection_string": "endpoint=https://x.example;accesskey=c2VjcmV0!"}, "not base64"),
        ({"incoming_secret": "short-secret"}, "16 characters"),
        ({"audience": ""}, "audience"),
        ({"rate": 8000}, "16000 or 24000"),
        ({"source": "0123456789"}, "plus and country code"),
        ({"sources": ["52.112.0.0/99"]}, "sources"),
        ({"verify": False}, "verify"),
    ],
)
def test_wrong_settings_are_named_and_no_secret_is_told(changes, words):
    with pytest.raises(ValidationError, match=words) as caught:
        settings(**changes)
    assert "c2VjcmV0" not in str(caught.value)
    assert "short-secret" not in str(caught.value)


def test_settings_from_the_environment_are_text():
    assert settings(rate="24000").rate == 24000
    assert "accesskey" not in repr(settings())
