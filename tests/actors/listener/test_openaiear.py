"""The ear that asks OpenAI's transcription endpoint, against a simulator, against answers of servers that are
compatible with it, and against what can go wrong.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door
from bench.simulators.ear import TEXT
from parlance.actors.listener import openai
from parlance.actors.listener.port import Heard, News
from parlance.actors.listener.request import RequestHearing
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable, inner

PATH = "/v1/audio/transcriptions"
SECOND = b"\x10\x20" * 16000
WIRES = Path(__file__).parents[2] / "wires" / "transcription.jsonl"


@pytest.fixture
def url(provider: Any) -> str:
    return str(provider.http("openai", PATH))


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[tuple[RequestHearing, list[News]]]:
    """A call's ear, with the connections of its house."""
    ear = openai.make({"url": url, "interim": 0, **settings})
    told: list[News] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(ear.run)
        async with ear.open(told.append) as hearing:
            yield hearing, told
        nursery.cancel_scope.cancel()


async def heard(url: str, **settings: Any) -> list[News]:
    """Everything that is told of one utterance."""
    with trio.fail_after(8):
        async with opened(url, **settings) as (hearing, told):
            await hearing.begin(1)
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


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-4o-transcribe", "whisper-1"])
@pytest.mark.parametrize("rate", [8000, 16000])
async def test_an_utterance_is_transcribed(url: str, model: str, rate: int) -> None:
    assert await heard(url, model=model, rate=rate) == [Heard(1, TEXT, final=True)]


async def test_streamed_words_come_one_by_one(url: str) -> None:
    told = await heard(url, stream=True)
    assert told[-1] == Heard(1, TEXT, final=True)
    texts = [news.text for news in told if isinstance(news, Heard)]
    assert len(texts) > 2
    assert all(TEXT.startswith(text) for text in texts)
    assert texts == sorted(texts, key=len)


async def test_words_so_far_are_asked_for_while_the_caller_speaks(url: str, provider: Any) -> None:
    with trio.fail_after(8):
        async with opened(url, interim=0.5) as (hearing, told):
            await hearing.begin(1)
            await hearing.hear(SECOND)
            while not told:
                await trio.sleep(0.005)
            assert told == [Heard(1, TEXT, final=False)]
            await hearing.end(1)
            while len(told) < 2:
                await trio.sleep(0.005)
    assert told[-1] == Heard(1, TEXT, final=True)
    assert provider.conduct.requests[PATH] == 2


@pytest.mark.parametrize("text", ["Größe 5 €, s'il vous plaît", "\u304a\u306f\u3088\u3046", "\U0001f642 <speak>"])
@pytest.mark.parametrize("stream", [False, True])
async def test_words_in_any_script(url: str, provider: Any, text: str, stream: bool) -> None:
    provider.conduct.text = text
    assert (await heard(url, stream=stream))[-1] == Heard(1, text, final=True)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_empty_transcript_is_no_words(url: str, provider: Any, stream: bool) -> None:
    provider.conduct.fates.append(Fate.EMPTY)
    assert (await heard(url, stream=stream))[-1] == Heard(1, "", final=True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fate", "kind", "words"),
    [
        (Fate.SILENT, Unreachable, "within 0.4 s"),
        (Fate.STALL, Unreachable, "within 0.4 s"),
        (Fate.CUT, Garbled, "connection lost"),
        (Fate.HALF, Garbled, "not a"),
        (Fate.TYPES, Garbled, "not a"),
        (Fate.HUGE, Garbled, "more than"),
    ],
    ids=lambda value: value.value if isinstance(value, Fate) else "",
)
async def test_what_may_become_of_an_answer(
    url: str, provider: Any, fate: Fate, kind: type[ProviderError], words: str, stream: bool
) -> None:
    provider.conduct.fates.extend((fate, fate))
    failure = await fails(url, stream=stream, first=0.4, idle=0.4)
    assert type(failure) is kind
    assert words in str(failure)
    assert failure.provider == "openai"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (401, Rejected), (404, Rejected), (429, Overloaded), (500, Unreachable), (503, Overloaded)],
)
async def test_a_refusal_says_whose_turn_it_is(url: str, provider: Any, status: int, kind: type[ProviderError]) -> None:
    provider.conduct.fates.extend((Fate.ERROR, Fate.ERROR))
    provider.conduct.statuses = (status,)
    failure = await fails(url)
    assert type(failure) is kind
    assert f"{status} the simulator fails" in str(failure)
    assert provider.conduct.requests[PATH] == (2 if kind.retry else 1)


