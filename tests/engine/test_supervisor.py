"""The supervisor: a matrix of restart class, ending and significance, then order, readiness, budget and remains."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from parlance.engine.child import Budget, Child, Restart
from parlance.engine.errors import Exhausted, Rejected
from parlance.engine.supervisor import Supervisor


class Boom(Exception):
    """What a child raises here."""


class Log(list):
    """Reports as `name what`."""

    def __call__(self, report):
        self.append(f"{report.child.name} {report.what}")

    def of(self, name):
        return [line.split()[1] for line in self if line.startswith(f"{name} ")]


async def steady(*, task_status):
    task_status.started()
    await trio.sleep_forever()


def lives(*acts):
    """A child's `run` that does something else in each life; the last one again and again."""
    remaining = list(acts)

    async def run(*, task_status):
        act = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        await act(task_status=task_status)

    return run


async def returns(*, task_status):
    task_status.started()
    await trio.sleep(1)


async def raises(*, task_status):
    task_status.started()
    await trio.sleep(1)
    raise Boom("after a while")


async def raises_before_started(*, task_status):
    await trio.sleep(1)
    raise Boom("before it was ready")


async def ignores_cancellation(*, task_status):
    task_status.started()
    with trio.CancelScope(shield=True):
        await trio.sleep(6)


async def raises_during_stop(*, task_status):
    task_status.started()
    try:
        await trio.sleep_forever()
    finally:
        raise Boom("while stopping")


def living(supervisor):
    return supervisor.statistics().living


# --------------------------------------------------------------------------------------------- the matrix

ENDINGS = {
    "returns": returns,
    "raises": raises,
    "raises-before-started": raises_before_started,
    "cancelled-from-outside": steady,
    "overruns-its-grace": ignores_cancellation,
    "raises-during-stop": raises_during_stop,
}

STOPPED = ["started", "stopped"]
"""What the second life of a child that was started again looks like, and a first one that was left alone."""

# (ending, restart class) -> reports on the child, and how a supervisor of a significant one ends.
# "runs on" until it is cancelled from outside.
P, TR, TE = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY
MATRIX = {
    ("returns", P): (["started", "returned", "restarted", *STOPPED], "runs on"),
    ("returns", TR): (["started", "returned"], "returns"),
    ("returns", TE): (["started", "returned"], "returns"),
    ("raises", P): (["started", "failed", "restarted", *STOPPED], "runs on"),
    ("raises", TR): (["started", "failed", "restarted", *STOPPED], "runs on"),
    ("raises", TE): (["started", "failed"], "raises"),
    ("raises-before-started", P): (["failed", "restarted", *STOPPED], "runs on"),
    ("raises-before-started", TR): (["failed", "restarted", *STOPPED], "runs on"),
    ("raises-before-started", TE): (["failed"], "raises"),
    ("cancelled-from-outside", P): (STOPPED, "runs on"),
    ("cancelled-from-outside", TR): (STOPPED, "runs on"),
    ("cancelled-from-outside", TE): (STOPPED, "runs on"),
    ("overruns-its-grace", P): (["started", "overran", "stopped"], "runs on"),
    ("overruns-its-grace", TR): (["started", "overran", "stopped"], "runs on"),
    ("overruns-its-grace", TE): (["started", "overran", "stopped"], "runs on"),
    ("raises-during-stop", P): (["started", "failed"], "runs on"),
    ("raises-during-stop", TR): (["started", "failed"], "runs on"),
    ("raises-during-stop", TE): (["started", "failed"], "runs on"),
}


@pytest.mark.parametrize("significant", [False, True], ids=["ordinary", "significant"])
@pytest.mark.parametrize(("ending", "restart"), MATRIX, ids=[f"{restart.value}-{ending}" for ending, restart in MATRIX])
async def test_ending(ending, restart, significant, autojump_clock):
    log = Log()
    subject = Child("subject", lives(ENDINGS[ending], steady), restart, significant=significant)
    supervisor = Supervisor([Child("first", steady), subject, Child("last", steady)], report=log)
    reports, significantly = MATRIX[ending, restart]
    outcome = "runs on"
    before = trio.lowlevel.current_statistics().tasks_living
    with trio.move_on_after(3):
        try:
            await supervisor.run()
        except Boom:
            outcome = "raises"
        else:
            outcome = "returns"
    assert log.of("subject") == reports
    assert outcome == (significantly if significant else "runs on")
    assert log.of("first") == log.of("last") == STOPPED
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert living(supervisor) == ()


