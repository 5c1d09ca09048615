"""Telnyx's webhooks: who is believed, and what is told of each event."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.telnyx.hooks import Hooks
from parlance.actors.media.telnyx.settings import WEBHOOK, Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Request, Welcome, What

NOW = 1_780_000_000.0
# RFC 8032 section 7.1, test 1: a key that the test did not make up.
SECRET = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
PUBLIC = base64.b64encode(SECRET.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


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


def hooks(**changes: Any) -> Hooks:
    settings = Settings.model_validate({"api_key": "KEY1", "public_key": PUBLIC, **changes})
    return Hooks(settings, Addresses("https://voice.example"))


def state(kind: str, id: str) -> str:
    return base64.b64encode(f"parlance:{kind}:{id}".encode()).decode()


def event(kind: str, **payload: Any) -> dict[str, Any]:
    """As Telnyx sends them: https://developers.telnyx.com, call.initiated of an incoming call, with changes."""
    content = {
        "call_control_id": "v3:c1",
        "call_leg_id": "leg1",
        "client_state": None,
        "from": "+18124040851",
        "to": "+13057864498",
        **payload,
    }
    return {
        "data": {
            "event_type": kind,
            "id": "b97d4d5e",
            "occurred_at": "2025-11-23T03:30:00.500000Z",
            "payload": content,
        },
    }


def request(body: Any, query: str = "", **headers: str) -> Request:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", f"https://voice.example{WEBHOOK}{query}", named, sent, "192.0.2.1")


def signed(body: bytes, at: float = NOW, key: Ed25519PrivateKey = SECRET, over: bytes | None = None) -> Request:
    stamp = str(int(at))
    signature = key.sign(stamp.encode() + b"|" + (body if over is None else over))
    return request(body, telnyx_timestamp=stamp, telnyx_signature_ed25519=base64.b64encode(signature).decode())


def told(body: dict[str, Any]) -> News:
    house = House()
    answer = hooks().handle(request(body), house)
    assert answer.status == 200
    assert house.offers == []
    (news,) = house.news
    return news


# ------------------------------------------------------------------------------------------------------ believing


BODY = json.dumps(event("call.answered")).encode()


@pytest.mark.parametrize("at", [NOW, NOW - 299, NOW + 299])
def test_what_telnyx_has_signed_is_believed(at):
    hooks().verify(signed(BODY, at), NOW)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (request(BODY), "unsigned"),
        (request(BODY, telnyx_timestamp=str(int(NOW))), "unsigned"),
        (request(BODY, telnyx_signature_ed25519="AAAA"), "unsigned"),
        (signed(BODY, key=STRANGER), "signature"),
        (signed(BODY + b" ", over=BODY), "signature"),
        (signed(BODY, over=b""), "signature"),
        (request(BODY, telnyx_timestamp=str(int(NOW)), telnyx_signature_ed25519="****"), "signature"),
        (request(BODY, telnyx_timestamp=str(int(NOW)), telnyx_signature_ed25519="AAAA"), "signature"),
        (request(BODY, telnyx_timestamp="\xe9", telnyx_signature_ed25519="AAAA"), "signature"),
        (signed(BODY, NOW - 301), "expired"),
        (signed(BODY, NOW + 301), "expired"),
    ],
)
def test_anything_else_is_not(sent, reason):
    with pytest.raises(Denied) as caught:
        hooks().verify(sent, NOW)
    assert (caught.value.status, caught.value.reason) == (401, reason)


def test_a_signature_is_good_for_its_time_only():
    once = signed(BODY)
    later = Request(once.method, once.url, {**once.headers, "telnyx-timestamp": str(int(NOW) + 600)}, once.body)
    with pytest.raises(Denied, match="signature"):
        hooks().verify(later, NOW + 600)
    with pytest.raises(Denied) as caught:
        hooks().verify(once, NOW + 600)
    assert caught.value.reason == "expired"


@given(st.text(), st.text(), st.binary())
def test_no_header_makes_it_fail_otherwise(stamp, signature, body):
    with pytest.raises(Denied):
        hooks().verify(request(body, telnyx_timestamp=stamp, telnyx_signature_ed25519=signature), NOW)


