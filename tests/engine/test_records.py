"""Records as lines for files and screens."""

from __future__ import annotations

import json

from parlance.engine.effort import ProviderFailed
from parlance.engine.trace import Record


def test_a_line_can_be_written_whatever_a_provider_has_said() -> None:
    line = Record(1, 2.5, ProviderFailed("mind", "openai", "openai: \ud83d \u00e9")).as_line()
    told = json.loads(line.encode())
    assert (told["seq"], told["at"], told["event"]) == (1, 2.5, "ProviderFailed")
    assert told["error"] == "openai: ? \u00e9"
