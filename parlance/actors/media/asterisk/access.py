"""How Asterisk's media comes in: WebSockets by password or ticket, AudioSockets by where they come from. Pure."""

from __future__ import annotations

import secrets

from parlance.actors.media.access import allowed, from_here, is_token, password
from parlance.actors.media.asterisk.audiosocket import AudioSocket
from parlance.actors.media.asterisk.settings import LOOPBACK, Settings
from parlance.actors.media.asterisk.wire import Asterisk, Known
from parlance.actors.media.port import Started, Visit, Wire
from parlance.actors.media.webhook import Denied


class Access:
    carrier = "asterisk"
    paths = ("/api/v1/media/asterisk",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Stands for "came from a trusted network", where no token can be sent. It never leaves this process.
        self._vouched = secrets.token_urlsafe(32)

    def guard(self, visit: Visit, now: float) -> None:
        """Elsewhere than from `networks` and a wrong password are refused here; a ticket may come with the first
        message, so that a socket without any is not."""
        from_here(visit, self._settings.networks)
        shown = password(visit)
        if shown and not is_token(shown, self._settings.media_token.get_secret_value()):
            raise Denied(401, "token", "the media token is wrong")

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value()) or is_token(ticket, self._vouched)

    def open(self, visit: Visit) -> tuple[Wire, Started | None]:
        return Asterisk(Known(visit.query, password(visit))), None

    def connect(self, peer: str) -> tuple[Wire, Started | None]:
        """The dialect of an AudioSocket connection from `peer` (`address:port`). Raises `Denied` (403)."""
        settings = self._settings
        if not allowed(peer, settings.audiosocket_networks or LOOPBACK):
            raise Denied(403, "source", "AudioSocket connections are not taken from this address")
        return AudioSocket(settings.audiosocket_rate, agent=settings.audiosocket_agent, token=self._vouched), None
