"""How Twilio's media streams come in. Pure.

A stream is let in by the ticket that its TwiML passes on, or by the token that was set. Twilio signs the handshake too;
that is checked as the settings say, against the host that the handshake itself names.
"""

from __future__ import annotations

from parlance.actors.media.access import bearer, is_token
from parlance.actors.media.port import Started, Visit, Wire
from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.twilio.signature import HEADER, check_handshake
from parlance.actors.media.twilio.wire import Twilio

PATH = "/api/v1/media/twilio"


class Access:
    """The way in."""

    carrier = "twilio"
    paths: tuple[str, ...] = (PATH,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def guard(self, visit: Visit, now: float) -> None:
        """Raises `Denied` (401) for a handshake whose signature is wrong, or lacks where one is required."""
        required = self._settings.media_signature == "required"
        wanted = self._settings.media_signature == "present" and self._settings.signs and HEADER in visit.headers
        if required or wanted:
            # A proxy may have put its own name in the place of ours, and some paths are signed with a slash at the end.
            hosts = {visit.headers.get("host", ""), visit.headers.get("x-forwarded-host", "")} - {""}
            urls = [f"wss://{host}{PATH}{end}" for host in sorted(hosts) for end in ("", "/")]
            check_handshake(urls, visit.headers, self._settings)

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value())

    def open(self, visit: Visit) -> tuple[Wire, Started | None]:
        return Twilio(bearer(visit)), None
