"""Out of a stream of text, what a voice can speak: no Markdown, no emoji, no control characters. Pure.

Everything is decided one character at a time from what came before and the one character that follows, so that it makes
no difference how the text was cut into tokens. Words are never changed, only marks around them dropped.
"""

from __future__ import annotations

import unicodedata

BREAK = "\n"
"""In the output: a line ended here, which a voice should not run over. All other whitespace comes out as a space."""

_MARKERS = frozenset("#>-+*=~_ \t")
"""What a line may begin with before its text: headings, quotes, bullets, rules."""
_UNDECIDED = frozenset("*_~!")
"""What these mean depends on the character after them."""
_LONGEST_TARGET = 2_000
"""A link's address is not spoken; past this many characters it was no link, and speaking goes on."""
_SPOKEN_SYMBOLS = frozenset("°©®™№℃℉")


class Plain:
    """One reply on its way to the voice. `feed` returns what is certain so far, `flush` the rest, once."""

    def __init__(self) -> None:
        self._lead: str | None = ""
        self._before = ""
        self._held = ""
        self._link = 0
        self._closed = False

    def feed(self, text: str) -> str:
        return "".join([self._take(character) for character in text])

    def flush(self) -> str:
        """The end of the text: nothing may be fed afterwards."""
        return self._end_lead("\n") + (self._settle(self._held, "") if self._held else "")

    def _take(self, character: str) -> str:
        if character in "\r\n\u2028\u2029\x0b\x0c\x85":
            character = "\n"
        elif character.isspace():
            character = " "
        elif _silent(character):
            return ""
        if self._lead is not None:
            if character in _MARKERS:
                self._lead += character
                # A line of nothing but markers is a rule, however long: only its end can be the beginning of text.
                self._lead = self._lead[-80:]
                return ""
            return self._end_lead(character) + self._hold(character)
        return self._hold(character)

    def _end_lead(self, following: str) -> str:
        """The line's first characters are known: drop its markers, or let pass what turned out to be text."""
        lead, self._lead = self._lead, None
        if not lead:
            return ""
        if lead[-1] == " " or following == "\n":
            return ""
        # "- **bold**" has a bullet that goes and an emphasis that the rules for inline marks take care of;
        # "-5" and "#5" are text.
        marks = lead.split(" ")[-1]
        return "".join([self._hold(mark) for mark in marks])

    def _hold(self, character: str) -> str:
        out = self._settle(self._held, character) if self._held else ""
        self._held = ""
        if character in _UNDECIDED:
            self._held = character
        else:
            out += self._settle(character, "")
        if character == "\n":
            self._lead = ""
        return out

    def _settle(self, held: str, after: str) -> str:
        """What becomes of a character; `after` matters only to the undecided ones, and is "" at the end."""
        before = self._before
        if self._link:
            self._link += 1
            if held == ")" or held == "\n" or self._link > _LONGEST_TARGET:
                self._link = 0
                self._before = held
                return BREAK if held == "\n" else ""
            return ""
        self._before = held
        closed, self._closed = self._closed, False
        if held == "\n":
            return BREAK
        if held == "|":
            return " "
        if held in "[`":
            return ""
        if held == "]":
            self._closed = True
            return ""
        if held == "(" and closed:
            self._link = 1
            return ""
        if held == "!" and after == "[":
            return ""
        if held == "*":
            # CommonMark: with whitespace on both sides it is no emphasis ("press * to go on", "3 * 4").
            return held if before.isspace() and after.isspace() else ""
        if held == "_":
            return held if before.isalnum() and after.isalnum() else ""
        if held == "~" and "~" in (before, after):
            return ""
        return held


def _silent(character: str) -> bool:
    """Whether a voice has nothing to say for this character."""
    if character.isascii():
        return not character.isprintable()
    kind = unicodedata.category(character)
    if kind in {"Cc", "Cf", "Cs", "Co", "Cn", "Me"}:
        return True
    if kind == "Sk":
        return True
    if kind == "So":
        return character not in _SPOKEN_SYMBOLS
    return "\ufe00" <= character <= "\ufe0f"
