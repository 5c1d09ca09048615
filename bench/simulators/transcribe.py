"""A simulated ear that is asked for one utterance at a time: OpenAI's audio/transcriptions, whole or streamed.

Shapes as in openai 3.52 (`types/audio`), words of the refusals as the service's. Of the kinds of files that the service
takes this one knows WAV with 16-bit PCM, mono, and looks at it closely.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import trio
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from bench.simulators import pace
from bench.simulators.conduct import HUGE, Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from bench.simulators.ear import TEXT

SHORTEST = 0.1
"""Seconds of audio, less than which is refused."""

_WHISPER = "whisper-1"
_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_FIELDS = frozenset(
    """
    chunking_strategy include include[] keywords keywords[] known_speaker_names[] known_speaker_references[] language
    languages languages[] model prompt response_format stream temperature timestamp_granularities
    timestamp_granularities[]
    """.split()
)
_UNREADABLE = (
    "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']"
)


@dataclass(frozen=True, slots=True)
class Wav:
    rate: int
    samples: bytes

    @property
    def seconds(self) -> float:
        return len(self.samples) / 2 / self.rate


def wav(data: bytes) -> Wav:
    """A file of 16-bit PCM, mono. Raises `ValueError`, also if its lengths are not those in its header."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate, layout = file.getframerate(), (file.getnchannels(), file.getsampwidth())
            told, samples = file.getnframes(), file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:
        raise ValueError(f"it is no WAV file: {error}") from None
    if layout != (1, 2) or rate < 1:
        raise ValueError(f"it has {rate} samples a second, and (channels, bytes a sample) of {layout}, not (1, 2)")
    if told * 2 != len(samples) or int.from_bytes(data[4:8], "little") != len(data) - 8:
        raise ValueError(f"its header tells of {told} samples in a file of other length")
    return Wav(rate, samples)


async def transcriptions(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    start = trio.current_time() + conduct.late(conduct.stt_delay)
    fields, sound = _request(asked)
    await trio.sleep_until(start)
    text, kind = conduct.text or TEXT, fields.get("response_format", "json")
    if fields.get("stream") == "true" and fields["model"] != _WHISPER:
        await _stream(answer, fate, text, sound)
    elif kind == "text":
        await _plain(answer, fate, text)
    else:
        message = _verbose if kind == "verbose_json" else _json
        await pace.whole(answer, fate, text, partial(message, sound, fields))


def _usage(sound: Wav, said: int) -> dict[str, Any]:
    """Ten tokens are a second."""
    heard = round(sound.seconds * 10)
    return {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
        "output_tokens": said,
        "total_tokens": heard + said,
    }


def _json(sound: Wav, fields: Mapping[str, str], text: Any) -> dict[str, Any]:
    if fields["model"] == _WHISPER:
        return {"text": text, "usage": {"type": "duration", "seconds": sound.seconds}}
    return {"text": text, "usage": _usage(sound, len(TEXT.split()))}


def _verbose(sound: Wav, fields: Mapping[str, str], text: Any) -> dict[str, Any]:
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": sound.seconds,
        "text": text,
        "tokens": [1],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.01,
    }
    return {
        "task": "transcribe",
        "language": fields.get("language", "english"),
        "duration": sound.seconds,
        "text": text,
        "segments": [segment] if text else [],
        "usage": {"type": "duration", "seconds": sound.seconds},
    }


async def _plain(answer: Answer, fate: Fate, text: str) -> None:
    """Without a JSON to spoil: half a text is just shorter, and one of the wrong type is a JSON."""
    told = {Fate.EMPTY: "", Fate.TYPES: '{"text": 7}', Fate.HUGE: "x" * HUGE if fate is Fate.HUGE else ""}.get(
        fate, text
    )
    answer.begin("text/plain; charset=utf-8")
    data = f"{told}\n".encode()
    if fate in (Fate.CUT, Fate.STALL, Fate.HALF):
        await answer.piece(data[: len(data) // 2])
        await pace.broken(fate)
    else:
        await answer.piece(data)
    await answer.end()


async def _stream(answer: Answer, fate: Fate, text: str, sound: Wav) -> None:
    """Words at once: the audio is all there."""

    def delta(told: Any) -> bytes:
        return pace.event({"type": "transcript.text.delta", "delta": told})

    said = pace.words(text)
    told = "" if fate is Fate.EMPTY else text
    done = {"type": "transcript.text.done", "text": told, "usage": _usage(sound, len(said))}
    reply = pace.Reply(b"", [delta(word) for word in said], pace.event(done), delta)
    await pace.stream(answer, fate, reply, start=trio.current_time())


def _memory(
    total_content_length: int | None, content_type: str | None, filename: str | None, content_length: int | None = None
) -> IO[bytes]:
    """Where a file of a form is put: not on a disk, from where somebody would have to take it away."""
    return io.BytesIO()


def _request(asked: Asked) -> tuple[MultiDict[str, str], Wav]:
    """Its fields and its file. Raises `Refusal`."""
    kind, options = parse_options_header(asked.headers.get(b"content-type", b"").decode("latin-1"))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise Refusal(400, "the request must be multipart/form-data with a boundary")
    try:
        _, fields, files = FormDataParser(_memory, silent=False).parse(
            io.BytesIO(asked.body), kind, len(asked.body), options
        )
    except (ValueError, HTTPException):
        raise Refusal(400, "Could not parse multipart form") from None
    if not fields.get("model"):
        raise Refusal(400, "you must provide a model parameter")
    if unknown := sorted(set(fields) - _FIELDS):
        raise Refusal(400, f"Unrecognized request argument supplied: {unknown[0]}")
    _fitting(fields)
    if not (file := files.get("file")):
        raise Refusal(400, "Missing required parameter: 'file'.")
    return fields, _sound(file)


def _fitting(fields: Mapping[str, str]) -> None:
    wanted, model = fields.get("response_format", "json"), fields["model"]
    if wanted not in _FORMATS:
        raise Refusal(400, f"Invalid value: '{wanted}'. Supported values are: {', '.join(_FORMATS)}.")
    if model != _WHISPER and wanted not in ("json", "text"):
        message = f"response_format '{wanted}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
        raise Refusal(400, message)
    if wanted not in ("json", "text", "verbose_json"):
        raise Refusal(400, f"this simulator knows no {wanted}")
    if fields.get("stream", "false") not in ("true", "false"):
        raise Refusal(400, f"Invalid type for 'stream': expected a boolean, but got '{fields['stream']}' instead.")
    if any(name.startswith("timestamp_granularities") for name in fields) and wanted != "verbose_json":
        raise Refusal(400, "The timestamp_granularities are only available with response_format verbose_json.")


def _sound(file: FileStorage) -> Wav:
    if not (file.filename or "").lower().endswith(".wav"):
        raise Refusal(400, f"{_UNREADABLE} (this simulator: wav only, by the file's name)")
    try:
        sound = wav(file.read())
    except ValueError as error:
        raise Refusal(400, f"{_UNREADABLE} ({error})") from None
    if sound.seconds < SHORTEST:
        raise Refusal(400, f"Audio file is too short. Minimum audio length is {SHORTEST} seconds.")
    return sound


BEHIND = Behind({"/v1/audio/transcriptions": transcriptions})
