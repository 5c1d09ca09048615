"""RingCentral's webhooks and its gateway's: who is believed, what is told, what is answered."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.port import Visit
from parlance.actors.media.ringcentral.access import Access
from parlance.actors.media.ringcentral.hooks import EVENTS, INBOUND, Hooks
from parlance.actors.media.ringcentral.settings import Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Reply, Request, Welcome, What

TOKEN = "the static token"
PUBLIC = "https://voice.example.org"


class Desk:
    """A reception that remembers."""

    def __init__(self, word: Welcome | Refusal | None = None) -> None:
        self.word = word or Welcome("c1", "sales", "T/1+=")
        self.offers: list[Offer] = []
        self.news: list[News] = []

    def offered(self, offer: Offer) -> Welcome | Refusal:
        self.offers.append(offer)
        return self.word

    def told(self, news: News) -> None:
        self.news.append(news)


def make(**said: Any) -> Hooks:
    return Hooks(Settings.model_validate({"validation_token": TOKEN, **said}), Addresses(PUBLIC))


def request(
    body: Any = b"", path: str = INBOUND, *, query: str = "", token: str | None = TOKEN, **more: str
) -> Request:
    headers = dict(more) if token is None else {"validation-token": token, **more}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", f"{PUBLIC}{path}{query}", headers, content)


def inbound(**changes: Any) -> dict[str, Any]:
    """`call.inbound` as it was promised, with changes; None takes a key away."""
    body = {"id": "g-1", "from": {"phoneNumber": "+15550001"}, "to": {"phoneNumber": "+15550002"}, **changes}
    return {"event": "call.inbound", "body": {key: value for key, value in body.items() if value is not None}}


EVENT = "/restapi/v1.0/account/809646016/extension/62264425016/telephony/sessions"


def session(
    code: str = "Setup",
    reason: str = "",
    *,
    direction: str = "Inbound",
    event: str = EVENT,
    party: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A notification as RingCentral's users have published it (numbers changed)."""
    status = {"code": code, "rcc": False} | ({"reason": reason} if reason else {})
    one = {
        "accountId": "809646016",
        "extensionId": "62264425016",
        "id": "p-a0d1-2",
        "direction": direction,
        "to": {"phoneNumber": "+16505550002", "name": "Test User", "extensionId": "62264425016"},
        "from": {"phoneNumber": "+16505550001"},
        "status": status,
        "park": {},
        "missedCall": False,
        "standAlone": False,
        "muted": False,
        **(party or {}),
    }
    body = {
        "sequence": 3,
        "sessionId": "1160265700016",
        "telephonySessionId": "s-a0d1",
        "serverId": "10.13.23.147.TAM",
        "eventTime": "2023-10-25T16:30:54.361Z",
        "parties": [one],
        "origin": {"type": "Call"},
        **changes,
    }
    return {
        "uuid": "8145589842362645277",
        "event": event,
        "timestamp": "2023-10-25T16:30:54.399Z",
        "subscriptionId": "8b15306f",
        "ownerId": "62264425016",
        "body": body,
    }


def take(hooks: Hooks, desk: Desk, body: Any, path: str = INBOUND, query: str = "") -> Reply:
    """As the house does: verify, then handle."""
    one = request(body, path, query=query)
    hooks.verify(one, 0.0)
    return hooks.handle(one, desk)


# ---------------------------------------------------------------------------------------- who is believed


def test_the_promised_paths():
    assert make().paths == {"/api/voice/inbound": ("POST",), "/api/v1/webhooks/ringcentral/event": ("POST",)}


@pytest.mark.parametrize("header", ["validation-token", "verification-token"])
@pytest.mark.parametrize("path", [INBOUND, EVENTS])
def test_the_static_token_is_believed_under_both_names(header, path):
    make().verify(request(inbound(), path, token=None, **{header: TOKEN}), 0.0)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "unsigned"),
        ({"validation-token": ""}, "unsigned"),
        ({"validation-token": TOKEN[:-1]}, "signature"),
        ({"validation-token": TOKEN + " "}, "signature"),
        ({"validation-token": TOKEN.upper()}, "signature"),
        ({"verification-token": "other"}, "signature"),
        ({"validation-token": "\udcff"}, "signature"),
    ],
)
@pytest.mark.parametrize("body", [inbound(), session(), {"event": "x"}, [], "text", b"{", b"\xff", b"[" * 1000])
def test_an_event_without_the_token_is_denied(headers, reason, body):
    one = request(body, EVENTS, token=None, **headers)
    with pytest.raises(Denied) as denied:
        make().verify(one, 0.0)
    assert (denied.value.status, denied.value.reason) == (401, reason)
    assert TOKEN not in str(denied.value)


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"null", {"event": ""}, {"event": None, "x": 1}])
def test_the_handshake_is_echoed_and_nothing_of_it_believed(body):
    desk, hooks = Desk(), make()
    one = request(body, EVENTS, token="random-5f0c")
    hooks.verify(one, 0.0)
    reply = hooks.handle(one, desk)
    assert (reply.status, reply.kind) == (200, "application/json")
    assert dict(reply.headers) == {"Validation-Token": "random-5f0c"}
    assert (desk.offers, desk.news) == ([], [])


