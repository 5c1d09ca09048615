"""What `docs/calls.md` says, checked against the API: requests, answers, statuses, codes, fields."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from fakedesk import KEYS, Front

from parlance.engine.record import Direction, Record, Status
from parlance.http.auth import SCOPES, Entry, Keys
from parlance.http.calls import STATUS
from parlance.http.openapi import Error
from parlance.http.schemas import Call, Calls, Done, Order, Query

TEXT = (Path(__file__).parents[2] / "docs" / "calls.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def rows(header: str) -> list[list[str]]:
    """The rows of the table that begins with `header`."""
    (table,) = re.findall(rf"^\| {re.escape(header)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]


def names(header: str) -> list[str]:
    return [name for row in rows(header) for name in re.findall(r"`(\w+)`", row[0])]


REQUESTS = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines() if "curl" in line]


@pytest.mark.parametrize("line", REQUESTS)
async def test_every_request_shown_is_understood(line: str):
    words = shlex.split(line.replace("$KEY", KEYS["admin"]).replace("$PARLANCE", "https://x"))
    (url,) = [word for word in words if word.startswith("https://x/")]
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
    front = Front()
    front.desk.store.keep(Record("0198f3a2c4d07b1e", "x", Direction.INBOUND, "a", status=Status.IN_PROGRESS))
    data = {"data": words[words.index("-d") + 1]} if "-d" in words else {}
    status, _, _ = await front.ask(method, url.removeprefix("https://x"), key=None, headers=headers, **data)
    assert status in (200, 201, 202)


async def test_every_request_there_is_is_shown():
    shown = {
        (("POST" if "-X POST" in line else "GET"), re.sub(r"[?\"].*", "", line.split("/api/v1")[1].split()[0]))
        for line in REQUESTS
    }
    _, api, _ = await Front().ask("GET", "/openapi.json")
    there = {
        (method.upper(), path.removeprefix("/api/v1").replace("{id}", "0198f3a2c4d07b1e"))
        for path, methods in api["paths"].items()
        for method in methods
        if path.startswith(("/api/v1/calls", "/api/v1/messages"))
    }
    assert shown == there


def exactly(model: type[Any], text: str) -> None:
    shown = json.loads(text)
    assert model.model_validate(shown).model_dump(by_alias=True, exclude_unset=True) == shown


@pytest.mark.parametrize(("language", "model"), [("call", Call), ("calls", Calls), ("done", Done), ("error", Error)])
def test_every_answer_shown_is_one(language: str, model: type[Any]):
    answers = blocks(f"json {language}")
    assert answers
    for answer in answers:
        exactly(model, answer)


def test_the_call_shown_has_every_field():
    (call,) = map(json.loads, blocks("json call"))
    assert list(call) == [field.alias or name for name, field in Call.model_fields.items()]


def test_every_field_and_parameter_is_in_its_table():
    order, call, query = (
        {field.alias or name for name, field in model.model_fields.items()} for model in (Order, Call, Query)
    )
    tables = re.findall(r"^\| (?:field|parameter) \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    told = [
        {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])} for table in tables
    ]
    assert told[0] == order
    # What stands in the order's table is not explained twice.
    assert told[1] == call - {"agent", "carrier", "metadata", "due", "attempts"}
    assert told[2] == query
    assert "`due` is when it is dialed next" in TEXT


def test_every_status_of_a_call_and_every_scope_is_told():
    assert names("`status`") == [status.value for status in Status]
    assert {row[0].strip("`") for row in rows("scope")} == set(SCOPES)


async def test_every_error_is_told():
    told = {(int(row[0]), row[1].strip("`")) for row in rows("status")}
    assert {(status, code) for code, status in STATUS.items()} | {(404, "unknown-call")} == {t for t in told if t[1]}
    _, api, _ = await Front().ask("GET", "/openapi.json")
    described = {
        int(status)
        for path, methods in api["paths"].items()
        if path.startswith("/api/v1/calls")
        for operation in methods.values()
        for status in operation["responses"]
        if int(status) >= 400
    }
    assert {status for status, _ in told} == described | {405}


def test_the_entry_shown_is_one():
    (entry,) = blocks("toml")
    shown = dict(re.findall(r"^(\w+) = (.*)$", entry, re.MULTILINE))
    Keys([Entry(json.loads(shown["name"]), json.loads(shown["hash"]), tuple(json.loads(shown["scopes"])))])
