"""The voices that are asked over HTTP, Deepgram's and OpenAI's, against a simulator, and what can go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from bench.simulators import speak
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door
from parlance.actors import web
from parlance.actors.speaker import deepgram, openai
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

TEXT = "Good morning, this is the clinic."
PATHS = {deepgram: "/v1/speak", openai: "/v1/audio/speech"}
MORE: dict[Any, dict[str, Any]] = {deepgram: {}, openai: {"model": "m", "voice": "v"}}
Voice = Any


@asynccontextmanager
async def living(module: Any, url: str, **settings: Any) -> AsyncIterator[Voice]:
    """A voice, and its connections closed at the end."""
    voice = module.make({"url": url, "first": 2, **MORE[module], **settings})
    async with trio.open_nursery() as nursery:
        await nursery.start(voice.run)
        yield voice
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[deepgram, openai], ids=["deepgram", "openai"])
def module(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def url(provider: Any, module: Any) -> str:
    return str(provider.speak if module is deepgram else provider.speech)


async def said(voice: Voice, text: str = TEXT) -> bytes:
    async with voice.speak(text) as audio:
        return b"".join([chunk async for chunk in audio])


async def fails(module: Any, url: str, **settings: Any) -> ProviderError:
    async with living(module, url, **settings) as voice:
        with trio.fail_after(4), pytest.raises(ProviderError) as caught:
            await said(voice)
    return caught.value


async def test_a_phrase_is_spoken_as_it_comes(module: Any, url: str) -> None:
    wanted = TELEPHONE if module is deepgram else Format("pcm16", 24000)
    times = []
    async with living(module, url) as voice, voice.speak(TEXT) as audio:
        assert voice.format == wanted
        sound = b""
        async for chunk in audio:
            sound += chunk
            times.append(trio.current_time())
    assert sound == b"".join(speak.audio(TEXT, wanted))
    assert times[-1] - times[0] > 0.05


async def test_calls_share_warm_connections(module: Any, url: str, nursery: trio.Nursery) -> None:
    opened = trio.lowlevel.current_statistics().tasks_living
    async with living(module, url) as voice:
        for _ in range(4):
            await said(voice)
        # One for the voice's `run`, one for the server's end of the only connection.
        assert trio.lowlevel.current_statistics().tasks_living - opened == 2
        async with trio.open_nursery() as calls:
            for _ in range(3):
                calls.start_soon(said, voice)


async def test_connections_that_nobody_needs_are_closed(module: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "KEPT", 0.1)
    before = trio.lowlevel.current_statistics().tasks_living
    async with living(module, url) as voice:
        async with trio.open_nursery() as calls:
            for _ in range(3):
                calls.start_soon(said, voice)
        await trio.sleep(0.2)
        await said(voice)
        with trio.fail_after(2):
            while trio.lowlevel.current_statistics().tasks_living - before > 2:
                await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("status", "error"), [(400, Rejected), (404, Rejected), (429, Overloaded), (500, Unreachable), (503, Overloaded)]
)
async def test_a_refusal_says_whose_turn_it_is(
    module: Any, url: str, provider: Any, status: int, error: type[ProviderError]
) -> None:
    provider.conduct.fates.append(Fate.ERROR)
    provider.conduct.statuses = (status,)
    failure = await fails(module, url)
    assert type(failure) is error
    assert f"{status} the simulator fails" in str(failure)
    assert provider.conduct.requests[PATHS[module]] == 1


async def test_a_wrong_key_is_told_without_the_key(module: Any, url: str, provider: Any) -> None:
    provider.conduct.key = "another"
    failure = await fails(module, url)
    assert type(failure) is Rejected
    assert "401 wrong or missing key ***" in str(failure)
    assert "secret" not in repr(failure) + repr(failure.__cause__)


async def test_a_connection_cut_in_mid_phrase_is_garbled(module: Any, url: str, provider: Any) -> None:
    provider.conduct.fates.append(Fate.CUT)
    failure = await fails(module, url)
    assert type(failure) is Garbled
    assert "connection lost" in str(failure)


async def test_a_stall_in_mid_phrase_ends_at_its_deadline(module: Any, url: str, provider: Any) -> None:
    provider.conduct.fates.append(Fate.STALL)
    failure = await fails(module, url, idle=0.2)
    assert type(failure) is Unreachable
    assert "no more audio within 0.2 s" in str(failure)


async def test_a_stall_before_the_first_audio_ends_at_its_deadline(module: Any, url: str, provider: Any) -> None:
    provider.conduct.tts_delay = 10.0
    failure = await fails(module, url, first=0.2)
    assert type(failure) is Unreachable
    assert "no answer within 0.2 s" in str(failure)


async def test_leaving_in_mid_phrase_ends_it_at_once(module: Any, url: str) -> None:
    async with living(module, url) as voice:
        async with voice.speak("word " * 200) as audio:
            assert await anext(audio)
            start = trio.current_time()
        assert trio.current_time() - start < 0.5
        with trio.move_on_after(0.1) as scope:
            await said(voice, "word " * 200)
        assert scope.cancelled_caught
        assert await said(voice)


async def test_whoever_takes_his_time_with_a_chunk_is_not_timed(module: Any, url: str) -> None:
    async with living(module, url, idle=0.5, first=0.5) as voice, voice.speak("one two three") as audio:
        assert await anext(audio)
        await trio.sleep(0.6)
        assert await anext(audio)


Talk = Callable[[Answer], Awaitable[None]]


@asynccontextmanager
async def service(path: str, talk: Talk) -> AsyncIterator[str]:
    """A service that answers as `talk` does."""

    async def page(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
        await talk(answer)

    async with trio.open_nursery() as nursery:
        port = await nursery.start(Door(Conduct(), {path: page}, {}).serve, 0)
        yield f"http://127.0.0.1:{port}{path}"
        nursery.cancel_scope.cancel()


async def test_an_answer_that_is_no_audio_is_garbled(module: Any) -> None:
    async with service(PATHS[module], lambda answer: answer.whole(200, {"half": "json"})) as url:
        failure = await fails(module, url)
    assert type(failure) is Garbled
    assert "application/json where there should be audio" in str(failure)


async def test_an_empty_answer_is_garbled(module: Any) -> None:
    async def nothing(answer: Answer) -> None:
        answer.begin("audio/basic")
        await answer.piece(b"")
        await answer.end()

    async with service(PATHS[module], nothing) as url:
        failure = await fails(module, url)
    assert type(failure) is Garbled
    assert "no audio at all" in str(failure)


@pytest.mark.parametrize("body", [b'{"err_msg": "half', b"", b"\xff\xfe", b"[1]", b'{"error": {"message": 5}}'])
async def test_a_refusal_without_sense_is_a_refusal(module: Any, body: bytes, nursery: trio.Nursery) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 403 X\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await stream.receive_some()

    listeners = await nursery.start(partial(trio.serve_tcp, refuse, 0, host="127.0.0.1"))
    failure = await fails(module, f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}{PATHS[module]}")
    assert type(failure) is Rejected
    assert "403" in str(failure)


async def test_a_failure_of_tls_is_told_in_its_own_words(module: Any, url: str) -> None:
    failure = await fails(module, url.replace("http:", "https:"))
    assert type(failure) is Unreachable
    assert "SSL" in str(failure)


async def test_nobody_there_is_unreachable(module: Any) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    failure = await fails(module, f"http://127.0.0.1:{port}{PATHS[module]}")
    assert type(failure) is Unreachable
    assert "connection lost" in str(failure)


@pytest.mark.parametrize(
    ("which", "settings", "fault"),
    [
        (deepgram, {}, "DEEPGRAM_API_KEY"),
        (deepgram, {"url": "ws://x/v1/speak"}, "address like https://"),
        (deepgram, {"url": "http://x", "speed": 2}, "no setting 'speed'"),
        (openai, {"url": "http://x", "voice": "v"}, "'model' is missing"),
        (openai, {"model": "m", "voice": "v"}, "OPENAI_API_KEY"),
    ],
)
def test_wrong_settings_are_told_at_the_start(
    which: Any, settings: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Misconfigured, match=fault):
        which.make(settings)
