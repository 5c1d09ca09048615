"""An installation without the packages that some agents need."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from parlance.agents import load
from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured
from parlance.house import House
from parlance.settings import Settings

NEED = "ear sphinx needs pocketsphinx: pip install '.[local]' (in parlance's checkout)"
SHIPPED = ("callcenter", "receptionist", "sales")


@pytest.fixture(autouse=True)
def _nothing_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)


def agent(name: str, **more: Any) -> dict[str, Agent]:
    told = {"name": name, "ear": "rehearsal", "mind": "rehearsal", "voice": "rehearsal", **more}
    return {name: Agent.model_validate(told)}


def test_shipped_agents_that_cannot_be_are_left_out_and_the_user_s_answers() -> None:
    with capture_logs() as lines:
        house = House(Settings(), load.shipped() | agent("desk"))
    assert set(house.agents) == set(house.crews) == {"desk", "rehearsal"}
    assert [(line["agent"], line["reason"]) for line in lines] == [(name, NEED) for name in SHIPPED]


def test_an_agent_of_the_user_s_that_cannot_be_stops_the_start() -> None:
    with pytest.raises(Misconfigured) as error:
        House(Settings(), load.shipped() | agent("desk", ear="sphinx"))
    assert str(error.value) == f"agent desk: {NEED}"


def test_a_house_without_any_agent_for_people_does_not_start() -> None:
    with pytest.raises(Misconfigured) as error:
        House(Settings(), load.shipped())
    assert str(error.value).splitlines() == [f"agent {name}: {NEED}" for name in SHIPPED]


def test_an_agent_that_is_asked_for_is_not_left_out() -> None:
    with pytest.raises(Misconfigured) as error:
        House(Settings(), load.shipped() | agent("desk"), only="receptionist")
    assert str(error.value) == f"agent receptionist: {NEED}"
