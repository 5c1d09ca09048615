"""A simulated voice: ElevenLabs' text to speech over HTTP, as audio or as lines with its characters' times.

Requests and answers as in elevenlabs 2.78 (`text_to_speech/raw_client`, `types/audio_with_timestamps_response`); its
WebSocket is in `multistream`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import trio

from bench.simulators import multistream
from bench.simulators.alignment import spoil, timed
from bench.simulators.conduct import STALL, Conduct, Cut, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from bench.simulators.multistream import FORMATS, unfit
from bench.simulators.speak import PIECE, SPEED, voice
from parlance.codecs.format import Format

_FIELDS = {"model_id": str, "language_code": str, "previous_text": str, "next_text": str, "seed": int}


def _request(asked: Asked) -> tuple[str, Format]:
    """The text and the format that are asked for. Raises `Refusal`, whose words are `status: message`."""
    name = asked.first("output_format", "mp3_44100_128")
    if name not in FORMATS:
        raise Refusal(400, f"output_format_not_allowed: this simulator has no {name}")
    latency = asked.first("optimize_streaming_latency", "0")
    if latency not in "01234":
        raise Refusal(422, "optimize_streaming_latency: must be from 0 to 4")
    try:
        body = json.loads(asked.body)
        text = body["text"]
    except (ValueError, KeyError, TypeError):
        raise Refusal(422, "text: Field required") from None
    if not isinstance(text, str) or not text.strip():
        raise Refusal(400, "empty_text: the text has nothing that could be spoken")
    for field, kind in _FIELDS.items():
        if not isinstance(body.get(field), kind | None):
            raise Refusal(422, f"{field}: must be {kind.__name__}")
    if fault := unfit(body.get("voice_settings")):
        raise Refusal(422, f"voice_settings: {fault}")
    return text, FORMATS[name]


async def _refuse(answer: Answer, refusal: Refusal) -> None:
    """A list of faults if the request is malformed (422), else one with its name."""
    where, _, message = str(refusal).partition(": ")
    detail: Any = {"status": where, "message": message}
    if refusal.status == 422:
        detail = [{"loc": ["body", where], "msg": message, "type": "value_error"}]
    await answer.whole(refusal.status, {"detail": detail})


async def stream(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """The audio as it is made."""
    try:
        text, wanted = _request(asked)
    except Refusal as refusal:
        await _refuse(answer, refusal)
        return
    await voice(text, wanted, answer, fate, conduct, kind="audio/pcm" if wanted.width == 2 else "audio/basic")


async def timestamps(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """A JSON object a line, with a piece of the audio and its characters' times from the beginning, in seconds."""
    try:
        text, wanted = _request(asked)
    except Refusal as refusal:
        await _refuse(answer, refusal)
        return
    start, at = trio.current_time() + conduct.late(conduct.tts_delay), 0
    answer.begin("application/json")
    await trio.sleep_until(start)
    for number, piece in enumerate(timed(text, wanted, fate)):
        await trio.sleep_until(start + number * PIECE / SPEED)
        begins = [(at + tick) / 1000 for tick in piece.starts]
        ends = [(at + tick + length) / 1000 for tick, length in zip(piece.starts, piece.lengths, strict=True)]
        times = {
            "characters": piece.chars,
            "character_start_times_seconds": begins,
            "character_end_times_seconds": ends,
        }
        told = {
            "audio_base64": base64.b64encode(piece.sound).decode(),
            "alignment": times,
            "normalized_alignment": times,
        }
        wrong = {"audio_base64": 5, "alignment": "none"}
        await answer.piece(spoil(told, wrong, fate if number == 0 else Fate.NONE, "audio_base64").encode() + b"\n")
        at += sum(piece.lengths)
        if fate is Fate.CUT:
            raise Cut
        if fate is Fate.STALL:
            await trio.sleep(STALL)
    await answer.piece(b"")
    await answer.end()


_VOICE = "/v1/text-to-speech/*"
BEHIND = Behind(
    {f"{_VOICE}/stream": stream, f"{_VOICE}/stream/with-timestamps": timestamps},
    {f"{_VOICE}/multi-stream-input": (multistream.check, multistream.line)},
)
