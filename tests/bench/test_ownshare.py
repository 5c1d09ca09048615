"""The own share of response time: a short run over real sockets, and what is made of the times of turns."""

from __future__ import annotations

import math

import pytest

from bench import cast, machine, share
from bench.caller import clips
from bench.simulators.conduct import Conduct
from bench.simulators.town import doors
from bench.unplugged import bare
from parlance.engine.trace import TurnTimed

TIMES = {
    "end_of_turn": 2.0,
    "transcript": 2.001,
    "first_token": 2.004,
    "first_phrase": 2.005,
    "first_audio": 2.009,
    "first_frame": 2.010,
}


async def test_a_short_run_has_every_turn_answered_and_timed(brief: list[str]) -> None:
    rows = await share.measured(["deepgram+openai+deepgram"], [1], 2, more=brief, seen=lambda _: None)
    (row,) = rows
    assert (row.turns, row.failed, row.calls) == (2, 0, 1)
    assert set(row.steps) == {"transcript", "first_token", "first_phrase", "first_audio", "first_frame"}
    # The sum of medians of two is the median of sums.
    assert row.response[0] == pytest.approx(sum(median for median, _ in row.steps.values()), abs=0.1)
    assert 0 < row.own[0] < row.response[0]
    # On a machine that others use, ten times the figure that is wanted of an undisturbed one.
    assert row.response[0] < 10 * share.LIMIT
    assert all(0 < trip < 100 for trip in row.bare.values())
    assert share.table(rows).row_count == 1


async def test_bare_sockets_are_answered_by_every_simulator(brief: list[str]) -> None:
    said = clips()[0]
    async with cast.simulators((*share.STILL, *brief), machine.cores(1).others) as sims:
        for combination in cast.COMBINATIONS:
            trips = await bare.trips(cast.combination(combination), sims.hosts, said)
            assert trips.keys() == cast.SETTINGS.keys(), combination
            assert all(0 < trip < 1 for trip in trips.values()), combination


def test_every_simulated_provider_has_a_door() -> None:
    known = doors(Conduct())
    assert (
        {door for role in cast.SETTINGS.values() for door, _, _ in role.values()} <= known.keys() == cast.NOWHERE.keys()
    )


def test_steps_are_from_one_time_to_the_next() -> None:
    steps = share.timed(TurnTimed(1, caller_stopped=1.5, **TIMES))
    assert steps is not None
    assert [round(1000 * seconds, 6) for seconds in steps.values()] == [1, 3, 1, 4, 1]
    assert share.timed(TurnTimed(1, **{**TIMES, "first_audio": None})) is None


@pytest.mark.parametrize(
    ("trips", "expected"),
    [
        ({"ear": 0.0, "mind": 0.0, "voice": 0.0}, 0.010),
        ({"ear": 0.0005, "mind": 0.001, "voice": 0.002}, 0.0065),
        ({"ear": 0.004, "mind": 0.001, "voice": 0.002}, 0.006),
    ],
)
def test_own_is_without_the_answers_that_were_waited_for(trips: dict[str, float], expected: float) -> None:
    steps = share.timed(TurnTimed(1, **TIMES))
    assert steps is not None
    assert share.own(steps, trips) == pytest.approx(expected)


def test_spread_is_median_and_95th_percentile() -> None:
    assert share.spread([at / 1000 for at in range(101)]) == (50, 95)
    assert share.spread([0.004]) == (4, 4)
    assert all(map(math.isnan, share.spread([])))


@pytest.mark.parametrize(
    ("calls", "own", "failed", "broke"),
    [(1, 14.9, 0, []), (1, 15.0, 0, ["own share"]), (20, 40.0, 0, []), (20, 1.0, 2, ["2 of 32"])],
)
def test_a_row_says_what_it_broke(calls: int, own: float, failed: int, broke: list[str]) -> None:
    row = share.Row("a+b+c", calls, 30, failed, (own, own), (own, own), {}, {}, 1.0, 1.0, 0.0)
    assert [told.startswith(wanted) for told, wanted in zip(row.broke, broke, strict=True)] == [True] * len(broke)
    assert row.as_dict()["own"] == (own, own)


@pytest.mark.parametrize("text", ["deepgram+openai", "deepgram+openai+nobody", "deepgram,x+openai+deepgram", ""])
def test_a_combination_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"ear\+mind\+voice|no simulated"):
        cast.combination(text)
