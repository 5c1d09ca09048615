"""Twilio's webhooks: the question what to do with a call, and what became of calls, streams and transfers. Pure.

Requests are forms, or queries where somebody has chosen GET. Twilio does not wait long and asks again when it had no
answer, so everything is answered at once. Field names as twilio.com/docs/voice/twiml and the Call resource have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from parlance.actors.media.number import e164
from parlance.actors.media.twilio import access, signature, twiml
from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Reception, Refusal, Reply, Request, What, text

VOICE = "/api/v1/webhooks/twilio/voice"
STATUS = "/api/v1/webhooks/twilio/status"
TRANSFER = "/api/v1/webhooks/twilio/transfer"
AGE = 300.0
"""Seconds that a request's own time may differ from ours."""
Fields = Mapping[str, str]

_CALL = {
    "ringing": What.RINGING,
    "in-progress": What.ANSWERED,
    "answered": What.ANSWERED,
    "completed": What.ENDED,
    "busy": What.BUSY,
    "no-answer": What.UNANSWERED,
    "canceled": What.CANCELED,
    "failed": What.FAILED,
}
_DETAILS = ("CallDuration", "DialCallDuration", "SipResponseCode", "ErrorCode", "ErrorMessage", "StreamSid")
_SIP = "SipHeader_"


class Hooks:
    """The webhooks of one account."""

    carrier = "twilio"
    paths: Mapping[str, tuple[str, ...]] = {each: ("POST", "GET") for each in (VOICE, STATUS, TRANSFER)}

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._handlers: Mapping[str, Callable[[Fields, Request, Reception], Reply]] = {
            VOICE: self._voice,
            STATUS: self._status,
            TRANSFER: self._transfer,
        }

    def verify(self, request: Request, now: float) -> None:
        """Signed by Twilio, and not long ago where it says when: a question what to do with a call does not."""
        signature.check(request, self._settings)
        at = _seconds(_fields(request).get("Timestamp", ""))
        if at and abs(now - at) > AGE:
            raise Denied(401, "expired", "the request is of another time")

    def handle(self, request: Request, reception: Reception) -> Reply:
        # Below the path of our public address, if it has one.
        handler = next((each for path, each in self._handlers.items() if request.path.endswith(path)), None)
        if handler is None:
            raise Denied(400, "malformed", "there is no webhook of Twilio's at this path")
        return handler(_fields(request), request, reception)

    def _voice(self, fields: Fields, request: Request, reception: Reception) -> Reply:
        """A call waits for our word."""
        call = fields.get("CallSid", "")
        if not call:
            raise Denied(400, "malformed", "the request names no CallSid")
        offer = Offer(
            call=call,
            caller=e164(fields.get("From", "")),
            called=e164(fields.get("To", "")),
            event=f"{call}/voice",
            parameters=_parameters(request, fields),
        )
        verdict = reception.offered(offer)
        if isinstance(verdict, Refusal):
            return twiml.answer(self._refused(verdict))
        parameters = {
            "ticket": verdict.ticket,
            "call": verdict.call,
            "agent": verdict.agent,
            "from": offer.caller,
            "to": offer.called,
        }
        status = self._addresses.web(STATUS)
        return twiml.answer(twiml.connect(self._addresses.media(access.PATH), status, parameters))

    def _refused(self, refusal: Refusal) -> str:
        if refusal.busy and self._settings.overflow:
            return twiml.dial(self._settings.overflow)
        return twiml.reject(refusal.busy)

    def _status(self, fields: Fields, request: Request, reception: Reception) -> Reply:
        """Something has become of a call, of its stream, or somebody has found out who answered it."""
        if "StreamEvent" in fields:
            _tell(reception, fields, _stream(fields), fields.get("StreamError", "") or fields["StreamEvent"])
            return twiml.answer(twiml.nothing())
        status = fields.get("CallStatus", "")
        if status:
            _tell(reception, fields, _CALL.get(status, What.NOTED), status)
        if (heard := fields.get("AnsweredBy", "")) and _CALL.get(status) in (None, What.ANSWERED):
            _tell(reception, fields, _hearer(heard), heard)
        if not status and not heard:
            _tell(reception, fields, What.NOTED, "unknown")
        return twiml.answer(twiml.nothing())

    def _transfer(self, fields: Fields, request: Request, reception: Reception) -> Reply:
        """A transfer is over: nobody took it, or they have talked."""
        status = fields.get("DialCallStatus", "")
        done = status in ("completed", "answered")
        _tell(reception, fields, What.TRANSFERRED if done else What.UNTRANSFERRED, f"transfer {status or 'unknown'}")
        return twiml.answer(twiml.nothing())


def _tell(reception: Reception, fields: Fields, what: What, word: str) -> None:
    """News of the call that `fields` name, if they name one."""
    call = fields.get("CallSid", "")
    if not call:
        return
    direction = fields.get("Direction", "")
    reception.told(
        News(
            what,
            call,
            event="/".join((call, fields.get("StreamSid", ""), word, fields.get("SequenceNumber", ""))),
            ours=fields.get("call", ""),
            outbound=direction.startswith("outbound") if direction else None,
            caller=e164(fields.get("From", "")),
            called=e164(fields.get("To", "")),
            word=word,
            at=_seconds(fields.get("Timestamp", "")),
            order=_order(fields.get("SequenceNumber", "")),
            details={name: fields[name] for name in _DETAILS if fields.get(name)},
        )
    )


def _stream(fields: Fields) -> What:
    return What.MEDIA_FAILED if fields["StreamEvent"] == "stream-error" else What.NOTED


def _hearer(heard: str) -> What:
    if heard.startswith("machine") or heard == "fax":
        return What.MACHINE
    return What.HUMAN if heard == "human" else What.NOTED


def _fields(request: Request) -> dict[str, str]:
    """The query's parameters and the body's, which count for more."""
    fields = request.query
    if signature.is_form(request):
        fields |= dict(request.form())
    elif request.body and isinstance(body := request.json(), dict):
        fields |= {name: text(value) for name, value in body.items()}
    return fields


def _parameters(request: Request, fields: Fields) -> dict[str, str]:
    """What the webhook's own URL says (`?agent=sales`), and the headers of a SIP call."""
    headers = {
        name.removeprefix("SipHeader_"): value for name, value in fields.items() if name.startswith("SipHeader_")
    }
    named = {name: value for name, value in request.query.items() if not name[:1].isupper() and name != "bodySHA256"}
    return headers | named


def _seconds(at: str) -> float:
    """A time of RFC 2822 (calls) or ISO 8601 (streams), in seconds since 1970; 0 for anything else."""
    if not at:
        return 0.0
    try:
        read = datetime.fromisoformat(at) if at[:1].isdigit() and "-" in at[:5] else parsedate_to_datetime(at)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def _order(number: str) -> float:
    return float(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0.0
