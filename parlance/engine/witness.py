"""What a chain of providers tells besides its work: who serves, and who failed. Pure.

An agent may name several ears, minds or voices; the first that works serves. These travel among the words or the
audio, in the order in which it happened.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Served:
    """This one serves from now on: a call's ear, a reply's mind, a phrase's voice."""

    provider: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This one failed before it had given anything, and another try is made."""

    provider: str
    error: str
