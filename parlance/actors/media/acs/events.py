"""What Call Automation tells of a call, as `News`. Pure.

Callbacks are CloudEvents 1.0 whose `type` is `Microsoft.Communication.` and a name, and whose `data` names the call
(models of azure-communication-callautomation 1.6.0). Codes: learn.microsoft.com, "Troubleshooting call end response
codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from parlance.actors.media.acs.identity import joined
from parlance.actors.media.acs.wire import TONES
from parlance.actors.media.webhook import News, What, part, text

PREFIX = "Microsoft.Communication."
_PLAIN = {
    "CallConnected": What.ANSWERED,
    "ConnectFailed": What.FAILED,
    "CallTransferAccepted": What.TRANSFERRED,
    "CallTransferFailed": What.UNTRANSFERRED,
    "MediaStreamingFailed": What.MEDIA_FAILED,
}
_LOST = frozenset(
    "streamConnectionUnsuccessful streamUrlMissing serviceShutdown streamConnectionInterrupted authenticationFailure "
    "badRequest tooManyRequests forbidden serviceTimeout initialWebSocketConnectionFailed unspecifiedError".split()
)
"""Why media streaming has stopped, other than because the call is over or because it was asked to."""
_SIP = {
    408: What.UNANSWERED,
    480: What.UNANSWERED,
    486: What.BUSY,
    487: What.CANCELED,
    600: What.BUSY,
}
"""RFC 3261, 21.4 and 21.6: how those that were called did not answer. 603 (declined) is a failure like any other."""
_OWN = {
    8538: What.FAILED,
    8539: What.BUSY,
    8540: What.BUSY,
    8541: What.UNANSWERED,
    8542: What.CANCELED,
    8543: What.CANCELED,
    8544: What.FAILED,
}
"""Azure's own: callee declined, busy, busy everywhere, unavailable; call canceled, does not exist; unreachable."""
_INBOUND, _OUTBOUND = 540_000, 560_000
"""What the telephone network says to a call is a SIP status added to one of these; alone they are a normal end."""
_TONES = {word: digit for digit, word in TONES.items()}


def news(event: Mapping[str, Any], ours: str, party: str) -> News | None:
    """One event; None if it names no call. `ours`, `party`: what the callback's URL was given."""
    data = event.get("data")
    call = text(part(data, "serverCallId")) or text(part(data, "correlationId"))
    name = text(event.get("type") or event.get("eventType")).removeprefix(PREFIX)
    if not name or not (call or ours):
        return None
    what, word = _what(name, data)
    return News(
        what,
        call,
        event=text(event.get("id")),
        ours=ours,
        leg=joined(text(part(data, "callConnectionId")), party),
        outbound={"CreateCallFailed": True, "AnswerFailed": False}.get(name),
        word=word,
        by=_by(name, data),
        at=_at(event.get("time") or event.get("eventTime")),
        details=_details(name, data),
    )


def _what(name: str, data: Any) -> tuple[What, str]:
    """What it means, and its word."""
    if name in ("CreateCallFailed", "AnswerFailed"):
        return _failure(data) or What.FAILED, name
    if name == "CallDisconnected":
        return _unanswered(data) or What.ENDED, name
    if name == "ContinuousDtmfRecognitionToneReceived":
        digit = _TONES.get(text(part(data, "tone")).lower())
        return (What.DIGIT, digit) if digit else (What.NOTED, name)
    if name == "MediaStreamingStopped" and _why(data) in _LOST:
        return What.MEDIA_FAILED, _why(data)
    if name == "MediaStreamingFailed":
        return What.MEDIA_FAILED, _why(data) or name
    return _PLAIN.get(name, What.NOTED), name


def _failure(data: Any) -> What | None:
    """How a call came to nothing, by the narrowest of its codes that says so."""
    own = _code(data, "subCode")
    if own in _OWN:
        return _OWN[own]
    sip = own % 1000 if own // 1000 in (_INBOUND // 1000, _OUTBOUND // 1000) else 0
    codes = (sip, _code(data, "sipDetails", "code"), _code(data, "code"))
    return next((_SIP[code] for code in codes if code in _SIP), None)


def _unanswered(data: Any) -> What | None:
    """What a call that is over came to, if it was never answered: the network's final word to a call of ours, or
    Azure's own on those called. A call that had been answered ends with other codes."""
    own = _code(data, "subCode")
    if own in _OWN:
        return _OWN[own]
    return _SIP.get(own - _OUTBOUND, What.FAILED) if _OUTBOUND + 400 <= own < _OUTBOUND + 700 else None


def _by(name: str, data: Any) -> str:
    """A normal end that the telephone network reports came from the telephone."""
    hung = name == "CallDisconnected" and _code(data, "subCode") in (_INBOUND, _OUTBOUND)
    return "caller" if hung else ""


def _code(data: Any, *names: str) -> int:
    value = part(data, "resultInformation", *names)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _why(data: Any) -> str:
    return text(part(data, "mediaStreamingUpdate", "mediaStreamingStatusDetails"))


def _at(value: Any) -> float:
    """An ISO 8601 time as seconds since 1970; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text(value))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _details(name: str, data: Any) -> dict[str, str]:
    said = {
        "name": name,
        "code": part(data, "resultInformation", "code"),
        "subcode": part(data, "resultInformation", "subCode"),
        "message": part(data, "resultInformation", "message"),
        "sip": part(data, "resultInformation", "sipDetails", "code"),
        "q850": part(data, "resultInformation", "q850Details", "code"),
        "context": part(data, "operationContext"),
        "media": part(data, "mediaStreamingUpdate", "mediaStreamingStatusDetails"),
        "target": part(data, "transferTarget", "rawId"),
        "recording": part(data, "state"),
    }
    return {key: text(value)[:200] for key, value in said.items() if text(value)}
