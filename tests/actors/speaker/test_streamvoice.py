"""What voices over WebSockets have in common, each against its simulator: phrases, times, barge-in, failures."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from bench.simulators import speak
from bench.simulators.conduct import Fate
from parlance.actors.speaker import aura, cartesia, elevenlabs
from parlance.actors.speaker.port import Sound
from parlance.actors.speaker.stream import StreamReply, StreamVoice
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

pytestmark = pytest.mark.swift

TEXT = "Good morning, this is the clinic, and what can I do for you today?"
LONG = " ".join(["And one more word for all of you."] * 12)
WAYS: dict[str, tuple[Any, str, str]] = {
    "elevenlabs": (elevenlabs, "/v1/text-to-speech", "/v1/text-to-speech/v/multi-stream-input"),
    "cartesia": (cartesia, "/tts/websocket", "/tts/websocket"),
    "deepgram": (aura, "/v1/speak", "/v1/speak"),
}
"""By the simulator's name: the adapter, what its `url` ends with, and what its handshakes are counted as."""


class Way:
    """A voice's adapter, and the simulator behind it."""

    def __init__(self, name: str, provider: Any) -> None:
        self.name, self.conduct = name, provider.conduct
        self.module, path, self._counted = WAYS[name]
        self.url = provider.ws(name, path)

    @property
    def handshakes(self) -> int:
        return int(self.conduct.requests[self._counted])

    @asynccontextmanager
    async def living(self, **settings: Any) -> AsyncIterator[StreamVoice]:
        """The voice, with no connection but those that it needs, and all closed at the end."""
        wanted: dict[str, Any] = {"url": self.url, "key_env": "TEST_API_KEY", "warm": 0, "first": 2} | settings
        voice = self.module.make(wanted if self.module is aura else {"voice": "v"} | wanted)
        async with trio.open_nursery() as nursery:
            await nursery.start(voice.run)
            yield voice
            nursery.cancel_scope.cancel()

    async def fails(self, text: str = TEXT, **settings: Any) -> ProviderError:
        async with self.living(**settings) as voice:
            with trio.fail_after(5), pytest.raises(ProviderError) as caught:
                await said(voice, text)
        return caught.value


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, provider: Any, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.setenv("TEST_API_KEY", "key-that-is-secret")
    return Way(request.param, provider)


async def phrase(reply: StreamReply, text: str) -> list[Sound]:
    async with reply.speak(text) as sounds:
        return [sound async for sound in sounds]


async def said(voice: StreamVoice, *texts: str) -> list[bytes]:
    """A reply, and the audio of each of its phrases."""
    async with voice.reply() as reply:
        return [b"".join(sound.audio for sound in await phrase(reply, text)) for text in texts]


def whole(text: str) -> bytes:
    return b"".join(speak.audio(text, TELEPHONE))


async def interrupted(voice: StreamVoice, text: str = LONG) -> float:
    """A reply that is left in the middle of its phrase, by whoever hears it; how long leaving took."""
    async with voice.reply() as reply, reply.speak(text) as sounds:
        assert (await anext(sounds)).audio
        start = trio.current_time()
    return trio.current_time() - start


async def test_a_reply_is_spoken_phrase_by_phrase_on_one_connection(way: Way) -> None:
    texts = [TEXT, "No.", "\u4f60\u597d \U0001f600 <speak>and so on</speak>", "And you?"]
    # At Cartesia a tag is made words by a space, which the simulator counts.
    sounds = [whole(text.replace("<", " ") if way.name == "cartesia" else text) for text in texts]
    async with way.living() as voice:
        assert voice.provider == way.module.NAME
        assert await said(voice, *texts) == sounds
        assert await said(voice, TEXT) == [whole(TEXT)]
    assert way.handshakes == 1


async def test_a_phrase_comes_in_pieces_as_it_is_made(way: Way) -> None:
    times = []
    async with way.living() as voice, voice.reply() as reply, reply.speak(TEXT) as sounds:
        async for sound in sounds:
            assert sound.format == TELEPHONE
            times.append(trio.current_time())
    assert times[-1] - times[0] > 0.1


async def test_times_fit_the_audio_and_only_grow(way: Way) -> None:
    async with way.living() as voice, voice.reply() as reply:
        for text in (TEXT, "  And you, sir?", LONG):
            sounds = await phrase(reply, text)
            times = [time for sound in sounds for time in sound.times]
            if way.module is aura:
                assert not times
                continue
            assert times == sorted(times)
            assert len({count for count, _ in times}) == len(times)
            length = sum(len(sound.audio) for sound in sounds) / TELEPHONE.second
            assert times[-1][1] == pytest.approx(length, abs=0.1)
            assert times[-1][0] >= len(text) - 1
            middle = next(count for count, at in times if at >= length / 2)
            assert abs(middle / len(text) - 0.5) < 0.2


