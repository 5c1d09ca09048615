"""Plivo's webhooks: the question what to do with a call, and what became of calls, streams and transfers. Pure.

Requests are forms, or queries where somebody has chosen GET. A call that was placed from here asks as well, once it is
answered: its answer address holds what its stream needs. Field names as plivo.com/docs/voice has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from parlance.actors.media.number import digits, e164
from parlance.actors.media.plivo import access, document, signature
from parlance.actors.media.plivo.settings import Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Reception, Refusal, Reply, Request, What

ANSWER = "/api/v1/webhooks/plivo/answer"
STATUS = "/api/v1/webhooks/plivo/status"
TRANSFER = "/api/v1/webhooks/plivo/transfer"
Fields = Mapping[str, str]

_CALL = {
    "ringing": What.RINGING,
    "in-progress": What.ANSWERED,
    "completed": What.ENDED,
    "busy": What.BUSY,
    "no-answer": What.UNANSWERED,
    "cancel": What.CANCELED,
    "canceled": What.CANCELED,
    "timeout": What.FAILED,
    "failed": What.FAILED,
}
_UNHEARD = ("NO_ANSWER", "NO_USER_RESPONSE", "NO ANSWER", "RING TIMEOUT REACHED")
_BROKEN = ("failed", "DroppedStream")
_STREAM = (*_BROKEN, "started", "stopped", "StartStream", "StopStream")
_ENDERS = {
    "caller": "caller",
    "callee": "caller",
    "api request": "agent",
    "answer xml": "agent",
    "plivo": "carrier",
    "carrier": "carrier",
    "error": "carrier",
}
_DETAILS = (
    *("Duration", "BillDuration", "HangupCause", "HangupCauseName", "HangupCauseCode", "HangupSource"),
    *("DialHangupCause", "StatusReason", "StreamID"),
)


class Hooks:
    """The webhooks of one account."""

    carrier = "plivo"
    paths: Mapping[str, tuple[str, ...]] = {each: ("POST", "GET") for each in (ANSWER, STATUS, TRANSFER)}

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._handlers: Mapping[str, Callable[[Fields, Request, Reception], Reply]] = {
            ANSWER: self._answer,
            STATUS: self._status,
            TRANSFER: self._transfer,
        }

    def verify(self, request: Request, now: float) -> None:
        """Signed by Plivo. When it was, Plivo does not say."""
        signature.check(request, self._settings.keys)

    def handle(self, request: Request, reception: Reception) -> Reply:
        # Below the path of our public address, if it has one.
        handler = next((each for path, each in self._handlers.items() if request.path.endswith(path)), None)
        if handler is None:
            raise Denied(400, "malformed", "there is no webhook of Plivo's at this path")
        return handler(_fields(request), request, reception)

    def _answer(self, fields: Fields, request: Request, reception: Reception) -> Reply:
        """A call has come in and waits for our word, or one of ours was taken."""
        call = fields.get("CallUUID", "")
        if not call:
            raise Denied(400, "malformed", "the request names no CallUUID")
        caller, called = e164(fields.get("From", "")), e164(fields.get("To", ""))
        ours, ticket = request.query.get("call", ""), request.query.get("ticket", "")
        if ours and ticket:
            _tell(reception, fields, What.ANSWERED, "in-progress")
            return self._streamed(ours, ticket, request.query.get("agent", ""), caller, called)
        offer = Offer(call, caller, called, event=f"{call}/answer", parameters=_parameters(request, fields))
        verdict = reception.offered(offer)
        if isinstance(verdict, Refusal):
            return document.answer(self._refused(verdict))
        return self._streamed(verdict.call, verdict.ticket, verdict.agent, caller, called)

    def _streamed(self, ours: str, ticket: str, agent: str, caller: str, called: str) -> Reply:
        query = {"ticket": ticket, "call": ours, "agent": agent, "from": caller, "to": called}
        url = self._addresses.media(access.PATH, urlencode({name: value for name, value in query.items() if value}))
        status = self._addresses.web(STATUS, urlencode({"call": ours}))
        # Extra headers may hold nothing but letters and digits; the address has everything in any case.
        headers = f"ticket={ticket}" if ticket.isascii() and ticket.isalnum() else ""
        return document.answer(document.stream(url, status, self._settings.audio, headers))

    def _refused(self, refusal: Refusal) -> str:
        if refusal.busy and self._settings.overflow:
            return document.dial(digits(self._settings.overflow))
        return document.reject(refusal.busy)

    def _status(self, fields: Fields, request: Request, reception: Reception) -> Reply:
        """Something has become of a call, of its stream or of a transfer, or a machine was heard."""
        event, status = fields.get("Event", ""), fields.get("CallStatus", "")
        if "DialStatus" in fields:
            done = fields["DialStatus"] == "completed"
            word = f"transfer {fields['DialStatus'] or 'unknown'}"
            _tell(reception, fields, What.TRANSFERRED if done else What.UNTRANSFERRED, word)
        elif event == "MachineDetection":
            machine = fields.get("Machine", "").lower() == "true"
            _tell(reception, fields, What.MACHINE if machine else What.HUMAN, "machine" if machine else "human")
        elif "StreamID" in fields or event in _STREAM:
            broken = event in _BROKEN
            word = (fields.get("StatusReason", "") if broken else "") or f"stream {event or 'unknown'}"
            _tell(reception, fields, What.MEDIA_FAILED if broken else What.NOTED, word)
        else:
            what = _CALL.get(status, What.NOTED)
            cause = fields.get("HangupCauseName", "") or fields.get("HangupCause", "")
            if status == "timeout" and cause.upper() in _UNHEARD:
                what = What.UNANSWERED
            _tell(reception, fields, what, status or event or "unknown")
        return document.answer(document.nothing())

    def _transfer(self, fields: Fields, request: Request, reception: Reception) -> Reply:
        """A call that is to be transferred asks for what to do: we have told it to, with the number in the address."""
        number = request.query.get("to", "")
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
            raise Denied(400, "malformed", "the request names no number to transfer to")
        return document.answer(document.dial(digits(number), self._addresses.web(STATUS)))


def _tell(reception: Reception, fields: Fields, what: What, word: str) -> None:
    """News of the call that `fields` name, if they name one."""
    call = fields.get("CallUUID", "") or fields.get("DialALegUUID", "")
    if not call:
        return
    direction = fields.get("Direction", "")
    reception.told(
        News(
            what,
            call,
            event="/".join((call, fields.get("StreamID", ""), word)),
            ours=fields.get("call", ""),
            leg=fields.get("RequestUUID", "") or fields.get("ALegRequestUUID", ""),
            outbound=direction == "outbound" if direction else None,
            caller=e164(fields.get("From", "")),
            called=e164(fields.get("To", "")),
            word=word,
            by=_ENDERS.get(fields.get("HangupSource", "").lower(), ""),
            details={name: fields[name] for name in _DETAILS if fields.get(name)},
        )
    )


def _fields(request: Request) -> dict[str, str]:
    """The query's parameters and the form's, which count for more."""
    fields = request.query
    if request.method.upper() != "GET" and request.body:
        fields |= dict(request.form())
    return fields


def _parameters(request: Request, fields: Fields) -> dict[str, str]:
    """What the answer URL itself says (`?agent=sales`), and the headers of a SIP call."""
    headers = {name[len("X-PH-") :]: value for name, value in fields.items() if name.upper().startswith("X-PH-")}
    return headers | {name: value for name, value in request.query.items() if not name[:1].isupper()}
