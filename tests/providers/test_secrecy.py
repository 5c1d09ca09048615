"""Keys: in no trace, log, error or representation, whatever goes wrong, and even if the provider repeats them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

import pytest
import trio
from matrix import FAULTS, Fault
from partners import BY_TITLE, KEY, PARTNERS, Partner
from plays import Plays
from theatre import Theatre, fakes, simulator

from bench.simulators.conduct import Fate
from parlance.actors.dial import Service
from parlance.engine.agent import Provider
from parlance.engine.metronome import Metronome
from parlance.engine.secret import Secret
from parlance.registry import settings

FAILS = {
    "wrong key": FAULTS["wrong key"],
    "5xx": Fault(Fate.ERROR, 500, times=9),
    "cut": Fault(Fate.CUT),
    "half": Fault(Fate.HALF),
}
plays = Plays()


class Log(logging.Handler):
    """Everything that anybody logs, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@cache
def _log() -> Log:
    log = Log()
    logging.getLogger().addHandler(log)
    logging.getLogger().setLevel(logging.DEBUG)
    return log


def _parts(it: Any, depth: int = 4) -> Iterator[Any]:
    """An object of ours, and those of ours that it holds."""
    yield it
    inside = getattr(it, "__dict__", None) or {}
    opens = depth and type(it).__module__.startswith("parlance") and not isinstance(it, Secret)
    for value in inside.values() if opens else ():
        yield from _parts(value, depth - 1)


async def _never_seen(title: str, name: str, beat: Metronome) -> None:
    partner = BY_TITLE[title]
    _log()

    async def script(theatre: Theatre) -> None:
        await trio.sleep(0.2)
        await theatre.say(1.2 if partner.role == "ear" else 0.6)

    async with simulator(partner.door, FAILS[name].conduct(partner)) as served:
        theatre = Theatre({partner.role: partner.at(served.port)}, **fakes(partner.role), metronome=beat)
        await theatre.play(script)
    theatre.check()
    assert served.conduct.requests.total() or name == "wrong key"
    trace = [record.as_line() for record in theatre.records]
    assert any("CallEnded" in line for line in trace)
    held = [part for one in theatre.registry.shared.values() for part in _parts(one)]
    assert any(isinstance(part, Service) for part in held), "the settings are not among what is looked at"
    shown = [repr(part) for part in held] + [str(part) for part in held]
    assert not _seen(trace)
    assert not _seen(shown)


def _seen(texts: Iterable[str]) -> list[str]:
    """Those with the key, or with a part of it that would do."""
    return [text for text in texts if KEY[-12:] in text]


for _partner in PARTNERS:
    for _name in FAILS:
        plays.add(f"{_partner.title}: {_name}", partial(_never_seen, _partner.title, _name))


@pytest.fixture(scope="module", autouse=True)
def _quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.removeHandler(_log())
    root.setLevel(level)
    _log.cache_clear()


@pytest.mark.parametrize("name", plays.names)
def test_a_key_is_never_seen(name: str) -> None:
    plays.look(name)


def test_a_key_is_in_no_log() -> None:
    plays.look(plays.names[0])
    assert len(_log().lines) > 100
    assert not _seen(_log().lines)


@pytest.mark.parametrize("partner", PARTNERS, ids=lambda partner: partner.title)
def test_the_key_in_the_usual_variable_goes_to_no_server_of_ones_own(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = partner.at(9)
    del written["key_env"]
    chosen = settings(partner.role, Provider(**written))
    monkeypatch.setenv(chosen.key_env, KEY)
    assert not chosen.key()
    named = settings(partner.role, Provider(**written, key_env=chosen.key_env))
    assert named.key().get_secret_value() == KEY
    if "api_version" not in written:
        usual = settings(partner.role, Provider(**written | {"url": chosen.usual()}))
        assert usual.key().get_secret_value() == KEY
