"""What an operator sets for Telnyx: keys, the Call Control application, and how the audio is written. Pure.

The carrier's own addresses are settings, because carriers move them; the paths where Telnyx finds this house are
promised to users and are not.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from parlance.codecs.format import Format
from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

MEDIA = "/api/v1/media/telnyx"
WEBHOOK = "/api/v1/webhooks/telnyx"

Codec = Literal["PCMU", "PCMA", "L16"]

FORMATS: dict[tuple[str, str], Format] = {
    ("PCMU", "8000"): Format("mulaw", 8000),
    ("PCMA", "8000"): Format("alaw", 8000),
    ("L16", "8000"): Format("pcm16", 8000),
    ("L16", "16000"): Format("pcm16", 16000),
}
"""By Telnyx's name of the codec and samples a second: what a stream may be."""


def _whole(value: Any) -> Any:
    """A number that the environment has as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else value


Rate = Annotated[Literal[8000, 16000], BeforeValidator(_whole)]


class Settings(Strict):
    """The table `[carriers.telnyx]`."""

    api_key: Annotated[Secret, Field(min_length=1)]
    """Of the portal's API keys; it authenticates our requests."""
    public_key: Annotated[str, Field(min_length=1)]
    """The account's public key, base64, which webhooks are verified with."""
    connection_id: str = ""
    """The Call Control application's id. Without it calls are taken and none are placed."""
    media_token: Secret = Secret("")
    """Lets in media sockets of streams that were not started by us; empty lets none of those in."""
    codec: Codec = "PCMU"
    """What we ask the stream for, and how our audio is sent."""
    rate: Rate = 8000
    """Samples a second; 16000 is for L16 only."""
    byte_order: Literal["big", "little"] = "big"
    """Of L16's samples. RFC 3551 section 4.5.11 and RFC 2586 say big-endian."""
    target_legs: Literal["self", "opposite", "both"] = "self"
    """Which legs of the call hear our audio."""
    machines: Literal["detect", "premium"] = "detect"
    """Telnyx's way of telling answering machines, for calls that ask for it."""
    api: Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$")] = "https://api.telnyx.com/v2"
    """Where requests go."""
    tolerance: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds by which a webhook's time may differ from ours."""

    @field_validator("public_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        try:
            size = len(base64.b64decode(value, validate=True))
        except ValueError:
            size = 0
        if size != 32:
            raise ValueError("this is not the portal's public key: base64 of 32 bytes (an Ed25519 key)")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if (self.codec, str(self.rate)) not in FORMATS:
            raise ValueError(f"rate: {self.codec} has 8000 samples a second, not {self.rate}")
        return self

    @property
    def format(self) -> Format:
        """What our audio is sent as."""
        return FORMATS[self.codec, str(self.rate)]
