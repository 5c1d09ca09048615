"""How a carrier's media sockets come in: which paths are its, who may, and which dialect they speak. Pure.

A socket is let in by a ticket of one call, which the carrier was given with the answer to its webhook, or by a token
that was set up with the carrier once. What can be checked before the handshake is answered is refused with an HTTP
status; what is in the dialect's own first message is refused with a close code.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Protocol

from parlance.actors.media.port import Started, Visit, Wire
from parlance.actors.media.webhook import Denied, same


class Access(Protocol):
    """One carrier's way in."""

    carrier: str
    paths: tuple[str, ...]
    """A path may hold `{name}` for one segment."""

    def guard(self, visit: Visit, now: float) -> None:
        """Raise `Denied` for a socket that is not to be accepted. `now`: seconds since 1970."""

    def knows(self, ticket: str) -> bool:
        """Whether this is the token that was set up with the carrier, and not one call's ticket."""

    def open(self, visit: Visit) -> tuple[Wire, Started | None]:
        """The dialect, and what is known of the call before the carrier speaks. Raises `LineError`, with its code."""


def allowed(peer: str, sources: Sequence[str]) -> bool:
    """Whether `peer` (`address:port`) is in one of these networks; any is, if there are none."""
    if not sources:
        return True
    try:
        address = ip_address(peer.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return any(address in ip_network(source, strict=False) for source in sources)


def bearer(visit: Visit) -> str:
    """The token of a handshake: `Authorization: Bearer ...`, else the query's `token` or `ticket`."""
    scheme, _, token = visit.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return visit.query.get("token", "") or visit.query.get("ticket", "")


def password(visit: Visit) -> str:
    """The token of an exchange's handshake, which may also send it as the password of Basic authentication, whatever
    the user's name; else the query's `token`. A ticket is none.
    """
    scheme, _, credentials = visit.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return visit.query.get("token", "")
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def from_here(visit: Visit, sources: Sequence[str]) -> None:
    """Raises `Denied` (403) for a socket from elsewhere."""
    if not allowed(visit.peer, sources):
        raise Denied(403, "source", "media sockets are not taken from this address")


def is_token(ticket: str, token: str) -> bool:
    """Whether `ticket` is `token`, which is not empty; in constant time."""
    return bool(token) and same(ticket, token)
