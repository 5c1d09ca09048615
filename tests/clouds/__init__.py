"""Simulated clouds: the carriers' side of webhooks and REST, for tests of whole calls. Their media sockets are the
conformance suite's phones, whose modules live beside its tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("clouds.carrier", "clouds.scenes", "clouds.town")
_PHONES = str(Path(__file__).parents[1] / "conformance")
if _PHONES not in sys.path:
    sys.path.append(_PHONES)