# -------------------------------------------------------------------------------------------------------- telling


@pytest.mark.parametrize("word", [Welcome("ours", "sales", "t1"), Refusal("full")])
def test_an_incoming_call_is_offered_and_the_answer_is_left_to_a_command(word):
    house = House(word)
    body = event(
        "call.initiated",
        direction="incoming",
        state="parked",
        custom_headers=[{"name": "X-Account", "value": "7"}],
    )
    answer = hooks().handle(request(body, "?agent=sales"), house)
    assert (answer.status, json.loads(answer.body)) == (200, {})
    assert house.offers == [
        Offer(
            "v3:c1",
            "+18124040851",
            "+13057864498",
            leg="leg1",
            event="b97d4d5e",
            parameters={"X-Account": "7", "agent": "sales"},
        )
    ]


def test_who_calls_by_sip_cannot_choose_the_agent():
    house = House()
    headers = [{"name": "agent", "value": "admin"}, {"name": "X-Account", "value": "7"}]
    hooks().handle(request(event("call.initiated", direction="incoming", sip_headers=headers)), house)
    assert house.offers[0].parameters == {"X-Account": "7"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [("anonymous", ""), ("Restricted", ""), ("33199000010", "+33199000010"), ("sip:a@b.example", "sip:a@b.example")],
)
def test_numbers_are_written_as_everywhere_else(written, expected):
    house = House()
    hooks().handle(request(event("call.initiated", direction="incoming", **{"from": written})), house)
    assert house.offers[0].caller == expected


def test_a_placed_call_is_known_by_its_state_and_rings_when_it_is_initiated():
    news = told(event("call.initiated", direction="outgoing", state="bridging", client_state=state("out", "ours")))
    assert news == News(
        What.RINGING,
        "v3:c1",
        event="b97d4d5e",
        ours="ours",
        leg="leg1",
        outbound=True,
        caller="+18124040851",
        called="+13057864498",
        word="bridging",
        at=1763868600.5,
        order=1763868600.5,
    )


@pytest.mark.parametrize(
    ("kind", "payload", "what", "word"),
    [
        ("call.answered", {}, What.ANSWERED, "call.answered"),
        ("call.bridged", {}, What.TRANSFERRED, "call.bridged"),
        ("call.dtmf.received", {"digit": "5"}, What.DIGIT, "5"),
        ("call.dtmf.received", {}, What.NOTED, "call.dtmf.received"),
        ("streaming.failed", {"failure_reason": "connection refused"}, What.MEDIA_FAILED, "connection refused"),
        ("call.streaming.failed", {"reason": "x"}, What.MEDIA_FAILED, "x"),
        ("streaming.failed", {}, What.MEDIA_FAILED, "streaming.failed"),
        ("streaming.started", {}, What.NOTED, "streaming.started"),
        ("call.machine.detection.ended", {"result": "machine"}, What.MACHINE, "machine"),
        ("call.machine.detection.ended", {"result": "human"}, What.HUMAN, "human"),
        ("call.machine.detection.ended", {"result": "not_sure"}, What.NOTED, "not_sure"),
        ("call.machine.premium.detection.ended", {"result": "human_business"}, What.HUMAN, "human_business"),
        ("call.machine.premium.detection.ended", {"result": "fax_detected"}, What.MACHINE, "fax_detected"),
        ("call.some.day", {}, What.NOTED, "call.some.day"),
        ("call.hangup", {"hangup_cause": "normal_clearing"}, What.ENDED, "normal_clearing"),
        ("call.hangup", {"hangup_cause": "time_limit"}, What.ENDED, "time_limit"),
        ("call.hangup", {"hangup_cause": "user_busy"}, What.BUSY, "user_busy"),
        ("call.hangup", {"hangup_cause": "timeout"}, What.UNANSWERED, "timeout"),
        ("call.hangup", {"hangup_cause": "no_answer"}, What.UNANSWERED, "no_answer"),
        ("call.hangup", {"hangup_cause": "call_rejected"}, What.UNANSWERED, "call_rejected"),
        ("call.hangup", {"hangup_cause": "originator_cancel"}, What.CANCELED, "originator_cancel"),
        ("call.hangup", {"hangup_cause": "not_found"}, What.FAILED, "not_found"),
        ("call.hangup", {"hangup_cause": "unspecified", "sip_hangup_cause": "486"}, What.BUSY, "unspecified"),
        ("call.hangup", {"hangup_cause": "unspecified", "sip_hangup_cause": 503}, What.FAILED, "unspecified"),
        ("call.hangup", {"hangup_cause": "unspecified", "sip_hangup_cause": "200"}, What.ENDED, "unspecified"),
        ("call.hangup", {}, What.ENDED, "hangup"),
    ],
)
def test_each_event_is_told_as_what_it_means(kind, payload, what, word):
    news = told(event(kind, **payload))
    assert (news.what, news.word, news.call, news.event) == (what, word, "v3:c1", "b97d4d5e")


