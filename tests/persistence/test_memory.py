"""The store and the directory in memory: what was kept is found, pages are whole, and nothing grows without a bound."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from parlance.engine.record import Direction, Record, Status
from parlance.persistence import memory
from parlance.persistence.memory import MemoryDirectory, MemoryStore


def call(id: str, created: float = 0.0, status: Status = Status.IN_PROGRESS) -> Record:
    return Record(id, "twilio", Direction.INBOUND, "sales", created=created, status=status)


def every(record: Record) -> bool:
    return True


async def ids(store: MemoryStore, limit: int = 1000) -> list[str]:
    return [record.id for record in await store.find(every, before=None, limit=limit)]


async def test_what_was_kept_last_is_the_record():
    store = MemoryStore()
    store.keep(call("a", 1))
    assert await store.get("b") is None
    later = call("a", 1, Status.ENDED)
    store.keep(later)
    assert await store.get("a") == later
    assert await ids(store) == ["a"]


async def test_a_record_that_says_another_time_has_another_place():
    store = MemoryStore()
    for record in (call("a", 1), call("b", 2), call("a", 3)):
        store.keep(record)
    assert await ids(store) == ["a", "b"]


async def test_those_that_ended_first_make_room_and_no_call_that_goes_on():
    store = MemoryStore(most=3)
    for id in "abc":
        store.keep(call(id, ord(id)))
    store.keep(call("c", ord("c"), Status.ENDED))
    store.keep(call("b", ord("b"), Status.FAILED))
    # Said again, it has not ended later.
    store.keep(replace(call("c", ord("c"), Status.ENDED), reason="said again"))
    store.keep(call("d", ord("d")))
    assert await ids(store) == ["d", "b", "a"]
    for id in "efg":
        store.keep(call(id, ord(id)))
    assert await ids(store) == ["g", "f", "e", "d", "a"]
    store.keep(call("a", ord("a"), Status.ENDED))
    assert await ids(store) == ["g", "f", "e", "d"]


async def test_a_call_that_goes_on_after_all_is_not_dropped():
    store = MemoryStore(most=1)
    store.keep(call("a", 1, Status.ENDED))
    store.keep(call("a", 1, Status.IN_PROGRESS))
    store.keep(call("b", 2))
    assert await ids(store) == ["b", "a"]


async def test_only_what_matches_is_found_and_the_limit_is_kept():
    store = MemoryStore()
    for n in range(3 * memory.STRIDE):
        store.keep(call(f"{n:04}", n))
    found = await store.find(lambda record: record.created % 300 == 7, before=None, limit=2)
    assert [record.id for record in found] == ["0607", "0307"]
    assert [r.id for r in await store.find(lambda r: r.created % 300 == 7, before=(307, "0307"), limit=2)] == ["0007"]
    assert await store.find(every, before=(0, "0000"), limit=5) == []


async def test_looking_for_what_is_rare_lets_others_run(autojump_clock: trio.testing.MockClock):
    store = MemoryStore()
    for n in range(10 * memory.STRIDE):
        store.keep(call(f"{n:05}", n))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await store.find(lambda record: False, before=None, limit=1)
        nursery.cancel_scope.cancel()
    assert turns >= 9


CREATED = st.integers(0, 5).map(float)


@given(
    first=st.lists(st.tuples(CREATED, st.booleans()), max_size=40),
    between=st.lists(CREATED, max_size=15),
    limit=st.integers(1, 7),
    stride=st.integers(1, 9),
)
def test_pages_have_every_record_once_whatever_is_kept_between_them(
    first: list[tuple[float, bool]], between: list[float], limit: int, stride: int
):
    async def main() -> None:
        store = MemoryStore()
        for n, (created, ended) in enumerate(first):
            store.keep(call(f"f{n:02}", created, Status.ENDED if ended else Status.RINGING))
        before, seen, rest = None, [], list(enumerate(between))
        while page := await store.find(every, before=before, limit=limit):
            assert len(page) <= limit
            seen += [(record.created, record.id) for record in page]
            before = seen[-1]
            if rest:
                n, created = rest.pop()
                store.keep(call(f"n{n:02}", created))
                store.keep(call(seen[0][1], seen[0][0], Status.ENDED))
        # Each once and the newest first; what was there all the time, all of it.
        assert seen == sorted(set(seen), reverse=True)
        assert {id for _, id in seen if id.startswith("f")} == {f"f{n:02}" for n in range(len(first))}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "STRIDE", stride)
        trio.run(main)


# ------------------------------------------------------------------------------------------- directory


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_first_claim_holds_until_it_is_released_or_has_expired():
    clock = Clock()
    directory = MemoryDirectory(clock)
    assert await directory.claim("k", "one", 10) is None
    assert await directory.claim("k", "two", 10) == "one"
    clock.now += 9.9
    assert await directory.claim("k", "two", 10) == "one"
    clock.now += 0.1
    assert await directory.claim("k", "three", 10) is None
    await directory.release("k")
    await directory.release("k")
    assert await directory.claim("k", "four", 100) is None
    # The time of the claim that was released is not the new one's.
    clock.now += 50
    assert await directory.claim("k", "five", 10) == "four"


async def test_of_too_many_claims_the_next_to_expire_is_forgotten():
    directory = MemoryDirectory(Clock(), most=3)
    for key, seconds in (("a", 50), ("b", 10), ("c", 70), ("d", 60)):
        assert await directory.claim(key, key, seconds) is None
    assert [await directory.claim(key, "new", 99) for key in "acd"] == ["a", "c", "d"]
    assert await directory.claim("b", "new", 99) is None


async def test_claims_that_are_released_leave_nothing_behind():
    directory = MemoryDirectory(Clock(), most=10)
    assert await directory.claim("keep", "it", 10_000) is None
    for n in range(1000):
        assert await directory.claim(f"{n}", "x", 1000) is None
        await directory.release(f"{n}")
    assert len(directory._expiries) <= 21
    assert await directory.claim("keep", "new", 1) == "it"


async def test_a_budget_allows_a_burst_and_then_the_rate():
    clock = Clock()
    directory = MemoryDirectory(clock)
    spent = [await directory.spend("k", rate=2, burst=3) for _ in range(4)]
    assert spent == [0.0, 0.0, 0.0, 0.5]
    assert await directory.spend("other", rate=2, burst=3) == 0.0
    clock.now += 0.25
    assert await directory.spend("k", rate=2, burst=3) == 0.25
    clock.now += 0.25
    assert await directory.spend("k", rate=2, burst=3) == 0.0
    clock.now += 1000
    assert [await directory.spend("k", rate=2, burst=3) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


@given(
    waits=st.lists(st.floats(0, 2), max_size=60),
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 10),
)
def test_no_more_is_spent_than_came_back(waits: list[float], rate: float, burst: int):
    async def main() -> None:
        clock = Clock()
        directory = MemoryDirectory(clock)
        granted = 0
        for wait in waits:
            clock.now += wait
            granted += (await directory.spend("k", rate=rate, burst=burst)) == 0.0
            assert granted <= burst + (clock.now - 1000.0) * rate + 1e-6
        clock.now += 1 / rate + burst / rate
        answers = [await directory.spend("k", rate=rate, burst=burst) for _ in range(burst + 1)]
        assert answers[:burst] == [0.0] * burst
        assert math.isclose(answers[burst], 1 / rate, rel_tol=1e-6)

    trio.run(main)


async def test_the_budget_that_was_not_used_for_longest_is_forgotten():
    directory = MemoryDirectory(Clock(), most=2)
    for key in ("a", "b", "a", "c"):
        await directory.spend(key, rate=1, burst=2)
    # "a" is out of tokens, "b" was forgotten and begins anew.
    assert await directory.spend("a", rate=1, burst=2) == 1.0
    assert await directory.spend("b", rate=1, burst=2) == 0.0
    assert await directory.spend("b", rate=1, burst=2) == 0.0
