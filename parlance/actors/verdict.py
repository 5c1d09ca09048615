"""What a provider means by an error, whoever it is: by its status, by its code, or by its words. Pure.

An error inside a stream comes without a status of HTTP's, mostly. What each provider sends is in the tests of this.
"""

from __future__ import annotations

import re

from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable

POLICY = 1008
"""A WebSocket's code for whatever is against the service's rules (RFC 6455, 7.4.1): its words may say which."""

_LATER = (429, 503, 529)
_READ = 2000
"""Characters of an error that are looked at."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _any(words: str, unless: str = "") -> re.Pattern[str]:
    """Any of these words, where there is none of the others."""
    return re.compile((rf"^(?!.*\b(?:{unless})\b).*" if unless else "") + rf"\b(?:{words})\b")


_BROKEN = _any(r"internal|(?:server|api) error|timeout|timed out|session (?:has )?expired|inactiv\w*|shutting down")
_HURRIED = _any(
    r"rate limit\w*|too many|overload\w*|throttl\w*|concurren\w*|capacity|busy|max active"
    "|resource (?:has been )?exhausted"
)
# What is counted by the minute, or comes with a time to come back, is no quota that has been used up: so Gemini's.
_SPENT = _any(
    "quota|payment|billing|credits?|funds|(?:spend|usage) limits?", unless="retry|try again|per (?:second|minute)"
)
_REFUSED = _any(
    "invalid|incorrect|malformed|unparsable|unsupported|not supported|missing|not found|bad request|too (?:large|long)"
    r"|(?:un)?auth(?:enticat\w*|ori[sz](?:ed|ation))?|permissions?|forbidden|denied"
)
_MEANINGS = {_BROKEN: Unreachable, _HURRIED: Overloaded, _SPENT: Rejected, _REFUSED: Rejected}
"""The first that fits counts: a service that is broken may say anything."""


def verdict(told: object, status: object = None, code: object = "", *, again: bool = False) -> type[ProviderError]:
    """The kind of an error. `told`: its words; `status`: HTTP's, or what stands for one in a message; `code`: the
    provider's own name for it, which counts for more than the words. `again`: it says when to come back.

    A quota that is used up, or a bill that is not paid, is `Rejected`, even where the status says "too many requests",
    as OpenAI's does: the next try will be told the same. So the breaker opens at once, a fallback is asked without
    waiting, and a caller without one is not kept waiting for nothing.
    """
    if isinstance(status, int) and 300 <= status < 600 and status != 429:
        busy, broken = status in _LATER, status >= 500 or status == 408
        return Overloaded if busy else Unreachable if broken else Rejected
    meaning = _meaning(code) or _meaning(told)
    if status == 429:
        return Rejected if meaning is _SPENT and not again else Overloaded
    if meaning is None:
        return Rejected if status == POLICY else Unreachable
    return _MEANINGS[meaning]


def _meaning(told: object) -> re.Pattern[str] | None:
    """What the words of `told` are, `written_so`, `writtenSo` or apart. Whole words: an author is no authorization."""
    words = " ".join(_WORD.findall(str(told)[:_READ])).lower()
    return next((pattern for pattern in _MEANINGS if pattern.search(words)), None)