async def test_a_wrong_key_is_told_without_the_key(url: str, provider: Any) -> None:
    provider.conduct.key = "another"
    failure = await fails(url, key_env="OPENAI_API_KEY")
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
        port = await nursery.start(Door(Conduct(), {PATH: page}, {}).serve, 0)
        yield f"http://127.0.0.1:{port}{PATH}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": formatdate(1_000_012, usegmt=True), "date": formatdate(1_000_000, usegmt=True)}, 12.0),
        ({"retry_after": "soon"}, None),
    ],
    ids=["not said", "number", "date", "nonsense"],
)
async def test_it_says_when_to_come_back(headers: dict[str, str], after: float | None) -> None:
    async with service(lambda asked, answer: answer.whole(429, {"error": {"message": "busy"}}, **headers)) as url:
        failure = await fails(url)
    assert type(failure) is Overloaded
    assert failure.after == after


def parts(asked: Asked) -> dict[str, list[bytes]]:
    """The fields of a multipart form, cut by hand."""
    kind = asked.headers[b"content-type"].decode()
    boundary = kind.partition("boundary=")[2].encode()
    fields: dict[str, list[bytes]] = {}
    for part in asked.body.split(b"--" + boundary)[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        name = head.decode().partition('name="')[2].partition('"')[0]
        fields.setdefault(name, []).append(body.removesuffix(b"\r\n"))
    return fields


async def test_the_form_has_what_was_set_and_nothing_else() -> None:
    seen: list[dict[str, list[bytes]]] = []

    async def talk(asked: Asked, answer: Answer) -> None:
        seen.append(parts(asked))
        await answer.whole(200, {"text": "yes"})

    async with service(talk) as url:
        await heard(url)
        await heard(
            url, model="m", language="de", prompt="A \u201cclinic\u201d", keywords=["Müller", "\u6771\u4eac"], rate=8000
        )
    plain, full = seen
    assert plain.keys() == {"file", "model", "response_format"}
    assert plain["file"][0][:4] == b"RIFF"
    assert len(plain["file"][0]) == len(SECOND) + 44
    assert full["keywords[]"] == ["Müller".encode(), "\u6771\u4eac".encode()]
    assert (full["model"], full["language"], full["prompt"]) == ([b"m"], [b"de"], ["A \u201cclinic\u201d".encode()])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"text": " And so my fellow Americans.\n"}, "And so my fellow Americans."),
        ({"task": "transcribe", "language": "english", "duration": 1.0, "text": "Hello", "segments": []}, "Hello"),
        ({"text": "Hello", "usage": {"type": "duration", "seconds": 1}, "x_groq": {"id": "r"}}, "Hello"),
        ({"text": ""}, ""),
    ],
    ids=["whisper.cpp", "verbose", "with more", "nothing"],
)
async def test_servers_that_are_compatible_need_no_key(
    monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], text: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with service(lambda asked, answer: answer.whole(200, body)) as url:
        assert await heard(url) == [Heard(1, text, final=True)]


@pytest.mark.parametrize(
    "body", [{"text": None}, {"text": 5}, {"words": "x"}, {"error": "failed to read WAV file"}], ids=repr
)
async def test_what_is_no_transcription_is_garbled(body: dict[str, Any]) -> None:
    async with service(lambda asked, answer: answer.whole(200, body)) as url:
        failure = await fails(url)
    assert type(failure) is Garbled
    assert "not a transcription" in str(failure)


def streaming(*pieces: bytes) -> Talk:
    async def talk(asked: Asked, answer: Answer) -> None:
        answer.begin("text/event-stream")
        for piece in pieces:
            await answer.piece(piece)
        await answer.end()

    return talk


