"""What the house needs of a carrier's webhooks: `Hooks`, which verify and read requests, and what they may tell. Pure.

A carrier's hooks are sans-IO: a request comes in as data, is verified before anything of it is believed, and leaves as
a reply and as calls to `Reception`. Nothing here waits: an answer that takes requests of our own is given by the
carrier's control (`errand`). Carriers deliver twice, late and out of order; the reception tolerates all three, as long
as each `News` says which event it is.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from parlance.actors.media.errand import Errand
from parlance.engine.errors import ParlanceError


@dataclass(frozen=True, slots=True)
class Request:
    """A webhook's HTTP request. `url`: as the carrier asked for it, with our public scheme and host, and its query."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Names in lower case; of one that came twice, the values joined by ", "."""
    body: bytes
    peer: str = ""
    """The address it came from, without the port."""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        """Of a parameter that is given twice, the last."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def form(self) -> list[tuple[str, str]]:
        """The fields of a form body, in their order. Raises `Denied` (400) for what is no form."""
        try:
            return parse_qsl(self.body.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(self.body))
        except ValueError:
            raise Denied(400, "malformed", "the body is not a form") from None

    def json(self) -> Any:
        """The body's JSON. Integers stay whole, however long. Raises `Denied` (400) for what is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Denied(400, "malformed", "the body is not JSON") from None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a webhook."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON; underscores in a header's name become hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers=named)


class Denied(ParlanceError):
    """A request that is not believed, or makes no sense. `status`: the HTTP status to answer with (400, 401, 403, 413);
    `reason`: one word for counting (`unsigned`, `signature`, `expired`, `replayed`, `malformed`, ...)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def same(one: str | bytes, other: str | bytes) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ."""
    a = one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one
    b = other.encode("utf-8", "surrogatepass") if isinstance(other, str) else other
    return hmac.compare_digest(a, b)


# -------------------------------------------------------------------------------------- what is told


class What(Enum):
    """What has become of a call at the carrier."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"
    """It is over after having been answered."""
    BUSY = "busy"
    UNANSWERED = "no-answer"
    """It rang, and nobody took it."""
    FAILED = "failed"
    """It could not be put through."""
    CANCELED = "canceled"
    MACHINE = "machine"
    """The carrier heard an answering machine take the call."""
    HUMAN = "human"
    TRANSFERRED = "transferred"
    UNTRANSFERRED = "transfer-failed"
    DIGIT = "digit"
    """`word` is the digit pressed."""
    MEDIA_FAILED = "media-failed"
    """The carrier could not open its media socket to us, or lost it; `word` says why."""
    NOTED = "noted"
    """Something worth a line in the log (a recording is available, tags have changed): `word` and `details`."""


@dataclass(frozen=True, slots=True)
class News:
    """A carrier's word on one call."""

    what: What
    call: str
    """The carrier's id of the call."""
    event: str = ""
    """What makes this event different from all others of the carrier: delivered twice, it is worked off once."""
    ours: str = ""
    """Our id of the call, where the carrier gives back what it was given."""
    leg: str = ""
    """The carrier's other id, where its control needs one (Ringover's channel, a RingCentral party)."""
    outbound: bool | None = None
    """Whether we have called them; None where the carrier does not say."""
    caller: str = ""
    called: str = ""
    word: str = ""
    """The carrier's own word for what happened, for records."""
    by: str = ""
    """Who ended it, where the carrier says: `caller`, `agent`, `carrier`."""
    at: float = 0.0
    """When, in seconds since 1970, by the carrier's clock; 0 where it does not say."""
    order: float = 0.0
    """News of one call with a smaller number are older, where the carrier numbers them."""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A call that has come in and waits for our word."""

    call: str
    caller: str
    called: str
    leg: str = ""
    event: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the carrier lets its users pass on, the agent's name among it (`agent`)."""
    elsewhere: bool = False
    """If we take it, it is sent on to another carrier's number, and comes from there as a call of its own."""
    context: str = ""
    """What the carrier's control needs for answering (ACS: `incomingCallContext`)."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The call is taken: a seat is kept for it. `ticket` lets its media socket in."""

    call: str
    """Our id."""
    agent: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call is not taken. `reason` is one word (`full`, `agent-full`, `draining`, `unknown-agent`, ...)."""

    reason: str
    message: str = ""
    busy: bool = True
    """It may be tried again later; otherwise never."""


class Reception(Protocol):
    """What hooks may tell the house."""

    def offered(self, offer: Offer) -> Welcome | Refusal:
        """A call has come in: take it or not. Asked twice about one call, it answers the same twice."""

    def told(self, news: News) -> None:
        """Something has become of a call."""


class Hooks(Protocol):
    """One carrier's webhooks."""

    carrier: str
    paths: Mapping[str, tuple[str, ...]]
    """Path -> methods. A path may hold `{name}` for one segment."""

    def verify(self, request: Request, now: float) -> None:
        """Raise `Denied` unless the carrier has sent this. `now`: seconds since 1970."""

    def handle(self, request: Request, reception: Reception) -> Reply:
        """Read a verified request, tell, and answer. Raises `Denied` (400) for what makes no sense."""


class Learner(Protocol):
    """Hooks or a control that must fetch something from the carrier first, and again later: keys, an access token."""

    wanted: Callable[[], None]
    """Set by whoever runs the errands; called when `wants` would now return something."""

    def wants(self, now: float) -> Errand | None:
        """The request to make now, or None while everything needed is there."""

    def learned(self, status: int, body: bytes, now: float) -> None:
        """Its answer; `status` 0: there was none. Raises nothing: without an answer it goes on wanting."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where carriers find this house. `public`: `https://your.host`, without a slash at its end."""

    public: str

    def web(self, path: str, query: str = "") -> str:
        return f"{self.public}{path}{'?' + query if query else ''}"

    def media(self, path: str, query: str = "") -> str:
        """The same as the address of a WebSocket."""
        return "ws" + self.web(path, query).removeprefix("http")


def text(value: Any) -> str:
    """A string, or a number as text, whatever its length; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def part(value: Any, *names: str) -> Any:
    """What is below `names` in nested objects; None where one of them is missing or is no object."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def listed(value: Any) -> Sequence[Any]:
    """A list, or nothing."""
    return value if isinstance(value, list) else ()
