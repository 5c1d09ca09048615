"""What can go wrong with a streaming ear, whichever it is: against each one's simulator on loopback."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
from streamed import Words, failure, say

from bench.simulators.conduct import Fate
from bench.simulators.ear import TEXT
from parlance.actors.listener import assemblyai, deepgram, elevenlabs, flux
from parlance.actors.listener.stream import StreamedEar
from parlance.engine.errors import Garbled, Overloaded, Rejected, Unreachable

WAYS: dict[str, tuple[Any, str, str]] = {
    "deepgram": (deepgram, "deepgram", "/v1/listen"),
    "flux": (flux, "deepgram", "/v2/listen"),
    "scribe": (elevenlabs, "elevenlabs", "/v1/speech-to-text/realtime"),
    "assemblyai": (assemblyai, "assemblyai", "/v3/ws"),
}
"""The adapter, whose simulator it talks to, and where there."""
SAID = {"assemblyai": "i would like to book an appointment please"}
"""What is heard, if not `TEXT`."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_KEY", "key-that-is-secret")


@pytest.fixture(params=WAYS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ear(name: str, provider: Any) -> StreamedEar:
    return made(name, provider)


@pytest.fixture
def words() -> Words:
    return Words()


def made(name: str, provider: Any) -> StreamedEar:
    module, door, path = WAYS[name]
    found: StreamedEar = module.make({"url": provider.ws(door, path), "key_env": "TEST_API_KEY", "final": 0.5})
    return found


@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (401, Rejected), (429, Overloaded), (500, Unreachable)])
async def test_a_refused_handshake(ear: StreamedEar, provider: Any, words: Words, status: int, error: type) -> None:
    provider.conduct.fates.append(Fate.ERROR)
    provider.conduct.statuses, provider.conduct.retry_after = (status,), "7"
    told = await failure(ear, words)
    assert type(told) is error
    assert f"{status} the simulator fails, as it was told to" in str(told)
    assert told.after == (7 if status == 429 else None)


async def test_a_wrong_key_is_told_without_the_key(ear: StreamedEar, provider: Any, words: Words) -> None:
    provider.conduct.key = "another"
    told = await failure(ear, words)
    assert type(told) is Rejected
    assert "401 wrong or missing key ***" in str(told)


@pytest.mark.parametrize(
    ("fate", "error", "says"),
    [
        (Fate.ERROR, Unreachable, "as it was told to|3005 Session Cancelled"),
        (Fate.CUT, Unreachable, "1006"),
        (Fate.HALF, Garbled, "not a message of"),
        (Fate.TYPES, Garbled, "not a message of"),
        (Fate.HUGE, Garbled, "more than 1 MB"),
    ],
)
async def test_what_breaks_in_mid_stream(
    ear: StreamedEar, provider: Any, words: Words, fate: Fate, error: type, says: str
) -> None:
    provider.conduct.fates.extend((Fate.NONE, fate))
    told = await failure(ear, words)
    assert type(told) is error
    assert re.search(says, str(told))
    assert not any(heard.final for heard in words.heard)
    assert words.heard or fate is not Fate.CUT


@pytest.mark.parametrize("name", ["deepgram", "scribe"])
async def test_a_service_that_says_nothing_has_gone(name: str, provider: Any, words: Words) -> None:
    provider.conduct.fates.extend((Fate.NONE, Fate.SILENT))
    assert type(await failure(made(name, provider), words)) is Unreachable


async def test_a_stall_leaves_the_words_so_far(ear: StreamedEar, name: str, provider: Any, words: Words) -> None:
    provider.conduct.fates.extend((Fate.NONE, Fate.STALL))
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            await say(hearing, 1)
            so_far = await words.final(1)
    said = SAID.get(name, TEXT)
    assert so_far
    assert said.startswith(so_far)
    # Flux tells its words as the audio comes; the others had come to the second one.
    assert name == "flux" or so_far == said[: len("I would")]


async def test_an_empty_transcript_is_no_words(ear: StreamedEar, provider: Any, words: Words) -> None:
    provider.conduct.fates.extend((Fate.NONE, Fate.EMPTY))
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            await say(hearing, 1)
            assert await words.final(1) == ""


async def test_after_a_cut_the_next_connection_hears(ear: StreamedEar, name: str, provider: Any, words: Words) -> None:
    provider.conduct.fates.extend((Fate.NONE, Fate.CUT))
    await failure(ear, words)
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            await say(hearing, 5)
            assert await words.final(5) == SAID.get(name, TEXT)


@pytest.mark.parametrize("name", ["deepgram", "scribe"])
async def test_the_next_utterance_may_begin_before_the_words_of_the_last(
    name: str, provider: Any, words: Words
) -> None:
    provider.conduct.stt_delay = 0.2
    with trio.fail_after(5):
        async with made(name, provider).open(words) as hearing:
            await say(hearing, 1)
            await say(hearing, 2)
            assert (await words.final(1), await words.final(2)) == (TEXT, TEXT)
