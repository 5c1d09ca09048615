"""A voice at any service with OpenAI's speech endpoint: one request a phrase. Not tried against the live service.

Request as in openai-python 3.52 (`audio/speech`); that `pcm` is 16-bit little-endian mono at 24 kHz is what
https://platform.openai.com/docs/guides/text-to-speech says. Compatible servers have other rates, of some voices.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from parlance.actors.dial import Dial, Variable
from parlance.actors.speaker.single import SingleVoice
from parlance.actors.web import Web, WebService
from parlance.codecs.format import Format
from parlance.engine.faults import checked

NAME = "openai"
LONGEST = 4096
"""Characters of an `input`."""


class Settings(WebService):
    model: Annotated[str, Field(min_length=1)]
    voice: Annotated[str, Field(min_length=1)]
    instructions: Annotated[str, Field(max_length=4096)] = ""
    """How to speak: a tone, an accent."""
    rate: Literal[8000, 16000, 22050, 24000, 44100, 48000] = 24000
    """Samples a second of the server's `pcm`. Nothing in its answer says so."""
    url: str = "https://api.openai.com/v1/audio/speech"
    key_env: Variable = "OPENAI_API_KEY"


def make(settings: dict[str, Any]) -> SingleVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"voice {NAME}")
    web = Web(Dial(NAME, chosen, scheme="Bearer", extra="openai"), chosen)
    body = {"model": chosen.model, "voice": chosen.voice, "response_format": "pcm"}
    if chosen.instructions:
        body["instructions"] = chosen.instructions
    wanted = Format("pcm16", chosen.rate)
    return SingleVoice(NAME, wanted, web, lambda text: web.post(chosen.url, body | {"input": text}), longest=LONGEST)