async def test_a_significant_child_that_ends_stops_the_others_in_reverse_order(autojump_clock):
    log = Log()
    children = [Child("a", steady), Child("media", returns, TE, significant=True), Child("b", steady)]
    await Supervisor(children, report=log).run()
    assert log[-3:] == ["media returned", "b stopped", "a stopped"]
    assert trio.current_time() == 1


# ------------------------------------------------------------------------------------------ start and stop


def ready_after(seconds, log=None, name=""):
    async def run(*, task_status):
        if log is not None:
            log.append(f"{name} begins {trio.current_time():g}")
        await trio.sleep(seconds)
        task_status.started()
        await trio.sleep_forever()

    return run


async def test_children_start_side_by_side_and_readiness_is_of_all(nursery, autojump_clock):
    supervisor = Supervisor([Child(str(n), ready_after(n)) for n in (3, 1, 2)])
    await nursery.start(supervisor.run)
    assert trio.current_time() == 3
    assert supervisor.statistics().ready == 3
    nursery.cancel_scope.cancel()


async def test_ordered_children_start_each_when_the_one_before_is_ready(nursery, autojump_clock):
    log = []
    children = [Child(str(n), ready_after(n, log, n)) for n in (3, 1, 2)]
    await nursery.start(Supervisor(children, ordered=True).run)
    assert log == ["3 begins 0", "1 begins 3", "2 begins 4"]
    assert trio.current_time() == 6
    nursery.cancel_scope.cancel()


async def test_a_child_that_fails_before_it_is_ready_is_waited_for_in_its_next_life(nursery, autojump_clock):
    child = Child("slow", lives(raises_before_started, ready_after(5)))
    await nursery.start(Supervisor([child]).run)
    assert trio.current_time() == 6
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ordered", [False, True])
async def test_nobody_waits_for_the_readiness_of_a_child_that_is_down_for_good(ordered, nursery, autojump_clock):
    children = [Child("down", raises_before_started, TE), Child("up", steady)]
    with trio.fail_after(5):
        await nursery.start(Supervisor(children, ordered=ordered).run)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("children", [[], [Child("a", returns), Child("b", raises_before_started, TE)]])
async def test_it_returns_when_every_child_has_ended_and_was_ready_before(children, autojump_clock):
    supervisor = Supervisor(children)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
    assert living(supervisor) == ()


async def test_a_child_that_ends_without_being_ready_has_simply_ended(autojump_clock):
    async def run(*, task_status):
        await trio.sleep(1)

    log = Log()
    await Supervisor([Child("quiet", run)], report=log).run()
    assert log == ["quiet returned"]


async def test_children_stop_in_reverse_order_each_after_the_one_before_it_is_gone(autojump_clock):
    log = []

    def leaving(name):
        async def run(*, task_status):
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                log.append(f"{name} told {trio.current_time():g}")
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.5)
                log.append(f"{name} gone {trio.current_time():g}")

        return run

    with trio.move_on_after(10):
        await Supervisor([Child(name, leaving(name)) for name in "abc"]).run()
    assert log == ["c told 10", "c gone 10.5", "b told 10.5", "b gone 11", "a told 11", "a gone 11.5"]


async def test_who_overruns_its_grace_keeps_nobody_from_being_stopped_but_is_waited_for(autojump_clock):
    log, times = Log(), {}

    def report(report):
        log(report)
        times[log[-1]] = trio.current_time()

    children = [Child("a", steady), Child("stubborn", ignores_cancellation, grace=0.5), Child("b", steady)]
    supervisor = Supervisor(children, report=report)
    with trio.move_on_after(2):
        await supervisor.run()
    assert log[-4:] == ["b stopped", "stubborn overran", "a stopped", "stubborn stopped"]
    assert times["stubborn overran"] == times["a stopped"] == 2.5
    assert trio.current_time() == 6
    assert supervisor.statistics().overran == 1


