"""How Plivo's audio streams come in. Pure.

A stream is let in by the ticket in its address, or by the token that was set. Plivo signs the handshake too; that is
checked as the settings say, against the host that the handshake itself names.
"""

from __future__ import annotations

from urllib.parse import urlencode

from parlance.actors.media.access import bearer, is_token
from parlance.actors.media.plivo.settings import Settings
from parlance.actors.media.plivo.signature import HEADER, MAIN, check_handshake
from parlance.actors.media.plivo.wire import Plivo
from parlance.actors.media.port import Started, Visit, Wire

PATH = "/api/v1/media/plivo"


class Access:
    """The way in."""

    carrier = "plivo"
    paths: tuple[str, ...] = (PATH,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def guard(self, visit: Visit, now: float) -> None:
        """Raises `Denied` (401) for a handshake whose signature is wrong, or lacks where one is required."""
        settings = self._settings
        signed = HEADER in visit.headers or MAIN in visit.headers
        if settings.media_signature == "required" or (
            settings.media_signature == "present" and settings.keys and signed
        ):
            # A proxy may have put its own name in the place of ours.
            hosts = {visit.headers.get("host", ""), visit.headers.get("x-forwarded-host", "")} - {""}
            query = f"?{urlencode(visit.query)}" if visit.query else ""
            urls = [f"{scheme}://{host}{PATH}{query}" for host in sorted(hosts) for scheme in ("wss", "https")]
            check_handshake(urls, visit.headers, settings.keys)

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value())

    def open(self, visit: Visit) -> tuple[Wire, Started | None]:
        return Plivo(bearer(visit), visit.query), None
