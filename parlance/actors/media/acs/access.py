"""How Azure's media sockets come in: with a token signed by Azure, and with our own ticket in the query. Pure.

Azure dials the `transportUrl` that the call was answered or placed with. The signed token says that it is Azure, for
our resource; the ticket says which call.
"""

from __future__ import annotations

from parlance.actors.media.access import from_here, is_token
from parlance.actors.media.acs.keys import Keys
from parlance.actors.media.acs.settings import Settings
from parlance.actors.media.acs.wire import Acs
from parlance.actors.media.port import Started, Visit
from parlance.actors.media.webhook import Denied

MEDIA = "/api/v1/media/stream"
"""The path of media sockets: this project's own, not one of Azure's."""
_OURS = frozenset(("call", "ticket", "token", "agent", "from", "to"))


class Access:
    """The way in. `keys`: the same object that the hooks have."""

    carrier = "acs"
    paths = (MEDIA,)

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys

    def guard(self, visit: Visit, now: float) -> None:
        """The token is not bound to a call, and lives for a day: the ticket is what keeps a second socket out."""
        from_here(visit, self._settings.sources)
        if not _ticket(visit):
            raise Denied(401, "unsigned", "the media socket brings no ticket")
        self._keys.check(visit.headers.get("authorization", ""), now, self._settings.socket_age)

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value())

    def open(self, visit: Visit) -> tuple[Acs, Started | None]:
        """Everything but the rate is known already, but the call begins with Azure's own first message."""
        ticket = _ticket(visit)
        # Whoever only knows the token that is the same for all calls does not choose which call it is.
        ours = "" if self.knows(ticket) else visit.query.get("call", "")
        started = Started(
            agent=visit.query.get("agent", ""),
            call=ours or visit.headers.get("x-ms-call-connection-id", ""),
            caller=visit.query.get("from", ""),
            called=visit.query.get("to", ""),
            parameters={name: value for name, value in visit.query.items() if name not in _OURS},
            ticket=ticket,
        )
        return Acs(started, self._settings.rate), None


def _ticket(visit: Visit) -> str:
    return visit.query.get("ticket", "") or visit.query.get("token", "")
