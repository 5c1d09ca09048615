"""The mailbox: fullness, emptiness, order, closing, and that cancellation neither loses nor invents an item."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import assert_checkpoints, assert_no_checkpoints, wait_all_tasks_blocked

from parlance.engine.errors import Full
from parlance.engine.mailbox import Mailbox, Policy


def drained(box):
    items = []
    while len(box):
        items.append(box.get_nowait())
    return items


@pytest.mark.parametrize("policy", Policy)
def test_items_come_out_in_the_order_they_went_in(policy):
    box = Mailbox(3, policy)
    for item in "abc":
        box.put_nowait(item)
    assert drained(box) == ["a", "b", "c"]


def test_shed_drops_the_oldest_and_counts():
    box = Mailbox(3, Policy.SHED)
    for item in range(5):
        box.put_nowait(item)
    assert drained(box) == [2, 3, 4]
    assert box.statistics().shed == 2


def test_refuse_raises_full_and_keeps_what_is_inside():
    box = Mailbox(2, Policy.REFUSE)
    box.put_nowait(1)
    box.put_nowait(2)
    with pytest.raises(Full, match="bound of 2"):
        box.put_nowait(3)
    assert drained(box) == [1, 2]


async def test_refuse_does_not_wait_in_put_either():
    box = Mailbox(1, Policy.REFUSE)
    await box.put(1)
    with pytest.raises(Full):
        await box.put(2)


def test_wait_blocks_put_nowait_when_full():
    box = Mailbox(1, Policy.WAIT)
    box.put_nowait(1)
    with pytest.raises(trio.WouldBlock):
        box.put_nowait(2)
    assert drained(box) == [1]


def test_get_nowait_on_empty_would_block():
    with pytest.raises(trio.WouldBlock):
        Mailbox(1, Policy.WAIT).get_nowait()


def test_a_bound_below_one_is_refused():
    with pytest.raises(ValueError, match="bound is 0"):
        Mailbox(0, Policy.SHED)


def test_weighed_shedding_makes_just_enough_room():
    box = Mailbox(10, Policy.SHED, weigh=len)
    for chunk in (b"aaaa", b"bbb", b"ccc", b"dd"):
        box.put_nowait(chunk)
    assert drained(box) == [b"bbb", b"ccc", b"dd"]
    assert box.statistics().peak == 10


def test_an_item_that_can_never_fit_is_itself_shed():
    box = Mailbox(4, Policy.SHED, weigh=len)
    box.put_nowait(b"aa")
    box.put_nowait(b"much too long")
    assert drained(box) == [b"aa"]
    assert box.statistics().shed == 1


@pytest.mark.parametrize("policy", [Policy.WAIT, Policy.REFUSE])
async def test_an_item_that_can_never_fit_is_an_error_and_not_a_hang(policy):
    box = Mailbox(4, policy, weigh=len)
    with pytest.raises(Full, match="never fit"):
        await box.put(b"12345")


def test_weightless_items_can_not_pass_the_bound():
    box = Mailbox(3, Policy.SHED, weigh=len)
    for _ in range(10):
        box.put_nowait(b"")
    assert len(box) == 3


async def test_put_nowait_never_switches_tasks_and_the_async_forms_always_may():
    box = Mailbox(4, Policy.WAIT)
    with assert_no_checkpoints():
        box.put_nowait(1)
        box.get_nowait()
    with assert_checkpoints():
        await box.put(1)
    with assert_checkpoints():
        await box.get()


async def test_a_waiting_putter_is_let_in_by_a_get(nursery):
    box = Mailbox(1, Policy.WAIT)
    box.put_nowait(1)
    nursery.start_soon(box.put, 2)
    await wait_all_tasks_blocked()
    assert box.statistics().waiting_putters == 1
    assert [await box.get(), await box.get()] == [1, 2]


async def test_putters_are_served_in_the_order_they_came_and_nobody_overtakes(nursery):
    box = Mailbox(10, Policy.WAIT, weigh=len)
    box.put_nowait(b"x" * 8)
    for chunk in (b"a" * 5, b"b", b"c" * 4):
        nursery.start_soon(box.put, chunk)
        await wait_all_tasks_blocked()
    with pytest.raises(trio.WouldBlock):
        box.put_nowait(b"d")
    assert await box.get() == b"x" * 8
    assert [await box.get() for _ in range(3)] == [b"aaaaa", b"b", b"cccc"]


async def test_getters_are_served_in_the_order_they_came(nursery):
    box = Mailbox(4, Policy.WAIT)
    got = []

    async def getter(name):
        got.append((name, await box.get()))

    for name in "abc":
        nursery.start_soon(getter, name)
        await wait_all_tasks_blocked()
    assert box.statistics().waiting_getters == 3
    for item in (1, 2, 3):
        box.put_nowait(item)
    await wait_all_tasks_blocked()
    assert sorted(got) == [("a", 1), ("b", 2), ("c", 3)]


async def test_a_cancelled_get_loses_no_item(nursery):
    box = Mailbox(1, Policy.WAIT)
    scope = trio.CancelScope()

    async def getter():
        with scope:
            await box.get()

    nursery.start_soon(getter)
    await wait_all_tasks_blocked()
    scope.cancel()
    box.put_nowait("kept")
    await wait_all_tasks_blocked()
    assert drained(box) == ["kept"]


async def test_a_get_that_was_served_returns_although_cancelled_in_the_same_moment(nursery):
    box = Mailbox(1, Policy.WAIT)
    scope, got = trio.CancelScope(), []

    async def getter():
        with scope:
            got.append(await box.get())

    nursery.start_soon(getter)
    await wait_all_tasks_blocked()
    box.put_nowait("delivered")
    scope.cancel()
    await wait_all_tasks_blocked()
    assert got == ["delivered"]


async def test_a_cancelled_put_puts_nothing_and_lets_in_those_behind_it(nursery):
    box = Mailbox(10, Policy.WAIT, weigh=len)
    box.put_nowait(b"x" * 8)
    scope = trio.CancelScope()

    async def heavy():
        with scope:
            await box.put(b"h" * 5)

    nursery.start_soon(heavy)
    await wait_all_tasks_blocked()
    nursery.start_soon(box.put, b"l")
    await wait_all_tasks_blocked()
    assert len(box) == 1
    scope.cancel()
    await wait_all_tasks_blocked()
    assert len(box) == 2
    assert drained(box) == [b"x" * 8, b"l"]
    assert box.statistics().waiting_putters == 0


async def test_cancelled_before_they_begin_put_and_get_do_nothing():
    box = Mailbox(2, Policy.WAIT)
    box.put_nowait(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.put(2)
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.get()
    assert drained(box) == [1]


async def test_a_closed_mailbox_is_read_to_its_end_and_takes_no_more():
    box = Mailbox(3, Policy.WAIT)
    box.put_nowait(1)
    box.put_nowait(2)
    box.close()
    box.close()
    with pytest.raises(trio.ClosedResourceError):
        box.put_nowait(3)
    with pytest.raises(trio.ClosedResourceError):
        await box.put(3)
    assert [item async for item in box] == [1, 2]
    with pytest.raises(trio.EndOfChannel):
        await box.get()
    with pytest.raises(trio.EndOfChannel):
        box.get_nowait()


async def test_closing_wakes_all_who_wait(nursery):
    full, empty = Mailbox(1, Policy.WAIT), Mailbox(1, Policy.WAIT)
    full.put_nowait(0)
    seen = []

    async def expect(error, call, *args):
        with pytest.raises(error):
            await call(*args)
        seen.append(error)

    for _ in range(2):
        nursery.start_soon(expect, trio.ClosedResourceError, full.put, 1)
        nursery.start_soon(expect, trio.EndOfChannel, empty.get)
    await wait_all_tasks_blocked()
    full.close()
    empty.close()
    await wait_all_tasks_blocked()
    assert len(seen) == 4
    assert drained(full) == [0]


async def test_clear_throws_away_what_is_inside_and_lets_waiters_in(nursery):
    box = Mailbox(2, Policy.WAIT)
    box.put_nowait(1)
    box.put_nowait(2)
    nursery.start_soon(box.put, 3)
    await wait_all_tasks_blocked()
    assert box.clear() == 2
    await wait_all_tasks_blocked()
    assert drained(box) == [3]
    assert box.statistics().cleared == 2


PUT = st.tuples(st.just("put"), st.binary(max_size=12))
OTHER = st.sampled_from([("get", b""), ("clear", b"")])


@given(st.integers(1, 12), st.lists(PUT | PUT | OTHER, max_size=60))
def test_a_shedding_mailbox_agrees_with_its_model(bound, steps):
    box, model = Mailbox(bound, Policy.SHED, weigh=len), deque()
    for verb, chunk in steps:
        if verb == "put":
            box.put_nowait(chunk)
            if max(1, len(chunk)) <= bound:
                model.append(chunk)
                while sum(max(1, len(c)) for c in model) > bound:
                    model.popleft()
        elif verb == "clear":
            assert box.clear() == len(model)
            model.clear()
        elif model:
            assert box.get_nowait() == model.popleft()
        figures = box.statistics()
        assert figures.length == len(model)
        assert figures.weight == sum(max(1, len(c)) for c in model) <= figures.peak <= bound
        assert figures.put == figures.taken + figures.shed + figures.cleared + figures.length
    assert drained(box) == list(model)


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_is_lost_or_doubled_among_many_tasks_with_cancellations(seed, autojump_clock):
    """Producers and consumers on both sides are cancelled at random times; what was put is taken, once, in order."""
    dice = Random(seed)
    box = Mailbox(4, Policy.WAIT, weigh=lambda item: item[2])
    put, taken = [], []

    async def producer(name):
        for number in range(40):
            item = (name, number, dice.randint(1, 4))
            with trio.move_on_after(dice.choice([0, 0.5, 1, 3])):
                await box.put(item)
                put.append(item)
            if dice.random() < 0.3:
                await trio.sleep(dice.random())

    async def consumer():
        while True:
            with trio.move_on_after(dice.choice([0, 0.5, 1, 3])):
                try:
                    taken.append(await box.get())
                except trio.EndOfChannel:
                    return
            if dice.random() < 0.3:
                await trio.sleep(dice.random())

    async with trio.open_nursery() as consumers:
        for _ in range(3):
            consumers.start_soon(consumer)
        async with trio.open_nursery() as producers:
            for name in "pqr":
                producers.start_soon(producer, name)
        box.close()
    assert sorted(put) == sorted(taken)
    figures = box.statistics()
    assert figures.put == figures.taken == len(taken) > 0
    assert figures.peak <= 4
