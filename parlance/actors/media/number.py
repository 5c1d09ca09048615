"""Telephone numbers as carriers write them, made into parlance's, and back. Pure.

Inside parlance a number is E.164 with its plus. Carriers leave the plus out, put spaces in, write integers, or say in a
word that the number was withheld. What is no international number (an extension, a SIP address) stays as it is: whether
something is a number that exists is not asked here.
"""

from __future__ import annotations

from typing import Any

from parlance.actors.media.webhook import text

LONGEST = 64
"""Characters of a party: what is longer is none."""
_WITHHELD = frozenset(
    {
        *"anonymous unknown restricted private unavailable withheld blocked none null 0".split(),
        # Twilio spells the words on a telephone's keys: anonymous, unavailable, restricted, blocked, unknown.
        *("+266696687", "+86282452253", "+7378742833", "+2562533", "+8656696"),
    }
)
_DECORATION = str.maketrans("", "", " \t-.()")


def e164(said: Any, *, bare: int = 8) -> str:
    """A party as parlance writes it; empty where it was withheld.

    `bare`: how many digits without a plus make an international number at the least: fewer may be an extension or a
    national number. 16 where a carrier's bare digits are never international.
    """
    party = text(said)
    if len(party) > LONGEST:
        return ""
    # A plus that nobody escaped in an address arrives as a space.
    spaced = party.startswith(" ")
    party = party.strip()
    if party.lower() in _WITHHELD:
        return ""
    digits = party.translate(_DECORATION)
    plain = digits.removeprefix("+")
    if not (plain.isascii() and plain.isdecimal()):
        return party
    if digits.startswith("+"):
        return digits
    if plain.startswith("00") and len(plain) > 4:
        return f"+{plain[2:]}"
    international = spaced or (bare <= len(plain) <= 15 and not plain.startswith("0"))
    return f"+{plain}" if international else plain


def digits(number: str) -> str:
    """The same for a carrier that writes numbers without the plus."""
    return number.removeprefix("+")