@pytest.mark.parametrize("text", ["", " ", "...", "\U0001f600", "\n\t?!"])
async def test_what_cannot_be_heard_is_not_asked_for(way: Way, text: str) -> None:
    async with way.living() as voice:
        assert await said(voice, text) == [b""]
    assert way.handshakes == 0


async def test_barge_in_ends_a_phrase_at_once_and_the_connection_is_used_again(way: Way) -> None:
    async with way.living() as voice:
        for _ in range(3):
            assert await interrupted(voice) < 0.3
            assert await said(voice, TEXT) == [whole(TEXT)]
    assert way.handshakes == 1
    assert (
        way.conduct.requests[{"elevenlabs": "close_context", "cartesia": "cancel", "deepgram": "Clear"}[way.name]] >= 3
    )


async def test_a_cancelled_reply_gives_its_connection_back_as_well(way: Way) -> None:
    async with way.living() as voice:
        for _ in range(3):
            with trio.CancelScope() as scope:
                async with voice.reply() as reply, reply.speak(LONG) as sounds:
                    await anext(sounds)
                    scope.cancel()
                    start = trio.current_time()
                    await anext(sounds)
            assert scope.cancelled_caught
            assert trio.current_time() - start < 0.3
        assert await said(voice, TEXT) == [whole(TEXT)]
    assert way.handshakes == 1


async def test_a_reply_cancelled_at_any_moment_leaves_nothing_behind(way: Way) -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with way.living() as voice:
        for moment in range(12):
            with trio.move_on_after(moment * 0.004):
                await said(voice, TEXT)
        with trio.fail_after(2):
            assert await said(voice, TEXT) == [whole(TEXT)]
    with trio.fail_after(3):
        while trio.lowlevel.current_statistics().tasks_living > tasks:
            await trio.sleep(0.01)


async def test_a_hundred_replies_at_once(way: Way) -> None:
    heard: list[bytes] = []

    async def one(voice: StreamVoice, number: int) -> None:
        heard.extend(await said(voice, f"Number {number} is next.", TEXT))

    async with way.living(first=20, connect=20) as voice, trio.open_nursery() as calls:
        for number in range(100):
            calls.start_soon(one, voice, number)
    assert len(heard) == 200
    assert heard.count(whole(TEXT)) == 100


@pytest.mark.parametrize(
    ("fate", "kind"),
    [
        (Fate.ERROR, Unreachable),
        (Fate.STALL, Unreachable),
        (Fate.CUT, Unreachable),
        (Fate.SILENT, Unreachable),
        (Fate.HALF, Garbled),
        (Fate.TYPES, Garbled),
        (Fate.HUGE, Garbled),
        (Fate.EMPTY, Garbled),
        (Fate.RATE, Garbled),
    ],
    ids=str,
)
async def test_what_goes_wrong_in_a_phrase_has_its_name(way: Way, fate: Fate, kind: type[ProviderError]) -> None:
    if fate is Fate.EMPTY and way.name == "elevenlabs":
        # Nothing says that a phrase without audio is over.
        kind = Unreachable
    way.conduct.statuses = (500,)
    way.conduct.fates.extend([Fate.NONE, fate])
    failure = await way.fails(first=0.5, idle=0.5)
    assert type(failure) is kind
    assert failure.provider == way.module.NAME
    told = {
        Fate.STALL: "no more audio within 0.5 s",
        Fate.SILENT: "no audio within 0.5 s",
        Fate.RATE: "sent a WAV file" if way.name == "deepgram" else "is its rate another one",
        Fate.EMPTY: "no audio",
    }
    assert told.get(fate, "") in str(failure)


async def test_after_a_failure_the_connection_is_not_used_again(way: Way) -> None:
    way.conduct.fates.extend([Fate.NONE, Fate.HALF])
    async with way.living() as voice:
        with pytest.raises(Garbled):
            await said(voice, TEXT)
        assert await said(voice, TEXT) == [whole(TEXT)]
    assert way.handshakes == 2


async def test_too_many_at_once_is_overloaded(way: Way) -> None:
    way.conduct.statuses = (429,)
    way.conduct.fates.extend([Fate.NONE, Fate.ERROR])
    failure = await way.fails()
    assert type(failure) is (Unreachable if way.name == "deepgram" else Overloaded)


