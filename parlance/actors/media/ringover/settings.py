"""What can be set about Ringover: its REST interface, its webhooks, its media sockets, where calls are sent on. Pure.

Nothing is required to begin with: without an API key there is no REST, without a webhook key every webhook is refused,
without a media token only tickets let a socket in. Every path is a setting, because Ringover's reference is not public
in full.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from string import Formatter
from typing import Any, Literal

from pydantic import Field, field_validator

from parlance.engine.agent import Strict
from parlance.engine.secret import Secret

NUMBER = r"^(\+[1-9]\d{5,14})?$"
"""E.164 with its plus, or nothing."""
_SECRET = re.compile(r"[A-Za-z0-9_.~-]{16,128}")
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


class Paths(Strict):
    """Paths below the REST base; `{channel_id}` and `{call_id}` are filled in.

    `callback`, `mute`, `hold`, `transfer`, `dtmf`, `current` and `sms` are as montpcdev/ringover-js has them, which
    copies developer.ringover.com. `hangup` is UNVERIFIED: that the action exists is known, its path is inferred from
    the others.
    """

    callback: str = "/callback"
    hangup: str = "/channels/{channel_id}/events/hangup"
    transfer: str = "/channels/{channel_id}/events/transfer"
    mute: str = "/channels/{channel_id}/events/mute/toggle"
    hold: str = "/channels/{channel_id}/events/hold/toggle"
    dtmf: str = "/channels/{channel_id}/events/dtmf"
    sms: str = "/push/sms"
    current: str = "/calls/current"

    @field_validator("*")
    @classmethod
    def _template(cls, path: str) -> str:
        try:
            fields = {name for _, name, _, _ in Formatter().parse(path) if name is not None}
        except ValueError as error:
            raise ValueError(f"not a path: {error}") from None
        if not path.startswith("/") or fields - {"channel_id", "call_id"}:
            raise ValueError("a path begins with a slash; {channel_id} and {call_id} are what can be filled in")
        return path


class Places(Strict):
    """Where our webhooks are found. `ivr` is followed by a slash and `ivr_secret`."""

    event: str = "/api/v1/webhooks/ringover/event"
    """Takes every section's events."""
    contact: str = "/api/v1/webhooks/ringover/contact"
    search: str = "/api/v1/webhooks/ringover/search"
    routing: str = "/api/v1/webhooks/ringover/routing"
    ivr: str = "/api/v1/webhooks/ringover/ivr"

    @field_validator("*")
    @classmethod
    def _path(cls, path: str) -> str:
        if not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", path):
            raise ValueError("a path begins with a slash, ends with none and has no other signs than A-Za-z0-9_.~-")
        return path


class Keys(Strict):
    """The key of each section of the dashboard's webhook page. An empty one falls back to `webhook_key`."""

    calls: Secret = Secret("")
    """"Call events": call, aftercall and sms events."""
    contact_call: Secret = Secret("")
    contact_search: Secret = Secret("")
    routing: Secret = Secret("")
    """"Smart routing and IVR code"."""


