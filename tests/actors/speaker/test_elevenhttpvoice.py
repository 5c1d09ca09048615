"""What the ElevenLabs voice over HTTP has of its own: the package that makes its requests, and how that is left."""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import pytest
import trio

from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Door
from parlance.actors.speaker import elevenhttp
from parlance.engine.errors import Misconfigured

pytestmark = pytest.mark.usefixtures("frozen")

pytest.importorskip("elevenlabs")

PATH = "/v1/text-to-speech/v1/stream"
LONG = "word " * 200


async def asked(**settings: Any) -> Asked:
    """What the service is asked for."""
    seen: list[Asked] = []

    async def page(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
        seen.append(asked)
        answer.begin("audio/basic")
        await answer.piece(b"\x80" * 160)
        await answer.end()

    async with trio.open_nursery() as nursery:
        port = await nursery.start(Door(Conduct(), {PATH: page}, {}, {elevenhttp.HEADER: ""}).serve, 0)
        voice = elevenhttp.make({"url": f"http://127.0.0.1:{port}", "voice": "v1", **settings})
        await nursery.start(voice.run)
        async with voice.reply() as reply, reply.speak("Hello") as sounds:
            assert [sound.audio async for sound in sounds] == [b"\x80" * 160]
        nursery.cancel_scope.cancel()
    (only,) = seen
    return only


async def test_a_request_has_what_was_set_and_nothing_else() -> None:
    plain = await asked()
    assert plain.query == {"output_format": ["ulaw_8000"]}
    assert json.loads(plain.body) == {"text": "Hello", "model_id": "eleven_flash_v2_5"}
    full = await asked(model="m", language="de", stability=0.5, similarity=0, style=0.1, boost=False, speed=1.1)
    assert json.loads(full.body) == {
        "text": "Hello",
        "model_id": "m",
        "language_code": "de",
        "voice_settings": {
            "stability": 0.5,
            "similarity_boost": 0,
            "style": 0.1,
            "use_speaker_boost": False,
            "speed": 1.1,
        },
    }


async def test_pieces_are_not_held_back_until_there_is_a_kilobyte(provider: Any) -> None:
    voice = elevenhttp.make({"url": provider.http("elevenlabs"), "voice": "v1"})
    async with voice.reply() as reply, reply.speak("one two three four") as sounds:
        assert len((await anext(sounds)).audio) == 800


@pytest.mark.parametrize("how", ["left", "cancelled", "not begun"])
async def test_nothing_is_left_to_the_garbage_collector(provider: Any, how: str) -> None:
    """Trio warns of an asynchronous generator that it finds, and a warning is an error here. Nor is a socket left."""
    voice = elevenhttp.make({"url": provider.http("elevenlabs"), "voice": "v1"})
    living, start = trio.lowlevel.current_statistics().tasks_living, trio.current_time()
    with trio.move_on_after(0.15 if how == "cancelled" else 5):
        async with voice.reply() as reply, reply.speak(LONG) as sounds:
            if how != "not begun":
                assert await anext(sounds)
            if how == "cancelled":
                async for _ in sounds:
                    pass
    assert trio.current_time() - start < 1
    with trio.fail_after(1):
        # The server's end of the connection.
        while trio.lowlevel.current_statistics().tasks_living > living:
            await trio.sleep(0.01)
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()


async def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "elevenlabs", None)
    with pytest.raises(Misconfigured, match=r"needs elevenlabs: pip install '.\[elevenlabs\]'"):
        elevenhttp.make({"url": "http://x", "voice": "v"})
