"""The settings of Asterisk: `[carriers.asterisk]`. Pure."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Settings(Strict):
    """Nothing is required: without `media_token` a media socket needs one call's ticket, without `ari_url` there is no
    control."""

    media_token: Secret = Secret("")
    """Lets every media WebSocket of this Asterisk in: the `password` of its connection."""
    networks: tuple[str, ...] = ()
    """From where media WebSockets are taken; from anywhere if empty."""

    audiosocket_host: str = "127.0.0.1"
    audiosocket_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where AudioSocket connections are taken; 0: not at all."""
    audiosocket_networks: tuple[str, ...] = LOOPBACK
    """From where they are taken; from this machine if empty. AudioSocket knows no password: who may connect may talk to
    the agents."""
    audiosocket_rate: Literal[8000, 16000, 24000, 48000] = 8000
    """Samples a second. The application `AudioSocket()` has 8000."""
    audiosocket_agent: str = ""
    """Who answers there: AudioSocket cannot say which number was called. Empty: as the house decides."""

    ari_url: str = ""
    """The Asterisk REST Interface, as in `http://127.0.0.1:8088/ari`. Empty: no control."""
    ari_user: str = "parlance"
    ari_password: Secret = Secret("")
    endpoint: str = "PJSIP/{number}@trunk"
    """What is dialed. `{number}`: E.164 with its plus; `{digits}`: without."""
    context: str = "parlance"
    """The dialplan's context in which a call that was placed goes on when it has been answered."""
    extension: str = "s"
    app: str = ""
    """The Stasis application of a program of yours that holds the channels. ARI transfers, mutes, holds and presses
    keys only on channels that are in one; a call that was placed is given to it and not to the dialplan."""
    transfer: Literal["continue", "redirect"] = "continue"
    """`continue`: in the dialplan, at `transfer_context` with the number as the extension. `redirect`: the far side is
    asked to call `endpoint` itself (SIP REFER)."""
    transfer_context: str = "parlance-transfer"
    mute: Literal["in", "out", "both"] = "out"
    """Which direction mute silences. `out`: what goes to the caller, as every mute of parlance does."""

    @field_validator("networks", "audiosocket_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)
        return value

    @field_validator("ari_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("is no http:// or https:// address")
        return value.rstrip("/")

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        if "{number}" not in value and "{digits}" not in value:
            raise ValueError("must hold {number} or {digits}")
        return value

    @model_validator(mode="after")
    def _password(self) -> Settings:
        if self.ari_url and not self.ari_password.get_secret_value():
            raise ValueError("ari_url needs ari_password")
        return self
