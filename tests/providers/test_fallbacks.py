"""Providers in a row: who is asked when the one that is wanted fails, who answers, and when that one is asked again."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from matrix import FAULTS, Fault
from partners import BY_TITLE, Partner
from plays import Plays
from theatre import REPLY, WORDS, Served, Theatre, fakes, simulator
from verdicts import ANSWERED

from bench.simulators.conduct import Fate
from parlance.engine.metronome import Metronome
from parlance.engine.trace import CallerSaid, TurnBegan, TurnEnded
from parlance.registry import Registry

PAIRS = {
    "ear": ("ear deepgram", "ear openai"),
    "mind": ("mind anthropic", "mind openai"),
    "voice": ("voice cartesia", "voice elevenlabs-http"),
}
REFUSALS = ("wrong key", "quota", "quota, come back late", "5xx")
ALL = 99
plays = Plays()


@asynccontextmanager
async def pair(
    role: str, fault: Fault, last: Fault = FAULTS["none"]
) -> AsyncIterator[tuple[Served, Served, dict[str, Any]]]:
    """Two providers, of which the first has a fault, and the agent's settings for both."""
    async with AsyncExitStack() as stack:
        wanted: list[tuple[Partner, Served]] = []
        for title, wrong in zip(PAIRS[role], (fault, last), strict=True):
            partner = BY_TITLE[title]
            wanted.append((partner, await stack.enter_async_context(simulator(partner.door, wrong.conduct(partner)))))
        settings = {role: [partner.at(served.port) for partner, served in wanted]}
        yield wanted[0][1], wanted[1][1], settings


def script(turns: int, seconds: float) -> Any:
    async def say(theatre: Theatre) -> None:
        await trio.sleep(0.2)
        for _ in range(turns):
            await theatre.say(seconds)

    return say


def spoken(role: str) -> float:
    return 1.8 if role == "ear" else 0.6


def kinds(role: str) -> tuple[str, str]:
    wanted, next_one = (BY_TITLE[title].kind for title in PAIRS[role])
    return wanted, next_one


def about(theatre: Theatre, role: str) -> list[Any]:
    """Who of this role failed and who served, in order."""
    return [what for what in theatre.told() if what[1:2] == (role,)]


def answered(theatre: Theatre, role: str) -> None:
    """Both turns, whoever it was."""
    theatre.check()
    assert theatre.turns == ANSWERED, theatre.told()
    assert [turn.heard for turn in theatre.all(TurnEnded)] == [REPLY, REPLY]
    if role == "ear":
        assert [said.text for said in theatre.all(CallerSaid) if said.final] == [WORDS, WORDS]


async def _refused(role: str, name: str, beat: Metronome) -> None:
    fault = FAULTS[name]
    always = Fault(fault.fate, fault.status, fault.after, ALL, fault.wrong)
    async with pair(role, always) as (first, second, settings):
        theatre = Theatre(settings, **fakes(role), metronome=beat)
        await theatre.play(script(2, spoken(role)))
        with trio.move_on_after(2):
            while first.open or second.open:
                await trio.sleep(0.01)
        assert not first.open
        assert not second.open
    answered(theatre, role)
    wanted, next_one = kinds(role)
    told = about(theatre, role)
    assert told[:2] == [("failed", role, wanted), ("served", role, next_one)]
    assert ("served", role, wanted) not in told
    assert not [what for what in theatre.told() if what[0] == "broke"]


for _role in PAIRS:
    for _name in REFUSALS:
        plays.add(f"{_role}: the next one answers for one that refuses, {_name}", partial(_refused, _role, _name))


async def _spoiled(role: str, name: str, beat: Metronome) -> None:
    """What the wanted one gives is spoiled every time."""
    fault = FAULTS[name]
    async with pair(role, Fault(fault.fate, times=ALL)) as (_one, _other, settings):
        theatre = await Theatre(settings, **fakes(role), metronome=beat).play(script(3, spoken(role)))
    theatre.check()
    assert theatre.turns == [("reply", "played")] * 3, theatre.told()
    # A voice goes on with the words that were not sent yet: less is not heard.
    assert [turn.heard for turn in theatre.all(TurnEnded)] == [REPLY] * 3
    next_one = kinds(role)[1]
    assert about(theatre, role)[-1] == ("served", role, next_one)


for _role in PAIRS:
    for _name in ("stops in the middle", "cut in the middle", "half a JSON", "wrong types", "10 MB", "nothing in it"):
        # An ear that hears nothing is believed.
        if (_role, _name) != ("ear", "nothing in it"):
            plays.add(
                f"{_role}: the next one goes on for one that spoils all, {_name}", partial(_spoiled, _role, _name)
            )


async def _silent(role: str, beat: Metronome) -> None:
    async with pair(role, Fault(Fate.SILENT, times=ALL)) as (_, _second, settings):
        theatre = await Theatre(settings, **fakes(role), metronome=beat).play(script(2, 0.6))
    answered(theatre, role)
    wanted, next_one = kinds(role)
    assert about(theatre, role)[:2] == [("failed", role, wanted), ("served", role, next_one)]
    waited = next(at for at, _ in theatre.caller.sounds) - theatre.at(TurnBegan)[0]
    assert 1.2 <= waited < 2.6


