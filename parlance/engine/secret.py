"""A secret: a key, a password, a token. It prints as `Secret(…)`, wherever it is printed. Pure.

Pydantic's `SecretStr` does the validation and keeps it out of what is dumped; `get_secret_value` is the one way to the
text, for the header that needs it.
"""

from __future__ import annotations

from pydantic import SecretStr

SHOWN = "Secret(…)"


class Secret(SecretStr):
    """A text that nothing shows: not `str`, `repr` or a format, not a traceback's locals, not JSON."""

    def _display(self) -> str:
        return SHOWN

    def __repr__(self) -> str:
        return SHOWN

    def __bool__(self) -> bool:
        return bool(self.get_secret_value())
