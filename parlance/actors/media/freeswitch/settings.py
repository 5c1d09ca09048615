"""The settings of FreeSWITCH: `[carriers.freeswitch]`. Pure."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

from pydantic import field_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret


class Settings(Strict):
    """Nothing is required: without `media_token` a media socket needs one call's ticket."""

    media_token: Secret = Secret("")
    """Lets every media socket of this FreeSWITCH in."""
    networks: tuple[str, ...] = ()
    """From where media sockets are taken; from anywhere if empty."""
    module: Literal["stream", "fork"] = "stream"
    """Which module calls, where the address does not say: `mod_audio_stream` or `mod_audio_fork`."""
    audio: Literal["json", "binary"] = "json"
    """How the agent's audio is sent, where the address does not say."""
    rate: Literal[8000, 16000, 24000, 48000] = 8000
    """Samples a second, where neither the address nor the metadata say."""

    @field_validator("networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)
        return value
