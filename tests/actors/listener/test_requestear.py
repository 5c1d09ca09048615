"""The driver of ears that are asked for whole utterances, with a scribe that does as it is told, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.listener.port import Heard, News
from parlance.actors.listener.request import RequestEar, RequestHearing, RequestService
from parlance.codecs import wav
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable

TENTH = b"\x01\x00" * 1600
SoFar = Callable[[str], None]


class Settings(RequestService):
    url: str = "http://127.0.0.1:1/v1"
    key_env: str = "NO_SUCH_KEY"

    def usual(self) -> str:
        return "https://scribe.test/v1"


@dataclass
class FakeScribe:
    """Says how many tenths of a second there were, after `takes` seconds, or what the next of `acts` does."""

    takes: float = 0.2
    interim: float = 0.8
    longest: float = 60.0
    rate: int = 16000
    provider: str = "scribe"
    acts: list[Callable[[SoFar], Awaitable[str]]] = field(default_factory=list)
    asked: list[tuple[float, float]] = field(default_factory=list)
    """When, and the seconds of audio."""
    last: bytes = b""
    under: int = 0
    most: int = 0
    lives: bool = False

    @property
    def settings(self) -> Settings:
        return Settings.model_validate({"interim": self.interim, "rate": self.rate})

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.lives = True
        task_status.started()
        await trio.sleep_forever()

    async def transcribe(self, file: bytes, so_far: SoFar) -> str:
        sound = wav.read(file)
        assert sound.rate == self.rate
        self.asked.append((trio.current_time(), sound.seconds))
        self.last = sound.samples
        self.under += 1
        self.most = max(self.most, self.under)
        try:
            if self.acts:
                return await self.acts.pop(0)(so_far)
            await trio.sleep(self.takes)
            return f" {round(sound.seconds * 10)} tenths\n"
        finally:
            self.under -= 1


@asynccontextmanager
async def opened(scribe: FakeScribe) -> AsyncIterator[tuple[RequestHearing, list[tuple[float, News]]]]:
    told: list[tuple[float, News]] = []
    async with RequestEar(scribe).open(lambda news: told.append((trio.current_time(), news))) as hearing:
        yield hearing, told


async def say(hearing: RequestHearing, tenths: int) -> None:
    """As somebody speaks."""
    for _ in range(tenths):
        await trio.sleep(0.1)
        await hearing.hear(TENTH)


async def test_an_utterance_is_sent_when_it_has_ended(autojump_clock: Any) -> None:
    scribe = FakeScribe(interim=0)
    async with opened(scribe) as (hearing, told):
        assert (hearing.provider, hearing.format.rate, hearing.endpoints) == ("scribe", 16000, False)
        await hearing.begin(7)
        await say(hearing, 12)
        assert not scribe.asked
        await hearing.end(7)
        await trio.sleep(1)
    assert [news for _, news in told] == [Heard(7, "12 tenths", final=True)]
    assert scribe.asked == [(pytest.approx(1.2), pytest.approx(1.2))]


async def test_words_so_far_come_while_the_caller_speaks_and_further_and_further_apart(autojump_clock: Any) -> None:
    scribe = FakeScribe()
    async with opened(scribe) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 60)
        await hearing.end(1)
        await trio.sleep(1)
    assert [round(seconds, 1) for _, seconds in scribe.asked] == [0.8, 1.6, 2.4, 3.6, 5.4, 6.0]
    assert [(round(at, 1), news) for at, news in told] == [
        (1.0, Heard(1, "8 tenths", final=False)),
        (1.8, Heard(1, "16 tenths", final=False)),
        (2.6, Heard(1, "24 tenths", final=False)),
        (3.8, Heard(1, "36 tenths", final=False)),
        (5.6, Heard(1, "54 tenths", final=False)),
        (6.2, Heard(1, "60 tenths", final=True)),
    ]


async def test_words_so_far_are_never_asked_for_twice_at_once(autojump_clock: Any) -> None:
    scribe = FakeScribe(takes=2.95)
    async with opened(scribe) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 40)
        assert [round(at, 1) for at, _ in scribe.asked] == [0.8, 3.8]
    assert scribe.most == 1
    assert [news for _, news in told] == [Heard(1, "8 tenths", final=False)]


async def test_words_so_far_are_dropped_when_the_utterance_ends(autojump_clock: Any) -> None:
    scribe = FakeScribe(takes=1.0)
    async with opened(scribe) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 9)
        await hearing.end(1)
        await trio.sleep(2)
    assert [(round(at, 1), news) for at, news in told] == [(1.9, Heard(1, "9 tenths", final=True))]


async def test_utterances_overlap_and_their_final_words_come_in_order(autojump_clock: Any) -> None:
    async def slow(so_far: SoFar) -> str:
        await trio.sleep(2)
        return "slow"

    scribe = FakeScribe(interim=0, acts=[slow])
    async with opened(scribe) as (hearing, told):
        for utterance in (1, 2):
            await hearing.begin(utterance)
            await say(hearing, 5)
            await hearing.end(utterance)
        await trio.sleep(3)
    assert scribe.most == 2
    assert [(round(at, 1), news) for at, news in told] == [
        (2.5, Heard(1, "slow", final=True)),
        (2.5, Heard(2, "5 tenths", final=True)),
    ]


async def test_final_words_that_come_one_by_one_are_told_once_they_are_more_than_was_known(autojump_clock: Any) -> None:
    async def interim(so_far: SoFar) -> str:
        so_far("not told")
        return "I would like"

    async def final(so_far: SoFar) -> str:
        for text in ("I", "I would", "I would like to"):
            so_far(text)
        return "I would like to book"

    async with opened(FakeScribe(acts=[interim, final])) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 9)
        await hearing.end(1)
        await trio.sleep(1)
    texts = ["I would like", "I would like to", "I would like to book"]
    assert [news for _, news in told] == [Heard(1, text, final=text is texts[-1]) for text in texts]


@pytest.mark.parametrize("audio", [b"", b"\x01\x00" * 1599], ids=["none", "less than a tenth of a second"])
async def test_without_audio_there_are_no_words_and_no_request(autojump_clock: Any, audio: bytes) -> None:
    scribe = FakeScribe()
    async with opened(scribe) as (hearing, told):
        await hearing.begin(1)
        await hearing.hear(audio)
        await hearing.end(1)
        await trio.sleep(1)
    assert [news for _, news in told] == [Heard(1, "", final=True)]
    assert not scribe.asked


async def test_of_an_endless_utterance_the_end_is_kept(autojump_clock: Any) -> None:
    scribe = FakeScribe(interim=0, longest=2.0)
    async with opened(scribe) as (hearing, _):
        await hearing.begin(1)
        await say(hearing, 100)
        await hearing.hear(b"\x02\x00" * 3)
        await hearing.end(1)
        await trio.sleep(1)
    assert [seconds for _, seconds in scribe.asked] == [2.0]
    assert scribe.last == b"\x01\x00" * (32000 - 3) + b"\x02\x00" * 3


def failing(error: ProviderError) -> Callable[[SoFar], Awaitable[str]]:
    async def fail(so_far: SoFar) -> str:
        await trio.sleep(0.1)
        raise error

    return fail


async def call(scribe: FakeScribe, tenths: int, *, end: bool = True) -> None:
    """A call with one utterance, that goes on until its ear fails."""
    async with opened(scribe) as (hearing, _):
        await hearing.begin(1)
        await say(hearing, tenths)
        if end:
            await hearing.end(1)
        await trio.sleep_forever()


@pytest.mark.parametrize("kind", [Unreachable, Rejected, Overloaded, Garbled])
async def test_a_final_request_that_fails_ends_the_ear(autojump_clock: Any, kind: type[ProviderError]) -> None:
    scribe = FakeScribe(interim=0, acts=[failing(kind("scribe", "no"))] * 2)
    with trio.fail_after(5), pytest.raises(kind, match="scribe: no"):
        await call(scribe, 5)
    assert len(scribe.asked) == (2 if kind.retry else 1)


@pytest.mark.parametrize(("after", "tries"), [(None, 2), (0.5, 2), (3.0, 1)])
async def test_it_is_made_again_once_because_nobody_else_has_the_whole_utterance(
    autojump_clock: Any, after: float | None, tries: int
) -> None:
    scribe = FakeScribe(interim=0, acts=[failing(Overloaded("scribe", "later", after=after))])
    with suppress(ProviderError, trio.TooSlowError), trio.fail_after(3):
        await call(scribe, 5)
    assert len(scribe.asked) == tries


async def test_an_early_one_that_is_refused_for_good_ends_it_too(autojump_clock: Any) -> None:
    with trio.fail_after(5), pytest.raises(Rejected, match="scribe: no"):
        await call(FakeScribe(acts=[failing(Rejected("scribe", "no"))]), 12, end=False)


@pytest.mark.parametrize("kind", [Unreachable, Garbled])
async def test_an_early_one_that_fails_is_done_without(autojump_clock: Any, kind: type[ProviderError]) -> None:
    async with opened(FakeScribe(acts=[failing(kind("scribe", "no"))])) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 12)
        await hearing.end(1)
        await trio.sleep(1)
    assert told[-1][-1].final


@pytest.mark.parametrize(("after", "again"), [(None, True), (2.0, True), (100.0, False)])
async def test_words_so_far_that_nobody_has_time_for_are_not_asked_for_for_a_while(
    autojump_clock: Any, after: float | None, again: bool
) -> None:
    scribe = FakeScribe(acts=[failing(Overloaded("scribe", "later", after=after))])
    async with opened(scribe) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 100)
        await hearing.end(1)
        await trio.sleep(1)
    asked = [round(at, 1) for at, _ in scribe.asked]
    assert asked[0] == 0.8
    assert asked[-1] == 10.0
    assert all(at >= 0.9 + (after or 3.0) for at in asked[1:-1])
    assert bool(asked[1:-1]) == again
    assert told[-1][1] == Heard(1, "100 tenths", final=True)


async def test_leaving_the_ear_ends_its_requests_at_once(autojump_clock: Any) -> None:
    scribe = FakeScribe(takes=50)
    async with opened(scribe) as (hearing, told):
        await hearing.begin(1)
        await say(hearing, 10)
        await hearing.end(1)
        await hearing.begin(2)
        await say(hearing, 10)
        start = trio.current_time()
    assert trio.current_time() == start
    assert not scribe.under
    assert not told


async def test_the_house_runs_the_scribe(nursery: trio.Nursery) -> None:
    scribe = FakeScribe()
    await nursery.start(RequestEar(scribe).run)
    assert scribe.lives


@given(tenths=st.integers(1, 600), interim=st.sampled_from([0.3, 0.8, 2.0]))
def test_all_the_audio_that_is_sent_for_words_so_far_is_three_times_the_utterances_at_most(
    tenths: int, interim: float
) -> None:
    async def call() -> list[float]:
        scribe = FakeScribe(takes=0.0, interim=interim)
        async with opened(scribe) as (hearing, _):
            await hearing.begin(1)
            for _ in range(tenths):
                await hearing.hear(TENTH)
                await trio.testing.wait_all_tasks_blocked()
        return [seconds for _, seconds in scribe.asked]

    asked = trio.run(call)
    assert sum(asked) <= 3 * tenths / 10 + 0.001
    assert bool(asked) == (tenths / 10 >= interim - 0.001)
