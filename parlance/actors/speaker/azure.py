"""A voice at Azure Speech: one request a phrase, SSML in, µ-law out. Not tried against the live service.

Request as in https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech, markup as in
https://learn.microsoft.com/azure/ai-services/speech-service/speech-synthesis-markup-voice. The markup is all ours: what
looks like some in a text is spoken.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from xml.sax.saxutils import escape, quoteattr

from pydantic import Field

from parlance.actors.dial import Dial
from parlance.actors.region import Regional
from parlance.actors.speaker.single import SingleVoice, sent
from parlance.actors.web import Web
from parlance.codecs.format import TELEPHONE
from parlance.engine.faults import checked

NAME = "azure"
HEADER = "Ocp-Apim-Subscription-Key"
HOST = "https://{region}.tts.speech.microsoft.com"
PATH = "/cognitiveservices/v1"
LONGEST = 5000
"""Characters of a text: five minutes of speech, of the ten that the service speaks at a time."""

_SPEAK = 'version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xmlns:mstts="https://www.w3.org/2001/mstts"'
_OUTPUT = "raw-8khz-8bit-mono-mulaw"

Relative = Annotated[
    str, Field(pattern=r"^([a-z-]+|[+-]?\d+(\.\d+)?(%|Hz|st)?)?$", description="should be like fast, +10% or -2st")
]
"""As in SSML: `slow`, `+10%`, `-2st`; empty: as the voice is."""


class Settings(Regional):
    place: ClassVar[str] = HOST + PATH

    voice: Annotated[
        str, Field(pattern=r"^[A-Za-z]{2,3}-\S+$", description="should be like en-US-AvaMultilingualNeural")
    ] = "en-US-AvaMultilingualNeural"
    language: str = ""
    """Of the text; empty: the voice's own."""
    rate: Relative = ""
    pitch: Relative = ""
    style: Annotated[
        str, Field(pattern=r"^[A-Za-z-]*$", description="should be letters and hyphens, like customer-service")
    ] = ""
    """Such as `customerservice`, where the voice has it."""


def ssml(text: str, settings: Settings) -> str:
    """A document that speaks `text`, whatever is in it."""
    language = settings.language or "-".join(settings.voice.split("-")[:2])
    spoken = escape(sent(text))
    wanted = {"rate": settings.rate, "pitch": settings.pitch}
    if prosody := "".join(f" {name}={quoteattr(value)}" for name, value in wanted.items() if value):
        spoken = f"<prosody{prosody}>{spoken}</prosody>"
    if settings.style:
        spoken = f"<mstts:express-as style={quoteattr(settings.style)}>{spoken}</mstts:express-as>"
    voice = f"<voice name={quoteattr(settings.voice)}>{spoken}</voice>"
    return f"<speak {_SPEAK} xml:lang={quoteattr(language)}>{voice}</speak>"


def make(settings: dict[str, Any]) -> SingleVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"voice {NAME}")
    headers = {"Content-Type": "application/ssml+xml", "X-Microsoft-OutputFormat": _OUTPUT, "User-Agent": "parlance"}
    web = Web(Dial(NAME, chosen, header=HEADER), chosen)
    return SingleVoice(
        NAME,
        TELEPHONE,
        web,
        lambda text: web.post(chosen.url, content=ssml(text, chosen), headers=headers),
        longest=LONGEST,
    )
