"""The example that ships: five agents with three calls each, and with twenty."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from parlance import config, main
from parlance.agents import load
from parlance.engine.agent import Agent
from parlance.engine.errors import Refused
from parlance.front import Front
from parlance.house import House
from parlance.settings import Settings
from parlance.switchboard.routing import Router

FIVE = Path(__file__).parents[1] / "examples" / "five"
SIZES = pytest.mark.parametrize(("file", "each", "total"), [("parlance.toml", 3, 15), ("twenty.toml", 20, 100)])
SECRETS = {
    "PARLANCE_CARRIERS__RINGOVER__API_KEY": "an api key",
    "PARLANCE_CARRIERS__RINGOVER__WEBHOOK_KEY": "a webhook key",
    "PARLANCE_CARRIERS__RINGOVER__MEDIA_TOKEN": "a media token",
}


def read(file: str) -> Settings:
    return config.load(FIVE / file, SECRETS)


def team(chosen: Settings) -> dict[str, Agent]:
    """Those who have a number."""
    known = load.load(chosen.agents)
    return {number.agent: known[number.agent] for number in chosen.numbers}


def lines(chosen: Settings) -> set[int]:
    """How many calls the agents with a number take, each."""
    return {chosen.limits.agents.get(name, agent.limits.calls) for name, agent in team(chosen).items()}


@SIZES
def test_five_agents_take_so_many_calls_each_and_together(file: str, each: int, total: int) -> None:
    chosen = read(file)
    agents = team(chosen)
    assert sorted(agents) == sorted(path.stem for path in (FIVE / "agents").iterdir())
    assert len(agents) == 5
    assert lines(chosen) == {each}
    assert {number.channels for number in chosen.numbers} == {each}
    assert chosen.limits.calls == total == 5 * each
    assert chosen.default_agent in agents
    assert {rule.agent for rule in chosen.rules} <= set(agents)


def test_both_sizes_differ_in_nothing_else() -> None:
    small, large = read("parlance.toml"), read("twenty.toml")
    assert [n.model_copy(update={"channels": 3}) for n in large.numbers] == list(small.numbers)
    same = {"numbers", "limits"}
    assert small.model_dump(exclude=same) == large.model_dump(exclude=same)


@SIZES
async def test_a_house_can_be_made_of_it(file: str, each: int, total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    chosen, known = main.settings(FIVE / file)
    house = House(chosen, known)
    front = Front(house, None, lambda: main.statistics(house))
    assert front.gateway.find("/api/v1/media/ringover") is not None
    assert list(house.office.carriers) == ["ringover"]
    for number in chosen.numbers:
        for _ in range(each):
            house.exchange.admit(house.agents[number.agent])
    assert house.exchange.statistics().seats == total
    with pytest.raises(Refused):
        house.exchange.admit(house.agents["receptionist"])


@SIZES
@pytest.mark.parametrize(
    ("caller", "called", "hour", "agent"),
    [
        ("+33612345678", "+33199000001", datetime(2026, 11, 24, 10), "frontdesk"),
        ("+33612345678", "+33199000001", datetime(2026, 11, 24, 18), "night"),
        ("+33612345678", "+33199000001", datetime(2026, 11, 24, 8, 59), "night"),
        ("+33612345678", "+33199000001", datetime(2026, 11, 23, 10), "night"),
        ("", "+33199000002", datetime(2026, 11, 23, 10), "sales"),
        ("+33612345678", "+33199000003", datetime(2026, 11, 24, 10), "workshop"),
        ("+33612345678", "+33199000004", datetime(2026, 11, 24, 10), "billing"),
        ("+33612345678", "+33199000005", datetime(2026, 11, 24, 10), "night"),
        ("+33199000051", "+33199000001", datetime(2026, 11, 23, 10), "workshop"),
        ("+33612345678", "", datetime(2026, 11, 24, 10), "frontdesk"),
    ],
)
def test_numbers_hours_and_callers_lead_to_agents(
    caller: str, called: str, hour: datetime, agent: str, file: str, each: int, total: int
) -> None:
    """November 24, 2026 is a Tuesday; the shop is closed on Mondays."""
    chosen = read(file)
    router = Router(chosen.default_agent, chosen.numbers, chosen.rules)
    assert router.agent("ringover", caller, called, hour) == agent


@SIZES
def test_what_is_secret_is_not_in_the_file(file: str, each: int, total: int) -> None:
    without = config.load(FIVE / file, {}).carriers.ringover
    assert without is not None
    assert not any(secret.get_secret_value() for secret in (without.api_key, without.webhook_key, without.media_token))