def event(**message: Any) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\r\n\r\n"


DONE = event(type="transcript.text.done", text="Yes.")


@pytest.mark.parametrize(
    ("pieces", "kind", "words"),
    [
        ((event(type="transcript.text.delta", delta="Yes"),), Garbled, "broke off"),
        ((event(type="transcript.text.delta", delta=5), DONE), Garbled, "not an event"),
        ((event(type="transcript.text.done", text=5),), Garbled, "not a transcription"),
        ((b"data: [1]\n\n", DONE), Garbled, "not an event"),
        ((b"data: \xff\n\n", DONE), Garbled, "not a stream of events"),
        ((b"data: [DONE]\n\n",), Garbled, "without its words"),
        ((event(error={"message": "busy", "code": "rate_limit_exceeded"}),), Overloaded, "busy"),
        ((event(type="error", error={"message": "no such model", "code": "model_not_found"}),), Rejected, "no such"),
        ((event(error={"message": "oh", "type": "server_error"}),), Unreachable, "oh"),
    ],
)
async def test_a_stream_that_goes_wrong(pieces: tuple[bytes, ...], kind: type[ProviderError], words: str) -> None:
    async with service(streaming(*pieces)) as url:
        failure = await fails(url, stream=True)
    assert type(failure) is kind
    assert words in str(failure)


async def test_events_of_other_kinds_are_passed_over() -> None:
    pieces = (b': hello\n\nevent: x\ndata: {"type": "transcript.text.segment", "text": 1}\n\n', DONE)
    async with service(streaming(*pieces)) as url:
        assert await heard(url, stream=True) == [Heard(1, "Yes.", final=True)]


async def test_a_server_that_does_not_stream_is_told_so(url: str) -> None:
    failure = await fails(url, stream=True, model="whisper-1")
    assert type(failure) is Garbled
    assert "application/json" in str(failure)


def recorded() -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in WIRES.read_text("utf-8").splitlines()]
    return [line["message"] for line in lines if line["from"] == "server"]


@pytest.mark.parametrize("message", recorded(), ids=lambda message: ",".join(message))
async def test_recorded_messages_are_understood(message: dict[str, Any]) -> None:
    kind = message.get("type")
    if kind is None:
        async with service(lambda asked, answer: answer.whole(200, message)) as url:
            assert await heard(url) == [Heard(1, message["text"], final=True)]
        return
    pieces = [event(**message)] + ([] if kind.endswith("done") else [DONE])
    async with service(streaming(*pieces)) as url:
        told = await heard(url, stream=True)
    assert message.get("delta", message.get("text")) in [news.text for news in told if isinstance(news, Heard)]


async def test_leaving_in_mid_answer_ends_it_at_once(url: str, provider: Any) -> None:
    provider.conduct.stt_delay = 30
    with trio.fail_after(4):
        async with opened(url) as (hearing, _):
            await hearing.begin(1)
            await hearing.hear(SECOND)
            await hearing.end(1)
            while not provider.conduct.requests[PATH]:
                await trio.sleep(0.005)
            start = trio.current_time()
    assert trio.current_time() - start < 0.5


async def test_nobody_there_is_unreachable() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    assert type(await fails(f"http://127.0.0.1:{port}{PATH}")) is Unreachable


async def test_a_connection_that_closes_without_an_answer_is_unreachable(nursery: trio.Nursery) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()

    listeners = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    assert type(await fails(f"http://127.0.0.1:{port}{PATH}")) is Unreachable


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"url": "ws://x/v1"}, "must begin with https://"),
        ({"url": "http://x", "rate": 11025}, "rate"),
        ({"url": "http://x", "interim": -1}, "interim"),
        ({"url": "http://x", "model": ""}, "model"),
        ({"url": "http://x", "modle": "m"}, "did you mean model"),
    ],
)
def test_wrong_settings_are_told_at_the_start(
    settings: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Misconfigured, match=fault):
        openai.make(settings)
