"""Requests to Call Automation: what is sent, how it is signed, and what is made of the answers."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from azurecloud import ACCESS, HOST, NOW, PUBLIC, SECRET, settings
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.acs.control import Control
from parlance.actors.media.acs.signing import signed
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

STAMP = Stamp(NOW, "3b1f8a0e-2f5d-4c37-9c56-0a1d2e3f4a5b")
CALL = Handle("server-1", "conn-1 4:+33600000001")
PHONE = {"rawId": "4:+33600000001", "phoneNumber": {"value": "+33600000001"}}
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


def control(**changes: Any) -> Control:
    return Control(settings(source="+33100000002", **changes), Addresses(PUBLIC))


def sent(errand: Errand) -> tuple[str, Any]:
    parts = urlsplit(errand.url)
    assert (parts.scheme, parts.netloc, parts.query) == ("https", HOST, "api-version=2025-05-15")
    return parts.path, json.loads(errand.body) if errand.body else None


def ways(body: dict[str, Any]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The queries of the two addresses that Azure is given."""
    callback, media = urlsplit(body["callbackUri"]), urlsplit(body["mediaStreamingOptions"]["transportUrl"])
    assert f"{callback.scheme}://{callback.netloc}{callback.path}" == f"{PUBLIC}/api/v1/calls/acs/callbacks"
    assert f"{media.scheme}://{media.netloc}{media.path}" == "wss://calls.example/api/v1/media/stream"
    return parse_qs(callback.query), parse_qs(media.query)


OUTGOING = Outgoing("call-1", "+33600000001", "+33100000003", "sales", "ticket 1+")


def test_a_call_is_placed():
    path, body = sent(control().place(OUTGOING, STAMP))
    assert path == "/calling/callConnections"
    assert body["targets"] == [PHONE]
    assert body["sourceCallerIdNumber"] == {"value": "+33100000003"}
    options = body["mediaStreamingOptions"]
    assert {name: value for name, value in options.items() if name != "transportUrl"} == {
        "transportType": "websocket",
        "contentType": "audio",
        "audioChannelType": "mixed",
        "startMediaStreaming": True,
        "enableBidirectional": True,
        "enableDtmfTones": True,
        "audioFormat": "pcm16KMono",
    }
    callback, media = ways(body)
    assert callback == {"call": ["call-1"], "party": ["4:+33600000001"]}
    assert media == {"call": ["call-1"], "ticket": ["ticket 1+"]}


@pytest.mark.parametrize(
    ("source", "own", "expected"), [("", "+33100000002", {"value": "+33100000002"}), ("", "", None)]
)
def test_a_call_without_a_number_comes_from_the_resources_own(source, own, expected):
    outgoing = Outgoing("call-1", "+33600000001", source, "sales", "ticket-1")
    _, body = sent(Control(settings(source=own), Addresses(PUBLIC)).place(outgoing, STAMP))
    assert body.get("sourceCallerIdNumber") == expected


def test_a_call_is_answered():
    path, body = sent(control(rate=24000).answer("server-1", "4:+33600000001", "context", "call-1", "t", STAMP))
    assert path == "/calling/callConnections:answer"
    assert body["incomingCallContext"] == "context"
    assert body["mediaStreamingOptions"]["audioFormat"] == "pcm24KMono"
    callback, media = ways(body)
    assert callback == {"call": ["call-1"], "party": ["4:+33600000001"]}
    assert media == {"call": ["call-1"], "ticket": ["t"]}


def test_a_call_of_nobody_known_is_answered_too():
    _, body = sent(control().answer("server-1", "", "context", "call-1", "t", STAMP))
    assert ways(body)[0] == {"call": ["call-1"]}