async def _broken(role: str, beat: Metronome) -> None:
    """Calls of one house: what one of them has learned of a provider helps the others."""
    wanted, next_one = kinds(role)
    async with pair(role, Fault(Fate.ERROR, 500, times=3)) as (one, _other, settings):
        registry = Registry()
        calls: list[Theatre] = []

        async def call() -> None:
            theatre = Theatre(settings, **fakes(role), metronome=beat, registry=registry)
            calls.append(theatre)
            await theatre.play(script(1, 0.6), run=False)
            assert theatre.turns == [("reply", "played")]
            assert [turn.heard for turn in theatre.all(TurnEnded)] == [REPLY]

        # What keeps connections is made with the first call's crew.
        Theatre(settings, **fakes(role), registry=registry)
        async with trio.open_nursery() as house:
            for provider in registry.shared.values():
                if (run := getattr(provider, "run", None)) is not None:
                    await house.start(run)
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(call)
            for theatre in calls:
                assert about(theatre, role) == [("failed", role, wanted), ("served", role, next_one)]
            await trio.sleep(1.1)
            await call()
            assert about(calls[-1], role) == [("served", role, wanted)], "its pause is over, and it works again"
            assert sum(count for name, count in one.conduct.requests.items() if name.endswith(" error")) == 3
            house.cancel_scope.cancel()


async def _kept_out(role: str, beat: Metronome) -> None:
    wanted, next_one = kinds(role)
    async with pair(role, Fault(Fate.ERROR, 429, "30", ALL)) as (one, _other, settings):
        theatre = await Theatre(settings, **fakes(role), metronome=beat).play(script(3, 0.6))
    assert about(theatre, role) == [("failed", role, wanted), *[("served", role, next_one)] * 3]
    assert sum(count for name, count in one.conduct.requests.items() if name.endswith(" error")) == 1


# An ear says nothing until the caller does, and is opened once a call.
for _role in ("mind", "voice"):
    plays.add(f"{_role}: the next one is tried at the first-byte deadline", partial(_silent, _role))
    plays.add(f"{_role}: a breaker keeps one that fails out, and lets it back", partial(_broken, _role))
    plays.add(f"{_role}: one that is kept out is not asked at all", partial(_kept_out, _role))


@plays
async def an_ear_that_breaks_is_taken_over_by_the_next_one(beat: Metronome) -> None:
    async with pair("ear", FAULTS["none"]) as (one, _other, settings):
        # It opens, and breaks in the midst of what the caller says.
        one.conduct.fates = deque([Fate.NONE, Fate.CUT])
        theatre = await Theatre(settings, **fakes("ear"), metronome=beat).play(script(2, 1.8))
    answered(theatre, "ear")
    assert about(theatre, "ear") == [
        ("served", "ear", "deepgram"),
        ("served", "ear", "openai"),
    ]
    assert theatre.told().count(("broke", "listener")) == 1
    assert theatre.told().count(("again", "listener")) == 1


async def _rested(role: str, beat: Metronome) -> None:
    """The only one asks for a pause that is too long for a reply, and not for a call."""
    partner = BY_TITLE[PAIRS[role][0]]
    async with simulator(partner.door, Fault(Fate.ERROR, 429, "2").conduct(partner)) as served:

        async def say(theatre: Theatre) -> None:
            await trio.sleep(0.2)
            await theatre.say(spoken(role))
            await trio.sleep(2)
            await theatre.say(spoken(role))

        theatre = await Theatre({role: partner.at(served.port)}, **fakes(role), metronome=beat).play(say)
    theatre.check()
    failed = [("reply", "failed"), ("regret", "played"), ("reply", "played")]
    assert theatre.turns == (ANSWERED if role == "ear" else failed), theatre.told()
    assert theatre.end == ("completed", "caller hung up")
    assert sum(count for name, count in served.conduct.requests.items() if name.endswith(" error")) == 1


for _role in PAIRS:
    plays.add(f"{_role}: a pause that the only one asks for does not end the call", partial(_rested, _role))


@plays
async def an_ear_that_refuses_in_the_midst_is_taken_over_by_the_next_one(beat: Metronome) -> None:
    """It is asked when the caller has spoken: until then nobody knows what it thinks of the key."""
    first, second = (BY_TITLE[title] for title in ("ear openai", "ear deepgram"))
    async with (
        simulator(first.door, FAULTS["wrong key"].conduct(first)) as one,
        simulator(second.door, FAULTS["none"].conduct(second)) as other,
    ):
        settings = {"ear": [first.at(one.port), second.at(other.port)]}
        theatre = await Theatre(settings, **fakes("ear"), metronome=beat).play(script(2, 1.8))
    answered(theatre, "ear")
    assert about(theatre, "ear") == [("served", "ear", "openai"), ("served", "ear", "deepgram")]
    assert theatre.told().count(("again", "listener")) == 1


async def _all_fail(role: str, beat: Metronome) -> None:
    refusal = Fault(Fate.ERROR, 500, times=ALL)
    async with pair(role, refusal, refusal) as (_, _second, settings):
        theatre = Theatre(settings, **fakes(role), metronome=beat)
        await theatre.play(script(2, spoken(role)))
    theatre.check()
    assert theatre.turns[-1] == ("last words", "played")
    how, reason = theatre.end
    assert how == "failed"
    assert "500" in reason


for _role in PAIRS:
    plays.add(f"{_role}: when all fail the caller is told", partial(_all_fail, _role))


@pytest.mark.parametrize("name", plays.names)
def test_fallbacks(name: str) -> None:
    plays.look(name)


def test_nothing_is_left_of_all_these_calls() -> None:
    assert plays.left == {}
