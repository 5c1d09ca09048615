"""Requests to RingCentral and what is made of its answers."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp
from parlance.actors.media.ringcentral.control import Control
from parlance.actors.media.ringcentral.settings import Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

NOW = Stamp(1_700_000_000.0, "act-1")
CREDENTIALS = {"client_id": "the id", "client_secret": "the secret", "jwt": "head.body.sign"}
BASE = "https://platform.ringcentral.com/restapi/v1.0/account/~"
OURS = Handle("s-9", "p-9-2")


def make(**said: Any) -> Control:
    settings = Settings.model_validate({"validation_token": "v", **CREDENTIALS, "device": "801", **said})
    return Control(settings, Addresses("https://voice.example.org"))


def logged_in(**said: Any) -> Control:
    control = make(**said)
    control.learned(200, json.dumps({"access_token": "at-1", "expires_in": 3600}).encode(), NOW.now)
    return control


def outgoing(**changes: Any) -> Outgoing:
    return Outgoing(
        **{"call": "c1", "to": "+15550009", "source": "+15550002", "agent": "sales", "ticket": "T", **changes}
    )


# ---------------------------------------------------------------------------------------------- the login


def test_the_login_is_the_jwt_grant_of_rfc_7523():
    errand = make().wants(NOW.now)
    assert errand is not None
    assert (errand.method, errand.url) == ("POST", "https://platform.ringcentral.com/restapi/oauth/token")
    assert errand.headers["Content-Type"] == "application/x-www-form-urlencoded"
    scheme, _, coded = errand.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(coded)) == ("Basic", b"the id:the secret")
    assert parse_qs(errand.body.decode()) == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "assertion": ["head.body.sign"],
    }
    assert "secret" not in repr(errand)


@pytest.mark.parametrize(
    ("lasts", "kept"),
    [(7199, 7139.0), (100, 50.0), (120, 60.0), (None, 3540.0), ("soon", 3540.0), (-1, 3540.0), (1e300, 3540.0)],
)
def test_a_token_is_kept_until_a_minute_before_its_end(lasts, kept):
    control = make()
    answer = {"access_token": "at-1", "token_type": "bearer", "expires_in": lasts}
    control.learned(200, json.dumps(answer).encode(), 1000.0)
    assert control.wants(1000.0 + kept - 0.5) is None
    assert control.wants(1000.0 + kept) is not None
    assert control.hang_up(OURS, NOW).headers["Authorization"] == "Bearer at-1"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (0, b""),
        (400, b'{"error":"invalid_grant","access_token":"no"}'),
        (200, b"{"),
        (200, b"\xff"),
        (200, b"[]"),
        (200, b'{"access_token":7}'),
        (200, b'{"access_token":""}'),
        (200, b'{"access_token":"a\\r\\nX: y"}'),
    ],
)
def test_without_a_usable_answer_it_goes_on_wanting_and_keeps_what_it_had(status, body):
    control = logged_in()
    late = NOW.now + 3600
    control.learned(status, body, late)
    assert control.wants(late) is not None
    assert control.hang_up(OURS, NOW).headers["Authorization"] == "Bearer at-1"


def test_before_the_login_no_token_is_sent():
    assert "Authorization" not in make().hang_up(OURS, NOW).headers


def test_a_revoked_token_is_wanted_anew_and_told_once():
    control, calls = logged_in(), []
    control.wanted = lambda: calls.append("wanted")
    for _ in range(2):
        with pytest.raises(Rejected):
            control.read("mute", 401, {}, b'{"errorCode":"OAU-213","message":"Token not found"}')
    assert calls == ["wanted"]
    assert control.wants(NOW.now) is not None


def test_without_credentials_there_are_no_requests():
    settings = Settings.model_validate({"validation_token": "v"})
    control = Control(settings, Addresses("https://voice.example.org"))
    assert control.wants(NOW.now) is None
    assert control.verbs == frozenset()


# ---------------------------------------------------------------------------------------------- the verbs


@pytest.mark.parametrize(
    ("said", "verbs"),
    [
        ({}, {"place", "hang_up", "transfer", "mute", "hold"}),
        ({"device": ""}, {"hang_up", "transfer", "mute", "hold"}),
        ({"device": "", "originate": "ring-out"}, {"place", "hang_up", "transfer", "mute", "hold"}),
        ({"answering": "events"}, {"place", "hang_up", "transfer", "mute", "hold", "answer", "reject"}),
    ],
)
def test_the_verbs_it_has(said, verbs):
    assert make(**said).verbs == verbs


@pytest.mark.parametrize(
    ("said", "ask", "method", "path", "body", "again"),
    [
        (
            {},
            lambda c: c.place(outgoing(), NOW),
            "POST",
            "/telephony/call-out",
            {"from": {"deviceId": "801"}, "to": {"phoneNumber": "+15550009"}},
            False,
        ),
        (
            {"originate": "ring-out"},
            lambda c: c.place(outgoing(), NOW),
            "POST",
            "/extension/~/ring-out",
            {
                "from": {"phoneNumber": "+15550002"},
                "to": {"phoneNumber": "+15550009"},
                "playPrompt": False,
                "callerId": {"phoneNumber": "+15550002"},
            },
            False,
        ),
        (
            {"originate": "ring-out", "ring_from": "+15550777", "ring_path": "ringout", "extension": "101"},
            lambda c: c.place(outgoing(source=""), NOW),
            "POST",
            "/extension/101/ringout",
            {"from": {"phoneNumber": "+15550777"}, "to": {"phoneNumber": "+15550009"}, "playPrompt": False},
            False,
        ),
        (
            {"answering": "events"},
            lambda c: c.answer("s-9", "p-9-2", "", "c1", "T", NOW),
            "POST",
            "/telephony/sessions/s-9/parties/p-9-2/answer",
            {"deviceId": "801"},
            False,
        ),
        (
            {},
            lambda c: c.reject("s-9", "p-9-2", "", True, NOW),
            "POST",
            "/telephony/sessions/s-9/parties/p-9-2/reject",
            None,
            False,
        ),
        (
            {"overflow": "+15550333"},
            lambda c: c.reject("s-9", "p-9-2", "", True, NOW),
            "POST",
            "/telephony/sessions/s-9/parties/p-9-2/forward",
            {"phoneNumber": "+15550333"},
            False,
        ),
        ({}, lambda c: c.hang_up(OURS, NOW), "DELETE", "/telephony/sessions/s-9/parties/p-9-2", None, True),
        ({}, lambda c: c.hang_up(Handle("s-9"), NOW), "DELETE", "/telephony/sessions/s-9", None, True),
        (
            {},
            lambda c: c.transfer(OURS, "+15550003", NOW),
            "POST",
            "/telephony/sessions/s-9/parties/p-9-2/transfer",
            {"phoneNumber": "+15550003"},
            False,
        ),
        (
            {},
            lambda c: c.mute(OURS, True, NOW),
            "PATCH",
            "/telephony/sessions/s-9/parties/p-9-2",
            {"muted": True},
            True,
        ),
        (
            {},
            lambda c: c.mute(OURS, False, NOW),
            "PATCH",
            "/telephony/sessions/s-9/parties/p-9-2",
            {"muted": False},
            True,
        ),
        ({}, lambda c: c.hold(OURS, True, NOW), "POST", "/telephony/sessions/s-9/parties/p-9-2/hold", None, False),
        ({}, lambda c: c.hold(OURS, False, NOW), "POST", "/telephony/sessions/s-9/parties/p-9-2/unhold", None, False),
        (
            {},
            lambda c: c.hang_up(Handle("s/../9", "p?x"), NOW),
            "DELETE",
            "/telephony/sessions/s%2F..%2F9/parties/p%3Fx",
            None,
            True,
        ),
    ],
)
def test_what_is_sent(said, ask, method, path, body, again):
    errand: Errand = ask(logged_in(**said))
    assert (errand.method, errand.url, errand.again) == (method, BASE + path, again)
    assert errand.headers["Authorization"] == "Bearer at-1"
    assert (json.loads(errand.body) if errand.body else None) == body
    assert ("Content-Type" in errand.headers) is (body is not None)


def test_host_version_and_account_are_settings():
    control = logged_in(server="https://platform.devtest.ringcentral.com", version="v2", account="77")
    assert control.hang_up(Handle("s-9"), NOW).url == (
        "https://platform.devtest.ringcentral.com/restapi/v2/account/77/telephony/sessions/s-9"
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.transfer(Handle("s-9"), "+15550003", NOW),
        lambda c: c.mute(Handle("s-9"), True, NOW),
        lambda c: c.hold(Handle("s-9"), True, NOW),
        lambda c: c.answer("s-9", "", "", "c1", "T", NOW),
        lambda c: c.hang_up(Handle(), NOW),
        lambda c: c.transfer(Handle("ringout:5", "p"), "+15550003", NOW),
        lambda c: c.dtmf(OURS, "1", NOW),
        lambda c: c.message("+15550002", "+15550003", "hello", NOW),
    ],
)
def test_what_cannot_be_asked_is_rejected_before_anything_is_sent(ask):
    with pytest.raises(Rejected):
        ask(logged_in())


# --------------------------------------------------------------------------------------------- the answers

CALL_OUT = {
    "session": {
        "id": "s-54a3",
        "creationTime": "2019-08-19T11:42:21Z",
        "origin": {"type": "Call"},
        "parties": [
            {"id": "p-54a3-2", "direction": "Inbound", "status": {"code": "Setup"}},
            {"id": "p-54a3-1", "direction": "Outbound", "status": {"code": "Setup"}, "from": {"deviceId": "801"}},
        ],
    }
}


@pytest.mark.parametrize(
    ("answer", "handle"),
    [
        (CALL_OUT, Handle("s-54a3", "p-54a3-1")),
        (CALL_OUT["session"], Handle("s-54a3", "p-54a3-1")),
        ({"session": {"id": "s-54a3"}}, Handle("s-54a3")),
        ({"uri": "https://x", "id": "Y3MxNzE4", "status": {"callStatus": "InProgress"}}, Handle("ringout:Y3MxNzE4")),
        ({"id": 234343434}, Handle("ringout:234343434")),
        ({}, Handle()),
        ([], Handle()),
    ],
)
def test_a_placed_call_is_known_by(answer, handle):
    assert logged_in().read("place", 201, {}, json.dumps(answer).encode()) == handle


def test_a_ring_out_is_canceled_by_its_id():
    control = logged_in(originate="ring-out")
    handle = control.read("place", 200, {}, b'{"id":"Y3/5"}')
    errand = control.hang_up(handle, NOW)
    assert (errand.method, errand.url) == ("DELETE", BASE + "/extension/~/ring-out/Y3%2F5")


@pytest.mark.parametrize(("status", "body"), [(200, b'{"id":"p-9-2","muted":true}'), (204, b""), (202, b"\xff")])
def test_other_verbs_are_done(status, body):
    assert logged_in().read("mute", status, {}, body) == Handle()


@pytest.mark.parametrize(
    ("verb", "status", "headers", "kind", "words"),
    [
        ("hang_up", 404, {}, Ended, "TAS-102 gone"),
        ("transfer", 410, {}, Ended, "gone"),
        ("place", 404, {}, Rejected, "gone"),
        ("mute", 400, {}, Rejected, "gone"),
        ("mute", 403, {}, Rejected, "gone"),
        ("mute", 409, {}, Rejected, "gone"),
        ("mute", 429, {"retry-after": "60"}, Overloaded, "again after 60 s"),
        ("mute", 503, {}, Overloaded, "gone"),
        ("mute", 500, {}, Unreachable, "gone"),
        ("mute", 502, {}, Unreachable, "gone"),
    ],
)
def test_what_a_refusal_is(verb, status, headers, kind, words):
    body = json.dumps({"errorCode": "TAS-102", "message": "gone"}).encode()
    with pytest.raises(ProviderError, match=words) as error:
        logged_in().read(verb, status, headers, body)
    assert type(error.value) is kind
    assert str(error.value).startswith(f"ringcentral: status {status} ")


def test_its_words_are_short_and_hold_no_secret():
    said = "at-1 the secret head.body.sign " + "x" * 500
    with pytest.raises(Rejected) as error:
        logged_in().read("mute", 400, {}, json.dumps({"message": said}).encode())
    words = str(error.value)
    assert not any(secret in words for secret in ("at-1", "the secret", "head.body.sign"))
    assert len(words) <= 220


@given(
    st.sampled_from(["place", "answer", "reject", "hang_up", "transfer", "mute", "hold"]),
    st.integers(0, 999),
    st.binary()
    | st.recursive(st.none() | st.text() | st.integers(), lambda i: st.dictionaries(st.text(), i)).map(
        lambda value: json.dumps(value).encode()
    ),
)
def test_whatever_it_answers_it_is_a_handle_or_an_error_of_a_provider(verb, status, body):
    try:
        assert isinstance(logged_in().read(verb, status, {}, body), Handle)
        assert 200 <= status < 300
    except ProviderError:
        assert not 200 <= status < 300


# -------------------------------------------------------------------------------------------- the settings


@pytest.mark.parametrize(
    "said",
    [
        {"validation_token": ""},
        {"jwt": ""},
        {"client_id": ""},
        {"answering": "events", "device": ""},
        {"sources": ["10.0.0.0/99"]},
        {"server": "platform.ringcentral.com"},
        {"overflow": "5550333"},
        {"encoding": "opus"},
        {"verification": "typing error"},
    ],
)
def test_settings_that_cannot_work_are_refused(said):
    with pytest.raises(ValidationError):
        make(**said)


def test_a_printed_setting_shows_no_secret():
    settings = Settings.model_validate({"validation_token": "hush-1", "media_token": "hush-2", **CREDENTIALS})
    assert not any(secret in repr(settings) for secret in ("hush", "the secret", "head.body.sign"))
