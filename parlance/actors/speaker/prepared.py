"""Words an agent will surely need, spoken once beforehand: greetings, questions, apologies.

Prepared audio needs no provider at the moment it is wanted, so it is there when the voice is not: the apology of a
failing call is prepared audio, and a greeting's first frame waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from parlance.actors.speaker.port import Voice
from parlance.codecs.convert import convert
from parlance.codecs.format import Format
from parlance.engine.errors import ProviderError


class Prepared:
    """One voice's prepared words."""

    def __init__(self) -> None:
        self._audio: dict[str, tuple[Format, bytes]] = {}
        self._converted: dict[tuple[str, Format], bytes] = {}

    async def prepare(self, voice: Voice, texts: Iterable[str]) -> list[ProviderError]:
        """Speak `texts` and keep the audio. What the voice fails at is returned and simply not prepared."""
        faults: list[ProviderError] = []
        for text in texts:
            if not text or text in self._audio:
                continue
            try:
                async with voice.speak(text) as chunks:
                    audio = b"".join([chunk async for chunk in chunks])
            except ProviderError as error:
                faults.append(error)
                continue
            self._audio[text] = (voice.format, audio)
        return faults

    def get(self, text: str, line: Format) -> bytes | None:
        """`text` in the line's format; None if it was not prepared. The first request for a format converts it."""
        if (ready := self._converted.get((text, line))) is not None:
            return ready
        if (kept := self._audio.get(text)) is None:
            return None
        audio = self._converted[(text, line)] = convert(kept[1], kept[0], line)
        return audio
