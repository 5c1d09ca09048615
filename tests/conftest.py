"""What all tests share."""

from __future__ import annotations

import os

import pytest
import swift
from hypothesis import settings

# On CI the same data every time, and less of it: whoever changes a parser runs its tests here, with all of it.
settings.register_profile("ci", parent=settings.get_profile("ci"), max_examples=30)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `swift` run on that clock. pytest-trio's own marks are there by now, and the first one counts."""
    for item in items:
        if item.get_closest_marker("swift") and item.get_closest_marker("trio"):
            item.add_marker(pytest.mark.trio(run=swift.run), append=False)
