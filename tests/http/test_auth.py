"""Keys: who has one, what for, and how often; and that nothing is told to who has none."""

from __future__ import annotations

import hashlib
import logging

import pytest
import trio
from fakedesk import ENTRIES, KEYS, Front

from parlance.engine.errors import Misconfigured
from parlance.http.auth import FAILURES, SCOPES, Entry, Keys, make

HASH = "sha256:" + "0" * 64


def test_a_key_is_32_random_bytes_and_its_hash_is_plain_sha256():
    (one, hash), (other, _) = make(), make()
    assert one != other
    assert one.startswith("plk_")
    assert len(one) == 4 + 43
    assert hash == "sha256:" + hashlib.sha256(one.encode()).hexdigest()


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([Entry("a", HASH, ()), Entry("a", HASH, ())], "two API keys named 'a'"),
        ([Entry("a", "plk_secret", ("admin",))], "'a' has no hash"),
        ([Entry("a", HASH.upper(), ("admin",))], "'a' has no hash"),
        ([Entry("a", HASH + "\n", ("admin",))], "'a' has no hash"),
        ([Entry("a", HASH, ("calls:reed",))], "unknown scopes: calls:reed; there are calls:read"),
    ],
)
def test_wrong_entries_are_named_and_never_shown(entries: list[Entry], fault: str):
    with pytest.raises(Misconfigured, match="API key") as caught:
        Keys(entries)
    assert fault in str(caught.value)
    assert "plk_" not in str(caught.value)


def test_the_holder_of_a_key_is_found_among_all():
    keys = Keys(ENTRIES)
    for entry in ENTRIES:
        holder = keys.check(f"Bearer {KEYS[entry.name]}")
        assert holder is not None
        assert (holder.name, holder.scopes) == (entry.name, frozenset(entry.scopes))
    assert keys.check(f"bEARER   {KEYS['admin']} ") is not None


KEY = KEYS["admin"]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        KEY,
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        f"Bearer {'x' + KEY[1:]}",
        f"Bearer {KEY}, Bearer {KEY}",
        f"Bearer {next(entry.hash for entry in ENTRIES if entry.name == 'admin')}",
        "Bearer \udcff\u00e9",
    ],
    # The key is another one each time, and a test's name is not.
    ids=range(12),
)
def test_what_is_no_key_has_no_holder(header: str):
    assert Keys(ENTRIES).check(header) is None


ROUTES = [
    ("GET", "/api/v1/calls", "calls:read"),
    ("GET", "/api/v1/calls/x", "calls:read"),
    ("POST", "/api/v1/calls", "calls:place"),
    *[
        ("POST", f"/api/v1/calls/x/{word}", "calls:write")
        for word in ("terminate", "transfer", "mute", "unmute", "hold", "unhold", "dtmf", "say")
    ],
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_each_route_asks_for_its_scope_before_anything_else(method: str, path: str, scope: str):
    front = Front()
    for name in (*SCOPES, "nothing"):
        # What is sent is nonsense: who may not learns nothing about that.
        status, body, _ = await front.ask(method, path, key=name, data=b"{nonsense")
        if name in (scope, "admin"):
            assert status not in (401, 403)
        else:
            assert (status, body["title"], body["scope"]) == (403, "Forbidden", scope)
    status, body, headers = await front.ask(method, path, key=None)
    assert (status, body["title"], headers["WWW-Authenticate"]) == (401, "Unauthorized", 'Bearer realm="parlance"')
    assert headers["Content-Type"] == "application/problem+json"
    assert front.auth.denied == {"scope": 3, "key": 1}
    assert (front.desk.placed, front.desk.commanded) == ([], [])


def test_no_route_is_forgotten():
    rules = {
        (method, rule.rule.replace("<id>", "x"))
        for rule in Front().app.url_map.iter_rules()
        for method in rule.methods or ()
        if "calls" in rule.rule and method not in ("HEAD", "OPTIONS")
    }
    assert rules == {(method, path) for method, path, _ in ROUTES}


async def test_without_any_key_it_is_said_how_to_make_one():
    status, body, _ = await Front(entries=[]).ask("GET")
    assert status == 401
    assert "`parlance key`" in body["detail"]


@pytest.mark.parametrize("path", ["/api/v1/agents", "/health", "/ready", "/openapi.json"])
async def test_what_is_open_asks_for_no_key(path: str):
    assert (await Front().ask("GET", path, key=None))[0] == 200


async def test_a_key_has_a_rate_of_its_own(autojump_clock: trio.testing.MockClock):
    front = Front(rate=2.0, burst=3)
    assert [(await front.ask("GET"))[0] for _ in range(4)] == [200, 200, 200, 429]
    _, body, headers = await front.ask("GET")
    assert (body["title"], headers["Retry-After"]) == ("Too Many Requests", "1")
    assert (await front.ask("GET", key="calls:read"))[0] == 200
    await trio.sleep(0.6)
    assert (await front.ask("GET"))[0] == 200
    assert front.auth.denied == {"rate": 2}


async def test_who_tries_too_often_is_told_so_and_a_good_key_from_there_still_works(
    autojump_clock: trio.testing.MockClock, caplog
):
    front = Front()
    got = [(await front.ask("GET", key=None, headers={"Authorization": "Bearer guess"}))[0] for _ in range(30)]
    assert got == [401] * FAILURES + [429] * (30 - FAILURES)
    assert (await front.ask("GET"))[0] == 200
    assert front.auth.denied == {"key": FAILURES, "failures": 30 - FAILURES}
    # One line, not thirty; what it left out is in the next one.
    assert [record.getMessage() for record in caplog.records if record.name == "parlance.http.auth"] == [
        "API requests without a valid key: 1, the last one from <local>"
    ]
    await trio.sleep(1.1)
    caplog.set_level(logging.WARNING)
    assert (await front.ask("GET", key=None))[0] == 401
    assert "without a valid key: 30, the last one" in caplog.text
    assert "guess" not in caplog.text
