"""Scenes: what test modules have played in a town. A scene is one call, or a few, of one carrier.

All of a module's scenes are played in one house, many at once, on a clock that jumps; each is a test of its own, and
what is left of them all is one, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import outcome
import pytest
import swift
import trio
from census import census, settled

from clouds.carrier import Cloud
from clouds.town import Town, town

LONGEST = 25.0
"""Seconds of one scene."""
AT_ONCE = 20
"""Scenes: this machine plays the house and all its callers."""

Scene = Callable[[Town, Cloud], Awaitable[None]]


class Scenes:
    """A module's scenes. `cast`: those who play where a scene does not say who."""

    def __init__(self, cast: Mapping[str, Callable[[int], Cloud]], **settings: Any) -> None:
        self.cast, self.settings = dict(cast), settings
        self.all: dict[tuple[str, str], Scene] = {}

    def __call__(self, *carriers: str, besides: Sequence[str] = ()) -> Callable[[Scene], Scene]:
        """`besides`: all but these."""

        def add(scene: Scene) -> Scene:
            for carrier in [one for one in carriers or self.cast if one in self.cast and one not in besides]:
                self.all[scene.__name__, carrier] = scene
            return scene

        return add

    @property
    def table(self) -> list[Any]:
        return [pytest.param(title, carrier, id=f"{title}-{carrier}") for title, carrier in self.all]

    def selected(self, request: pytest.FixtureRequest) -> dict[tuple[str, str], outcome.Outcome[None]]:
        """Play the scenes whose tests are to be run."""
        found = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
        specs = [spec.params for spec in found if spec is not None]
        return self.perform([(one["title"], one["carrier"]) for one in specs if "title" in one])

    def perform(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], outcome.Outcome[None]]:
        """Play these scenes; under ("", "") is what was left when they were over."""
        results: dict[tuple[str, str], outcome.Outcome[None]] = {}
        limit = trio.CapacityLimiter(AT_ONCE)

        async def play(town: Town, key: tuple[str, str]) -> None:
            async with limit:
                with trio.move_on_after(LONGEST) as scope:
                    results[key] = await outcome.acapture(self.all[key], town, town.clouds[key[1]])
            if scope.cancelled_caught:
                results[key] = outcome.Error(AssertionError(f"{key} takes longer than {LONGEST:g} s"))

        async def run() -> None:
            clouds = {name: make(index) for index, (name, make) in enumerate(self.cast.items(), 1)}
            async with town(clouds, **self.settings) as place:
                before = census()
                async with trio.open_nursery() as nursery:
                    for key in wanted:
                        nursery.start_soon(play, place, key)
                results["", ""] = await outcome.acapture(emptied, place, before)

        swift.run(run)
        return results


async def emptied(town: Town, before: Counter[str]) -> None:
    """Raises unless, after a moment, nothing is there that was not there before."""
    assert await settled(partial(remains, town, before)) == {}
    strangers = {name: cloud.strangers for name, cloud in town.clouds.items() if cloud.strangers}
    assert strangers == {}, "requests that a carrier does not take"
    figures = await town.health()
    assert figures["calls"] == figures["crashed"] == 0


def remains(town: Town, before: Counter[str]) -> Counter[str]:
    figures, board = town.house.exchange.statistics(), town.house.office.board
    return census() - before + Counter(seats=figures.seats, calls=figures.calls, known=len(board.index))
