"""The chain of ears: who is tried, who hears, and when one has shown that it works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio
import trio.testing

from parlance.actors.choice import Choice
from parlance.actors.listener.chain import EarChain
from parlance.actors.listener.port import Heard, Hearing, News, Told
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.witness import Failed, Served

ERRORS: dict[str, ProviderError] = {
    "gone": Unreachable("", "gone"),
    "no": Rejected("", "no"),
    "soon": Overloaded("", "soon", after=4.0),
    "later": Overloaded("", "later", after=9.0),
}
ENDS = {"dies": "gone", "refuses": "no", "turns": "no"}
"""What happens to one that is open, after 3 seconds."""


def error(provider: str, name: str) -> ProviderError:
    like = ERRORS[name]
    return type(like)(provider, name, after=like.after)


def word(news: News) -> str:
    match news:
        case Served(provider):
            return f"served:{provider}"
        case Failed(provider, error):
            return f"failed:{provider}:{error.split()[1]}"
        case Heard(_, text):
            return text
    return "?"


@dataclass
class Ear:
    """Does with each opening what the next word of `script` says: an error's name, "ok" or one of `ENDS`. One that
    "turns" hears words before.
    """

    provider: str
    script: list[str]
    told: Told | None = None
    open_ones: int = 0

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[Hearing]:
        await trio.lowlevel.checkpoint()
        step = self.script.pop(0)
        if step in ERRORS:
            raise error(self.provider, step)
        self.told, self.open_ones = told, self.open_ones + 1
        hearing: Any = self
        try:
            async with trio.open_nursery() as nursery:
                if step in ENDS:
                    nursery.start_soon(self.end, step)
                yield hearing
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self.open_ones -= 1

    async def end(self, how: str) -> None:
        await trio.sleep(3)
        if how == "turns":
            self.say("hi")
        raise error(self.provider, ENDS[how])

    def say(self, text: str) -> None:
        assert self.told is not None
        self.told(Heard(1, text, final=True))


def ears(**scripts: str) -> tuple[list[Ear], EarChain, Choice[Any]]:
    made = [Ear(name, script.split()) for name, script in scripts.items()]
    choice: Choice[Any] = Choice(made)
    return made, EarChain(choice), choice


async def opened(chain: EarChain, seconds: float = 1.0) -> list[str]:
    told: list[News] = []
    more: list[str] = []
    try:
        async with chain.open(told.append):
            await trio.sleep(seconds)
    except ProviderError as error:
        more.append(f"{'raised' if error.retry else 'hopeless'}:{error.provider}:{str(error).split()[1]}")
    return [*map(word, told), *more]


@pytest.mark.parametrize(
    ("scripts", "told"),
    [
        ({"a": "ok"}, "served:a"),
        ({"a": "gone ok"}, "failed:a:gone served:a"),
        ({"a": "gone gone ok"}, "failed:a:gone raised:a:gone"),
        ({"a": "no ok"}, "hopeless:a:no"),
        ({"a": "soon ok"}, "failed:a:soon served:a"),
        ({"a": "later ok"}, "hopeless:a:later"),
        ({"a": "refuses"}, "served:a hopeless:a:no"),
        ({"a": "turns"}, "served:a hi raised:a:no"),
        ({"a": "refuses", "b": "ok"}, "served:a raised:a:no"),
        ({"a": "later", "b": "no"}, "failed:a:later hopeless:b:no"),
        ({"a": "no", "b": "no"}, "failed:a:no hopeless:b:no"),
        ({"a": "no", "b": "ok"}, "failed:a:no served:b"),
        ({"a": "dies", "b": "ok"}, "served:a raised:a:gone"),
        ({"a": "gone gone", "b": "no"}, "failed:a:gone failed:b:no raised:a:gone"),
        ({"a": "gone ok", "b": "no"}, "failed:a:gone failed:b:no served:a"),
    ],
)
async def test_an_ear_is_the_first_that_opens(
    scripts: dict[str, str], told: str, autojump_clock: trio.testing.MockClock
) -> None:
    made, chain, _ = ears(**scripts)
    assert " ".join(await opened(chain, 5.0)) == told
    assert [ear.open_ones for ear in made] == [0] * len(made)


async def test_an_ear_that_keeps_dying_is_kept_out(autojump_clock: trio.testing.MockClock) -> None:
    _, _, choice = ears(a="dies dies dies", b="ok")
    for _ in range(3):
        assert await opened(EarChain(choice), 5.0) == ["served:a", "raised:a:gone"]
    assert await opened(EarChain(choice)) == ["served:b"]
    assert choice.options[0].breaker.state(trio.current_time() - 1) == "open"


async def test_a_call_whose_ear_has_failed_is_heard_by_another_one(autojump_clock: trio.testing.MockClock) -> None:
    _, chain, choice = ears(a="dies ok", b="dies")
    assert await opened(chain, 5.0) == ["served:a", "raised:a:gone"]
    assert await opened(chain, 5.0) == ["served:b", "raised:b:gone"]
    assert await opened(chain) == ["served:a"]
    assert choice.options[0].breaker.state(trio.current_time()) == "closed", "other calls ask it as before"


async def test_each_ear_of_a_call_says_no_once(autojump_clock: trio.testing.MockClock) -> None:
    _, chain, _ = ears(a="refuses", b="refuses")
    assert await opened(chain, 5.0) == ["served:a", "raised:a:no"]
    assert await opened(chain, 5.0) == ["served:b", "hopeless:b:no"]


@pytest.mark.parametrize(("left", "told"), [(5.5, "hopeless:a:later"), (4.5, "served:a")])
async def test_a_pause_that_an_ear_has_asked_another_call_for_is_waited_for_if_it_is_short(
    left: float, told: str, autojump_clock: trio.testing.MockClock
) -> None:
    _, chain, choice = ears(a="ok")
    choice.options[0].breaker.failed(0.0, error("a", "later"))
    await trio.sleep(9.0 - left)
    assert await opened(chain) == [told]
    assert trio.current_time() == (10.0 if told == "served:a" else 9.0 - left)


@pytest.mark.parametrize(
    ("says", "seconds", "failures"),
    [([(1, "hi")], 9, 1), ([(1, "hi")], 11, 0), ([], 11, 1), ([(1, " ")], 11, 1), ([(10, "hi")], 10, 0)],
)
async def test_an_ear_has_worked_if_it_was_open_for_long_and_heard_words(
    says: list[tuple[float, str]], seconds: float, failures: int, autojump_clock: trio.testing.MockClock
) -> None:
    made, chain, choice = ears(a="ok")
    breaker = choice.options[0].breaker
    breaker.failed(0.0, Unreachable("a", "gone"))
    told: list[News] = []
    async with chain.open(told.append):
        start = trio.current_time()
        for at, text in says:
            await trio.sleep_until(start + at)
            made[0].say(text)
        await trio.sleep_until(start + seconds)
    assert breaker.statistics(0.0).failures == failures
    assert [word(news) for news in told] == ["served:a", *(text for _, text in says)]
