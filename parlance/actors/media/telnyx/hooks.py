"""Telnyx's webhooks: Ed25519 signatures, and what becomes of a call in the events of Call Control. Pure.

Every event comes to one address as `{"data": {"id", "event_type", "occurred_at", "payload"}}`. The signature is over
the time, a bar and the body as it came (Telnyx's page "Webhook signing"). A call that comes in is answered or refused
by a command, not by the reply.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from parlance.actors.media.number import e164
from parlance.actors.media.telnyx.settings import WEBHOOK, Settings
from parlance.actors.media.telnyx.state import State, read
from parlance.actors.media.webhook import (
    Addresses,
    Denied,
    News,
    Offer,
    Reception,
    Reply,
    Request,
    What,
    listed,
    part,
    reply,
    text,
)

_PLAIN: Mapping[str, What] = {
    "call.answered": What.ANSWERED,
    "call.bridged": What.TRANSFERRED,
    "call.dtmf.received": What.DIGIT,
    "streaming.failed": What.MEDIA_FAILED,
    "call.streaming.failed": What.MEDIA_FAILED,
}
"""Events that mean one thing. Telnyx's pages write the streams' with and without `call.` before them."""
_CAUSES: Mapping[str, What] = {
    "normal_clearing": What.ENDED,
    "time_limit": What.ENDED,
    "user_busy": What.BUSY,
    "no_answer": What.UNANSWERED,
    "timeout": What.UNANSWERED,
    "call_rejected": What.UNANSWERED,
    "originator_cancel": What.CANCELED,
    "not_found": What.FAILED,
}
"""`hangup_cause`, as telnyx-ruby's CallHangup lists its values; `unspecified` is told by the SIP code."""
_MACHINES: Mapping[str, What] = {
    "machine": What.MACHINE,
    "silence": What.MACHINE,
    "fax_detected": What.MACHINE,
    "human": What.HUMAN,
    "human_residence": What.HUMAN,
    "human_business": What.HUMAN,
}
_DETECTED = frozenset({"call.machine.detection.ended", "call.machine.premium.detection.ended"})


class Hooks:
    """What Telnyx tells."""

    carrier = "telnyx"
    paths: Mapping[str, tuple[str, ...]] = {WEBHOOK: ("POST",)}

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._tolerance = settings.tolerance
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(settings.public_key))

    def verify(self, request: Request, now: float) -> None:
        """The signature first: the time is believed only because it is signed."""
        written = request.headers.get("telnyx-signature-ed25519", "")
        stamp = request.headers.get("telnyx-timestamp", "")
        if not written or not stamp:
            raise Denied(401, "unsigned", "the request is not signed")
        try:
            signature = base64.b64decode(written, validate=True)
            self._key.verify(signature, stamp.encode("ascii") + b"|" + request.body)
            age = abs(now - int(stamp))
        except (InvalidSignature, ValueError, OverflowError):
            raise Denied(401, "signature", "the signature is not Telnyx's") from None
        if age > self._tolerance:
            raise Denied(401, "expired", f"the request was signed {age:.0f} s away from now")

    def handle(self, request: Request, reception: Reception) -> Reply:
        """200 for whatever is an event, known or not: Telnyx would only send it again."""
        data = part(request.json(), "data")
        kind, payload = text(part(data, "event_type")), part(data, "payload")
        if not kind or not isinstance(payload, dict):
            raise Denied(400, "malformed", "the body is not an event of Telnyx")
        call = text(payload.get("call_control_id"))
        if call and kind == "call.initiated" and payload.get("direction") == "incoming":
            reception.offered(_offer(request, data, payload, call))
        elif call:
            news = _news(kind, data, payload, call)
            if news is not None:
                reception.told(news)
        return reply({})


def _offer(request: Request, data: Any, payload: dict[str, Any], call: str) -> Offer:
    headers = [*listed(payload.get("custom_headers")), *listed(payload.get("sip_headers"))]
    given = {text(part(header, "name")): text(part(header, "value")) for header in headers}
    # Anyone who calls by SIP can write these; who may choose the agent is whoever wrote the webhook's address.
    named = {name: value for name, value in given.items() if name.lower().startswith("x-")}
    return Offer(
        call,
        e164(payload.get("from")),
        e164(payload.get("to")),
        leg=text(payload.get("call_leg_id")),
        event=text(part(data, "id")),
        parameters={**named, **request.query},
    )