USER = Handle("server-1", "conn-1 8:acs:a_b")
ACTIONS: list[tuple[str, Errand, str, Any, bool]] = [
    (
        "reject busy",
        control().reject("server-1", "", "context", True, STAMP),
        ":reject",
        {"incomingCallContext": "context", "callRejectReason": "busy"},
        True,
    ),
    (
        "reject",
        control().reject("server-1", "", "context", False, STAMP),
        ":reject",
        {"incomingCallContext": "context", "callRejectReason": "forbidden"},
        True,
    ),
    ("hang up", control().hang_up(CALL, STAMP), "/conn-1:terminate", None, True),
    (
        "hang up strange",
        control().hang_up(Handle("", "a/../b?c"), STAMP),
        "/a%2F..%2Fb%3Fc:terminate",
        None,
        True,
    ),
    (
        "transfer",
        control().transfer(CALL, "+33611111111", STAMP),
        "/conn-1:transferToParticipant",
        {
            "targetParticipant": {"rawId": "4:+33611111111", "phoneNumber": {"value": "+33611111111"}},
            "sourceCallerIdNumber": {"value": "+33100000002"},
        },
        True,
    ),
    (
        "mute",
        control().mute(USER, True, STAMP),
        "/conn-1/participants:mute",
        {"targetParticipants": [{"rawId": "8:acs:a_b", "communicationUser": {"id": "8:acs:a_b"}}]},
        True,
    ),
    ("hold", control().hold(CALL, True, STAMP), "/conn-1:hold", {"targetParticipant": PHONE}, False),
    ("unhold", control().hold(CALL, False, STAMP), "/conn-1:unhold", {"targetParticipant": PHONE}, False),
    (
        "dtmf",
        control().dtmf(CALL, "0*#d", STAMP),
        "/conn-1:sendDtmfTones",
        {"tones": ["zero", "asterisk", "pound", "d"], "targetParticipant": PHONE},
        True,
    ),
]


@pytest.mark.parametrize(
    ("errand", "path", "body", "again"), [row[1:] for row in ACTIONS], ids=[row[0] for row in ACTIONS]
)
def test_commands(errand, path, body, again):
    assert sent(errand) == (f"/calling/callConnections{path}", body)
    assert (errand.method, errand.again) == ("POST", again)
    assert ("Repeatability-Request-ID" in errand.headers) == again
    assert ("Content-Type" in errand.headers) == (body is not None)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (lambda: control().mute(CALL, False, STAMP), "unmute"),
        (lambda: control().hold(Handle("server-1", "conn-1"), True, STAMP), "who is on the call"),
        (lambda: control().dtmf(Handle("server-1", "conn-1"), "1", STAMP), "who is on the call"),
        (lambda: control().dtmf(CALL, "1w2", STAMP), "0-9"),
        (lambda: control().dtmf(CALL, "", STAMP), "0-9"),
        (lambda: control().hang_up(Handle("server-1", ""), STAMP), "not been connected"),
        (lambda: control().hang_up(Handle("server-1", "4:+33600000001"), STAMP), "not been connected"),
        (lambda: control().message("", "", "", STAMP), "there is no message here"),
    ],
)
def test_what_azure_cannot_do_is_said_before_it_is_asked(command, words):
    with pytest.raises(Rejected, match=words):
        command()


# ------------------------------------------------------------------------------------------ signatures


@pytest.mark.parametrize("errand", [control().answer("s", "", "c", "o", "t", STAMP), control().hang_up(CALL, STAMP)])
def test_every_request_is_signed(errand):
    content = b64encode(hashlib.sha256(errand.body).digest()).decode()
    path = errand.url.removeprefix(f"https://{HOST}")
    words = "\n".join(["POST", path, f"{DATE};{HOST};{content}"])
    seal = b64encode(hmac.new(ACCESS, words.encode(), hashlib.sha256).digest()).decode()
    assert errand.headers["x-ms-date"] == DATE
    assert errand.headers["x-ms-content-sha256"] == content
    assert errand.headers["Authorization"] == (
        f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={seal}"
    )


def test_every_part_is_under_the_signature():
    whole = ("POST", "https://h.example/a?b=c", b"body", NOW, b"key")
    changed = [("GET", "https://h.example/a?b=d", b"", NOW + 1, b"yek"), ("", "https://i.example/a?b=c", *whole[2:])]
    seals = {signed(*whole)["Authorization"]}
    seals |= {signed(*whole[:at], changed[0][at], *whole[at + 1 :])["Authorization"] for at in range(5)}
    seals.add(signed("POST", *changed[1][1:])["Authorization"])
    assert len(seals) == 7


def test_an_act_keeps_its_id_and_every_attempt_has_its_own_date():
    first, second = (control().hang_up(CALL, Stamp(NOW + wait, "act-7")) for wait in (0, 5))
    assert first.headers["Repeatability-Request-ID"] == second.headers["Repeatability-Request-ID"]
    assert UUID(first.headers["Repeatability-Request-ID"])
    assert control().hang_up(CALL, STAMP).headers["Repeatability-Request-ID"] == STAMP.id
    assert second.headers["x-ms-date"] == "Thu, 01 Jan 2026 00:00:05 GMT"
    assert first.headers["Repeatability-First-Sent"] == DATE


