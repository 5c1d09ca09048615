"""RingCentral's webhooks: the profile's `call.inbound` of a gateway, and telephony session events of RingCentral. Pure.

Both carry a static token that was set up, which is all RingCentral has: it signs neither body nor time. Its guide
"Receiving Webhooks" has had two names for the header, after the name in the subscription: `validationToken` comes as
`Validation-Token`, `verificationToken` as `Verification-Token`. When a subscription is made, RingCentral sends a random
`Validation-Token` with no event and wants it back in the same header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from parlance.actors.media.number import e164
from parlance.actors.media.ringcentral import sessions
from parlance.actors.media.ringcentral.access import FORMATS, MEDIA
from parlance.actors.media.ringcentral.settings import Settings
from parlance.actors.media.webhook import (
    Addresses,
    Denied,
    News,
    Offer,
    Reception,
    Refusal,
    Reply,
    Request,
    What,
    part,
    reply,
    same,
    text,
)

INBOUND = "/api/voice/inbound"
EVENTS = "/api/v1/webhooks/ringcentral/event"
HEADER = "validation-token"
PROOFS = (HEADER, "verification-token")
_ECHOED = re.compile(r"[!-~]{1,512}")
"""A random token that goes back as it came: one word, and short enough for an answer of 1024 bytes."""
_HANDSHAKE = 1024
"""Bytes: a longer body is no handshake."""
_LONGEST = 200


class Hooks:
    """See `webhook.Hooks`."""

    carrier = "ringcentral"
    paths: Mapping[str, tuple[str, ...]] = {INBOUND: ("POST",), EVENTS: ("POST",)}

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._token = settings.validation_token.get_secret_value()

    def verify(self, request: Request, now: float) -> None:
        """A handshake needs no proof: nothing of it is believed, and all it gets is its own token."""
        proofs = [token for name in PROOFS if (token := request.headers.get(name, ""))]
        if not proofs:
            raise Denied(401, "unsigned", "the request has neither Validation-Token nor Verification-Token")
        if not any([same(proof, self._token) for proof in proofs]) and _handshake(request) is None:
            raise Denied(401, "signature", "the token is not the one that was set up")

    def handle(self, request: Request, reception: Reception) -> Reply:
        """Read an event. What names no call and no event is a handshake."""
        if (token := _handshake(request)) is not None:
            return reply({}, Validation_Token=token)
        message = request.json()
        if not isinstance(message, dict) or not (event := text(message.get("event"))):
            raise Denied(400, "malformed", "the body is no event")
        if event == "call.inbound":
            return self._inbound(request, message, reception)
        if sessions.is_session(event):
            for news in sessions.read(event, message, self._settings.extensions):
                self._tell(news, reception)
        elif call := _call(message.get("body")):
            uuid = text(message.get("uuid"))[:_LONGEST]
            reception.told(News(What.NOTED, call, event=uuid and f"{call}/{uuid}", word=event[:_LONGEST]))
        return reply({})

    def _tell(self, news: News, reception: Reception) -> None:
        """Inbound calls begin with whoever is to offer them, so that one call does not become two: a gateway may know
        it by another id. RingOut's own legs are no offers: those are calls we have placed."""
        begins = news.what in (What.RINGING, What.ANSWERED) and news.outbound is False
        if begins and self._settings.answering == "gateway":
            reception.told(replace(news, what=What.NOTED))
        elif begins and news.what is What.RINGING and news.details.get("origin", "Call") == "Call":
            reception.offered(
                Offer(news.call, news.caller, news.called, leg=news.leg, event=news.event, parameters=news.details)
            )
        else:
            reception.told(news)

    def _inbound(self, request: Request, message: Mapping[str, Any], reception: Reception) -> Reply:
        body, query = message.get("body"), request.query
        call, theirs = _call(body), text(part(body, "id"))
        if not call:
            raise Denied(400, "malformed", "call.inbound names no call: body.id is missing or too long")
        encoding = query.get("encoding") or self._settings.encoding
        if encoding not in FORMATS:
            raise Denied(400, "malformed", "encoding is mulaw or pcm")
        agent = text(part(body, "agent")) or query.get("agent", "")
        caller, called = _number(body, "from"), _number(body, "to")
        offer = Offer(
            call,
            caller,
            called,
            leg=text(part(body, "partyId"))[:_LONGEST],
            event=text(message.get("uuid"))[:_LONGEST],
            parameters={"agent": agent} if agent else {},
        )
        word = reception.offered(offer)
        if isinstance(word, Refusal):
            return reply({"action": "reject", "reason": word.reason, "busy": word.busy})
        url = {
            "call_id": theirs[:_LONGEST] or call,
            "from_number": caller,
            "to_number": called,
            "session_id": call,
            "encoding": encoding,
            "call": word.call,
            "ticket": word.ticket,
        }
        media = {
            "type": "websocket",
            "url": self._addresses.media(MEDIA, urlencode(url, errors="replace")),
            "format": {"encoding": encoding, "sampleRate": 8000, "channels": 1},
        }
        return reply({"action": "answer", "media": media})


def _handshake(request: Request) -> str | None:
    """The token to send back, if this is RingCentral trying an address: a token, and an object without an event."""
    token, body = request.headers.get(HEADER, ""), request.body.strip()
    if len(body) > _HANDSHAKE or not _ECHOED.fullmatch(token):
        return None
    try:
        message = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    empty = message is None or (isinstance(message, dict) and not message.get("event"))
    return token if empty else None


def _call(body: Any) -> str:
    """RingCentral's id of the call, by which its REST knows it, if the gateway says it; else the gateway's own."""
    call = text(part(body, "telephonySessionId")) or text(part(body, "id"))
    return call if len(call) <= _LONGEST else ""


def _number(body: Any, side: str) -> str:
    return e164(text(part(body, side, "phoneNumber")) or text(part(body, side)), bare=11)
