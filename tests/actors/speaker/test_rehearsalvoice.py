"""The rehearsal voice: as long as its text, on time, and speech to a voice detector."""

from __future__ import annotations

import pytest
import trio
import webrtcvad
from trio.testing import MockClock

from parlance.actors.speaker import rehearsal
from parlance.actors.speaker.port import Sound
from parlance.codecs import mulaw, pcm
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Misconfigured


async def test_forty_words_take_between_three_and_four_seconds(autojump_clock: MockClock) -> None:
    voice = rehearsal.make({})
    start, chunks = trio.current_time(), []
    async with voice.speak("word " * 40) as speech:
        async for piece in speech:
            assert isinstance(piece, Sound)
            chunks.append(piece.audio)
            assert trio.current_time() - start == pytest.approx(0.05)
    assert 3 * TELEPHONE.second <= sum(map(len, chunks)) <= 4 * TELEPHONE.second


async def test_a_text_longer_than_what_was_prepared_goes_on(autojump_clock: MockClock) -> None:
    async with rehearsal.make({"word": 1}).speak("word " * 25) as speech:
        spoken = b"".join([piece.audio async for piece in speech if isinstance(piece, Sound)])
    prepared = len(rehearsal.sound())
    assert len(spoken) == 25 * TELEPHONE.second
    assert spoken[:prepared] == spoken[prepared : 2 * prepared]


def test_it_sounds_like_speech() -> None:
    sound = mulaw.decode(rehearsal.sound())
    detector = webrtcvad.Vad(3)
    frames = [sound[at : at + 320] for at in range(0, len(sound), 320)]
    assert sum(detector.is_speech(frame, 8000) for frame in frames) > 0.95 * len(frames)
    assert pcm.level(sound) == pytest.approx(rehearsal.LEVEL, abs=0.5)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(Misconfigured, match=r"word.*weight"):
        rehearsal.make({"word": 0, "weight": 1})
