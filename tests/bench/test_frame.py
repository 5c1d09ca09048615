"""The frame path has not become slower: its steps against a reference measured in the same run."""

from __future__ import annotations

import json

import pytest

from bench import frame, wires
from bench.dialects import DIALECTS
from parlance.actors.speaker.rehearsal import sound


async def test_no_step_of_the_frame_path_takes_twice_the_committed_ratio() -> None:
    committed = json.loads(frame.COMMITTED.read_text())
    # What stops a whole run (another process, the collector) is no slower code: one of three must be undisturbed.
    for _ in range(3):
        slower = frame.slower(await frame.measured(), committed)
        if not slower:
            return
    pytest.fail("; ".join(slower))


def test_a_step_that_doubles_is_told_and_a_slower_machine_is_not() -> None:
    committed = json.loads(frame.COMMITTED.read_text())
    usual = {"reference": 1.0} | committed["ratios"]
    assert frame.slower(usual, committed) == []
    assert frame.slower({name: 3 * value for name, value in usual.items()}, committed) == []
    (told,) = frame.slower(usual | {"hear": 2.1 * usual["hear"]}, committed)
    assert told.startswith("hear: ")


def test_a_wire_over_its_limit_is_told_on_any_machine() -> None:
    committed = json.loads(frame.COMMITTED.read_text())
    slow = frame.MOST * 1.05 / committed["us"]["reference"]
    committed["ratios"]["wire acs"] = slow
    for reference in (1.0, 3.0):
        figures = {name: reference * ratio for name, ratio in ({"reference": 1.0} | committed["ratios"]).items()}
        assert frame.slower(figures, committed) == ["wire acs: 10.5 us a frame, limit 10 us"]


def test_every_wire_is_measured_with_what_its_carrier_sends() -> None:
    found = wires.steps(sound()[800:960])
    assert {f"{frame.WIRE}{name}" for name in found} == {name for name in frame.WHAT if name.startswith(frame.WIRE)}
    for name, step in found.items():
        line = DIALECTS[name]().format
        step.refill(3)
        assert [len(heard) for heard in (step.hear(), step.hear(), step.hear()) if isinstance(heard, bytes)] == [
            line.frame
        ] * 3, name
        assert step.say() is not None, name
