"""What a `script:` block may say: its words, its shape, and every fault in it. Pure.

The format is for shop owners: names and sentences, no code. `dialogue.py` says what a script does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from parlance.actors.thinker.slots import DAYS
from parlance.actors.thinker.words import Phrase, normal
from parlance.engine.faults import Fault, Path, explain


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _phrase(written: str) -> str:
    Phrase.parse(written)
    return written


Said = Annotated[str, Field(min_length=1), AfterValidator(lambda text: " ".join(text.split()))]
Says = Annotated[tuple[Said, ...], BeforeValidator(_listed)]
"""One sentence, or several that are said in turn."""
Phrases = Annotated[tuple[Annotated[str, AfterValidator(_phrase)], ...], BeforeValidator(_listed)]
"""What to listen for: `words.Phrase` says how it is written."""
Clock = Annotated[str, Field(pattern=r"^([01]?\d|2[0-3]):[0-5]\d$")]


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Slot(Block):
    """One thing to ask for. `label`: what the agent calls it ("the day")."""

    kind: Literal["day", "time", "name", "number", "count", "choice", "message"]
    prompt: Says
    retry: Says = ()
    label: str = ""
    least: Annotated[int, Field(ge=1, le=20)] = 5
    most: Annotated[int, Field(ge=1, le=20)] = 15
    """Digits of a number. Fewer than `least`: the agent says `more` and listens on."""
    more: Said = "Go on, please."
    refuse: dict[Literal[DAYS], Said] = {}  # type: ignore[valid-type]
    """Weekdays that are not to be had, and what to say then."""
    earliest: Clock | None = None
    latest: Clock | None = None
    earliest_on: dict[Literal[DAYS], Clock] = {}  # type: ignore[valid-type]
    latest_on: dict[Literal[DAYS], Clock] = {}  # type: ignore[valid-type]
    """The same for single weekdays, if the form also asks for the day."""
    outside: Said = "I am sorry, that is not possible. Which other time would suit you?"
    """For a time that is not to be had; it may speak of {earliest} and {latest}."""
    vague: Said = "At what time in the {part}?"
    """For "in the morning"."""
    options: dict[str, Phrases] = {}
    after: Phrases = ()
    """A message may begin right after such words: "tell the doctor that"."""

    @model_validator(mode="after")
    def _fits(self) -> Slot:
        only = {"options": "choice", "refuse": "day", "after": "message"}
        only |= dict.fromkeys(("earliest", "latest", "earliest_on", "latest_on", "outside", "vague"), "time")
        only |= dict.fromkeys(("least", "most", "more"), "number")
        for field, kind in only.items():
            if field in self.model_fields_set and self.kind != kind:
                raise ValueError(f"`{field}` belongs to a slot of kind {kind}, and this one is a {self.kind}")
        if self.kind == "choice" and len(self.options) < 2:
            raise ValueError("a choice needs at least two `options`")
        if ("{earliest}" in self.outside and not self.earliest) or ("{latest}" in self.outside and not self.latest):
            raise ValueError("`outside` speaks of a time that is not set: give the slot `earliest` and `latest`")
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) must not exceed most ({self.most})")
        return self


class Done(Block):
    """What happens when everything is known (and confirmed). `act` is recorded with the slots as details."""

    say: Says
    act: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")] = ""


class Offer(Block):
    """A question at the end of an answer, and which intents its answers lead to."""

    question: Said
    yes: str
    no: str
    means_yes: Phrases = ()
    means_no: Phrases = ()


class Intent(Block):
    """Something a caller may want. Without `when` it is only reached from another one.

    `say` is the answer or, with `ask`, what precedes the first question. `by` names a slot or the kind `day`, and
    `table` has an answer for some of its values.
    """

    when: Phrases = ()
    unless: Phrases = ()
    say: Says = ()
    by: str = ""
    table: dict[str, Said] = {}
    ask: dict[str, Slot] = {}
    confirm: Said | None = None
    done: Done | None = None
    act: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")] = ""
    instead: str = ""
    """The intent to go to where `act: transfer` has no number to transfer to."""
    offer: Offer | None = None

    @model_validator(mode="after")
    def _whole(self) -> Intent:
        if not (self.say or self.ask or self.table or self.act):
            raise ValueError("this intent says nothing: give it `say`, `table`, `ask` or `act`")
        if bool(self.by) != bool(self.table):
            raise ValueError("`by` and `table` belong together")
        if self.confirm and not self.ask:
            raise ValueError("`confirm` needs something to confirm: give the intent slots under `ask`")
        if self.ask and not (self.done or self.table):
            raise ValueError("an intent that asks needs `done` (or `by` and `table`) for when everything is known")
        if self.done and not self.ask:
            raise ValueError("`done` is for intents that `ask`; use `say` and `act`")
        if self.table and not self.ask and not self.say:
            raise ValueError("`table` needs `say`, for values it does not have")
        return self


class Script(Block):
    """A whole script.

    `facts`: words to use in sentences as {name}. `mishearings`: what the ear writes, and what was said.
    """

    facts: dict[str, str] = {}
    mishearings: dict[str, str] = {}
    intents: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")], Intent], Field(min_length=1)]
    unknown: Says = ("I am sorry, I do not know that.",)
    give_up: str = ""
    """The intent to go to when a question was asked `tries` times in vain, after saying `giving_up`."""
    giving_up: Says = ("I am sorry, I do not understand you well.",)
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    cancel: Phrases = ("never mind", "forget (it|that|about it)", "cancel (that|it)", "stop that")
    cancelled: Says = ("All right. What else can I do for you?",)
    repeat: Phrases = (
        "(repeat|say) (that|it|again)", "(say|repeat) * again", "pardon", "what did you say", "come again",
    )  # fmt: skip
    wrong: Said = "What should I change?"


def _used(text: str) -> set[str]:
    return set(re.findall(r"\{([^{}]*)\}", text))


def _sentences(intent: Intent) -> Iterator[Fault]:
    for index, text in enumerate(intent.say):
        yield ("say", index), text
    for key, text in intent.table.items():
        yield ("table", key), text
    if intent.confirm:
        yield ("confirm",), intent.confirm
    for index, text in enumerate(intent.done.say if intent.done else ()):
        yield ("done", "say", index), text
    if intent.offer:
        yield ("offer", "question"), intent.offer.question
    for name, slot in intent.ask.items():
        for field in ("prompt", "retry"):
            for index, text in enumerate(getattr(slot, field)):
                yield ("ask", name, field, index), text
        yield ("ask", name, "outside"), slot.outside.replace("{earliest}", "").replace("{latest}", "")
        yield ("ask", name, "vague"), slot.vague.replace("{part}", "")
        yield ("ask", name, "more"), slot.more
        for key, text in slot.refuse.items():
            yield ("ask", name, "refuse", key), text


def _references(intent: Intent) -> Iterator[Fault]:
    if intent.instead:
        yield ("instead",), intent.instead
    if intent.offer:
        yield ("offer", "yes"), intent.offer.yes
        yield ("offer", "no"), intent.offer.no


def _meaning(script: Script, transfer: str) -> Iterator[Fault]:
    """What the shape of a script cannot say: names that must exist, and ways that must lead on."""
    known = ", ".join(script.intents)
    if script.give_up and script.give_up not in script.intents:
        yield ("give_up",), f"there is no intent {script.give_up!r}; there are: {known}"
    for index, text in enumerate(script.unknown):
        for name in sorted(_used(text) - set(script.facts)):
            yield ("unknown", index), f"{{{name}}} is not one of the facts"
    for key in (*script.mishearings, *script.mishearings.values()):
        if normal(key) != key:
            yield ("mishearings", key), f"write {key!r} as an ear does: {normal(key)!r}"
    for name, intent in script.intents.items():
        here: Path = ("intents", name)
        for path, target in _references(intent):
            if target not in script.intents:
                yield (*here, *path), f"there is no intent {target!r}; there are: {known}"
        for path, text in _sentences(intent):
            for used in sorted(_used(text) - set(script.facts) - set(intent.ask)):
                yield (*here, *path), f"{{{used}}} is neither one of the facts nor one of this intent's slots"
        if intent.act == "transfer" and not transfer and not intent.instead:
            yield (*here, "act"), "no number to transfer to: give the agent `transfer`, or this intent `instead`"
        if intent.table:
            yield from (((*here, *path), message) for path, message in _table(intent))


def _table(intent: Intent) -> Iterator[Fault]:
    slot = intent.ask.get(intent.by)
    if slot is None and intent.by != "day":
        yield ("by",), f"{intent.by!r} is neither one of this intent's slots nor `day`"
        return
    if slot is not None and slot.kind not in ("choice", "day"):
        yield ("by",), f"a table goes by a choice or a day, and {intent.by!r} is a {slot.kind}"
        return
    keys = tuple(slot.options) if slot and slot.kind == "choice" else DAYS
    for key in intent.table:
        if key not in keys:
            yield ("table", key), f"{key!r} is not one of {', '.join(keys)}"
    missing = [key for key in keys if key not in intent.table]
    if slot and missing and not intent.done:
        yield ("table",), f"there is no answer for {', '.join(missing)}, and no `done` for the rest"


def check(block: dict[str, Any], transfer: str = "") -> tuple[Script | None, list[Fault]]:
    """The script, or None and every fault: where in the block, and what. `transfer`: the agent's human number."""
    try:
        script = Script.model_validate(block)
    except ValidationError as error:
        return None, explain(error, Script)
    faults = list(_meaning(script, transfer))
    return (None if faults else script), faults
