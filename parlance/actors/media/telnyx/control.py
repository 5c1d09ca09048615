"""Telnyx's Call Control commands: dial, answer, reject, hang up, transfer, digits. Pure.

`POST /calls` and `POST /calls/{call_control_id}/actions/{command}`, JSON, a bearer key. Each carries a `command_id`:
Telnyx ignores a second command with the same one, so each may be sent again. Names and values are
telnyx-python's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from parlance.actors.media import errand
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.telnyx.settings import MEDIA, WEBHOOK, Settings
from parlance.actors.media.telnyx.state import written
from parlance.actors.media.webhook import Addresses, listed, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable

_OVER = "90018"
"""The code for "call has already ended" (as pipecat's Telnyx serializer treats it)."""


class Control(errand.Control):
    """Our requests to Telnyx."""

    carrier = "telnyx"

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self.verbs: frozenset[Verb] = frozenset({"answer", "reject", "hang_up", "transfer", "dtmf"})
        if settings.connection_id:
            self.verbs |= {"place"}

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        body: dict[str, Any] = {
            "connection_id": self._settings.connection_id,
            "to": outgoing.to,
            "from": outgoing.source,
            # Telnyx takes 5 to 600 seconds.
            "timeout_secs": min(600, max(5, outgoing.ring)),
            "webhook_url": self._addresses.web(WEBHOOK),
            "webhook_url_method": "POST",
            "client_state": written("out", outgoing.call),
            **self._stream(outgoing.call, outgoing.ticket),
        }
        if outgoing.machines:
            body["answering_machine_detection"] = self._settings.machines
        return self._errand("/calls", body, stamp)

    def answer(self, call: str, leg: str, context: str, ours: str, ticket: str, stamp: Stamp) -> Errand:
        return self._command(call, "answer", stamp, client_state=written("in", ours), **self._stream(ours, ticket))

    def reject(self, call: str, leg: str, context: str, busy: bool, stamp: Stamp) -> Errand:
        """`USER_BUSY` is heard as 486, `CALL_REJECTED` as 603."""
        return self._command(call, "reject", stamp, cause="USER_BUSY" if busy else "CALL_REJECTED")

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        return self._command(handle.call, "hangup", stamp)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        """The new leg is marked, because its webhooks do not say whose transfer it is."""
        return self._command(handle.call, "transfer", stamp, to=to, target_leg_client_state=written("leg", handle.call))

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        return self._command(handle.call, "send_dtmf", stamp, digits=digits)

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        answer = _opened(body)
        if 200 <= status < 300:
            data = part(answer, "data")
            return Handle(text(part(data, "call_control_id")), text(part(data, "call_leg_id")))
        faults = listed(part(answer, "errors"))
        words = self._words(faults) or f"HTTP {status}"
        gone = any(text(part(fault, "code")) == _OVER for fault in faults)
        if verb != "place" and (gone or status in (404, 410)):
            raise Ended(self.carrier, words)
        if status in (429, 503):
            raise Overloaded(self.carrier, words)
        raise (Unreachable if status >= 500 else Rejected)(self.carrier, words)

    def _stream(self, ours: str, ticket: str) -> dict[str, Any]:
        """What makes Telnyx send the caller's audio here and play ours."""
        return {
            "stream_url": self._addresses.media(MEDIA, urlencode({"ticket": ticket, "call": ours})),
            "stream_track": "inbound_track",
            "stream_codec": self._settings.codec,
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": self._settings.codec,
            "stream_bidirectional_sampling_rate": self._settings.rate,
            "stream_bidirectional_target_legs": self._settings.target_legs,
            # Without it the line is dead to the other side whenever the agent does not speak.
            "send_silence_when_idle": True,
        }

    def _command(self, call: str, command: str, stamp: Stamp, **body: Any) -> Errand:
        return self._errand(f"/calls/{quote(call, safe=':')}/actions/{command}", body, stamp)

    def _errand(self, path: str, body: Mapping[str, Any], stamp: Stamp) -> Errand:
        headers = {
            "authorization": f"Bearer {self._settings.api_key.get_secret_value()}",
            "content-type": "application/json",
            "accept": "application/json",
        }
        content = json.dumps({**body, "command_id": stamp.id}).encode()
        return Errand("POST", self._settings.api + path, headers, content, again=True)

    def _words(self, faults: Any) -> str:
        """The carrier's own words, without our key, should it ever quote that."""
        told = (
            " ".join(filter(None, (text(part(fault, name)) for name in ("code", "title", "detail"))))
            for fault in faults
        )
        return "; ".join(filter(None, told)).replace(self._settings.api_key.get_secret_value(), "***")[:200]


def _opened(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