@pytest.mark.parametrize("token", ["two words", "x" * 513, "a\tb", "é"])
def test_a_token_that_cannot_be_echoed_is_no_handshake(token):
    with pytest.raises(Denied) as denied:
        make().verify(request(b"", token=token), 0.0)
    assert denied.value.reason == "signature"


def test_a_long_body_is_no_handshake():
    with pytest.raises(Denied):
        make().verify(request({"padding": "x" * 1024}, token="random"), 0.0)


# ------------------------------------------------------------------------------------------ the profile


def test_an_inbound_call_is_offered_and_answered_with_our_media():
    desk = Desk()
    reply = take(make(), desk, inbound())
    assert desk.offers == [Offer("g-1", "+15550001", "+15550002")]
    answer = json.loads(reply.body)
    url = answer["media"].pop("url")
    assert answer == {
        "action": "answer",
        "media": {"type": "websocket", "format": {"encoding": "mulaw", "sampleRate": 8000, "channels": 1}},
    }
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "wss://voice.example.org/api/voice/realtime/ws/call"
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == {
        "call_id": "g-1",
        "from_number": "+15550001",
        "to_number": "+15550002",
        "session_id": "g-1",
        "encoding": "mulaw",
        "call": "c1",
        "ticket": "T/1+=",
    }


@pytest.mark.parametrize("encoding", ["mulaw", "pcm"])
@pytest.mark.parametrize("ways", ["settings", "query"])
def test_the_socket_opens_in_the_format_of_the_answer_with_the_ticket(encoding, ways):
    said = {"encoding": encoding} if ways == "settings" else {"encoding": "pcm" if encoding == "mulaw" else "mulaw"}
    reply = take(make(**said), Desk(), inbound(), query=f"?encoding={encoding}" if ways == "query" else "")
    media = json.loads(reply.body)["media"]
    assert media["format"]["encoding"] == encoding
    query = dict(parse_qsl(urlsplit(media["url"]).query))
    access = Access(Settings.model_validate({"validation_token": TOKEN, **said}))
    wire, started = access.open(Visit({}, query, {}, "10.0.0.7:4000"))
    assert started is not None
    assert (started.call, started.ticket, started.caller) == ("c1", "T/1+=", "+15550001")
    assert wire.format.encoding == {"mulaw": "mulaw", "pcm": "pcm16"}[encoding]


def test_ringcentrals_own_ids_are_the_calls_if_the_gateway_says_them():
    desk = Desk()
    reply = take(make(), desk, inbound(telephonySessionId="s-9", partyId="p-9-2", agent="sales"))
    assert desk.offers == [Offer("s-9", "+15550001", "+15550002", leg="p-9-2", parameters={"agent": "sales"})]
    query = dict(parse_qsl(urlsplit(json.loads(reply.body)["media"]["url"]).query))
    assert (query["call_id"], query["session_id"]) == ("g-1", "s-9")


@pytest.mark.parametrize(
    ("changes", "caller"),
    [
        ({"from": {"phoneNumber": "anonymous"}}, ""),
        ({"from": {"phoneNumber": 33199000010}}, "+33199000010"),
        ({"from": "+33199000010"}, "+33199000010"),
        ({"from": None}, ""),
        ({"from": {"phoneNumber": ["x"]}}, ""),
    ],
)
def test_callers_as_gateways_write_them(changes, caller):
    desk = Desk()
    take(make(), desk, inbound(**changes))
    assert [offer.caller for offer in desk.offers] == [caller]


def test_the_agent_may_be_in_the_hooks_own_address():
    desk = Desk()
    take(make(), desk, inbound(), query="?agent=receptionist")
    assert [dict(offer.parameters) for offer in desk.offers] == [{"agent": "receptionist"}]