async def test_cancelled_while_starting_it_stops_what_has_begun(autojump_clock):
    log = Log()
    children = [Child("up", steady), Child("slow", ready_after(100)), Child("later", steady)]
    supervisor = Supervisor(children, report=log, ordered=True)
    with trio.move_on_after(1) as scope:
        await supervisor.run()
    assert scope.cancelled_caught
    assert living(supervisor) == ()
    assert log == ["up started", "slow stopped", "up stopped"]


async def test_cancelled_before_it_begins_no_child_begins():
    log = []
    for _ in range(20):
        with trio.CancelScope() as scope:
            scope.cancel()
            await Supervisor([Child("a", ready_after(0, log, "a"))]).run()
        assert scope.cancelled_caught
    assert log == []


async def test_a_child_that_fails_while_others_stop_is_not_started_again(autojump_clock):
    async def fails_at_3(*, task_status):
        task_status.started()
        await trio.sleep_until(3)
        raise Boom

    log, told = Log(), []
    children = [Child("feeble", fails_at_3), Child("stubborn", ignores_cancellation, grace=5)]
    with trio.move_on_after(1):
        await Supervisor(children, Budget(0, 1), report=log, exhausted=lambda *told_of: told.append(told_of)).run()
    assert log.of("feeble") == ["started", "failed"]
    assert told == []


@pytest.mark.parametrize("significant", [False, True])
async def test_ended_before_all_were_ready_it_still_counts_as_started(significant, nursery, autojump_clock):
    children = [Child("quick", returns, significant=significant), Child("slow", ready_after(100))]
    supervisor = Supervisor(children)
    if not significant:

        async def stop():
            await trio.sleep(1)
            supervisor.stop()

        nursery.start_soon(stop)
    await nursery.start(supervisor.run)
    assert trio.current_time() == 1
    assert living(supervisor) == ()


async def test_no_child_begins_after_a_significant_one_has_ended(nursery):
    """In whichever order the scheduler takes them: it is a random one."""
    for _ in range(30):
        order = []

        async def over(*, task_status, order=order):
            order.append("over")

        async def begins(*, task_status, order=order):
            order.append("begins")
            await steady(task_status=task_status)

        siblings = [Child(str(n), begins) for n in range(10)]
        await Supervisor([*siblings, Child("over", over, TE, significant=True)]).run()
        assert order[-1] == "over"


async def test_stop_ends_it_in_good_order_and_it_may_run_again(nursery):
    log = Log()
    supervisor = Supervisor([Child("a", steady), Child("b", steady)], report=log)
    for _ in range(2):
        supervisor.stop()
        del log[:]
        async with trio.open_nursery() as inner:
            await inner.start(supervisor.run)
            with pytest.raises(RuntimeError, match="running already"):
                await supervisor.run()
            assert living(supervisor) == ("a", "b")
            supervisor.stop()
        assert log[-2:] == ["b stopped", "a stopped"]


# ------------------------------------------------------------------------------------------------- budget


def failing_at(*times):
    """Fails at these times of the clock, one a life, and is steady after the last."""
    remaining = list(times)

    async def run(*, task_status):
        task_status.started()
        await trio.sleep_until(remaining.pop(0) if remaining else float("inf"))
        raise Boom(f"at {trio.current_time():g}")

    return run


