"""A provider's protocol over one WebSocket: what those of ears and of voices have in common. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from parlance.actors.fields import opened
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import Garbled, ProviderError

Message = str | bytes
Brief = Callable[[object], str]
T = TypeVar("T")


class Wire:
    """`name` is what its errors begin with; `brief` shortens what a provider said and takes the key out of it."""

    protocol: str
    """What its provider calls it."""
    format: Format = TELEPHONE

    def __init__(self, name: str, brief: Brief) -> None:
        self.name, self._brief = name, brief

    def read(self, message: Message, take: Callable[[dict[str, Any]], T]) -> T:
        """What `take` makes of a message that is JSON. Raises `Garbled` for what it cannot read (`fields`)."""
        try:
            return take(opened(message))
        except (ValueError, KeyError):
            raise Garbled(self.name, f"not a message of {self.protocol}: {self._brief(message)}") from None

    def failed(self, kind: type[ProviderError], told: object) -> ProviderError:
        """An error that the service has told: its words, or a message with a `description`."""
        return kind(self.name, self._brief(told.get("description", told) if isinstance(told, dict) else told))
