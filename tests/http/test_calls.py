"""Calls as a resource: what reaches the desk, and its answers and refusals as HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fakedesk import Front
from hypothesis import given
from hypothesis import strategies as st

from parlance.engine.record import Direction, Record, Status
from parlance.http import app as application
from parlance.http.calls import STATUS
from parlance.http.intake import MOST
from parlance.http.schemas import Call, moment
from parlance.switchboard.desk import (
    Declined,
    Filter,
    Hold,
    Mute,
    Order,
    Press,
    Say,
    Terminate,
    Transfer,
)
from parlance.switchboard.numbers import e164 as number

NUMBER = "+33199000010"


@pytest.fixture
async def front() -> Front:
    return Front()


async def place(front: Front, **more: Any) -> dict[str, Any]:
    status, body, _ = await front.ask("POST", json={"to": NUMBER, **more})
    assert status == 201
    return body


# ----------------------------------------------------------------------------------------------- placing


async def test_an_order_with_everything_reaches_the_desk(front: Front):
    order = {
        "to": " +33 1.99-00 (00) 10 ",
        "from": "+15550100123",
        "agent": "sales",
        "carrier": "twilio",
        "metadata": {"order": "42"},
        "not_before": "2026-11-20T18:45:10+01:00",
        "attempts": 2,
    }
    status, body, headers = await front.ask("POST", json=order)
    assert (status, headers["Location"]) == (201, "/api/v1/calls/c1")
    wanted = Order(NUMBER, "sales", "+15550100123", "twilio", {"order": "42"}, 1795196710.0, 2)
    assert front.desk.placed == [(wanted, "")]
    assert body == {
        "id": "c1",
        "status": "initializing",
        "direction": "outbound",
        "agent": "sales",
        "carrier": "twilio",
        "from": "+15550100123",
        "to": NUMBER,
        "created": moment(front.desk.now),
        **dict.fromkeys(("ringing", "connected", "started", "ended", "due")),
        "attempts": 0,
        "muted": False,
        "held": False,
        "line": "",
        "used": None,
        "metadata": {"order": "42"},
        **dict.fromkeys(("ended_by", "reason", "answered_by", "transferred"), ""),
    }
    assert (await front.ask("GET", headers["Location"]))[:2] == (200, body)


async def test_an_order_needs_a_number_and_nothing_else(front: Front):
    await place(front)
    assert front.desk.placed == [(Order(NUMBER), "")]


async def test_a_key_makes_an_order_one_call_for_each_holder(front: Front):
    sent = [await front.ask("POST", json={"to": NUMBER}, headers={"Idempotency-Key": "k1"}) for _ in range(3)]
    assert [status for status, _, _ in sent] == [201, 200, 200]
    assert {body["id"] for _, body, _ in sent} == {"c1"}
    other = await front.ask("POST", json={"to": NUMBER}, headers={"Idempotency-Key": "k1"}, key="calls:place")
    assert (other[0], other[1]["id"]) == (201, "c2")
    status, body, _ = await front.ask("POST", json={"to": NUMBER, "agent": "x"}, headers={"Idempotency-Key": "k1"})
    assert (status, body["code"]) == (409, "conflict")


@pytest.mark.parametrize("key", ["x" * 256, "a b", "\u00e9"])
async def test_a_key_that_is_none_is_refused(front: Front, key: str):
    status, body, _ = await front.ask("POST", json={"to": NUMBER}, headers={"Idempotency-Key": key})
    assert status == 422
    assert body["errors"][0]["name"] == "Idempotency-Key"
    assert front.desk.placed == []


PAIRS = {str(n): "x" for n in range(21)}


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "/to", "required"),
        ({"to": NUMBER, "too": 1}, "/too", "not permitted"),
        ({"to": 33199000010}, "/to", "string"),
        ({"to": "0123456789"}, "/to", "like +33199000010"),
        ({"to": "+999123456789"}, "/to", "no such country code"),
        ({"to": "+3312345"}, "/to", "more or fewer digits"),
        ({"to": NUMBER + " ext. 5"}, "/to", "no telephone number"),
        ({"to": "+1800FLOWERS"}, "/to", "no telephone number"),
        ({"to": NUMBER, "from": "x"}, "/from", "no telephone number"),
        ({"to": NUMBER, "source": NUMBER, "from": NUMBER}, "/source", "not permitted"),
        ({"to": NUMBER, "agent": "x" * 65}, "/agent", "at most 64"),
        ({"to": NUMBER, "agent": None}, "/agent", "string"),
        ({"to": NUMBER, "attempts": 0}, "/attempts", "greater"),
        ({"to": NUMBER, "attempts": "3"}, "/attempts", "integer"),
        ({"to": NUMBER, "attempts": True}, "/attempts", "integer"),
        ({"to": NUMBER, "not_before": "2026-11-20T18:45:10"}, "/not_before", "timezone"),
        ({"to": NUMBER, "not_before": "soon"}, "/not_before", "datetime"),
        ({"to": NUMBER, "metadata": PAIRS}, "/metadata", "at most 20"),
        ({"to": NUMBER, "metadata": {"x": 1}}, "/metadata/x", "string"),
        ({"to": NUMBER, "metadata": {"a/b~": 1}}, "/metadata/a~1b~0", "string"),
        ({"to": NUMBER, "metadata": {"x": "x" * 513}}, "/metadata/x", "at most 512"),
        ({"to": NUMBER, "metadata": {"x" * 65: "x"}}, "/metadata/" + "x" * 65, "at most 64"),
        ({"to": NUMBER, "metadata": {"": "x"}}, "/metadata/", "at least 1"),
        ([], "", "object"),
        (None, "", "object"),
    ],
)
async def test_what_is_wrong_with_an_order_is_pointed_at(front: Front, body: Any, pointer: str, words: str):
    status, problem, headers = await front.ask("POST", json=body)
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert problem["title"] == "Unprocessable Entity"
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert front.desk.placed == []


async def test_not_more_is_told_than_anybody_reads(front: Front):
    _, problem, _ = await front.ask("POST", json={"to": NUMBER, **{f"x{n}": n for n in range(4000)}})
    assert len(problem["errors"]) == MOST


async def test_everything_that_is_wrong_is_told_at_once(front: Front):
    _, problem, _ = await front.ask("POST", json={"to": "x", "agent": 1, "extra": 1})
    assert {error["pointer"] for error in problem["errors"]} == {"/to", "/agent", "/extra"}


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b"to=1", "application/x-www-form-urlencoded", 415),
        (b'{"to":"+33199000010"}', "text/plain", 415),
        (b'{"to":"+33199000010"}', "application/vnd.x+json", 201),
        (b'{"to":"+33199000010"}', "application/json; charset=utf-8", 201),
        (b" " * (application.BODY + 1), "application/json", 413),
    ],
)
async def test_a_body_must_be_json_of_a_sensible_size(front: Front, data: bytes, kind: str, status: int):
    got, body, headers = await front.ask("POST", data=data, headers={"Content-Type": kind})
    assert got == status
    if status != 201:
        assert headers["Content-Type"] == "application/problem+json"
        assert body["status"] == status
        assert front.desk.placed == []


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(front: Front):
    status, _, headers = await front.ask("DELETE", "/api/v1/calls/c1")
    assert status == 405
    assert "GET" in headers["Allow"]


# ----------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("text", ["+33 1 99 00 00 10", "+33(1)99000010", "+33-1-99.00.00.10", "  +33199000010\n"])
def test_the_ways_in_which_people_write_numbers_are_one(text: str):
    assert number(text) == NUMBER


@given(st.text(max_size=40) | st.from_regex(r"\+?[0-9 ().\-]{0,20}", fullmatch=True))
def test_a_number_is_e164_or_refused(text: str):
    try:
        found = number(text)
    except ValueError:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", found)
    assert number(found) == found


# ----------------------------------------------------------------------------------------------- asking


async def test_a_record_has_its_times_to_the_millisecond_in_utc():
    record = Record(
        "c",
        "acs",
        Direction.INBOUND,
        "a",
        NUMBER,
        "+15550100123",
        Status.ENDED,
        1795200000.0,
        1795200000.5,
        1795200001.0004,
        None,
        1795200063.9996,
    )
    call = Call.of(record).model_dump(by_alias=True)
    assert (call["status"], call["direction"]) == ("ended", "inbound")
    assert (call["from"], call["to"]) == (NUMBER, "+15550100123")
    assert [call[name] for name in ("created", "ringing", "connected", "started", "ended")] == [
        "2026-11-20T18:40:00.000Z",
        "2026-11-20T18:40:00.500Z",
        "2026-11-20T18:40:01.000Z",
        None,
        "2026-11-20T18:41:03.999Z",
    ]


async def test_pages_follow_each_other_to_the_last(front: Front):
    for _ in range(5):
        await place(front)
    ids, cursor = [], ""
    for size in (2, 2, 1):
        status, body, _ = await front.ask("GET", f"/api/v1/calls?limit=2{cursor}")
        assert (status, len(body["calls"])) == (200, size)
        ids += [call["id"] for call in body["calls"]]
        cursor = f"&cursor={body['cursor']}"
    assert ids == ["c5", "c4", "c3", "c2", "c1"]
    assert cursor == "&cursor=None"


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ("", Filter()),
        ("status=ringing,ended", Filter(status=frozenset({Status.RINGING, Status.ENDED}))),
        ("status=ringing&status=ended", Filter(status=frozenset({Status.RINGING, Status.ENDED}))),
        (
            "direction=inbound&agent=sales&carrier=acs",
            Filter(direction=Direction.INBOUND, agent="sales", carrier="acs"),
        ),
        ("number=%2B33199000010", Filter(number=NUMBER)),
        ("number=+33199000010", Filter(number=NUMBER)),
        ("number=", Filter()),
        ("since=2026-11-20T18:40:00Z", Filter(since=1795200000.0)),
        ("until=2026-11-20T19:40:00%2B01:00", Filter(until=1795200000.0)),
        ("metadata=a:b:c&metadata=d:", Filter(metadata={"a": "b:c", "d": ""})),
    ],
)
async def test_the_query_is_a_filter(front: Front, query: str, which: Filter):
    status, body, _ = await front.ask("GET", f"/api/v1/calls?{query}")
    assert (status, body) == (200, {"calls": [], "cursor": None})
    assert front.desk.asked == [(which, None, 50)]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=gone", "status"),
        ("direction=up", "direction"),
        ("number=12", "number"),
        ("number=" + ")" * 60_000, "number"),
        ("since=2026-11-20T18:40:00", "since"),
        ("metadata=a", "metadata"),
        ("page=2", "page"),
        ("agent=a&agent=b", "agent"),
        ("cursor=" + "x" * 513, "cursor"),
    ],
)
async def test_what_is_wrong_with_a_query_is_named(front: Front, query: str, name: str):
    status, body, headers = await front.ask("GET", f"/api/v1/calls?{query}")
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert {error["name"] for error in body["errors"]} == {name}
    assert front.desk.asked == []


async def test_a_cursor_of_somebody_else_is_refused(front: Front):
    status, body, _ = await front.ask("GET", "/api/v1/calls?cursor=eHh4")
    assert (status, body["code"]) == (422, "bad-cursor")


async def test_a_call_that_never_was_is_404(front: Front):
    for method, path in (("GET", ""), ("POST", "/mute")):
        status, body, _ = await front.ask(method, f"/api/v1/calls/nobody{path}")
        assert (status, body["code"]) == (404, "unknown-call")


# ---------------------------------------------------------------------------------------------- commands

COMMANDS = [
    ("terminate", None, Terminate()),
    ("terminate", {"words": " Goodbye. ", "reason": "closing"}, Terminate("Goodbye.", "closing")),
    ("transfer", {"to": "+33 1 99 00 00 10"}, Transfer(NUMBER)),
    ("mute", None, Mute(True)),
    ("unmute", None, Mute(False)),
    ("hold", None, Hold(True)),
    ("unhold", None, Hold(False)),
    ("dtmf", {"digits": "12*#AD"}, Press("12*#AD")),
    ("say", {"text": "Hello"}, Say("Hello")),
    ("say", {"text": "Hello", "interrupt": True}, Say("Hello", True)),
]


@pytest.mark.parametrize(("word", "body", "command"), COMMANDS)
async def test_a_command_reaches_the_desk_and_its_answer_comes_back(front: Front, word: str, body: Any, command: Any):
    await place(front)
    options = {} if body is None else {"json": body}
    status, answer, _ = await front.ask("POST", f"/api/v1/calls/c1/{word}", key="calls:write", **options)
    assert (status, answer["done"], answer["detail"]) == (200, True, "")
    assert answer["call"]["id"] == "c1"
    assert front.desk.commanded == [("c1", command)]


async def test_a_command_to_an_ended_call_is_an_answer_and_no_error(front: Front):
    await place(front)
    await front.ask("POST", "/api/v1/calls/c1/terminate")
    for word, body, _ in COMMANDS:
        options = {} if body is None else {"json": body}
        status, answer, _ = await front.ask("POST", f"/api/v1/calls/c1/{word}", **options)
        assert (status, answer["done"], answer["detail"]) == (200, False, "the call has ended")
        assert answer["call"]["ended_by"] == "operator"


@pytest.mark.parametrize(
    ("word", "body", "pointer"),
    [
        ("terminate", {"words": "  "}, "/words"),
        ("terminate", {"word": "x"}, "/word"),
        ("terminate", {"reason": "x" * 201}, "/reason"),
        ("transfer", {}, "/to"),
        ("transfer", {"to": "12"}, "/to"),
        ("dtmf", {"digits": ""}, "/digits"),
        ("dtmf", {"digits": "12a"}, "/digits"),
        ("dtmf", {"digits": "12\n"}, "/digits"),
        ("dtmf", {"digits": "1" * 65}, "/digits"),
        ("say", {"text": ""}, "/text"),
        ("say", {"text": "x" * 2001}, "/text"),
        ("say", {"text": "x", "interrupt": "yes"}, "/interrupt"),
    ],
)
async def test_what_is_wrong_with_a_command_is_pointed_at(front: Front, word: str, body: Any, pointer: str):
    status, problem, _ = await front.ask("POST", f"/api/v1/calls/c1/{word}", json=body)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
    assert front.desk.commanded == []


@pytest.mark.parametrize("code", STATUS)
@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("POST", "", {"json": {"to": NUMBER}}),
        ("GET", "", {}),
        ("POST", "/c1/mute", {}),
    ],
)
async def test_what_the_desk_declines_has_its_status_and_code(
    front: Front, code: str, method: str, path: str, options: Any
):
    front.desk.declines = Declined(code, "not today")
    status, body, headers = await front.ask(method, f"/api/v1/calls{path}", **options)
    assert (status, body["code"], body["detail"]) == (STATUS[code], code, "not today")
    assert headers["Content-Type"] == "application/problem+json"
    assert ("Retry-After" in headers) == (code in ("full", "draining"))


def test_every_code_of_the_desk_has_a_status():
    documented = set(re.findall(r"`([\w-]+)`", Declined.__doc__ or "")) - {"code"}
    assert documented <= STATUS.keys()


async def test_a_fault_of_the_desk_is_500_without_its_details(front: Front, caplog):
    front.desk.declines = ZeroDivisionError("the secret detail")
    status, body, headers = await front.ask("GET", "/api/v1/calls/c1")
    assert (status, headers["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in str(body)
    assert "the secret detail" in caplog.text


async def test_a_text_message_is_handed_to_the_desk():
    front = Front()
    status, answer, _ = await front.ask("POST", "/api/v1/messages", json={"to": "+33 612345678", "text": "Hello"})
    assert (status, answer) == (202, {"carrier": "ringover", "from": "+33142685300", "to": "+33612345678"})
    assert [(sent.to, sent.words) for sent in front.desk.sent] == [("+33612345678", "Hello")]
    status, _, _ = await front.ask(
        "POST", "/api/v1/messages", key="calls:read", json={"to": "+33612345678", "text": "x"}
    )
    assert status == 403
    status, answer, _ = await front.ask("POST", "/api/v1/messages", json={"to": "+33612345678", "text": ""})
    assert (status, answer["errors"][0]["pointer"]) == (422, "/text")
