"""An ear at ElevenLabs: Scribe realtime, over a WebSocket. Not tried against the live service.

Messages as in elevenlabs 2.78 (`types/*_payload.py`, `realtime/scribe.py`). Its transcripts say nothing of where in the
audio they are: words belong to utterances by their order alone. An utterance's end is decided here and asked for with
a commit, and every commit is answered once. The service commits by itself too, after a minute and a half.

What follows was learned by its users: a commit of less than 0.3 s of audio is refused
(https://github.com/elevenlabs/packages/issues/378), and only audio keeps a connection alive.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.fields import text, written
from parlance.actors.listener.port import Heard
from parlance.actors.listener.stream import StreamedEar, StreamService
from parlance.actors.listener.wire import NOTHING, EarWire, Step
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.faults import checked

NAME = "elevenlabs"
KEEP_ALIVE = 4.0
"""Seconds without audio after which some silence is sent: the service hangs up after ten to twenty."""
LITTLE = 0.1
"""Seconds of that silence."""
LEAST = 0.4
"""Seconds of audio that are committed at least, of which the service wants 0.3."""

_COMMITTED, _PARTIAL = "committed_transcript", "partial_transcript"
_ERRORS: dict[str, type[ProviderError]] = {
    **dict.fromkeys(("auth_error", "unaccepted_terms", "quota_exceeded"), Rejected),
    **dict.fromkeys(("input_error", "invalid_request", "chunk_size_exceeded"), Rejected),
    **dict.fromkeys(("rate_limited", "queue_overflow", "resource_exhausted"), Overloaded),
    # A new connection is all that these need.
    **dict.fromkeys(("session_time_limit_exceeded", "insufficient_audio_activity"), Unreachable),
    **dict.fromkeys(("transcriber_error", "error"), Unreachable),
}


class Settings(StreamService):
    """ElevenLabs charges for audio, and nothing but audio keeps a connection alive, 1.5 s of it a minute: none is warm
    unless asked for.
    """

    url: str = "wss://api.elevenlabs.io/v1/speech-to-text/realtime"
    key_env: Variable = "ELEVENLABS_API_KEY"
    warm: Annotated[int, Field(ge=0, le=100)] = 0
    model: Annotated[str, Field(min_length=1)] = "scribe_v2_realtime"
    language: str = ""
    """ISO 639-1 or 639-3; empty: whatever is spoken."""
    keyterms: Annotated[tuple[Annotated[str, Field(max_length=20)], ...], Field(max_length=50)] = ()
    """Words to expect, such as names."""

    @property
    def query(self) -> dict[str, object]:
        language = {"language_code": self.language} if self.language else {}
        return {
            "model_id": self.model,
            "audio_format": "ulaw_8000",
            "commit_strategy": "manual",
            **language,
            "keyterms": self.keyterms,
        }


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says: words that may change, or those of a commit; None: the commit was refused."""

    text: str | None
    committed: bool


@dataclass(slots=True)
class _Utterance:
    number: int
    ended: bool = False
    over: bool = False
    """Nobody waits for it any more, but the answer to its commit is still to come."""
    finals: list[str] = field(default_factory=list)
    interim: str = ""

    @property
    def text(self) -> str:
        return " ".join(filter(None, (*self.finals, self.interim)))


class ScribeWire(EarWire[Words]):
    """Realtime speech-to-text with commits by the client: answers come in the order of what was asked."""

    protocol = "speech-to-text/realtime"
    patience = KEEP_ALIVE

    def __init__(self, dial: Dial) -> None:
        super().__init__(dial.name, dial.brief)
        self._queue: deque[_Utterance] = deque()
        self._committed = 0.0
        """Up to where the audio is committed."""

    def begin(self, utterance: int) -> Step:
        self._queue.append(_Utterance(utterance))
        return NOTHING

    def hear(self, audio: bytes) -> Step:
        return Step([_chunk(self.passed(audio))])

    def end(self, utterance: int) -> Step:
        mine = next((one for one in self._queue if one.number == utterance), None)
        if mine is None:
            return NOTHING
        mine.ended = True
        lacking = LEAST - (self.position - self._committed)
        audio = self.passed(self.silence(lacking)) if lacking > 0 else b""
        self._committed = self.position
        return Step([_chunk(audio, commit=True)])

    def parse(self, told: dict[str, Any]) -> Words | None:
        kind = text(told["message_type"])
        if kind in _ERRORS:
            raise self.failed(_ERRORS[kind], f"{kind}: {told.get('error')}")
        if kind == "commit_throttled":
            return Words(None, committed=True)
        # With time stamps, or a language, a commit is answered twice; this wire asks for neither.
        if kind in (_COMMITTED, _PARTIAL):
            return Words(text(told["text"]).strip(), committed=kind == _COMMITTED)
        return None

    def take(self, told: Words) -> Step:
        if not self._queue:
            return NOTHING
        mine = self._queue[0]
        if told.committed:
            mine.interim = mine.interim if told.text is None else ""
            mine.finals.append(told.text or "")
            if mine.ended:
                self._queue.popleft()
                return NOTHING if mine.over else Step(news=[Heard(mine.number, mine.text, final=True)])
        else:
            mine.interim = told.text or ""
        return NOTHING if mine.over else Step(news=[Heard(mine.number, mine.text, final=False)])

    def give_up(self, utterance: int) -> Step:
        mine = next((one for one in self._queue if one.number == utterance and not one.over), None)
        if mine is None:
            return NOTHING
        if not mine.ended:
            self._queue.remove(mine)
        elif any(one.over for one in self._queue):
            raise Unreachable(self.name, "two commits were not answered, and nobody knows which the next answer is of")
        mine.over = True
        return Step(news=[Heard(mine.number, mine.text, final=True)])

    def alive(self) -> Step:
        return Step([_chunk(self.passed(self.silence(LITTLE)))])


def _chunk(audio: bytes, *, commit: bool = False) -> str:
    return written(
        message_type="input_audio_chunk",
        audio_base_64=b64encode(audio).decode(),
        commit=commit,
        sample_rate=TELEPHONE.rate,
    )


def make(settings: dict[str, Any]) -> StreamedEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"ear {NAME}")
    dial = Dial(NAME, chosen, header="xi-api-key", extra="elevenlabs")
    quiet = _chunk(TELEPHONE.silence * round(LITTLE * TELEPHONE.rate))
    url = address(chosen.url, chosen.query)
    return StreamedEar(dial, chosen, url, lambda: ScribeWire(dial), keep=quiet, every=KEEP_ALIVE)
