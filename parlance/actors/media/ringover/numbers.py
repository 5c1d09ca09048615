"""Numbers as Ringover wants to be asked for them. Pure."""

from __future__ import annotations


def dialed(number: str) -> int | str:
    """A number as Ringover wants to be asked for it: an integer; what has other signs in it as it is."""
    digits = number.removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 15 else number
