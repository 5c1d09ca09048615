"""How Vonage's media sockets come in: by the ticket in their first message. Pure.

Vonage asks for the socket with no more than its address, so nothing can be refused before the first message has come;
an address that has a token in its query is read all the same.
"""

from __future__ import annotations

from parlance.actors.media.access import bearer, is_token
from parlance.actors.media.port import Started, Visit
from parlance.actors.media.vonage.settings import MEDIA, Settings
from parlance.actors.media.vonage.wire import Vonage


class Access:
    """The way in for Vonage."""

    carrier = "vonage"
    paths: tuple[str, ...] = (MEDIA,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def guard(self, visit: Visit, now: float) -> None:
        """Nothing to look at yet."""

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value())

    def open(self, visit: Visit) -> tuple[Vonage, Started | None]:
        return Vonage(ticket=bearer(visit), rate=self._settings.rate), None
