"""After a call nothing is left of it: no task, no thread, no file descriptor, over a thousand calls."""

from __future__ import annotations

import gc
import os
import random
import threading
import weakref

import pytest
import trio
from stage import Stage, says, tells

from parlance.actors.speaker.fake import FakeVoice
from parlance.engine import trace as t

CALLS, AT_ONCE = 1000, 50


def figures() -> tuple[int, int, int]:
    """Tasks, threads, file descriptors."""
    return trio.lowlevel.current_statistics().tasks_living, threading.active_count(), len(os.listdir("/proc/self/fd"))


def grown(before: tuple[int, int, int]) -> list[str]:
    """What there is more of than before. Less is no leak: Trio lets go of threads that an earlier test left idle."""
    names = ("tasks", "threads", "files")
    return [name for name, now, then in zip(names, figures(), before, strict=True) if now > then]


async def one(seed: int) -> Stage:
    """A short call that ends in one of many ways, at a random moment."""
    dice = random.Random(seed)
    stage = Stage(
        ear=["hello", dice.choice(["stop", "", "!", "..."])],
        mind=dice.choice([["One two three four.", "Yes."], ["!", "Yes."], ["Bye. {hang_up}"], ["..."], ["!"] * 4]),
        agent={"greeting": dice.choice(["", "Hello."]), "limits": {"call": dice.choice([1.0, 60.0])}},
        voice=FakeVoice(fails=dice.choice([0, 0, 0, 9]), fails_after=1),
    )
    end = dice.choice(
        [tells("stop"), lambda stage: stage.line.vanish(), tells("nonsense"), lambda stage: stage.call.drain()]
    )
    moment = dice.uniform(0.02, 2.5)
    await stage.play((0.1, says(0.3)), (1.2, says(0.4)), (moment, end), until=2.6)
    return stage


async def test_a_thousand_calls_leave_nothing_behind(autojump_clock: object) -> None:
    ended: list[str] = []

    async def call(seed: int) -> None:
        stage = await one(seed)
        calls = stage.all(t.CallEnded)
        assert len(calls) == 1
        assert isinstance(stage.records[-1].event, t.CallEnded)
        assert [event.turn for event in stage.all(t.TurnBegan)] == [event.turn for event in stage.all(t.TurnEnded)]
        ended.append(calls[0].how)

    await call(-1)
    before = figures()
    for batch in range(CALLS // AT_ONCE):
        async with trio.open_nursery() as nursery:
            for number in range(AT_ONCE):
                nursery.start_soon(call, batch * AT_ONCE + number)
    assert len(ended) == CALLS + 1
    assert {"completed", "failed"} == set(ended)
    assert grown(before) == []


async def test_a_call_that_is_over_is_garbage(autojump_clock: object) -> None:
    stage = await one(7)
    call = weakref.ref(stage.call)
    del stage
    gc.collect()
    assert call() is None


@pytest.mark.parametrize("moment", [0.01, 0.05, 1.0, 2.0])
async def test_a_call_cancelled_from_outside_ends_properly(moment: float, autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["One two three four five six."])
    before = figures()
    with trio.move_on_after(moment):
        await stage.play((0.1, says(0.3)))
    assert grown(before) == []
    assert [event.reason for event in stage.all(t.CallEnded)] == ["cancelled"]
    assert stage.line.closed is not None
