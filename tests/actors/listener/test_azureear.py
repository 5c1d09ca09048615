"""The ear that asks Azure Speech's REST interface for short audio, against a simulator, and what can go wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door
from bench.simulators.ear import TEXT
from parlance.actors.listener import azure
from parlance.actors.listener.port import Heard, News
from parlance.actors.listener.request import RequestHearing
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable, inner

PATH = azure.PATH
SECOND = b"\x10\x20" * 16000
WIRES = Path(__file__).parents[2] / "wires" / "azurespeech.jsonl"


@pytest.fixture
def url(provider: Any) -> str:
    return str(provider.http("azure", PATH))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers that need none as well: it must not be in what they make us say."""
    monkeypatch.setenv("AZURE_SPEECH_KEY", "key-that-is-secret")


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[tuple[RequestHearing, list[News]]]:
    """A call's ear, with the connections of its house."""
    ear = azure.make({"url": url, "key_env": "AZURE_SPEECH_KEY", "interim": 0, **settings})
    told: list[News] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(ear.run)
        async with ear.open(told.append) as hearing:
            yield hearing, told
        nursery.cancel_scope.cancel()


async def heard(url: str, seconds: int = 1, **settings: Any) -> list[News]:
    """Everything that is told of one utterance."""
    with trio.fail_after(8):
        async with opened(url, **settings) as (hearing, told):
            await hearing.begin(1)
            for _ in range(seconds):
                await hearing.hear(SECOND)
            await hearing.end(1)
            while not (told and isinstance(told[-1], Heard) and told[-1].final):
                await trio.sleep(0.005)
            return told


async def fails(url: str, **settings: Any) -> ProviderError:
    with pytest.raises((ProviderError, BaseExceptionGroup)) as caught:
        await heard(url, **settings)
    error = inner(caught.value)
    assert isinstance(error, ProviderError)
    return error


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
async def test_an_utterance_is_recognized(url: str, language: str) -> None:
    assert await heard(url, language=language) == [Heard(1, TEXT, final=True)]


async def test_words_so_far_are_asked_for_while_the_caller_speaks(url: str) -> None:
    with trio.fail_after(8):
        async with opened(url, interim=0.5) as (hearing, told):
            await hearing.begin(1)
            await hearing.hear(SECOND)
            while not told:
                await trio.sleep(0.005)
    assert told == [Heard(1, TEXT, final=False)]


async def test_more_than_a_minute_is_not_refused_but_cut(url: str) -> None:
    assert await heard(url, seconds=61) == [Heard(1, TEXT, final=True)]


async def test_audio_without_words_is_no_failure(url: str, provider: Any) -> None:
    provider.conduct.fates.append(Fate.EMPTY)
    assert await heard(url) == [Heard(1, "", final=True)]


@pytest.mark.parametrize(
    ("fate", "kind", "words"),
    [
        (Fate.SILENT, Unreachable, "within 0.4 s"),
        (Fate.STALL, Unreachable, "within 0.4 s"),
        (Fate.CUT, Garbled, "connection lost"),
        (Fate.HALF, Garbled, "not a recognition"),
        (Fate.TYPES, Garbled, "not a recognition"),
        (Fate.HUGE, Garbled, "more than"),
    ],
    ids=lambda value: value.value if isinstance(value, Fate) else "",
)
async def test_what_may_become_of_an_answer(
    url: str, provider: Any, fate: Fate, kind: type[ProviderError], words: str
) -> None:
    provider.conduct.fates.extend((fate, fate))
    failure = await fails(url, first=0.4, idle=0.4)
    assert type(failure) is kind
    assert words in str(failure)
    assert failure.provider == "azure"


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Rejected), (403, Rejected), (429, Overloaded), (500, Unreachable), (503, Overloaded)]
)
async def test_a_refusal_says_whose_turn_it_is(url: str, provider: Any, status: int, kind: type[ProviderError]) -> None:
    provider.conduct.fates.extend((Fate.ERROR, Fate.ERROR))
    provider.conduct.statuses, provider.conduct.retry_after = (status,), "3"
    failure = await fails(url)
    assert type(failure) is kind
    assert str(status) in str(failure)
    assert failure.after == (3.0 if status in (429, 503) else None)


