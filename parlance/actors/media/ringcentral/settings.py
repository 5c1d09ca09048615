"""What an administrator says of RingCentral: tokens, the account's credentials, and how calls are taken. Pure."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret


class Settings(Strict):
    """`[carriers.ringcentral]`. Without `client_id`, `client_secret` and `jwt` no requests are made to RingCentral."""

    validation_token: Secret = Field(min_length=1)
    """What every webhook must carry as `Validation-Token` or `Verification-Token`: RingCentral's and the gateway's."""
    media_token: Secret = Secret("")
    """Lets in a gateway's media sockets that have no ticket of one call; empty: only tickets do."""
    sources: tuple[str, ...] = ()
    """Networks that media sockets may come from; empty: any."""
    encoding: Literal["mulaw", "pcm"] = "mulaw"
    """Of media sockets that name none: G.711 mu-law or PCM16 little-endian, 8 kHz."""
    answering: Literal["gateway", "events"] = "gateway"
    """What offers a call: the gateway, at `/api/voice/inbound`; or RingCentral's own session events, and then it is
    answered on `device` by REST."""
    extensions: tuple[str, ...] = ()
    """Ids of the extensions that agents answer for: parties of others are no news. Empty: the one that a subscription
    of one extension names, and nobody for one of the account."""

    client_id: str = ""
    client_secret: Secret = Secret("")
    jwt: Secret = Secret("")
    """The JWT credential from RingCentral's developer console. It is not signed here."""
    server: str = Field(default="https://platform.ringcentral.com", pattern=r"^https?://[^/?#\s]+$")
    version: str = Field(default="v1.0", pattern=r"^[^/?#\s]+$")
    account: str = Field(default="~", pattern=r"^[^/?#\s]+$")
    """`~`: the account of whoever made the JWT."""
    extension: str = Field(default="~", pattern=r"^[^/?#\s]+$")
    """Whose RingOut is used."""
    originate: Literal["call-out", "ring-out"] = "call-out"
    """How calls are placed: from `device`, or by RingOut, which calls `ring_from` first."""
    device: str = ""
    """The id of the gateway's device ("Existing Phone")."""
    ring_from: str = ""
    """The number at which RingOut reaches the gateway; empty: the number the call comes from."""
    ring_path: str = Field(default="ring-out", pattern=r"^[^/?#\s]+$")
    overflow: str = Field(default="", pattern=r"^(\+[1-9]\d{6,14})?$")
    """Where a call that is refused by REST goes (E.164); empty: it is rejected, and goes on ringing elsewhere."""

    @field_validator("sources")
    @classmethod
    def _networks(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            ip_network(source, strict=False)
        return sources

    @model_validator(mode="after")
    def _complete(self) -> Self:
        said = [bool(self.client_id), bool(self.client_secret), bool(self.jwt)]
        if any(said) and not all(said):
            raise ValueError("client_id, client_secret and jwt go together")
        if self.answering == "events" and not (self.device and self.client_id):
            raise ValueError("answering = events needs a device and the credentials to answer with")
        return self
