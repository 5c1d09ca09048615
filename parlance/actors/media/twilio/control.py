"""Requests to Twilio: place a call, hang up, transfer, send a text message. Pure.

The Call and Message resources of twilio.com/docs/voice/api: forms over HTTPS, HTTP Basic authentication. Twilio cannot
mute or hold one call, and pressing keys would end the stream: their tones are made here, in the audio.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from parlance.actors.media import errand
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.twilio import twiml
from parlance.actors.media.twilio.access import PATH
from parlance.actors.media.twilio.hooks import STATUS, TRANSFER
from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.webhook import Addresses, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable

_GONE = {"20404", "21220"}
"""Twilio's codes for a call that is unknown and for one that is not in progress any more."""
_BUSY = {"20429"}
_EVENTS = ("initiated", "ringing", "answered", "completed")


class Control(errand.Control):
    """The requests of one account. Without an account and a secret there are none."""

    carrier = "twilio"

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        user = settings.api_key or settings.account_sid
        secret = (settings.api_secret if settings.api_key else settings.auth_token).get_secret_value()
        self._secrets = [each for each in (secret, settings.auth_token.get_secret_value()) if each]
        able = bool(settings.account_sid and secret)
        self.verbs: frozenset[Verb] = frozenset({"place", "hang_up", "transfer", "message"} if able else ())
        self._headers = {
            "authorization": "Basic " + b64encode(f"{user}:{secret}".encode()).decode(),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        status = self._addresses.web(STATUS, urlencode({"call": outgoing.call}))
        parameters = {
            "ticket": outgoing.ticket,
            "call": outgoing.call,
            "agent": outgoing.agent,
            "from": outgoing.source,
            "to": outgoing.to,
        }
        form = [
            ("To", outgoing.to),
            ("From", outgoing.source),
            ("Twiml", twiml.connect(self._addresses.media(PATH), status, parameters)),
            ("Timeout", str(outgoing.ring)),
            ("StatusCallback", status),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in _EVENTS),
        ]
        if outgoing.machines:
            # In the background: the agent speaks meanwhile.
            form += [
                ("MachineDetection", self._settings.machine_detection),
                ("AsyncAmd", "true"),
                ("AsyncAmdStatusCallback", status),
                ("AsyncAmdStatusCallbackMethod", "POST"),
            ]
        return self._post("Calls.json", form)

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        """Also a call that is still ringing."""
        return self._post(_path(handle), [("Status", "completed")], again=True)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        document = twiml.dial(to, self._addresses.web(TRANSFER))
        return self._post(_path(handle), [("Twiml", document)])

    def message(self, source: str, to: str, words: str, stamp: Stamp) -> Errand:
        return self._post("Messages.json", [("To", to), ("From", source), ("Body", words)])

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        answer = _read(body)
        if 200 <= status < 300:
            return Handle(text(part(answer, "sid"))) if verb == "place" else Handle()
        code = text(part(answer, "code"))
        words = self._words(status, code, text(part(answer, "message")))
        if verb in ("hang_up", "transfer") and (status == 404 or code in _GONE):
            raise Ended(self.carrier, words)
        if status in (429, 503) or code in _BUSY:
            raise Overloaded(self.carrier, words)
        raise Unreachable(self.carrier, words) if status >= 500 else Rejected(self.carrier, words)

    def _post(self, path: str, form: list[tuple[str, str]], *, again: bool = False) -> Errand:
        settings = self._settings
        url = f"{settings.host}/{settings.version}/Accounts/{quote(settings.account_sid, safe='')}/{path}"
        return Errand("POST", url, self._headers, urlencode(form).encode(), again)

    def _words(self, status: int, code: str, said: str) -> str:
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return " ".join(filter(None, (said[:200] or f"HTTP {status}", f"({code[:8]})" if code else "")))


def _path(handle: Handle) -> str:
    return f"Calls/{quote(handle.call, safe='')}.json"


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
