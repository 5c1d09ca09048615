"""What the calls API takes and gives, as Pydantic models: they check requests and describe the API (OpenAPI 3.1).

Their descriptions are read by the API's users. A key that is not known is refused, so that a typing error cannot be
silent. Times are ISO 8601 with their zone, numbers E.164 with their plus.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from parlance.engine.record import Direction, Record, Status
from parlance.switchboard import desk
from parlance.switchboard.numbers import EXAMPLE, e164

PAIRS = 20
"""Pairs of metadata, at most."""


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Number = Annotated[str, StringConstraints(max_length=32), AfterValidator(e164), Field(examples=[EXAMPLE])]
Maybe = Annotated[str, StringConstraints(max_length=32), AfterValidator(lambda text: text and e164(text))]
"""A number, or nothing."""
Name = Annotated[str, StringConstraints(max_length=64)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Value = Annotated[str, StringConstraints(max_length=512)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Moment = Annotated[str | None, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T18:45:10.123Z"])]


class Body(BaseModel):
    """What a request may say."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Order(Body):
    """A call to be placed."""

    to: Number = Field(description="The number to call.")
    agent: Name = Field("", description="The name of the agent who calls; empty: the one who answers by default.")
    source: Maybe = Field(
        "",
        alias="from",
        description="One of your numbers, which the callee sees; empty: the agent's or the carrier's first.",
        examples=[EXAMPLE],
    )
    carrier: Name = Field(
        "", description="Which carrier; empty: the one whose number it comes from.", examples=["ringover"]
    )
    metadata: dict[Key, Value] = Field(
        default_factory=dict,
        max_length=PAIRS,
        description="What you want to find the call by again.",
        examples=[{"order": "42"}],
    )
    not_before: AwareDatetime | None = Field(None, description="When it may be dialed at the earliest.")
    attempts: int | None = Field(None, ge=1, le=20, description="How often it may be dialed; null: as its agent says.")

    def order(self) -> desk.Order:
        return desk.Order(
            to=self.to,
            agent=self.agent,
            source=self.source,
            carrier=self.carrier,
            metadata=self.metadata,
            not_before=None if self.not_before is None else self.not_before.timestamp(),
            attempts=self.attempts,
        )


class Terminate(Body):
    """How to end a call. May be left out."""

    words: Words | None = Field(None, description="What the agent says before it hangs up.", examples=["Goodbye."])
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        "ended by an operator", description="For the record."
    )

    def command(self) -> desk.Terminate:
        return desk.Terminate(self.words, self.reason)


class Transfer(Body):
    """Where to connect the caller."""

    to: Number = Field(description="The number that takes over. The agent leaves.")

    def command(self) -> desk.Transfer:
        return desk.Transfer(self.to)


class Dtmf(Body):
    """Digits to press."""

    digits: Annotated[str, StringConstraints(pattern=r"^[0-9A-D*#]{1,64}$")] = Field(
        description="0 to 9, A to D, * and #.", examples=["1234#"]
    )

    def command(self) -> desk.Press:
        return desk.Press(self.digits)


class Say(Body):
    """What the agent shall say."""

    text: Words = Field(description="The words.", examples=["Please hold the line."])
    interrupt: bool = Field(False, description="Whether to stop what the agent is saying now.")

    def command(self) -> desk.Say:
        return desk.Say(self.text, self.interrupt)


class Text(Body):
    """A text message."""

    to: Number = Field(description="Who gets it.")
    words: Words = Field(alias="text", description="What it says.", examples=["Your appointment is on Monday at ten."])
    source: Maybe = Field("", alias="from", description="One of your numbers; empty: the default agent's.")
    carrier: Name = Field("", description="The carrier; empty: the number's.")

    def text_message(self) -> desk.Text:
        return desk.Text(self.to, self.words, self.source, self.carrier)


class Sent(BaseModel):
    """A text message that a carrier has taken."""

    model_config = ConfigDict(populate_by_name=True)
    carrier: str = Field(examples=["ringover"])
    source: str = Field(alias="from", examples=[EXAMPLE])
    to: str = Field(examples=[EXAMPLE])


def _several(value: Any) -> Any:
    """A parameter that may come several times, or once with commas."""
    return value.split(",") if isinstance(value, str) else value


