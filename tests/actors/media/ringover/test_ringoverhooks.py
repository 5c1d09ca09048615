"""Ringover's webhooks: who has signed them, and what they tell."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.number import e164
from parlance.actors.media.ringover.hooks import Hooks
from parlance.actors.media.ringover.settings import Keys, Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Request, Welcome, What
from parlance.actors.media.webhook import Hooks as Port
from parlance.engine.secret import Secret

NOW = 1_700_000_000.0
KEY = "0123456789abcdef0123456789abcdef01234567"
HOST = "https://your.host"
BASE = "/api/v1/webhooks/ringover"
EVENT = f"{HOST}{BASE}/event"
BIG = 1234567890987654401
SECRET = "an-address-nobody-guesses"
ADDRESSES = Addresses(HOST)


@dataclass
class Desk:
    """A reception that takes every call, or none."""

    answer: Welcome | Refusal = field(default_factory=lambda: Welcome("c1", "sales", "t1"))
    offers: list[Offer] = field(default_factory=list)
    news: list[News] = field(default_factory=list)

    def offered(self, offer: Offer) -> Welcome | Refusal:
        self.offers.append(offer)
        return self.answer

    def told(self, news: News) -> None:
        self.news.append(news)


def message(event: str = "answered", resource: str | None = "call", **data: Any) -> dict[str, Any]:
    content = {"id": "8d0c", "call_id": BIG, "channel_id": 991, "direction": "inbound"}
    content |= {"from_number": "33600000001", "to_number": "33100000002", "start_time": NOW - 9, **data}
    named = {"event": event, "timestamp": NOW - 0.5, "attempt": 1, "data": content}
    return named if resource is None else named | {"resource": resource}


def hooks(**changes: Any) -> Hooks:
    return Hooks(Settings.model_validate({"webhook_key": KEY, "ivr_secret": SECRET, **changes}), ADDRESSES)


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims: Any, key: str = KEY, head: Any = None, digest: str = "sha512") -> str:
    """A JWT by hand (RFC 7515)."""
    head = {"alg": "HS512", "typ": "JWT"} if head is None else head
    signed = f"{base64url(json.dumps(head).encode())}.{base64url(json.dumps(claims).encode())}"
    return f"{signed}.{base64url(hmac.new(key.encode(), signed.encode(), digest).digest())}"


def v1(envelope: Any, url: str = EVENT, key: str = KEY, **claims: Any) -> Request:
    claims = {"url": url, "payload": envelope, **claims}
    return Request("POST", url, {"x-ringover-webhook-signature": token(claims, key)}, json.dumps(envelope).encode())


def v3(envelope: Any, url: str = EVENT, key: str = KEY, stamp: str = f"{NOW:.0f}") -> Request:
    body = json.dumps(envelope).encode()
    made = hmac.new(key.encode(), b"POST" + url.encode() + body + stamp.encode(), hashlib.sha256).digest()
    signature = {"x-ringover-webhook-signature-v3": b64encode(made).decode()}
    return Request("POST", url, signature | {"x-ringover-request-signature-v3-timestamp": stamp}, body)


def plain(envelope: Any, url: str = EVENT, key: str = KEY) -> Request:
    body = json.dumps(envelope).encode()
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return Request("POST", url, {"x-ringover-signature": signature}, body)


SIGNERS = {"v1": v1, "v3": v3, "hmac": plain}


def denied(carrier: Hooks, request: Request, now: float = NOW) -> tuple[int, str]:
    with pytest.raises(Denied) as caught:
        carrier.verify(request, now)
    for secret in (KEY, SECRET):
        assert secret not in str(caught.value)
    return caught.value.status, caught.value.reason


def told(envelope: Any, url: str = EVENT, **changes: Any) -> list[News]:
    """What is told of a message that comes properly signed."""
    desk, carrier, request = Desk(), hooks(**changes), v1(envelope, url)
    carrier.verify(request, NOW)
    assert carrier.handle(request, desk).status in (200, 204)
    return desk.news


# ---------------------------------------------------------------------------------------- signatures


@pytest.mark.parametrize("mode", SIGNERS)
def test_what_is_signed_is_believed(mode: str) -> None:
    carrier, desk = hooks(signature=mode), Desk()
    port: Port = carrier
    port.verify(request := SIGNERS[mode](message()), NOW)
    assert carrier.handle(request, desk).status == 200
    assert [news.what for news in desk.news] == [What.ANSWERED]


@pytest.mark.parametrize("mode", SIGNERS)
def test_another_key_is_not(mode: str) -> None:
    assert denied(hooks(signature=mode), SIGNERS[mode](message(), key="another")) == (401, "signature")


@pytest.mark.parametrize("mode", SIGNERS)
@pytest.mark.parametrize("other", SIGNERS)
def test_one_mode_does_not_take_the_others(mode: str, other: str) -> None:
    if mode != other:
        assert denied(hooks(signature=mode), SIGNERS[other](message())) == (401, "unsigned")


@pytest.mark.parametrize("mode", SIGNERS)
def test_without_a_key_nothing_is_believed(mode: str) -> None:
    carrier = Hooks(Settings.model_validate({"signature": mode}), ADDRESSES)
    assert denied(carrier, SIGNERS[mode](message(), key="")) == (401, "keyless")


@pytest.mark.parametrize("mode", SIGNERS)
def test_a_replay_is_expired_and_so_is_a_message_from_the_future(mode: str) -> None:
    carrier, request = hooks(signature=mode), SIGNERS[mode](message())
    for now in (NOW + 290, NOW - 290):
        carrier.verify(request, now)
    for now in (NOW + 310, NOW - 310):
        assert denied(carrier, request, now) == (401, "expired")
    hooks(signature=mode, window=1000).verify(request, NOW + 310)


def test_v3_signs_method_url_body_and_time() -> None:
    carrier, request = hooks(signature="v3"), v3(message())
    carrier.verify(request, NOW)
    stamped = "x-ringover-request-signature-v3-timestamp"
    for tampered in (
        replace(request, method="PUT"),
        replace(request, url=EVENT + "?x=1"),
        replace(request, body=request.body + b" "),
        replace(request, headers={**request.headers, stamped: f"{NOW + 1:.0f}"}),
        replace(request, headers={**request.headers, "x-ringover-webhook-signature-v3": "AAAA"}),
    ):
        assert denied(carrier, tampered) == (401, "signature")
    for name in request.headers:
        missing = {other: value for other, value in request.headers.items() if other != name}
        assert denied(carrier, replace(request, headers=missing)) == (401, "unsigned")
    carrier.verify(v3(message(), stamp=f"{NOW * 1000:.0f}"), NOW)
    assert denied(carrier, v3(message(), stamp="yesterday")) == (401, "expired")


def test_hmac_signs_the_body() -> None:
    carrier, request = hooks(signature="hmac"), plain(message())
    signature = request.headers["x-ringover-signature"]
    carrier.verify(replace(request, headers={"x-ringover-signature": signature.upper()}), NOW)
    assert denied(carrier, replace(request, body=request.body + b" ")) == (401, "signature")


@pytest.mark.parametrize(
    "header",
    [
        {"authorization": token({"url": EVENT, "payload": message()})},
        {"authorization": "Bearer " + token({"url": EVENT, "payload": message()})},
        {"x-ringover-webhook-signature": token(message())},
        {"x-ringover-webhook-signature": token({"url": EVENT, **message()})},
        {"x-ringover-webhook-signature": token({"url": EVENT, "payload": json.dumps(message())})},
        {"x-ringover-webhook-signature": token({"url": "https://YOUR.host:443" + BASE + "/event?a=1", **message()})},
        {"x-ringover-webhook-signature": token({"url": EVENT, "exp": NOW + 1, "payload": message()})},
    ],
    ids=["plain", "bearer", "flat", "flat with url", "payload of text", "the same url", "not expired"],
)
def test_the_forms_of_v1(header: dict[str, str]) -> None:
    carrier, desk = hooks(), Desk()
    request = Request("POST", EVENT, header, b"the body does not matter")
    carrier.verify(request, NOW)
    carrier.handle(request, desk)
    assert [news.call for news in desk.news] == [str(BIG)]


def forged() -> list[tuple[str, str, tuple[int, str]]]:
    claims = {"url": EVENT, "payload": message()}
    head, body, signature = token(claims).split(".")
    no_one = {"alg": "none", "typ": "JWT"}
    return [
        ("no signature", f"{head}.{body}.", (401, "signature")),
        ("alg none", f"{base64url(json.dumps(no_one).encode())}.{body}.", (401, "signature")),
        ("alg none, signed", token(claims, head=no_one), (401, "signature")),
        ("alg HS256", token(claims, head={"alg": "HS256"}, digest="sha256"), (401, "signature")),
        ("alg HS256, signed with SHA-512", token(claims, head={"alg": "HS256"}), (401, "signature")),
        ("HS512 signed with SHA-256", token(claims, digest="sha256"), (401, "signature")),
        ("another head", f"{base64url(b'{}')}.{body}.{signature}", (401, "signature")),
        ("another body", f"{head}.{base64url(json.dumps({'url': EVENT}).encode())}.{signature}", (401, "signature")),
        ("another signature", f"{head}.{body}.{signature[:-4]}AAAA", (401, "signature")),
        ("the key itself", KEY, (401, "signature")),
        ("no token", "....", (401, "signature")),
        ("no ASCII", "\u00e9.\u00e9.\u00e9", (401, "signature")),
        ("no text", "\ud800", (401, "signature")),
        ("another host", token({"url": EVENT.replace("your", "their"), "payload": message()}), (401, "url")),
        ("another path", token({"url": EVENT + "s", "payload": message()}), (401, "url")),
        ("another port", token({"url": f"https://your.host:8443{BASE}/event", "payload": message()}), (401, "url")),
        ("flat, another host", token({"url": "https://their.host", **message()}), (401, "url")),
        ("no url", token({"payload": message()}), (401, "url")),
        ("url no text", token({"url": [EVENT], "payload": message()}), (401, "url")),
        ("url no URL", token({"url": "https://[", "payload": message()}), (401, "url")),
        ("expired", token({**claims, "exp": NOW - 1}), (401, "expired")),
        ("payload no object", token({"url": EVENT, "payload": [1]}), (400, "malformed")),
        ("payload no JSON", token({"url": EVENT, "payload": "{"}), (400, "malformed")),
        ("claims no object", token([1]), (400, "malformed")),
        ("event no text", token({"url": EVENT, "payload": {"event": {}}}), (400, "malformed")),
    ]


@pytest.mark.parametrize(("name", "signature", "expected"), forged(), ids=[name for name, _, _ in forged()])
def test_forged_tokens(name: str, signature: str, expected: tuple[int, str]) -> None:
    request = Request("POST", EVENT, {"x-ringover-webhook-signature": signature}, json.dumps(message()).encode())
    assert denied(hooks(), request) == expected


def test_the_message_in_the_signature_counts_and_not_the_body() -> None:
    carrier, desk = hooks(), Desk()
    request = replace(v1(message()), body=json.dumps(message("hangup", call_id=5)).encode())
    carrier.verify(request, NOW)
    carrier.handle(request, desk)
    assert [(news.what, news.call) for news in desk.news] == [(What.ANSWERED, str(BIG))]


@pytest.mark.parametrize("mode", SIGNERS)
def test_handle_believes_no_request_that_is_not_signed(mode: str) -> None:
    """Whatever was verified last: each request stands for itself."""
    carrier, desk = hooks(signature=mode), Desk()
    good, bad = SIGNERS[mode](message()), SIGNERS[mode](message(), key="another")
    carrier.verify(good, NOW)
    with pytest.raises(Denied):
        carrier.handle(bad, desk)
    assert desk.news == []
    carrier.handle(good, desk)
    assert len(desk.news) == 1


# ------------------------------------------------------------------------------------------- sections

OWN = {"keys": {"calls": "k1", "contact_call": "k2", "contact_search": "k3", "routing": "k4"}}
SECTIONS = [
    ("calls", "ringing", "call", "event", "k1"),
    ("calls", "record_available", "aftercall", "event", "k1"),
    ("calls", "received", "sms", "event", "k1"),
    ("contact_call", "contact", "call", "contact", "k2"),
    ("contact_search", "contact", "search", "search", "k3"),
    ("routing", "routing", "call", "routing", "k4"),
    ("routing", "ivr_response_code", "call", "event", "k4"),
]


@pytest.mark.parametrize(("section", "event", "resource", "place", "key"), SECTIONS)
@pytest.mark.parametrize("signed", ["k1", "k2", "k3", "k4", KEY])
def test_each_section_has_its_own_key(
    section: str, event: str, resource: str, place: str, key: str, signed: str
) -> None:
    """At its own path, and at the path of all."""
    carrier = hooks(**OWN)
    for url in {EVENT, f"{HOST}{BASE}/{place}"}:
        request = v1(message(event, resource), url, signed)
        if signed == key:
            carrier.verify(request, NOW)
        else:
            assert denied(carrier, request)[0] == 401


@pytest.mark.parametrize(("section", "event", "resource", "place", "key"), SECTIONS)
def test_a_missing_key_falls_back(section: str, event: str, resource: str, place: str, key: str) -> None:
    others = {name: value for name, value in OWN["keys"].items() if name != section}
    carrier = hooks(keys=others)
    carrier.verify(v1(message(event, resource)), NOW)
    assert denied(carrier, v1(message(event, resource), key=key)) == (401, "signature")


@pytest.mark.parametrize("place", ["contact", "search", "routing"])
def test_a_path_of_one_section_takes_no_other(place: str) -> None:
    url = f"{HOST}{BASE}/{place}"
    assert denied(hooks(), v1(message("hangup"), url)) == (401, "section")


def test_the_paths() -> None:
    assert hooks().paths == {
        f"{BASE}/event": ("POST",),
        f"{BASE}/contact": ("POST",),
        f"{BASE}/search": ("POST",),
        f"{BASE}/routing": ("POST",),
        f"{BASE}/ivr/{{secret}}": ("POST",),
    }
    assert set(Keys.model_fields) == {"calls", "contact_call", "contact_search", "routing"}


def test_the_ivr_webhook_is_let_in_by_its_address_alone() -> None:
    def asked(secret: str, envelope: Any) -> Request:
        return Request("POST", f"{HOST}{BASE}/ivr/{secret}", {}, json.dumps(envelope).encode())

    carrier, desk = hooks(), Desk()
    carrier.verify(request := asked(SECRET, message("ivr_response_code", code=1234)), NOW)
    assert carrier.handle(request, desk).status == 200
    assert [(news.what, news.word, news.details["code"]) for news in desk.news] == [
        (What.NOTED, "ivr_response_code", "1234")
    ]
    assert denied(carrier, asked("guessed", message("ivr_response_code"))) == (401, "secret")
    assert denied(carrier, asked("", message("ivr_response_code"))) == (401, "secret")
    assert denied(carrier, asked(SECRET, message("hangup"))) == (401, "unsigned")
    assert denied(carrier, replace(request, body=b"{")) == (400, "malformed")
    assert denied(hooks(ivr_secret=""), asked("", message("ivr_response_code"))) == (401, "secret")


# --------------------------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (message("ringing"), [(What.RINGING, "ringing")]),
        (message("incoming_call"), [(What.RINGING, "ringing")]),
        (message("incoming_call", None), [(What.RINGING, "ringing")]),
        (message("answered"), [(What.ANSWERED, "answered")]),
        (message("call_answered", None), [(What.ANSWERED, "answered")]),
        (message("hangup"), [(What.ENDED, "hangup")]),
        (message("call_hangup", None), [(What.ENDED, "hangup")]),
        (message("hangup", answered_time=NOW - 5), [(What.ENDED, "hangup")]),
        (message("hangup", answered_time=None), [(What.UNANSWERED, "hangup")]),
        (message("hangup", answered_time=0, answered_date_time_atom=None), [(What.UNANSWERED, "hangup")]),
        (message("missed", reason="OUT_PLANNING"), [(What.UNANSWERED, "missed")]),
        (message("missed_call", None), [(What.UNANSWERED, "missed")]),
        (message("voicemail"), [(What.NOTED, "voicemail")]),
        (
            message("hangup", answering_machine_detection="MACHINE"),
            [(What.MACHINE, "MACHINE"), (What.ENDED, "hangup")],
        ),
        (
            message("hangup", answering_machine_detection="voicemail"),
            [(What.MACHINE, "VOICEMAIL"), (What.ENDED, "hangup")],
        ),
        (
            message("hangup", answering_machine_detection="HUMAN"),
            [(What.HUMAN, "HUMAN"), (What.ENDED, "hangup")],
        ),
        (message("hangup", answering_machine_detection=None), [(What.ENDED, "hangup")]),
        (message("record_available", "aftercall"), [(What.NOTED, "record_available")]),
        (message("tags_updated", None), [(What.NOTED, "tags_updated")]),
        (message("hangup", "aftercall"), [(What.NOTED, "hangup")]),
        (message("contact"), [(What.NOTED, "contact")]),
        (message("parked"), [(What.NOTED, "parked")]),
        (message("parked", "fax"), [(What.NOTED, "parked")]),
        (message("ringing", call_id=None), []),
        (message("received", "sms", call_id=None), []),
        ({"timestamp": NOW}, []),
        (
            {"event": "incoming_call", "call_id": 7, "caller_number": "33600000001"},
            [(What.RINGING, "ringing")],
        ),
    ],
)
def test_events(envelope: dict[str, Any], expected: list[tuple[What, str]]) -> None:
    assert [(news.what, news.word) for news in told(envelope)] == expected


def test_what_an_event_says() -> None:
    (news,) = told(message(user_id=7, answered_time=NOW - 3, ivr={"name": "Main", "scenario": {"name": "Day"}}))
    assert (news.call, news.leg, news.outbound) == (str(BIG), "991", False)
    assert (news.caller, news.called) == ("+33600000001", "+33100000002")
    assert (news.at, news.ours, news.order) == (NOW - 3, "", 0.0)
    assert news.details == {"user_id": "7", "ivr": "Main", "scenario": "Day"}


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        ({"call_id": str(BIG)}, "call", str(BIG)),
        ({"channel_id": str(BIG)}, "leg", str(BIG)),
        ({"channel_id": None}, "leg", ""),
        ({"direction": "outbound"}, "outbound", True),
        ({"direction": "OUT"}, "outbound", True),
        ({"direction": "IN"}, "outbound", False),
        ({"direction": None}, "outbound", None),
        ({"is_anonymous": True}, "caller", ""),
        ({"is_anonymous": 1}, "caller", ""),
        ({"is_anonymous": "1"}, "caller", ""),
        ({"is_anonymous": 0}, "caller", "+33600000001"),
        ({"is_anonymous": False}, "caller", "+33600000001"),
        ({"from_number": 33600000003}, "caller", "+33600000003"),
        ({"from_number": None, "caller_number": "+33600000004"}, "caller", "+33600000004"),
        ({"to_number": None, "receiver_number": "33100000009"}, "called", "+33100000009"),
        ({"answered_time": NOW * 1000 - 3000}, "at", NOW - 3),
        ({"answered_time": "never"}, "at", NOW - 0.5),
        ({"answered_time": float("inf")}, "at", NOW - 0.5),
    ],
)
def test_fields_in_all_their_spellings(data: dict[str, Any], name: str, expected: Any) -> None:
    (news,) = told(message(**data))
    assert getattr(news, name) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("33600000001", "+33600000001"),
        (33600000001, "+33600000001"),
        ("+33600000001", "+33600000001"),
        ("0033600000001", "+33600000001"),
        ("+33 6 00 00-00.01", "+33600000001"),
        ("Anonymous", ""),
        ("Unknown", ""),
        ("0", ""),
        (None, ""),
        ("", ""),
        ("101", "101"),
        ("0600000001", "0600000001"),
        (True, ""),
    ],
)
def test_numbers(number: Any, expected: str) -> None:
    assert e164(number) == expected


def test_details_are_kept_short() -> None:
    (news,) = told(message("comments_updated", "aftercall", comments="x" * 9000, tags=["a", "b", 3, {}]))
    assert news.details == {"comments": "x" * 500, "tags": "a, b, 3"}


def test_an_event_delivered_again_is_the_same_event() -> None:
    first, again = told(message()), told(message() | {"attempt": 2})
    assert first == again
    bare = {"call_id": BIG, "id": None}
    assert told(message("record_available", "aftercall", **bare)) == told(
        message("record_available", "aftercall", **bare) | {"attempt": 3}
    )


def test_different_events_have_different_keys() -> None:
    events = [
        message("ringing"),
        message("answered"),
        message("hangup", answering_machine_detection="MACHINE"),
        message("ringing", id="other"),
        message("tags_updated", "aftercall", id=None),
        message("tags_updated", "aftercall", id=None, call_id=8),
        message("tags_updated", "aftercall", id=None) | {"timestamp": NOW},
    ]
    keys = [news.event for event in events for news in told(event)]
    assert len(keys) == len(set(keys)) == 8


def test_the_other_spelling_of_resource() -> None:
    desk, carrier = Desk(), hooks(**OWN)
    request = v1(message("contact", None, query_search="Du") | {"ressource": "search"}, f"{HOST}{BASE}/search", "k3")
    carrier.verify(request, NOW)
    answer = carrier.handle(request, desk)
    assert (answer.status, answer.body) == (200, b"[]")


@pytest.mark.parametrize(
    ("envelope", "status", "body"),
    [
        (message("ringing"), 200, b"{}"),
        (message("no such event"), 200, b"{}"),
        (message("contact"), 204, b""),
        (message("contact", "search", call_id=None), 200, b"[]"),
        ({"event": "contact", "data": {"query_search": "Du"}}, 200, b"[]"),
        (message("routing"), 204, b""),
    ],
)
def test_answers(envelope: dict[str, Any], status: int, body: bytes) -> None:
    carrier, desk = hooks(), Desk()
    carrier.verify(request := v1(envelope), NOW)
    answer = carrier.handle(request, desk)
    assert (answer.status, answer.body) == (status, body)
    assert desk.offers == []


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = "id call_id channel_id direction from_number to_number is_anonymous tags ivr ivr_data answered_time reason"
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from("ringing answered hangup missed routing contact aftercall x".split()) | ANY,
        "resource": st.sampled_from(["call", "aftercall", "search", "sms"]) | ANY,
        "ressource": ANY,
        "data": st.dictionaries(st.sampled_from(FIELDS.split()), ANY) | ANY,
        "timestamp": st.just(NOW) | ANY,
    },
)


@given(envelope=ENVELOPES | ANY)
def test_any_signed_message_is_answered_or_denied(envelope: Any) -> None:
    carrier, desk = hooks(route_to="+33199000010"), Desk()
    request = v1(envelope)
    try:
        carrier.verify(request, NOW)
    except Denied as error:
        assert error.status in (400, 401)
        return
    assert carrier.handle(request, desk).status in (200, 204)
    assert all(news.call and news.event for news in desk.news)


@given(header=st.text(max_size=60), body=st.binary(max_size=60), mode=st.sampled_from(sorted(SIGNERS)))
def test_any_unsigned_request_is_denied(header: str, body: bytes, mode: str) -> None:
    names = "x-ringover-webhook-signature authorization x-ringover-webhook-signature-v3 x-ringover-signature".split()
    headers = dict.fromkeys((*names, "x-ringover-request-signature-v3-timestamp"), header)
    with pytest.raises(Denied) as caught:
        hooks(signature=mode).verify(Request("POST", EVENT, headers, body), NOW)
    assert caught.value.status == 401


# ------------------------------------------------------------------------------------- smart routing

FULL = Refusal("full")


def routed(answer: Welcome | Refusal, envelope: Any = None, **changes: Any) -> tuple[int, Any, list[Offer]]:
    carrier, desk = hooks(**changes), Desk(answer)
    carrier.verify(request := v1(envelope or message("routing"), f"{HOST}{BASE}/routing"), NOW)
    reply = carrier.handle(request, desk)
    return reply.status, json.loads(reply.body) if reply.body else None, desk.offers


def test_a_call_that_is_taken_is_sent_where_the_agent_lives() -> None:
    status, body, offers = routed(Welcome("c", "sales", "t"), route_to="+33199000010")
    assert status == 200
    assert body == {
        "name": "redirections",
        "dispatch": "ringall",
        "max_attempts": 1,
        "start_delay": 0,
        "is_stay_not_connected": 1,
        "is_stay_in_call": 0,
        "is_stay_planned_snoozed": 1,
        "is_stay_snoozed": 0,
        "ring_overlap": 0,
        "agents": [
            {
                "agent_type": "agent_external",
                "ring_duration": 25,
                "ring_delay": 0,
                "order": 1,
                "number": 33199000010,
                "is_pre_answer": 0,
                "is_caller_id": 1,
                "is_head_line": 0,
            }
        ],
    }
    assert [(offer.call, offer.caller, offer.called) for offer in offers] == [
        (str(BIG), "+33600000001", "+33100000002")
    ]


@pytest.mark.parametrize(
    ("answer", "changes", "number"),
    [
        (Welcome("c", "sales", "t"), {"routes": {"sales": "+33199000011"}}, 33199000011),
        (Welcome("c", "other", "t"), {"routes": {"sales": "+33199000011"}}, None),
        (Welcome("c", "other", "t"), {"routes": {"sales": "+33199000011"}, "route_to": "+33122222222"}, 33122222222),
        (Welcome("c", "sales", "t"), {"fallback_to": "+33133333333"}, None),
        (FULL, {"fallback_to": "+33133333333"}, 33133333333),
        (FULL, {"fallback_to": "+33133333333", "route_to": "+33122222222"}, 33133333333),
        (FULL, {"route_to": "+33122222222"}, None),
    ],
)
def test_where_smart_routing_sends_a_call(answer: Welcome | Refusal, changes: Any, number: int | None) -> None:
    status, body, offers = routed(answer, **changes)
    assert len(offers) == 1
    assert status == (204 if number is None else 200)
    assert (body and body["agents"][0]["number"]) == number


@pytest.mark.parametrize(
    ("envelope", "changes"),
    [
        (message("routing"), {}),
        (message("routing", direction="outbound"), {"route_to": "+33122222222"}),
        (message("routing", call_id=None), {"route_to": "+33122222222"}),
    ],
)
def test_what_is_not_offered(envelope: Any, changes: Any) -> None:
    assert routed(FULL, envelope, **changes) == (204, None, [])


def test_a_call_offered_twice_is_the_same_offer() -> None:
    one, two = (routed(FULL, message("routing") | extra, route_to="+33122222222")[2] for extra in ({}, {"attempt": 2}))
    assert one == two


def test_secrets_are_shown_nowhere() -> None:
    assert KEY not in repr(Settings(webhook_key=Secret(KEY), keys=Keys(routing=Secret(KEY))))
