"""The driver of all streaming ears, with a wire that says what the test wants, against services that misbehave."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from streamed import CHUNK, Words, call, say, service
from trio_websocket import ConnectionClosed, WebSocketConnection

from parlance.actors.dial import Dial
from parlance.actors.fields import written
from parlance.actors.listener.port import Heard
from parlance.actors.listener.stream import StreamedEar, StreamService
from parlance.actors.listener.wire import NOTHING, EarWire, Step
from parlance.engine.errors import Garbled, Unreachable, inner
from parlance.engine.witness import Failed

PATH = "/plain"


class Settings(StreamService):
    url: str = "wss://nobody.example"
    key_env: str = "NOBODY_S_KEY"
    warm: int = 0


class PlainWire(EarWire[dict[str, Any]]):
    """Says what it does, and hears `text` of the utterance `number`; `ended` if the service has ended it."""

    protocol = "plain"
    patience = 60.0

    def begin(self, utterance: int) -> Step:
        return Step([f"begin {utterance}"])

    def hear(self, audio: bytes) -> Step:
        return Step([self.passed(audio)])

    def end(self, utterance: int) -> Step:
        return Step([f"end {utterance}"])

    def parse(self, told: Any) -> dict[str, Any] | None:
        return None if told["text"] == "welcome" else dict(told)

    def take(self, told: dict[str, Any]) -> Step:
        if told["text"] == "hurry":
            self.patience = 0.05
            return NOTHING
        return Step(news=[Heard(told["number"], told["text"], told["final"], told.get("ended", False))])

    def give_up(self, utterance: int) -> Step:
        return Step(news=[Heard(utterance, "so far", final=True)])

    def alive(self) -> Step:
        return Step(["alive"])

    def bye(self) -> Step:
        return Step(["bye"])


class Patient(PlainWire):
    gone_after = 2


def ear(url: str, wire: type[PlainWire] = PlainWire, **settings: Any) -> StreamedEar:
    chosen = Settings(url=url, **settings)
    dial = Dial("plain", chosen)
    return StreamedEar(dial, chosen, url, lambda: wire("plain", dial.brief), keep="keep", every=0.05)


@pytest.fixture
def words() -> Words:
    return Words()


class Service:
    """Writes down what it is sent, and answers it as it is told to."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.got: list[str | bytes] = []
        self.connections = 0
        self.greeting = ""
        self._more = trio.Event()

    async def talk(self, connection: WebSocketConnection) -> None:
        self.connections += 1
        try:
            if self.greeting:
                await connection.send_message(self.greeting)
            while True:
                message = await connection.get_message()
                self.got.append(message)
                self._more.set()
                self._more = trio.Event()
                if isinstance(message, str) and (answer := self.answers.get(message.replace(" ", "_"))):
                    await connection.send_message(answer)
        except ConnectionClosed:
            self._more.set()

    async def until(self, message: str, times: int = 1) -> None:
        with trio.fail_after(4):
            while self.got.count(message) < times:
                await self._more.wait()


def heard(text: str, number: int = 1, *, final: bool = True, **more: bool) -> str:
    return written(text=text, number=number, final=final, **more)


async def test_what_is_asked_for_is_said_in_its_order(words: Words) -> None:
    there = Service(end_1=heard("yes"))
    async with service(PATH, there.talk) as url:
        with trio.fail_after(4):
            async with ear(url).open(words) as hearing:
                await say(hearing, 1, chunks=2)
                assert await words.final(1) == "yes"
            await there.until("bye")
    assert there.got == ["begin 1", CHUNK, CHUNK, "end 1", "bye"]


async def test_a_greeting_is_no_sign_of_an_ear_that_hears(words: Words) -> None:
    there = Service(begin_0=heard("welcome"))
    async with service(PATH, there.talk) as url:
        with pytest.raises(Unreachable, match=r"plain: no words within 0\.1 s"):
            await call(ear(url, final=0.1), words, utterances=1)
    assert words.all == []


