"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# On CI the same data every time, and less of it: whoever changes a parser runs its tests here, with all of it.
settings.register_profile("ci", parent=settings.get_profile("ci"), max_examples=30)
if os.environ.get("CI"):
    settings.load_profile("ci")
