"""Patterns of paths, in which `{name}` stands for one segment, for what is routed past the application."""

from __future__ import annotations

import re


def compiled(pattern: str) -> re.Pattern[str]:
    """The expression that matches the whole of such a path, with a group for each `{name}`."""
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    )
