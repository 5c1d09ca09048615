"""The chains of minds and voices: who is tried, who serves, what is told of it. A fake does what its script says."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from parlance.actors.choice import MEMORY, Choice
from parlance.actors.speaker.chain import VoiceChain
from parlance.actors.speaker.port import Sound
from parlance.actors.thinker.chain import MindChain
from parlance.actors.thinker.guess import Guess
from parlance.actors.thinker.port import Ask, Line, Spent, Token
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.witness import Failed, Served

ERRORS: dict[str, type[ProviderError]] = {"gone": Unreachable, "no": Rejected, "odd": Garbled, "later": Overloaded}
STALL = 1000.0


@dataclass
class Fake:
    """`script`: a word for each try, whose steps are joined by "+": "gone", "no", "odd", "later0.5" fail; "wait2" waits
    two seconds; "spent" and "ask" are given; any other word is given as words or audio.
    """

    provider: str
    script: str
    ahead: bool = True
    open: int = 0
    """Contexts that are entered and not left."""
    opened: int = 0
    heard: list[str] = field(default_factory=list)
    tries: deque[str] = field(init=False)

    def __post_init__(self) -> None:
        self.tries = deque(self.script.split())

    def __call__(self) -> Fake:
        return self

    def committed(self, heard: str, complete: bool) -> None:
        self.heard.append(heard)

    async def steps(self) -> AsyncGenerator[str]:
        for step in self.tries.popleft().split("+"):
            await trio.lowlevel.checkpoint()
            kind = step.rstrip("0123456789.")
            amount = step[len(kind) :]
            if kind in ERRORS:
                raise ERRORS[kind](self.provider, kind, after=float(amount) if amount else None)
            if kind == "wait":
                await trio.sleep(float(amount))
            elif step != "end":
                yield step

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        """With a nursery, as real ones have: left out of order, it would fall to pieces."""
        self.open += 1
        self.opened += 1
        try:
            async with trio.open_nursery():
                yield
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self.open -= 1

    @asynccontextmanager
    async def think(self, history: Sequence[Any], tools: Sequence[Any] = ()) -> AsyncIterator[AsyncIterator[Any]]:
        async with self.inside(), aclosing(self.thoughts()) as thoughts:
            yield thoughts

    async def thoughts(self) -> AsyncGenerator[Any]:
        async with aclosing(self.steps()) as steps:
            async for step in steps:
                yield {"spent": Spent(1, 1), "ask": Ask("1", "look", {})}.get(step, Token(step))

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Fake]:
        async with self.inside():
            yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Any]]:
        async with self.inside(), aclosing(self.sounds()) as sounds:
            yield sounds

    async def sounds(self) -> AsyncGenerator[Any]:
        async with aclosing(self.steps()) as steps:
            async for step in steps:
                yield Sound(b"" if step == "none" else step.encode(), TELEPHONE)


@asynccontextmanager
async def house(**scripts: str) -> AsyncIterator[tuple[dict[str, Fake], Choice[Any]]]:
    fakes = {name: Fake(name, script) for name, script in scripts.items()}
    yield fakes, Choice(list(fakes.values()))
    assert all(fake.open == 0 for fake in fakes.values())


def word(told: Any) -> str:
    match told:
        case Token(text):
            return text
        case Sound(audio):
            return audio.decode() or "none"
        case Served(provider):
            return f"served:{provider}"
        case Failed(provider, error):
            return f"failed:{provider}:{error.split()[1]}"
    return str(type(told).__name__).lower()


async def collect(pieces: AsyncIterator[Any], told: list[str]) -> None:
    async for one in pieces:
        told.append(word(one))  # noqa: PERF401 (what came before an error counts)


async def thought(mind: MindChain) -> list[str]:
    told: list[str] = []
    try:
        async with mind.think(()) as thoughts:
            await collect(thoughts, told)
    except ProviderError as error:
        told.append(f"raised:{error.provider}:{str(error).split()[1]}")
    return told


async def spoken(voice: VoiceChain, phrases: int) -> list[str]:
    told: list[str] = []
    try:
        async with voice.reply() as reply:
            for number in range(phrases):
                async with reply.speak(f"phrase {number}") as sounds:
                    await collect(sounds, told)
    except ProviderError as error:
        told.append(f"raised:{error.provider}:{str(error).split()[1]}")
    return told


@pytest.mark.parametrize(
    ("scripts", "told", "seconds"),
    [
        ({"a": "one+two"}, "served:a one two", 0),
        ({"a": "ask+spent"}, "served:a ask spent", 0),
        ({"a": "spent+one"}, "served:a spent one", 0),
        ({"a": "spent"}, "spent raised:a:has", 0),
        ({"a": "spent", "b": "two"}, "spent failed:a:has served:b two", 0),
        ({"a": "gone one"}, "failed:a:gone served:a one", 0.3),
        ({"a": "gone odd one"}, "failed:a:gone raised:a:odd", 0.3),
        ({"a": "spent+gone one"}, "failed:a:gone served:a one", 0.3),
        ({"a": "no one"}, "raised:a:no", 0),
        ({"a": "later0.5 one"}, "failed:a:later served:a one", 0.5),
        ({"a": "later1.5 one"}, "raised:a:later", 0),
        ({"a": "one+gone one"}, "served:a one raised:a:gone", 0),
        ({"a": "gone one", "b": "two"}, "failed:a:gone served:b two", 0),
        ({"a": "no one", "b": "two"}, "failed:a:no served:b two", 0),
        ({"a": "later0.5 one", "b": "two"}, "failed:a:later served:b two", 0),
        ({"a": "wait5+gone", "b": "no", "c": "wait1+x"}, "failed:a:gone failed:b:no served:c x", 6),
        ({"a": "gone", "b": "odd"}, "failed:a:gone raised:b:odd", 0),
        ({"a": "one+gone", "b": "two"}, "served:a one raised:a:gone", 0),
    ],
)
async def test_a_mind_is_the_first_that_has_words(
    scripts: dict[str, str], told: str, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    async with house(**scripts) as (_, choice):
        assert " ".join(await thought(MindChain(choice))) == told
    assert trio.current_time() == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("scripts", "phrases", "told"),
    [
        ({"a": "x+y z"}, 2, "served:a x y z"),
        ({"a": "none+x"}, 1, "served:a none x"),
        ({"a": "end x"}, 2, "served:a x"),
        ({"a": "gone x"}, 1, "failed:a:gone served:a x"),
        ({"a": "x gone y"}, 2, "served:a x failed:a:gone y"),
        ({"a": "gone x y", "b": "p q"}, 2, "failed:a:gone served:b p q"),
        ({"a": "x no", "b": "p"}, 2, "served:a x failed:a:no served:b p"),
        ({"a": "gone y", "b": "p gone"}, 2, "failed:a:gone served:b p failed:b:gone served:a y"),
        ({"a": "x+gone", "b": "p"}, 1, "served:a x raised:a:gone"),
        ({"a": "no", "b": "gone gone"}, 1, "failed:a:no failed:b:gone raised:b:gone"),
        ({"a": "no", "b": "gone x"}, 1, "failed:a:no failed:b:gone served:b x"),
    ],
)
async def test_a_voice_is_the_first_that_has_audio(
    scripts: dict[str, str], phrases: int, told: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with house(**scripts) as (_, choice):
        assert " ".join(await spoken(VoiceChain(choice), phrases)) == told


@pytest.mark.parametrize(("fails", "back"), [("gone", 0), ("no", 2)])
async def test_who_breaks_off_is_asked_after_the_others_in_that_call(
    fails: str, back: float, autojump_clock: trio.testing.MockClock
) -> None:
    """`no` as well: another try may help where there is another one to try."""
    scripts = {"a": f"x+{fails} y y", "b": "p p"}
    async with house(**scripts) as (_, minds), house(**scripts) as (_, voices):
        mind, voice = MindChain(minds), VoiceChain(voices)
        with pytest.raises(ProviderError) as thinking:
            async with mind.think(()) as thoughts:
                await collect(thoughts, [])
        with pytest.raises(ProviderError) as speaking:
            async with voice.reply() as reply, reply.speak("x") as sounds:
                await collect(sounds, [])
        assert thinking.value.retry
        assert speaking.value.retry
        await trio.sleep(back)
        assert await thought(mind) == await spoken(voice, 1) == ["served:b", "p"]
        assert await thought(MindChain(minds)) == await spoken(VoiceChain(voices), 1) == ["served:a", "y"]
        await trio.sleep(MEMORY)
        assert await thought(mind) == await spoken(voice, 1) == ["served:a", "y"]


async def test_a_voice_that_goes_on_and_on_ends_the_reply_whoever_else_there_is() -> None:
    async with house(a="+".join(["z" * 8000] * 12), b="p") as (_, choice):
        with pytest.raises(Garbled, match="more audio") as caught:
            async with VoiceChain(choice).reply() as reply, reply.speak("x") as sounds:
                await collect(sounds, [])
        assert not caught.value.retry


async def test_a_reply_is_kept_for_its_phrases_and_one_that_failed_is_left() -> None:
    async with house(a="x gone x", b="p q") as (fakes, choice), VoiceChain(choice).reply() as reply:
        for _ in range(3):
            async with reply.speak("x") as sounds:
                async for _ in sounds:
                    pass
        assert [(fake.opened, fake.open) for fake in fakes.values()] == [(3, 0), (3, 1)]


async def test_what_is_left_early_is_stopped_and_has_shown_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with house(a=f"wait{STALL} wait{STALL} x+wait{STALL}") as (_, choice):
        breaker = choice.options[0].breaker
        breaker.failed(0.0, Unreachable("a", "gone"))
        for _ in range(2):
            with trio.move_on_after(1):
                await spoken(VoiceChain(choice), 1)
        assert breaker.statistics(0.0).failures == 1
        with trio.move_on_after(1):
            await spoken(VoiceChain(choice), 1)
        assert breaker.statistics(0.0).failures == 0
        assert trio.current_time() == pytest.approx(3)


async def test_a_guess_that_nobody_wants_leaves_its_trial_to_the_reply(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Though it is still being left when that begins."""
    async with house(a=f"wait{STALL} x", b="y") as (_, choice):
        choice.options[0].breaker.failed(0.0, Rejected("a", "no"))
        await trio.sleep(1)
        mind, guess = MindChain(choice), Guess((Line("caller", "hi"),), 0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guess.work, mind, ())
            await trio.sleep(1)
            assert not choice.options[0].breaker.admits(trio.current_time()), "one trial at a time"
            guess.drop()
            assert await thought(mind) == ["served:a", "x"]
        assert choice.options[0].breaker.state(trio.current_time()) == "closed"


