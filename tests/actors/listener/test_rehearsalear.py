"""The rehearsal ear: the same words, on time, and one timer for however many calls."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from parlance.actors.listener import rehearsal
from parlance.actors.listener.port import Heard
from parlance.engine.errors import Misconfigured, Unreachable


class Notes:
    """What was told, and when, in seconds since these were begun."""

    def __init__(self) -> None:
        self.start = trio.current_time()
        self.told: list[tuple[float, Heard]] = []

    def __call__(self, heard: Heard) -> None:
        self.told.append((round(trio.current_time() - self.start, 6), heard))


@asynccontextmanager
async def running(settings: dict[str, Any], *, shared: bool = True) -> AsyncIterator[rehearsal.RehearsalEar]:
    """An ear whose timer runs, as in a house, or one that nobody runs."""
    ear = rehearsal.make(settings)
    async with trio.open_nursery() as nursery:
        if shared:
            await nursery.start(ear.run)
        yield ear
        nursery.cancel_scope.cancel()


async def held(
    ear: rehearsal.RehearsalEar,
    told: Callable[[Heard], None],
    *,
    task_status: trio.TaskStatus[rehearsal.RehearsalHearing],
) -> None:
    """Hold an ear open in a task of its own."""
    async with ear.open(told) as hearing:
        task_status.started(hearing)
        await trio.sleep_forever()


@pytest.mark.parametrize("shared", [True, False])
async def test_interim_then_final_at_their_times(shared: bool, autojump_clock: MockClock) -> None:
    notes = Notes()
    async with running({"text": "one two three"}, shared=shared) as ear, ear.open(notes) as hearing:
        await hearing.begin(4)
        await trio.sleep(1)
        await hearing.end(4)
        await trio.sleep(1)
        await hearing.begin(5)
        await trio.sleep(1)
    assert notes.told == [
        (0.1, Heard(4, "one two", final=False)),
        (1.05, Heard(4, "one two three", final=True)),
        (2.1, Heard(5, "one two", final=False)),
    ]


async def test_nothing_comes_of_an_utterance_after_its_final(autojump_clock: MockClock) -> None:
    notes = Notes()
    async with running({"delay": 0.01, "text": "hello"}) as ear, ear.open(notes) as hearing:
        await hearing.begin(1)
        await hearing.end(1)
        await hearing.begin(2)
        await trio.sleep(10)
    assert notes.told == [(0.01, Heard(1, "hello", final=True)), (0.1, Heard(2, "hello", final=False))]


async def test_without_interim_words_there_is_only_the_final(autojump_clock: MockClock) -> None:
    notes = Notes()
    async with running({"words": 0, "delay": 0.0, "text": "hello"}) as ear, ear.open(notes) as hearing:
        await hearing.begin(1)
        await trio.sleep(1)
        await hearing.end(1)
        await trio.sleep(1)
    assert notes.told == [(1.0, Heard(1, "hello", final=True))]


@pytest.mark.parametrize(("length", "text"), [(0.5, ""), (0.7, "hello")])
async def test_a_cough_has_no_words(length: float, text: str, autojump_clock: MockClock) -> None:
    notes = Notes()
    settings = {"words": 1, "interim": 0.6, "least": 0.6, "delay": 0.0, "text": "hello"}
    async with running(settings) as ear, ear.open(notes) as hearing:
        await hearing.begin(1)
        await trio.sleep(length)
        await hearing.end(1)
        await trio.sleep(1)
    assert notes.told[-1] == (length, Heard(1, text, final=True))
    assert len(notes.told) == (2 if text else 1)


async def test_many_calls_are_told_their_words_on_time_by_one_task(autojump_clock: MockClock) -> None:
    calls = 50
    books = [Notes() for _ in range(calls)]

    async def call(number: int, hearing: rehearsal.RehearsalHearing) -> None:
        # Utterances of different lengths, so that nothing is planned in the order in which it is due.
        await trio.sleep(number * 0.0137)
        await hearing.begin(number)
        await trio.sleep(0.5 - number * 0.0091)
        await hearing.end(number)

    async with running({}) as ear:
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for number in range(calls):
                hearing = await nursery.start(held, ear, books[number])
                nursery.start_soon(call, number, hearing)
            # Their holders, and the calls themselves.
            assert trio.lowlevel.current_statistics().tasks_living == before + 2 * calls
            await trio.sleep(5)
            nursery.cancel_scope.cancel()
    for number, notes in enumerate(books):
        interim, final = number * 0.0137 + 0.1, number * 0.0137 + 0.5 - number * 0.0091 + 0.05
        due = [(interim, False), (final, True)] if interim <= final else [(final, True)]
        assert [(at, heard.final) for at, heard in notes.told] == [(pytest.approx(at), last) for at, last in due]
        assert {heard.utterance for _, heard in notes.told} == {number}


@pytest.mark.parametrize("shared", [True, False])
async def test_a_closed_ear_tells_nothing_and_keeps_no_call_alive(shared: bool, autojump_clock: MockClock) -> None:
    async with running({"delay": 10.0}, shared=shared) as ear:
        notes = Notes()
        told = notes.told
        async with ear.open(notes) as hearing:
            await hearing.begin(1)
            await hearing.end(1)
        call = weakref.ref(notes)
        del notes, hearing
        gc.collect()
        assert call() is None
        await trio.sleep(20)
    assert told == []


@pytest.mark.parametrize("shared", [True, False])
async def test_what_a_call_does_wrong_with_its_words_is_that_calls_fault_alone(
    shared: bool, autojump_clock: MockClock
) -> None:
    def wrong(heard: Heard) -> None:
        raise ZeroDivisionError("of this call")

    async def call(ear: rehearsal.RehearsalEar) -> None:
        async with ear.open(wrong) as hearing:
            await hearing.begin(1)
            await trio.sleep(10)

    notes = Notes()
    async with running({"text": "hello"}, shared=shared) as ear, ear.open(notes) as other:
        await other.begin(1)
        with pytest.raises((ZeroDivisionError, ExceptionGroup)) as raised:
            await call(ear)
        assert trio.current_time() - notes.start == pytest.approx(0.1)
        assert "of this call" in repr(raised.value)
        await other.end(1)
        await trio.sleep(1)
    assert [heard.final for _, heard in notes.told] == [False, True]


async def test_an_ear_whose_timer_has_stopped_says_so_and_the_next_has_its_own(autojump_clock: MockClock) -> None:
    ear = rehearsal.make({"text": "hello"})
    notes = Notes()
    async with trio.open_nursery() as nursery:
        await nursery.start(ear.run)
        with trio.CancelScope(shield=True):
            async with ear.open(notes) as hearing:
                nursery.cancel_scope.cancel()
                await trio.sleep(1)
                with pytest.raises(Unreachable, match="stopped"):
                    await hearing.begin(1)
            async with ear.open(notes) as hearing:
                await hearing.end(1)
                await trio.sleep(1)
    assert [heard for _, heard in notes.told] == [Heard(1, "hello", final=True)]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(Misconfigured, match=r"delay.*txt"):
        rehearsal.make({"delay": -1, "txt": ""})