@pytest.mark.parametrize(
    ("status", "error"), [(400, Rejected), (429, Overloaded), (500, Unreachable), (503, Overloaded)]
)
async def test_a_refusal_at_the_handshake_says_whose_turn_it_is(
    way: Way, status: int, error: type[ProviderError]
) -> None:
    way.conduct.statuses = (status,)
    way.conduct.fates.append(Fate.ERROR)
    failure = await way.fails()
    assert type(failure) is error
    assert f"{status} the simulator fails" in str(failure)
    assert way.handshakes == 1


async def test_a_wrong_key_is_told_without_the_key(way: Way) -> None:
    way.conduct.key = "another"
    failure = await way.fails()
    assert type(failure) is Rejected
    assert "401 wrong or missing key ***" in str(failure)
    assert "secret" not in repr(failure) + repr(failure.__cause__) + repr(failure.__context__)


async def test_a_phrase_that_takes_too_long_as_a_whole_is_given_up(way: Way) -> None:
    failure = await way.fails(LONG, total=0.5)
    assert type(failure) is Unreachable
    assert "not whole within 0.5 s" in str(failure)


async def test_whoever_takes_his_time_with_a_piece_is_not_timed(way: Way) -> None:
    async with way.living(idle=0.4, first=0.4) as voice, voice.reply() as reply, reply.speak("one two three") as sounds:
        assert (await anext(sounds)).audio
        await trio.sleep(0.6)
        assert b"".join([sound.audio async for sound in sounds])


async def test_nobody_there_is_unreachable(way: Way) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    failure = await way.fails(url=f"ws://127.0.0.1:{port}/x")
    assert type(failure) is Unreachable


Talk = Callable[[WebSocketConnection, int], Awaitable[None]]


@asynccontextmanager
async def service(talk: Talk) -> AsyncIterator[str]:
    """A service that talks as `talk` does, which is told how many connections there were before."""
    before = 0

    async def line(request: WebSocketRequest) -> None:
        nonlocal before
        number, before = before, before + 1
        connection = await request.accept()
        try:
            await talk(connection, number)
        except ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, line, "127.0.0.1", 0, ssl_context=None))
        yield f"ws://127.0.0.1:{server.port}/x"
        nursery.cancel_scope.cancel()


def answer(way: Way, context: str) -> list[str | bytes]:
    """A phrase, "Hello.", as the provider says it."""
    sound = bytes(4800)
    if way.module is aura:
        return [sound, '{"type": "Flushed", "sequence_id": 0}']
    data = base64.b64encode(sound).decode()
    if way.module is cartesia:
        told = {"type": "chunk", "data": data}, {"type": "flush_done"}
        return [json.dumps(one | {"context_id": context}) for one in told]
    times = {"chars": list("Hello."), "charStartTimesMs": [0] * 6, "charDurationsMs": [600] * 6}
    return [json.dumps({"audio": data, "alignment": times, "contextId": context})]


async def serve(way: Way, connection: WebSocketConnection, asked: Callable[[], None] = lambda: None) -> None:
    """Answer each phrase with "Hello."; `asked` is called for each."""
    while True:
        told = json.loads(await connection.get_message())
        if told.get("flush") or told.get("type") == "Flush":
            asked()
            for message in answer(way, told.get("context_id", "")):
                await connection.send_message(message)


async def test_a_connection_that_died_between_two_phrases_is_replaced_unnoticed(way: Way) -> None:
    numbers = []

    async def talk(connection: WebSocketConnection, number: int) -> None:
        numbers.append(number)
        if number:
            await serve(way, connection)
            return
        with trio.move_on_after(0.15):
            await serve(way, connection)
        await connection.aclose(1011, "idle for too long")

    async with service(talk) as url, way.living(url=url) as voice, voice.reply() as reply:
        assert await phrase(reply, "Hello.")
        await trio.sleep(0.3)
        assert b"".join(sound.audio for sound in await phrase(reply, "Hello.")) == bytes(4800)
    assert numbers == [0, 1]


@pytest.mark.parametrize("text", ["{", '{"error": "input_timeout_exceeded", "message": "x", "code": 1008}'])
async def test_whatever_a_connection_says_at_its_end_between_two_phrases_is_nobodys(way: Way, text: str) -> None:
    async def talk(connection: WebSocketConnection, number: int) -> None:
        with trio.move_on_after(0.15 if number == 0 else 10):
            await serve(way, connection)
        await connection.send_message(text)
        if text == "{":
            await serve(way, connection)
        await connection.aclose(1008, "idle for too long")

    async with service(talk) as url, way.living(url=url) as voice, voice.reply() as reply:
        assert await phrase(reply, "Hello.")
        await trio.sleep(0.3)
        assert b"".join(sound.audio for sound in await phrase(reply, "Hello.")) == bytes(4800)


