"""How a RingCentral gateway's media sockets come in: by a call's ticket, or by the gateway's fixed token. Pure."""

from __future__ import annotations

from parlance.actors.media.access import bearer, from_here, is_token
from parlance.actors.media.port import Started, Visit, Wire
from parlance.actors.media.ringcentral.settings import Settings
from parlance.actors.media.ringcentral.wire import PCM, RingCentral, identified, negotiated
from parlance.codecs.format import TELEPHONE

MEDIA = "/api/voice/realtime/ws/call"
FORMATS = {"mulaw": TELEPHONE, "pcm": PCM}


class Access:
    """`?call_id&from_number&to_number&session_id`, with `ticket` (or `Authorization: Bearer`), `call`, `encoding`."""

    carrier = "ringcentral"
    paths = (MEDIA,)

    def __init__(self, settings: Settings) -> None:
        self._sources = settings.sources
        self._token = settings.media_token.get_secret_value()
        self._format = FORMATS[settings.encoding]

    def guard(self, visit: Visit, now: float) -> None:
        from_here(visit, self._sources)

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._token)

    def open(self, visit: Visit) -> tuple[Wire, Started | None]:
        """A socket without a ticket in its handshake has to bring one in `start`."""
        format = negotiated(visit.query, self._format)
        # The ticket of one call says more than the gateway's own token, which may be in a header as well.
        said = {**visit.query, "ticket": visit.query.get("ticket") or bearer(visit)}
        if not said["ticket"]:
            return RingCentral(format, known=visit.query, fixed=self.knows), None
        return RingCentral(format, begun=True), identified(said, self.knows)
