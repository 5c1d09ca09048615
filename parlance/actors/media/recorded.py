"""The browser profile in its default form, for clients that play what they get: a recorder's WebM/Opus in, MP3 out.

The messages are those of `browser.py`, without `clear` and `mark`: what has been sent will be played, so little is sent
ahead and an interruption costs what is on its way. Coding costs about 0.2 ms for 20 ms of audio both ways. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from parlance.actors.media.browser import Browser, response
from parlance.actors.media.envelope import audio, opened
from parlance.actors.media.port import Message, Signal
from parlance.codecs import mp3, webm
from parlance.codecs.errors import BadAudio
from parlance.engine.errors import LineError
from parlance.engine.trace import TraceEvent, TurnEnded


class Recorded(Browser):
    """One call with `agent`; inside it is PCM16 at 16 kHz. Raises `MissingCodec` without PyAV."""

    marks = False
    batch = 0.24
    coding = "webm/opus in, mp3 out"

    def __init__(self, agent: str) -> None:
        super().__init__(agent, rate=16000)
        self._decoder = webm.Decoder(self.format.rate)
        self._encoder = mp3.Encoder(self.format.rate)

    def receive(self, data: Message) -> bytes | Signal | None:
        message = opened(data)
        if message.get("type") != "audio_chunk":
            return super().receive(data)
        try:
            samples = self._decoder.feed(audio(message.get("data")))
            if message.get("is_final") is True:
                samples += self._decoder.flush()
        except BadAudio as error:
            raise LineError(f"the recording cannot be read: {error}") from None
        return samples or None

    def audio(self, payload: bytes) -> Message | None:
        """None while the encoder has no whole frame yet."""
        return response(frames) if (frames := self._encoder.feed(payload)) else None

    def mark(self, name: str) -> Message | None:
        return None

    def clear(self) -> Message | None:
        return None

    def announce(self, event: TraceEvent) -> Sequence[Message]:
        messages = super().announce(event)
        if not isinstance(event, TurnEnded):
            return messages
        rest = self._encoder.flush()  # Whatever becomes of it: the next reply begins an MP3 of its own.
        return (response(rest), *messages) if rest and event.outcome == "played" else messages