async def test_what_breaks_off_in_the_middle_each_time_is_kept_out(autojump_clock: trio.testing.MockClock) -> None:
    async with house(a="x+gone x+gone x+gone x", b="y y") as (_, choice):
        minds = partial(MindChain, choice)
        told = [" ".join(await thought(minds())) for _ in range(4)]
        assert told == ["served:a x raised:a:gone"] * 3 + ["served:b y"]
        await trio.sleep(1)
        assert await thought(minds()) == ["served:a", "x"]
        assert choice.options[0].breaker.state(trio.current_time()) == "closed"


async def test_whoever_asked_to_be_left_alone_is_not_asked(autojump_clock: trio.testing.MockClock) -> None:
    async with house(a="later20 x") as (fakes, choice):
        minds = partial(MindChain, choice)
        assert await thought(minds()) == ["raised:a:later"]
        with pytest.raises(Overloaded) as caught:
            async with minds().think(()):
                pass
        assert not caught.value.retry
        assert fakes["a"].opened == 1
        await trio.sleep(20)
        assert await thought(minds()) == ["served:a", "x"]


async def test_the_mind_that_answered_is_told_what_was_heard() -> None:
    async with house(a="gone", b="x") as (fakes, choice):
        fakes["b"].ahead = False
        mind = MindChain(choice)
        assert (mind.provider, mind.ahead) == ("a", False)
        mind.committed("hello", True)
        await thought(mind)
        mind.committed("x", True)
        assert (fakes["a"].heard, fakes["b"].heard) == (["hello"], ["x"])


