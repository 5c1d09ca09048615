"""The two ways a codec says no. They are here and not in the engine's tree because codecs import nothing of ours."""

from __future__ import annotations


class BadAudio(ValueError):
    """These bytes are not audio we can read. The message is one line that says what is wrong with them."""


class MissingCodec(ImportError):
    """An optional package is not installed. The message says which and how to install it."""