def _news(kind: str, data: Any, payload: dict[str, Any], call: str) -> News | None:
    state = read(text(payload.get("client_state")))
    if state is not None and state.kind == "leg":
        return _onward(kind, data, payload, state)
    what, word = _told(kind, payload)
    at = _seconds(text(part(data, "occurred_at")))
    ours = "" if state is None else state.id
    outbound = None if state is None else state.kind == "out"
    if kind == "call.initiated":
        outbound = payload.get("direction") == "outgoing"
    return News(
        what,
        call,
        event=text(part(data, "id")),
        ours=ours,
        leg=text(payload.get("call_leg_id")),
        outbound=outbound,
        caller=e164(payload.get("from")),
        called=e164(payload.get("to")),
        word=word,
        by=_by(text(payload.get("hangup_source")), outbound) if kind == "call.hangup" else "",
        at=at,
        order=at,
        details=_details(payload),
    )


def _onward(kind: str, data: Any, payload: dict[str, Any], state: State) -> News | None:
    """The leg that a transfer has dialed: what becomes of it is news of the call transferred."""
    what, word = _told(kind, payload)
    if kind == "call.answered":
        what = What.TRANSFERRED
    elif kind == "call.hangup" and what is not What.ENDED:
        what = What.UNTRANSFERRED
    else:
        return None
    at = _seconds(text(part(data, "occurred_at")))
    return News(what, state.id, event=text(part(data, "id")), word=word, at=at, order=at, details=_details(payload))


def _told(kind: str, payload: dict[str, Any]) -> tuple[What, str]:
    """What an event means, and the carrier's word for it."""
    if kind == "call.hangup":
        return _ended(payload)
    if kind == "call.initiated":
        # Nothing tells when it rings; this is the last that is heard of a call before it is answered.
        return What.RINGING, text(payload.get("state")) or kind
    if kind in _DETECTED:
        result = text(payload.get("result"))
        return _MACHINES.get(result, What.NOTED), result or kind
    what = _PLAIN.get(kind, What.NOTED)
    if what is What.DIGIT:
        digit = text(payload.get("digit"))
        return (what, digit) if digit else (What.NOTED, kind)
    if what is What.MEDIA_FAILED:
        return what, text(payload.get("failure_reason")) or text(payload.get("reason")) or kind
    return what, kind


def _ended(payload: dict[str, Any]) -> tuple[What, str]:
    cause, sip = text(payload.get("hangup_cause")), text(payload.get("sip_hangup_cause"))
    what = _CAUSES.get(cause)
    if what is None:
        what = _SIP.get(sip) or (What.FAILED if sip[:1] in ("4", "5", "6") else What.ENDED)
    return what, cause or sip or "hangup"


_SIP: Mapping[str, What] = {
    "486": What.BUSY,
    "600": What.BUSY,
    "408": What.UNANSWERED,
    "480": What.UNANSWERED,
    "603": What.UNANSWERED,
    "487": What.CANCELED,
}
"""RFC 3261 section 21."""


def _by(source: str, outbound: bool | None) -> str:
    """Who hung up. Telnyx says which end; which end is ours depends on who has called."""
    if outbound is None or source not in ("caller", "callee"):
        return ""
    return "agent" if (source == "caller") == outbound else "caller"


def _details(payload: dict[str, Any]) -> dict[str, str]:
    found = {name: text(payload.get(name)) for name in ("hangup_cause", "sip_hangup_cause", "hangup_source", "result")}
    recordings = payload.get("recording_urls")
    if isinstance(recordings, dict):
        found |= {f"recording.{name}": text(url) for name, url in recordings.items()}
    return {name: value for name, value in found.items() if value}


def _seconds(when: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(when)
        return moment.timestamp() if moment.tzinfo is not None else 0.0
    except (ValueError, OverflowError):
        return 0.0
