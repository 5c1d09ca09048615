"""The metronome: on the grid for ever, never in bursts, and deaf to one member's failure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from parlance.engine.metronome import GROUP, WINDOW, Metronome
from parlance.engine.saturation import Saturation
from parlance.engine.watch import Watch


@dataclass
class Recorder:
    """A dataclass on purpose: equal to any other with the same record, and without a hash."""

    ticks: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    def tick(self, now):
        self.ticks.append(now)

    def fail(self, error):
        self.failures.append(error)


class Doing(Recorder):
    """Does something in its tick."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def tick(self, now):
        super().tick(now)
        self.act()


def failing():
    raise ValueError("a bug in one call")


async def test_every_member_is_ticked_once_a_period_at_the_same_time(nursery, autojump_clock):
    metronome, one, two = Metronome(0.02), Recorder(), Recorder()
    metronome.join(one)
    metronome.join(two)
    start = trio.current_time()
    await nursery.start(metronome.run)
    await trio.sleep(0.11)
    assert one.ticks == two.ticks
    assert one.ticks == pytest.approx([start + 0.02 * n for n in range(1, 6)])


async def test_it_does_not_drift_though_every_tick_takes_its_time(nursery, autojump_clock):
    metronome, member = Metronome(0.02), Doing(lambda: autojump_clock.jump(0.003))
    start = trio.current_time()
    metronome.join(member)
    nursery.start_soon(metronome.run)
    await trio.sleep(300.01)
    assert len(member.ticks) == 15_000
    assert member.ticks[-1] - start == pytest.approx(300, abs=1e-6)
    assert metronome.statistics().skipped == 0


async def test_without_members_it_waits_for_no_time(nursery, autojump_clock):
    metronome, member = Metronome(), Recorder()
    await nursery.start(metronome.run)
    await wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf
    metronome.join(member)
    await trio.sleep(0.05)
    assert len(member.ticks) == 2
    metronome.leave(member)
    await trio.sleep(1)
    assert metronome.statistics().ticks == len(member.ticks) == 2
    assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf
    metronome.join(member)
    await trio.sleep(0.05)
    assert len(member.ticks) == 4


async def test_when_late_it_skips_and_returns_to_the_grid(nursery, mock_clock):
    metronome, member = Metronome(0.02), Recorder()
    metronome.join(member)
    await nursery.start(metronome.run)
    await wait_all_tasks_blocked()
    mock_clock.jump(0.065)
    await wait_all_tasks_blocked()
    assert len(member.ticks) == 1
    mock_clock.jump(0.014)
    await wait_all_tasks_blocked()
    assert len(member.ticks) == 1
    mock_clock.jump(0.002)
    await wait_all_tasks_blocked()
    assert member.ticks == pytest.approx([0.065, 0.081])
    figures = metronome.statistics()
    assert (figures.ticks, figures.skipped) == (2, 2)
    assert figures.worst == pytest.approx(0.045)
    assert figures.last == pytest.approx(0.001)


async def test_a_little_late_skips_nothing(nursery, mock_clock):
    metronome, member = Metronome(0.02), Recorder()
    metronome.join(member)
    await nursery.start(metronome.run)
    await wait_all_tasks_blocked()
    mock_clock.jump(0.0005)
    for _ in range(10):
        mock_clock.jump(0.035)
        await wait_all_tasks_blocked()
        mock_clock.jump(0.005)
        await wait_all_tasks_blocked()
    assert len(member.ticks) == 20
    assert metronome.statistics().skipped == 0


async def test_a_tick_that_takes_periods_is_followed_by_one_tick_and_no_burst(nursery, mock_clock):
    metronome = Metronome(0.02)
    slow = Doing(lambda: mock_clock.jump(0.09) if len(slow.ticks) == 1 else None)
    metronome.join(slow)
    await nursery.start(metronome.run)
    await wait_all_tasks_blocked()
    mock_clock.jump(0.02)
    await wait_all_tasks_blocked()
    assert slow.ticks == pytest.approx([0.02, 0.11])
    assert metronome.statistics().skipped == 3


async def test_a_member_that_fails_is_taken_out_and_told_and_the_others_keep_their_beat(nursery, autojump_clock):
    metronome, before, bad, after = Metronome(), Recorder(), Doing(failing), Recorder()
    for member in (before, bad, after):
        metronome.join(member)
    nursery.start_soon(metronome.run)
    await trio.sleep(0.11)
    assert [len(member.ticks) for member in (before, bad, after)] == [5, 1, 5]
    assert [str(error) for error in bad.failures] == ["a bug in one call"]
    assert before.failures == after.failures == []
    figures = metronome.statistics()
    assert (figures.members, figures.failed) == (2, 1)


async def test_a_member_that_can_not_even_be_told_is_logged(nursery, autojump_clock, caplog):
    class Hopeless(Doing):
        def fail(self, error):
            raise RuntimeError("not even that")

    metronome, other = Metronome(), Recorder()
    metronome.join(Hopeless(failing))
    metronome.join(other)
    nursery.start_soon(metronome.run)
    await trio.sleep(0.05)
    assert len(other.ticks) == 2
    assert "not even that" in caplog.text


async def test_a_member_that_left_during_a_tick_is_not_ticked_any_more(nursery, autojump_clock):
    metronome, last = Metronome(), Recorder()
    first = Doing(lambda: metronome.leave(last))
    metronome.join(first)
    metronome.join(last)
    nursery.start_soon(metronome.run)
    await trio.sleep(0.05)
    assert (len(first.ticks), last.ticks) == (2, [])