async def test_short_sounds_may_have_no_answer(words: Words) -> None:
    there = Service()
    async with service(PATH, there.talk) as url:
        with trio.fail_after(4):
            async with ear(url, final=0.1).open(words) as hearing:
                for utterance in range(3):
                    await say(hearing, utterance, chunks=5)
                    assert await words.final(utterance) == "so far"
    late = "plain: no final words within 0.1 s of the end of the turn: those that came count"
    assert [news for news in words.all if isinstance(news, Failed)] == [Failed("plain", late)] * 3


async def test_a_service_that_says_nothing_to_noise_may_say_nothing_once_and_not_twice(words: Words) -> None:
    async def speaks(url: str) -> None:
        async with ear(url, Patient, final=0.1).open(words) as hearing:
            for utterance in range(5):
                await say(hearing, utterance)
                await words.final(utterance)

    async with service(PATH, Service(end_1=heard("yes")).talk) as url:
        with trio.fail_after(4), pytest.raises(Unreachable, match="no words"):
            await speaks(url)
    assert [one.text for one in words.heard] == ["so far", "yes", "so far"]


async def test_what_the_service_has_ended_is_waited_for_no_more(words: Words) -> None:
    there = Service(begin_1=heard("yes", ended=True))
    async with service(PATH, there.talk) as url:
        with trio.fail_after(4):
            async with ear(url, final=0.05, idle=0.1).open(words) as hearing:
                await hearing.begin(1)
                assert await words.last(1) == Heard(1, "yes", final=True, ended=True)
                for _ in range(12):
                    await hearing.hear(CHUNK)
                await hearing.end(1)
                await trio.sleep(0.25)
    assert len(words.all) == 1


async def test_a_stall_in_an_open_utterance_ends_the_ear(words: Words) -> None:
    there = Service()
    async with service(PATH, there.talk) as url:
        with pytest.raises(Unreachable, match=r"has said nothing to 0\.1 s of audio"):
            await call(ear(url, idle=0.1), words, utterances=1, chunks=1000)


async def test_what_keeps_it_alive_comes_as_soon_as_a_message_asks_for_it(words: Words) -> None:
    there = Service(begin_1=written(text="hurry"))
    async with service(PATH, there.talk) as url:
        async with ear(url).open(words) as hearing:
            await hearing.begin(1)
            await there.until("alive", times=3)


async def test_a_warm_connection_is_kept_alive_and_taken(words: Words, nursery: trio.Nursery) -> None:
    there = Service(end_1=heard("yes"))
    async with service(PATH, there.talk) as url:
        one = ear(url, warm=1)
        await nursery.start(one.run)
        await there.until("keep", times=2)
        assert "begin 1" not in there.got
        with trio.fail_after(4):
            async with one.open(words) as hearing:
                await say(hearing, 1, chunks=1)
                assert await words.final(1) == "yes"
        assert there.got[0] == "keep"
        nursery.cancel_scope.cancel()


async def test_a_message_that_makes_no_sense_ends_the_ear(words: Words) -> None:
    there = Service()
    there.greeting = "{"
    async with service(PATH, there.talk) as url:
        with pytest.raises(Garbled, match="plain: not a message of plain"):
            await call(ear(url), words)


async def test_an_error_of_whoever_is_told_is_raised_where_the_ear_is_open() -> None:
    def told(news: object) -> None:
        raise OSError("mine")

    async with service(PATH, Service(end_0=heard("yes")).talk) as url:
        with pytest.raises((OSError, BaseExceptionGroup)) as caught:
            await call(ear(url), told, utterances=1)
    assert str(inner(caught.value)) == "mine"


async def test_nothing_is_told_after_it_is_closed(words: Words) -> None:
    there = Service(end_1=written(text="hurry"))
    async with service(PATH, there.talk) as url:
        with trio.fail_after(4):
            async with ear(url, final=0.05).open(words) as hearing:
                await say(hearing, 1, chunks=1)
            told = list(words.all)
            await trio.sleep(0.15)
    assert words.all == told
