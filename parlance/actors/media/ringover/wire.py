"""The wire of Ringover's streamer: binary L16 (or its JSON) in, JSON with base64 audio out.

What we send is as the README of ringover/ringover-streamer has it: `streamAudio`, `break`, `digits`, `transfer`,
`play`. What comes in is documented nowhere. `streamAudio` is FreeSWITCH's mod_audio_stream to the letter, so that its
input is taken here too: an optional first text of metadata, then binary frames of signed 16-bit little-endian mono
PCM; and, besides, what we send ourselves, the other way round. Text that means nothing is ignored. Pure.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import audio, opened, plain, shown
from parlance.actors.media.number import e164
from parlance.actors.media.port import Message, Signal, Started
from parlance.actors.media.ringover.numbers import dialed
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

_NAMES: Mapping[str, tuple[str, ...]] = {
    "call_id": ("call_id", "callId", "callid", "call_uuid"),
    "from": ("from", "from_number", "fromNumber", "caller"),
    "to": ("to", "to_number", "toNumber", "called"),
    "agent": ("agent", "agent_id"),
    "call": ("call",),
    "ticket": ("ticket",),
    "token": ("token",),
}
"""What metadata are taken for: our name, and how they may be spelled. That of the query are spelled as ours."""
_SECRETS = frozenset({"ticket", "token"})
_RATES = ("sampleRate", "sample_rate")
_WHOLE = 15
"""Digits that any JSON parser keeps whole as a number."""


class Ringover(Dialect):
    """One call's media socket.

    `known`: what the handshake said, by the names of `_NAMES`; metadata fill its gaps. The first message that means
    something makes `Started`, metadata or not. If it was audio already, that is kept and returned before the audio of
    the next message, so that nothing is lost.
    """

    carrier = "ringover"
    batch = 0.1
    digits = False
    """Nothing is known of a message for pressed digits: their tones are searched."""

    def __init__(self, rate: int = 8000, known: Mapping[str, str] | None = None) -> None:
        self.format = Format("pcm16", rate)
        self._known = dict(known or {})
        self._started = False
        self._kept = b""
        self._before = f'{{"type":"streamAudio","data":{{"audioDataType":"raw","sampleRate":{rate},"audioData":"'

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal is only audio of another rate or coding (1003)."""
        if isinstance(data, bytes):
            if len(data) & 1:
                raise LineError(f"{len(data)} bytes are no whole number of 16-bit samples")
            if self._started and not self._kept:
                return data or None
            return self._heard(data)
        try:
            message = opened(data)
        except LineError:
            return None
        samples = self._samples(message)
        if samples is not None:
            return self._heard(samples)
        return None if self._started else self._start(message)

    def _heard(self, samples: bytes) -> bytes | Started | None:
        if not samples:
            return None
        if not self._started:
            self._kept = samples
            return self._start({})
        kept, self._kept = self._kept, b""
        return kept + samples

    def _samples(self, message: dict[str, Any]) -> bytes | None:
        """The audio in a message of JSON; None if it is no message of audio."""
        if message.get("type") == "streamAudio":
            sent = message.get("data")
            if not isinstance(sent, dict):
                raise LineError("streamAudio has no data in it")
            kind = sent.get("audioDataType", "raw")
            if kind != "raw":
                raise LineError(f"audioDataType {shown(kind)} is not taken: only raw is", fatal=True, code=1003)
            coded = sent.get("audioData")
        elif message.get("event") == "media":
            sent = message.get("media")
            if not isinstance(sent, dict):
                raise LineError("a media message has no media in it")
            coded = sent.get("payload")
        else:
            return None
        self._fits(sent)
        samples = audio(coded)
        if len(samples) & 1:
            raise LineError(f"{len(samples)} bytes are no whole number of 16-bit samples")
        return samples

    def _fits(self, said: Mapping[str, Any]) -> None:
        """Raises for another rate than the one set."""
        for name in _RATES:
            rate = plain(said.get(name))
            if rate and rate not in (str(self.format.rate), f"{self.format.rate}.0"):
                raise LineError(
                    f"{name} {shown(rate)} is not taken: this endpoint is set to {self.format.rate} (media_rate)",
                    fatal=True,
                    code=1003,
                )

    def _start(self, message: dict[str, Any]) -> Started:
        """The call, by what the handshake and the metadata say. The metadata may be one object deep."""
        said: dict[str, Any] = {}
        for inner in ("start", "call", "data", "metadata"):
            if isinstance(part := message.get(inner), dict):
                said |= part
        said |= {name: value for name, value in message.items() if not isinstance(value, dict)}
        self._fits(said)
        self._started = True
        plainly = {name: text for name, value in said.items() if (text := plain(value)) is not None}
        known = {name: self._known.get(name) or _first(plainly, names) for name, names in _NAMES.items()}
        parameters = {name: text for name, text in (plainly | self._known).items() if name not in _SECRETS}
        ours = known["call"] if known["ticket"] else ""
        return Started(
            agent=known["agent"],
            call=ours or known["call_id"],
            caller=e164(known["from"], bare=6),
            called=e164(known["to"], bare=6),
            parameters=parameters,
            ticket=known["ticket"] or known["token"],
        )

    def audio(self, payload: bytes) -> Message:
        """A template, because `json.dumps` costs several times as much."""
        return f'{self._before}{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def clear(self) -> Message:
        return '{"event":"break"}'

    def press(self, digits: str) -> Sequence[Message]:
        """The README shows a number. What a number cannot say (`#`, a zero in front) goes as text, by inference."""
        number = digits.isdecimal() and not digits.startswith("0") and len(digits) <= _WHOLE
        return (json.dumps({"event": "digits", "data": int(digits) if number else digits}),)

    def transfer(self, number: str) -> Sequence[Message]:
        return (json.dumps({"event": "transfer", "data": dialed(number)}),)

    def play(self, url: str) -> Message:
        """Plays the sound file at `url` to the caller. No part of a call's own course: a helper."""
        return json.dumps({"event": "play", "file": url})


def _first(said: Mapping[str, str], names: Sequence[str]) -> str:
    return next((said[name] for name in names if said.get(name)), "")
