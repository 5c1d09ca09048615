"""The exchange: capacity that is never exceeded and always comes back, calls that outlive nobody, draining."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from parlance.engine.agent import Agent, Limits
from parlance.engine.errors import Refused
from parlance.engine.exchange import Drained, Exchange

RECEPTION = Agent(name="reception", limits=Limits(calls=1000))
SALES = Agent(name="sales", limits=Limits(calls=2))


class FakeCall:
    """Lasts `seconds`, or until `closing` seconds after it was asked to end; takes `leaving` to be gone."""

    def __init__(self, id, seconds=float("inf"), *, agent="reception", closing=0.0, leaving=0.0, error=None):
        self.id = id
        self.agent = agent
        self.asked = []
        self.began = self.cancelled = False
        self._seconds, self._closing, self._leaving, self._error = seconds, closing, leaving, error
        self._scope = trio.CancelScope()

    async def run(self, *, task_status=trio.TASK_STATUS_IGNORED):
        self.began = True
        self._scope.deadline = trio.current_time() + self._seconds
        try:
            with self._scope:
                await trio.sleep_forever()
        except trio.Cancelled:
            self.cancelled = True
            raise
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self._leaving)
        if self._error is not None:
            raise self._error

    def drain(self):
        self.asked.append("drain")
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._closing)


@pytest.fixture
def crashes():
    return []


@pytest.fixture
async def exchange(nursery, crashes):
    exchange = Exchange(4, crashed=lambda call, error: crashes.append((call.id, error)))
    await nursery.start(exchange.run)
    return exchange


def place(nursery, exchange, *calls, agent=RECEPTION):
    for call in calls:
        nursery.start_soon(exchange.place, exchange.admit(agent), call)


def refused_with(exchange, agent=RECEPTION):
    with pytest.raises(Refused) as caught:
        exchange.admit(agent)
    return caught.value.reason, caught.value.code


# ----------------------------------------------------------------------------------------------- capacity


async def test_beyond_the_total_a_call_is_refused_and_counted(exchange):
    seats = [exchange.admit(RECEPTION) for _ in range(4)]
    assert refused_with(exchange) == ("full", 1013)
    seats[0].release()
    exchange.admit(RECEPTION)
    assert refused_with(exchange) == ("full", 1013)
    figures = exchange.statistics()
    assert figures.refused == {"full": 2}
    assert (figures.admitted, figures.seats, figures.peak) == (5, 4, 4)


async def test_beyond_an_agents_limit_only_that_agent_refuses(exchange):
    for _ in range(2):
        exchange.admit(SALES)
    assert refused_with(exchange, SALES) == ("agent-full", 1013)
    exchange.admit(RECEPTION)
    assert exchange.statistics().agents == {"sales": 2, "reception": 1}


async def test_a_seat_is_given_back_exactly_once(exchange):
    with exchange.admit(RECEPTION) as seat:
        other = exchange.admit(RECEPTION)
        seat.release()
        seat.release()
    assert not seat.held
    assert exchange.statistics().seats == 1
    other.release()
    assert exchange.statistics().seats == 0
    assert exchange.statistics().agents == {}


async def test_a_seat_is_given_back_when_answering_fails(exchange):
    with pytest.raises(OSError, match="handshake"), exchange.admit(RECEPTION):
        raise OSError("handshake failed")
    assert exchange.statistics().seats == 0


async def test_a_rush_of_calls_never_exceeds_the_total(exchange, autojump_clock):
    seen, refused = [], []

    async def caller(number):
        await trio.sleep(number % 3)
        try:
            seat = exchange.admit(RECEPTION)
        except Refused:
            refused.append(number)
            return
        with seat:
            await trio.lowlevel.checkpoint()
            await exchange.place(seat, FakeCall(str(number), 0.5))
            seen.append(exchange.statistics().seats)

    async with trio.open_nursery() as rush:
        for number in range(300):
            rush.start_soon(caller, number)
    figures = exchange.statistics()
    assert figures.peak == 4
    assert max(seen) <= 4
    assert figures.admitted == len(seen) == 12
    assert figures.refused == {"full": len(refused)} == {"full": 288}
    assert (figures.seats, figures.calls) == (0, 0)


# ------------------------------------------------------------------------------------------- calls on the line


async def test_a_call_is_found_by_its_id_while_it_is_on_the_line(exchange, nursery, autojump_clock):
    call = FakeCall("a", 5)
    place(nursery, exchange, call)
    await trio.sleep(1)
    assert exchange.get("a") is call
    assert dict(exchange.calls) == {"a": call}
    await trio.sleep(5)
    assert exchange.get("a") is None
    assert exchange.statistics().seats == 0


async def test_place_waits_for_the_calls_end(exchange, autojump_clock):
    start = trio.current_time()
    await exchange.place(exchange.admit(RECEPTION), FakeCall("a", 7))
    assert trio.current_time() - start == 7


async def test_a_call_that_crashes_takes_nobody_with_it(exchange, nursery, crashes, autojump_clock):
    error = ValueError("a bug")
    other = FakeCall("other", 10)
    place(nursery, exchange, other)
    await exchange.place(exchange.admit(RECEPTION), FakeCall("bad", 1, error=error))
    assert crashes == [("bad", error)]
    assert list(exchange.calls) == ["other"]
    figures = exchange.statistics()
    assert (figures.seats, figures.crashed) == (1, 1)
    await exchange.place(exchange.admit(RECEPTION), FakeCall("next", 1))
    assert not other.cancelled


async def test_a_cancelled_waiter_cancels_its_call_and_waits_for_it(exchange, autojump_clock):
    call = FakeCall("a", leaving=2)
    with trio.move_on_after(1) as scope:
        await exchange.place(exchange.admit(RECEPTION), call)
    assert scope.cancelled_caught
    assert call.cancelled
    assert trio.current_time() == 3
    assert exchange.statistics().seats == 0


async def test_a_cancelled_waiter_is_patient_but_not_for_ever_and_the_seat_stays_taken(exchange, autojump_clock):
    call = FakeCall("a", leaving=60)
    with trio.move_on_after(1), exchange.admit(RECEPTION) as seat:
        await exchange.place(seat, call)
    assert trio.current_time() == 6
    assert exchange.statistics().seats == exchange.statistics().calls == 1
    await trio.sleep(60)
    assert exchange.statistics().seats == exchange.statistics().calls == 0


async def test_a_waiter_that_is_cancelled_already_places_nothing(exchange):
    call = FakeCall("a")
    with trio.CancelScope() as scope, exchange.admit(RECEPTION) as seat:
        scope.cancel()
        await exchange.place(seat, call)
    await wait_all_tasks_blocked()
    assert exchange.statistics().seats == 0
    assert not call.began


async def test_a_call_belongs_to_the_exchange_and_not_to_whom_placed_it(exchange, crashes, autojump_clock):
    """An error beside the waiter cancels it; the call has its time to leave, and its own error arrives."""
    call = FakeCall("a", leaving=2)

    async def connection():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.place, exchange.admit(RECEPTION), call)
            await trio.sleep(1)
            raise OSError("socket gone")

    with pytest.raises(ExceptionGroup) as caught:
        await connection()
    assert caught.group_contains(OSError)
    assert (call.cancelled, crashes, trio.current_time()) == (True, [], 3)


async def test_two_calls_can_not_share_an_id_a_seat_or_another_agents_seat(exchange, nursery, autojump_clock):
    seat = exchange.admit(RECEPTION)
    nursery.start_soon(exchange.place, seat, FakeCall("a", 5))
    await wait_all_tasks_blocked()
    with pytest.raises(ValueError, match="one seat for one call"):
        await exchange.place(seat, FakeCall("b"))
    with exchange.admit(RECEPTION) as other:
        with pytest.raises(ValueError, match="on the line already"):
            await exchange.place(other, FakeCall("a"))
        with pytest.raises(ValueError, match="for agent sales"):
            await exchange.place(other, FakeCall("c", agent="sales"))
    with pytest.raises(ValueError, match="one seat for one call"):
        await exchange.place(other, FakeCall("d"))
    assert list(exchange.calls) == ["a"]
    assert exchange.statistics().seats == 1


async def test_a_seat_in_use_can_not_be_given_back_by_its_holder(exchange, nursery, autojump_clock):
    seat = exchange.admit(RECEPTION)
    nursery.start_soon(exchange.place, seat, FakeCall("a", 5))
    await trio.sleep(1)
    seat.release()
    assert seat.held
    await trio.sleep(5)
    assert not seat.held


async def test_when_the_exchange_is_cancelled_its_calls_are_and_errors_of_theirs_stay_theirs(autojump_clock):
    crashes = []
    exchange = Exchange(4, crashed=lambda call, error: crashes.append((call.id, error)))

    class Messy(FakeCall):
        async def run(self, *, task_status=trio.TASK_STATUS_IGNORED):
            async with trio.open_nursery() as inner:
                inner.start_soon(trio.sleep_forever)
                try:
                    await trio.sleep_forever()
                finally:
                    raise ValueError("while leaving")

    good, messy = FakeCall("good", leaving=1), Messy("messy")
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as nursery:
            await nursery.start(exchange.run)
            place(connections, exchange, good, messy)
            await trio.sleep(1)
            seat = exchange.admit(RECEPTION)
            nursery.cancel_scope.cancel()
        assert good.cancelled
        assert not exchange.calls
    ((id, error),) = crashes
    assert id == "messy"
    assert [type(each) for each in error.exceptions] == [ValueError]
    assert refused_with(exchange) == ("draining", 1012)
    with pytest.raises(Refused):
        await exchange.place(seat, FakeCall("late"))
    assert exchange.statistics().seats == 0
    with pytest.raises(RuntimeError, match="make a new one"):
        await exchange.run()


async def test_no_call_is_placed_before_the_exchange_runs():
    exchange = Exchange(1, crashed=lambda call, error: None)
    with exchange.admit(RECEPTION) as seat:
        with pytest.raises(RuntimeError, match="before the exchange runs"):
            await exchange.place(seat, FakeCall("a"))
    assert exchange.statistics().seats == 0


def test_an_exchange_for_no_call_is_refused():
    with pytest.raises(ValueError, match="total is 0"):
        Exchange(0, crashed=lambda call, error: None)


# ----------------------------------------------------------------------------------------------- draining


async def test_an_empty_house_is_drained_at_once_and_takes_no_more(exchange, autojump_clock):
    start = trio.current_time()
    assert await exchange.drain(100) == Drained(0, 0, 0, 0)
    assert trio.current_time() == start
    assert refused_with(exchange) == ("draining", 1012)
    assert exchange.statistics().draining
    assert exchange.statistics().refused == {"draining": 1}


async def test_draining_waits_for_calls_that_end_by_themselves(exchange, nursery, autojump_clock):
    calls = [FakeCall("a", 3), FakeCall("b", 8), FakeCall("over", 0.5)]
    place(nursery, exchange, *calls)
    await trio.sleep(1)
    assert await exchange.drain(30) == Drained(ended=2, closed=0, cancelled=0, living=0)
    assert trio.current_time() == 8
    assert [call.asked for call in calls] == [[], [], []]


async def test_past_the_limit_the_calls_that_are_left_are_asked_to_end(exchange, nursery, autojump_clock):
    short, long = FakeCall("short", 3), FakeCall("long", closing=2)
    place(nursery, exchange, short, long)
    await wait_all_tasks_blocked()
    assert await exchange.drain(10) == Drained(ended=1, closed=1, cancelled=0, living=0)
    assert trio.current_time() == 12
    assert long.asked == ["drain"]
    assert not long.cancelled


async def test_past_the_grace_what_still_lives_is_cancelled(exchange, nursery, autojump_clock):
    calls = [FakeCall("short", 3), FakeCall("polite", closing=2), FakeCall("deaf", closing=100, leaving=1)]
    place(nursery, exchange, *calls)
    await wait_all_tasks_blocked()
    assert await exchange.drain(10, grace=4) == Drained(ended=1, closed=1, cancelled=1, living=0)
    assert trio.current_time() == 15
    assert [call.cancelled for call in calls] == [False, False, True]
    assert exchange.statistics().seats == 0


async def test_draining_ends_in_bounded_time_and_says_what_it_left(exchange, nursery, autojump_clock):
    place(nursery, exchange, FakeCall("undead", closing=100, leaving=100))
    await wait_all_tasks_blocked()
    assert await exchange.drain(10, grace=4) == Drained(ended=0, closed=0, cancelled=1, living=1)
    assert trio.current_time() == 18


async def test_a_call_that_can_not_be_asked_is_cancelled_and_the_others_are_asked(
    exchange, nursery, crashes, autojump_clock
):
    class Rude(FakeCall):
        def drain(self):
            raise ValueError("no")

    rude, polite = Rude("rude"), FakeCall("polite", closing=1)
    place(nursery, exchange, rude, polite)
    await wait_all_tasks_blocked()
    drained = await exchange.drain(1, grace=5)
    assert (drained.closed, drained.cancelled, drained.living) == (2, 0, 0)
    assert rude.cancelled
    assert not polite.cancelled
    assert [id for id, _ in crashes] == ["rude"]
    assert trio.current_time() == 2


async def test_a_seat_taken_before_draining_is_waited_for_and_good_until_the_limit(exchange, nursery, autojump_clock):
    early, late = exchange.admit(RECEPTION), exchange.admit(RECEPTION)
    results = []

    async def drain():
        results.append(await exchange.drain(10))

    nursery.start_soon(drain)
    await trio.sleep(5)
    await exchange.place(early, FakeCall("early", 1))
    assert results == []
    await trio.sleep(6)
    assert results == [Drained(ended=1, closed=0, cancelled=0, living=0)]
    with pytest.raises(Refused, match="no call can begin"):
        await exchange.place(late, FakeCall("late"))
    assert exchange.statistics().seats == 0


async def test_a_second_drain_may_be_more_impatient(exchange, nursery, autojump_clock):
    call = FakeCall("a")
    place(nursery, exchange, call)
    await wait_all_tasks_blocked()
    nursery.start_soon(exchange.drain, 1000)
    await trio.sleep(1)
    assert await exchange.drain(0) == Drained(ended=0, closed=1, cancelled=0, living=0)
    assert trio.current_time() == 1


async def test_nothing_is_left_after_a_thousand_calls(exchange, nursery, crashes, autojump_clock):
    before = trio.lowlevel.current_statistics().tasks_living
    for round in range(250):
        with trio.move_on_after(2):
            async with trio.open_nursery() as connections:
                error = ValueError("a bug") if round % 5 == 0 else None
                for number in range(4):
                    call = FakeCall(f"{round}-{number}", number, error=error, leaving=number % 2)
                    connections.start_soon(exchange.place, exchange.admit(RECEPTION), call)
    assert trio.lowlevel.current_statistics().tasks_living == before
    figures = exchange.statistics()
    assert (figures.admitted, figures.seats, figures.calls, figures.agents) == (1000, 0, 0, {})
    assert figures.crashed == len(crashes) > 0
