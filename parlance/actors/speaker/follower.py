"""Where in a phrase's text its voice is, by what the provider says was spoken. Pure."""

from __future__ import annotations

from parlance.actors.speaker.spoken import heard

AHEAD = 48
"""Characters that may be skipped to find a word again: what is spoken is not always what was written."""


class Follower:
    """Finds what is spoken in a phrase's text, and never goes back.

    Spoken words need not be the written ones: numbers are spelled out, marks left out. What is not found is passed
    over; the next word that is found near by is where the voice is.
    """

    def __init__(self, text: str) -> None:
        self._text = _low(text)
        self._end = max((at + 1 for at, char in enumerate(text) if heard(char)), default=0)
        self._at = 0
        self._word = ""
        self.lost = False
        """Whether what was spoken last is not in the text; until it is found again."""

    @property
    def whole(self) -> bool:
        """Whether the last that can be heard of the text has been spoken."""
        return self._at >= self._end

    def word(self, word: str) -> int | None:
        """The characters that have been spoken after `word`; None if it is not near."""
        wanted = _low(word.strip())
        for form in (wanted, wanted.strip("".join(char for char in wanted if not heard(char)))):
            if form and (at := self._text.find(form, self._at, self._at + AHEAD + len(form))) >= 0:
                self._at = at + len(form)
                return self._at
        return None

    def char(self, char: str) -> int | None:
        """The same after one more character, which may be a space."""
        if char.isspace():
            found = self.word(self._word) if self.lost and self._word else None
            self.lost = self.lost and found is None
            self._word = ""
            return found
        self._word += char
        at = self._at
        while not self.lost and at < len(self._text) and self._text[at].isspace():
            at += 1
        if self.lost or self._text[at : at + len(char)] != _low(char):
            # A mark that is not written, or not spoken, is no reason to lose the place.
            self.lost = self.lost or heard(char)
            return None
        self._at = at + len(char)
        return self._at

    def again(self, chars: str) -> bool:
        """Whether `chars` are the text from its beginning once more, and not what comes next. If so, be there."""
        start = "".join(_low(chars).split())
        rest, whole = ("".join(self._text[at:].split()) for at in (self._at, 0))
        if not self._at or len(start) < 4 or rest.startswith(start[:4]) or not whole.startswith(start[:12]):
            return False
        self._at, self._word, self.lost = 0, "", False
        return True


def _low(text: str) -> str:
    """`text` in lower case, of the same length."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)
