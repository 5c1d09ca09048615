"""Calls on providers that fail: a short run, and what is made of a call's record."""

from __future__ import annotations

import socket
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from bench import rough, sockets
from bench.caller import Said
from bench.cast import SETTINGS, combination
from parlance.engine.trace import ChildRestarted, Record, TurnBegan, TurnEnded


async def test_a_short_run_loses_nobody_and_leaves_nothing(brief: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rough, "PAUSE", (0.2, 0.5))
    monkeypatch.setattr(rough, "WATCH", 0.5)
    chosen = rough.parsed(["--calls", "7", "--seconds", "1", "--errors", "0.05", "--stalls", "0", "--cuts", "0.03"])
    told: list[str] = []
    result = await rough.measured(chosen, told.append, brief)
    assert result.broke == []
    assert result.calls == 7
    assert result.utterances["answered"] + result.utterances["apologized"] >= 7
    assert result.drawn
    assert result.left["connections"] == (0, 0)
    assert result.warm > 0
    assert any("answered" in line for line in told)
    assert dict(rough.rows(result))["calls, lost"] == "7, 0"


@pytest.mark.parametrize("names", [rough.ALONE, rough.PAIRED])
def test_every_provider_takes_part(names: tuple[str, ...]) -> None:
    for role, known in SETTINGS.items():
        at = list(SETTINGS).index(role)
        assert {name for text in names for name in combination(text)[at].split(",")} == set(known), role


def _caller(*events: tuple[float, Any], said: tuple[Said, ...] = (), hung_up: bool = True) -> Any:
    records = [Record(place, at, event) for place, (at, event) in enumerate(events, 1)]
    return SimpleNamespace(records=records, said=said, hung_up=hung_up, ended=None, agent="a")


def test_a_calls_record_is_added_up() -> None:
    result = rough.Result(1)
    played = TurnEnded(1, "played", "", "Yes.", "Yes.", 0.3)
    events = ((0.1, TurnBegan(1, "hello", "")), (1.0, played), (2.0, TurnBegan(2, "", "regret")))
    rough.tally(result, _caller(*events, said=(Said(0, 1, 0.5, 0.1, "answered"), Said(2, 3, outcome="apologized"))))
    assert result.utterances == Counter(answered=1, apologized=1)
    assert (result.pauses, result.gaps) == ([0.5], [0.1])
    assert (result.turns, result.cues) == (Counter(played=1), Counter(regret=1))
    assert result.lost == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [((), 0), ((1.0,), 1), ((1.0, 5.0, 10.9), 3), ((1.0, 5.0, 11.0), 2), ((0.0, 9.0, 12.0, 15.0, 18.0), 4)],
)
def test_restarts_are_counted_within_the_time_of_the_budget(at: tuple[float, ...], expected: int) -> None:
    assert rough.most([Record(1, one, ChildRestarted("speaker")) for one in at]) == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lost": ["a: no reply"]}, "a call was lost"),
        ({"utterances": Counter(unanswered=1)}, "1 times a caller had no answer"),
        ({"utterances": Counter(lost=2)}, "2 times a caller had no answer"),
        ({"most": 4}, "a call's children were restarted 4 times"),
        ({"left": {"descriptors": (9, 10)}}, "descriptors left: 10, before 9"),
        ({"left": {"connections": (0, 1)}}, "connections left: 1, before 0"),
        ({"drawn": {}}, "the simulators did not fail once"),
        ({"utterances": Counter()}, "nobody said anything"),
    ],
)
def test_what_does_not_hold_is_told(change: dict[str, Any], told: str) -> None:
    good = {"utterances": Counter(answered=1), "most": 3, "left": {"tasks": (5, 5)}, "drawn": {"utterance cut": 1}}
    assert rough.Result(7, **good).broke == []
    (line,) = rough.Result(7, **{**good, **change}).broke
    assert line.startswith(told)


async def test_a_connection_and_its_descriptors_are_seen_while_they_are_open() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    before = sockets.descriptors()
    assert sockets.connections({port}) == 0
    with socket.create_connection(("127.0.0.1", port)):
        assert sockets.connections({port}) == 1
        assert sockets.descriptors() == before + 1
    assert sockets.connections({port}) == 0
    await listener.aclose()
