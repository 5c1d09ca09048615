"""The call control objects (NCCO) that we give Vonage: connect to our media socket, or say goodbye. Pure.

Vonage's "NCCO reference" and "WebSockets" pages: a list of actions, worked off one after another; when there is none
left the call is over. So closing our media socket ends the call.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from parlance.actors.media.number import digits
from parlance.actors.media.vonage.settings import EVENT, MEDIA, Settings
from parlance.actors.media.webhook import Addresses

Ncco = list[dict[str, Any]]


def event_url(addresses: Addresses, **query: str) -> str:
    """Where events go. The query comes back with each: our id of the call (`call`), Vonage's (`uuid`, `transfer`)."""
    return addresses.web(EVENT, urlencode({name: value for name, value in query.items() if value}))


def connected(settings: Settings, addresses: Addresses, *, call: str, ticket: str, uuid: str = "") -> Ncco:
    """The caller hears and is heard by our media socket. `uuid`: Vonage's id of the caller's leg, where it is known.

    The socket's first message has the headers among its fields; Vonage allows 512 bytes of them.
    """
    endpoint = {
        "type": "websocket",
        "uri": addresses.media(MEDIA),
        "content-type": f"audio/l16;rate={settings.rate}",
        "headers": {"ticket": ticket, "call": call},
    }
    return [
        {
            "action": "connect",
            # Only with this are we told that the socket could not be opened, or was lost.
            "eventType": "synchronous",
            "eventUrl": [event_url(addresses, call=call, uuid=uuid)],
            "eventMethod": "POST",
            "endpoint": [endpoint],
        }
    ]


def refused(settings: Settings) -> Ncco:
    """No action says "busy" to the network: the caller is told in words."""
    return [{"action": "talk", "text": settings.busy}] if settings.busy else []


def forwarded(addresses: Addresses, to: str, uuid: str) -> Ncco:
    """The caller, whose leg is `uuid`, is connected with the telephone number `to`."""
    return [
        {
            "action": "connect",
            "eventUrl": [event_url(addresses, transfer=uuid)],
            "eventMethod": "POST",
            "endpoint": [{"type": "phone", "number": digits(to)}],
        }
    ]
