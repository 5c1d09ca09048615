"""Ringover's REST interface: what is asked, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.errand import Control as Port
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.ringover.control import Control
from parlance.actors.media.ringover.settings import Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

KEY = "0123456789abcdef"
EU = "https://public-api.ringover.com/v2"
US = "https://public-api-us.ringover.com/v2"
STAMP = Stamp(1_700_000_000.0, "act-1")
BIG = 1234567890987654401
HANDLE = Handle(str(BIG), "991")
VERBS: list[Verb] = ["place", "hang_up", "transfer", "mute", "hold", "dtmf", "message"]


def control(**changes: Any) -> Control:
    return Control(Settings.model_validate({"api_key": KEY, **changes}), Addresses("https://your.host"))


def outgoing(**changes: Any) -> Outgoing:
    content = {"call": "c1", "to": "+33612345678", "source": "+33100000002", "agent": "sales", "ticket": "t"}
    return Outgoing(**(content | changes))


def body(errand: Errand) -> Any:
    return json.loads(errand.body) if errand.body else None


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({}, EU),
        ({"api_key": "US_" + KEY}, US),
        ({"api_key": "us_" + KEY}, EU),
        ({"region": "us"}, US),
        ({"region": "eu", "api_key": "US_" + KEY}, EU),
        ({"url": "http://127.0.0.1:9/v2/", "region": "us"}, "http://127.0.0.1:9/v2"),
    ],
)
def test_the_region_is_in_the_key_unless_it_is_set(settings: Any, base: str) -> None:
    assert control(**settings).place(outgoing(), STAMP).url == f"{base}/callback"


@pytest.mark.parametrize(
    ("errand", "path", "sent"),
    [
        (
            control().place(outgoing(), STAMP),
            "/callback",
            {"to_number": 33612345678, "device": "ALL", "timeout": 30, "from_number": 33100000002},
        ),
        (
            control(callback_device="SIP").place(outgoing(source="", ring=5), STAMP),
            "/callback",
            {"to_number": 33612345678, "device": "SIP", "timeout": 20},
        ),
        (
            control().place(outgoing(source="", ring=900), STAMP),
            "/callback",
            {"to_number": 33612345678, "device": "ALL", "timeout": 300},
        ),
        (control().hang_up(HANDLE, STAMP), "/channels/991/events/hangup", None),
        (control().mute(HANDLE, True, STAMP), "/channels/991/events/mute/toggle", None),
        (control().mute(HANDLE, False, STAMP), "/channels/991/events/mute/toggle", None),
        (control().hold(HANDLE, True, STAMP), "/channels/991/events/hold/toggle", None),
        (
            control().transfer(HANDLE, "+33199000010", STAMP),
            "/channels/991/events/transfer",
            {"phone_number": 33199000010},
        ),
        (control().dtmf(HANDLE, "0123#", STAMP), "/channels/991/events/dtmf", {"dtmf": "0123#"}),
        (
            control().message("+33100000002", "+33612345678", "Bonjour é", STAMP),
            "/push/sms",
            {
                "archived_auto": False,
                "from_number": "+33100000002",
                "to_number": "+33612345678",
                "content": "Bonjour é",
            },
        ),
        (control().current(), "/calls/current", {}),
        (
            control(paths={"hangup": "/calls/{call_id}/end"}).hang_up(Handle(str(BIG)), STAMP),
            f"/calls/{BIG}/end",
            None,
        ),
        (control().hang_up(Handle("", "a/b?c"), STAMP), "/channels/a%2Fb%3Fc/events/hangup", None),
    ],
)
def test_what_is_asked(errand: Errand, path: str, sent: Any) -> None:
    assert (errand.method, errand.url) == ("POST", EU + path)
    assert errand.headers["Authorization"] == KEY
    assert ("Content-Type" in errand.headers) == (sent is not None)
    assert body(errand) == sent
    assert KEY not in repr(errand)


def test_another_users_number_for_messages() -> None:
    assert body(control(sms_user=7).message("+331", "+332", "x", STAMP))["user_id_forced"] == 7


@pytest.mark.parametrize(("name", "again"), [("hang_up", True), ("mute", False), ("hold", False)])
def test_only_what_can_be_done_twice_is_sent_again(name: str, again: bool) -> None:
    carrier = control()
    asked = {
        "hang_up": carrier.hang_up(HANDLE, STAMP),
        "mute": carrier.mute(HANDLE, True, STAMP),
        "hold": carrier.hold(HANDLE, True, STAMP),
    }
    assert asked[name].again is again
    assert carrier.current().again
    for once in (
        carrier.place(outgoing(), STAMP),
        carrier.transfer(HANDLE, "+33199000010", STAMP),
        carrier.dtmf(HANDLE, "1", STAMP),
        carrier.message("+331", "+332", "x", STAMP),
    ):
        assert not once.again


def test_without_its_channel_a_call_cannot_be_controlled() -> None:
    carrier, known = control(), Handle(str(BIG))
    asks: list[Callable[[], Errand]] = [
        lambda: carrier.hang_up(known, STAMP),
        lambda: carrier.mute(known, True, STAMP),
        lambda: carrier.hold(known, True, STAMP),
        lambda: carrier.transfer(known, "+33199000010", STAMP),
        lambda: carrier.dtmf(known, "1", STAMP),
    ]
    for ask in asks:
        with pytest.raises(Rejected, match="which channel"):
            ask()


def test_the_verbs() -> None:
    port: Port = control()
    assert port.verbs == set(VERBS)
    assert control(api_key="").verbs == frozenset()
    with pytest.raises(Rejected):
        port.answer("c", "", "", "ours", "t", STAMP)
    with pytest.raises(Rejected):
        port.reject("c", "", "", True, STAMP)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f'{{"call_id":{BIG},"channel_id":{BIG + 2}}}'.encode(), Handle(str(BIG), str(BIG + 2))),
        (b'{"call_id":"5"}', Handle("5")),
        (b"", Handle()),
        (b"OK", Handle()),
        (b"[]", Handle()),
        (b'{"message_id":1,"conv_id":2}', Handle()),
    ],
)
def test_answers_that_are_successes(status: int, answer: bytes, expected: Handle) -> None:
    assert control().read("place", status, {}, answer) == expected


@pytest.mark.parametrize(
    ("verb", "status", "answer", "kind", "words"),
    [
        ("hang_up", 404, b'{"message":"no such channel"}', Ended, "ringover: 404 no such channel"),
        ("transfer", 410, b"", Ended, "ringover: 410"),
        ("place", 404, b"", Rejected, "ringover: 404"),
        ("message", 404, b"", Rejected, "ringover: 404"),
        ("place", 400, b'"bad number"', Rejected, "ringover: 400 bad number"),
        ("place", 401, b"", Rejected, "ringover: 401"),
        ("message", 401, b"It is not your number", Rejected, "ringover: 401 It is not your number"),
        ("message", 402, b'{"error":"no credit"}', Rejected, "ringover: 402 no credit"),
        ("place", 301, b"", Rejected, "ringover: 301"),
        ("place", 429, b"slow", Overloaded, "ringover: 429 slow"),
        ("mute", 503, b"", Overloaded, "ringover: 503"),
        ("mute", 500, b"\xff", Unreachable, "ringover: 500 \ufffd"),
        ("mute", 502, b"<html>\n bad", Unreachable, "ringover: 502 <html> bad"),
        ("place", 400, f"key {KEY} is bad".encode(), Rejected, "ringover: 400 key [key] is bad"),
    ],
)
def test_answers_that_are_failures(
    verb: Verb, status: int, answer: bytes, kind: type[ProviderError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        control().read(verb, status, {}, answer)
    assert type(caught.value) is kind
    assert str(caught.value) == words


@given(verb=st.sampled_from(VERBS), status=st.integers(100, 599), answer=st.binary(max_size=600))
def test_any_answer_is_a_handle_or_an_error_of_ours(verb: Verb, status: int, answer: bytes) -> None:
    try:
        assert isinstance(control().read(verb, status, {}, answer), Handle)
        assert 200 <= status < 300
    except ProviderError as error:
        assert not 200 <= status < 300
        assert len(str(error)) <= len("ringover: 404 ") + 200


def test_the_calls_there_are_now() -> None:
    listed = {"current_calls_list": [{"call_id": BIG, "status": "RINGING"}, {"call_id": "7"}, {}, 5]}
    carrier = control()
    assert carrier.parse_current(200, json.dumps(listed).encode()) == [str(BIG), "7"]
    assert carrier.parse_current(204, b"") == []
    assert carrier.parse_current(200, b'{"current_calls_list":null}') == []
    for status, kind in ((404, Rejected), (429, Overloaded), (500, Unreachable)):
        with pytest.raises(kind):
            carrier.parse_current(status, b"")


def test_a_wait_after_too_many_requests() -> None:
    assert (control().pause, control(pause=2.5).pause) == (1.0, 2.5)
