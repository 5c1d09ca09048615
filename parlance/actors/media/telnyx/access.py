"""How Telnyx's media sockets come in: by the ticket that is in the stream's URL. Pure.

The URL is ours: it was given to Telnyx with the command that answered or placed the call, and its query comes back
as it was. A stream that something else has started names the fixed token there instead.
"""

from __future__ import annotations

from parlance.actors.media.access import bearer, is_token
from parlance.actors.media.port import Started, Visit
from parlance.actors.media.telnyx.settings import MEDIA, Settings
from parlance.actors.media.telnyx.wire import Telnyx
from parlance.actors.media.webhook import Denied


class Access:
    """The way in for Telnyx."""

    carrier = "telnyx"
    paths: tuple[str, ...] = (MEDIA,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def guard(self, visit: Visit, now: float) -> None:
        """Without a ticket there is nothing to wait for."""
        if not bearer(visit):
            raise Denied(401, "unsigned", "a media socket needs the ticket of a call, or the token")

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value())

    def open(self, visit: Visit) -> tuple[Telnyx, Started | None]:
        """The call's own id is believed only beside a call's ticket, and an agent only beside the token."""
        ticket = bearer(visit)
        fixed = self.knows(ticket)
        wire = Telnyx(
            ticket=ticket,
            call="" if fixed or not ticket else visit.query.get("call", ""),
            agent=visit.query.get("agent", "") if fixed else "",
            sent=self._settings.format,
            big=self._settings.byte_order == "big",
        )
        return wire, None
