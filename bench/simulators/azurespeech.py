"""Simulated Azure Speech: short-audio recognition and text to speech, both over HTTP.

As in https://learn.microsoft.com/azure/ai-services/speech-service/rest-speech-to-text-short and rest-text-to-speech
there. What the service refuses it answers with an empty body and a reason in the status line.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from xml.etree import ElementTree

import trio

from bench.simulators import pace, speak
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from bench.simulators.ear import TEXT
from bench.simulators.transcribe import Wav, wav
from parlance.codecs.format import Encoding, Format

LONGEST = 60.0
"""Seconds of audio that may be recognized at once."""
RATE = 16000
"""The only rate that the documents of short-audio recognition know."""
SILENCE = 5.0
"""Seconds without a sound, after which the service gives up."""
TICKS = 10_000_000
"""A second."""
NAMED = 255
"""Characters that the name of an application must have less of."""
MAX_SSML = 64 << 10
"""Bytes."""

_KNOWN = frozenset(
    """
    raw-8khz-8bit-mono-alaw raw-8khz-8bit-mono-mulaw raw-8khz-16bit-mono-pcm raw-16khz-16bit-mono-pcm
    raw-22050hz-16bit-mono-pcm raw-24khz-16bit-mono-pcm raw-44100hz-16bit-mono-pcm raw-48khz-16bit-mono-pcm
    riff-8khz-8bit-mono-alaw riff-8khz-8bit-mono-mulaw riff-8khz-16bit-mono-pcm riff-16khz-16bit-mono-pcm
    riff-22050hz-16bit-mono-pcm riff-24khz-16bit-mono-pcm riff-44100hz-16bit-mono-pcm riff-48khz-16bit-mono-pcm
    """.split()
)
"""Those of the documented formats that are bare samples; there are also MP3, Opus, AMR-WB and TrueSilk."""
_ENCODINGS: dict[str, Encoding] = {"pcm": "pcm16", "alaw": "alaw", "mulaw": "mulaw"}
_AUDIO = re.compile(r"audio/wav(?:; ?codecs=\"?audio/pcm\"?)?(?:; ?samplerate=(\d+))?")
_SSML = "{http://www.w3.org/2001/10/synthesis}"
_MSTTS = "{http://www.w3.org/2001/mstts}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ELEMENTS = frozenset("audio bookmark break emphasis lang lexicon math p phoneme prosody s say-as sub".split())


async def recognize(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    start = trio.current_time() + conduct.late(conduct.stt_delay)
    sound = _heard(asked)
    await trio.sleep_until(start)
    silent = sound.seconds >= SILENCE and not sound.samples.strip(b"\0")
    if silent:
        body = {"RecognitionStatus": "InitialSilenceTimeout", "Offset": int(SILENCE * TICKS), "Duration": 0}
        await answer.whole(200, body)
        return
    words = partial(_words, asked.first("format", "simple") == "detailed", sound)
    await pace.whole(answer, fate, conduct.text or TEXT, words)


def _words(detailed: bool, sound: Wav, text: Any) -> dict[str, Any]:
    times = {"Offset": 0, "Duration": round(sound.seconds * TICKS)}
    if text == "":
        return {"RecognitionStatus": "NoMatch", **times}
    told = {"RecognitionStatus": "Success", **times, "DisplayText": text}
    if not detailed:
        return told
    plain = re.sub(r"[^\w\s']", "", text).lower() if isinstance(text, str) else text
    best = {"Confidence": 0.97, "Lexical": plain, "ITN": plain, "MaskedITN": plain, "Display": text}
    return told | {"NBest": [best]}


async def synthesize(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    text, wanted = _said(asked)
    container, rate, _, _, encoding = wanted.split("-")
    hertz = int(rate[:-3]) * 1000 if rate.endswith("khz") else int(rate[:-2])
    form = Format(_ENCODINGS[encoding], hertz)
    await speak.voice(text, form, answer, fate, conduct, boxed=container == "riff")


def _heard(asked: Asked) -> Wav:
    """Raises `Refusal`."""
    if not asked.first("language"):
        raise Refusal(400, "Bad Request")
    if asked.first("format", "simple") not in ("simple", "detailed"):
        raise Refusal(400, "Bad Request")
    if _header(asked, "accept", "application/json").split(";")[0] not in ("application/json", "*/*"):
        raise Refusal(406, "Not Acceptable")
    kind = _AUDIO.fullmatch(_header(asked, "content-type"))
    if kind is None:
        raise Refusal(415, "Unsupported Media Type")
    try:
        sound = wav(asked.body)
    except ValueError:
        raise Refusal(400, "Bad Request") from None
    if sound.rate != RATE or kind[1] not in (None, str(RATE)) or not 0 < sound.seconds <= LONGEST:
        raise Refusal(400, "Bad Request")
    return sound


def _said(asked: Asked) -> tuple[str, str]:
    """The text and the format. Raises `Refusal`."""
    if not 0 < len(_header(asked, "user-agent")) < NAMED:
        raise Refusal(400, "The User-Agent header is missing or too long")
    if _header(asked, "content-type").split(";")[0] != "application/ssml+xml":
        raise Refusal(415, "Unsupported Media Type")
    wanted = _header(asked, "x-microsoft-outputformat")
    if wanted not in _KNOWN:
        raise Refusal(400, "Unsupported output format, or one that this simulator does not know")
    if len(asked.body) > MAX_SSML:
        raise Refusal(413, "Request Entity Too Large")
    return _text(asked.body), wanted


def _text(body: bytes) -> str:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise Refusal(400, "The SSML is no XML") from None
    if root.tag != f"{_SSML}speak" or root.get("version") != "1.0" or not root.get(_LANGUAGE):
        raise Refusal(400, "The SSML needs an element speak with its namespace, version 1.0 and xml:lang")
    voices = root.findall(f"{_SSML}voice")
    if len(voices) != 1 or not voices[0].get("name"):
        raise Refusal(400, "The SSML needs one element voice with a name")
    if (root.text or "").strip() or (voices[0].tail or "").strip():
        raise Refusal(400, "The SSML has text outside of voice")
    for element in voices[0].iter():
        if element is not voices[0] and element.tag.removeprefix(_SSML) not in _ELEMENTS:
            if not element.tag.startswith(_MSTTS):
                raise Refusal(400, f"The SSML has an unknown element {element.tag}")
    return "".join(voices[0].itertext())


def _header(asked: Asked, name: str, default: str = "") -> str:
    return asked.headers.get(name.encode(), default.encode()).decode("latin-1").strip()


BEHIND = Behind(
    {
        "/speech/recognition/conversation/cognitiveservices/v1": recognize,
        "/cognitiveservices/v1": synthesize,
    }
)
