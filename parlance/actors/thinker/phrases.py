"""Cuts a stream of tokens into phrases that a voice can speak. Pure.

The first phrase goes as soon as it can be spoken, since the caller waits for it: at the first clause after a few words.
Later ones go at the ends of sentences, which sound better, and there is speech ahead of them to hide the wait. A
boundary counts once the character after it is known, so that how the text was cut into tokens makes no difference.
"""

from __future__ import annotations

from parlance.actors.thinker.plain import BREAK, Plain

FIRST_WORDS = 4
"""A clause is worth speaking on its own from this many words: shorter ones sound torn off."""
FIRST_MOST = 80
"""Characters after which the first phrase goes wherever a word ends: about five seconds of speech."""
MOST = 240
"""The same for later phrases."""

_ENDS = ".!?\u2026"
_WIDE_ENDS = "\u3002\uff01\uff1f"
"""Full stops of scripts that put no space after them."""
_CLAUSES = ",;:\u2014\u2013"
_CLOSERS = "\"')]}\u201d\u2019\u00bb"
_OPENERS = "\"'([{\u201c\u2018\u00ab"

_NAMED = frozenset(
    "dr mr mrs ms mx prof st sra srta rev fr hon pres gov gen col maj capt cmdr lt sgt cpl messrs mme mlle vs v e.g i.e"
    " cf viz approx ca al eg ie".split()
)
"""Abbreviations that something always follows: never the end of a sentence."""
_COUNTED = frozenset("no nos nr fig figs vol ch p pp art sec para ext rm tel op".split())
"""Abbreviations if a number follows; else words or the end of a sentence."""
_BOUND = _NAMED | _COUNTED
"""What a phrase must not end with."""
_EITHER = frozenset(
    "etc inc ltd co corp llc jr sr ave blvd rd hwy apt dept est min max hr hrs mins bros assn misc incl"
    " jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun".split()
)
"""Abbreviations that may end a sentence: they do when a capital letter follows. So does any word with dots inside."""


_TRIES = 40
"""Words looked at for a place to cut, from the end: more cannot make a phrase better, and must not take long."""


class Splitter:
    """One reply's text on its way to the voice. After `flush` it is ready for the next reply.

    `first_words`, `first_most`: least words before a clause counts, and most characters, of the first phrase; `most`:
    most characters of a later one. A phrase is only ever longer when there is no place in it that may be cut.
    """

    def __init__(self, *, first_words: int = FIRST_WORDS, first_most: int = FIRST_MOST, most: int = MOST) -> None:
        if first_words < 1 or first_most < 1 or most < 1:
            raise ValueError("a phrase has at least one word and one character")
        self._first_words = first_words
        self._first_most = first_most
        self._most = most
        self._start()

    def _start(self) -> None:
        self._plain = Plain()
        self._text = ""
        self._first = True

    def feed(self, token: str) -> list[str]:
        """The phrases that can be spoken now; none of them is empty."""
        return self._push(self._plain.feed(token))

    def flush(self) -> list[str]:
        """The end of the reply: whatever is left. What has neither letter nor digit in it is not spoken."""
        phrases = self._push(self._plain.flush())
        if _sounds(self._text):
            phrases.append(self._text.strip())
        self._start()
        return phrases

    def _push(self, text: str) -> list[str]:
        phrases: list[str] = []
        for character in text:
            self._add(character, phrases)
        return phrases

    def _add(self, character: str, phrases: list[str]) -> None:
        if character == BREAK:
            self._cut(len(self._text), phrases)
            if self._text and not self._text.endswith(" "):
                self._text += " "
            return
        if character == " ":
            if self._text and not self._text.endswith(" "):
                self._text += " "
            return
        if self._boundary(character):
            self._cut(len(self._text), phrases)
        word = self._text.endswith(" ")
        self._text += character
        if word or len(self._text) > 4 * self._limit:
            self._overflow(phrases)

    def _cut(self, at: int, phrases: list[str]) -> None:
        """The text before `at` is a phrase, unless there is no sound in it: then it begins the next one."""
        head = self._text[:at]
        if not _sounds(head):
            return
        phrases.append(head.strip())
        self._text = self._text[at:].lstrip(" ")
        self._first = False

    def _boundary(self, following: str) -> bool:
        """Whether a phrase ends at the end of the text, `following` being the character that comes next."""
        text = self._text
        if not text:
            return False
        if text.endswith(" "):
            return _sentence(text.rstrip(), following) or (self._first and self._clause(text.rstrip()))
        bare = text.rstrip(_CLOSERS)
        if bare and bare[-1] in _WIDE_ENDS:
            return following not in _CLOSERS + _WIDE_ENDS
        return self._first and text[-1] == "\u2014" and following != "\u2014" and self._clause(text)

    def _clause(self, text: str) -> bool:
        if len(text.split()) < self._first_words:
            return False
        bare = text.rstrip(_CLOSERS)
        return bare[-1:] in tuple(_CLAUSES) or text.endswith(" -")

    @property
    def _limit(self) -> int:
        return self._first_most if self._first else self._most

    def _overflow(self, phrases: list[str]) -> None:
        """Too long: cut after the last clause, else after the last word that may be cut, else anywhere."""
        while len(self._text) > (most := self._limit):
            at = _last_cut(self._text, clauses=True) or _last_cut(self._text, clauses=False)
            if not at and len(self._text) > 4 * most:
                at = self._text.rfind(" ") + 1 or len(self._text)
            if not at:
                return
            if not _sounds(self._text[:at]):
                # Nothing but marks, for longer than any text has them: nobody would hear them.
                self._text = self._text[at:]
                continue
            self._cut(at, phrases)


def _sentence(text: str, following: str) -> bool:
    """Whether `text`, which a space follows and then the character `following`, is the end of a sentence."""
    bare = text.rstrip(_CLOSERS)
    if not bare or bare[-1] not in _ENDS + _WIDE_ENDS or following in _ENDS:
        return False
    if bare[-1] not in ".\u2026":
        return True
    capital = following.isupper() or following in _OPENERS
    if bare.endswith(("..", " .", "\u2026")):
        return capital
    word = bare[:-1].rsplit(" ", 1)[-1].lstrip(_OPENERS)
    plain = word.lower()
    if plain in _NAMED:
        return False
    if plain in _COUNTED:
        return not following.isdigit()
    if plain in _EITHER or ("." in plain and plain.replace(".", "").isalpha()):
        return capital
    if len(word) == 1 and word.isalpha() and word != "I":
        return False
    # "1. First" is the number of a list's item.
    return not (word.isdigit() and " " not in bare)


def _last_cut(text: str, *, clauses: bool) -> int:
    """The last place to cut `text` at, as an index; 0 if there is none.

    Never between a number and what follows it ("10 a.m.", "555 0134"), nor after an abbreviation that belongs to
    the next word.
    """
    at = text.rfind(" ")
    for _ in range(_TRIES):
        if at <= 0:
            break
        before = text[:at].rstrip(_CLOSERS)
        word = before.rsplit(" ", 1)[-1].lstrip(_OPENERS)
        if (
            before
            and not before[-1].isdigit()
            and word.rstrip(".").lower() not in _BOUND
            and (not clauses or before[-1] in _CLAUSES + _ENDS)
        ):
            return at + 1
        at = text.rfind(" ", 0, at)
    return 0


def _sounds(text: str) -> bool:
    return any(character.isalnum() for character in text)
