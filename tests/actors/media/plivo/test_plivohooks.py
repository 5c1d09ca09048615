"""Plivo's webhooks: what is believed, what is answered, and what the house is told."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media import webhook
from parlance.actors.media.plivo.hooks import Hooks
from parlance.actors.media.plivo.settings import Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Request, Welcome, What

TOKEN = "plivotoken"
BASE = "https://voice.example"
ANSWER = "/api/v1/webhooks/plivo/answer"
STATUS = "/api/v1/webhooks/plivo/status"
TRANSFER = "/api/v1/webhooks/plivo/transfer"
FORM = "application/x-www-form-urlencoded"
CALL = {"CallUUID": "u1", "From": "15550100", "To": "15550199", "CallStatus": "ringing", "Direction": "inbound"}
FIELDS = "CallStatusringingCallUUIDu1DirectioninboundFrom15550100To15550199"


@dataclass
class House:
    """Takes what it is told to take, and remembers what it heard."""

    verdict: Welcome | Refusal = field(default_factory=lambda: Welcome("c1", "sales", "t1"))
    offers: list[Offer] = field(default_factory=list)
    news: list[News] = field(default_factory=list)

    def offered(self, offer: Offer) -> Welcome | Refusal:
        self.offers.append(offer)
        return self.verdict

    def told(self, news: News) -> None:
        self.news.append(news)


def hooks(**keys: object) -> webhook.Hooks:
    return Hooks(Settings.model_validate({"auth_token": TOKEN, **keys}), Addresses(BASE))


def ask(path: str, fields: dict[str, str] | None = None, query: str = "") -> Request:
    body = urlencode(fields or {}).encode()
    return Request("POST", f"{BASE}{path}{'?' + query if query else ''}", {"content-type": FORM}, body)


def seal(text: str, key: str = TOKEN, nonce: str = "n1") -> str:
    return base64.b64encode(hmac.new(key.encode(), f"{text}.{nonce}".encode(), "sha256").digest()).decode()


def sealed(request: Request, text: str, key: str = TOKEN, **headers: str) -> Request:
    """The request with the signature of `text`."""
    given = {"x-plivo-signature-v3": seal(text, key), "x-plivo-signature-v3-nonce": "n1", **headers}
    return Request(request.method, request.url, {**request.headers, **given}, request.body)


# ------------------------------------------------------------------------------------------ what is believed


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (ask(ANSWER, CALL), f"{BASE}{ANSWER}?{FIELDS}"),
        (ask(ANSWER, CALL), f"{BASE}{ANSWER}{FIELDS}"),
        (ask(ANSWER, CALL, "b=2&a=x%20y"), f"{BASE}{ANSWER}?a=x y&b=2.{FIELDS}"),
        (ask(ANSWER, {}, "b=2&a=1"), f"{BASE}{ANSWER}?a=1&b=2"),
        (ask(ANSWER), f"{BASE}{ANSWER}"),
        (Request("GET", f"{BASE}{ANSWER}?To=2&From=1&From=0", {}, b""), f"{BASE}{ANSWER}?From=0&From=1&To=2"),
        (Request("POST", BASE + ANSWER, {}, b"a=2&b=0&a=1"), f"{BASE}{ANSWER}?a1a2b0"),
    ],
)
def test_what_plivo_signed_is_believed(request_, text):
    hooks().verify(sealed(request_, text), 0.0)


def test_one_of_several_signatures_is_enough():
    text = f"{BASE}{ANSWER}?{FIELDS}"
    several = f"{seal(text, 'old')}, {seal(text)}"
    hooks().verify(sealed(ask(ANSWER, CALL), text, **{"x-plivo-signature-v3": several}), 0.0)


def test_the_main_accounts_signature_is_believed_under_its_token():
    text = f"{BASE}{ANSWER}?{FIELDS}"
    headers = {"x-plivo-signature-v3": "", "x-plivo-signature-ma-v3": seal(text, "main")}
    request = sealed(ask(ANSWER, CALL), text, **headers)
    hooks(main_token="main").verify(request, 0.0)
    with pytest.raises(Denied):
        hooks().verify(request, 0.0)


GOOD = sealed(ask(ANSWER, CALL, "agent=desk"), f"{BASE}{ANSWER}?agent=desk.{FIELDS}")


def test_the_request_that_is_tampered_with_below_is_believed():
    hooks().verify(GOOD, 0.0)


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "reason"),
    [
        ("POST", GOOD.url.replace("desk", "boss"), {}, GOOD.body, "signature"),
        ("POST", GOOD.url.replace("answer", "status"), {}, GOOD.body, "signature"),
        ("POST", GOOD.url.replace("https", "http"), {}, GOOD.body, "signature"),
        ("POST", GOOD.url, {}, GOOD.body.replace(b"u1", b"u2"), "signature"),
        ("POST", GOOD.url, {}, GOOD.body + b"&x=1", "signature"),
        ("POST", GOOD.url, {}, b"no form", "signature"),
        ("POST", GOOD.url, {}, b"\xff=\xff", "signature"),
        ("GET", GOOD.url, {}, b"", "signature"),
        ("POST", GOOD.url, {"x-plivo-signature-v3-nonce": "n2"}, GOOD.body, "signature"),
        ("POST", GOOD.url, {"x-plivo-signature-v3": "A" * 44}, GOOD.body, "signature"),
        ("POST", GOOD.url, {"x-plivo-signature-v3": "\udc80é"}, GOOD.body, "signature"),
        ("POST", GOOD.url, {"x-plivo-signature-v3": " , "}, GOOD.body, "unsigned"),
        ("POST", GOOD.url, {"x-plivo-signature-v3-nonce": ""}, GOOD.body, "unsigned"),
    ],
)
def test_a_request_that_was_tampered_with_is_not_believed(method, url, headers, body, reason):
    with pytest.raises(Denied) as caught:
        hooks().verify(Request(method, url, {**GOOD.headers, **headers}, body), 0.0)
    assert (caught.value.status, caught.value.reason) == (401, reason)
    assert TOKEN not in str(caught.value)


def test_without_a_key_nothing_is_believed():
    with pytest.raises(Denied) as caught:
        hooks(auth_token="").verify(sealed(ask(ANSWER, CALL), f"{BASE}{ANSWER}?{FIELDS}", key=""), 0.0)
    assert caught.value.reason == "signature"


# --------------------------------------------------------------------------------------- what is answered


def stream_of(body: bytes) -> tuple[str, dict[str, str], dict[str, str]]:
    """The address, its query, and the attributes of the stream in an answer; a hang-up follows it."""
    response = fromstring(body)
    assert [each.tag for each in response] == ["Stream", "Hangup"]
    url = urlsplit(response[0].text or "")
    return url._replace(query="").geturl(), dict(parse_qsl(url.query)), response[0].attrib


def test_a_call_that_is_taken_is_connected_to_our_stream():
    house = House()
    reply = hooks().handle(ask(ANSWER, {**CALL, "X-PH-Table": "7"}, "agent=desk"), house)
    assert house.offers == [
        Offer("u1", "+15550100", "+15550199", "", "u1/answer", {"agent": "desk", "Table": "7"}),
    ]
    assert house.news == []
    assert (reply.status, reply.kind) == (200, "application/xml")
    url, query, attributes = stream_of(reply.body)
    assert url == "wss://voice.example/api/v1/media/plivo"
    assert query == {"ticket": "t1", "call": "c1", "agent": "sales", "from": "+15550100", "to": "+15550199"}
    assert attributes == {
        "bidirectional": "true",
        "keepCallAlive": "true",
        "contentType": "audio/x-mulaw;rate=8000",
        "statusCallbackUrl": BASE + STATUS + "?call=c1",
        "statusCallbackMethod": "POST",
        "extraHeaders": "ticket=t1",
    }


def test_an_audio_of_choice_is_asked_for_and_a_ticket_that_headers_cannot_hold_is_in_the_address_alone():
    house = House(Welcome("c&1", "a b", "t-_1"))
    _, query, attributes = stream_of(hooks(audio="audio/x-l16;rate=16000").handle(ask(ANSWER, CALL), house).body)
    assert (query["ticket"], query["call"], query["agent"]) == ("t-_1", "c&1", "a b")
    assert attributes["contentType"] == "audio/x-l16;rate=16000"
    assert "extraHeaders" not in attributes


def test_a_call_of_ours_that_is_answered_gets_the_stream_it_was_placed_for():
    house = House()
    fields = {"CallUUID": "u1", "RequestUUID": "r1", "From": "15550199", "To": "15550100", "Direction": "outbound"}
    reply = hooks().handle(ask(ANSWER, fields, "call=c7&ticket=t7&agent=sales"), house)
    _, query, _ = stream_of(reply.body)
    assert query == {"ticket": "t7", "call": "c7", "agent": "sales", "from": "+15550199", "to": "+15550100"}
    assert house.offers == []
    assert [(news.what, news.call, news.ours, news.leg, news.outbound) for news in house.news] == [
        (What.ANSWERED, "u1", "c7", "r1", True)
    ]


@pytest.mark.parametrize("query", ["call=c7", "ticket=t7", "call=&ticket=t7"])
def test_half_of_what_a_call_of_ours_has_makes_it_no_call_of_ours(query):
    house = House()
    hooks().handle(ask(ANSWER, CALL, query), house)
    assert len(house.offers) == 1
    assert house.news == []


@pytest.mark.parametrize(
    ("refusal", "keys", "body"),
    [
        (Refusal("full"), {}, b'<Response><Hangup reason="busy" /></Response>'),
        (Refusal("unknown-agent", busy=False), {}, b'<Response><Hangup reason="rejected" /></Response>'),
        (Refusal("full"), {"overflow": "+15550123"}, b"<Response><Dial><Number>15550123</Number></Dial></Response>"),
    ],
)
def test_a_call_that_is_not_taken_is_refused_or_sent_on(refusal, keys, body):
    assert hooks(**keys).handle(ask(ANSWER, CALL), House(refusal)).body.endswith(body)


def test_our_address_may_have_a_path_of_its_own():
    where = Addresses("https://voice.example/phone")
    request = Request("POST", where.web(ANSWER), {"content-type": FORM}, urlencode(CALL).encode())
    url, _, _ = stream_of(Hooks(Settings(), where).handle(request, House()).body)
    assert url == "wss://voice.example/phone/api/v1/media/plivo"


def test_a_transferred_call_asks_for_its_number():
    reply = hooks().handle(ask(TRANSFER, CALL, "to=%2B15550123"), House())
    assert reply.body.endswith(
        b'<Response><Dial action="https://voice.example/api/v1/webhooks/plivo/status" method="POST" redirect="false">'
        b"<Number>15550123</Number></Dial></Response>"
    )


@pytest.mark.parametrize(
    ("path", "fields", "query"),
    [
        (ANSWER, {"From": "1"}, ""),
        (TRANSFER, CALL, ""),
        (TRANSFER, CALL, "to=15550123"),
        (TRANSFER, CALL, "to=%2B1555%0A0123"),
        (TRANSFER, CALL, "to=%2B15550123%0A"),
        (TRANSFER, CALL, "to=%2B15550123;x"),
        ("/other", CALL, ""),
    ],
)
def test_what_makes_no_sense_is_denied(path, fields, query):
    with pytest.raises(Denied) as caught:
        hooks().handle(ask(path, fields, query), House())
    assert (caught.value.status, caught.value.reason) == (400, "malformed")


# ------------------------------------------------------------------------------------------ what is told


@pytest.mark.parametrize(
    ("fields", "what", "word"),
    [
        ({"CallStatus": "ringing", "Event": "Ring"}, What.RINGING, "ringing"),
        ({"CallStatus": "in-progress"}, What.ANSWERED, "in-progress"),
        ({"CallStatus": "completed", "Event": "Hangup"}, What.ENDED, "completed"),
        ({"CallStatus": "busy"}, What.BUSY, "busy"),
        ({"CallStatus": "no-answer"}, What.UNANSWERED, "no-answer"),
        ({"CallStatus": "cancel"}, What.CANCELED, "cancel"),
        ({"CallStatus": "failed"}, What.FAILED, "failed"),
        ({"CallStatus": "timeout"}, What.FAILED, "timeout"),
        ({"CallStatus": "failed", "HangupCause": "NO_ANSWER"}, What.FAILED, "failed"),
        ({"CallStatus": "timeout", "HangupCause": "NO_ANSWER"}, What.UNANSWERED, "timeout"),
        ({"CallStatus": "timeout", "HangupCauseName": "Ring Timeout Reached"}, What.UNANSWERED, "timeout"),
        ({"CallStatus": "dreaming"}, What.NOTED, "dreaming"),
        ({"Event": "Redirect"}, What.NOTED, "Redirect"),
        ({}, What.NOTED, "unknown"),
        ({"Event": "MachineDetection", "Machine": "true", "CallStatus": "in-progress"}, What.MACHINE, "machine"),
        ({"Event": "MachineDetection", "Machine": "false", "CallStatus": "in-progress"}, What.HUMAN, "human"),
        ({"Event": "started", "StreamID": "s1"}, What.NOTED, "stream started"),
        ({"Event": "StopStream", "StreamID": "s1"}, What.NOTED, "stream StopStream"),
        ({"Event": "failed", "StreamID": "s1", "StatusReason": "refused"}, What.MEDIA_FAILED, "refused"),
        ({"Event": "DroppedStream", "StreamID": "s1"}, What.MEDIA_FAILED, "stream DroppedStream"),
        ({"DialStatus": "completed"}, What.TRANSFERRED, "transfer completed"),
        ({"DialStatus": "busy", "CallStatus": "in-progress"}, What.UNTRANSFERRED, "transfer busy"),
        ({"DialStatus": ""}, What.UNTRANSFERRED, "transfer unknown"),
    ],
)
def test_what_became_of_a_call_is_told(fields, what, word):
    house = House()
    reply = hooks().handle(ask(STATUS, {"CallUUID": "u1", "RequestUUID": "r1", **fields}, "call=c1"), house)
    assert reply.status == 200
    assert [(news.what, news.word, news.call, news.ours, news.leg) for news in house.news] == [
        (what, word, "u1", "c1", "r1")
    ]


@pytest.mark.parametrize(
    ("party", "expected"),
    [
        ("15550100", "+15550100"),
        ("+15550100", "+15550100"),
        ("0155501000", "0155501000"),
        ("112", "112"),
        ("sip:desk@phone.plivo.com", "sip:desk@phone.plivo.com"),
        ("Anonymous", ""),
        ("\u0661" * 9, "\u0661" * 9),
    ],
)
def test_numbers_are_e164_where_they_can_be(party, expected):
    house = House()
    hooks().handle(ask(ANSWER, {**CALL, "From": party}), house)
    assert house.offers[0].caller == expected


@pytest.mark.parametrize(
    ("source", "by"),
    [
        ("Caller", "caller"),
        ("Callee", "caller"),
        ("API Request", "agent"),
        ("Answer XML", "agent"),
        ("Plivo", "carrier"),
        ("Carrier", "carrier"),
        ("Moon", ""),
    ],
)
def test_news_hold_what_plivo_says(source, by):
    house = House()
    fields = {
        **CALL,
        "CallStatus": "completed",
        "HangupSource": source,
        "HangupCause": "NORMAL_CLEARING",
        "Duration": "17",
        "TotalCost": "0.1",
    }
    hooks().handle(ask(STATUS, fields), house)
    assert house.news == [
        News(
            What.ENDED,
            "u1",
            event="u1//completed",
            outbound=False,
            caller="+15550100",
            called="+15550199",
            word="completed",
            by=by,
            details={"Duration": "17", "HangupCause": "NORMAL_CLEARING", "HangupSource": source},
        )
    ]


def test_the_same_delivered_twice_is_the_same_event_and_another_is_another():
    house = House()
    for status in ("ringing", "ringing", "completed"):
        hooks().handle(ask(STATUS, {"CallUUID": "u1", "CallStatus": status}), house)
    first, again, other = (news.event for news in house.news)
    assert first == again != other


def test_news_of_no_call_are_nobodys():
    house = House()
    assert hooks().handle(ask(STATUS, {"CallStatus": "ringing"}), house).status == 200
    assert house.news == []


NAMES = st.sampled_from(["CallUUID", "CallStatus", "Event", "StreamID", "DialStatus", "HangupSource", "From"])
BODIES = st.binary() | st.dictionaries(NAMES, st.text()).map(lambda said: urlencode(said, errors="replace").encode())


@given(st.sampled_from([ANSWER, STATUS, TRANSFER]), BODIES, st.text(), st.text())
def test_any_request_is_denied_or_answered(path, body, signature, nonce):
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": nonce}
    request = Request("POST", BASE + path, headers, body)
    with pytest.raises(Denied) as caught:
        hooks().verify(request, 0.0)
    assert caught.value.status == 401
    try:
        reply = hooks().handle(request, House())
    except Denied as denied:
        assert denied.status == 400
    else:
        fromstring(reply.body)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"media_signature": "required"}, "needs auth_token"),
        ({"audio": "audio/x-l16;rate=24000"}, "audio"),
        ({"overflow": "0123"}, "overflow"),
        ({"url": "https://x/y"}, "url"),
        ({"auth_tokens": "x"}, "auth_tokens"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(keys: dict[str, Any], words):
    with pytest.raises(ValueError, match=words):
        Settings.model_validate(keys)


def test_secrets_are_not_shown():
    assert "s3cret" not in repr(Settings.model_validate({"auth_token": "s3cret", "media_token": "s3cret"}))
