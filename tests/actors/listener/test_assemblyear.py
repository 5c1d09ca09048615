"""The AssemblyAI ear against a simulator of its protocol on loopback, and what can go wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from streamed import CHUNK, KEY, QUIET, Words, call, failure, say, told

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.ear import TEXT
from bench.simulators.town import doors
from parlance.actors.dial import Dial
from parlance.actors.listener import assemblyai
from parlance.actors.listener.port import Heard
from parlance.actors.listener.stream import StreamedEar
from parlance.actors.listener.wire import Message
from parlance.engine.errors import Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

PLAIN = "i would like to book an appointment please"


@pytest.fixture
def conduct() -> Conduct:
    return Conduct(stt_delay=0.02)


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
async def url(nursery: trio.Nursery, conduct: Conduct, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    return f"ws://127.0.0.1:{await nursery.start(doors(conduct)['assemblyai'].serve, 0)}/v3/ws"


@pytest.fixture
def ear(url: str) -> StreamedEar:
    return assemblyai.make({"url": url, "key_env": "ASSEMBLYAI_API_KEY", "keyterms": ["parlance"]})


async def test_interim_words_come_while_the_caller_speaks_and_final_ones_after(
    ear: StreamedEar, conduct: Conduct, words: Words
) -> None:
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            assert (hearing.endpoints, hearing.provider) == (True, "assemblyai")
            await say(hearing, 1)
            assert await words.last(1) == Heard(1, PLAIN, final=True)
            interims = [heard.text for heard in words.heard if not heard.final]
            assert interims[0] == "i would"
            await say(hearing, 2)
            assert await words.final(2) == PLAIN
    assert conduct.requests["ForceEndpoint"] == 2
    assert conduct.requests["Terminate"] == 1


async def test_the_service_s_own_end_of_turn(ear: StreamedEar, conduct: Conduct, words: Words) -> None:
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            await hearing.begin(1)
            for chunk in (*[CHUNK] * 8, *[QUIET] * 5):
                await hearing.hear(chunk)
            assert await words.last(1) == Heard(1, PLAIN, final=True, ended=True)
            await hearing.end(1)
            await say(hearing, 2)
            assert await words.last(2) == Heard(2, PLAIN, final=True)
    assert conduct.requests["ForceEndpoint"] == 1


async def test_without_it_a_pause_ends_nothing(url: str, words: Words) -> None:
    with trio.fail_after(5):
        async with assemblyai.make({"url": url, "endpoints": False}).open(words) as hearing:
            await say(hearing, 1, chunks=8, quiet=30)
            assert await words.last(1) == Heard(1, PLAIN, final=True)


@pytest.mark.parametrize("model", ["universal-streaming-english", "u3-rt-pro"])
async def test_formatted_words(url: str, words: Words, model: str) -> None:
    with trio.fail_after(5):
        async with assemblyai.make({"url": url, "model": model, "format_turns": True}).open(words) as hearing:
            await say(hearing, 1)
            assert await words.final(1) == TEXT


async def test_audio_of_any_length_is_sent_in_pieces_that_the_service_takes(ear: StreamedEar, words: Words) -> None:
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            await hearing.begin(1)
            for size in (160, 16_000, 333, 1, 8_100):
                await hearing.hear(CHUNK[:1] * size)
            await hearing.end(1)
            assert await words.final(1) == PLAIN


async def test_silence_keeps_the_session_alive(
    ear: StreamedEar, conduct: Conduct, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemblyai.AssemblyWire, "patience", 0.05)
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            while conduct.requests["KeepAlive"] < 3:
                await trio.sleep(0.01)
            await say(hearing, 1)
            assert await words.final(1) == PLAIN


async def test_wrong_parameters_are_told_inside_the_connection(url: str, words: Words) -> None:
    told = await failure(assemblyai.make({"url": url, "model": "nova-3"}), words)
    assert type(told) is Rejected
    assert "3006 Invalid speech_model" in str(told)


async def test_a_service_that_says_nothing_twice_has_gone(url: str, conduct: Conduct, words: Words) -> None:
    conduct.fates.extend((Fate.NONE, Fate.SILENT))
    with pytest.raises(Unreachable, match=r"no words within 0\.2 s"):
        await call(assemblyai.make({"url": url, "final": 0.2}), words, utterances=2)
    assert words.all == [Heard(0, "", final=True)]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"confidence": 2}, "confidence"),
        ({"modle": "x"}, "did you mean model"),
        ({"url": "http://x"}, "begin with wss"),
    ],
)
def test_wrong_settings_are_told_at_the_start(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        assemblyai.make({"url": "ws://x"} | settings)


# -------------------------------------------------------------------------------------- the wire


def assembly_wire(**settings: Any) -> assemblyai.AssemblyWire:
    chosen = assemblyai.Settings(url="ws://x", **settings)
    return assemblyai.AssemblyWire(Dial("assemblyai", chosen), chosen)


def spoken(text: str, *, over: bool = False, order: int = 0, formatted: bool = False, at: int = 100) -> str:
    words = [
        {"text": word, "start": at + 100 * place, "end": at + 100 * place + 90, "word_is_final": True}
        for place, word in enumerate(text.split())
    ]
    told = {"type": "Turn", "turn_order": order, "turn_is_formatted": formatted, "end_of_turn": over}
    return json.dumps(told | {"transcript": text, "words": words})


@pytest.mark.parametrize("sizes", [[160] * 40, [800] * 8, [16_000, 100], [1], [399], [400], [8001, 8001]])
def test_assemblyai_s_pieces_are_neither_too_short_nor_too_long(sizes: list[int]) -> None:
    wire = assembly_wire()
    wire.begin(1)
    sent: list[Message] = []
    for size in sizes:
        sent.extend(wire.hear(b"\x80" * size).send)
    *tail, force = wire.end(1).send
    assert json.loads(force) == {"type": "ForceEndpoint"}
    pieces = [*sent, *tail]
    assert all(400 <= len(piece) <= 8000 for piece in pieces)
    audio = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert audio.rstrip(b"\xff") == b"\x80" * sum(sizes)
    assert wire.position == len(audio) / 8000


def test_assemblyai_ends_a_turn_by_itself_or_does_not() -> None:
    for endpoints in (True, False):
        wire = assembly_wire(endpoints=endpoints)
        assert wire.endpoints is endpoints
        wire.begin(1)
        wire.hear(CHUNK * 10)
        assert told(wire, spoken("yes please")) == [Heard(1, "yes please", False)]
        ended = [Heard(1, "yes please", True, ended=True)] if endpoints else []
        assert told(wire, spoken("yes please", over=True)) == ended


def test_assemblyai_s_end_that_we_asked_for_ends_what_it_was_asked_for() -> None:
    wire = assembly_wire()
    wire.begin(1)
    wire.hear(CHUNK * 10)
    wire.end(1)
    wire.begin(2)
    wire.hear(CHUNK * 10)
    assert told(wire, spoken("yes please", over=True)) == [Heard(1, "yes please", True)]
    assert told(wire, spoken("now", over=True, order=1, at=1500)) == [Heard(2, "now", True, ended=True)]


def test_assemblyai_s_formatted_words_are_waited_for_if_they_are_wanted() -> None:
    for wanted in (False, True):
        wire = assembly_wire(format_turns=wanted)
        wire.begin(1)
        wire.hear(CHUNK * 10)
        news = told(wire, spoken("yes please", over=True))
        news += told(wire, spoken("Yes, please.", over=True, formatted=True))
        finals = [one.text for one in news if isinstance(one, Heard) and one.final]
        assert finals == ["Yes, please." if wanted else "yes please"]


@pytest.mark.parametrize(
    ("code", "error"),
    [(4001, Rejected), (3006, Rejected), (3007, Rejected), (4002, Rejected), (3009, Overloaded), (4029, Overloaded),
     (3005, Unreachable), (3008, Unreachable), (4031, Unreachable), (None, Unreachable)],
)  # fmt: skip
def test_assemblyai_s_errors_say_whether_a_retry_helps(code: int | None, error: type[ProviderError]) -> None:
    with pytest.raises(ProviderError, match="because") as caught:
        assembly_wire().receive(json.dumps({"type": "Error", "error_code": code, "error": "because"}))
    assert type(caught.value) is error
