"""An agent's own lines, spoken beforehand: what a voice fails at costs the start no more than one try."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
import trio

from parlance.actors.speaker.port import Sound, Speech
from parlance.actors.speaker.prepared import PATIENCE, Prepared
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Agent
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable
from parlance.house import House
from parlance.settings import Settings

LINES = ("one", "two", "three")


class Voice:
    """Speaks what it has no error for. `stalls`: how often it says nothing first."""

    provider = "fake"

    def __init__(self, errors: dict[str, ProviderError], stalls: int = 0) -> None:
        self.errors, self.stalls = errors, stalls
        self.asked: list[str] = []

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Voice]:
        yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Speech]]:
        self.asked.append(text)
        async with aclosing(self._speech(text)) as speech:
            yield speech

    async def _speech(self, text: str) -> AsyncGenerator[Speech]:
        if self.stalls:
            self.stalls -= 1
            await trio.sleep_forever()
        if error := self.errors.get(text):
            raise error
        await trio.lowlevel.checkpoint()
        yield Sound(TELEPHONE.silence * 8000, TELEPHONE)


@pytest.mark.parametrize(
    ("error", "asked"),
    [(Rejected("fake", "not these words"), ["one", "two", "three"]), (Unreachable("fake", "gone"), ["one", "two"])],
)
async def test_a_voice_that_may_do_better_later_is_not_asked_for_the_rest_now(
    error: ProviderError, asked: list[str]
) -> None:
    voice, prepared = Voice({"two": error}), Prepared()
    assert await prepared.prepare(voice, LINES, ()) == [error]
    assert voice.asked == asked
    voice.errors.clear()
    assert await prepared.prepare(voice, LINES, ()) == []
    assert all(prepared.get(text, TELEPHONE) for text in LINES)
    assert voice.asked.count("one") == 1


def shared(voice: Voice) -> Callable[[], Voice]:
    """What makes a voice for each call."""
    return lambda: voice


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    # Converting is done in threads, for which a virtual clock does not wait.
    monkeypatch.setattr("parlance.house.lines", lambda settings: ())
    agent = Agent(name="a", greeting="Hello.", mind="rehearsal", ear="rehearsal", voice="rehearsal")
    return House(Settings(default_agent="a"), {"a": agent})


async def test_a_house_whose_voice_stalls_is_open_after_one_try_and_prepares_its_lines_later(
    house: House, autojump_clock: object
) -> None:
    voice, prepared = Voice({}, stalls=2), Prepared()
    voices = shared(voice)
    house.crews["a"] = replace(house.crews["a"], voice=voices)
    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        await nursery.start(house._prepare, voices, prepared)
        assert trio.current_time() - began == pytest.approx(PATIENCE, abs=0.1)
        assert prepared.get("Hello.", TELEPHONE) is None
        await trio.sleep(60)
        assert all(prepared.get(text, TELEPHONE) for text in ("Hello.", house.agents["a"].lines.apology))
        nursery.cancel_scope.cancel()


async def test_a_voice_that_has_asked_for_a_pause_is_asked_again(house: House, autojump_clock: object) -> None:
    later = Overloaded("fake", "429 later", after=9.0)
    later.retry = False
    voice, prepared = Voice({"Hello.": later}), Prepared()
    voices = shared(voice)
    house.crews["a"] = replace(house.crews["a"], voice=voices)
    async with trio.open_nursery() as nursery:
        await nursery.start(house._prepare, voices, prepared)
        voice.errors.clear()
        await trio.sleep(60)
        assert prepared.get("Hello.", TELEPHONE) is not None
        nursery.cancel_scope.cancel()
