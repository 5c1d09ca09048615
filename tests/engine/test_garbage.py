"""The collector's pauses are counted, what the start made is out of its sight, and afterwards all is as it was."""

from __future__ import annotations

import gc

import pytest
import trio

from parlance.engine.garbage import Garbage


@pytest.fixture(autouse=True)
def untouched():
    """The collector is everybody's: nothing of it may be left changed."""
    before = gc.get_threshold(), list(gc.callbacks), gc.get_freeze_count(), gc.isenabled()
    yield
    assert (gc.get_threshold(), list(gc.callbacks), gc.get_freeze_count(), gc.isenabled()) == before


async def test_collections_are_counted_by_generation_and_timed():
    garbage = Garbage()
    with garbage.kept(freeze=False, threshold=100_000):
        before = garbage.statistics().collections
        for generation in (0, 1, 2, 2):
            gc.collect(generation)
        figures = garbage.statistics()
    assert [now - then for now, then in zip(figures.collections, before, strict=True)] == [1, 1, 2]
    assert 0 < figures.longest <= figures.total
    gc.collect()
    assert garbage.statistics().collections == figures.collections, "it measures no more"


async def test_what_lives_is_frozen_and_thawed_again():
    garbage = Garbage()
    with garbage.kept(freeze=True, threshold=0):
        assert garbage.statistics().frozen > 1000
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0


async def test_who_froze_before_keeps_what_is_frozen():
    gc.freeze()
    try:
        with Garbage().kept(freeze=True, threshold=0):
            pass
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


async def test_all_of_it_can_be_left_alone():
    before = gc.get_threshold()
    with Garbage().kept(freeze=False, threshold=0):
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0


async def test_the_threshold_is_that_of_the_young_alone():
    before = gc.get_threshold()
    with Garbage().kept(freeze=False, threshold=4321):
        assert gc.get_threshold() == (4321, *before[1:])


async def test_a_collection_in_a_thread_is_measured_too():
    garbage = Garbage()
    with garbage.kept(freeze=False, threshold=100_000):
        before = garbage.statistics().collections[2]
        await trio.to_thread.run_sync(gc.collect)
        assert garbage.statistics().collections[2] == before + 1


async def test_a_pause_is_known_by_when_it_began(mock_clock):
    garbage = Garbage()

    def slow(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            mock_clock.jump(0.2)

    with garbage.kept(freeze=False, threshold=100_000):
        gc.callbacks.append(slow)
        try:
            begin = trio.current_time()
            gc.collect()
            after = trio.current_time()
        finally:
            gc.callbacks.remove(slow)
        assert garbage.since(begin) == pytest.approx(0.2)
        assert garbage.since(after) == 0.0
        assert garbage.statistics().longest == pytest.approx(0.2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the first leaves first", "the last leaves first"])
async def test_several_may_keep_it_and_leave_in_any_order(order):
    before = gc.get_threshold()
    kept = [Garbage().kept(freeze=True, threshold=1000), Garbage().kept(freeze=True, threshold=3000)]
    for each in kept:
        each.__enter__()
    assert gc.get_threshold() == (3000, *before[1:])
    kept[order[0]].__exit__(None, None, None)
    assert gc.get_threshold() == (3000, *before[1:])
    assert gc.get_freeze_count() > 1000, "who is still there wanted it frozen, too"
    kept[order[1]].__exit__(None, None, None)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


async def test_an_error_meanwhile_leaves_nothing_changed():
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), Garbage().kept(freeze=True, threshold=1000):
        raise ZeroDivisionError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
