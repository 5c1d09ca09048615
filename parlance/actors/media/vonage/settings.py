"""What an operator sets for Vonage: the application, its key, the signature secret, and the stream's rate. Pure.

The carrier's own addresses are settings, because carriers move them and have one a region; the paths where Vonage finds
this house are promised to users and are not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BeforeValidator, Field, field_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

MEDIA = "/api/v1/media/vonage"
ANSWER = "/api/v1/webhooks/vonage/answer"
EVENT = "/api/v1/webhooks/vonage/event"


def _whole(value: Any) -> Any:
    """A number that the environment has as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else value


Rate = Annotated[Literal[8000, 16000], BeforeValidator(_whole)]


class Settings(Strict):
    """The table `[carriers.vonage]`."""

    application_id: Annotated[str, Field(min_length=1)]
    """The Voice application's id."""
    private_key: Annotated[Secret, Field(min_length=1)]
    """The application's private key, PEM: the text itself. Line ends may be written as `\\n`."""
    signature_secret: Annotated[Secret, Field(min_length=32)]
    """The account's signature secret. RFC 7518 section 3.2 asks for no less than 32 bytes."""
    api_key: str = ""
    """The account's API key; if set, webhooks signed for another one are refused."""
    media_token: Secret = Secret("")
    """Lets in media sockets of call control objects that are not ours; empty lets none of those in."""
    rate: Rate = 16000
    """Samples a second of the media socket."""
    busy: Annotated[str, Field(max_length=1500)] = "All our lines are busy. Please call again later. Goodbye."
    """What Vonage says to a caller who is not taken; empty ends the call without a word."""
    api: Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$")] = "https://api.nexmo.com/v1"
    """Where requests go. Regions have hosts of their own, such as `https://api-eu-3.vonage.com/v1`."""
    tolerance: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds by which a webhook's time may differ from ours."""

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, value: Secret) -> Secret:
        signer(value)
        return value


def signer(private_key: Secret) -> RSAPrivateKey:
    """The key to sign with. Raises ValueError without a word of the key."""
    pem = private_key.get_secret_value().replace("\\n", "\n").strip()
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("this is not an RSA private key in PEM, without a password")
    return key
