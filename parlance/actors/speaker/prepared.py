"""Words an agent will surely need, spoken once beforehand: greetings, questions, apologies.

Prepared audio needs no provider at the moment it is wanted, so it is there when the voice is not: the apology of a
failing call is prepared audio, and a greeting's first frame waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from parlance.actors.speaker.port import Sound, Voice
from parlance.codecs.convert import convert
from parlance.codecs.format import Format
from parlance.engine.errors import ProviderError, Unreachable

PATIENCE = 10.0
"""Seconds that a voice has for one of the agent's lines."""


async def said(voice: Voice, text: str) -> tuple[Format, bytes] | None:
    """The whole of `text` spoken; None where there is nothing to hear. Raises `ProviderError`."""
    async with voice.reply() as reply, reply.speak(text) as speech:
        sounds = [piece async for piece in speech if isinstance(piece, Sound)]
    audio = b"".join(sound.audio for sound in sounds)
    return (sounds[0].format, audio) if audio else None


class Prepared:
    """One voice's prepared words."""

    def __init__(self) -> None:
        self._audio: dict[str, tuple[Format, bytes]] = {}
        self._converted: dict[tuple[str, Format], bytes] = {}

    async def prepare(self, voice: Voice, texts: Iterable[str], lines: Iterable[Format]) -> list[ProviderError]:
        """Speak `texts` and keep the audio, in the formats of `lines` at once and in any other when it is asked for.

        What the voice fails at, or does not speak within `PATIENCE` seconds, is returned and simply not prepared. One
        that may do better later (`retry`) is not asked for the rest now: call this again.
        """
        lines = tuple(lines)
        faults: list[ProviderError] = []
        for text in texts:
            if not text or text in self._audio:
                continue
            try:
                with trio.fail_after(PATIENCE):
                    spoken = await said(voice, text)
            except ProviderError as error:
                faults.append(error)
                if error.retry:
                    break
                continue
            except trio.TooSlowError:
                faults.append(Unreachable(voice.provider, f"did not speak {text!r} within {PATIENCE:g} s"))
                break
            if spoken is None:
                continue
            self._audio[text] = made, audio = spoken
            for line in lines:
                self._converted[(text, line)] = await trio.to_thread.run_sync(convert, audio, made, line)
        return faults

    def get(self, text: str, line: Format) -> bytes | None:
        """`text` in the line's format; None if it was not prepared. The first request for a format converts it."""
        if (ready := self._converted.get((text, line))) is not None:
            return ready
        if (kept := self._audio.get(text)) is None:
            return None
        audio = self._converted[(text, line)] = convert(kept[1], kept[0], line)
        return audio