async def test_a_wrong_key_is_told_without_the_key(url: str, provider: Any) -> None:
    provider.conduct.key = "another"
    failure = await fails(url)
    assert type(failure) is Rejected
    assert "401 wrong or missing key ***" in str(failure)
    assert "secret" not in repr(failure) + repr(failure.__cause__)


Talk = Callable[[Asked, Answer], Awaitable[None]]


@asynccontextmanager
async def service(talk: Talk) -> AsyncIterator[str]:
    """A server that answers as `talk` does."""

    async def page(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
        await talk(asked, answer)

    async with trio.open_nursery() as nursery:
        door = Door(Conduct(), {PATH: page}, {}, {azure.HEADER.lower(): ""})
        yield f"http://127.0.0.1:{await nursery.start(door.serve, 0)}{PATH}"
        nursery.cancel_scope.cancel()


async def test_the_request_is_as_it_was_set() -> None:
    seen: list[Asked] = []

    async def talk(asked: Asked, answer: Answer) -> None:
        seen.append(asked)
        await answer.whole(200, {"RecognitionStatus": "Success", "DisplayText": "Ja."})

    async with service(talk) as url:
        assert await heard(url, language="de-CH", profanity="masked") == [Heard(1, "Ja.", final=True)]
    (asked,) = seen
    assert asked.query == {"language": ["de-CH"], "format": ["simple"], "profanity": ["masked"]}
    assert asked.headers[b"content-type"] == b"audio/wav; codecs=audio/pcm; samplerate=16000"
    assert asked.body[:4] == b"RIFF"


WORDS = {"Success": "Hello there.", "NoMatch": "", "InitialSilenceTimeout": "", "BabbleTimeout": ""}


def recorded() -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in WIRES.read_text("utf-8").splitlines()]
    return [line["message"] for line in lines if "RecognitionStatus" in line["message"]]


@pytest.mark.parametrize("message", [*recorded(), {"RecognitionStatus": "BabbleTimeout"}], ids=repr)
async def test_recorded_messages_are_understood(message: dict[str, Any]) -> None:
    async with service(lambda asked, answer: answer.whole(200, message)) as url:
        if (text := WORDS.get(message["RecognitionStatus"])) is not None:
            assert await heard(url) == [Heard(1, text, final=True)]
        else:
            assert type(await fails(url)) is Unreachable


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"RecognitionStatus": 5},
        {"RecognitionStatus": "Success"},
        {"RecognitionStatus": "Success", "DisplayText": None},
        {"RecognitionStatus": "Success", "NBest": []},
        {"RecognitionStatus": "Success", "NBest": [{"Display": 1}]},
        {"RecognitionStatus": "Sucess", "DisplayText": "x"},
    ],
    ids=repr,
)
async def test_what_is_no_recognition_is_garbled(message: dict[str, Any]) -> None:
    async with service(lambda asked, answer: answer.whole(200, message)) as url:
        failure = await fails(url)
    assert type(failure) is Garbled
    assert "not a recognition" in str(failure)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "'region' is missing"),
        ({"region": "westeurope"}, "AZURE_SPEECH_KEY"),
        ({"region": "west europe"}, "region"),
        ({"region": "evil.example/"}, "region"),
        ({"url": "wss://x/v1"}, "must begin with https://"),
        ({"url": "http://x", "rate": 8000}, "rate"),
        ({"url": "http://x", "profanity": "loud"}, "profanity"),
    ],
)
def test_wrong_settings_are_told_at_the_start(
    settings: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_SPEECH_KEY", raising=False)
    with pytest.raises(Misconfigured, match=fault):
        azure.make(settings)


def test_a_region_is_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "k")
    ear = azure.make({"region": "westeurope"})
    assert ear.scribe.settings.url == f"https://westeurope.stt.speech.microsoft.com{PATH}"
