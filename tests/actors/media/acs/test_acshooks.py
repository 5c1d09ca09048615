"""Azure's webhooks: how Event Grid is known, what is offered, and what callbacks tell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from azurecloud import (
    NOW,
    PUBLIC,
    SECRET,
    Desk,
    callback,
    denied,
    event,
    hooks,
    token,
)
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.acs.hooks import INCOMING
from parlance.actors.media.webhook import Denied, News, Offer, Refusal, Request, What

CONTEXT = "eyJhbGciOi." + "x" * 4000


def incoming(body: Any, query: str = f"secret={SECRET}", method: str = "POST", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, f"{PUBLIC}{INCOMING}?{query}", named, json.dumps(body).encode())


def ringing(**changes: Any) -> dict[str, Any]:
    data = {
        "from": {"kind": "phoneNumber", "rawId": "4:+33600000001", "phoneNumber": {"value": "+33600000001"}},
        "to": {"kind": "phoneNumber", "rawId": "4:+33100000002", "phoneNumber": {"value": "+33100000002"}},
        "serverCallId": "server-1",
        "callerDisplayName": "",
        "incomingCallContext": CONTEXT,
        "correlationId": "corr-1",
        **changes,
    }
    return {"id": "e1", "eventType": "Microsoft.Communication.IncomingCall", "dataVersion": "1.0", "data": data}


OFFER = Offer(
    call="server-1",
    caller="+33600000001",
    called="+33100000002",
    leg="4:+33600000001",
    event="e1",
    context=CONTEXT,
)


# ------------------------------------------------------------------------------------------ incoming


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "unsigned"),
        ("secret=", "unsigned"),
        (f"Secret={SECRET}", "unsigned"),
        (f"secret={SECRET}x", "signature"),
        (f"secret={SECRET[:-1]}", "signature"),
        (f"secret={SECRET.upper()}", "signature"),
        ("secret=%ff%fe", "signature"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_event_grid_is_known_by_its_secret(query, expected, method):
    hooks().verify(incoming([], method=method), NOW)
    request = incoming([ringing()], query, method, authorization=f"Bearer {token()}")
    assert denied(hooks(), request) == (401, expected)


def test_the_validation_handshake():
    validation = {
        "id": "v",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6-c7b8", "validationUrl": "https://x.example"},
    }
    desk = Desk()
    answer = hooks().handle(incoming([validation], aeg_event_type="SubscriptionValidation"), desk)
    assert (answer.status, json.loads(answer.body)) == (200, {"validationResponse": "512d38b6-c7b8"})
    assert (desk.offers, desk.news) == ([], [])
    with pytest.raises(Denied, match="validationCode"):
        hooks().handle(incoming([{**validation, "data": {}}]), desk)


def test_the_handshake_of_cloud_events():
    request = incoming(None, method="OPTIONS", webhook_request_origin="eventgrid.azure.net")
    answer = hooks().handle(request, Desk())
    assert (answer.status, answer.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")
    for origin in ({}, {"webhook_request_origin": "a\r\nSet-Cookie: b"}):
        with pytest.raises(Denied, match="origin"):
            hooks().handle(incoming(None, method="OPTIONS", **origin), Desk())


@pytest.mark.parametrize(
    ("body", "offer"),
    [
        ([ringing()], OFFER),
        (ringing(), OFFER),
        ({**ringing(), "eventType": None, "type": "Microsoft.Communication.IncomingCall"}, OFFER),
        ([ringing(serverCallId=None)], replace(OFFER, call="corr-1")),
        (
            [ringing(**{"from": {"rawId": "4:anonymous", "phoneNumber": {"value": "anonymous", "isAnonymous": True}}})],
            replace(OFFER, caller="", leg="4:anonymous"),
        ),
        (
            [ringing(**{"from": {"rawId": "8:acs:a_b", "communicationUser": {"id": "8:acs:a_b"}}})],
            replace(OFFER, caller="8:acs:a_b", leg="8:acs:a_b"),
        ),
        (
            [ringing(**{"from": {"rawId": "4:+1 \ud800"}, "to": 7})],
            replace(OFFER, caller="", called="", leg=""),
        ),
        (
            [ringing(customContext={"sipHeaders": {"X-MS-Custom-agent": "sales"}, "voipHeaders": {"table": 7}})],
            replace(OFFER, parameters={"agent": "sales", "table": "7"}),
        ),
    ],
)
def test_an_incoming_call_is_offered(body, offer):
    desk = Desk()
    assert hooks().handle(incoming(body), desk).status == 200
    assert desk.offers == [offer]


def test_what_the_subscription_says_wins_over_what_the_caller_says_and_the_secret_stays_here():
    desk = Desk(Refusal("full"))
    caller = ringing(customContext={"sipHeaders": {"agent": "sales"}})
    answer = hooks().handle(incoming([caller], f"secret={SECRET}&agent=receptionist"), desk)
    assert answer.status == 200
    assert desk.offers[0].parameters == {"agent": "receptionist"}


@pytest.mark.parametrize("missing", ["incomingCallContext", "both ids"])
def test_a_call_that_cannot_be_answered_is_not_offered(missing):
    broken = (
        {"incomingCallContext": None} if missing == "incomingCallContext" else {"serverCallId": "", "correlationId": ""}
    )
    desk = Desk()
    with pytest.raises(Denied) as caught:
        hooks().handle(incoming([ringing(), ringing(**broken)]), desk)
    assert (caught.value.status, desk.offers) == (400, [])


def test_other_events_of_the_grid_are_noted_if_they_name_a_call():
    desk = Desk()
    started = {**ringing(), "eventType": "Microsoft.Communication.CallStarted", "eventTime": "2026-01-01T00:00:00Z"}
    deleted = {"id": "d", "eventType": "Microsoft.EventGrid.SubscriptionDeletedEvent", "data": {}}
    assert hooks().handle(incoming([started, deleted]), desk).status == 200
    assert [(news.what, news.call, news.word, news.at) for news in desk.news] == [
        (What.NOTED, "server-1", "CallStarted", NOW)
    ]


# ------------------------------------------------------------------------------------------ callbacks


def sip(code: int) -> dict[str, Any]:
    return {"resultInformation": {"code": 400, "subCode": 0, "sipDetails": {"code": code, "message": "m"}}}


def result(code: int, sub: int) -> dict[str, Any]:
    return {"resultInformation": {"code": code, "subCode": sub, "message": "words"}}


def stopped(why: str) -> dict[str, Any]:
    return {"mediaStreamingUpdate": {"contentType": "audio", "mediaStreamingStatusDetails": why}}


@pytest.mark.parametrize(
    ("name", "data", "what", "word", "by"),
    [
        ("CallConnected", {}, What.ANSWERED, "CallConnected", ""),
        ("CallDisconnected", {}, What.ENDED, "CallDisconnected", ""),
        ("CallDisconnected", result(200, 7000), What.ENDED, "CallDisconnected", ""),
        ("CallDisconnected", result(0, 540000), What.ENDED, "CallDisconnected", "caller"),
        ("CallDisconnected", result(0, 560000), What.ENDED, "CallDisconnected", "caller"),
        ("CallDisconnected", result(486, 540486), What.ENDED, "CallDisconnected", ""),
        ("CallDisconnected", result(486, 560486), What.BUSY, "CallDisconnected", ""),
        ("CallDisconnected", result(480, 560480), What.UNANSWERED, "CallDisconnected", ""),
        ("CallDisconnected", result(603, 560603), What.FAILED, "CallDisconnected", ""),
        ("CallDisconnected", result(486, 8539), What.BUSY, "CallDisconnected", ""),
        ("CallDisconnected", result(408, 0), What.ENDED, "CallDisconnected", ""),
        ("CreateCallFailed", {}, What.FAILED, "CreateCallFailed", ""),
        ("CreateCallFailed", result(486, 0), What.BUSY, "CreateCallFailed", ""),
        ("CreateCallFailed", sip(486), What.BUSY, "CreateCallFailed", ""),
        ("CreateCallFailed", sip(480), What.UNANSWERED, "CreateCallFailed", ""),
        ("CreateCallFailed", result(408, 560408), What.UNANSWERED, "CreateCallFailed", ""),
        ("CreateCallFailed", result(403, 560487), What.CANCELED, "CreateCallFailed", ""),
        ("CreateCallFailed", result(400, 8541), What.UNANSWERED, "CreateCallFailed", ""),
        ("CreateCallFailed", result(403, 510486), What.FAILED, "CreateCallFailed", ""),
        ("CreateCallFailed", sip(603), What.FAILED, "CreateCallFailed", ""),
        ("CreateCallFailed", result(True, 0), What.FAILED, "CreateCallFailed", ""),
        ("AnswerFailed", result(487, 8542), What.CANCELED, "AnswerFailed", ""),
        ("AnswerFailed", result(500, 9999), What.FAILED, "AnswerFailed", ""),
        ("ConnectFailed", {}, What.FAILED, "ConnectFailed", ""),
        ("CallTransferAccepted", {}, What.TRANSFERRED, "CallTransferAccepted", ""),
        ("CallTransferFailed", {}, What.UNTRANSFERRED, "CallTransferFailed", ""),
        ("MediaStreamingStarted", stopped("subscriptionStarted"), What.NOTED, "MediaStreamingStarted", ""),
        ("MediaStreamingStopped", stopped("subscriptionStopped"), What.NOTED, "MediaStreamingStopped", ""),
        ("MediaStreamingStopped", stopped("serviceShutdown"), What.MEDIA_FAILED, "serviceShutdown", ""),
        ("MediaStreamingFailed", stopped("authenticationFailure"), What.MEDIA_FAILED, "authenticationFailure", ""),
        ("MediaStreamingFailed", {}, What.MEDIA_FAILED, "MediaStreamingFailed", ""),
        ("ContinuousDtmfRecognitionToneReceived", {"sequenceId": 1, "tone": "pound"}, What.DIGIT, "#", ""),
        ("ContinuousDtmfRecognitionToneReceived", {"tone": "eight"}, What.DIGIT, "8", ""),
        (
            "ContinuousDtmfRecognitionToneReceived",
            {"tone": "?"},
            What.NOTED,
            "ContinuousDtmfRecognitionToneReceived",
            "",
        ),
        *[
            (name, {}, What.NOTED, name, "")
            for name in (
                "AddParticipantSucceeded AddParticipantFailed RemoveParticipantSucceeded RemoveParticipantFailed "
                "ParticipantsUpdated PlayStarted PlayCompleted PlayFailed PlayCanceled RecognizeCompleted "
                "RecognizeFailed RecognizeCanceled ContinuousDtmfRecognitionToneFailed "
                "ContinuousDtmfRecognitionStopped SendDtmfTonesCompleted SendDtmfTonesFailed HoldFailed "
                "RecordingStateChanged TranscriptionStarted TranscriptionStopped TranscriptionUpdated "
                "TranscriptionFailed SomethingOfNextYear"
            ).split()
        ],
    ],
)
def test_what_callbacks_tell(name, data, what, word, by):
    desk = Desk()
    assert hooks().handle(callback([event(name, **data)]), desk).status == 200
    assert [(news.what, news.word, news.by) for news in desk.news] == [(what, word, by)]


def test_all_that_a_callback_says():
    desk = Desk()
    failed = event("CreateCallFailed", operationContext="ctx", **result(486, 560486))
    hooks().handle(callback([failed, event("CallConnected")]), desk)
    hooks().handle(callback([{**event("AnswerFailed"), "time": "never"}], query=""), desk)
    details = {"name": "CreateCallFailed", "code": "486", "subcode": "560486", "message": "words", "context": "ctx"}
    assert desk.news[0] == News(
        What.BUSY,
        "server-1",
        event="event-1",
        ours="call-1",
        leg="conn-1 4:+33600000001",
        outbound=True,
        word="CreateCallFailed",
        at=NOW + 1.5,
        details=details,
    )
    assert (desk.news[1].what, desk.news[1].outbound) == (What.ANSWERED, None)
    last = desk.news[2]
    assert (last.ours, last.leg, last.outbound, last.at) == ("", "conn-1", False, 0.0)


def test_an_event_of_no_call_is_passed_over():
    desk = Desk()
    nobody = {"id": "e", "type": "Microsoft.Communication.CallConnected", "data": {}}
    assert hooks().handle(callback([nobody], query=""), desk).status == 200
    assert desk.news == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    "IncomingCall CallConnected CallDisconnected CreateCallFailed MediaStreamingStopped "
    "ContinuousDtmfRecognitionToneReceived".split()
).map("Microsoft.Communication.{}".format)
DATA = JSON | st.fixed_dictionaries(
    {},
    optional={
        name: JSON
        | st.fixed_dictionaries({}, optional={"code": JSON, "subCode": JSON, "sipHeaders": JSON, "rawId": JSON})
        for name in (
            "serverCallId correlationId callConnectionId incomingCallContext from to customContext resultInformation "
            "mediaStreamingUpdate tone"
        ).split()
    },
)
EVENTS = st.fixed_dictionaries({"type": NAMES | JSON, "data": DATA}, optional={"id": JSON, "time": JSON})


@given(JSON | st.lists(EVENTS, max_size=3), st.booleans())
def test_whatever_comes_is_told_or_malformed(body, grid):
    request = incoming(body) if grid else callback(body, bearer="")
    try:
        assert hooks().handle(request, Desk()).status == 200
    except Denied as error:
        assert (error.status, error.reason) == (400, "malformed")


@given(st.binary())
def test_any_bytes_are_told_or_malformed(body):
    try:
        hooks().handle(Request("POST", f"{PUBLIC}{INCOMING}", {}, body), Desk())
    except Denied as error:
        assert error.status == 400
