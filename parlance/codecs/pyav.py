"""PyAV (FFmpeg's libraries), loaded when a codec first needs it: it is optional, and large."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from parlance.codecs.errors import MissingCodec


def load(what: str) -> ModuleType:
    """The package, which `what` needs. Raises `MissingCodec` where it is not installed."""
    try:
        return import_module("av")
    except ImportError as error:
        raise MissingCodec(f"{what} needs PyAV: pip install '.[formats]' (in parlance's checkout)") from error
