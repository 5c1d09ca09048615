"""What an administrator sets for Plivo. Pure.

Webhooks need `auth_token`, requests of our own `auth_id` besides, and a stream that somebody else's XML opens needs
`media_token`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

Number = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{6,14})?$")]
NONE = Secret("")


class Settings(Strict):
    """The table `[carriers.plivo]`."""

    auth_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{0,64}$")] = ""
    auth_token: Secret = NONE
    """Signs Plivo's webhooks, and with `auth_id` authenticates our requests."""
    main_token: Secret = NONE
    """Of a subaccount: the main account's auth token, with which Plivo signs as well."""
    media_token: Secret = NONE
    """Lets in every stream that has it as `token` in its address or extra headers: for XML that is not ours."""
    media_signature: Literal["off", "present", "required"] = "off"
    """Whether the signature of a media socket's handshake is checked: never, if there is one, or always."""
    audio: Literal["audio/x-mulaw;rate=8000", "audio/x-l16;rate=8000", "audio/x-l16;rate=16000"] = (
        "audio/x-mulaw;rate=8000"
    )
    """What is asked for in the answer to a call."""
    url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+$")] = "https://api.plivo.com"
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]+$")] = "v1"
    overflow: Number = ""
    """Where a call goes that finds no seat; empty: it hears the busy tone."""

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        if self.media_signature == "required" and not self.keys:
            raise ValueError("media_signature 'required' needs auth_token")
        return self

    @property
    def keys(self) -> list[str]:
        """What Plivo may have signed with."""
        return [key for key in (each.get_secret_value() for each in (self.auth_token, self.main_token)) if key]
