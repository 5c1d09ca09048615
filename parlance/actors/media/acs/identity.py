"""Who is on a call, in the words of Azure: identifiers, raw ids, and what the handle of a call has to carry. Pure.

A raw id is `4:+33199000010` for a telephone, `8:acs:...` for a user of the resource, `8:orgid:...` for one of Teams
(learn.microsoft.com, "Understand identifier types").

Azure's requests for hold and digits name the participant they are for, and its answers do not always say who that is.
So a call's `leg` is the connection's id, a space, and the other party's raw id: `411f6d00-... 4:+33199000010`. Before
the call is answered it is the raw id alone.
"""

from __future__ import annotations

import re
from typing import Any

from parlance.actors.media.webhook import part, text

_RAW = re.compile(r"[0-9]{1,3}:[\x21-\x7e]{1,250}")
_TELEPHONE = "4:"
_TEAMS = "8:orgid:"


def raw(identifier: Any) -> str:
    """The raw id in an identifier of Azure's; empty where there is none that can be used."""
    said = text(part(identifier, "rawId"))
    if _RAW.fullmatch(said):
        return said
    number = text(part(identifier, "phoneNumber", "value"))
    named = f"{_TELEPHONE}{number}" if number else text(part(identifier, "communicationUser", "id"))
    return named if _RAW.fullmatch(named) else ""


def number(identifier: Any) -> str:
    """The telephone number in an identifier (E.164 with its plus), or the raw id of who has none.

    Empty for a caller who withholds it.
    """
    said = text(part(identifier, "phoneNumber", "value"))
    known = said or raw(identifier).removeprefix(_TELEPHONE)
    hidden = part(identifier, "phoneNumber", "isAnonymous") is True or known.lower() == "anonymous"
    return "" if hidden else known


def identifier(party: str) -> dict[str, Any]:
    """The identifier of a number or of a raw id, as the SDKs of Call Automation send it."""
    named = party if _RAW.fullmatch(party) else f"{_TELEPHONE}{party}"
    if named.startswith(_TELEPHONE):
        return {"rawId": named, "phoneNumber": {"value": named.removeprefix(_TELEPHONE)}}
    if named.startswith(_TEAMS):
        return {"rawId": named, "microsoftTeamsUser": {"userId": named.removeprefix(_TEAMS)}}
    return {"rawId": named, "communicationUser": {"id": named}}


def joined(connection: str, party: str) -> str:
    """A leg. Either may be empty."""
    return f"{connection} {party}".strip()


def split(leg: str) -> tuple[str, str]:
    """The connection's id and the other party's raw id. Either may be empty."""
    first, _, rest = leg.partition(" ")
    return ("", first) if _RAW.fullmatch(first) else (first, rest)
