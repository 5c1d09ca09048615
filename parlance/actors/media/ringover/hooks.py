"""Ringover's webhooks: which paths, who has signed, what is told, and what smart routing is answered. Pure.

The four sections of Ringover's webhook page have a key each. One path takes the events of all of them, and each of the
others those of its own; an event must be signed with the key of its own section. `ivr_response_code` is not signed by
Ringover: a secret in its path stands in for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from parlance.actors.media.ringover import events
from parlance.actors.media.ringover.numbers import dialed
from parlance.actors.media.ringover.settings import Keys, Settings
from parlance.actors.media.ringover.signature import Envelope, unsigned, verified
from parlance.actors.media.webhook import (
    Addresses,
    Denied,
    Offer,
    Reception,
    Reply,
    Request,
    Welcome,
    reply,
    same,
    text,
)

_NO_OPINION = Reply(204)


class Hooks:
    """What `verify` has read is kept for `handle`, which reads any other request itself, signature and all."""

    carrier = "ringover"

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        places = settings.webhooks
        self._sections: Mapping[str, tuple[str, ...]] = {
            places.event: tuple(Keys.model_fields),
            places.contact: ("contact_call",),
            places.search: ("contact_search",),
            places.routing: ("routing",),
        }
        self._ivr = f"{places.ivr}/"
        self.paths: Mapping[str, tuple[str, ...]] = dict.fromkeys(
            (*self._sections, f"{places.ivr}/{{secret}}"), ("POST",)
        )
        self._verified: tuple[Request, Envelope] | None = None

    def verify(self, request: Request, now: float) -> None:
        self._verified = None
        self._verified = request, self._read(request, now)

    def handle(self, request: Request, reception: Reception) -> Reply:
        """Only the answer to smart routing decides anything: everything else is answered 200, known or not."""
        known, self._verified = self._verified, None
        event = events.read(known[1] if known is not None and known[0] is request else self._read(request, None))
        if event.resource == "call" and event.name == "routing":
            return self._route(event, reception)
        for news in events.news(event):
            reception.told(news)
        if event.name == "contact":
            return reply([]) if event.resource == "search" else _NO_OPINION
        return reply({})

    def _read(self, request: Request, now: float | None) -> Envelope:
        return self._secretly(request) if request.path.startswith(self._ivr) else self._signed(request, now)

    def _signed(self, request: Request, now: float | None) -> Envelope:
        settings = self._settings
        sections = self._sections.get(request.path, ())
        keys = list(dict.fromkeys(filter(None, map(settings.key, sections))))
        envelope, key = verified(request, settings.signature, keys, now, settings.window)
        section = events.read(envelope).section
        if section and (section not in sections or not same(key, settings.key(section))):
            raise Denied(401, "section", f"this event is not signed with the key of its section ({section})")
        return envelope

    def _secretly(self, request: Request) -> Envelope:
        secret = self._settings.ivr_secret.get_secret_value()
        if not secret or not same(unquote(request.path.removeprefix(self._ivr)), secret):
            raise Denied(401, "secret", "this is not the address of the IVR webhook")
        envelope = unsigned(request)
        if events.read(envelope).name != "ivr_response_code":
            raise Denied(401, "unsigned", "only ivr_response_code comes unsigned")
        return envelope

    def _route(self, event: events.Event, reception: Reception) -> Reply:
        """The call is offered if there is anything to decide: a number to send it to, taken or not taken."""
        settings = self._settings
        if not (settings.route_to or settings.routes or settings.fallback_to) or not event.call or event.outbound:
            return _NO_OPINION
        offer = Offer(
            event.call,
            event.caller,
            event.called,
            leg=text(event.data.get("channel_id")),
            event=f"{event.resource}.{event.name}:{event.call}",
            elsewhere=bool(settings.route_to or settings.routes),
        )
        answer = reception.offered(offer)
        if isinstance(answer, Welcome):
            number = settings.routes.get(answer.agent, settings.route_to)
        else:
            number = settings.fallback_to
        return self._sent_to(number) if number else _NO_OPINION

    def _sent_to(self, number: str) -> Reply:
        """The answer of ringover/ringover-webhooks-php's SmartRoutingEventResponse and of Ringover's own samples."""
        return reply(
            {
                "name": "redirections",
                "dispatch": "ringall",
                "max_attempts": 1,
                "start_delay": 0,
                "is_stay_not_connected": 1,
                "is_stay_in_call": 0,
                "is_stay_planned_snoozed": 1,
                "is_stay_snoozed": 0,
                "ring_overlap": 0,
                "agents": [
                    {
                        "agent_type": "agent_external",
                        "ring_duration": self._settings.route_ring,
                        "ring_delay": 0,
                        "order": 1,
                        "number": dialed(number),
                        "is_pre_answer": 0,
                        "is_caller_id": 1,
                        "is_head_line": 0,
                    }
                ],
            }
        )
