"""A phrase while it is spoken over a WebSocket: its audio so far, and where in the text that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from parlance.actors.body import file
from parlance.actors.speaker.follower import Follower
from parlance.actors.speaker.port import Times
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import Garbled

MOST = 600.0
"""Seconds of audio that a phrase may have: more is not speech."""
OFF, SLACK = 1.5, 0.5
"""Audio may be so many times as long as its times say, and so many seconds more: a pause may end it."""


class Phrase:
    """A phrase while it is spoken: its audio so far, and where in the text that is."""

    def __init__(self, provider: str, text: str, form: Format = TELEPHONE) -> None:
        self._provider, self._form = provider, form
        self._bytes = 0
        self.text = Follower(text)
        self.said = 0.0
        """Seconds that the audio has as far as its times go."""
        self._told = (0, 0.0)

    @property
    def seconds(self) -> float:
        return self._bytes / self._form.second

    def add(self, audio: bytes) -> bytes:
        """Count more audio, and give it back. Raises `Garbled` for what is no bare audio, or too much."""
        if not self._bytes and (what := file(audio)):
            raise Garbled(self._provider, f"sent {what} where there should be bare audio")
        self._bytes += len(audio)
        if self.seconds > MOST:
            raise Garbled(self._provider, f"sent more than {MOST:g} s of audio for a phrase")
        return audio

    def times(self, found: Iterable[tuple[int, float]]) -> Times:
        """Those of `found` that are news: both their numbers only grow."""
        news = []
        for count, at in found:
            if count > self._told[0]:
                self._told = count, max(at, self._told[1])
                news.append(self._told)
        return tuple(news)

    def check(self) -> None:
        """Raises `Garbled` where a whole phrase's audio is much longer or shorter than its times say."""
        if self.said and not self.said / OFF - SLACK <= self.seconds <= self.said * OFF + SLACK:
            told = f"{self.seconds:.1f} s of audio that should be {self.said:.1f} s long: is its rate another one?"
            raise Garbled(self._provider, f"sent {told}")
