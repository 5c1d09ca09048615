"""Azure's webhooks: incoming calls from Event Grid, and callbacks of Call Automation. Pure.

Event Grid signs nothing: its subscription's URL carries a secret of ours. Callbacks carry a token signed by Azure. Our
own call id rides in the callback's URL, and comes back with every event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from parlance.actors.media.acs.events import PREFIX, news
from parlance.actors.media.acs.identity import number, raw
from parlance.actors.media.acs.keys import Keys
from parlance.actors.media.acs.settings import Settings
from parlance.actors.media.errand import Errand
from parlance.actors.media.webhook import Addresses, Denied, Offer, Reception, Reply, Request, part, reply, same, text

INCOMING = "/api/v1/calls/acs/incoming"
CALLBACKS = "/api/v1/calls/acs/callbacks"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_HEADER = "x-ms-custom-"
"""What Azure demands that the names of a call's own SIP headers begin with."""
_ORIGIN = re.compile(r"[A-Za-z0-9.\-]{1,253}")


class Hooks:
    """`keys`: the same object that `Access` has. A `Learner`: it fetches them."""

    carrier = "acs"
    paths: Mapping[str, tuple[str, ...]] = {INCOMING: ("POST", "OPTIONS"), CALLBACKS: ("POST",)}

    def __init__(self, settings: Settings, addresses: Addresses, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys

    @property
    def wanted(self) -> Callable[[], None]:
        return self._keys.wanted

    @wanted.setter
    def wanted(self, call: Callable[[], None]) -> None:
        self._keys.wanted = call

    def wants(self, now: float) -> Errand | None:
        """Azure's keys: at the start, hourly, and when a token names one that is not there."""
        return self._keys.wants(now)

    def learned(self, status: int, body: bytes, now: float) -> None:
        self._keys.learned(status, body, now)

    def verify(self, request: Request, now: float) -> None:
        if not request.path.endswith(INCOMING):
            self._keys.check(request.headers.get("authorization", ""), now, self._settings.callback_age)
            return
        secret = request.query.get("secret", "")
        if not secret:
            raise Denied(401, "unsigned", "the URL carries no secret")
        if not same(secret, self._settings.incoming_secret.get_secret_value()):
            raise Denied(401, "signature", "the URL's secret is wrong")

    def handle(self, request: Request, reception: Reception) -> Reply:
        if not request.path.endswith(INCOMING):
            return _callbacks(request, reception)
        return _greeted(request) if request.method == "OPTIONS" else _incoming(request, reception)


def _greeted(request: Request) -> Reply:
    """The handshake of CloudEvents (HTTP 1.1 Web Hooks for Event Delivery, 4)."""
    origin = request.headers.get("webhook-request-origin", "")
    if not _ORIGIN.fullmatch(origin):
        raise Denied(400, "malformed", "the handshake names no origin")
    return Reply(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})


def _events(request: Request) -> list[dict[str, Any]]:
    """An array of events, or one of them (CloudEvents, structured mode)."""
    body = request.json()
    events = body if isinstance(body, list) else [body]
    if not all(isinstance(event, dict) for event in events):
        raise Denied(400, "malformed", "the body is not a list of events")
    return events


def _incoming(request: Request, reception: Reception) -> Reply:
    """Both handshake and calls. Everything is read before anything is told."""
    query = {name: value for name, value in request.query.items() if name != "secret"}
    offers: list[Offer] = []
    others: list[dict[str, Any]] = []
    for event in _events(request):
        kind = text(event.get("eventType") or event.get("type"))
        if kind == _VALIDATION:
            # Event Grid takes 200 for it, and not 202.
            return reply({"validationResponse": _needed(event, "validationCode")})
        if kind == f"{PREFIX}IncomingCall":
            offers.append(_offer(event, query))
        else:
            others.append(event)
    for offer in offers:
        reception.offered(offer)
    _told(others, "", "", reception)
    return Reply()


def _offer(event: dict[str, Any], query: dict[str, str]) -> Offer:
    data = event.get("data")
    caller = part(data, "from")
    return Offer(
        call=text(part(data, "serverCallId")) or _needed(event, "correlationId"),
        caller=number(caller),
        called=number(part(data, "to")),
        leg=raw(caller),
        event=text(event.get("id")),
        parameters={**_passed(part(data, "customContext")), **query},
        context=_needed(event, "incomingCallContext"),
    )


def _needed(event: dict[str, Any], name: str) -> str:
    value = text(part(event.get("data"), name))
    if not value:
        raise Denied(400, "malformed", f"an event lacks its {name}")
    return value


def _passed(context: Any) -> dict[str, str]:
    """What came with the call: headers of SIP without their prefix, and those of Azure's own calls."""
    passed: dict[str, str] = {}
    for kind in ("sipHeaders", "voipHeaders"):
        headers = part(context, kind)
        for name, value in headers.items() if isinstance(headers, dict) else ():
            bare = name[len(_HEADER) :] if name.lower().startswith(_HEADER) else name
            passed[bare] = text(value)
    return passed


def _callbacks(request: Request, reception: Reception) -> Reply:
    query = request.query
    _told(_events(request), query.get("call", ""), query.get("party", ""), reception)
    return Reply()


def _told(events: list[dict[str, Any]], ours: str, party: str, reception: Reception) -> None:
    for event in events:
        told = news(event, ours, party)
        if told is not None:
            reception.told(told)
