"""What a script remembers of one call, what it replies, how an answer fills its form. Pure: today is an argument."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from parlance.actors.thinker import slots
from parlance.actors.thinker.port import Act
from parlance.actors.thinker.rules import Intent, Slot
from parlance.actors.thinker.slots import DAYS, Value
from parlance.actors.thinker.words import Match, digits

CHANGE = re.compile(r"\b(actually|instead|change|make (?:it|that)|wait|rather|better|sorry|i meant|no|not)\b")
"""Words that announce a correction."""

Find = Callable[[tuple[str, ...], str], Match | None]


@dataclass(slots=True)
class State:
    """One call's script. `pending` is the question that is open, `asked` whether the caller heard any of it."""

    pending: Literal["", "slot", "confirm", "change", "offer"] = ""
    asked: bool = False
    form: str = ""
    """The intent whose slots are being filled, or whose offer is open."""
    slot: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    part: str | None = None
    """Of the day, as long as the time itself is not known."""
    figures: str = ""
    """Of a number of which only the beginning was said."""
    tries: int = 0
    done: str = ""
    """The form that was last completed, `values` being its: it may still be corrected."""
    revision: int = 1
    turns: dict[str, int] = field(default_factory=dict)
    """How often each sentence that has variants was said."""
    statement: str = ""
    question: str = ""


@dataclass(slots=True)
class Reply:
    """What to say, the open question last, and what to do."""

    statement: str = ""
    question: str = ""
    acts: list[Act] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(part for part in (self.statement, self.question) if part)


def heard(state: State, words: str, complete: bool) -> State:
    """The state once `words` of the last reply were heard: a question of which nothing was heard was not asked."""
    state = deepcopy(state)
    state.asked = bool(state.question) and (complete or _letters(words) > _letters(state.statement))
    return state


def _letters(text: str) -> int:
    """Letters and digits only: what a reply loses or gains on its way through the voice is neither."""
    return sum(character.isalnum() for character in text)


def fill(state: State, form: Intent, text: str, today: date, find: Find) -> tuple[bool, str]:
    """Take from the words what they answer or correct. The last word counts.

    Returns whether anything was learned, and what to say if something of it cannot be (then that slot is asked again).
    """
    learned, problem = False, ""
    for name, slot in form.ask.items():
        asked = state.pending == "slot" and state.asked and state.slot == name
        correcting = state.pending == "change" or (state.pending == "confirm" and CHANGE.search(text) is not None)
        if name in state.values and slot.kind in ("message", "choice", "count") and not (asked or correcting):
            continue
        bare = asked or (correcting and slot.kind in ("time", "count"))
        value = read(slot, text, today, find, asked=bare, state=state)
        if value is None:
            if slot.kind == "time" and name not in state.values and (part := slots.part(text)) and part != state.part:
                state.part, learned = part, True
            elif asked and slot.kind == "number" and (said := digits(text)):
                state.figures = (state.figures + said) if len(state.figures + said) < slot.least else ""
                problem = slot.more if state.figures else ""
                learned = learned or bool(problem)
            continue
        if state.values.get(name) != value:
            state.values[name] = value
            learned = True
        if slot.kind == "number":
            state.figures = ""
    for name, slot in form.ask.items():
        if trouble := impossible(slot, state.values.get(name), _weekday(state, form)):
            del state.values[name]
            state.slot, state.part, problem = name, None, trouble
            break
    return learned, problem


def read(slot: Slot, text: str, today: date, find: Find, *, asked: bool, state: State) -> Value | None:
    """The slot's value in the words, if there is one."""
    match slot.kind:
        case "day":
            return slots.day(text, today)
        case "time":
            return slots.time(text, asked=asked, known=state.part)
        case "name":
            return slots.name(text, asked=asked)
        case "number":
            return slots.number(text, least=slot.least, most=slot.most, before=state.figures if asked else "")
        case "count":
            return slots.count(text, asked=asked)
        case "choice":
            found = [(match.score, key) for key, said in slot.options.items() if (match := find((key, *said), text))]
            best = max(found, key=lambda pair: pair[0], default=None)
            return Value(best[1], best[1]) if best else None
        case "message":
            if match := find(slot.after, text):
                return slots.message(text[match.end :])
            return slots.message(text) if asked else None


def impossible(slot: Slot, value: Value | None, weekday: str) -> str:
    """Why this cannot be had on this weekday (empty: not known), as the agent says it; empty if it can."""
    if value is None or slot.kind not in ("day", "time"):
        return ""
    if slot.kind == "day":
        return slot.refuse.get(weekday, "")
    earliest = slot.earliest_on.get(weekday, slot.earliest or "0:00").zfill(5)
    latest = slot.latest_on.get(weekday, slot.latest or "23:59").zfill(5)
    if earliest <= value.value <= latest:
        return ""
    first, last = (slots.clock(time).spoken.partition(" in the ")[0] for time in (earliest, latest))
    return slot.outside.replace("{earliest}", first).replace("{latest}", last)


def _weekday(state: State, form: Intent) -> str:
    for name, slot in form.ask.items():
        if slot.kind == "day" and name in state.values:
            return DAYS[date.fromisoformat(state.values[name].value).weekday()]
    return ""
