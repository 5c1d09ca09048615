"""A voice at Deepgram: one request a phrase, v1/speak over HTTP, in µ-law. Not tried against the live service.

Request and answer as in deepgram-sdk 7.16 (`speak/v1`). Its WebSocket (kind `deepgram-ws`) would save nothing:
on a warm connection a request is one way there and one back as well, and a WebSocket allows 20 `Flush` a minute
(https://developers.deepgram.com/docs/tts-ws-flush), while every phrase needs one, and a talkative agent has more.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from parlance.actors.dial import Dial, Variable, address
from parlance.actors.speaker.single import SingleVoice
from parlance.actors.web import Web, WebService
from parlance.codecs.format import TELEPHONE
from parlance.engine.faults import checked

NAME = "deepgram"
LONGEST = 2000
"""Characters of a text (https://developers.deepgram.com/docs/text-to-speech, not tried)."""


class Settings(WebService):
    url: str = "https://api.deepgram.com/v1/speak"
    key_env: Variable = "DEEPGRAM_API_KEY"
    model: Annotated[str, Field(min_length=1)] = "aura-2-thalia-en"
    """The voice and its language."""


def make(settings: dict[str, Any]) -> SingleVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"voice {NAME}")
    web = Web(Dial(NAME, chosen, scheme="Token", extra="deepgram"), chosen)
    query = {"model": chosen.model, "encoding": "mulaw", "sample_rate": TELEPHONE.rate, "container": "none"}
    where = address(chosen.url, query)
    return SingleVoice(NAME, TELEPHONE, web, lambda text: web.post(where, {"text": text}), longest=LONGEST)
