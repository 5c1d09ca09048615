"""A voice at ElevenLabs over a WebSocket with many contexts, in µ-law: kind `elevenlabs`. Not tried against the live
service.

Messages as in elevenlabs 2.78 (`types/*_multi`), and
https://elevenlabs.io/docs/eleven-api/guides/how-to/websockets/multi-context-web-socket for what they mean. One context
is one reply: the voice goes on in it as it began. A phrase is its text, ending with a space, and `flush`.

**Where a phrase ends.** Nothing answers `flush`. With `sync_alignment` each message of audio names the characters in
it: a phrase is whole when its last character that can be heard was named and the audio is as long as the times say.
Their times count from the beginning of the generated chunk (so the SDK's `types/alignment`), not of the context, so
they are added up; a message's audio and its times need not be equally long, and only their sums agree
(elevenlabs-python issue 689); `alignment` may be null, may cut words in two and may begin again from the phrase's first
character (pipecat issues 2840 and 4316). So where the characters cannot be followed to the end, or where there are
none, the phrase ends in another way, exact as well: after `settle` seconds without a message the context is closed,
upon which the service sends what it still has, and its last message (as pipecat uses it, pull request 4126). The next
phrase has a new context then. Where the characters say that words are missing, silence is a stall, and an error.

A connection is good for `inactivity` seconds without a message. Nothing is sent to keep it: a message without a context
opens one that nobody closes (pipecat issue 5874); it is replaced before, at its `lifetime`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, model_validator

from parlance.actors.dial import Dial, Patience, Variable, address
from parlance.actors.fields import audio, each, mapping, number, text, written
from parlance.actors.speaker.manner import Manner
from parlance.actors.speaker.phrase import Phrase
from parlance.actors.speaker.port import Times
from parlance.actors.speaker.spoken import plain
from parlance.actors.speaker.stream import StreamService, StreamVoice
from parlance.actors.speaker.wire import Brief, Closed, Message, Piece, VoiceWire
from parlance.actors.verdict import verdict
from parlance.engine.errors import Garbled, ProviderError
from parlance.engine.faults import checked

NAME = "elevenlabs"
CONTEXTS = 5
"""So many contexts may be open on a connection, those that are closed and still speak included; one more ends it."""
LATE = 80_000
"""Bytes that may come after their phrase: ten seconds. Of more, the last are kept."""
NEARLY = 0.06
"""Seconds: audio that lacks no more than this of what its times say is whole."""


class Settings(Manner, StreamService):
    url: str = "wss://api.elevenlabs.io/v1/text-to-speech"
    key_env: Variable = "ELEVENLABS_API_KEY"
    inactivity: Annotated[int, Field(ge=20, le=180)] = 180
    """Seconds after which the service closes a connection without a message."""
    settle: Patience = 1.0
    """Seconds without a message after which a phrase whose characters cannot be followed is brought to its end."""
    lifetime: Annotated[float, Field(ge=1, le=180)] = 170.0
    """Seconds after which a connection that nobody uses is replaced; less than `inactivity`."""

    @model_validator(mode="after")
    def _alive(self) -> Settings:
        if self.lifetime >= self.inactivity:
            raise ValueError(f"lifetime: {self.lifetime:g} s must be less than inactivity, {self.inactivity} s")
        return self

    def address(self) -> str:
        query: dict[str, object] = {
            "model_id": self.model,
            "output_format": "ulaw_8000",
            "auto_mode": "true",
            "sync_alignment": "true",
            "enable_ssml_parsing": "false",
            "inactivity_timeout": self.inactivity,
        }
        if self.language:
            query["language_code"] = self.language
        return address(f"{self.url.rstrip('/')}/{self.voice}/multi-stream-input", query)


class ElevenWire(VoiceWire):
    """multi-stream-input: a reply is a context. `context` names a new one."""

    protocol = "multi-stream-input"

    def __init__(self, settings: Settings, brief: Brief, context: Callable[[], str]) -> None:
        super().__init__(NAME, brief)
        self._settings, self._new = settings, context
        self._context: str | None = None
        self._alive: set[str] = set()
        """Contexts whose last message has not come."""
        self._aligned = self._closing = False
        self._rest = b""
        """Audio that came after its phrase seemed whole: the next one begins with it."""

    def say(self, text: str, now: float) -> list[Message]:
        messages: list[Message] = []
        self._phrase = Phrase(NAME, text)
        self._aligned = self._closing = False
        if self._context is None:
            self._context = self._new()
            self._alive.add(self._context)
            wanted = self._settings.voice_settings()
            manner = {"voice_settings": wanted} if wanted else {}
            messages.append(written(text=" ", context_id=self._context, **manner))
        return [*messages, written(text=f"{plain(text).strip()} ", context_id=self._context, flush=True)]

    def take(self, told: dict[str, Any], now: float) -> Piece | None:
        if told.get("error") is not None:
            raise self._failure(told)
        context, final = told.get("contextId"), told.get("isFinal")
        if not isinstance(context, str | None) or not isinstance(final, bool | None):
            raise ValueError("neither a context nor its end")
        ours = self._context is not None and context in (None, self._context)
        if final:
            self._alive.discard(context or self._context or "")
            return self._end() if ours else None
        return self._more(told) if ours else None

    def _more(self, told: dict[str, Any]) -> Piece | None:
        sound = self._rest + audio(told.get("audio"))
        phrase = self._phrase
        if phrase is None:
            self._rest = sound[-LATE:]
            return None
        phrase.add(sound)
        self._rest = b""
        times = phrase.times(self._times(phrase, told.get("alignment") or told.get("normalizedAlignment")))
        done = phrase.text.whole and phrase.seconds >= phrase.said - NEARLY
        if done:
            self._phrase = None
            phrase.check()
        return Piece(sound, times, done) if sound or times or done else None

    def _times(self, phrase: Phrase, alignment: object) -> Times:
        """How many of the phrase's characters have been spoken when each character that was named ends."""
        if alignment is None:
            return ()
        named = mapping(alignment)
        chars = each(named["chars"], text)
        starts, lengths = each(named["charStartTimesMs"], number), each(named["charDurationsMs"], number)
        ends = list(accumulate((start + length for start, length in zip(starts, lengths, strict=True)), max))
        pairs = list(zip(chars, ends, strict=True))
        if not pairs:
            return ()
        self._aligned = True
        if phrase.text.again("".join(chars)):
            phrase.said = 0.0
        begun = phrase.said
        phrase.said = begun + max(0.0, ends[-1] / 1000)
        found = ((phrase.text.char(char), begun + max(0.0, end / 1000)) for char, end in pairs)
        return tuple((count, at) for count, at in found if count is not None)

    def _end(self) -> Piece | None:
        phrase, self._phrase, self._context = self._phrase, None, None
        if phrase is None:
            return None
        if phrase.text.whole:
            phrase.check()
        elif self._aligned and not phrase.text.lost:
            raise Garbled(NAME, "ended a phrase in its middle")
        return Piece(done=True)

    def _failure(self, told: dict[str, Any]) -> ProviderError:
        name, words = told["error"], told.get("message")
        kind = Closed if name == "input_timeout_exceeded" else verdict(words, told.get("code"), name)
        return self.failed(kind, f"{name}: {words}")

    def quiet(self) -> float:
        phrase = self._phrase
        if phrase is None or self._closing or not phrase.seconds:
            return math.inf
        missing = self._aligned and not phrase.text.lost and not phrase.text.whole
        return math.inf if missing else self._settings.settle

    def settle(self) -> list[Message]:
        self._closing = True
        return [written(context_id=self._context, close_context=True)]

    def finish(self, now: float) -> list[Message]:
        context, self._context, self._phrase, self._rest = self._context, None, None, b""
        return [] if context is None or self._closing else [written(context_id=context, close_context=True)]

    def abort(self) -> list[Message]:
        return self.finish(0.0)

    def reusable(self, now: float) -> bool:
        return len(self._alive) < CONTEXTS


def make(settings: dict[str, Any]) -> StreamVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"voice {NAME}")
    dial = Dial(NAME, chosen, header="xi-api-key", extra="elevenlabs")
    return StreamVoice(dial, chosen, chosen.address(), lambda: ElevenWire(chosen, dial.brief, lambda: uuid4().hex))
