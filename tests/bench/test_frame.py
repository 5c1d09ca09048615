"""The frame path has not become slower: its steps against a reference measured in the same run."""

from __future__ import annotations

import json

import pytest

from bench import frame


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
