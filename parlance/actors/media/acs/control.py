"""Requests of Call Automation: place, answer, reject, hang up, transfer, mute, hold, digits. Pure.

Paths and bodies are those of azure-communication-callautomation 1.6.0. What Azure lets us repeat (its `Repeatability`
headers, OASIS "Repeatable Requests") may be sent again. Azure has no ring time of a call and does not listen for
answering machines: `Outgoing.ring` and `Outgoing.machines` are the house's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from parlance.actors.media import errand
from parlance.actors.media.acs.access import MEDIA
from parlance.actors.media.acs.hooks import CALLBACKS
from parlance.actors.media.acs.identity import identifier, joined, raw, split
from parlance.actors.media.acs.settings import Settings, connection
from parlance.actors.media.acs.signing import date, signed
from parlance.actors.media.acs.wire import TONES
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.webhook import Addresses, listed, part, text
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable

_CALLS = "/calling/callConnections"
_OVER = frozenset(("8501", "8528", "8543"))
"""Azure's codes for a call that is not established any more, terminated, or does not exist."""


class Control(errand.Control):
    """Commands to a call need a `Handle.leg` as `identity` describes: it comes with the answer to `place` and `answer`,
    and with every callback."""

    carrier = "acs"
    verbs: frozenset[Verb] = frozenset(("place", "answer", "reject", "hang_up", "transfer", "hold", "dtmf"))

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._endpoint, self._key = connection(settings.connection_string.get_secret_value())

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        target = identifier(outgoing.to)
        source = outgoing.source or self._settings.source
        body = {"targets": [target], **self._ways(outgoing.call, outgoing.ticket, target["rawId"])}
        return self._post("", body | _from(source), stamp)

    def answer(self, call: str, leg: str, context: str, ours: str, ticket: str, stamp: Stamp) -> Errand:
        """`leg`: the caller's raw id, as the offer had it."""
        body = {"incomingCallContext": context, **self._ways(ours, ticket, split(leg)[1])}
        return self._post(":answer", body, stamp)

    def reject(self, call: str, leg: str, context: str, busy: bool, stamp: Stamp) -> Errand:
        reason = "busy" if busy else "forbidden"
        return self._post(":reject", {"incomingCallContext": context, "callRejectReason": reason}, stamp)

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        """For everyone: to leave the call would let the caller stay in it, alone."""
        return self._post(f"{_connected(handle)}:terminate", None, stamp)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        """To a telephone Azure transfers only with a number of the resource to show: `source` of the settings."""
        body = {"targetParticipant": identifier(to)} | _from(self._settings.source)
        return self._post(f"{_connected(handle)}:transferToParticipant", body, stamp)

    def mute(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        """Azure mutes users of the resource, and no telephones, and has no request that ends it."""
        if not on:
            raise Rejected(self.carrier, "Azure cannot unmute anybody: they unmute themselves")
        body = {"targetParticipants": [_other(handle)]}
        return self._post(f"{_connected(handle)}/participants:mute", body, stamp)

    def hold(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        """Not repeatable at Azure."""
        verb = "hold" if on else "unhold"
        return self._post(f"{_connected(handle)}:{verb}", {"targetParticipant": _other(handle)}, stamp, again=False)

    def dtmf(self, handle: Handle, digits: str, stamp: Stamp) -> Errand:
        if not digits or any(digit not in TONES for digit in digits.upper()):
            raise Rejected(self.carrier, "only the digits of a telephone can be sent: 0-9, *, #, A-D")
        body = {"tones": [TONES[digit] for digit in digits.upper()], "targetParticipant": _other(handle)}
        return self._post(f"{_connected(handle)}:sendDtmfTones", body, stamp)

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        answer = _object(body)
        if 200 <= status < 300:
            return _handle(answer)
        error = part(answer, "error")
        code = text(part(error, "code"))
        said = text(part(error, "message")) or body[:200].decode("utf-8", "replace").strip()
        words = " ".join(f"{status} {code} {said}".split())[:200]
        codes = {code, text(part(error, "innererror", "code"))}
        if verb != "place" and (status in (404, 410) or (status < 500 and status != 429 and codes & _OVER)):
            raise Ended(self.carrier, words)
        if status in (429, 503):
            raise Overloaded(self.carrier, words)
        if status >= 500:
            raise Unreachable(self.carrier, words)
        raise Rejected(self.carrier, words)

    def _ways(self, call: str, ticket: str, party: str) -> dict[str, Any]:
        """Where a call's events and its audio go. The ticket is only where it lets something in."""
        return {
            "callbackUri": self._addresses.web(
                CALLBACKS, urlencode({"call": call} | ({"party": party} if party else {}))
            ),
            "mediaStreamingOptions": {
                "transportType": "websocket",
                "transportUrl": self._addresses.media(MEDIA, urlencode({"call": call, "ticket": ticket})),
                "contentType": "audio",
                "audioChannelType": "mixed",
                "startMediaStreaming": True,
                "enableBidirectional": True,
                "enableDtmfTones": True,
                "audioFormat": f"pcm{self._settings.rate // 1000}KMono",
            },
        }

    def _post(self, action: str, value: dict[str, Any] | None, stamp: Stamp, *, again: bool = True) -> Errand:
        url = f"{self._endpoint}{_CALLS}{action}?{urlencode({'api-version': self._settings.api_version})}"
        body = b"" if value is None else json.dumps(value, separators=(",", ":")).encode()
        headers = {"Accept": "application/json", **signed("POST", url, body, stamp.now, self._key)}
        if value is not None:
            headers["Content-Type"] = "application/json"
        if again:
            headers |= {"Repeatability-Request-ID": _uuid(stamp.id), "Repeatability-First-Sent": date(stamp.now)}
        return Errand("POST", url, headers, body, again)


def _from(source: str) -> dict[str, Any]:
    return {"sourceCallerIdNumber": {"value": source}} if source else {}


def _connected(handle: Handle) -> str:
    """The part of a path that names the call."""
    ours = split(handle.leg)[0]
    if not ours:
        raise Rejected(Control.carrier, "the call has not been connected yet")
    return f"/{quote(ours, safe='')}"


def _other(handle: Handle) -> dict[str, Any]:
    """The other party's identifier."""
    party = split(handle.leg)[1]
    if not party:
        raise Rejected(Control.carrier, "Azure has not said who is on the call: the caller withholds the number")
    return identifier(party)


def _uuid(act: str) -> str:
    """Azure takes a UUID; an act that is named otherwise has one of its own."""
    try:
        return str(UUID(act))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, act))


def _object(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _handle(answer: Any) -> Handle:
    """Of the properties of a call connection; of any other answer, an empty one."""
    said = [
        _party(text(part(answer, "callbackUri"))),
        raw(part(answer, "source")),
        *map(raw, listed(part(answer, "targets"))),
    ]
    party = next(filter(None, said), "")
    ours = text(part(answer, "callConnectionId"))
    return Handle(text(part(answer, "serverCallId")), joined(ours, party) if ours else "")


def _party(url: str) -> str:
    """The other party, out of the callback's address, which Azure repeats."""
    try:
        return parse_qs(urlsplit(url).query).get("party", [""])[-1]
    except ValueError:
        return ""
