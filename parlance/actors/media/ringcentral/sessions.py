"""RingCentral's telephony session notifications, read as news of calls: one for each party that is ours. Pure.

The codes are of RingCentral's guide "Telephony Session Notifications", the reasons of its SDKs' `CallStatusInfo`; the
two do not spell all codes alike, and both spellings are taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from parlance.actors.media.number import e164
from parlance.actors.media.webhook import News, What, listed, part, text

_EXTENSION = re.compile(r"/extension/([^/?]+)/telephony/sessions")
_CODES = {
    "proceeding": What.RINGING,
    "answered": What.ANSWERED,
    "voicemail": What.UNANSWERED,
    "gone": What.TRANSFERRED,
    "disconnected": What.ENDED,
}
_REASONS = {
    What.TRANSFERRED: "blindtransfer rcctransfer attendedtransfer dtmftransfer"
    " callflip callswitch callpark parklocation",
    What.BUSY: "targetbusy rejected",
    What.UNANSWERED: "noanswer timeout voicemail callreplied",
    What.CANCELED: "cancelled agentanswered pickup takeover callerinputredirect callredirected",
    What.FAILED: "invalidnumber internationaldisabled destinationblocked notenoughfunds nosuchuser internalerror",
    What.NOTED: "supervising",
}
_BY_REASON = {word: what for what, words in _REASONS.items() for word in words.split()}
_LONGEST = 200


def is_session(event: str) -> bool:
    return "/telephony/sessions" in event


def read(event: str, notification: Mapping[str, Any], extensions: Collection[str]) -> Iterator[News]:
    """What a notification says of each party of `extensions`; if there are none, of the one its own filter names.

    An account's filter names none, and then nothing is told: the end of a queue's party is not the end of a call.
    `News.call` is the telephony session's id, `leg` the party's. The order of a session's events is its `sequence`:
    RingCentral says that they may arrive in another one.
    """
    body = notification.get("body")
    session = text(part(body, "telephonySessionId"))
    if not session or len(session) > _LONGEST:
        return
    named = _EXTENSION.search(event)
    ours = extensions or ((named[1],) if named else ())
    for party in listed(part(body, "parties")):
        if isinstance(party, dict) and text(party.get("extensionId")) in ours:
            yield _news(session, text(notification.get("uuid")), body, party)


def _news(session: str, uuid: str, body: Any, party: Mapping[str, Any]) -> News:
    code, reason = text(part(party, "status", "code")), text(part(party, "status", "reason"))
    direction = text(party.get("direction")).lower()
    outbound = {"outbound": True, "inbound": False}.get(direction)
    sequence = body.get("sequence")
    counted = isinstance(sequence, int) and not isinstance(sequence, bool) and 0 <= sequence < 1 << 53
    leg = text(party.get("id"))[:_LONGEST]
    # Two filters bring one change twice, each with a uuid of its own; the sequence is the change's.
    name = f"{session}/{sequence if counted else uuid[:_LONGEST]}/{leg}/{code[:_LONGEST]}"
    what = _what(code.lower(), reason.lower(), outbound, party.get("missedCall") is True)
    details = {
        "direction": direction,
        "extension": text(party.get("extensionId")),
        "origin": text(part(body, "origin", "type")),
        "muted": "yes" if party.get("muted") is True else "",
        "peer": text(part(party, "status", "peerId", "telephonySessionId"))
        or text(part(party, "status", "peerId", "sessionId")),
    }
    return News(
        what,
        session,
        event=name,
        leg=leg,
        outbound=outbound,
        caller=e164(text(part(party, "from", "phoneNumber")), bare=11),
        called=e164(text(part(party, "to", "phoneNumber")), bare=11),
        word=(f"{code}: {reason}" if reason else code)[:_LONGEST],
        by="caller" if what is What.CANCELED and outbound is False and reason.lower() == "cancelled" else "",
        at=_time(text(body.get("eventTime"))),
        order=float(sequence) if counted else 0.0,
        details={key: value[:_LONGEST] for key, value in details.items() if value},
    )


def _what(code: str, reason: str, outbound: bool | None, missed: bool) -> What:
    """Of a code that is not known, and of what leaves the call as it is (Hold, Parked, VMScreening), a note."""
    if code == "setup":
        # For who calls it only says that RingCentral has the request; for who is called, that it rings.
        return What.NOTED if outbound else What.RINGING
    what = _CODES.get(code, What.NOTED)
    if code in ("disconnected", "gone"):
        what = _BY_REASON.get(reason, what)
    return What.UNANSWERED if what is What.ENDED and missed else what


def _time(said: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; 0 for anything else."""
    try:
        time = datetime.fromisoformat(said)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
