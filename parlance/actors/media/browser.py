"""The wire of the page, and of any program that speaks the `?format=pcm16` profile: full duplex, JSON text.

Only what is on that socket belongs here: PCM16 in base64 both ways, the messages required of every profile
(`connection_established`, `status_update`, `transcription`, `llm_response`, `audio_response`, `error`), the three
of full duplex (`speech_started`, `clear`, `mark`), and what a live page wants to know besides (`state`, `held`,
...). A client may ignore every type it does not know. Pure.

From the client:  audio_chunk {data, is_final}   mark {name}   end_session
To the client, in a turn's order:

    connection_established {session_id, agent, format}
    state {line, caller, agent}                          whenever one of the three changes
    speech_started                                       the gate heard the caller
    transcription {text, is_final, utterance}            replaces the one before; empty and final: no words
    status_update {status: processing}                   before the final transcription
    llm_response {turn, text}                            one for each phrase of the reply, as it becomes ready
    status_update {status: generating_audio}             after the first of them
    audio_response {data}, mark {name}                   the client sends the mark back once it has played
    speaking {turn, text}                                the caller begins to hear this phrase
    held {turn, after_ms}, clear, resumed {turn}         the caller was heard; it was a cough
    latency {turn, response_ms, steps}                   steps: milliseconds since the caller stopped, or null
    status_update {status: idle}
    turn_ended {turn, outcome, reason, said, heard, heard_seconds}    heard: what of it reached the caller
    murmured {text}, acted {act, details}, error {message, code, retryable}
    ended {reason}                                       then the socket closes
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any

from parlance.actors.media.envelope import audio, opened, shown
from parlance.actors.media.port import Marked, Message, Signal, Stopped
from parlance.codecs.format import FRAME_MS, Format
from parlance.engine.errors import LineError
from parlance.engine.trace import (
    Acted,
    CallerBegan,
    CallerSaid,
    CallerUnheard,
    Held,
    Murmured,
    PhraseReady,
    Resumed,
    Spoken,
    StateChanged,
    TraceEvent,
    TurnBegan,
    TurnEnded,
    TurnTimed,
)

_STEPS = ("end_of_turn", "transcript", "first_token", "first_phrase", "first_audio", "first_frame")


class Browser:
    """One page's call with `agent`. The path has named the agent, so that no `Started` comes of `receive`.

    Audio is PCM16, little-endian, mono, at `rate`, in 20 ms frames; other lengths are taken as they come.
    """

    carrier = "browser"
    marks = True
    digits = True
    early = False
    batch = 0.04
    coding = "pcm16"

    def __init__(self, agent: str, *, rate: int = 16000) -> None:
        self.agent = agent
        self.format = Format("pcm16", rate)
        self._status = self._settled = "idle"
        self._turn = 0

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. No error here is fatal: the page is told and the call goes on."""
        message = opened(data)
        kind = message.get("type")
        if kind == "audio_chunk":
            samples = audio(message.get("data"))
            if len(samples) % 2:
                raise LineError(f"{len(samples)} bytes are no whole number of 16-bit samples")
            return samples or None
        if kind == "mark":
            name = message.get("name")
            if not isinstance(name, str) or not name:
                raise LineError("a mark has no name")
            return Marked(name)
        if kind == "end_session":
            return Stopped("hung up")
        raise LineError(f"the type {shown(kind)} is unknown: audio_chunk, mark and end_session are not")

    def hello(self, call: str, agent: str) -> Sequence[Message]:
        audio = {"encoding": self.coding, "sample_rate": self.format.rate, "channels": 1, "frame_ms": FRAME_MS}
        return (_text("connection_established", session_id=call, agent=agent, format=audio),)

    def audio(self, payload: bytes) -> Message | None:
        return response(payload)

    def mark(self, name: str) -> Message | None:
        return _text("mark", name=name)

    def clear(self) -> Message | None:
        return '{"type":"clear"}'

    def press(self, digits: str) -> Sequence[Message] | None:
        """None: a page has no keys."""
        return None

    def transfer(self, number: str) -> Sequence[Message] | None:
        """None: a page has no telephone."""
        return None

    def announce(self, event: TraceEvent) -> Sequence[Message]:
        match event:
            case StateChanged():
                return (_text("state", line=event.line, caller=event.caller, agent=event.agent),)
            case CallerBegan():
                return (_text("speech_started"),)
            case CallerSaid(text=text, final=final, utterance=utterance):
                said = _text("transcription", text=text, is_final=final, utterance=utterance)
                return (*self._become("processing"), said) if final and text else (said,)
            case CallerUnheard(utterance=utterance):
                return (_text("transcription", text="", is_final=True, utterance=utterance),)
            case Murmured(text=text):
                return (*self._become(self._settled), _text("murmured", text=text))
            case TurnBegan(words=words):
                status = self._become("processing") if words else ()
                self._settled = self._status
                return status
            case PhraseReady(turn=turn, text=text):
                self._turn = turn
                return self._respond(turn, text)
            case Spoken(turn=turn, text=text):
                # The agent's own lines (a greeting) are spoken without having been thought of phrase by phrase.
                response = () if turn == self._turn else self._respond(turn, text)
                return (*response, _text("speaking", turn=turn, text=text))
            case Held(turn=turn, after=after):
                return (_text("held", turn=turn, after_ms=_ms(after)),)
            case Resumed(turn=turn):
                return (_text("resumed", turn=turn),)
            case TurnTimed():
                return (_latency(event),)
            case TurnEnded():
                return (*self._become("idle", settle=True), _ended(event))
            case Acted(act=act, details=details):
                return (_text("acted", act=act, details=details),)
        return ()

    def complaint(self, error: str, *, code: str, retry: bool) -> Sequence[Message]:
        return (_text("error", message=error, code=code, retryable=retry),)

    def goodbye(self, reason: str) -> Sequence[Message]:
        return (_text("ended", reason=reason),)

    def _respond(self, turn: int, text: str) -> tuple[str, ...]:
        return (_text("llm_response", turn=turn, text=text), *self._become("generating_audio", settle=True))

    def _become(self, status: str, *, settle: bool = False) -> tuple[str, ...]:
        """The status as a message, if it is news.

        What settles is what a murmur goes back to: a final transcription says `processing` before it is known
        whether a turn will come of it.
        """
        if settle:
            self._settled = status
        if status == self._status:
            return ()
        self._status = status
        return (_text("status_update", status=status),)


def response(audio: bytes) -> str:
    """An `audio_response`. A template, because `json.dumps` costs several times as much."""
    return f'{{"type":"audio_response","data":"{b2a_base64(audio, newline=False).decode("ascii")}"}}'


def _text(kind: str, **content: Any) -> str:
    return json.dumps({"type": kind, **content}, separators=(",", ":"))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _ended(event: TurnEnded) -> str:
    return _text(
        "turn_ended",
        turn=event.turn,
        outcome=event.outcome,
        reason=event.reason,
        said=event.said,
        heard=event.heard,
        heard_seconds=round(event.heard_seconds, 3),
    )


def _latency(event: TurnTimed) -> str:
    """Steps since the caller stopped, or since the first step of a turn that no caller asked for."""
    times = {step: getattr(event, step) for step in _STEPS}
    known = [time for time in times.values() if time is not None]
    origin = event.caller_stopped if event.caller_stopped is not None else min(known, default=0.0)
    steps = {step: None if time is None else _ms(time - origin) for step, time in times.items()}
    response = steps["first_frame"] if event.caller_stopped is not None else None
    return _text("latency", turn=event.turn, response_ms=response, steps=steps)