def test_no_secret_is_in_what_may_be_logged():
    errand = control().place(OUTGOING, STAMP)
    key = b64encode(ACCESS).decode()
    assert key not in f"{errand.url}{errand.body!r}{errand.headers}"
    assert SECRET not in f"{errand.url}{errand.body!r}"
    assert "Signature" not in repr(errand)


# ------------------------------------------------------------------------------------------ answers


def failure(code: str, message: str = "words", inner: str = "") -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "innererror": {"code": inner}}}).encode()


PROPERTIES = {
    "callConnectionId": "conn-1",
    "serverCallId": "server-1",
    "callbackUri": f"{PUBLIC}/api/v1/calls/acs/callbacks?call=call-1&party=4%3A%2B33600000001",
    "targets": [{"rawId": "4:+33100000002", "phoneNumber": {"value": "+33100000002"}}],
    "callConnectionState": "connecting",
}


@pytest.mark.parametrize(
    ("verb", "status", "body", "expected"),
    [
        ("place", 201, PROPERTIES, CALL),
        ("answer", 200, PROPERTIES, CALL),
        ("place", 201, {**PROPERTIES, "callbackUri": None}, Handle("server-1", "conn-1 4:+33100000002")),
        ("place", 201, {**PROPERTIES, "callbackUri": "https://[x"}, Handle("server-1", "conn-1 4:+33100000002")),
        (
            "answer",
            200,
            {**PROPERTIES, "callbackUri": "", "source": {"rawId": "4:+337"}, "targets": []},
            Handle("server-1", "conn-1 4:+337"),
        ),
        ("hang_up", 204, None, Handle()),
        ("transfer", 202, {"operationContext": "x"}, Handle()),
        ("reject", 204, "", Handle()),
    ],
)
def test_what_is_made_of_a_success(verb, status, body, expected):
    answer = b"" if body is None else json.dumps(body).encode()
    assert control().read(verb, status, {}, answer) == expected


@pytest.mark.parametrize(
    ("verb", "status", "body", "kind", "words"),
    [
        ("hang_up", 404, failure("8522", "Call not found."), Ended, "acs: 404 8522 Call not found."),
        ("hang_up", 404, b"", Ended, "404"),
        ("answer", 410, b"", Ended, "410"),
        ("transfer", 400, failure("8528"), Ended, "8528"),
        ("dtmf", 400, failure("BadRequest", inner="8501"), Ended, "BadRequest"),
        ("place", 404, failure("8522"), Rejected, "8522"),
        ("place", 400, failure("8523", "callbackUri is invalid"), Rejected, "callbackUri is invalid"),
        ("hold", 400, failure("8500"), Rejected, "8500"),
        ("answer", 405, failure("8522", "Missing configuration"), Rejected, "Missing configuration"),
        ("place", 401, failure("Denied", "HMAC"), Rejected, "HMAC"),
        ("place", 403, b"<html>\n no </html>", Rejected, "403 <html> no </html>"),
        ("place", 429, failure("8516"), Overloaded, "8516"),
        ("hang_up", 429, failure("8528"), Overloaded, "8528"),
        ("place", 503, b"", Overloaded, "503"),
        ("hang_up", 500, failure("8528"), Unreachable, "8528"),
        ("place", 504, b"\xff\xfe", Unreachable, "504"),
        ("place", 302, b"", Rejected, "302"),
    ],
)
def test_what_is_made_of_a_failure(verb, status, body, kind, words):
    with pytest.raises(kind, match=words) as caught:
        control().read(verb, status, {}, body)
    assert type(caught.value) is kind


def test_azures_words_are_cut():
    with pytest.raises(Rejected) as caught:
        control().read("place", 400, {}, failure("1", "x" * 5000))
    assert len(str(caught.value)) <= 205


VERBS: list[Verb] = ["place", "answer", "hang_up"]


@given(st.sampled_from(VERBS), st.integers(100, 599), st.binary() | st.text().map(json.dumps).map(str.encode))
def test_any_answer_is_a_handle_or_an_error_of_ours(verb, status, body):
    try:
        control().read(verb, status, {}, body)
    except ProviderError:
        assert not 200 <= status < 300
    else:
        assert 200 <= status < 300


def test_every_verb_has_its_request():
    assert control().verbs == {"place", "answer", "reject", "hang_up", "transfer", "hold", "dtmf"}