@pytest.mark.parametrize(
    ("kind", "source", "by"),
    [
        ("in", "caller", "caller"),
        ("in", "callee", "agent"),
        ("out", "caller", "agent"),
        ("out", "callee", "caller"),
        ("in", "unknown", ""),
        ("", "caller", ""),
    ],
)
def test_who_hung_up_depends_on_who_has_called(kind, source, by):
    body = event(
        "call.hangup",
        hangup_cause="normal_clearing",
        hangup_source=source,
        client_state=state(kind, "ours") if kind else None,
    )
    news = told(body)
    assert news.by == by
    assert news.outbound == {"in": False, "out": True}.get(kind)
    assert news.details["hangup_source"] == source


@pytest.mark.parametrize("strange", ["", "x", "cGFybGFuY2U=", base64.b64encode(b"other:in:1").decode(), 5, None])
def test_a_state_that_is_not_ours_says_nothing(strange):
    news = told(event("call.answered", client_state=strange))
    assert (news.ours, news.outbound) == ("", None)


@pytest.mark.parametrize(
    ("kind", "cause", "what"),
    [
        ("call.initiated", "", None),
        ("call.answered", "", What.TRANSFERRED),
        ("call.bridged", "", None),
        ("call.hangup", "user_busy", What.UNTRANSFERRED),
        ("call.hangup", "timeout", What.UNTRANSFERRED),
        ("call.hangup", "normal_clearing", None),
    ],
)
def test_the_leg_of_a_transfer_is_news_of_the_call_transferred(kind, cause, what):
    house = House()
    body = event(kind, direction="outgoing", hangup_cause=cause, client_state=state("leg", "v3:c1"))
    body["data"]["payload"]["call_control_id"] = "v3:other"
    hooks().handle(request(body), house)
    assert [(news.what, news.call) for news in house.news] == ([] if what is None else [(what, "v3:c1")])


def test_an_event_without_a_call_is_taken_and_nothing_is_told():
    house = House()
    answer = hooks().handle(request(event("message.received", call_control_id=None)), house)
    assert (answer.status, house.news, house.offers) == (200, [], [])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data":{}}', b'{"data":{"event_type":"x"}}', b"\xff"])
def test_what_is_no_event_is_malformed(body):
    with pytest.raises(Denied) as caught:
        hooks().handle(request(body), House())
    assert (caught.value.status, caught.value.reason) == (400, "malformed")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("call_control_id", "direction", "client_state", "from", "hangup_cause", "custom_headers", "recording_urls")


@given(
    st.sampled_from(["call.initiated", "call.hangup", "call.dtmf.received", "call.machine.detection.ended"]) | VALUES,
    st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES,
    VALUES,
)
def test_nothing_but_denied_escapes_whatever_is_signed(kind, payload, when):
    body = {"data": {"event_type": kind, "payload": payload, "occurred_at": when, "id": when}}
    try:
        assert hooks().handle(request(body), House()).status == 200
    except Denied as error:
        assert error.status == 400
