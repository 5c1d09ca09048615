"""The callers of every dialect, visitors and webhooks against a real server."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from fakes import row

from bench import __main__ as command
from bench import machine, plan, trial
from bench.trial import Stage

CORES = machine.cores(1)


async def test_a_real_server_understands_the_callers_in_every_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    # The caller who cuts in has said so 5.6 s after he has dialed: what he is answered is in the window.
    monkeypatch.setattr(plan, "PATIENCE", 1.5)
    found: dict[str, dict[str, Any]] = {}

    async def one(carrier: Any, webhooks: int) -> None:
        short = row(2, carrier=carrier, webhooks=webhooks, visited=True, seconds=7.0, ramp=0.5)
        found[carrier] = await trial.run(short, command.choose, Stage(CORES, waveform=False, settle=0.2))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "ringover", 50)
            nursery.start_soon(one, "acs", 0)
    for carrier, run in found.items():
        assert run["carrier"] == carrier
        assert (run["calls"]["admitted"], run["calls"]["refused"], run["calls"]["dropped"]) == (2, 0, 0)
        assert run["turns"]["asked"] == run["turns"]["answered"] > 0
        assert (run["turns"]["interrupted"], run["turns"]["uncleared"]) == (1, 0)
        assert run["visits"]["made"] == run["greeting_ms"]["n"] > 0
    posted = found["ringover"]["webhooks"]
    assert posted["ok"] == posted["sent"] == sum(posted["counted"].values()) == 150
    assert set(posted["counted"]) == {"ringover ok", "twilio ok"}
