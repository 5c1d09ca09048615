"""The house's door: which calls are not taken, how they are told, and that nobody else notices."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.media.port import Started
from parlance.actors.thinker.port import Mind
from parlance.agents import load
from parlance.config import Settings
from parlance.engine.agent import Agent
from parlance.engine.errors import Unreachable
from parlance.house import House


def make() -> House:
    plain = load.shipped()["rehearsal"].model_dump()
    return House(Settings(), {"receptionist": Agent.model_validate(plain | {"name": "receptionist"})})


@asynccontextmanager
async def living(house: House) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        await nursery.start(house.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def call(house: House, line: FakeLine, call: str = "") -> None:
    house.metronome.join(line)
    try:
        await house.take(line, FakeWire(), Started(agent="receptionist", call=call))
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
            await house.take(FakeLine(), FakeWire(), Started(agent="receptionist"))
        assert house.exchange.statistics().seats == 0


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
