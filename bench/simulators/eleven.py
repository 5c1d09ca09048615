"""A simulated voice: ElevenLabs' text to speech over HTTP. Its WebSocket is in `multistream`.

Requests and answers as in elevenlabs 2.78 (`text_to_speech/raw_client`).
"""

from __future__ import annotations

import json
from typing import Any

from bench.simulators import multistream
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from bench.simulators.multistream import FORMATS, unfit
from bench.simulators.speak import voice
from parlance.codecs.format import Format

_FIELDS = {"model_id": str, "language_code": str, "previous_text": str, "next_text": str, "seed": int}


def _request(asked: Asked) -> tuple[str, Format]:
    """The text and the format that are asked for. Raises `Refusal`, whose words are `name: message`."""
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


def refused(status: int, words: str) -> dict[str, Any]:
    """A list of faults if the request is malformed (422), else one with its name."""
    name, named, message = words.partition(": ")
    if status == 422:
        return {"detail": [{"loc": ["body", name], "msg": message, "type": "value_error"}]}
    return {"detail": {"status": name if named else str(status), "message": message or words}}


async def stream(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    """The audio as it is made."""
    text, wanted = _request(asked)
    await voice(text, wanted, answer, fate, conduct, kind="audio/pcm" if wanted.width == 2 else "audio/basic")


_VOICE = "/v1/text-to-speech/*"
BEHIND = Behind(
    {f"{_VOICE}/stream": stream},
    {f"{_VOICE}/multi-stream-input": (multistream.check, multistream.line)},
)
