"""Asterisk's control over calls: the Asterisk REST Interface (ARI), without its events. Pure.

Placing and hanging up work on every channel. Everything else works only on channels that are in a Stasis application,
which needs a program that listens to ARI's events; without one ARI answers 409 ("Channel not in Stasis application").
What becomes of a call is known by its media socket alone.
Source: Asterisk's `rest-api/api-docs/channels.json` and `res/ari/resource_channels.c`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import NAMESPACE_URL, uuid5

from parlance.actors.media import errand
from parlance.actors.media.asterisk.settings import Settings
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.webhook import Addresses, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable

WORDS = 200
"""Characters of Asterisk's own words that an error quotes."""


class Control(errand.Control):
    """`handle.call` is a channel's unique id: the caller's if he has called, ours if it was placed."""

    carrier = "asterisk"

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self.verbs: frozenset[Verb] = frozenset()
        if settings.ari_url:
            self.verbs |= {"place", "hang_up"}
        if settings.ari_url and settings.app:
            self.verbs |= {"transfer", "mute", "hold", "dtmf"}
        password = settings.ari_password.get_secret_value()
        credentials = b64encode(f"{settings.ari_user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}"}

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        """Dial; answered, the channel goes on in the dialplan, or in `app`, with variables that say which call it is.

        They are inherited by the channel that is dialed next, so that its media socket shows them. We choose the
        channel's unique id: no act dials twice, and as a UUID it can be an AudioSocket's.
        """
        settings = self._settings
        variables = {
            "__PARLANCE_CALL": outgoing.call,
            "__PARLANCE_TICKET": outgoing.ticket,
            "__PARLANCE_AGENT": outgoing.agent,
            "__PARLANCE_FROM": outgoing.source,
            "__PARLANCE_TO": outgoing.to,
        }
        wanted: dict[str, Any] = {
            "endpoint": self._endpoint(outgoing.to),
            "callerId": outgoing.source,
            "timeout": outgoing.ring,
            "variables": variables,
        }
        if settings.app:
            wanted |= {"app": settings.app, "appArgs": outgoing.call}
        else:
            wanted |= {"context": settings.context, "extension": settings.extension, "priority": 1}
        return Errand(
            "POST",
            self._channel(str(uuid5(NAMESPACE_URL, f"parlance:{outgoing.call}:{stamp.id}"))),
            {**self._headers, "Content-Type": "application/json"},
            json.dumps(wanted, separators=(",", ":")).encode(),
        )

    def answer(self, call: str, leg: str, context: str, ours: str, ticket: str, stamp: Stamp) -> Errand:
        """Not among the verbs: no call is offered before its media socket comes."""
        return self._act("POST", call, "/answer")

    def reject(self, call: str, leg: str, context: str, busy: bool, stamp: Stamp) -> Errand:
        """Not among the verbs: see `answer`."""
        return self._act("DELETE", call, reason="busy" if busy else "congestion")

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        return self._act("DELETE", handle.call, again=True)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        if self._settings.transfer == "redirect":
            return self._act("POST", handle.call, "/redirect", endpoint=self._endpoint(to))
        context = self._settings.transfer_context
        return self._act("POST", handle.call, "/continue", context=context, extension=to, priority="1")

    def mute(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        return self._act(_switch(on), handle.call, "/mute", again=True, direction=self._settings.mute)

    def hold(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        return self._act(_switch(on), handle.call, "/hold", again=True)

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        return self._act("POST", handle.call, "/dtmf", dtmf=digits)

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        if 200 <= status < 300:
            return Handle(text(part(_json(body), "id")))
        words = _words(body) or f"status {status}"
        if status == 404 and verb != "place":
            raise Ended(self.carrier, words)
        if status in (429, 503):
            raise Overloaded(self.carrier, words)
        if status >= 500:
            raise Unreachable(self.carrier, words)
        raise Rejected(self.carrier, words)

    def _endpoint(self, number: str) -> str:
        return self._settings.endpoint.replace("{number}", number).replace("{digits}", number.lstrip("+"))

    def _channel(self, call: str) -> str:
        return f"{self._settings.ari_url}/channels/{quote(call, safe='')}"

    def _act(self, method: str, call: str, act: str = "", *, again: bool = False, **query: str) -> Errand:
        url = self._channel(call) + act
        return Errand(method, f"{url}?{urlencode(query)}" if query else url, self._headers, again=again)


def _switch(on: bool) -> str:
    return "POST" if on else "DELETE"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _words(body: bytes) -> str:
    """ARI says `{"message": "..."}`; its HTTP server says what it likes."""
    said = _json(body)
    words = text(part(said, "message")) or text(part(said, "error")) or body.decode("utf-8", "replace")
    return " ".join(words.split())[:WORDS]
