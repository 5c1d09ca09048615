"""What an administrator has to say about Azure Communication Services. Pure.

The connection string and the resource id come from the resource's page in the Azure portal; the secret is made up here
and put into the Event Grid subscription's URL.
"""

from __future__ import annotations

from base64 import b64decode
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

RATES = (16000, 24000)
_SHORTEST = 16
_CLOUD = "https://acscallautomation.communication.azure.com"


class Settings(Strict):
    """Times are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    connection_string: Secret
    """`endpoint=https://...;accesskey=...`, from the resource's page "Keys"."""
    audience: Annotated[str, Field(min_length=1)]
    """The resource's id, as it stands in the `aud` of Azure's tokens."""
    incoming_secret: Secret
    """The `secret` in the query of the Event Grid subscription's URL: 16 characters at least."""
    source: str = ""
    """The resource's own number (E.164): shown to people who are called or get a call transferred."""
    rate: int = 16000
    """Samples a second of the audio that is asked for: 16000 or 24000."""
    media_token: Secret = Secret("")
    """Lets in media sockets whose URL was set up once; without it only those that an answered call was given."""
    sources: tuple[str, ...] = ()
    """Networks that media sockets may come from (`52.112.0.0/14`); any, if there are none."""
    api_version: Annotated[str, Field(min_length=1)] = "2025-05-15"
    issuer: Annotated[str, Field(min_length=1)] = _CLOUD
    jwks_url: Annotated[str, Field(min_length=1)] = f"{_CLOUD}/calling/keys"
    leeway: Annotated[float, Field(ge=0, le=300)] = 60.0
    """How far Azure's clock and ours may be apart."""
    callback_age: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """The greatest age of a callback's token."""
    socket_age: Annotated[float, Field(gt=0, le=604_800)] = 86_400.0
    """The greatest age of a media socket's token."""

    @field_validator("connection_string")
    @classmethod
    def _connects(cls, value: Secret) -> Secret:
        connection(value.get_secret_value())
        return value

    @field_validator("incoming_secret")
    @classmethod
    def _long(cls, value: Secret) -> Secret:
        if len(value.get_secret_value()) < _SHORTEST:
            raise ValueError(f"must have {_SHORTEST} characters at least")
        return value

    @field_validator("rate")
    @classmethod
    def _offered(cls, value: int) -> int:
        if value not in RATES:
            raise ValueError("must be 16000 or 24000: Azure streams no other rate")
        return value

    @field_validator("source")
    @classmethod
    def _dialable(cls, value: str) -> str:
        if value and not (value.startswith("+") and value[1:].isdecimal() and value.isascii() and len(value) <= 16):
            raise ValueError("must be a number with its plus and country code, as +33199000010")
        return value

    @field_validator("sources")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for source in value:
            ip_network(source, strict=False)
        return value


def connection(text: str) -> tuple[str, bytes]:
    """The endpoint, without a slash at its end, and the access key of a connection string.

    Raises `ValueError`, whose words never hold any of the key.
    """
    parts = {
        name.strip().lower(): value.strip() for name, _, value in (pair.partition("=") for pair in text.split(";"))
    }
    endpoint, coded = parts.get("endpoint", "").rstrip("/"), parts.get("accesskey", "")
    if not endpoint or not coded:
        raise ValueError("must be endpoint=https://...;accesskey=..., as on the resource's page Keys")
    url = urlsplit(endpoint)
    if not url.hostname or url.path or url.query or url.fragment or url.username is not None:
        raise ValueError("its endpoint must be https:// and a host")
    if url.scheme != "https" and not (url.scheme == "http" and _here(url.hostname)):
        raise ValueError("its endpoint must begin with https://")
    try:
        key = b64decode(coded, validate=True)
    except ValueError:
        raise ValueError("its accesskey is not base64: was it copied in full?") from None
    if not key:
        raise ValueError("its accesskey is empty")
    return endpoint, key


def _here(host: str) -> bool:
    """Whether this is the machine itself, where a stand-in for Azure may do without TLS."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
