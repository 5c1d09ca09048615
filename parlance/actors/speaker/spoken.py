"""What of a text can be heard, and what of it can be sent. Pure."""

from __future__ import annotations

import re
import unicodedata

_HEARD = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Sc"}
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, halves of characters (a model's reply may be cut in an emoji), and what XML 1.0 forbids."""


def heard(char: str) -> bool:
    """Letters, digits and signs of money are heard; marks, spaces and pictures are not."""
    return unicodedata.category(char[:1] or " ") in _HEARD


def sayable(text: str) -> bool:
    """Whether there is anything in `text` that can be heard."""
    return any(map(heard, text))


def plain(text: str) -> str:
    """`text` with spaces for what no service can take: no longer, no shorter."""
    return _UNSENDABLE.sub(" ", text)
