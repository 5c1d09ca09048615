"""What an administrator sets for Twilio. Pure.

Which keys are needed depends on what is wanted: webhooks need `auth_token` or a shared key, requests of our own need
`account_sid` and a secret, and a stream that somebody else's TwiML opens needs `media_token`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

Word = Annotated[str, Field(pattern=r"^[a-z0-9-]*$")]
Number = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{6,14})?$")]
NONE = Secret("")


class Settings(Strict):
    """The table `[carriers.twilio]`."""

    account_sid: Annotated[str, Field(pattern=r"^(AC[0-9a-zA-Z]{1,64})?$")] = ""
    auth_token: Secret = NONE
    """Signs Twilio's webhooks; without an API key also our requests."""
    api_key: Annotated[str, Field(pattern=r"^(SK[0-9a-zA-Z]{1,64})?$")] = ""
    api_secret: Secret = NONE
    shared_keys: dict[str, Secret] = Field(default_factory=dict)
    """Id -> secret, of webhooks signed with HMAC-SHA256."""
    media_token: Secret = NONE
    """Lets in every stream that has it as parameter `token` or `ticket`: for TwiML that is not ours."""
    media_signature: Literal["off", "present", "required"] = "off"
    """Whether the signature of a media socket's handshake is checked: never, if there is one, or always."""
    edge: Word = ""
    region: Word = ""
    url: Annotated[str, Field(pattern=r"^(https?://[^/?#\s]+)?$")] = ""
    """Instead of `https://api.twilio.com`, without a slash at its end."""
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]+$")] = "2010-04-01"
    machine_detection: Literal["Enable", "DetectMessageEnd"] = "Enable"
    """What is asked for where answering machines are to be recognized."""
    overflow: Number = ""
    """Where a call goes that finds no seat; empty: it hears the busy tone."""

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        if bool(self.api_key) != bool(self.api_secret.get_secret_value()):
            raise ValueError("api_key and api_secret belong together: set both or neither")
        if not all(secret.get_secret_value() for secret in self.shared_keys.values()):
            raise ValueError("a shared key has no secret")
        if self.media_signature == "required" and not self.signs:
            raise ValueError("media_signature 'required' needs auth_token or shared_keys")
        return self

    @property
    def signs(self) -> bool:
        """Whether there is anything to check a signature with."""
        return bool(self.auth_token.get_secret_value() or self.shared_keys)

    @property
    def host(self) -> str:
        """Where requests go. A region without an edge and an edge without a region are as in twilio-python."""
        if self.url:
            return self.url
        region = self.region or ("us1" if self.edge else "")
        return "https://" + ".".join(filter(None, ("api", self.edge, region, "twilio.com")))
