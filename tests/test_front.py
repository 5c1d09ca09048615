"""What the front of the house says of itself."""

from __future__ import annotations

import pytest

from parlance.agents import load
from parlance.engine.trace import CallerSaid, ChildFailed, Record
from parlance.front import Front
from parlance.house import House
from parlance.settings import Settings


@pytest.mark.parametrize(
    ("events", "health"),
    [
        ([], "ok"),
        ([ChildFailed("speaker", "no voice")], "ok"),
        ([CallerSaid("hello", True, 1), ChildFailed("listener", "no ear")], "failing"),
        ([ChildFailed("listener", "no ear"), CallerSaid("hello", False, 2)], "ok"),
    ],
)
async def test_ears_fail_until_one_hears_words(events: list[CallerSaid | ChildFailed], health: str) -> None:
    settings = Settings.model_validate(
        {
            "default_agent": "rehearsal",
            "public_url": "https://x",
            "carriers": {"ringcentral": {"validation_token": "t"}},
        }
    )
    house = House(settings, {"rehearsal": load.shipped()["rehearsal"]})
    front = Front(house, None, dict)
    for number, event in enumerate(events, 1):
        for sink in house.sinks:
            sink(Record(number, 0.0, event))
    assert front._voice()["stt_health"] == health
