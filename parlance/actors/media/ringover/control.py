"""Ringover's REST interface: our verbs as requests, and what its answers mean. Pure.

As montpcdev/ringover-js and dinistavares/go-ringover-api have it: the key is the whole `Authorization` header, numbers
are integers without a plus (text messages excepted), 204 means there is nothing to tell. `/callback` rings a device of
the key's own user first and dials the number when that is picked up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from parlance.actors.media import errand
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.ringover.numbers import dialed
from parlance.actors.media.ringover.settings import Settings
from parlance.actors.media.webhook import Addresses, listed, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable

_RING = (20, 300)
"""Seconds that `/callback` takes for its `timeout`."""
_LONGEST = 200
_OF_A_CALL = frozenset({"hang_up", "transfer", "mute", "hold", "dtmf"})
_GONE = frozenset({404, 410})


class Control(errand.Control):
    """Mute and hold are TOGGLES at Ringover: asked twice for the same, it undoes it. Whoever calls `mute` and `hold`
    must know the call's state and ask only on a change; their errands are never sent again unasked.

    A call is controlled by its channel (`Handle.leg`), which `/callback` answers and the webhooks tell. Until it is
    known, building an errand of a call raises `Rejected`. Without an API key there are no verbs.
    """

    carrier = "ringover"

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._key = settings.api_key.get_secret_value()
        self.pause = settings.pause
        """Seconds to wait at least after `Overloaded`."""
        known: frozenset[Verb] = frozenset({"place", "hang_up", "transfer", "mute", "hold", "dtmf", "message"})
        self.verbs: frozenset[Verb] = known if self._key else frozenset()

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        """Our id and the ticket cannot travel with it: the call is known again by the id in the answer."""
        least, most = _RING
        body: dict[str, Any] = {
            "to_number": dialed(outgoing.to),
            "device": self._settings.callback_device,
            "timeout": min(max(outgoing.ring, least), most),
        }
        if outgoing.source:
            body["from_number"] = dialed(outgoing.source)
        return self._post(self._settings.paths.callback, body)

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        """By an unverified path (`settings.Paths.hangup`)."""
        return self._post(self._filled(self._settings.paths.hangup, handle), again=True)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        return self._post(self._filled(self._settings.paths.transfer, handle), {"phone_number": dialed(to)})

    def mute(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        """The toggle, whatever `on` says."""
        return self._post(self._filled(self._settings.paths.mute, handle))

    def hold(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        """The toggle, whatever `on` says."""
        return self._post(self._filled(self._settings.paths.hold, handle))

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        return self._post(self._filled(self._settings.paths.dtmf, handle), {"dtmf": digits})

    def message(self, source: str, to: str, words: str, stamp: Stamp) -> Errand:
        body: dict[str, Any] = {"archived_auto": False, "from_number": source, "to_number": to, "content": words}
        if self._settings.sms_user is not None:
            body["user_id_forced"] = self._settings.sms_user
        return self._post(self._settings.paths.sms, body)

    def current(self) -> Errand:
        """Asks which calls there are now; `parse_current` reads the answer. No verb: for comparing, not for acting."""
        return self._post(self._settings.paths.current, {}, again=True)

    def parse_current(self, status: int, body: bytes) -> list[str]:
        """The ids of the calls that Ringover has now. Raises as `read` does."""
        self._succeeded("place", status, body)
        calls = listed(part(_parsed(body), "current_calls_list"))
        return [call for entry in calls if (call := text(part(entry, "call_id")))]

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        self._succeeded(verb, status, body)
        said = _parsed(body)
        return Handle(text(part(said, "call_id")), text(part(said, "channel_id")))

    def _succeeded(self, verb: Verb, status: int, body: bytes) -> None:
        if 200 <= status < 300:
            return
        words = f"{status} {self._words(body)}".strip()
        if status in _GONE and verb in _OF_A_CALL:
            raise Ended(self.carrier, words)
        if status in (429, 503):
            raise Overloaded(self.carrier, words)
        if status >= 500:
            raise Unreachable(self.carrier, words)
        raise Rejected(self.carrier, words)

    def _words(self, body: bytes) -> str:
        """Ringover's own: `{"message"}`, a string of JSON, or text that is none."""
        said = _parsed(body)
        words = text(part(said, "message")) or text(part(said, "error")) or text(said)
        if not words and said is None:
            words = body.decode("utf-8", "replace")
        if self._key:
            words = words.replace(self._key, "[key]")
        return " ".join(words.split())[:_LONGEST]

    def _filled(self, template: str, handle: Handle) -> str:
        if ("{channel_id}" in template and not handle.leg) or ("{call_id}" in template and not handle.call):
            raise Rejected(self.carrier, "Ringover has not said yet which channel this call has")
        return template.format(channel_id=quote(handle.leg, safe=""), call_id=quote(handle.call, safe=""))

    def _post(self, path: str, body: Mapping[str, Any] | None = None, *, again: bool = False) -> Errand:
        headers = {"Authorization": self._key, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        return Errand("POST", self._settings.base + path, headers, sent, again)


def _parsed(body: bytes) -> Any:
    """The JSON of an answer; None if it is none. Integers stay whole, however long."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
