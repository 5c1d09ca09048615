"""How Ringover's media sockets come in: from its networks, with the token that was set up with it. Pure.

How the streamer is told our URL is not documented; a token in its query works wherever a URL can be written, one in
the `Authorization` header wherever headers can be set, and one call's ticket may also come in the metadata. A socket
that brings none of these is refused as soon as it has said so, with a close code.
"""

from __future__ import annotations

from parlance.actors.media.access import bearer, from_here, is_token
from parlance.actors.media.port import Started, Visit
from parlance.actors.media.ringover.settings import Settings
from parlance.actors.media.ringover.wire import Ringover


class Access:
    """`second`: the paths of the optional second listener (port 8765), for installations that were set up with it."""

    carrier = "ringover"
    second = ("/ws",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = settings.media_token.get_secret_value()
        self.paths: tuple[str, ...] = (settings.media_path,)

    def guard(self, visit: Visit, now: float) -> None:
        from_here(visit, self._settings.media_sources)

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._token)

    def open(self, visit: Visit) -> tuple[Ringover, Started | None]:
        """The first message makes `Started`: the call's id may be in it. Raises nothing."""
        known = dict(visit.query)
        known["token"] = bearer(visit) or _bare(visit)
        return Ringover(self._settings.media_rate, known), None


def _bare(visit: Visit) -> str:
    """A token that is the whole `Authorization` header, as Ringover itself does in its REST interface."""
    header = visit.headers.get("authorization", "").strip()
    return header if header and " " not in header else ""