async def test_a_warm_connection_is_there_before_it_is_needed_and_replaced_when_it_dies(way: Way) -> None:
    opened, used = [], []

    async def talk(connection: WebSocketConnection, number: int) -> None:
        opened.append(number)
        if number == 0:
            await connection.aclose(1011, "idle for too long")
            return
        await serve(way, connection, partial(used.append, number))

    async with service(talk) as url, way.living(url=url, warm=1) as voice:
        with trio.fail_after(5):
            while len(opened) < 2:
                await trio.sleep(0.01)
        assert not used
        with trio.fail_after(2):
            assert await said(voice, "Hello.") == [bytes(4800)]
    assert used == [1]


async def test_without_its_run_a_voice_connects_for_every_reply(way: Way) -> None:
    wanted = {"url": way.url, "first": 2} | ({} if way.module is aura else {"voice": "v"})
    voice = way.module.make(wanted)
    for _ in range(2):
        assert await said(voice, TEXT) == [whole(TEXT)]
        with trio.move_on_after(0.15):
            await said(voice, LONG)
    assert way.handshakes == 4


async def test_connections_that_die_at_once_are_tried_three_times(way: Way) -> None:
    numbers = []

    async def talk(connection: WebSocketConnection, number: int) -> None:
        numbers.append(number)
        await connection.aclose(1011, "no")

    async with service(talk) as url:
        failure = await way.fails(url=url)
    assert type(failure) is Unreachable
    assert "1011 no" in str(failure)
    assert numbers == [0, 1, 2]


async def test_a_service_that_takes_nothing_cannot_hold_up_barge_in(way: Way) -> None:
    async def talk(connection: WebSocketConnection, number: int) -> None:
        told: dict[str, Any] = {}
        while not (told.get("flush") or told.get("type") == "Flush"):
            told = json.loads(await connection.get_message())
        await connection.send_message(answer(way, told.get("context_id", ""))[0])
        await trio.sleep_forever()

    async with service(talk) as url, way.living(url=url) as voice:
        with trio.fail_after(3):
            await interrupted(voice, "Hello my friend.")


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("elevenlabs", {"voice": "v"}, "ELEVENLABS_API_KEY"),
        ("elevenlabs", {"url": "ws://x"}, "'voice' is missing"),
        ("elevenlabs", {"url": "ws://x", "voice": "../x"}, "voice"),
        ("elevenlabs", {"url": "ws://x", "voice": "v", "inactivity": 60}, "must be less than inactivity"),
        ("elevenlabs", {"url": "http://x", "voice": "v"}, "must begin with wss://"),
        ("cartesia", {"voice": "v"}, "CARTESIA_API_KEY"),
        ("cartesia", {"url": "ws://x", "voice": "v", "version": "new"}, "version"),
        ("deepgram", {}, "DEEPGRAM_API_KEY"),
        ("deepgram", {"url": "ws://x", "speed": 2}, "no setting 'speed'"),
    ],
)
def test_wrong_settings_are_told_at_the_start(
    name: str, settings: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("ELEVENLABS_API_KEY", "CARTESIA_API_KEY", "DEEPGRAM_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(Misconfigured, match=fault):
        WAYS[name][0].make(settings)


class Cancels(trio.abc.Instrument):
    """Cancels `scope` after so many steps of all tasks: also between a task's being woken and its going on."""

    def __init__(self, steps: int, scope: trio.CancelScope) -> None:
        self._steps, self._scope = steps, scope

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps -= 1
        if not self._steps:
            self._scope.cancel()


async def cancelled(voice: StreamVoice, steps: int, replies: list[StreamReply]) -> None:
    with trio.CancelScope() as scope:
        cancels = Cancels(steps, scope)
        trio.lowlevel.add_instrument(cancels)
        try:
            async with voice.reply() as reply:
                replies.append(reply)
                await phrase(reply, "No.")
        finally:
            trio.lowlevel.remove_instrument(cancels)
    replies.clear()


@pytest.mark.parametrize("warm", [0, 1])
async def test_a_reply_can_be_cancelled_at_any_step(way: Way, warm: int) -> None:
    replies: list[StreamReply] = []
    async with way.living(warm=warm) as voice:
        for steps in range(1, 40):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancelled, voice, steps, replies)
                with trio.move_on_after(3) as late:
                    while replies or nursery.child_tasks:
                        await trio.sleep(0.001)
                # What does not heed its cancellation would hold up this test for ever.
                for reply in replies:
                    await reply.leave()
            assert not late.cancelled_caught, f"cancelled at step {steps}"