@pytest.mark.parametrize("busy", [True, False])
def test_a_refused_call_is_rejected_with_the_reason(busy):
    reply = take(make(), Desk(Refusal("full", "all lines are taken", busy)), inbound())
    assert json.loads(reply.body) == {"action": "reject", "reason": "full", "busy": busy}
    assert reply.status == 200


def test_ids_of_any_characters_are_safe_in_the_address():
    reply = take(make(), Desk(), inbound(id="a&ticket=x#\ud800 é"))
    query = dict(parse_qsl(urlsplit(json.loads(reply.body)["media"]["url"]).query))
    assert query["ticket"] == "T/1+="
    assert query["call_id"] == "a&ticket=x#? é"


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (b"{", ""),
        (b"\xff", ""),
        ([], ""),
        ("call.inbound", ""),
        (inbound(id=None), ""),
        (inbound(id={"a": 1}), ""),
        (inbound(id="x" * 201), ""),
        ({"event": "call.inbound"}, ""),
        ({"event": "call.inbound", "body": [1]}, ""),
        (inbound(), "?encoding=opus"),
    ],
)
def test_what_makes_no_sense_is_400(body, query):
    desk = Desk()
    with pytest.raises(Denied) as denied:
        take(make(), desk, body, query=query)
    assert (denied.value.status, denied.value.reason) == (400, "malformed")
    assert (desk.offers, desk.news) == ([], [])


def test_unknown_events_are_noted_where_they_name_a_call():
    desk, hooks = Desk(), make()
    assert take(hooks, desk, {"event": "call.recorded", "uuid": "u1", "body": {"id": "g-1"}}).status == 200
    assert take(hooks, desk, {"event": "/restapi/v1.0/subscription/~?threshold=60", "body": {"x": 1}}).status == 200
    assert desk.news == [News(What.NOTED, "g-1", event="g-1/u1", word="call.recorded")]


# ---------------------------------------------------------------------------------- RingCentral's events


def told(body: dict[str, Any], **said: Any) -> list[News]:
    desk = Desk()
    reply = take(make(**said), desk, body, EVENTS)
    assert reply.status == 200
    assert desk.offers == []
    return desk.news


@pytest.mark.parametrize(
    ("code", "reason", "direction", "missed", "what"),
    [
        ("Setup", "", "Outbound", False, What.NOTED),
        ("Proceeding", "", "Outbound", False, What.RINGING),
        ("Answered", "", "Outbound", False, What.ANSWERED),
        ("Hold", "", "Inbound", False, What.NOTED),
        ("Parked", "", "Inbound", False, What.NOTED),
        ("VMScreening", "", "Inbound", False, What.NOTED),
        ("VoiceMailScreening", "", "Inbound", False, What.NOTED),
        ("FaxReceive", "", "Inbound", False, What.NOTED),
        ("Voicemail", "", "Inbound", False, What.UNANSWERED),
        ("VoiceMail", "", "Inbound", False, What.UNANSWERED),
        ("Disconnected", "", "Inbound", False, What.ENDED),
        ("Disconnected", "CallFinished", "Inbound", True, What.UNANSWERED),
        ("Disconnected", "CallFinished", "Outbound", False, What.ENDED),
        ("Disconnected", "Rejected", "Outbound", False, What.BUSY),
        ("Disconnected", "TargetBusy", "Outbound", False, What.BUSY),
        ("Disconnected", "NoAnswer", "Outbound", False, What.UNANSWERED),
        ("Disconnected", "Timeout", "Outbound", False, What.UNANSWERED),
        ("Disconnected", "Cancelled", "Inbound", True, What.CANCELED),
        ("Disconnected", "InvalidNumber", "Outbound", False, What.FAILED),
        ("Disconnected", "NotEnoughFunds", "Outbound", False, What.FAILED),
        ("Disconnected", "BlindTransfer", "Inbound", False, What.TRANSFERRED),
        ("Disconnected", "SomethingNew", "Inbound", False, What.ENDED),
        ("Gone", "AttendedTransfer", "Inbound", False, What.TRANSFERRED),
        ("Gone", "Supervising", "Inbound", False, What.NOTED),
        ("Gone", "", "Inbound", False, What.TRANSFERRED),
        ("Tds", "", "Inbound", False, What.NOTED),
        ("", "", "Inbound", False, What.NOTED),
    ],
)
def test_what_a_partys_status_means(code, reason, direction, missed, what):
    (news,) = told(session(code, reason, direction=direction, party={"missedCall": missed}))
    assert news.what is what
    assert news.word == (f"{code}: {reason}" if reason else code)


