"""Requests to Plivo: place a call, hang up, transfer, press keys, send a text message. Pure.

The Call and Message resources of plivo.com/docs: JSON over HTTPS, HTTP Basic authentication. A call that is placed has
a request's id first and a call's id once it rings: until then it is canceled by the request's.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from parlance.actors.media import errand
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.number import digits
from parlance.actors.media.plivo.hooks import ANSWER, STATUS, TRANSFER
from parlance.actors.media.plivo.settings import Settings
from parlance.actors.media.webhook import Addresses, listed, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable


class Control(errand.Control):
    """The requests of one account. Without an account and its token there are none."""

    carrier = "plivo"

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._secret = settings.auth_token.get_secret_value()
        able = bool(settings.auth_id and self._secret)
        self.verbs: frozenset[Verb] = frozenset({"place", "hang_up", "transfer", "dtmf", "message"} if able else ())
        self._headers = {
            "authorization": "Basic " + b64encode(f"{settings.auth_id}:{self._secret}".encode()).decode(),
            "content-type": "application/json",
            "accept": "application/json",
        }

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        status = self._addresses.web(STATUS, urlencode({"call": outgoing.call}))
        query = {"call": outgoing.call, "ticket": outgoing.ticket, "agent": outgoing.agent}
        wanted: dict[str, Any] = {
            "from": digits(outgoing.source),
            "to": digits(outgoing.to),
            "answer_url": self._addresses.web(ANSWER, urlencode(query)),
            "answer_method": "POST",
            "ring_url": status,
            "ring_method": "POST",
            "hangup_url": status,
            "hangup_method": "POST",
            "ring_timeout": outgoing.ring,
        }
        if outgoing.machines:
            # With an address of its own it works in the background: the agent speaks meanwhile.
            wanted |= {
                "machine_detection": "true",
                "machine_detection_url": status,
                "machine_detection_method": "POST",
            }
        return self._send("POST", "Call/", wanted)

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        if handle.call:
            return self._send("DELETE", _path(handle.call), again=True)
        return self._send("DELETE", f"Request/{quote(handle.leg, safe='')}/", again=True)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        url = self._addresses.web(TRANSFER, urlencode({"to": to}))
        return self._send("POST", _path(handle.call), {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"})

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        return self._send("POST", _path(handle.call) + "DTMF/", {"digits": digits, "leg": "aleg"})

    def message(self, source: str, to: str, words: str, stamp: Stamp) -> Errand:
        return self._send("POST", "Message/", {"src": digits(source), "dst": digits(to), "text": words})

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        """Of a call that was placed, the request's id is the `leg`: the call's own comes with the first news."""
        answer = _read(body)
        if 200 <= status < 300:
            return Handle(leg=_first(part(answer, "request_uuid"))) if verb == "place" else Handle()
        words = self._words(status, part(answer, "error"))
        if verb in ("hang_up", "transfer", "dtmf") and status == 404:
            raise Ended(self.carrier, words)
        if status in (429, 503):
            raise Overloaded(self.carrier, words)
        raise Unreachable(self.carrier, words) if status >= 500 else Rejected(self.carrier, words)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, again: bool = False) -> Errand:
        settings = self._settings
        url = f"{settings.url}/{settings.version}/Account/{quote(settings.auth_id, safe='')}/{path}"
        written = json.dumps(body, separators=(",", ":")).encode() if body is not None else b""
        return Errand(method, url, self._headers, written, again)

    def _words(self, status: int, said: Any) -> str:
        said = text(said) or text(part(said, "error")) or text(part(said, "message"))
        if self._secret:
            said = said.replace(self._secret, "***")
        return said[:200] or f"HTTP {status}"


def _path(call: str) -> str:
    return f"Call/{quote(call, safe='')}/"


def _first(value: Any) -> str:
    """An id, or the first of several."""
    return text(value) or next((text(each) for each in listed(value)), "")


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