async def test_leaving_in_its_own_tick_harms_nobody(nursery, autojump_clock):
    metronome, other = Metronome(), Recorder()
    leaver = Doing(lambda: metronome.leave(leaver))
    metronome.join(leaver)
    metronome.join(other)
    nursery.start_soon(metronome.run)
    await trio.sleep(0.07)
    assert (len(leaver.ticks), len(other.ticks)) == (1, 3)


async def test_who_joins_during_a_tick_is_ticked_from_the_next_one_on(nursery, autojump_clock):
    metronome, late = Metronome(), Recorder()
    host = Doing(lambda: metronome.join(late))
    metronome.join(host)
    nursery.start_soon(metronome.run)
    await trio.sleep(0.07)
    assert late.ticks == host.ticks[1:]


async def test_members_are_told_apart_by_identity_and_join_once():
    metronome, one, equal = Metronome(), Recorder(), Recorder()
    assert one == equal
    for member in (one, equal, one):
        metronome.join(member)
    metronome.beat(1.0)
    assert one.ticks == equal.ticks == [1.0]
    metronome.leave(one)
    metronome.leave(one)
    metronome.beat(2.0)
    assert (one.ticks, equal.ticks) == ([1.0], [1.0, 2.0])


async def test_there_is_one_beat_at_a_time_and_it_can_be_taken_up_again(autojump_clock):
    metronome, member = Metronome(), Recorder()
    metronome.join(member)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(metronome.run)
            with pytest.raises(RuntimeError, match="running already"):
                await metronome.run()
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    assert len(member.ticks) == 4


async def test_statistics_are_of_the_last_window_but_the_worst_is_of_all_time(nursery, mock_clock):
    metronome = Metronome(0.02)
    assert metronome.statistics().p99 == 0.0
    metronome.join(Recorder())
    await nursery.start(metronome.run)
    await wait_all_tasks_blocked()
    mock_clock.jump(0.035)
    await wait_all_tasks_blocked()
    assert metronome.statistics().p99 == pytest.approx(0.015)
    mock_clock.jump(0.0055)
    await wait_all_tasks_blocked()
    for _ in range(WINDOW):
        mock_clock.jump(0.02)
        await wait_all_tasks_blocked()
    figures = metronome.statistics()
    assert figures.median == pytest.approx(0.0005)
    assert figures.p99 == pytest.approx(0.0005)
    assert figures.worst == pytest.approx(0.015)


async def test_lateness_and_skipped_beats_raise_the_gauge_and_punctual_ones_lower_it(nursery, autojump_clock):
    saturation, busy = Saturation(0.01), Doing(lambda: autojump_clock.jump(took))
    metronome, took = Metronome(0.02, saturation=saturation), 0.001
    metronome.join(busy)
    await nursery.start(metronome.run)
    await trio.sleep(2)
    assert not saturation.saturated
    took = 0.035
    await trio.sleep(1)
    assert saturation.saturated
    assert metronome.statistics().skipped > 0
    took = 0.001
    await trio.sleep(3)
    assert not saturation.saturated


async def test_one_pause_does_not_raise_the_gauge(nursery, autojump_clock):
    saturation, busy = Saturation(0.01), Doing(lambda: autojump_clock.jump(took))
    metronome, took = Metronome(0.02, saturation=saturation), 0.0
    metronome.join(busy)
    await nursery.start(metronome.run)
    for _ in range(5):
        await trio.sleep(1)
        autojump_clock.jump(0.3)
    assert metronome.statistics().worst > 0.25
    assert saturation.times == 0


async def test_with_the_last_member_goes_what_the_gauge_remembers(nursery, autojump_clock):
    saturation, busy = Saturation(0.01), Doing(lambda: autojump_clock.jump(0.05))
    metronome = Metronome(0.02, saturation=saturation)
    metronome.join(busy)
    await nursery.start(metronome.run)
    await trio.sleep(2)
    assert saturation.saturated
    metronome.leave(busy)
    await trio.sleep(0.1)
    assert not saturation.saturated, "nobody would be there to say that it is over"


@pytest.mark.parametrize("members", [1, GROUP, GROUP + 1, 3 * GROUP - 1])
async def test_under_a_watch_every_member_is_ticked_once_too_and_failures_are_its_own(members):
    metronome = Metronome(watch=Watch(0.05))
    crowd = [Doing(failing) if number == 7 else Recorder() for number in range(members)]
    for member in crowd:
        metronome.join(member)
    metronome.beat(1.0)
    metronome.beat(2.0)
    for member in crowd:
        assert member.ticks == ([1.0] if member.failures else [1.0, 2.0])
    assert metronome.statistics().failed == (members > 7)


async def test_under_a_watch_too_who_left_during_a_tick_is_not_ticked_any_more():
    metronome, last = Metronome(watch=Watch(0.05)), Recorder()
    metronome.join(Doing(lambda: metronome.leave(last)))
    for _ in range(2 * GROUP):
        metronome.join(Recorder())
    metronome.join(last)
    metronome.beat(1.0)
    assert last.ticks == []


@pytest.mark.parametrize("period", [0, -1, math.nan])
def test_a_period_that_is_none_is_refused(period):
    with pytest.raises(ValueError, match="period"):
        Metronome(period)
