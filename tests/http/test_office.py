"""The calls API through a real server, with either door before it: what its test client does not show."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from fakedesk import ENTRIES, KEYS, StubDesk
from house import House

from parlance.http.app import BODY, HEADERS, Office
from parlance.http.auth import FAILURES, Auth, Keys
from parlance.persistence.memory import MemoryDirectory

CALLS = "/api/v1/calls"
GOOD = {"Authorization": f"Bearer {KEYS['admin']}"}


@pytest.fixture(params=[True, False], ids=["reactor", "asgi"])
async def office(request: pytest.FixtureRequest, page: Path, nursery: trio.Nursery) -> House:
    auth = Auth(Keys(ENTRIES), MemoryDirectory())
    house = House(page, direct=request.param, office=Office(StubDesk(), auth))
    house.port = await nursery.start(partial(house.run))
    return house


async def test_a_call_is_placed_and_found_where_it_is_said_to_be(office: House):
    placed = await office.request("POST", CALLS, json={"to": "+33199000010"}, headers=GOOD)
    assert (placed.status_code, placed.headers["content-type"]) == (201, "application/json")
    found = await office.get(placed.headers["location"], headers=GOOD)
    assert (found.status_code, found.json()) == (200, placed.json())
    listed = await office.get(CALLS, headers=GOOD)
    assert listed.json() == {"calls": [placed.json()], "cursor": None}
    for answer in (placed, found, listed):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == "no-store"


async def test_a_body_that_is_too_long_is_a_problem(office: House):
    answer = await office.request("POST", CALLS, content=b"x" * (BODY + 1), headers=GOOD)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert (await office.get(CALLS, headers=GOOD)).status_code == 200


async def test_failures_are_counted_by_address_and_not_by_port(office: House):
    got = [(await office.get(CALLS)).status_code for _ in range(FAILURES + 5)]
    assert got[:FAILURES] == [401] * FAILURES
    assert 429 in got
    assert (await office.get(CALLS, headers=GOOD)).status_code == 200


async def test_asking_for_the_head_only_needs_a_key_too(office: House):
    assert (await office.request("HEAD", CALLS)).status_code == 401
    answer = await office.request("HEAD", CALLS, headers=GOOD)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_without_an_office_there_are_no_calls(house: House):
    assert (await house.get(CALLS, headers=GOOD)).status_code == 404
    assert CALLS not in (await house.get("/openapi.json")).json()["paths"]