async def test_a_reader_may_have_scopes_of_its_own_between_pieces(autojump_clock: trio.testing.MockClock) -> None:
    async with house(a="gone", b="x+wait1+y") as (_, choice):
        told = []
        async with MindChain(choice).think(()) as thoughts:
            while True:
                with trio.fail_after(2):
                    one = await anext(thoughts, None)
                if one is None:
                    break
                told.append(word(one))
        assert told == ["failed:a:gone", "served:b", "x", "y"]


@dataclass
class Flood:
    """A voice that does not stop."""

    provider: str = "flood"

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Flood]:
        yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Any]]:
        async with aclosing(self._sounds()) as sounds:
            yield sounds

    async def _sounds(self) -> AsyncGenerator[Any]:
        while True:
            await trio.lowlevel.checkpoint()
            yield Sound(b"\x80" * 8000, TELEPHONE)


async def test_a_voice_that_does_not_stop_is_stopped() -> None:
    choice = Choice([Flood()])

    async def listen() -> None:
        async with VoiceChain(choice).reply() as reply, reply.speak("Good morning") as speech:
            async for _ in speech:
                pass

    with pytest.raises(Garbled, match="more audio than 12 characters") as caught:
        await listen()
    assert not caught.value.retry
    assert choice.options[0].breaker.error is caught.value
