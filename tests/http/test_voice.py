"""The voice pages of the RingCentral profile: figures, and a text spoken into a sound file."""

from __future__ import annotations

import io
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from werkzeug.exceptions import Forbidden

from parlance.engine.errors import Overloaded, Rejected, Unreachable
from parlance.http import voice
from parlance.http.app import View, create
from parlance.http.voice import VoiceHealth

HEALTH: VoiceHealth = {
    "status": "ok",
    "stt_health": "ok",
    "active_calls": 2,
    "total_calls": 40,
    "success_rate": 0.95,
}


def sound(text: str) -> bytes:
    """A WAV file as long as the text."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(b"\x00\x01" * len(text))
    return file.getvalue()


async def speak(text: str) -> bytes:
    await trio.lowlevel.checkpoint()
    return sound(text)


Speak = Callable[[str], Awaitable[bytes]]


def client(page: Path, speak: Speak = speak, **more: Any) -> Any:
    app = create(View(agents={}, ready=lambda: None, statistics=dict), page)
    app.register_blueprint(voice.pages(lambda: HEALTH, speak, **more))
    return app.test_client()


async def post(one: Any, text: str | None) -> Any:
    return await one.post("/api/voice/test", query_string=None if text is None else {"text": text})


async def test_health_is_what_the_house_says(page: Path):
    got = await client(page).get("/api/voice/realtime/health")
    assert (got.status_code, await got.get_json()) == (200, HEALTH)


@pytest.mark.parametrize("text", ["Hello", "  Hello  ", "Grüß Gott & 1+1=2", "x", "x" * 500])
async def test_a_text_comes_back_as_a_sound_file(page: Path, text: str):
    got = await post(client(page), text)
    assert (got.status_code, got.headers["content-type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(await got.get_data())) as wav:
        assert wav.getnframes() == len(text.strip())


@pytest.mark.parametrize("text", [None, "", "   ", "x" * 501])
async def test_a_text_of_no_or_too_many_characters_is_refused_unspoken(page: Path, text: str | None):
    async def never(text: str) -> bytes:
        raise AssertionError("spoken")

    got = await post(client(page, never), text)
    assert (got.status_code, got.headers["content-type"]) == (400, "application/problem+json")
    assert "1 to 500 characters" in (await got.get_json())["detail"]


async def test_one_text_at_a_time_and_then_the_next(page: Path, nursery: trio.Nursery):
    speaking, spoken = trio.Event(), trio.Event()

    async def slow(text: str) -> bytes:
        speaking.set()
        await spoken.wait()
        return sound(text)

    one = client(page, slow)
    answers = []

    async def ask() -> None:
        answers.append((await post(one, "first")).status_code)

    nursery.start_soon(ask)
    with trio.fail_after(2):
        await speaking.wait()
    second = await post(one, "second")
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert second.headers["content-type"] == "application/problem+json"
    spoken.set()
    assert (await post(one, "third")).status_code == 200
    await trio.testing.wait_all_tasks_blocked()
    assert answers == [200]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Overloaded("deepgram", "come back to https://inner"), 503),
        (Unreachable("deepgram", "https://inner"), 502),
        (Rejected("deepgram", "https://inner"), 502),
    ],
)
async def test_a_voice_that_fails_is_a_problem_without_its_address(
    page: Path, error: Exception, status: int, caplog: pytest.LogCaptureFixture
):
    failing = True

    async def sometimes(text: str) -> bytes:
        if failing:
            raise error
        return sound(text)

    one = client(page, sometimes)
    got = await post(one, "Hello")
    assert (got.status_code, got.headers["content-type"]) == (status, "application/problem+json")
    assert "inner" not in await got.get_data(as_text=True)
    assert "https://inner" in caplog.text
    failing = False
    assert (await post(one, "Hello")).status_code == 200


async def test_a_voice_that_hangs_is_given_up(page: Path, autojump_clock: trio.testing.MockClock):
    async def never(text: str) -> bytes:
        await trio.sleep_forever()
        raise AssertionError("unreachable")

    begin = trio.current_time()
    got = await post(client(page, never), "Hello")
    assert got.status_code == 504
    assert trio.current_time() - begin == pytest.approx(30.0, abs=0.5)


async def test_who_has_not_the_scope_is_refused_before_anything_is_looked_at(page: Path):
    scopes = []

    async def guard(scope: str) -> None:
        scopes.append(scope)
        raise Forbidden("this key may not")

    one = client(page, guard=guard)
    assert (await post(one, "")).status_code == 403
    assert scopes == [voice.SCOPE]
    assert (await one.get("/api/voice/realtime/health")).status_code == 200
