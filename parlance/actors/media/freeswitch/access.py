"""How FreeSWITCH's media sockets come in: by token or ticket, and which module speaks. Pure."""

from __future__ import annotations

from typing import Literal, cast

from parlance.actors.media.access import from_here, is_token, password
from parlance.actors.media.freeswitch.settings import Settings
from parlance.actors.media.freeswitch.wire import FreeSwitch, Known
from parlance.actors.media.port import Started, Visit, Wire
from parlance.actors.media.webhook import Denied
from parlance.engine.errors import LineError

SUBPROTOCOL = "audio.drachtio.org"
"""What `mod_audio_fork` offers in its handshake."""


class Access:
    carrier = "freeswitch"
    paths = ("/api/v1/media/freeswitch",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def guard(self, visit: Visit, now: float) -> None:
        """Elsewhere than from `networks` and a wrong token are refused here; both a token and a ticket may come with
        the metadata, so that a socket without any is not."""
        from_here(visit, self._settings.networks)
        shown = password(visit)
        if shown and not self.knows(shown):
            raise Denied(401, "token", "the media token is wrong")

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, self._settings.media_token.get_secret_value())

    def open(self, visit: Visit) -> tuple[Wire, Started | None]:
        settings, query = self._settings, visit.query
        usual: str = "fork" if SUBPROTOCOL in visit.headers.get("sec-websocket-protocol", "") else settings.module
        module = _one_of("module", query.get("module", usual), ("stream", "fork"))
        audio = _one_of("audio", query.get("audio", settings.audio), ("json", "binary"))
        known = Known(
            query,
            password(visit),
            cast("Literal['stream', 'fork']", module),
            cast("Literal['json', 'binary']", audio),
            settings.rate,
        )
        return FreeSwitch(known), None


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise LineError(f"{name} must be {' or '.join(allowed)}", fatal=True, code=1008)
    return value
