"""What a script does with the caller's words: one step from state to state, with a reply. Pure: today is an argument.

A state is only ever replaced, so that a reply which nobody heard can be taken back together with what it changed.
"""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import date

from parlance.actors.thinker import form, slots
from parlance.actors.thinker.book import Book
from parlance.actors.thinker.form import CHANGE, Reply, State
from parlance.actors.thinker.port import Act
from parlance.actors.thinker.rules import Slot
from parlance.actors.thinker.words import agrees, content, normal


def step(book: Book, state: State, line: str, today: date) -> tuple[State, Reply]:
    """The state after the caller's `line`, and the reply. `state` is left as it is."""
    one = _Step(book, deepcopy(state), normal(line, book.script.mishearings), today)
    reply = one.answer()
    one.state.statement, one.state.question, one.state.asked = reply.statement, reply.question, False
    return one.state, reply


class _Step:
    def __init__(self, book: Book, state: State, text: str, today: date) -> None:
        self.book, self.script = book, book.script
        self.state, self.text, self.today = state, text, today
        self.reply = Reply()

    def answer(self) -> Reply:
        state, script = self.state, self.script
        if state.statement or state.question:
            brief = len(content(self.text)) <= 6 and not self.takes_message()
            if self.text in ("sorry", "what", "excuse me") or (brief and self.finds(script.repeat)):
                return Reply(state.statement, state.question)
        brief = not self.takes_message() or len(content(self.text)) <= 3
        if state.pending in ("slot", "confirm", "change") and brief and self.finds(script.cancel):
            self.drop()
            self.say("cancelled", script.cancelled)
            return self.reply
        {"": self.idle, "slot": self.slot, "confirm": self.confirm, "change": self.change, "offer": self.offer}[
            state.pending
        ]()
        return self.reply

    # ------------------------------------------------------------------------------ the open question

    def idle(self) -> None:
        wanted = self.book.wanted(self.text)
        if not (wanted and wanted.strong) and self.reopen():
            return
        if wanted:
            self.begin(wanted.name)
        else:
            self.unknown()

    def slot(self) -> None:
        wanted = self.book.wanted(self.text)
        other = wanted if wanted and wanted.name != self.state.form else None
        if other and (other.whole if self.takes_message() else other.strong):
            return self.begin(other.name)
        found, problem = self.fill()
        if not found and not problem:
            if other:
                return self.begin(other.name)
            if self.state.asked and not wanted:
                return self.again(self.asked_slot.retry or self.asked_slot.prompt)
        return self.advance(problem)

    def confirm(self) -> None:
        wanted = self.book.wanted(self.text)
        if wanted and wanted.strong and wanted.name != self.state.form:
            return self.begin(wanted.name)
        found, problem = self.fill()
        if found or problem:
            if not problem:
                self.reply.statement = "All right."
            return self.advance(problem)
        agreed = agrees(self.text) if self.state.asked else None
        if agreed:
            return self.finish()
        if agreed is False:
            if not self.mentioned():
                self.ask_change()
            return None
        if wanted and wanted.name != self.state.form:
            return self.begin(wanted.name)
        if self.mentioned():
            return None
        return self.again((self.script.intents[self.state.form].confirm or "",))

    def change(self) -> None:
        found, problem = self.fill()
        if found or problem:
            return self.advance(problem)
        if self.mentioned():
            return None
        wanted = self.book.wanted(self.text)
        if wanted and wanted.name != self.state.form:
            return self.begin(wanted.name)
        return self.again((self.what(),))

    def offer(self) -> None:
        offer = self.script.intents[self.state.form].offer
        assert offer is not None
        wanted = self.book.wanted(self.text)
        if self.finds(offer.means_no):
            return self.begin(offer.no)
        if self.finds(offer.means_yes):
            return self.begin(offer.yes)
        if wanted and wanted.strong:
            return self.begin(wanted.name)
        if self.reopen():
            return None
        agreed = agrees(self.text) if self.state.asked else None
        if agreed is not None:
            return self.begin(offer.yes if agreed else offer.no)
        if wanted:
            return self.begin(wanted.name)
        return self.unknown()

    # --------------------------------------------------------------------------------- what comes next

    def begin(self, name: str, depth: int = 0) -> None:
        """Turn to an intent: begin its form, or answer and return to the form that is open."""
        state, intent = self.state, self.script.intents[name]
        if intent.act == "transfer" and not self.book.transfer and depth < len(self.script.intents):
            return self.begin(intent.instead, depth + 1)
        leaving = intent.ask or intent.act in ("hang_up", "transfer") or depth
        if leaving or state.pending not in ("slot", "confirm", "change"):
            self.drop()
        key = slots.weekday(self.text, self.today) if intent.by == "day" else None
        if key and key in intent.table and not intent.ask:
            self.say(name, (intent.table[key],))
        elif intent.say:
            self.say(name, intent.say)
        if intent.ask:
            state.form, state.values, state.done, state.revision = name, {}, "", 1
            _, problem = self.fill()
            return self.advance(problem)
        if intent.act:
            self.reply.acts.append(Act(intent.act))
        if not leaving and state.pending:
            self.reply.question = self.open_question()
        elif intent.offer:
            state.form, state.pending = name, "offer"
            self.reply.question = self.render(intent.offer.question)
        return None

    def advance(self, problem: str = "") -> None:
        """Ask for what is missing; then have it confirmed; then finish."""
        state, intent = self.state, self.script.intents[self.state.form]
        state.tries = 0
        missing = [name for name in intent.ask if name not in state.values]
        if missing:
            if not problem:
                state.slot = missing[0]
            state.pending = "slot"
            self.reply.question = problem or self.open_question()
        elif intent.confirm:
            state.pending = "confirm"
            self.reply.question = self.open_question()
        else:
            self.finish()

    def finish(self) -> None:
        state, name = self.state, self.state.form
        intent = self.script.intents[name]
        if intent.by:
            slot = intent.ask.get(intent.by)
            key = state.values[intent.by].value if slot else slots.weekday(self.text, self.today) or ""
            if slot and slot.kind == "day":
                key = slots.DAYS[date.fromisoformat(key).weekday()]
            if key in intent.table:
                self.say(f"{name}.table", (intent.table[key],))
        if intent.done:
            self.say(f"{name}.done", intent.done.say)
            if intent.done.act:
                details = {slot: value.value for slot, value in state.values.items()}
                if state.revision > 1:
                    details["revision"] = str(state.revision)
                self.reply.acts.append(Act(intent.done.act, details))
        state.pending, state.slot, state.done = "", "", name if intent.confirm else ""
        if intent.offer:
            state.pending = "offer"
            self.reply.question = self.render(intent.offer.question)

    def reopen(self) -> bool:
        """A correction of what was just completed: "actually, make it tuesday"."""
        state = self.state
        if not state.done or not CHANGE.search(self.text):
            return False
        state.form, state.pending = state.done, "confirm"
        found, problem = self.fill()
        if not found and not problem:
            state.pending = "offer" if self.script.intents[state.form].offer else ""
            return False
        state.done = ""
        state.revision += 1
        self.reply.statement = "" if problem else "All right."
        self.advance(problem)
        return True

    def again(self, question: tuple[str, ...]) -> None:
        """The same once more, in other words, until there is no point in it."""
        state = self.state
        if not state.asked:
            self.reply.question = self.open_question()
            return
        state.tries += 1
        if state.tries >= self.script.tries and self.script.give_up:
            hopeless = state.form == self.script.give_up
            self.drop()
            self.say("giving_up", self.script.giving_up)
            if hopeless:
                self.unknown()
            else:
                self.begin(self.script.give_up)
            return
        self.reply.question = self.pick(f"{state.form}.{state.slot}.retry", question)

    def unknown(self) -> None:
        self.say("unknown", self.script.unknown)

    def drop(self) -> None:
        state = self.state
        state.pending, state.form, state.slot, state.tries = "", "", "", 0
        state.part, state.figures = None, ""
        if not state.done:
            state.values = {}

    def mentioned(self) -> bool:
        """Whether a slot was called by its name ("the time is wrong"): then ask for it anew."""
        for name in self.script.intents[self.state.form].ask:
            label = self.book.label(self.state.form, name).removeprefix("the ")
            if re.search(rf"\b{re.escape(label)}\b", self.text) and not re.search(r"\bthis time\b", self.text):
                del self.state.values[name]
                self.state.part = None
                self.advance()
                return True
        return False

    def ask_change(self) -> None:
        self.state.pending = "change"
        self.reply.question = self.what()

    def what(self) -> str:
        """The question what to change, and among what."""
        labels = [self.book.label(self.state.form, name) for name in self.script.intents[self.state.form].ask]
        listed = f"{', '.join(labels[:-1])} or {labels[-1]}" if len(labels) > 1 else labels[0]
        return f"{self.script.wrong} {listed[0].upper()}{listed[1:]}?"

    def open_question(self) -> str:
        state, intent = self.state, self.script.intents[self.state.form]
        if state.pending == "slot":
            slot = self.asked_slot
            if slot.kind == "time" and state.part:
                return self.render(slot.vague)
            return self.pick(f"{state.form}.{state.slot}", slot.prompt)
        if state.pending == "confirm":
            return self.render(intent.confirm or "")
        return self.what()

    # ------------------------------------------------------------------------------------------- tools

    @property
    def asked_slot(self) -> Slot:
        return self.book.slot(self.state.form, self.state.slot)

    def takes_message(self) -> bool:
        """Whether whatever is said now belongs to a message."""
        return self.state.pending == "slot" and self.state.asked and self.asked_slot.kind == "message"

    def fill(self) -> tuple[bool, str]:
        intent = self.script.intents[self.state.form]
        learned, problem = form.fill(self.state, intent, self.text, self.today, self.book.find)
        return learned, self.render(problem)

    def finds(self, phrases: tuple[str, ...]) -> bool:
        return self.book.find(phrases, self.text) is not None

    def say(self, key: str, says: tuple[str, ...]) -> None:
        said = self.pick(key, says)
        self.reply.statement = f"{self.reply.statement} {said}".strip()

    def pick(self, key: str, says: tuple[str, ...]) -> str:
        """The next variant in turn."""
        turn = self.state.turns.get(key, 0)
        self.state.turns[key] = turn + 1
        return self.render(says[turn % len(says)])

    def render(self, text: str) -> str:
        said = self.book.render(text, self.state.values, self.state.part)
        return said[:1].upper() + said[1:]
