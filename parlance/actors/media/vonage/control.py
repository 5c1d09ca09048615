"""Vonage's Voice API: place a call, hang up, transfer, press digits. Pure.

`POST /calls`, `PUT /calls/{uuid}` and `PUT /calls/{uuid}/dtmf`, JSON, each authenticated by a JWT that the
application's key signs (RS256; claims `application_id`, `iat`, `exp`, `jti`, as vonage-python-sdk has them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import jwt

from parlance.actors.media import errand
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.number import digits
from parlance.actors.media.vonage.ncco import connected, event_url, forwarded
from parlance.actors.media.vonage.settings import Settings, signer
from parlance.actors.media.webhook import Addresses, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable

LIFE = 300
"""Seconds for which a request's token is good: enough for clocks that differ."""

_OVER = re.compile(r"not (active|in progress)|already (ended|completed|hung up|disconnected)|has ended", re.IGNORECASE)


class Control(errand.Control):
    """Our requests to Vonage. Calls are answered and rejected by the reply to its answer webhook."""

    carrier = "vonage"
    verbs: frozenset[Verb] = frozenset({"place", "hang_up", "transfer", "dtmf"})

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._key = signer(settings.private_key)

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        body: dict[str, Any] = {
            "to": [{"type": "phone", "number": digits(outgoing.to)}],
            "from": {"type": "phone", "number": digits(outgoing.source)},
            "ncco": connected(self._settings, self._addresses, call=outgoing.call, ticket=outgoing.ticket),
            "event_url": [event_url(self._addresses, call=outgoing.call)],
            "event_method": "POST",
            # Vonage takes 1 to 120 seconds.
            "ringing_timer": min(120, max(1, outgoing.ring)),
        }
        if outgoing.machines:
            body["machine_detection"] = "continue"
        return self._errand("POST", "/calls", body, stamp)

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        return self._modify(handle, stamp, again=True, action="hangup")

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        """Replaces what the caller's leg is connected with; sent twice it would dial twice."""
        ncco = forwarded(self._addresses, to, handle.call)
        return self._modify(handle, stamp, again=False, action="transfer", destination={"type": "ncco", "ncco": ncco})

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        return self._errand("PUT", f"/calls/{quote(handle.call, safe='')}/dtmf", {"digits": digits}, stamp)

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        answer = _opened(body)
        if 200 <= status < 300:
            return Handle(text(part(answer, "uuid")), text(part(answer, "conversation_uuid")))
        words = _words(answer) or f"HTTP {status}"
        gone = status in (404, 410) or (status in (400, 409) and _OVER.search(words) is not None)
        if verb != "place" and gone:
            raise Ended(self.carrier, words)
        if status in (429, 503):
            raise Overloaded(self.carrier, words)
        raise (Unreachable if status >= 500 else Rejected)(self.carrier, words)

    def _modify(self, handle: Handle, stamp: Stamp, *, again: bool, **body: Any) -> Errand:
        return self._errand("PUT", f"/calls/{quote(handle.call, safe='')}", body, stamp, again=again)

    def _errand(self, method: str, path: str, body: Any, stamp: Stamp, *, again: bool = False) -> Errand:
        headers = {
            "authorization": f"Bearer {self._token(stamp)}",
            "content-type": "application/json",
            "accept": "application/json",
        }
        return Errand(method, self._settings.api + path, headers, json.dumps(body).encode(), again=again)

    def _token(self, stamp: Stamp) -> str:
        issued = int(stamp.now)
        claims = {
            "application_id": self._settings.application_id,
            "iat": issued,
            "exp": issued + LIFE,
            "jti": stamp.id,
        }
        return jwt.encode(claims, self._key, algorithm="RS256")


def _words(answer: Any) -> str:
    """The carrier's own: `title` and `detail` (RFC 9457), or the older `error_title`."""
    told = (text(part(answer, name)) for name in ("title", "detail", "error_title"))
    return ": ".join(filter(None, told))[:200]


def _opened(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
