"""The docs' picture of the state machine is the one the tables print."""

from __future__ import annotations

from pathlib import Path

import pytest

from parlance.engine.diagram import diagram, table

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.mark.parametrize("part", [diagram, table], ids=["diagram", "table"])
def test_the_docs_show_the_tables_as_they_are(part) -> None:
    assert part() in PAGE.read_text()
