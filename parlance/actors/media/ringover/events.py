"""What Ringover's events mean: their names and older names, the section each belongs to, what is told of it. Pure.

Names and fields are those of ringover/ringover-webhooks-php and bartick/ringover-webhooks; the help center and older
receivers have some other names for the same. Ids are up to 64 bits long and stay whole as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parlance.actors.media.number import e164
from parlance.actors.media.ringover.signature import Envelope, seconds
from parlance.actors.media.webhook import News, What, listed, part, text

_ALIASES = {
    "incoming_call": "ringing",
    "call_ringing": "ringing",
    "call_answered": "answered",
    "call_hangup": "hangup",
    "call_ended": "hangup",
    "missed_call": "missed",
    "call_missed": "missed",
}
_CALL = {
    "ringing": What.RINGING,
    "answered": What.ANSWERED,
    "hangup": What.ENDED,
    "missed": What.UNANSWERED,
    "voicemail": What.NOTED,
}
_AFTER = frozenset(
    "comments_updated tags_updated aftercall record_available voicemail_available transcription_available "
    "summary_available".split()
)
_TIMES = {"ringing": "start_time", "answered": "answered_time", "hangup": "hangup_time"}
_MACHINES = frozenset({"MACHINE", "VOICEMAIL"})
_DETAILS = (
    "user_id reason duration_in_seconds answering_machine_detection code comments summary message private_message "
    "record private_record record_link private_record_link record_duration voicemail_link voicemail_duration "
    "transcription_link"
).split()
_LONGEST = 500
"""Signs of one detail that are kept."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `resource` and `name` as they are spelled today, and its data."""

    resource: str
    name: str
    data: Mapping[str, Any]
    at: float
    """The envelope's time, seconds since 1970; 0 if there is none."""

    @property
    def call(self) -> str:
        return text(self.data.get("call_id")) or text(self.data.get("callId"))

    @property
    def section(self) -> str:
        """Whose key signs it (a field of `Keys`); empty for what nobody knows."""
        match self.resource, self.name:
            case "call", "routing" | "ivr_response_code":
                return "routing"
            case "call", "contact":
                return "contact_call"
            case "search", "contact":
                return "contact_search"
            case "call", name if name in _CALL:
                return "calls"
            case "aftercall" | "sms", _:
                return "calls"
        return ""

    @property
    def outbound(self) -> bool | None:
        return {"in": False, "out": True}.get(text(self.data.get("direction")).lower().removesuffix("bound"))

    @property
    def caller(self) -> str:
        if _true(self.data.get("is_anonymous")):
            return ""
        return e164(self.data.get("from_number") or self.data.get("caller_number"), bare=6)

    @property
    def called(self) -> str:
        return e164(self.data.get("to_number") or self.data.get("receiver_number"), bare=6)

    @property
    def key(self) -> str:
        """The same for each delivery of this event (`attempt` differs), and for no other event."""
        own = text(self.data.get("id")) or f"{self.call}@{self.at:.3f}"
        return f"{self.resource}.{self.name}:{own}"


def read(envelope: Envelope) -> Event:
    """An envelope's event. One without `data` is its own data, as in the help center's example."""
    data = envelope.get("data")
    if not isinstance(data, dict):
        data = envelope
    name = text(envelope.get("event"))
    name = _ALIASES.get(name, name)
    resource = text(envelope.get("resource")) or text(envelope.get("ressource"))
    if not resource:
        search = name == "contact" and not data.get("call_id")
        resource = "search" if search else "aftercall" if name in _AFTER else "call"
    return Event(resource, name, data, seconds(envelope.get("timestamp")))


def news(event: Event) -> Iterator[News]:
    """What is to be told of it: nothing, where it names no call."""
    if not event.call:
        return
    what = _CALL.get(event.name, What.NOTED) if event.resource == "call" else What.NOTED
    if what is What.ENDED:
        verdict = text(event.data.get("answering_machine_detection")).upper()
        if verdict in _MACHINES or verdict == "HUMAN":
            yield _made(event, What.HUMAN if verdict == "HUMAN" else What.MACHINE, f"{event.key}:machine", verdict)
        if _never_answered(event.data):
            what = What.UNANSWERED
    yield _made(event, what, event.key, event.name)


def _made(event: Event, what: What, key: str, word: str) -> News:
    return News(
        what,
        event.call,
        event=key,
        leg=text(event.data.get("channel_id")),
        outbound=event.outbound,
        caller=event.caller,
        called=event.called,
        word=word,
        at=seconds(event.data.get(_TIMES.get(event.name, ""))) or event.at,
        details=dict(_details(event.data)),
    )


def _never_answered(data: Mapping[str, Any]) -> bool:
    """A hang-up says when the call was answered: one that says `null` or 0 there was not."""
    said = [data[name] for name in ("answered_time", "answered_date_time_atom") if name in data]
    return bool(said) and not any(said)


def _details(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _DETAILS:
        if value := text(data.get(name)):
            yield name, value[:_LONGEST]
    if tags := ", ".join(filter(None, map(text, listed(data.get("tags"))))):
        yield "tags", tags[:_LONGEST]
    for name, value in (
        ("ivr", text(part(data, "ivr", "name")) or text(part(data, "ivr_data", "ivr_name"))),
        ("scenario", text(part(data, "ivr", "scenario", "name")) or text(part(data, "ivr_data", "scenario_name"))),
    ):
        if value:
            yield name, value[:_LONGEST]


def _true(value: Any) -> bool:
    """Truth values come as such, or as 0 and 1."""
    return text(value).lower() in ("1", "true") if not isinstance(value, bool) else value
