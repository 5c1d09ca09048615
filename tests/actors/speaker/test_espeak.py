"""The embedded voice, with the real library."""

from __future__ import annotations

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.actors.speaker import espeak
from parlance.actors.speaker.port import Sound
from parlance.engine.errors import Misconfigured


async def spoken(text: str, **choice: object) -> list[bytes]:
    async with espeak.make(choice).speak(text) as speech:
        return [piece.audio async for piece in speech if isinstance(piece, Sound)]


def seconds(chunks: list[bytes]) -> float:
    return sum(map(len, chunks)) / espeak.FORMAT.second


def samples(chunks: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(chunks), "<i2").astype(float)


async def test_a_sentence_is_audible_speech_in_chunks_of_a_tenth_of_a_second_with_a_pause_after_it() -> None:
    chunks = await spoken("You can come on Monday at ten.")
    assert {len(chunk) for chunk in chunks[:-1]} == {espeak.CHUNK}
    assert 1.5 < seconds(chunks) < 2.5
    sound = samples(chunks)
    pause = int(espeak.PAUSES["."] * espeak.RATE)
    assert not sound[-pause:].any()
    assert -26 < 20 * np.log10(np.sqrt(np.mean(sound[:-pause] ** 2)) / 32768) < -15


@pytest.mark.parametrize(
    ("text", "pause"),
    [("Well,", 0.12), ("Well.", 0.2), ('"Well?"', 0.2), ("Well", espeak.PAUSE)],
)
async def test_the_pause_follows_the_punctuation(text: str, pause: float) -> None:
    sound = samples(await spoken(text))
    silent = sound.size - 1 - np.flatnonzero(abs(sound) > 100)[-1]
    assert pause <= silent / espeak.RATE < pause + 0.04


@pytest.mark.parametrize("text", ["", "  ", "...", "?!", '"."', "\x00\x01", "\u200b", "\ud800", " - "])
async def test_nothing_to_say_is_no_audio(text: str) -> None:
    assert await spoken(text) == []


async def test_markup_is_spoken_not_obeyed() -> None:
    assert seconds(await spoken("<break time='9s'/> one")) > 1.5 * seconds(await spoken("one"))
    assert seconds(await spoken("<break time='9s'/> one")) < 9


async def test_control_characters_are_not_commands() -> None:
    # To eSpeak, ^A50R is "a rate of 50 words a minute".
    assert espeak.plain("\x0150R \x00slow\ndown") == "50R slow down"


@given(st.text(max_size=700))
def test_any_text_makes_pieces_that_are_short_enough_and_lose_nothing(text: str) -> None:
    plain = espeak.plain(text)
    made = list(espeak.pieces(plain))
    assert all(0 < len(piece) <= espeak.LONGEST for piece in made)
    left = plain
    for piece in made:
        before, _, left = left.partition(piece)
        assert not any(c.isalnum() for c in before)
    assert not any(c.isalnum() for c in left)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_spoken(text: str) -> None:
    assert sum(map(len, trio.run(spoken, text))) % 2 == 0


def test_long_text_is_cut_where_a_sentence_ends() -> None:
    text = ("This is one sentence of some length. " * 20).strip()
    assert all(piece.endswith(".") for piece in espeak.pieces(text))


async def test_voices_with_different_settings_speak_at_once_without_mixing() -> None:
    slow, fast = espeak.make({"rate": 100}), espeak.make({"rate": 300, "voice": "en"})
    made: dict[str, list[bytes]] = {}

    async def say(name: str, voice: espeak.EspeakVoice) -> None:
        async with voice.speak("Our opening hours are nine to five.") as speech:
            made[name] = [piece.audio async for piece in speech if isinstance(piece, Sound)]

    async with trio.open_nursery() as nursery:
        for turn in range(4):
            nursery.start_soon(say, f"slow {turn}", slow)
            nursery.start_soon(say, f"fast {turn}", fast)
    # eSpeak never says a thing twice in quite the same way.
    for turn in range(4):
        assert seconds(made[f"slow {turn}"]) == pytest.approx(seconds(made["slow 0"]), abs=0.02)
        assert seconds(made[f"fast {turn}"]) == pytest.approx(seconds(made["fast 0"]), abs=0.02)
    assert seconds(made["slow 0"]) > 2 * seconds(made["fast 0"])


async def test_a_cancelled_phrase_stops_within_a_buffer_and_the_next_one_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = seconds(await spoken("Then we shall see you tomorrow."))
    jobs: list[espeak.Job] = []
    speak = espeak.Library.speak

    def recorded(library: espeak.Library, job: espeak.Job) -> None:
        jobs.append(job)
        trio.from_thread.run_sync(scope.cancel)
        speak(library, job)

    monkeypatch.setattr(espeak.Library, "speak", recorded)
    with trio.CancelScope() as scope:
        await spoken("1234567890" * 30)
    assert scope.cancelled_caught
    assert jobs[0].abort
    # Unaborted it would be minutes; the library may be a few buffers on before the scope takes effect.
    assert len(jobs[0].audio) < 60 * espeak.FORMAT.second
    monkeypatch.undo()
    assert seconds(await spoken("Then we shall see you tomorrow.")) == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"voice": "klingon-deluxe"}, "klingon-deluxe"),
        ({"voice": "en-us+nobody"}, "nobody"),
        ({"rate": 9}, "rate"),
        ({"speed": 1}, "speed"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        espeak.make(wrong)


def test_a_variant_is_a_voice_too() -> None:
    assert espeak.make({"voice": "en-us+f3"}).settings.voice == "en-us+f3"
