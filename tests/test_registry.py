"""Chains of providers as an agent's file has them: how long each mind is waited for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from parlance.engine.agent import Agent
from parlance.registry import PROVIDERS, Registry, faults

MIND = {"kind": "openai", "model": "m", "url": "http://127.0.0.1:9/v1"}


def agent(*minds: dict[str, Any], **more: Any) -> Agent:
    told = {"name": "a", "ear": "rehearsal", "mind": [{**MIND, **mind} for mind in minds], "voice": "rehearsal"}
    return Agent.model_validate({**told, **more})


@pytest.mark.parametrize(
    ("minds", "first"),
    [
        ([{}], [6]),
        ([{}, {"model": "n"}], [3, 6]),
        ([{"first": 5}, {"model": "n"}, {"model": "o", "first": 2}], [5, 3, 2]),
    ],
)
def test_a_mind_with_another_one_after_it_has_less_time(minds: list[dict[str, Any]], first: list[float]) -> None:
    made = agent(*minds)
    assert not faults(made)
    registry = Registry()
    assert [registry.one("mind", made, place).service.first for place in range(len(minds))] == first


def test_a_script_after_a_model_hurries_it_too() -> None:
    made = Agent.model_validate({"name": "a", "mind": [MIND, "rehearsal"], "ear": "rehearsal", "voice": "rehearsal"})
    assert not faults(made)
    assert Registry().one("mind", made, 0).service.first == 3


def test_a_mind_that_would_be_asked_too_late_is_a_fault() -> None:
    late = agent({"first": 8}, {"first": 4, "model": "n"}, {"model": "o"})
    told = "the last is asked after 12 s (`first` of the others): `limits.thinking` is 12"
    assert faults(late) == [(("mind",), told)]
    assert not faults(agent({"first": 8}, {"first": 4, "model": "n"}, {"model": "o"}, limits={"thinking": 13}))


@pytest.mark.parametrize("role", PROVIDERS)
def test_what_a_pattern_wants_is_said_in_words(role: str) -> None:
    for kind, module in PROVIDERS[role].items():
        model = getattr(import_module(module), "Settings", None)
        for name, field in getattr(model, "model_fields", {}).items():
            if any(getattr(rule, "pattern", None) for rule in field.metadata):
                assert field.description, f"{role} {kind}: {name}"