async def test_the_budget_is_a_sliding_window(autojump_clock):
    log = Log()
    child = Child("a", failing_at(1, 5, 9, 11, 15, 16))
    with pytest.raises(Exhausted, match=r"a failed \(Boom: at 16\)") as caught:
        await Supervisor([child], Budget(3, 10), report=log).run()
    # At 11 the restart of 1 is no longer counted, at 15 not that of 5; at 16 those of 9, 11 and 15 are.
    assert log.count("a restarted") == 5
    assert log[-2:] == ["a failed", "a exhausted"]
    assert isinstance(caught.value.__cause__, Boom)


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.PERMANENT])
async def test_what_another_try_cannot_mend_is_not_tried_again(restart, autojump_clock):
    async def refused(*, task_status):
        async with trio.open_nursery():
            raise Rejected("ear", "401 wrong key")

    log, told = Log(), []
    children = [Child("a", refused, restart), Child("b", ready_after(1))]
    with trio.move_on_after(5):
        await Supervisor(children, report=log, exhausted=lambda child, error: told.append(child.name)).run()
    assert log.of("a") == ["failed", "exhausted"]
    assert log.of("b") == ["started", "stopped"]
    assert told == ["a"]
    with pytest.raises(Exhausted, match=r"a failed .*, and another try cannot help"):
        await Supervisor(children).run()


async def test_one_budget_for_all_children(autojump_clock):
    log = Log()
    children = [Child("a", failing_at(1, 3)), Child("b", failing_at(2, 4)), Child("c", steady)]
    with pytest.raises(Exhausted, match="b failed"):
        await Supervisor(children, Budget(3, 10), report=log).run()
    assert log[-4:] == ["b failed", "b exhausted", "c stopped", "a stopped"]


async def test_a_restart_takes_no_time(autojump_clock):
    log = []
    child = Child("a", lives(raises, ready_after(0, log, "second")))
    with trio.move_on_after(5):
        await Supervisor([child]).run()
    assert log == ["second begins 1"]


async def test_with_a_callback_the_exhausted_child_stays_down_and_the_others_go_on(autojump_clock):
    log, told = Log(), []

    def exhausted(child, error):
        told.append((child.name, str(error), trio.current_time()))

    children = [Child("a", failing_at(1, 2)), Child("b", failing_at(3)), Child("c", steady)]
    supervisor = Supervisor(children, Budget(1, 100), report=log, exhausted=exhausted)
    with trio.move_on_after(10):
        await supervisor.run()
    assert told == [("a", "at 2", 2), ("b", "at 3", 3)]
    assert log.of("a") == ["started", "failed", "restarted", "started", "failed", "exhausted"]
    assert log.of("b") == ["started", "failed", "exhausted"]
    assert log.of("c") == STOPPED
    assert supervisor.statistics().exhausted == 2
    assert trio.current_time() == 10


async def test_an_exhausted_child_may_be_the_last_and_a_spent_budget_recovers(autojump_clock):
    told = []
    children = [Child("a", failing_at(1, 2)), Child("b", failing_at(20))]
    with trio.move_on_after(30) as scope:
        await Supervisor(children, Budget(1, 10), exhausted=lambda child, _: told.append(child.name)).run()
    assert scope.cancelled_caught
    assert told == ["a"]


async def test_a_significant_child_past_the_budget_ends_the_supervisor_with_its_own_error(autojump_clock):
    told = []
    children = [Child("a", steady), Child("b", raises, significant=True)]
    with pytest.raises(Boom):
        await Supervisor(children, Budget(0, 1), exhausted=lambda child, _: told.append(child.name)).run()
    assert told == ["b"]


async def test_the_callback_may_stop_the_supervisor_and_that_is_then_the_reason(autojump_clock):
    children = [Child("a", steady), Child("b", raises, significant=True)]
    supervisor = Supervisor(children, Budget(0, 1), exhausted=lambda child, error: supervisor.stop())
    await supervisor.run()
    assert trio.current_time() == 1


async def test_without_a_callback_a_significant_child_past_the_budget_is_exhausted_like_any_other(autojump_clock):
    with pytest.raises(Exhausted):
        await Supervisor([Child("b", raises, significant=True)], Budget(0, 1)).run()


async def test_a_permanent_child_that_returns_at_once_spends_the_budget_and_starves_nobody(autojump_clock):
    passes = []

    async def nothing(*, task_status):
        task_status.started()

    async def busy(*, task_status):
        task_status.started()
        while True:
            await trio.lowlevel.checkpoint()
            passes.append(None)

    with pytest.raises(Exhausted, match="hasty returned") as caught:
        await Supervisor([Child("busy", busy), Child("hasty", nothing, P)], Budget(1000, 10)).run()
    assert caught.value.__cause__ is None
    assert len(passes) > 900


