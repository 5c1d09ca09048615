"""Twilio's webhooks: what is believed, what is answered, and what the house is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media import webhook
from parlance.actors.media.twilio.hooks import Hooks
from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Request, Welcome, What

TOKEN = "12345auth"
BASE = "https://voice.example"
VOICE = "/api/v1/webhooks/twilio/voice"
STATUS = "/api/v1/webhooks/twilio/status"
TRANSFER = "/api/v1/webhooks/twilio/transfer"
FORM = "application/x-www-form-urlencoded"
NOW = 1_667_304_000.0
"""Tue, 01 Nov 2022 12:00:00 +0000."""
CALL = {"CallSid": "CA1", "From": "+15550100", "To": "+15550199", "CallStatus": "ringing", "Direction": "inbound"}


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


def ask(path: str, fields: dict[str, str] | None = None, query: str = "", **headers: str) -> Request:
    body = urlencode(fields or {}).encode()
    url = f"{BASE}{path}{'?' + query if query else ''}"
    return Request("POST", url, {"content-type": FORM, **headers}, body)


def signature(text: str, key: str = TOKEN, digest: str = "sha1") -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), digest).digest()).decode()


def sealed(request: Request, text: str, **headers: str) -> Request:
    """The request with the signature of `text`."""
    given = {**request.headers, "x-twilio-signature": signature(text), **headers}
    return Request(request.method, request.url, given, request.body)


# ------------------------------------------------------------------------------------------ what is believed


def test_a_signature_of_twilios_own_documentation_is_believed():
    # twilio.com/docs/usage/security: auth token 12345, and the signature that it prints.
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    headers = {"content-type": FORM, "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    request = Request("POST", url, headers, urlencode(fields).encode())
    hooks(auth_token="12345").verify(request, NOW)
    with pytest.raises(Denied):
        hooks(auth_token="12346").verify(request, NOW)


FIELDS = "CallSidCA1CallStatusringingDirectioninboundFrom+15550100To+15550199"


@pytest.mark.parametrize("host", ["https://voice.example", "https://voice.example:443"])
@pytest.mark.parametrize("query", ["", "agent=sales&x=a%20b"])
def test_the_url_is_signed_with_its_port_or_without(host, query):
    request = ask(VOICE, CALL, query)
    hooks().verify(sealed(request, f"{host}{VOICE}{'?' + query if query else ''}{FIELDS}"), NOW)


@pytest.mark.parametrize("stated", ["https://voice.example:8443", "https://voice.example"])
def test_a_port_of_our_own_is_signed_or_left_out(stated):
    request = Request("POST", f"https://voice.example:8443{VOICE}", {"content-type": FORM}, urlencode(CALL).encode())
    hooks().verify(sealed(request, f"{stated}{VOICE}{FIELDS}"), NOW)


def test_of_a_field_that_comes_twice_the_different_values_are_signed_in_their_order():
    request = Request("POST", BASE + STATUS, {"content-type": FORM}, b"b=2&a=1&b=1&b=2&CallSid=CA1")
    hooks().verify(sealed(request, f"{BASE}{STATUS}CallSidCA1a1b1b2"), NOW)


def test_a_get_is_signed_by_its_url_alone():
    url = f"{BASE}{VOICE}?{urlencode(CALL)}"
    hooks().verify(sealed(Request("GET", url, {}, b""), url), NOW)


SCHEME = "x-twilio-webhooks-signature-settings"


def test_a_shared_key_signs_with_sha256():
    request = ask(VOICE, CALL)
    text = f"{BASE}{VOICE}{FIELDS}"
    headers = {
        "x-twilio-signature": signature(text, "shared", "sha256"),
        SCHEME: "key=k1,algorithm=HMAC_SHA256",
    }
    hooks(shared_keys={"k1": "shared"}).verify(sealed(request, text, **headers), NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {SCHEME: "key=k2,algorithm=HMAC_SHA256"},
        {SCHEME: "key=k1,algorithm=HMAC_SHA1"},
        {SCHEME: "algorithm=HMAC_SHA256"},
        {SCHEME: "key=k1"},
        {SCHEME: "nonsense"},
        {SCHEME: ""},
        {},
    ],
)
def test_a_shared_keys_signature_is_not_believed_under_another_name(headers):
    request = ask(VOICE, CALL)
    text = f"{BASE}{VOICE}{FIELDS}"
    given = {"x-twilio-signature": signature(text, "shared", "sha256"), **headers}
    with pytest.raises(Denied) as caught:
        hooks(shared_keys={"k1": "shared"}).verify(sealed(request, text, **given), NOW)
    assert (caught.value.status, caught.value.reason) == (401, "signature")


JSON = b'{"CallSid":"CA1","CallStatus":"ringing"}'


def json_request(body: bytes, query: str) -> Request:
    url = f"{BASE}{STATUS}?{query}"
    return sealed(Request("POST", url, {"content-type": "application/json"}, body), url)


def test_json_is_signed_by_its_hash_in_the_url():
    house = House()
    request = json_request(JSON, "bodySHA256=" + hashlib.sha256(JSON).hexdigest())
    hooks().verify(request, NOW)
    hooks().handle(request, house)
    assert [(news.what, news.call) for news in house.news] == [(What.RINGING, "CA1")]


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (JSON + b" ", "bodySHA256=" + hashlib.sha256(JSON).hexdigest()),
        (JSON, "bodySHA256="),
        (JSON, "other=1"),
    ],
)
def test_json_whose_hash_is_another_is_not_believed(body, query):
    with pytest.raises(Denied) as caught:
        hooks().verify(json_request(body, query), NOW)
    assert caught.value.reason == "signature"


TEXT = f"{BASE}{VOICE}?agent=sales{FIELDS}"
GOOD = sealed(ask(VOICE, CALL, "agent=sales"), TEXT)


def test_the_request_that_is_tampered_with_below_is_believed():
    hooks().verify(GOOD, NOW)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (Request("POST", GOOD.url.replace("sales", "boss"), GOOD.headers, GOOD.body), "signature"),
        (Request("POST", GOOD.url.replace("voice?", "status?"), GOOD.headers, GOOD.body), "signature"),
        (Request("POST", GOOD.url.replace("https", "http"), GOOD.headers, GOOD.body), "signature"),
        (Request("POST", GOOD.url.replace(".example", ".invalid"), GOOD.headers, GOOD.body), "signature"),
        (Request("POST", GOOD.url, GOOD.headers, GOOD.body.replace(b"15550100", b"15550101")), "signature"),
        (Request("POST", GOOD.url, GOOD.headers, GOOD.body + b"&More=1"), "signature"),
        (Request("POST", GOOD.url, GOOD.headers, b"no form"), "signature"),
        (Request("POST", GOOD.url, GOOD.headers, b"\xff=\xff"), "signature"),
        (Request("POST", GOOD.url, {**GOOD.headers, "x-twilio-signature": "A" * 28}, GOOD.body), "signature"),
        (Request("POST", GOOD.url, {**GOOD.headers, "x-twilio-signature": "\udc80é"}, GOOD.body), "signature"),
        (Request("POST", GOOD.url, {**GOOD.headers, "x-twilio-signature": ""}, GOOD.body), "unsigned"),
        (Request("POST", GOOD.url, {"content-type": FORM}, GOOD.body), "unsigned"),
        (Request("POST", GOOD.url, {**GOOD.headers, "content-type": "text/plain"}, GOOD.body), "signature"),
    ],
)
def test_a_request_that_was_tampered_with_is_not_believed(changed, reason):
    with pytest.raises(Denied) as caught:
        hooks().verify(changed, NOW)
    assert (caught.value.status, caught.value.reason) == (401, reason)
    assert TOKEN not in str(caught.value)


def test_without_a_key_nothing_is_believed():
    given = {"x-twilio-signature": signature(f"{BASE}{VOICE}{FIELDS}", "")}
    with pytest.raises(Denied) as caught:
        hooks(auth_token="").verify(ask(VOICE, CALL, **given), NOW)
    assert caught.value.reason == "signature"


@pytest.mark.parametrize(("late", "believed"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
@pytest.mark.parametrize("written", ["Tue, 01 Nov 2022 12:00:00 +0000", "2022-11-01T12:00:00Z"])
def test_a_request_says_when_it_was_and_is_believed_for_five_minutes(late, believed, written):
    request = ask(STATUS, {"CallSid": "CA1", "Timestamp": written})
    request = sealed(request, f"{BASE}{STATUS}CallSidCA1Timestamp{written}")
    if believed:
        hooks().verify(request, NOW + late)
        return
    with pytest.raises(Denied) as caught:
        hooks().verify(request, NOW + late)
    assert (caught.value.status, caught.value.reason) == (401, "expired")


# ------------------------------------------------------------------------------------- what is answered


def test_a_call_that_is_taken_is_connected_to_our_stream():
    house = House()
    reply = hooks().handle(ask(VOICE, {**CALL, "SipHeader_X-Table": "7"}, "agent=desk"), house)
    assert house.offers == [
        Offer("CA1", "+15550100", "+15550199", "", "CA1/voice", {"agent": "desk", "X-Table": "7"}),
    ]
    assert (reply.status, reply.kind) == (200, "application/xml")
    stream = fromstring(reply.body).find("./Connect/Stream")
    assert stream is not None
    assert stream.attrib == {"url": "wss://voice.example/api/v1/media/twilio", "statusCallback": BASE + STATUS}
    assert {each.attrib["name"]: each.attrib["value"] for each in stream.findall("Parameter")} == {
        "ticket": "t1",
        "call": "c1",
        "agent": "sales",
        "from": "+15550100",
        "to": "+15550199",
    }


def test_whatever_an_agent_is_called_the_answer_is_xml():
    house = House(Welcome("c1", "<a&\"b'\x00\ufffe\U0001f600>", "t1"))
    stream = fromstring(hooks().handle(ask(VOICE, CALL), house).body).find("./Connect/Stream/Parameter[@name='agent']")
    assert stream is not None
    assert stream.attrib["value"] == "<a&\"b'\U0001f600>"


@pytest.mark.parametrize(
    ("refusal", "keys", "body"),
    [
        (Refusal("full"), {}, b'<Response><Reject reason="busy" /></Response>'),
        (Refusal("unknown-agent", busy=False), {}, b'<Response><Reject reason="rejected" /></Response>'),
        (
            Refusal("full"),
            {"overflow": "+15550123"},
            b"<Response><Dial><Number>+15550123</Number></Dial></Response>",
        ),
        (
            Refusal("unknown-agent", busy=False),
            {"overflow": "+15550123"},
            b'<Response><Reject reason="rejected" /></Response>',
        ),
    ],
)
def test_a_call_that_is_not_taken_is_refused_or_sent_on(refusal, keys, body):
    reply = hooks(**keys).handle(ask(VOICE, CALL), House(refusal))
    assert reply.status == 200
    assert reply.body.endswith(body)


def test_our_address_may_have_a_path_of_its_own():
    where = Addresses("https://voice.example/phone")
    request = Request("POST", where.web(VOICE), {"content-type": FORM}, urlencode(CALL).encode())
    reply = Hooks(Settings(), where).handle(request, House())
    assert b'url="wss://voice.example/phone/api/v1/media/twilio"' in reply.body


@pytest.mark.parametrize("party", ["anonymous", "Restricted", "+266696687", "+7378742833", "+86282452253", ""])
def test_a_withheld_number_is_none(party):
    house = House()
    hooks().handle(ask(VOICE, {**CALL, "From": party}), house)
    assert house.offers[0].caller == ""


@pytest.mark.parametrize(
    ("party", "expected"),
    [
        ("15550100", "+15550100"),
        ("0155501000", "0155501000"),
        ("112", "112"),
        ("client:anna", "client:anna"),
    ],
)
def test_numbers_are_e164_where_they_can_be(party, expected):
    house = House()
    hooks().handle(ask(VOICE, {**CALL, "From": party}), house)
    assert house.offers[0].caller == expected


def test_a_question_about_no_call_makes_no_sense():
    with pytest.raises(Denied) as caught:
        hooks().handle(ask(VOICE, {"From": "+15550100"}), House())
    assert (caught.value.status, caught.value.reason) == (400, "malformed")


# ------------------------------------------------------------------------------------------ what is told

OUT = {"CallSid": "CA1", "From": "+15550199", "To": "+15550100", "Direction": "outbound-api", "SequenceNumber": "2"}


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        (STATUS, {"CallStatus": "queued"}, [(What.NOTED, "queued")]),
        (STATUS, {"CallStatus": "initiated"}, [(What.NOTED, "initiated")]),
        (STATUS, {"CallStatus": "ringing"}, [(What.RINGING, "ringing")]),
        (STATUS, {"CallStatus": "in-progress"}, [(What.ANSWERED, "in-progress")]),
        (STATUS, {"CallStatus": "completed"}, [(What.ENDED, "completed")]),
        (STATUS, {"CallStatus": "busy"}, [(What.BUSY, "busy")]),
        (STATUS, {"CallStatus": "no-answer"}, [(What.UNANSWERED, "no-answer")]),
        (STATUS, {"CallStatus": "canceled"}, [(What.CANCELED, "canceled")]),
        (STATUS, {"CallStatus": "failed"}, [(What.FAILED, "failed")]),
        (STATUS, {"CallStatus": "dreaming"}, [(What.NOTED, "dreaming")]),
        (STATUS, {}, [(What.NOTED, "unknown")]),
        (STATUS, {"AnsweredBy": "machine_start"}, [(What.MACHINE, "machine_start")]),
        (STATUS, {"AnsweredBy": "machine_end_beep"}, [(What.MACHINE, "machine_end_beep")]),
        (STATUS, {"AnsweredBy": "fax"}, [(What.MACHINE, "fax")]),
        (STATUS, {"AnsweredBy": "human"}, [(What.HUMAN, "human")]),
        (STATUS, {"AnsweredBy": "unknown"}, [(What.NOTED, "unknown")]),
        (
            STATUS,
            {"CallStatus": "in-progress", "AnsweredBy": "human"},
            [(What.ANSWERED, "in-progress"), (What.HUMAN, "human")],
        ),
        (STATUS, {"CallStatus": "completed", "AnsweredBy": "machine_start"}, [(What.ENDED, "completed")]),
        (STATUS, {"StreamEvent": "stream-started", "StreamSid": "MZ1"}, [(What.NOTED, "stream-started")]),
        (
            STATUS,
            {"StreamEvent": "stream-error", "StreamSid": "MZ1", "StreamError": "31920"},
            [(What.MEDIA_FAILED, "31920")],
        ),
        (TRANSFER, {"DialCallStatus": "completed"}, [(What.TRANSFERRED, "transfer completed")]),
        (TRANSFER, {"DialCallStatus": "busy"}, [(What.UNTRANSFERRED, "transfer busy")]),
        (TRANSFER, {}, [(What.UNTRANSFERRED, "transfer unknown")]),
    ],
)
def test_what_became_of_a_call_is_told(path, fields, expected):
    house = House()
    reply = hooks().handle(ask(path, {**OUT, **fields}, "call=c1"), house)
    assert reply.status == 200
    assert fromstring(reply.body).tag == "Response"
    assert [(news.what, news.word) for news in house.news] == expected
    assert {(news.call, news.ours, news.outbound) for news in house.news} == {("CA1", "c1", True)}


def test_news_hold_what_twilio_says():
    fields = {
        **OUT,
        "CallStatus": "completed",
        "SequenceNumber": "3",
        "Timestamp": "Tue, 01 Nov 2022 12:00:00 +0000",
        "CallDuration": "17",
        "SipResponseCode": "200",
        "CallerCity": "X",
    }
    house = House()
    hooks().handle(ask(STATUS, fields, "call=c1"), house)
    assert house.news == [
        News(
            What.ENDED,
            "CA1",
            event="CA1//completed/3",
            ours="c1",
            outbound=True,
            caller="+15550199",
            called="+15550100",
            word="completed",
            at=NOW,
            order=3.0,
            details={"CallDuration": "17", "SipResponseCode": "200"},
        )
    ]


def test_the_same_delivered_twice_is_the_same_event_and_another_is_another():
    house = House()
    for status in ("ringing", "ringing", "in-progress"):
        hooks().handle(ask(STATUS, {"CallSid": "CA1", "CallStatus": status}), house)
    first, again, other = (news.event for news in house.news)
    assert first == again != other


def test_news_of_no_call_are_nobodys():
    house = House()
    assert hooks().handle(ask(STATUS, {"CallStatus": "ringing"}), house).status == 200
    assert house.news == []


TYPES = st.sampled_from([FORM, "application/json", "text/plain", ""])
BODIES = (
    st.binary()
    | st.dictionaries(
        st.sampled_from(["CallSid", "CallStatus", "Timestamp", "SequenceNumber", "AnsweredBy", "From"]), st.text()
    ).map(lambda fields: urlencode(fields, errors="replace").encode())
    | st.text().map(lambda body: body.encode("utf-8", "surrogatepass"))
)


@given(st.sampled_from([VOICE, STATUS, TRANSFER, "/other"]), TYPES, BODIES, st.text())
def test_any_request_is_denied_or_answered(path, kind, body, given_signature):
    request = Request("POST", BASE + path, {"content-type": kind, "x-twilio-signature": given_signature}, body)
    with pytest.raises(Denied) as caught:
        hooks().verify(request, NOW)
    assert caught.value.status == 401
    house = House()
    try:
        reply = hooks().handle(request, house)
    except Denied as denied:
        assert denied.status == 400
    else:
        fromstring(reply.body)
        assert all(isinstance(value, str) for news in house.news for value in news.details.values())


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=4))
def test_whatever_is_in_it_what_was_signed_is_believed(query, fields):
    url = f"{BASE}{STATUS}?{urlencode({'q': query}, errors='replace')}"
    fields = {
        name.encode(errors="replace").decode(): value.encode(errors="replace").decode()
        for name, value in fields.items()
        if name != "Timestamp"
    }
    request = Request("POST", url, {"content-type": FORM}, urlencode(fields).encode())
    text = url + "".join(name + fields[name] for name in sorted(fields))
    hooks().verify(sealed(request, text), NOW)


# ------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"api_key": "SK1"}, "belong together"),
        ({"api_secret": "s"}, "belong together"),
        ({"shared_keys": {"k": ""}}, "no secret"),
        ({"media_signature": "required"}, "needs auth_token"),
        ({"account_sid": "SK1"}, "account_sid"),
        ({"overflow": "0123"}, "overflow"),
        ({"url": "https://x/y"}, "url"),
        ({"edge": "a.b"}, "edge"),
        ({"auth_tokens": "x"}, "auth_tokens"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(keys: dict[str, Any], words):
    with pytest.raises(ValueError, match=words):
        Settings.model_validate(keys)


def test_secrets_are_not_shown():
    settings = Settings.model_validate(
        {"auth_token": "s3cret", "shared_keys": {"k": "s3cret"}, "media_token": "s3cret"}
    )
    assert "s3cret" not in repr(settings)
