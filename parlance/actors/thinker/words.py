"""Words as an ear writes them down: normal form, phrases to look for, yes and no, numbers. Pure, English.

An embedded ear gives lower case without punctuation, a large one gives "At 10:30, please." Both come out of `normal`
alike, and everything else here expects that form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()

NUMBERS: dict[str, int] = {word: value for value, word in enumerate(_UNITS)}
NUMBERS.update({word: 20 + 10 * index for index, word in enumerate(_TENS)})
NUMBERS.update(
    {f"{ten} {_UNITS[one]}": 20 + 10 * index + one for index, ten in enumerate(_TENS) for one in range(1, 10)}
)
ORDINALS: dict[str, int] = {word: value for value, word in enumerate(_ORDINALS, 1)}
ORDINALS.update({"twentieth": 20, "thirtieth": 30, "thirty first": 31})
ORDINALS.update({f"twenty {word}": 20 + value for word, value in list(ORDINALS.items()) if value < 10})

_FILLERS = frozenset("uh um er ah oh well so please hello hi hey okay ok the a an just like and".split())
_NO = re.compile(r"\b(no|nope|nah|not|wrong|incorrect|don't|doesn't|didn't|isn't|never|negative)\b")
_YES = re.compile(
    r"\b(yes|yeah|yep|yup|ya|sure|correct|right|exactly|okay|ok|fine|perfect|absolutely|certainly|definitely|indeed"
    r"|of course|go ahead|please do|sounds good|that's it|that is it|that works|why not|no problem|i would|i do)\b"
)
_NEITHER = re.compile(r"\b(don't know|do not know|not sure|no idea|why not|no problem)\b")


def normal(text: str, mishearings: Mapping[str, str] | None = None) -> str:
    """`text` in lower case, without punctuation, with one space between words; clock times keep their colon.

    `mishearings`: what an ear is known to write, and what was said; both already in normal form.
    """
    text = text.lower().replace("\u2019", "'").replace("_", " ")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"[^\w':+]+|(?<!\d):|:(?!\d)|(?<!\w)'|'(?!\w)|\+(?!\d)", " ", text)
    text = " ".join(text.split())
    text = re.sub(r"(?<![^\W\d])(\d*)([ap]) ?m\b", lambda found: f"{found[1]} {found[2]}m".strip(), text)
    for heard, meant in (mishearings or {}).items():
        text = re.sub(rf"\b{re.escape(heard)}\b", meant, text)
    return text


def content(text: str) -> list[str]:
    """The words of a normal text that carry meaning."""
    return [word for word in text.split() if word not in _FILLERS]


def agrees(text: str) -> bool | None:
    """Whether a normal text means yes (True), no (False) or neither."""
    if neither := _NEITHER.search(text):
        return True if neither[0] in ("why not", "no problem") else None
    if _NO.search(text):
        return False
    return True if _YES.search(text) else None


def digits(text: str) -> str:
    """The longest run of digits in a normal text, however they were said: "five double two oh nineteen" is 522019."""
    best = run = ""
    repeat, ten = 1, False
    for word in text.split():
        if word in ("double", "triple"):
            repeat = 2 if word == "double" else 3
            continue
        figure = "0" if word in ("oh", "o") else str(NUMBERS[word]) if word in NUMBERS else word.lstrip("+")
        if figure.isascii() and figure.isdecimal():
            if ten and word in _UNITS[1:10]:
                run = run[:-1] + figure
            else:
                run += figure * repeat
            ten = word in _TENS
        elif word not in ("dash", "uh", "um", "plus", "space", "and"):
            best, run, ten = max(best, run, key=len), "", False
        repeat = 1
    return max(best, run, key=len)


@dataclass(frozen=True, slots=True)
class Match:
    """`score`: how many of the phrase's own words were found; `words`: the words they were found as; `end`: where."""

    score: int
    words: tuple[str, ...]
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something to look for in a normal text.

    Written as a shop owner writes it: `opening hours` (these words, side by side), `(open|closed)` (either),
    `tell * that` (up to six words between), `internet + down` (both, in any order), `/regular expression/`.
    """

    parts: tuple[re.Pattern[str], ...]
    score: int

    @classmethod
    def parse(cls, written: str) -> Phrase:
        """Raises `ValueError` that says what is wrong with it."""
        written = written.strip()
        if len(written) > 2 and written.startswith("/") and written.endswith("/"):
            try:
                return cls((re.compile(written[1:-1]),), 2)
            except re.error as error:
                raise ValueError(f"{written} is not a regular expression: {error}") from None
        parts = [part.strip() for part in written.split(" + ")]
        compiled = [_compile(part, written) for part in parts]
        return cls(tuple(re.compile(pattern) for pattern, _ in compiled), sum(score for _, score in compiled))

    def find(self, text: str) -> Match | None:
        found = [part.search(text) for part in self.parts]
        spans = [span for span in found if span]
        if len(spans) < len(self.parts):
            return None
        words = tuple(word for span in spans for word in span[0].split())
        return Match(self.score, words, max(span.end() for span in spans))


def _compile(part: str, written: str) -> tuple[str, int]:
    tokens = re.findall(r"\([^()]*\)|[^\s()]+|[()]", part)
    pattern, score, gap = "", 0, False
    for token in tokens:
        if token == "*":
            gap = True
            continue
        if token in "()":
            raise ValueError(f'"{written}" has a bracket without its partner, or one inside another')
        options = [normal(option) for option in token.strip("()").split("|")]
        if not all(options):
            raise ValueError(f'"{written}" has an empty alternative')
        if score:
            pattern += r"(?: \S+){0,6}? " if gap else " "
        pattern += "(?:" + "|".join(re.escape(option) for option in options) + ")"
        score, gap = score + min(len(option.split()) for option in options), False
    if not score:
        raise ValueError(f'"{written}" has no word to look for')
    return rf"(?<!\S){pattern}(?!\S)", score
