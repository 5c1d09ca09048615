"""Vonage's webhooks: what the answer webhook is replied to, and what is told of each event."""

from __future__ import annotations

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
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Reply, Request, Welcome, What

SECRET = "0123456789abcdef0123456789abcdef"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
CONVERSATION = f"CON-{UUID}"


class House:
    """A reception that writes down what it is told."""

    def __init__(self, word: Welcome | Refusal | None = None) -> None:
        self.word = word or Welcome("ours", "sales", "t1")
        self.offers: list[Offer] = []
        self.news: list[News] = []

    def offered(self, offer: Offer) -> Welcome | Refusal:
        self.offers.append(offer)
        return self.word

    def told(self, news: News) -> None:
        self.news.append(news)


@cache
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def hooks(**changes: Any) -> Hooks:
    named = {"application_id": "app", "api_key": "abcd", "private_key": pem(), "signature_secret": SECRET, **changes}
    return Hooks(Settings.model_validate(named), Addresses("https://voice.example"))


def post(path: str, body: Any, query: str = "") -> Request:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", f"https://voice.example{path}{query}", {}, sent)


def get(fields: dict[str, str]) -> Request:
    return Request("GET", f"https://voice.example{ANSWER}?{urlencode(fields)}", {}, b"")


# ------------------------------------------------------------------------------------------------------ answering

CALL = {"from": "447700900000", "to": "442079460000", "uuid": UUID, "conversation_uuid": CONVERSATION}


@pytest.mark.parametrize("sent", [post(ANSWER, CALL), get(CALL)])
def test_a_call_is_offered_and_connected_with_our_media_socket(sent):
    house = House()
    answer = hooks().handle(sent, house)
    assert house.offers == [Offer(UUID, "+447700900000", "+442079460000", leg=CONVERSATION, event=UUID)]
    assert (answer.status, answer.kind) == (200, "application/json")
    (action,) = json.loads(answer.body)
    assert action == {
        "action": "connect",
        "eventType": "synchronous",
        "eventUrl": [f"https://voice.example{EVENT}?call=ours&uuid={UUID}"],
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


def test_headers_stay_within_what_vonage_carries():
    house = House(Welcome("c" * 64, "sales", "t" * 128))
    (action,) = json.loads(hooks().handle(post(ANSWER, CALL), house).body)
    assert len(json.dumps(action["endpoint"][0]["headers"])) <= 512


def test_the_address_names_the_agent_and_sip_headers_only_themselves():
    house = House()
    body = {**CALL, "SipHeader_X-Account": "7", "SipHeader_agent": "admin", "agent": "admin"}
    hooks().handle(post(ANSWER, body, "?agent=sales"), house)
    hooks().handle(post(ANSWER, body), house)
    assert [offer.parameters for offer in house.offers] == [{"X-Account": "7", "agent": "sales"}, {"X-Account": "7"}]


def test_a_caller_who_is_not_taken_is_told_in_words_or_not_at_all():
    full = House(Refusal("full"))
    spoken = hooks(busy="Later.").handle(post(ANSWER, CALL), full)
    assert json.loads(spoken.body) == [{"action": "talk", "text": "Later."}]
    assert json.loads(hooks(busy="").handle(post(ANSWER, CALL), full).body) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [("anonymous", ""), ("Unknown", ""), ("12345", "12345"), ("sip:a@b", "sip:a@b"), (None, "")],
)
def test_numbers_are_written_as_everywhere_else(written, expected):
    house = House()
    hooks().handle(post(ANSWER, {**CALL, "from": written}), house)
    assert house.offers[0].caller == expected


# -------------------------------------------------------------------------------------------------------- telling


def event(status: str | None, query: str = "", **fields: Any) -> Request:
    said = {**CALL, "status": status, "direction": "outbound", "timestamp": "2020-01-01T12:00:00.000Z", **fields}
    return post(EVENT, {name: value for name, value in said.items() if value is not None}, query)


def told(sent: Request) -> list[News]:
    house = House()
    assert hooks().handle(sent, house) == Reply(), "a body would be taken for a call control object"
    assert house.offers == []
    return house.news