async def test_statistics_say_what_is_left_of_the_budget(nursery, autojump_clock):
    supervisor = Supervisor([Child("a", failing_at(1)), Child("b", returns)], Budget(3, 10))
    await nursery.start(supervisor.run)
    await trio.sleep(2)
    figures = supervisor.statistics()
    assert (figures.living, figures.ready, figures.restarts, figures.failures) == (("a",), 1, 1, 1)
    assert figures.spare == 2
    await trio.sleep(10)
    assert supervisor.statistics().spare == 3
    nursery.cancel_scope.cancel()


# -------------------------------------------------------------------------------------------- errors, remains


async def test_a_group_of_errors_is_a_failure_like_any_other(autojump_clock):
    async def group(*, task_status):
        task_status.started()
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)
            await trio.sleep(1)
            raise Boom

    errors = []
    child = Child("a", lives(group, steady))
    with trio.move_on_after(2):
        await Supervisor([child], report=lambda report: errors.append(report.error)).run()
    (error,) = filter(None, errors)
    assert isinstance(error, ExceptionGroup)
    assert isinstance(error.exceptions[0], Boom)


async def test_what_a_child_raised_on_being_stopped_is_reported_without_the_cancellation(autojump_clock):
    async def messy(*, task_status):
        async with trio.open_nursery() as inner:
            await inner.start(raises_during_stop)
            inner.start_soon(trio.sleep_forever)
            task_status.started()

    errors = []
    with trio.move_on_after(1):
        await Supervisor([Child("a", messy)], report=lambda report: errors.append(report.error)).run()
    (error,) = filter(None, errors)
    assert isinstance(error, ExceptionGroup)
    assert [type(each) for each in error.exceptions] == [Boom]


async def test_what_is_no_exception_of_a_child_goes_through_after_the_others_have_stopped(autojump_clock):
    class PowerCut(BaseException):
        pass

    async def cut(*, task_status):
        await trio.sleep(1)
        raise PowerCut

    log = Log()
    with pytest.raises(BaseExceptionGroup) as caught:
        await Supervisor([Child("a", steady), Child("b", cut, P), Child("c", steady)], report=log).run()
    assert caught.group_contains(PowerCut)
    assert log[-2:] == ["c stopped", "a stopped"]
    assert "b restarted" not in log


async def test_started_twice_in_one_life_is_a_failure(autojump_clock):
    async def twice(*, task_status):
        task_status.started()
        task_status.started()

    with pytest.raises(RuntimeError, match="twice"):
        await Supervisor([Child("a", twice, TE, significant=True)]).run()


async def test_a_supervisor_can_be_the_child_of_another(nursery, autojump_clock):
    inner = Supervisor([Child("leaf", failing_at(1, 2, 3))], Budget(1, 10))
    log = Log()
    with trio.move_on_after(20):
        await Supervisor([Child("inner", inner.run)], report=log).run()
    # Its budget spent at 2, it fails upward; in its next life it has a new one, which lasts for the failure at 3.
    assert log == ["inner started", "inner failed", "inner restarted", "inner started", "inner stopped"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Child("a", steady, grace=float("inf")), "grace"),
        (lambda: Child("a", steady, grace=-1), "grace"),
        (lambda: Budget(-1, 10), "budget"),
        (lambda: Budget(1, 0), "budget"),
        (lambda: Supervisor([Child("a", steady), Child("a", steady)]), "different names"),
    ],
)
def test_what_can_not_be_supervised_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


async def test_nothing_survives_a_thousand_supervisors(autojump_clock):
    before = trio.lowlevel.current_statistics().tasks_living
    endings = [returns, raises, raises_before_started, steady, raises_during_stop]
    for round in range(1000):
        children = [Child(str(n), endings[(round + n) % 5], list(Restart)[(round // 5) % 3]) for n in range(4)]
        supervisor = Supervisor(children, Budget(2, 10), exhausted=lambda child, error: None)
        with trio.move_on_after(1 + round % 3):
            await supervisor.run()
        assert living(supervisor) == ()
    await wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().tasks_living == before
