"""Telephone numbers: E.164, checked by Google's plan of the world's numbers (`phonenumbers`). Pure."""

from __future__ import annotations

import re
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator

from parlance.engine.errors import ParlanceError

EXAMPLE = "+33199000010"
"""The example in every description and complaint."""


class BadNumber(ParlanceError, ValueError):
    """What should be a telephone number is none."""


def e164(text: str) -> str:
    """`text` as E.164: spaces, dots, hyphens and brackets between the digits are taken away.

    Raises `BadNumber` for what has no plus, or no country, or not as many digits as numbers there have.
    """
    plain = re.sub(r"(?<=[\d)+])[ .\-()]+(?=[\d(])", "", text.strip())
    example = f"write it with its plus and country code, like {EXAMPLE}"
    if not re.fullmatch(r"\+[0-9]{4,15}", plain):
        raise BadNumber(f"{text[:32]!r} is no telephone number: {example}")
    try:
        number = phonenumbers.parse(plain, None)
    except phonenumbers.NumberParseException:
        raise BadNumber(f"{text[:32]!r}: there is no such country code: {example}") from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadNumber(f"{text[:32]!r}: numbers of that country have more or fewer digits: {example}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def same_number(one: str, other: str) -> bool:
    """Whether two numbers are the same, of which a carrier may have written one without its plus."""
    return bool(one) and one.lstrip("+") == other.lstrip("+")


Number = Annotated[str, AfterValidator(e164)]
"""For settings: E.164."""
