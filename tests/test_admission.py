"""The house's door: which calls are not taken, how they are told, and that nobody else notices."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from parlance import main
from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.media.port import Started
from parlance.actors.thinker.port import Mind
from parlance.agents import load
from parlance.engine.agent import Agent
from parlance.engine.errors import Unreachable
from parlance.engine.trace import CallStarted
from parlance.house import House
from parlance.settings import Settings


def make(settings: dict[str, Any] | None = None) -> House:
    plain = load.shipped()["rehearsal"].model_dump()
    return House(
        Settings.model_validate(settings or {}),
        {"receptionist": Agent.model_validate(plain | {"name": "receptionist"})},
    )


@asynccontextmanager
async def living(house: House) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        await nursery.start(house.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def call(house: House, line: FakeLine, call: str = "") -> None:
    house.metronome.join(line)
    try:
        await house.host(line, FakeWire(), Started(agent="receptionist", call=call))
    finally:
        house.metronome.leave(line)


async def test_a_call_that_comes_while_the_house_starts_is_told_to_try_again(autojump_clock: object) -> None:
    house, line = make(), FakeLine()
    await call(house, line)
    assert line.closed is not None
    assert line.closed[0] == 1013
    assert house.exchange.statistics().refused == {"starting": 1}


async def test_a_second_socket_of_a_call_is_refused_and_the_first_goes_on(autojump_clock: object) -> None:
    house, first, second = make(), FakeLine(), FakeLine()
    async with living(house) as nursery:
        nursery.start_soon(call, house, first, "CA1")
        await trio.sleep(1)
        await call(house, second, "CA1")
        assert second.closed is not None
        assert (second.closed[0], second.sent) == (1008, ["error duplicate"])
        assert first.closed is None
        assert house.exchange.statistics().refused == {"duplicate": 1}
        first.tell("stop")
        await trio.sleep(2)
        third = FakeLine()
        nursery.start_soon(call, house, third, "CA1")
        await trio.sleep(1)
        assert third.closed is None, "the id is free again"


@pytest.mark.parametrize("name", ["CA1\n[error] nothing", "x" * 129, "\x1b[31m", "id of mine"])
async def test_an_id_that_would_not_fit_a_log_is_refused(name: str, autojump_clock: object) -> None:
    house, line = make(), FakeLine()
    async with living(house):
        await call(house, line, name)
    assert line.closed is not None
    assert line.closed[0] == 1008
    assert house.exchange.statistics().admitted == 0


async def test_a_call_that_cannot_be_made_gives_its_seat_back(autojump_clock: object) -> None:
    house = make()

    def broken() -> Mind:
        raise ValueError("no mind")

    house.crews["receptionist"] = dataclasses.replace(house.crews["receptionist"], mind=broken)
    async with living(house):
        with pytest.raises(ValueError, match="no mind"):
            await house.host(FakeLine(), FakeWire(), Started(agent="receptionist"))
        assert house.exchange.statistics().seats == 0


async def test_a_saturated_house_refuses_new_calls_and_keeps_the_old_until_it_is_punctual_again(
    autojump_clock: MockClock,
) -> None:
    house, first, second, third = make(), FakeLine(), FakeLine(), FakeLine()
    busy = Busy(autojump_clock)
    async with living(house) as nursery:
        nursery.start_soon(call, house, first)
        house.metronome.join(busy)
        await trio.sleep(3)
        assert house.refusal() is None
        busy.seconds = 0.03
        await trio.sleep(1)
        assert house.refusal() == "saturated"
        await call(house, second)
        assert second.closed is not None
        assert second.closed == (1013, "this server is at its limit: try again later, or on another one")
        assert second.sent == ["error saturated"]
        assert first.closed is None
        busy.seconds = 0.0
        await trio.sleep(3)
        assert house.refusal() is None
        nursery.start_soon(call, house, third)
        await trio.sleep(1)
        assert third.closed is None
        figures = main.statistics(house)
    assert figures["refused"] == {"saturated": 1}
    assert figures["saturation"]["times"] == 1


async def test_the_herd_that_waits_for_the_house_to_be_punctual_gets_in_one_by_one(autojump_clock: MockClock) -> None:
    house, herd = make(), [FakeLine() for _ in range(20)]
    busy = Busy(autojump_clock, 0.03)
    async with living(house) as nursery:
        house.metronome.join(busy)
        await trio.sleep(2)
        busy.seconds = 0.0
        await trio.sleep(3)
        assert house.refusal() is None
        for line in herd:
            nursery.start_soon(call, house, line)
        await trio.sleep(0.1)
        assert house.refusal() == "saturated", "a load balancer, and the other workers, need not send the next one here"
        assert [line.closed is None for line in herd].count(True) == 1
        assert house.exchange.statistics().refused == {"saturated": 19}
        await trio.sleep(0.2)
        assert house.refusal() is None


async def test_who_is_refused_for_another_reason_makes_nobody_wait(autojump_clock: MockClock) -> None:
    house, busy = make(), Busy(autojump_clock, 0.03)
    async with living(house):
        house.metronome.join(busy)
        await trio.sleep(2)
        busy.seconds = 0.0
        await trio.sleep(3)
        agent = house.agents["receptionist"]
        full = agent.model_copy(update={"limits": agent.limits.model_copy(update={"calls": 0})})
        house.agents["receptionist"] = full
        await call(house, FakeLine())
        assert house.exchange.statistics().refused == {"agent-full": 1}
        assert house.refusal() is None


async def test_lateness_refuses_nobody_where_it_has_no_limit(autojump_clock: MockClock) -> None:
    house, line = make({"limits": {"lateness": 0}}), FakeLine()
    async with living(house) as nursery:
        house.metronome.join(Busy(autojump_clock, 0.1))
        await trio.sleep(2)
        assert house.saturation.late > 0.05
        nursery.start_soon(call, house, line)
        await trio.sleep(1)
        assert line.closed is None


async def test_a_house_that_goes_down_says_so_however_saturated_it_is(autojump_clock: MockClock) -> None:
    house, line = make({"drain": {"limit": 0.1, "grace": 0.1}}), FakeLine()
    async with living(house):
        house.metronome.join(Busy(autojump_clock, 0.1))
        await trio.sleep(2)
        await house.drain()
        assert house.saturation.saturated
        assert house.refusal() == "draining"
        await call(house, line)
    assert line.closed is not None
    assert line.closed[0] == 1012


async def test_the_process_s_figures_are_those_of_this_moment(autojump_clock: MockClock) -> None:
    house = make({"watch": {"limit": 0}})
    before = main.statistics(house)
    assert before["loop"] is None
    async with living(house):
        during = main.statistics(house)
    assert during["tasks"] > before["tasks"]
    assert 10 < during["memory_mb"] < 10_000
    assert during["threads"] >= 1


async def test_the_watch_names_the_call_of_a_house(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    house = make()
    house.sinks.append(lambda record: autojump_clock.jump(0.08) if isinstance(record.event, CallStarted) else None)
    async with living(house) as nursery:
        assert house.watch is not None
        with house.watch.on():
            nursery.start_soon(call, house, FakeLine(), "CA1")
            await trio.sleep(3)
            figures: Any = main.statistics(house)["loop"]
    (told,) = [record.getMessage() for record in caplog.records if "the loop was held" in record.getMessage()]
    assert told.startswith("the loop was held for 80 ms by task call for call CA1, which is now at ")
    assert (figures["over"], figures["worst"]["ms"]) == (1, 80.0)
    assert "CA1" not in str(figures), "whose call it was is for the log"


class Busy:
    """A member of the metronome whose tick takes `seconds`."""

    def __init__(self, clock: MockClock, seconds: float = 0.0) -> None:
        self._clock, self.seconds = clock, seconds

    def tick(self, now: float) -> None:
        self._clock.jump(self.seconds)

    def fail(self, error: Exception) -> None:
        raise error


class Provider:
    """A provider with work of its own, which fails `fails` times, a second after it is `ready`."""

    def __init__(self, fails: int, *, ready: bool = True) -> None:
        self.fails, self.ready, self.lives = fails, ready, 0

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.lives += 1
        if self.ready:
            task_status.started()
        await trio.sleep(1)
        if self.lives <= self.fails:
            raise Unreachable("ear", "no process can be started")
        await trio.sleep_forever()


async def test_a_provider_whose_own_work_fails_ends_no_call(autojump_clock: object) -> None:
    house, line, provider = make(), FakeLine(), Provider(2)
    house.registry.shared["ear of a test"] = provider
    async with living(house) as nursery:
        nursery.start_soon(call, house, line)
        await trio.sleep(20)
        assert provider.lives == 3
        assert line.closed is None


async def test_a_provider_that_does_not_even_start_keeps_the_house_from_starting(autojump_clock: object) -> None:
    house = make()
    house.registry.shared["ear of a test"] = Provider(1, ready=False)
    with pytest.raises(ExceptionGroup) as caught:
        async with living(house):
            pass
    assert caught.group_contains(Unreachable)
    assert not house.ready


async def test_a_house_told_to_end_before_it_runs_starts_and_takes_no_call(autojump_clock: object) -> None:
    house, line = make(), FakeLine()
    await house.drain()
    async with living(house):
        assert house.refusal() == "draining"
        await call(house, line)
    assert line.closed is not None
    assert line.closed[0] == 1012