class Settings(Strict):
    """The table `[carriers.ringover]`. Numbers are E.164 with their plus, times are seconds."""

    api_key: Secret = Secret("")
    """Empty: nothing is asked of Ringover."""
    region: Literal["auto", "eu", "us"] = "auto"
    """`auto`: `us` for a key that begins with `US_` (as dinistavares/go-ringover-api does), else `eu`."""
    url: str = ""
    """Another REST base instead of the region's, for tests."""
    paths: Paths = Paths()
    pause: float = Field(default=1.0, ge=0.1, le=60)
    """The least wait after a 429: Ringover publishes no limit and sends no Retry-After."""
    callback_device: str = Field(default="ALL", min_length=1, max_length=20)
    """Which of the user's devices `/callback` rings first: ALL, APP, SIP."""
    sms_user: int | None = None
    """The Ringover user whose number text messages are sent from, if it is not the key's own."""

    signature: Literal["v1", "v3", "hmac"] = "v1"
    webhook_key: Secret = Secret("")
    keys: Keys = Keys()
    window: float = Field(default=300.0, ge=1, le=86400)
    """How far a signed time may be from ours."""
    ivr_secret: Secret = Secret("")
    """The last part of the IVR webhook's path, which Ringover does not sign. Empty: that webhook is refused."""
    webhooks: Places = Places()

    route_to: str = Field(default="", pattern=NUMBER)
    """The number that smart routing sends a call to which is taken; empty: Ringover goes on as it is set up."""
    routes: dict[str, str] = Field(default_factory=dict)
    """The same for single agents: name to number."""
    fallback_to: str = Field(default="", pattern=NUMBER)
    """The number a call is sent to which is not taken; empty: Ringover goes on as it is set up."""
    route_ring: int = Field(default=25, ge=1, le=300)
    """For how long that number rings."""

    media_token: Secret = Secret("")
    media_sources: tuple[str, ...] = ()
    """Networks media sockets may come from ("203.0.113.0/24"); none: any."""
    media_rate: Literal[8000, 16000] = 8000
    """Samples a second of the audio, both ways."""
    media_path: str = Field(default="/api/v1/media/ringover", pattern=r"^(/[A-Za-z0-9_.~-]+)+$")

    @field_validator("url")
    @classmethod
    def _base(cls, url: str) -> str:
        if url and not _URL.fullmatch(url):
            raise ValueError("url must be http(s)://host, with or without a path")
        return url.rstrip("/")

    @field_validator("ivr_secret")
    @classmethod
    def _hard(cls, secret: Secret) -> Secret:
        if secret.get_secret_value() and not _SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError("ivr_secret must be 16 to 128 of A-Za-z0-9_.~-")
        return secret

    @field_validator("routes")
    @classmethod
    def _numbers(cls, routes: dict[str, str]) -> dict[str, str]:
        wrong = [agent for agent, number in routes.items() if not number or not re.fullmatch(NUMBER, number)]
        if wrong:
            raise ValueError(f"not a number with its plus: that of {', '.join(sorted(wrong))}")
        return routes

    @field_validator("media_sources", mode="before")
    @classmethod
    def _split(cls, sources: Any) -> Any:
        """A list from the environment is separated by commas."""
        return [part.strip() for part in sources.split(",") if part.strip()] if isinstance(sources, str) else sources

    @field_validator("media_sources")
    @classmethod
    def _networks(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            ip_network(source, strict=False)
        return sources

    @field_validator("media_rate", mode="before")
    @classmethod
    def _rate(cls, rate: Any) -> Any:
        """A number from the environment is text."""
        return int(rate) if isinstance(rate, str) and rate.isdecimal() else rate

    @property
    def base(self) -> str:
        """The REST base (EU and US: montpcdev/ringover-js, dinistavares/go-ringover-api)."""
        us = self.region == "us" or (self.region == "auto" and self.api_key.get_secret_value().startswith("US_"))
        return self.url or f"https://public-api{'-us' if us else ''}.ringover.com/v2"

    @property
    def gaps(self) -> list[str]:
        """What cannot work as it is set up, in words for who starts the program."""
        found = []
        if not any(self.key(section) for section in Keys.model_fields):
            found.append("no webhook_key: every webhook is refused")
        if not self.media_token.get_secret_value() and not (self.route_to or self.routes):
            found.append("no media_token: no media socket is let in")
        if not self.api_key.get_secret_value():
            found.append("no api_key: calls can neither be placed nor hung up nor transferred by request")
        return found

    def key(self, section: str) -> str:
        """The webhook key of a section (a field of `Keys`); empty if there is none."""
        own: Secret = getattr(self.keys, section)
        return own.get_secret_value() or self.webhook_key.get_secret_value()
