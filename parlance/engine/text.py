"""Text as it can be sent on and kept. Pure."""

from __future__ import annotations


def encodable(text: str) -> str:
    """`text` with question marks for the halves of surrogate pairs, which JSON may have and UTF-8 may not."""
    return text if text.isascii() else text.encode(errors="replace").decode()
