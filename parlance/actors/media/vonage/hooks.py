"""Vonage's webhooks: the answer webhook, replied to with a call control object, and the events of calls. Pure.

Shapes are those of Vonage's "Voice API Webhooks Reference". Events are told apart by `status`. Each leg has its own:
that of our media socket has a WebSocket address in `to`, that of a transfer's target comes to an address that names
the transfer. Legs of calls are known by `uuid`, or `call_uuid` in what machine detection says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from parlance.actors.media.number import e164
from parlance.actors.media.vonage.ncco import connected, refused
from parlance.actors.media.vonage.settings import ANSWER, EVENT, Settings
from parlance.actors.media.vonage.signed import checked
from parlance.actors.media.webhook import (
    Addresses,
    Denied,
    News,
    Offer,
    Reception,
    Reply,
    Request,
    Welcome,
    What,
    reply,
    text,
)

_STATUSES: Mapping[str, What] = {
    "ringing": What.RINGING,
    "answered": What.ANSWERED,
    "human": What.HUMAN,
    "machine": What.MACHINE,
    "completed": What.ENDED,
    "busy": What.BUSY,
    "cancelled": What.CANCELED,
    "unanswered": What.UNANSWERED,
    "timeout": What.UNANSWERED,
    "rejected": What.FAILED,
    "failed": What.FAILED,
}
_LOST = frozenset({"failed", "unanswered", "rejected", "busy", "timeout", "cancelled", "disconnected"})
"""Of the media socket's leg: it could not be opened, or was closed from our side without a hang-up."""
_MISSED = frozenset({"failed", "unanswered", "rejected", "busy", "timeout", "cancelled"})
_DETAILS = ("reason", "detail", "sub_state", "duration", "rate", "price", "network", "conversation_uuid")


class Hooks:
    """What Vonage asks and tells."""

    carrier = "vonage"
    paths: Mapping[str, tuple[str, ...]] = {ANSWER: ("GET", "POST"), EVENT: ("GET", "POST")}

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses

    def verify(self, request: Request, now: float) -> None:
        checked(request, self._settings, now)

    def handle(self, request: Request, reception: Reception) -> Reply:
        fields = _fields(request)
        if request.path == ANSWER:
            return self._answer(request, fields, reception)
        news = _news(request.query, fields)
        if news is not None:
            reception.told(news)
        # A body would be taken for a call control object.
        return Reply()

    def _answer(self, request: Request, fields: Mapping[str, Any], reception: Reception) -> Reply:
        uuid = text(fields.get("uuid"))
        if not uuid:
            raise Denied(400, "malformed", "the request names no call")
        word = reception.offered(
            Offer(
                uuid,
                e164(fields.get("from")),
                e164(fields.get("to")),
                leg=text(fields.get("conversation_uuid")),
                event=uuid,
                parameters=_parameters(request.query, fields),
            )
        )
        if not isinstance(word, Welcome):
            return reply(refused(self._settings))
        ncco = connected(self._settings, self._addresses, call=word.call, ticket=word.ticket, uuid=uuid)
        return reply(ncco)


def _fields(request: Request) -> Mapping[str, Any]:
    """A request's fields: of its query (GET) or of its JSON."""
    if request.method.upper() == "GET":
        return request.query
    body = request.json()
    if not isinstance(body, dict):
        raise Denied(400, "malformed", "the body is not an object")
    return body


def _parameters(query: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, str]:
    """What the address has (`agent`), and SIP headers under their own names, which all begin with X-."""
    prefix = "SipHeader_"
    headers = {name.removeprefix(prefix): text(value) for name, value in fields.items() if name.startswith(prefix)}
    # Anyone who calls by SIP can write headers; who may choose the agent is whoever wrote the webhook's address.
    named = {name: value for name, value in headers.items() if name.lower().startswith("x-")}
    return named | ({"agent": query["agent"]} if "agent" in query else {})


def _news(query: Mapping[str, str], fields: Mapping[str, Any]) -> News | None:
    status = text(fields.get("status")).lower()
    uuid = text(fields.get("uuid")) or text(fields.get("call_uuid"))
    ours = query.get("call", "")
    stamp = text(fields.get("timestamp"))
    event = f"{uuid or text(fields.get('conversation_uuid'))}:{status or _kind(fields)}:{stamp}"
    at = _seconds(stamp)
    details = {name: text(fields.get(name)) for name in _DETAILS if text(fields.get(name))}
    if text(fields.get("to")).startswith(("ws://", "wss://")):
        caller = query.get("uuid", "")
        if status not in _LOST or not (ours or caller):
            return None
        return News(What.MEDIA_FAILED, caller, event, ours, word=status, at=at, order=at, details=details)
    if "transfer" in query:
        what = What.TRANSFERRED if status == "answered" else What.UNTRANSFERRED if status in _MISSED else None
        if what is None or not query["transfer"]:
            return None
        return News(what, query["transfer"], event, word=status, at=at, order=at, details=details)
    if not (uuid or ours):
        return None
    direction = text(fields.get("direction"))
    return News(
        _STATUSES.get(status, What.NOTED),
        uuid,
        event,
        ours,
        leg=text(fields.get("conversation_uuid")),
        outbound={"outbound": True, "inbound": False}.get(direction),
        caller=e164(fields.get("from")),
        called=e164(fields.get("to")),
        word=status or _kind(fields),
        by="caller" if status == "completed" and fields.get("disconnected_by") == "user" else "",
        at=at,
        order=at,
        details=details,
    )


def _kind(fields: Mapping[str, Any]) -> str:
    """A word for an event that has no status."""
    for name, word in (("conversation_uuid_to", "transfer"), ("recording_url", "record"), ("dtmf", "input")):
        if name in fields:
            return word
    return "error" if "reason" in fields else "event"


def _seconds(when: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(when)
        return moment.timestamp() if moment.tzinfo is not None else 0.0
    except (ValueError, OverflowError):
        return 0.0
