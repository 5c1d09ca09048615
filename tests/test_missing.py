"""An installation without the packages that some agents need."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from parlance import checkup
from parlance.agents import load
from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured
from parlance.house import House
from parlance.settings import Settings

NEED = "ear sphinx needs pocketsphinx: pip install '.[local]' (in parlance's checkout)"
NUMBER = {"number": "+33199000001", "carrier": "twilio"}
SHIPPED = ("callcenter", "receptionist", "sales")


@pytest.fixture(autouse=True)
def _nothing_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)


def agent(name: str, **more: Any) -> dict[str, Agent]:
    told = {"name": name, "ear": "rehearsal", "mind": "rehearsal", "voice": "rehearsal", **more}
    return {name: Agent.model_validate(told)}


def test_shipped_agents_that_cannot_be_are_left_out_and_the_user_s_answers() -> None:
    with capture_logs() as lines:
        house = House(Settings(default_agent="desk"), load.shipped() | agent("desk"))
    assert house.agent("desk").name == "desk"
    assert set(house.agents) == set(house.crews) == {"desk", "rehearsal"}
    assert [(line["agent"], line["reason"]) for line in lines] == [(name, NEED) for name in SHIPPED]


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({}, "default_agent"),
        (
            {"default_agent": "desk", "numbers": [{**NUMBER, "agent": "receptionist"}]},
            "numbers.0.agent",
        ),
        ({"default_agent": "desk", "rules": [{"caller": "+1*", "agent": "receptionist"}]}, "rules.0.agent"),
    ],
)
def test_calls_are_not_meant_for_an_agent_that_is_left_out(settings: dict[str, Any], where: str) -> None:
    told = f"{where}: receptionist is left out, because a package is missing that it needs; there are desk"
    with pytest.raises(Misconfigured) as error:
        House(Settings(**settings), load.shipped() | agent("desk"))
    assert str(error.value) == told


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


def test_who_is_left_out_is_no_failure_of_a_check() -> None:
    agents = load.shipped()
    results = trio.run(checkup.check, {name: agents[name] for name in SHIPPED}, lambda _: None)
    told = {result.provider.kind: (result.told, result.error) for result in results}
    assert told["sphinx"] == (f"left out: {NEED}", "")
    (result,) = trio.run(checkup.check, {"desk": agent("desk", ear="sphinx")["desk"]}, lambda _: None)[:1]
    assert (result.told, result.error) == ("", NEED)
