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
from parlance.engine.errors import ProviderError, Rejected, Unreachable
from parlance.engine.witness import Failed, Served

ERRORS: dict[str, type[ProviderError]] = {"gone": Unreachable, "no": Rejected}


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
    """Does with each opening what the next word of `script` says: an error's name, "ok" or "dies" (after 3 seconds)."""

    provider: str
    script: list[str]
    told: Told | None = None
    open_ones: int = 0

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[Hearing]:
        await trio.lowlevel.checkpoint()
        step = self.script.pop(0)
        if step in ERRORS:
            raise ERRORS[step](self.provider, step)
        self.told, self.open_ones = told, self.open_ones + 1
        hearing: Any = self
        try:
            async with trio.open_nursery() as nursery:
                if step == "dies":
                    nursery.start_soon(self.die)
                yield hearing
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self.open_ones -= 1

    async def die(self) -> None:
        await trio.sleep(3)
        raise Unreachable(self.provider, "gone")

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
        more.append(f"raised:{error.provider}:{str(error).split()[1]}")
    return [*map(word, told), *more]


@pytest.mark.parametrize(
    ("scripts", "told"),
    [
        ({"a": "ok"}, "served:a"),
        ({"a": "gone ok"}, "failed:a:gone served:a"),
        ({"a": "gone gone ok"}, "failed:a:gone raised:a:gone"),
        ({"a": "no ok"}, "raised:a:no"),
        ({"a": "no", "b": "ok"}, "failed:a:no served:b"),
        ({"a": "dies", "b": "ok"}, "served:a raised:a:gone"),
        ({"a": "gone", "b": "no"}, "failed:a:gone raised:b:no"),
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