def _once(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _pair(text: str) -> str:
    if ":" not in text:
        raise ValueError("write key:value, like order:42")
    return text


def _plus(value: Any) -> Any:
    # An unescaped plus in a query is a space.
    return "+" + value[1:] if isinstance(value, str) and value.startswith(" ") else value


class Query(BaseModel):
    """Which calls to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[list[Status], BeforeValidator(_several)] = Field([], description="One or several, with commas.")
    direction: Direction | None = Field(None, description="Who called whom.")
    agent: Name = Field("", description="The agent's name.")
    carrier: Name = Field("", description="The carrier's name.")
    number: Annotated[Maybe, BeforeValidator(_plus)] = Field(
        "", description="The caller's or the called one; write its plus as %2B."
    )
    since: AwareDatetime | None = Field(None, description="Created then or later.")
    until: AwareDatetime | None = Field(None, description="Created before.")
    metadata: Annotated[list[Annotated[str, AfterValidator(_pair)]], BeforeValidator(_once)] = Field(
        [], description="key:value; may be given several times, all must match."
    )
    limit: int = Field(50, ge=1, le=200, description="Calls on a page.")
    cursor: Annotated[str, StringConstraints(max_length=512)] | None = Field(
        None, description="Of the page before: as it came, with the same filters."
    )

    def filter(self) -> desk.Filter:
        return desk.Filter(
            status=frozenset(self.status),
            direction=self.direction,
            agent=self.agent,
            carrier=self.carrier,
            number=self.number,
            since=None if self.since is None else self.since.timestamp(),
            until=None if self.until is None else self.until.timestamp(),
            metadata=dict((key, value) for key, _, value in (pair.partition(":") for pair in self.metadata)),
        )


class Used(BaseModel):
    """What a call has used, by provider."""

    ears: dict[str, float] = Field(description="Seconds of audio.", examples=[{"deepgram": 41.3}])
    minds: dict[str, dict[str, int]] = Field(
        description="Requests, tokens in and out, and how many of those in were cached.",
        examples=[{"openai": {"requests": 6, "in": 2310, "out": 204, "cached": 1024}}],
    )
    voices: dict[str, int] = Field(description="Characters.", examples=[{"deepgram": 812}])
    discarded: int = Field(description="Replies that were begun ahead and not wanted.")


class Call(BaseModel):
    """A call. Times are null until they have come."""

    id: str = Field(examples=["0198f3a2c4d07b1e"])
    status: Status
    direction: Direction
    agent: str = Field(examples=["receptionist"])
    carrier: str = Field(examples=["ringover"])
    source: str = Field(alias="from", description="The caller's number; empty if it was withheld.", examples=[EXAMPLE])
    to: str = Field(description="The called number.", examples=["+33199000099"])
    created: Moment = None
    ringing: Moment = None
    connected: Moment = Field(None, description="Answered.")
    started: Moment = Field(None, description="The agent could hear and speak.")
    ended: Moment = None
    due: Moment = Field(None, description="When a call that waits is dialed next.")
    attempts: int = Field(0, description="How often it was dialed.")
    ended_by: str = Field("", description="caller, agent, operator, carrier or house; empty while it goes on.")
    reason: str = Field("", description="Why it ended.", examples=["busy"])
    answered_by: str = Field("", description="human or machine, where somebody knows.")
    muted: bool = False
    held: bool = False
    transferred: str = Field("", description="The number that the caller was connected with.")
    line: str = Field("", description="The carrier's own id of the call.")
    used: Used | None = Field(None, description="What it has used of ears, minds and voices, once it has ended.")
    metadata: dict[str, str] = {}

    model_config = ConfigDict(use_enum_values=True)

    @classmethod
    def of(cls, record: Record) -> Call:
        return cls.model_validate(
            {
                "id": record.id,
                "status": record.status,
                "direction": record.direction,
                "agent": record.agent,
                "carrier": record.carrier,
                "from": record.caller,
                "to": record.called,
                "created": moment(record.created),
                "ringing": moment(record.ringing),
                "connected": moment(record.connected),
                "started": moment(record.started),
                "ended": moment(record.ended),
                "due": moment(record.due),
                "attempts": record.attempts,
                "ended_by": record.ended_by,
                "reason": record.reason,
                "answered_by": record.answered_by,
                "muted": record.muted,
                "held": record.held,
                "transferred": record.transferred,
                "line": record.line,
                "used": record.used and asdict(record.used),
                "metadata": dict(record.metadata),
            }
        )


class Calls(BaseModel):
    """A page of calls, the newest first."""

    calls: list[Call]
    cursor: str | None = Field(None, description="Of the next page; null: this is the last one.")


class Done(BaseModel):
    """The call after a command."""

    call: Call
    done: bool = Field(description="Whether the command had an effect.")
    detail: str = Field("", description="Why it had none.", examples=["the call has ended"])
