"""The voices that are asked over HTTP, against simulators, and what can go wrong with any of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from bench.simulators import speak
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door
from bench.simulators.town import PROVIDERS
from parlance.actors import web
from parlance.actors.speaker import azure, deepgram, elevenhttp, openai
from parlance.actors.speaker.port import Sound
from parlance.actors.speaker.single import SingleVoice, parts, sent
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

pytestmark = pytest.mark.swift

TEXT = "Good morning, this is the clinic."
LONG = "word " * 200
WIRES = Path(__file__).parents[2] / "wires"


class Case:
    """A voice's module, where its simulator has it, and what it needs besides."""

    def __init__(
        self, module: Any, host: str, path: str, wanted: Format = TELEPHONE, at: str = "", **more: Any
    ) -> None:
        self.module, self.host, self.path, self.wanted, self.more = module, host, path, wanted, more
        self.at = at or path
        """The path that is asked for, and that the simulator counts."""

    def url(self, port: int, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{port}{self.path}"


ELEVEN = "/v1/text-to-speech/v1/stream"
CASES = {
    "deepgram": Case(deepgram, "deepgram", "/v1/speak"),
    "openai": Case(openai, "openai", "/v1/audio/speech", Format("pcm16", 24000), model="m", voice="v"),
    "azure": Case(azure, "azure", azure.PATH),
    "elevenlabs-http": Case(elevenhttp, "elevenlabs", "", at=ELEVEN, voice="v1"),
}
MISSING = pytest.mark.skipif(find_spec("elevenlabs") is None, reason="elevenlabs is not installed")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers that need none as well: it must not be in what they make us say."""
    monkeypatch.setenv("TEST_API_KEY", "key-that-is-secret")


@asynccontextmanager
async def living(case: Case, url: str, **settings: Any) -> AsyncIterator[SingleVoice]:
    """A voice, and its connections closed at the end."""
    voice: SingleVoice = case.module.make({"url": url, "key_env": "TEST_API_KEY", "first": 2, **case.more, **settings})
    async with trio.open_nursery() as nursery:
        await nursery.start(voice.run)
        yield voice
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[pytest.param(name, marks=[MISSING] * (name == "elevenlabs-http")) for name in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def url(provider: Any, case: Case) -> str:
    return str(provider.http(case.host, case.path))


async def said(voice: SingleVoice, text: str = TEXT) -> bytes:
    async with voice.reply() as reply, reply.speak(text) as sounds:
        return b"".join([sound.audio async for sound in sounds])


async def fails(case: Case, url: str, text: str = TEXT, **settings: Any) -> ProviderError:
    async with living(case, url, **settings) as voice:
        with trio.fail_after(4), pytest.raises(ProviderError) as caught:
            await said(voice, text)
    assert caught.value.provider == voice.provider
    return caught.value


async def test_a_phrase_is_spoken_as_it_comes(case: Case, url: str) -> None:
    times, sounds = [], []
    async with living(case, url) as voice, voice.reply() as reply, reply.speak(TEXT) as heard:
        async for sound in heard:
            sounds.append(sound)
            times.append(trio.current_time())
    assert {sound.format for sound in sounds} == {case.wanted}
    assert b"".join(sound.audio for sound in sounds) == b"".join(speak.audio(TEXT, case.wanted))
    assert times[-1] - times[0] > 0.05


async def test_a_reply_is_its_phrases(case: Case, url: str, provider: Any) -> None:
    async with living(case, url) as voice, voice.reply() as reply:
        for text in ("One two.", "Three."):
            async with reply.speak(text) as sounds:
                spoken = b"".join([sound.audio async for sound in sounds])
            assert spoken == b"".join(speak.audio(text, case.wanted))
    assert provider.conduct.requests[case.at] == 2


@pytest.mark.parametrize("text", ["...", "", " \n", "\U0001f642", "\x00\ud83d", "-- !?"])
async def test_what_has_nothing_to_say_is_not_asked_for(case: Case, url: str, provider: Any, text: str) -> None:
    async with living(case, url) as voice:
        assert await said(voice, text) == b""
    assert not provider.conduct.requests[case.at]


@pytest.mark.parametrize(
    "text",
    [
        "Größe 5 €: s'il vous plaît",
        "\u304a\u306f\u3088\u3046\u3054\u3056\u3044\u307e\u3059",
        "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
        "Well done \U0001f642 \U0001f469\u200d\u2695\ufe0f you",
        "<speak>no & markup</voice>",
        "cut in an emoji \ud83d",
        "$",
        "a\x00b\x1b[31m\ufffe\r\n\tc",
    ],
    ids=ascii,
)
async def test_any_text_is_spoken(case: Case, url: str, text: str) -> None:
    async with living(case, url) as voice:
        assert await said(voice, text) == b"".join(speak.audio(sent(text), case.wanted))


async def test_a_long_text_is_asked_for_in_parts(case: Case, url: str, provider: Any) -> None:
    async with living(case, url) as voice:
        text = "Twelve words are a sentence here, and so on and so forth. " * (voice.longest // 58 + 1)
        async with voice.reply() as reply, reply.speak(text) as sounds:
            assert await anext(sounds)
            assert len(text) > voice.longest
        voice.longest = 70
        spoken = await said(voice, text[:116])
    assert provider.conduct.requests[case.at] == 3
    assert spoken == b"".join(speak.audio(text[:58], case.wanted)) * 2


async def test_calls_share_warm_connections(case: Case, url: str, nursery: trio.Nursery) -> None:
    opened = trio.lowlevel.current_statistics().tasks_living
    async with living(case, url, warm=0) as voice:
        for _ in range(4):
            await said(voice)
        # One for the voice's `run`, one for the server's end of the only connection.
        assert trio.lowlevel.current_statistics().tasks_living - opened == 2
        async with trio.open_nursery() as calls:
            for _ in range(3):
                calls.start_soon(said, voice)


async def test_connections_that_nobody_needs_are_closed(case: Case, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "KEPT", 0.1)
    before = trio.lowlevel.current_statistics().tasks_living
    async with living(case, url) as voice:
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
    case: Case, url: str, provider: Any, status: int, error: type[ProviderError]
) -> None:
    provider.conduct.fates.append(Fate.ERROR)
    provider.conduct.statuses = (status,)
    failure = await fails(case, url)
    assert type(failure) is error
    assert f"{status} the simulator fails" in str(failure)
    assert provider.conduct.requests[case.at] == 1


async def test_a_wrong_key_is_told_without_the_key(case: Case, url: str, provider: Any) -> None:
    provider.conduct.key = "another"
    failure = await fails(case, url)
    assert type(failure) is Rejected
    assert "401 wrong or missing key ***" in str(failure)
    assert "secret" not in repr(failure) + repr(failure.__cause__)


@pytest.mark.parametrize(
    ("fate", "kind", "words"),
    [
        (Fate.SILENT, Unreachable, "no answer within 0.3 s"),
        (Fate.STALL, Unreachable, "no more audio within 0.3 s"),
        (Fate.CUT, Garbled, "connection lost"),
        (Fate.TYPES, Garbled, "application/json"),
        (Fate.HUGE, Garbled, "more than"),
        (Fate.EMPTY, Garbled, "no audio at all"),
        (Fate.RATE, Garbled, "WAV"),
    ],
    ids=lambda value: value.value if isinstance(value, Fate) else "",
)
async def test_what_may_become_of_an_answer(
    case: Case, url: str, provider: Any, fate: Fate, kind: type[ProviderError], words: str
) -> None:
    provider.conduct.fates.append(fate)
    # Ten megabytes take longer to be made than silence takes to be noticed.
    failure = await fails(case, url, first=2.0 if fate is Fate.HUGE else 0.3, idle=0.3)
    assert type(failure) is kind
    assert words in str(failure)


async def test_a_phrase_that_ends_early_is_as_long_as_it_is(case: Case, url: str, provider: Any) -> None:
    provider.conduct.fates.append(Fate.HALF)
    async with living(case, url) as voice:
        assert b"".join(speak.audio(TEXT, case.wanted)).startswith(await said(voice))


async def test_a_stall_before_the_first_audio_ends_at_its_deadline(case: Case, url: str, provider: Any) -> None:
    provider.conduct.tts_delay = 10.0
    failure = await fails(case, url, first=0.2)
    assert type(failure) is Unreachable
    assert "no answer within 0.2 s" in str(failure)


async def test_leaving_in_mid_phrase_ends_it_at_once(case: Case, url: str) -> None:
    async with living(case, url) as voice:
        async with voice.reply() as reply, reply.speak(LONG) as sounds:
            assert await anext(sounds)
            start = trio.current_time()
        assert trio.current_time() - start < 0.5
        with trio.move_on_after(0.1) as scope:
            await said(voice, LONG)
        assert scope.cancelled_caught
        assert await said(voice)


async def test_whoever_takes_his_time_with_a_chunk_is_not_timed(case: Case, url: str) -> None:
    async with living(case, url, idle=0.5, first=0.5) as voice, voice.reply() as reply:
        async with reply.speak("one two three") as sounds:
            assert await anext(sounds)
            await trio.sleep(0.6)
            assert await anext(sounds)


Talk = Callable[[Answer], Awaitable[None]]


@asynccontextmanager
async def service(case: Case, talk: Talk) -> AsyncIterator[str]:
    """A service that answers as `talk` does."""

    async def page(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
        await talk(answer)

    async with trio.open_nursery() as nursery:
        door = Door(Conduct(), {case.at: page}, {}, PROVIDERS[case.host][0])
        yield case.url(await nursery.start(door.serve, 0))
        nursery.cancel_scope.cancel()


def audio(*pieces: bytes, kind: str = "audio/basic") -> Talk:
    async def talk(answer: Answer) -> None:
        answer.begin(kind)
        for piece in pieces:
            await answer.piece(piece)
        await answer.end()

    return talk


async def test_an_answer_that_is_no_audio_is_garbled(case: Case) -> None:
    async with service(case, lambda answer: answer.whole(200, {"half": "json"})) as url:
        failure = await fails(case, url)
    assert type(failure) is Garbled
    assert "application/json where there should be audio" in str(failure)


async def test_an_empty_answer_is_garbled(case: Case) -> None:
    async with service(case, audio(b"")) as url:
        failure = await fails(case, url)
    assert type(failure) is Garbled
    assert "no audio at all" in str(failure)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((b"RIFF\x24\x00\x00\x00WAVEfmt ", b"\x00" * 99), "audio/basic"),
        ((b"RI", b"FF\x24\x00\x00\x00WAVEfmt ", b"\x00" * 99), "audio/basic"),
        ((b"ID3\x04\x00\x00\x00", b"\x00" * 99), "application/octet-stream"),
        ((b"\x00" * 99,), "audio/mpeg"),
        ((b"\x00" * 99,), "audio/wav"),
    ],
    ids=["WAV", "WAV in pieces", "MP3", "said to be MP3", "said to be WAV"],
)
async def test_a_file_in_place_of_bare_audio_is_garbled(case: Case, pieces: tuple[bytes, ...], kind: str) -> None:
    async with service(case, audio(*pieces, kind=kind)) as url:
        assert type(await fails(case, url)) is Garbled


@pytest.mark.parametrize("cuts", [(1, 2, 3, 5), (1,), ()])
async def test_a_sample_cut_in_two_is_one_sample_and_half_a_one_is_none(case: Case, cuts: tuple[int, ...]) -> None:
    whole = b"".join(speak.audio("one two", case.wanted))
    at = [0, *cuts, len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(at)]
    half = b"\x07" * (case.wanted.width - 1)
    async with service(case, audio(*pieces, half) if half else audio(*pieces)) as url, living(case, url) as voice:
        async with voice.reply() as reply, reply.speak("one two") as sounds:
            heard = [sound async for sound in sounds]
    assert b"".join(sound.audio for sound in heard) == whole
    assert all(isinstance(sound, Sound) and len(sound.audio) % case.wanted.width == 0 for sound in heard)


@pytest.mark.parametrize("body", [b'{"err_msg": "half', b"", b"\xff\xfe", b"[1]", b'{"error": {"message": 5}}'])
async def test_a_refusal_without_sense_is_a_refusal(case: Case, body: bytes, nursery: trio.Nursery) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 403 X\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await stream.receive_some()

    listeners = await nursery.start(partial(trio.serve_tcp, refuse, 0, host="127.0.0.1"))
    failure = await fails(case, case.url(listeners[0].socket.getsockname()[1]), warm=0)
    assert type(failure) is Rejected
    assert "403" in str(failure)


def told(file: str) -> list[Any]:
    lines = [json.loads(line)["message"] for line in (WIRES / file).read_text("utf-8").splitlines()]
    return [line for line in lines if "error" in line or "detail" in line]


@pytest.mark.parametrize("refusal", [*told("openaispeech.jsonl"), *told("elevenhttp.jsonl")], ids=ascii)
async def test_recorded_refusals_are_told_in_their_words(case: Case, refusal: Any) -> None:
    async with service(case, lambda answer: answer.whole(400, refusal)) as url:
        failure = await fails(case, url)
    assert type(failure) is Rejected
    inner = refusal.get("error") or refusal["detail"]
    words = inner["message"] if isinstance(inner, dict) else inner[0]["msg"]
    assert words in str(failure)


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": formatdate(1_000_012, usegmt=True), "date": formatdate(1_000_000, usegmt=True)}, 12.0),
    ],
    ids=["not said", "number", "date"],
)
async def test_it_says_when_to_come_back(case: Case, headers: dict[str, str], after: float | None) -> None:
    async with service(case, lambda answer: answer.whole(429, {"error": "busy"}, **headers)) as url:
        failure = await fails(case, url)
    assert type(failure) is Overloaded
    assert failure.after == after


async def test_a_failure_of_tls_is_told_in_its_own_words(case: Case, url: str) -> None:
    failure = await fails(case, url.replace("http:", "https:"))
    assert type(failure) is Unreachable
    assert "SSL" in str(failure)


async def test_nobody_there_is_unreachable(case: Case) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    failure = await fails(case, case.url(port))
    assert type(failure) is Unreachable
    assert "connection lost" in str(failure)


@pytest.mark.parametrize(
    ("which", "settings", "fault"),
    [
        (deepgram, {}, "DEEPGRAM_API_KEY"),
        (deepgram, {"url": "ws://x/v1/speak"}, "must begin with https://"),
        (deepgram, {"url": "http://x", "speed": 2}, "no setting 'speed'"),
        (openai, {"url": "http://x", "voice": "v"}, "'model' is missing"),
        (openai, {"model": "m", "voice": "v"}, "OPENAI_API_KEY"),
        (openai, {"url": "http://x", "model": "m", "voice": "v", "rate": 11025}, "rate"),
        (azure, {}, "'region' is missing"),
        (azure, {"region": "westeurope"}, "AZURE_SPEECH_KEY"),
        (azure, {"region": "a.example/"}, "region"),
        (azure, {"url": "http://x", "voice": "Ava"}, "voice"),
        (azure, {"url": "http://x", "rate": "'/>"}, "rate"),
        (azure, {"url": "http://x", "style": "a b"}, "style"),
        (elevenhttp, {"voice": "v"}, "ELEVENLABS_API_KEY"),
        (elevenhttp, {"url": "http://x"}, "'voice' is missing"),
        (elevenhttp, {"url": "http://x", "voice": "../v"}, "voice"),
        (elevenhttp, {"url": "http://x", "voice": "v", "stability": 2}, "stability"),
    ],
)
def test_wrong_settings_are_told_at_the_start(
    which: Any, settings: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "AZURE_SPEECH_KEY", "ELEVENLABS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Misconfigured, match=fault):
        which.make(settings)


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one", "two"]),
        ("one two", 3, ["one", "two"]),
        ("onetwo", 4, ["onet", "wo"]),
        ("It is so. And so it is, still.", 20, ["It is so. And so it", "is, still."]),
        ("It is so now. And so it is, still.", 20, ["It is so now.", "And so it is, still."]),
        ("\u304a\u306f\u3088\u3002\u3046\u3054\u3056", 5, ["\u304a\u306f\u3088\u3002", "\u3046\u3054\u3056"]),
        ("\u304a\u306f\u3088\u3046\u3002\u3046", 4, ["\u304a\u306f\u3088\u3046", "\u3002\u3046"]),
        ("a ...... b", 4, ["a", ".. b"]),
        ("...", 2, []),
        ("", 2, []),
    ],
)
def test_parts(text: str, longest: int, expected: list[str]) -> None:
    assert list(parts(text, longest)) == expected


@given(text=st.text(max_size=300), longest=st.integers(1, 60))
def test_parts_of_any_text_fit_and_lack_no_letter(text: str, longest: int) -> None:
    found = list(parts(sent(text), longest))
    assert all(0 < len(part) <= longest for part in found)
    assert [c for part in found for c in part if c.isalnum()] == [c for c in text if c.isalnum()]
    for part in found:
        part.encode("utf-8")


@pytest.mark.parametrize("text", ["a" + "." * 9000, "a" + ".'" * 4500, "a. " * 3000, "a" * 9000])
async def test_a_model_that_goes_on_for_ever_holds_up_no_other_call(text: str) -> None:
    start = trio.current_time()
    assert all(len(part) <= 5000 for part in parts(text, 5000))
    assert trio.current_time() - start < 0.1