def test_everything_an_event_says_of_a_party():
    (news,) = told(session("Disconnected", "Cancelled", party={"muted": True}))
    assert news == News(
        What.CANCELED,
        "s-a0d1",
        event="s-a0d1/3/p-a0d1-2/Disconnected",
        leg="p-a0d1-2",
        outbound=False,
        caller="+16505550001",
        called="+16505550002",
        word="Disconnected: Cancelled",
        by="caller",
        at=1698251454.361,
        order=3.0,
        details={"direction": "inbound", "extension": "62264425016", "origin": "Call", "muted": "yes"},
    )


def test_one_change_delivered_twice_has_one_name_and_the_next_another():
    (first,) = told(session("Proceeding"))
    (again,) = told(session("Proceeding") | {"uuid": "another"})
    (later,) = told(session("Proceeding", sequence=4))
    assert first.event == again.event != later.event
    assert first.order < later.order


def test_without_a_sequence_the_uuid_is_the_name():
    (news,) = told(session("Hold", sequence=None))
    assert (news.event, news.order) == ("s-a0d1/8145589842362645277/p-a0d1-2/Hold", 0.0)


ACCOUNT = "/restapi/v1.0/account/809646016/telephony/sessions"


@pytest.mark.parametrize(
    ("event", "extensions", "owner", "count"),
    [
        (EVENT, [], "62264425016", 1),
        (EVENT + "?direction=Inbound", [], "62264425016", 1),
        (EVENT, [], "77", 0),
        (ACCOUNT, [], "62264425016", 0),
        (ACCOUNT, ["62264425016"], "62264425016", 1),
        (ACCOUNT, ["62264425016"], "77", 0),
        (EVENT, ["77"], "62264425016", 0),
    ],
)
def test_only_parties_of_our_extensions_are_news(event, extensions, owner, count):
    assert len(told(session("Disconnected", event=event, party={"extensionId": owner}), extensions=extensions)) == count


CREDENTIALS = {"client_id": "id", "client_secret": "secret", "jwt": "a.b.c", "device": "801"}


@pytest.mark.parametrize("code", ["Setup", "Proceeding", "Answered"])
def test_a_call_that_the_gateway_offers_does_not_begin_with_an_event(code):
    (news,) = told(session(code))
    assert news.what is What.NOTED


def test_events_offer_inbound_calls_where_that_is_set_up():
    desk, hooks = Desk(), make(answering="events", **CREDENTIALS)
    assert json.loads(take(hooks, desk, session("Setup"), EVENTS).body) == {}
    (offer,) = desk.offers
    assert (offer.call, offer.leg, offer.caller) == ("s-a0d1", "p-a0d1-2", "+16505550001")
    take(hooks, desk, session("Answered", sequence=4), EVENTS)
    take(hooks, desk, session("Proceeding", direction="Outbound", sequence=5), EVENTS)
    take(hooks, desk, session("Proceeding", origin={"type": "RingOut"}, sequence=6), EVENTS)
    assert [news.what for news in desk.news] == [What.ANSWERED, What.RINGING, What.RINGING]
    assert len(desk.offers) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
BODY = st.dictionaries(
    st.sampled_from(["id", "from", "to", "agent", "telephonySessionId", "sequence", "eventTime", "origin", "parties"]),
    JSON | st.lists(st.dictionaries(st.sampled_from(["id", "status", "direction", "from", "to", "extensionId"]), JSON)),
)
MESSAGE = st.fixed_dictionaries(
    {"event": st.sampled_from(["call.inbound", EVENT, ACCOUNT, "other"]) | JSON, "body": BODY | JSON, "uuid": JSON}
)


@given(st.binary() | JSON | MESSAGE, st.sampled_from([INBOUND, EVENTS]), st.booleans())
def test_whatever_a_verified_request_says_it_is_answered_or_400(body, path, events):
    hooks = make(answering="events", extensions=["62264425016"], **CREDENTIALS) if events else make()
    try:
        reply = take(hooks, Desk(), body, path)
    except Denied as denied:
        assert (denied.status, denied.reason) == (400, "malformed")
    else:
        assert reply.status == 200
        json.loads(reply.body)
