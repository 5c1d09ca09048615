"""Asterisk's REST interface: what each verb sends, and what is made of the answers."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parlance.actors.media.asterisk.control import Control
from parlance.actors.media.asterisk.settings import Settings
from parlance.actors.media.errand import Handle, Outgoing, Stamp
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

STAMP = Stamp(1_700_000_000.0, "act-1")
CALLER = Handle("1761245643.1")
OUT = Outgoing("c1", "+33199000010", "+33987654321", "sales", "t1", ring=20)


def control(**changes: Any) -> Control:
    settings = {"ari_url": "http://127.0.0.1:8088/ari/", "ari_user": "u", "ari_password": "p"} | changes
    return Control(Settings(**settings), Addresses("https://house.example"))


@pytest.mark.parametrize(
    ("changes", "verbs"),
    [
        ({"ari_url": "", "app": "mine"}, set()),
        ({}, {"place", "hang_up"}),
        ({"app": "mine"}, {"place", "hang_up", "transfer", "mute", "hold", "dtmf"}),
    ],
)
def test_verbs_are_what_the_settings_allow(changes, verbs):
    assert control(**changes).verbs == verbs


def test_placing_a_call_into_the_dialplan():
    errand = control().place(OUT, STAMP)
    assert errand.method == "POST"
    base, _, id = errand.url.rpartition("/")
    assert base == "http://127.0.0.1:8088/ari/channels"
    assert str(UUID(id)) == id
    assert errand.headers["Authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert json.loads(errand.body) == {
        "endpoint": "PJSIP/+33199000010@trunk",
        "callerId": "+33987654321",
        "timeout": 20,
        "variables": {
            "__PARLANCE_CALL": "c1",
            "__PARLANCE_TICKET": "t1",
            "__PARLANCE_AGENT": "sales",
            "__PARLANCE_FROM": "+33987654321",
            "__PARLANCE_TO": "+33199000010",
        },
        "context": "parlance",
        "extension": "s",
        "priority": 1,
    }
    assert not errand.again


def test_an_act_dials_one_channel_and_another_act_another():
    place = control().place
    assert place(OUT, STAMP).url == place(OUT, Stamp(9.0, "act-1")).url
    assert place(OUT, STAMP).url != place(OUT, Stamp(9.0, "act-2")).url


def test_placing_a_call_for_a_stasis_application():
    body = json.loads(control(app="mine", endpoint="SIP/{digits}").place(OUT, STAMP).body)
    assert (body["endpoint"], body["app"], body["appArgs"]) == ("SIP/33199000010", "mine", "c1")
    assert "context" not in body


@pytest.mark.parametrize(
    ("act", "method", "path", "query", "again"),
    [
        (lambda c: c.hang_up(CALLER, STAMP), "DELETE", "", {}, True),
        (
            lambda c: c.transfer(CALLER, "+33611111111", STAMP),
            "POST",
            "/continue",
            {"context": "parlance-transfer", "extension": "+33611111111", "priority": "1"},
            False,
        ),
        (lambda c: c.mute(CALLER, True, STAMP), "POST", "/mute", {"direction": "out"}, True),
        (lambda c: c.mute(CALLER, False, STAMP), "DELETE", "/mute", {"direction": "out"}, True),
        (lambda c: c.hold(CALLER, True, STAMP), "POST", "/hold", {}, True),
        (lambda c: c.hold(CALLER, False, STAMP), "DELETE", "/hold", {}, True),
        (lambda c: c.dtmf(CALLER, "12#", STAMP), "POST", "/dtmf", {"dtmf": "12#"}, False),
        (lambda c: c.answer("1761245643.1", "", "", "c1", "t1", STAMP), "POST", "/answer", {}, False),
        (lambda c: c.reject("1761245643.1", "", "", True, STAMP), "DELETE", "", {"reason": "busy"}, False),
        (lambda c: c.reject("1761245643.1", "", "", False, STAMP), "DELETE", "", {"reason": "congestion"}, False),
    ],
)
def test_acts_on_a_channel(act, method, path, query, again):
    errand = act(control(app="mine"))
    url = urlsplit(errand.url)
    assert (errand.method, url.path, errand.again) == (method, f"/ari/channels/1761245643.1{path}", again)
    assert dict(parse_qsl(url.query)) == query
    assert errand.headers["Authorization"].startswith("Basic ")


def test_a_transfer_by_the_far_side():
    errand = control(app="mine", transfer="redirect").transfer(CALLER, "+33611111111", STAMP)
    assert urlsplit(errand.url).path == "/ari/channels/1761245643.1/redirect"
    assert dict(parse_qsl(urlsplit(errand.url).query)) == {"endpoint": "PJSIP/+33611111111@trunk"}


def test_a_strange_id_stays_one_segment():
    assert control().hang_up(Handle("a/b?c"), STAMP).url == "http://127.0.0.1:8088/ari/channels/a%2Fb%3Fc"


def test_secrets_are_not_shown():
    assert "dTpw" not in repr(control().hang_up(CALLER, STAMP))
    assert "topsecret" not in repr(Settings(ari_url="http://x", ari_password="topsecret"))


def test_there_are_no_text_messages():
    with pytest.raises(Rejected, match="there is no message here"):
        control().message("+1", "+2", "hello", STAMP)


@pytest.mark.parametrize(
    ("verb", "status", "body", "error", "words"),
    [
        ("hang_up", 404, b'{"message":"Channel not found"}', Ended, "Channel not found"),
        ("place", 404, b'{"message":"no"}', Rejected, "no"),
        ("dtmf", 409, b'{"message":"Channel not in Stasis application"}', Rejected, "not in Stasis"),
        ("hold", 412, b'{"message":"Channel in invalid state"}', Rejected, "invalid state"),
        ("place", 401, b"<html>", Rejected, "<html>"),
        ("place", 400, b'{"error":"Allocation failed"}', Rejected, "Allocation failed"),
        ("place", 429, b"", Overloaded, "status 429"),
        ("place", 503, b"", Overloaded, "status 503"),
        ("place", 500, b'{"message":"Internal"}', Unreachable, "Internal"),
    ],
)
def test_refusals(verb, status, body, error, words):
    with pytest.raises(error, match=words) as caught:
        control().read(verb, status, {}, body)
    assert type(caught.value) is error


def test_success():
    assert control().read("place", 200, {}, b'{"id":"c9","state":"Down"}') == Handle("c9")
    assert control().read("hang_up", 204, {}, b"") == Handle()


@given(st.integers(100, 599), st.binary())
def test_any_answer_is_a_handle_or_an_error_of_the_tree(status, body):
    try:
        assert isinstance(control().read("hang_up", status, {}, body), Handle)
    except ProviderError as error:
        assert len(str(error)) <= 220


@pytest.mark.parametrize(
    "changes",
    [
        {"ari_url": "ftp://x", "ari_password": "p"},
        {"ari_url": "http://x"},
        {"endpoint": "PJSIP/100"},
        {"audiosocket_rate": 12000},
        {"passwort": "x"},
    ],
)
def test_settings_that_make_no_sense(changes):
    with pytest.raises(ValidationError):
        Settings(**changes)
