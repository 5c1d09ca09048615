"""The watch: who held the loop is named, once, and nobody else. On a virtual clock a step takes what it says."""

from __future__ import annotations

import gc
import logging
import math
from functools import partial
from types import SimpleNamespace

import pytest
import trio

from parlance.engine.garbage import Garbage
from parlance.engine.metronome import CLOSELY, GROUP, Metronome
from parlance.engine.watch import AGAIN, APART, NAMES, Watch


@pytest.fixture
def told(caplog):
    """The reports, as text."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def hold(autojump_clock):
    """Do something that takes so many seconds, without a checkpoint."""
    return autojump_clock.jump


async def test_who_holds_the_loop_is_named_with_the_line_where_it_waits_now(nursery, hold, autojump_clock, told):
    async def culprit():
        hold(0.08)
        await trio.sleep(1)

    watch = Watch(0.05)
    with watch.on():
        nursery.start_soon(culprit, name="the culprit")
        await trio.sleep(0.5)
    (message,) = told()
    line = culprit.__code__.co_firstlineno + 2
    assert message.startswith("the loop was held for 80 ms by task the culprit, which is now at ")
    assert f"tests/engine/test_watch.py:{line} in " in message
    assert message.endswith("culprit")
    figures = watch.statistics()
    assert (figures.over, figures.step_worst) == (1, pytest.approx(0.08))
    assert figures.lag_worst == pytest.approx(0.08)
    assert figures.worst.task == "the culprit"


async def test_a_task_that_is_over_is_named_all_the_same(nursery, hold, autojump_clock, told):
    async def culprit():
        hold(0.06)

    with Watch(0.05).on():
        nursery.start_soon(culprit, name="the culprit")
        await trio.sleep(0.5)
    assert told() == ["the loop was held for 60 ms by task the culprit, which is now over"]


async def test_time_that_passes_while_all_wait_is_nobody_s(autojump_clock, told):
    watch = Watch(0.05)
    with watch.on():
        for _ in range(5):
            await trio.sleep(10)
    assert told() == []
    figures = watch.statistics()
    assert (figures.over, figures.step_worst, figures.lag_worst) == (0, 0.0, 0.0)
    assert figures.turns >= 4


async def test_a_step_within_the_limit_is_measured_and_not_reported(nursery, hold, autojump_clock, told):
    async def busy(seconds):
        hold(seconds)

    watch = Watch(0.05)
    with watch.on():
        for seconds in (0.01, 0.03, 0.02):
            nursery.start_soon(busy, seconds)
            await trio.sleep(0.1)
    assert told() == []
    figures = watch.statistics()
    assert (figures.over, figures.worst, figures.step_worst) == (0, None, pytest.approx(0.03))


async def test_many_steps_that_are_short_are_a_lag_and_no_culprit(nursery, hold, autojump_clock, told):
    async def busy():
        hold(0.02)

    watch = Watch(0.05)
    with watch.on():
        for _ in range(10):
            nursery.start_soon(busy)
        await trio.sleep(1)
    assert told() == []
    assert watch.statistics().lag_worst == pytest.approx(0.2)
    assert watch.statistics().lag_p99 == pytest.approx(0.2)


async def test_the_call_is_named_in_whose_tree_the_task_is(nursery, hold, autojump_clock, told):
    async def culprit():
        hold(0.06)
        await trio.sleep(1)

    async def call():
        async with trio.open_nursery() as children, trio.open_nursery() as grandchildren:
            children.start_soon(trio.sleep, 1)
            grandchildren.start_soon(culprit, name="child listener")

    with Watch(0.05).on():
        nursery.start_soon(call, name="call CA7")
        await trio.sleep(0.5)
    assert len(told()) == 1
    assert "by task child listener for call CA7, which is now at " in told()[0]


async def test_a_task_is_reported_once_in_a_while_and_then_with_how_often_it_was(nursery, hold, autojump_clock, told):
    async def culprit():
        while True:
            hold(0.06)
            await trio.sleep(1)

    watch = Watch(0.05)
    with watch.on():
        nursery.start_soon(culprit, name="the culprit")
        await trio.sleep(5)
        assert len(told()) == 1
        nursery.start_soon(culprit, name="another")
        await trio.sleep(1)
        assert len(told()) == 2, "another task is reported too"
        await trio.sleep(2 * AGAIN)
    of_the_first = [message for message in told() if "the culprit" in message]
    assert len(of_the_first) == 3
    assert all(message.endswith(" (9 more like it since the last report)") for message in of_the_first[1:])
    assert watch.statistics().over > 20


async def test_calls_own_tasks_are_one_kind_of_task(nursery, hold, autojump_clock, told):
    async def call():
        hold(0.06)

    with Watch(0.05).on():
        for number in range(3):
            nursery.start_soon(call, name=f"call CA{number}")
        await trio.sleep(1)
    assert len(told()) == 1


async def test_a_beat_that_is_slow_for_one_call_after_the_other_is_one_task_and_one_line(
    nursery, hold, autojump_clock, told
):
    watch = Watch(0.05)
    metronome = Metronome(watch=watch)

    def act(number):
        if number == metronome.statistics().ticks % (3 * GROUP):
            hold(0.065)

    for number in range(3 * GROUP):
        metronome.join(Member(number, partial(act, number)))
    with watch.on():
        await nursery.start(metronome.run)
        await trio.sleep(AGAIN - 0.25)
        assert len(told()) == 1
        assert watch.statistics().over > 100
        await trio.sleep(1)
    first, second = told()
    assert second.endswith(" more like it since the last report)")
    assert len(first) < 300


async def test_however_many_tasks_hold_the_loop_there_is_one_line_a_second_and_none_is_forgotten(
    nursery, hold, autojump_clock, told
):
    async def culprit():
        while True:
            hold(0.06)
            await trio.sleep(0.5)

    watch = Watch(0.05)
    with watch.on():
        for number in range(5):
            nursery.start_soon(culprit, name=f"culprit {number}")
        await trio.sleep(4.5 * APART)
        assert len(told()) <= 5
        await trio.sleep(2 * AGAIN)
    named = [message.partition("task culprit ")[2][0] for message in told()]
    assert set(named) == set("01234")
    assert len(told()) <= 25
    later = [message for message in told()[1:] if message.endswith(" more like it since the last report)")]
    assert len(later) == len(told()) - 1
    counted = sum(int(message.rpartition("(")[2].split()[0]) for message in later) + len(told())
    assert watch.statistics().over - counted < 5 * AGAIN / 0.5, "only what came after a task's last line is untold"


@pytest.mark.parametrize(
    ("calls", "names"),
    [
        (1, "call CA0"),
        (2, "one of call CA0, call CA1"),
        (3, "one of call CA0, call CA1, call CA2"),
        (4, "one of call CA0, call CA1, call CA2 and 1 other"),
        (16, "one of call CA0, call CA1, call CA2 and 13 others"),
    ],
)
async def test_three_calls_are_named_and_the_others_counted(calls, names, nursery, hold, autojump_clock, told):
    async def reader():
        hold(0.06)
        watch.blame([SimpleNamespace(id=f"CA{number}") for number in range(calls)], 0.06)

    watch = Watch(0.05)
    with watch.on():
        nursery.start_soon(reader, name="reader")
        await trio.sleep(1)
    assert told() == [f"the loop was held for 60 ms by task reader for {names}, which is now over"]


async def test_names_that_come_and_go_are_forgotten(nursery, hold, autojump_clock):
    async def culprit():
        hold(0.06)

    watch = Watch(0.05)
    with watch.on():
        for number in range(3 * NAMES):
            nursery.start_soon(culprit, name=f"task {number}")
            await trio.sleep(1)
    assert len(watch._told) <= NAMES


async def test_garbage_collection_is_told_apart(nursery, hold, autojump_clock, told):
    def pause(phase, info):
        if phase == "start":
            hold(0.07)

    async def culprit():
        hold(0.01)
        gc.callbacks.append(pause)
        gc.collect()
        gc.callbacks.remove(pause)

    garbage = Garbage()
    with garbage.kept(freeze=False, threshold=100_000), Watch(0.05, garbage=garbage).on():
        nursery.start_soon(culprit, name="the culprit")
        await trio.sleep(1)
    assert told() == [
        "the loop was held for 80 ms by task the culprit, which is now over; 70 ms of it was garbage collection"
    ]


class Member:
    def __init__(self, number, act=lambda: None):
        self.id, self.act = f"CA{number}", act

    def tick(self, now):
        self.act()

    def fail(self, error):
        raise error


async def test_the_call_is_named_whose_tick_held_the_metronome(nursery, hold, autojump_clock, told):
    watch = Watch(0.05)
    metronome = Metronome(watch=watch)
    slow: list[float] = []
    for number in range(5 * GROUP):
        culprit = number == 2 * GROUP + 3
        metronome.join(Member(number, lambda: hold(slow.pop()) if slow else None) if culprit else Member(number))
    with watch.on():
        await nursery.start(metronome.run)
        await trio.sleep(0.5)
        slow.append(0.08)
        await trio.sleep(0.5)
        (first,) = told()
        assert f" for one of call CA32, call CA33, call CA34 and {GROUP - 3} others, which is now at " in first
        await trio.sleep(AGAIN)
        slow.append(0.09)
        await trio.sleep(0.5)
        assert " for call CA35, which is now at " in told()[1], "it is known by name when it is slow again"
        await trio.sleep((CLOSELY + 1) * 0.02)
        slow.append(0.08)
        await trio.sleep(0.5)
    assert metronome.statistics().ticks > CLOSELY
    assert " for one of call CA32, " in told()[2]


async def test_the_longest_part_of_a_step_is_to_blame_and_never_that_of_an_earlier_step(
    nursery, hold, autojump_clock, told
):
    async def reader():
        for parts in ({"CA1": 0.03, "CA2": 0.04, "CA3": 0.026}, {"CA4": 0.026}, {}):
            for name, seconds in parts.items():
                hold(seconds)
                watch.blame([SimpleNamespace(id=name)], seconds)
            await trio.sleep(AGAIN)
        hold(0.06)
        await trio.sleep(AGAIN)
        hold(0.06)
        watch.blame([SimpleNamespace(peer="192.0.2.1:5060")], 0.06)

    watch = Watch(0.05)
    with watch.on():
        nursery.start_soon(reader, name="reader")
        await trio.sleep(5 * AGAIN)
    assert [message.partition(", which")[0].partition("by ")[2] for message in told()] == [
        "task reader for call CA2",
        "task reader",
        "task reader for 192.0.2.1:5060",
    ]


async def test_it_is_gone_when_it_is_off(nursery, hold, autojump_clock, told):
    async def culprit():
        hold(0.06)

    watch = Watch(0.05)
    for _ in range(2):
        with watch.on():
            await trio.sleep(0.1)
        nursery.start_soon(culprit)
        await trio.sleep(0.1)
    assert told() == []
    assert not watch.statistics().watching
    assert watch.clock() == trio.current_time()


async def test_a_fault_of_the_watch_harms_nobody_and_is_told(nursery, hold, autojump_clock, told, monkeypatch):
    async def culprit():
        hold(0.06)
        await trio.sleep(1)
        return "fine"

    watch = Watch(0.05)
    assert not watch.statistics().watching
    monkeypatch.setattr(watch, "_report", lambda *_: 1 / 0)
    with watch.on():
        await trio.sleep(0.1)
        assert watch.statistics().watching
        nursery.start_soon(culprit)
        await trio.sleep(3)
        assert not watch.statistics().watching, "figures that do not change any more look like those of good health"
    assert any("taken out" in message for message in told())


async def test_a_watch_that_is_gone_is_not_taken_for_one_by_the_task_it_saw_last(hold, autojump_clock, monkeypatch):
    watch = Watch(0.05)
    monkeypatch.setattr(watch, "_report", lambda *_: 1 / 0)
    with watch.on():
        await trio.sleep(0.1)
        hold(0.06)
        await trio.sleep(0.1)
        assert not watch.statistics().watching


@pytest.mark.parametrize("limit", [0, -1, math.nan])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(ValueError, match="limit"):
        Watch(limit)
