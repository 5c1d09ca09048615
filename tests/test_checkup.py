"""`parlance providers`: which providers the agents use, and one real request to each, against simulators."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from rich.console import Console

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.ear import TEXT
from bench.simulators.town import doors
from parlance import checkup
from parlance.__main__ import main
from parlance.actors.thinker.rehearsal import REPLY
from parlance.engine.agent import Agent
from parlance.terminal import roster

KEY = "key-that-is-secret"
SPARE = {"ear": "rehearsal", "mind": "rehearsal", "voice": "rehearsal"}


@pytest.fixture
async def conduct(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Conduct:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    conduct = Conduct(stt_delay=0.0, chat_delay=0.0, chat_pace=1000.0, tts_delay=0.0)
    conduct.ports = {name: await nursery.start(door.serve, 0) for name, door in doors(conduct).items()}  # type: ignore[attr-defined]
    return conduct


def agents(conduct: Any, **more: Any) -> dict[str, Agent]:
    host = {name: f"127.0.0.1:{port}" for name, port in conduct.ports.items()}
    agent = {
        "ear": {"kind": "deepgram", "url": f"ws://{host['deepgram']}/v1/listen", "key_env": "DEEPGRAM_API_KEY"},
        "mind": {"kind": "openai", "model": "some-model", "url": f"http://{host['openai']}/v1"},
        "voice": ["rehearsal", {"kind": "deepgram", "url": f"http://{host['deepgram']}/v1/speak"}],
    }
    one, two = ({"name": name, **agent, **more} for name in ("one", "two"))
    return {"one": Agent.model_validate(one), "two": Agent.model_validate(two)}


async def test_each_provider_is_listed_once_with_its_agents(conduct: Conduct) -> None:
    found = [provider for provider, _ in checkup.providers(agents(conduct))]
    assert [(one.role, one.kind, one.places, one.agents) for one in found] == [
        ("ear", "deepgram", (0,), ("one", "two")),
        ("mind", "openai", (0,), ("one", "two")),
        ("voice", "rehearsal", (0,), ("one", "two")),
        ("voice", "deepgram", (1,), ("one", "two")),
    ]
    assert [one.model for one in found] == ["nova-3", "some-model", "", "aura-2-thalia-en"]
    assert [one.key for one in found] == ["DEEPGRAM_API_KEY", "", "", ""], "a key goes where nobody has named it for"
    assert KEY not in repr(found)


async def test_each_is_asked_once_and_its_times_are_told(conduct: Conduct) -> None:
    asked: list[str] = []
    with trio.fail_after(20):
        results = await checkup.check(agents(conduct), lambda provider: asked.append(provider.role))
    assert asked == ["ear", "mind", "voice", "voice"]
    assert [result.error for result in results] == [""] * 4
    assert [result.told for result in results] == [TEXT, REPLY, "0.4 s of audio", "0.4 s of audio"]
    for result in results:
        assert result.ready is not None
        assert result.first is not None
        assert result.whole is not None
        assert 0 <= result.first <= result.whole < 5
    assert conduct.requests["/v1/chat/completions"] == 1
    assert conduct.requests["/v1/speak"] == 1


async def test_one_that_some_want_and_others_fall_back_on_is_asked_once(conduct: Conduct) -> None:
    """Though its settings are written in another order."""
    url = f"http://127.0.0.1:{conduct.ports['deepgram']}/v1/speak"  # type: ignore[attr-defined]
    one, two = {"kind": "deepgram", "url": url, "warm": 0}, {"kind": "deepgram", "warm": 0, "url": url}
    wanted = {
        name: Agent.model_validate({"name": name, **SPARE, "voice": voice})
        for name, voice in {"one": ["rehearsal", two], "two": one, "three": ["rehearsal", "rehearsal", one]}.items()
    }
    with trio.fail_after(20):
        results = await checkup.check(wanted, lambda _: None)
    (found,) = [result.provider for result in results if result.provider.kind == "deepgram"]
    assert (found.places, set(found.agents)) == ((0, 1, 2), {"one", "two", "three"})
    assert conduct.requests["/v1/speak"] == 1
    console = Console(width=200)
    with console.capture() as drawn:
        console.print(roster.health([result.as_dict() for result in results]))
    assert "deepgram (also fallback 1, 2)" in drawn.get()
    assert "rehearsal (" not in drawn.get(), "an agent asks it twice: that is no place of its own"


@pytest.mark.parametrize(
    ("fate", "words"),
    [(Fate.ERROR, "the simulator fails"), (Fate.CUT, "openai: "), (Fate.EMPTY, "it said nothing")],
)
async def test_what_does_not_work_is_told_and_the_others_are_asked_all_the_same(
    conduct: Conduct, fate: Fate, words: str
) -> None:
    conduct.fates.append(fate)
    with trio.fail_after(20):
        results = await checkup.check(agents(conduct, ear="rehearsal"), lambda _: None)
    told = {(result.provider.role, result.provider.places): result.error for result in results}
    assert words in told.pop(("mind", (0,)))
    assert set(told.values()) == {""}


async def test_a_wrong_key_is_told_without_the_key(conduct: Conduct) -> None:
    conduct.key = "another"
    with trio.fail_after(20):
        results = await checkup.check(agents(conduct, voice="rehearsal", mind="rehearsal"), lambda _: None)
    assert "401" in results[0].error
    assert KEY not in repr(results) + json.dumps([result.as_dict() for result in results])


@pytest.fixture(autouse=True)
def unbound() -> Iterator[None]:
    """The command binds the log to an output that its test has captured."""
    yield
    structlog.reset_defaults()


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str) -> int:
    (tmp_path / "spare.yaml").write_text(
        f"name: spare\n{''.join(f'{role}: {kind}{chr(10)}' for role, kind in SPARE.items())}"
    )
    (tmp_path / "parlance.toml").write_text('agents = ["spare.yaml"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["parlance", "providers", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_lists_without_asking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "--agent", "spare", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["role"], one["kind"]) for one in found] == [(role, "rehearsal") for role in SPARE]
    assert run(monkeypatch, tmp_path, "--json") == 0
    # Not `rehearsal`: it is for load tests, and people are not offered it.
    agents = {name for one in json.loads(capsys.readouterr().out) for name in one["agents"]}
    assert agents == {"callcenter", "receptionist", "sales", "spare"}


def test_the_command_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, tmp_path, "--agent", "spare", "--check", "--json") == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["error"] for result in results] == ["", "", ""]
    assert run(monkeypatch, tmp_path, "--agent", "spare", "--check") == 0
    assert "0.4 s of audio" in capsys.readouterr().out


def test_an_agent_that_there_is_not_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "--agent", "spear") == 2
    assert "there is no agent spear" in capsys.readouterr().err


def test_what_is_used_is_listed_without_the_keys_which_are_needed_to_ask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SPARE, "ear", "deepgram")
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    assert run(monkeypatch, tmp_path, "--agent", "spare", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["key"] == "DEEPGRAM_API_KEY (not set)"
    assert run(monkeypatch, tmp_path, "--agent", "spare", "--check") == 2
    assert "no key: set the environment variable DEEPGRAM_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert run(monkeypatch, tmp_path, "--agent", "spare", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["key"] == "DEEPGRAM_API_KEY"
