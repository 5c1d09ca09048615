"""A script made ready: its phrases compiled, its sentences rendered. Shared by all calls, knowing none. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from parlance.actors.thinker.rules import Script, Slot
from parlance.actors.thinker.slots import Value
from parlance.actors.thinker.words import Match, Phrase, content


@dataclass(frozen=True, slots=True)
class Wanted:
    """The intent that fits the words best.

    `whole`: no other words mean anything. `strong`: so, or more than one telling word was found.
    """

    name: str
    strong: bool
    whole: bool


class Book:
    """`transfer`: the agent's human number, empty if there is none."""

    def __init__(self, script: Script, transfer: str = "") -> None:
        self.script = script
        self.transfer = transfer
        self._compiled: dict[str, Phrase] = {}

    def find(self, phrases: tuple[str, ...], text: str) -> Match | None:
        """The best match of any of the phrases in a normal text."""
        found = [match for phrase in phrases if (match := self._phrase(phrase).find(text))]
        return max(found, key=lambda match: match.score, default=None)

    def _phrase(self, written: str) -> Phrase:
        if written not in self._compiled:
            self._compiled[written] = Phrase.parse(written)
        return self._compiled[written]

    def wanted(self, text: str) -> Wanted | None:
        """Of equally good intents, the one that comes first in the script."""
        best, found = "", None
        for name, intent in self.script.intents.items():
            match = self.find(intent.when, text)
            if match and (found is None or match.score > found.score) and not self.find(intent.unless, text):
                best, found = name, match
        if found is None:
            return None
        whole = not set(content(text)) - set(found.words)
        return Wanted(best, whole or found.score > 1, whole)

    def label(self, intent: str, slot: str) -> str:
        return self.slot(intent, slot).label or f"the {slot.replace('_', ' ')}"

    def slot(self, intent: str, slot: str) -> Slot:
        return self.script.intents[intent].ask[slot]

    def render(self, text: str, values: Mapping[str, Value], part: str | None = None) -> str:
        """`text` with the facts, the slots and the part of the day put in, as they are spoken."""
        words = dict(self.script.facts) | {name: value.spoken for name, value in values.items()}
        words["part"] = part or ""
        return re.sub(r"\{([^{}]*)\}", lambda found: words.get(found[1], ""), text)