def test_news_has_all_that_vonage_says():
    assert told(event("ringing", "?call=ours")) == [
        News(
            What.RINGING,
            UUID,
            event=f"{UUID}:ringing:2020-01-01T12:00:00.000Z",
            ours="ours",
            leg=CONVERSATION,
            outbound=True,
            caller="+447700900000",
            called="+442079460000",
            word="ringing",
            at=1577880000.0,
            order=1577880000.0,
            details={"conversation_uuid": CONVERSATION},
        )
    ]


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ("started", What.NOTED),
        ("ringing", What.RINGING),
        ("answered", What.ANSWERED),
        ("completed", What.ENDED),
        ("busy", What.BUSY),
        ("cancelled", What.CANCELED),
        ("unanswered", What.UNANSWERED),
        ("timeout", What.UNANSWERED),
        ("rejected", What.FAILED),
        ("failed", What.FAILED),
        ("machine", What.MACHINE),
        ("human", What.HUMAN),
        ("some day", What.NOTED),
    ],
)
def test_each_status_is_told_as_what_it_means(status, what):
    (news,) = told(event(status))
    assert (news.what, news.word, news.call) == (what, status, UUID)


def test_machine_detection_names_the_call_in_its_own_way():
    (news,) = told(event("machine", uuid=None, call_uuid=UUID, direction=None))
    assert (news.what, news.call, news.outbound) == (What.MACHINE, UUID, None)


@pytest.mark.parametrize(("by", "expected"), [("user", "caller"), ("platform", ""), (None, "")])
def test_who_ended_it_is_told_where_vonage_says(by, expected):
    (news,) = told(event("completed", disconnected_by=by, duration="7"))
    assert (news.by, news.details["duration"]) == (expected, "7")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"conversation_uuid_from": "CON-1", "conversation_uuid_to": "CON-2"}, "transfer"),
        ({"recording_url": "https://api.nexmo.com/v1/files/1"}, "record"),
        ({"dtmf": {"digits": "42"}}, "input"),
        ({"reason": "Syntax error in NCCO."}, "error"),
        ({}, "event"),
    ],
)
def test_what_has_no_status_is_noted(fields, word):
    (news,) = told(event(None, **fields))
    assert (news.what, news.word) == (What.NOTED, word)


@pytest.mark.parametrize(
    ("status", "lost"),
    [("failed", True), ("unanswered", True), ("disconnected", True), ("answered", False), ("completed", False)],
)
def test_the_media_sockets_own_leg_is_news_only_when_it_is_lost(status, lost):
    news = told(event(status, "?call=ours&uuid=phone", to="wss://voice.example/api/v1/media/vonage"))
    assert [(item.what, item.call, item.ours, item.word) for item in news] == (
        [(What.MEDIA_FAILED, "phone", "ours", status)] if lost else []
    )


def test_a_media_socket_of_nobodys_is_nobodys_news():
    assert told(event("failed", to="wss://voice.example/api/v1/media/vonage")) == []


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ("started", None),
        ("answered", What.TRANSFERRED),
        ("busy", What.UNTRANSFERRED),
        ("timeout", What.UNTRANSFERRED),
        ("completed", None),
    ],
)
def test_the_leg_of_a_transfer_is_news_of_the_call_transferred(status, what):
    news = told(event(status, "?transfer=phone", uuid="other"))
    assert [(item.what, item.call) for item in news] == ([] if what is None else [(what, "phone")])


def test_the_same_event_has_the_same_name_and_another_one_has_not():
    names = [told(sent)[0].event for sent in (event("ringing"), event("ringing"), event("answered"))]
    assert names[0] == names[1] != names[2]


def test_an_event_of_no_call_is_taken_and_nothing_is_told():
    assert told(event(None, uuid=None, reason="Connection closed.")) == []


@pytest.mark.parametrize(
    "sent", [post(EVENT, b""), post(EVENT, b"{"), post(EVENT, []), post(ANSWER, {}), post(ANSWER, b"\xff"), get({})]
)
def test_what_makes_no_sense_is_malformed(sent):
    with pytest.raises(Denied) as caught:
        hooks().handle(sent, House())
    assert (caught.value.status, caught.value.reason) == (400, "malformed")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("status", "uuid", "to", "from", "timestamp", "direction", "SipHeader_X-A", "disconnected_by", "call_uuid")


@given(st.sampled_from([ANSWER, EVENT]), st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES)
def test_nothing_but_denied_escapes_whatever_is_signed(path, body):
    try:
        assert hooks().handle(post(path, body), House()).status == 200
    except Denied as error:
        assert error.status == 400
