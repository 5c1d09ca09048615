"""Phrases: cut where a voice may pause, never where it must not, and the same however the tokens came."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parlance.actors.thinker.phrases import FIRST_MOST, MOST, Splitter
from parlance.actors.thinker.plain import Plain


def split(*tokens: str, **settings: int) -> list[str]:
    splitter = Splitter(**settings)
    out = [phrase for token in tokens for phrase in splitter.feed(token)]
    return out + splitter.flush()


def speakable(text: str) -> str:
    plain = Plain()
    return plain.feed(text) + plain.flush()


PIECES = [
    "Dr. ",
    "Mr. Smith ",
    "3.5 ",
    "10:30 ",
    "a.m. ",
    "e.g. ",
    "Well... ",
    "yes, ",
    "No. ",
    "No. 5 ",
    "really? ",
    "https://a.example/b?c=1 ",
    "me@mail.example ",
    "**bold** ",
    "- item\n",
    "# Head\n",
    "\U0001f600 ",
    "(so) ",
    '"Go!" ',
    "; ",
    "\u2014",
    "\n",
    " ",
    ".",
    "!",
    "*",
    "_",
    "`",
    "x",
    "7",
    "[text](url) ",
    "] (",
    "|",
    "~~",
    "\u3002",
    "\u4f60",
    "U.S. ",
    "word ",
]
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Sure. We are open.", ["Sure.", "We are open."]),
        ("Of course I can, just tell me. Then we see.", ["Of course I can,", "just tell me.", "Then we see."]),
        ("Yes, of course. Fine, and you, and him. Ok.", ["Yes, of course.", "Fine, and you, and him.", "Ok."]),
        ("Ask Dr. Miller or Mrs. Jones. They know.", ["Ask Dr. Miller or Mrs. Jones.", "They know."]),
        ("It is 3.5 dollars. Come at 10:30. Bye.", ["It is 3.5 dollars.", "Come at 10:30.", "Bye."]),
        ("It costs 1,200 dollars today. Ok?", ["It costs 1,200 dollars today.", "Ok?"]),
        ("We open at 9 a.m. on weekdays. Yes.", ["We open at 9 a.m. on weekdays.", "Yes."]),
        ("We open at 9 a.m. That is early.", ["We open at 9 a.m.", "That is early."]),
        ("Fruit, e.g. apples. Or i.e. Pears.", ["Fruit, e.g. apples.", "Or i.e. Pears."]),
        ("No. We are closed.", ["No.", "We are closed."]),
        ("Take bus No. 5 there.", ["Take bus No. 5 there."]),
        ("Ask for J. Smith. So am I. Good.", ["Ask for J. Smith.", "So am I.", "Good."]),
        ("Well... let me see... Now. . . yes.", ["Well... let me see...", "Now. . . yes."]),
        (
            "See https://a.example/b.c?d=1,2 now. Or me@mail.example. Ok.",
            ["See https://a.example/b.c?d=1,2 now.", "Or me@mail.example.", "Ok."],
        ),
        ('He said "Go!" Then (so he did.) Fine.', ['He said "Go!"', "Then (so he did.)", "Fine."]),
        ("1. First thing\n2. Second thing", ["1. First thing", "2. Second thing"]),
        ("all in lower case. second one. third", ["all in lower case.", "second one.", "third"]),
        ("\u4f60\u597d\u3002\u518d\u89c1\uff01", ["\u4f60\u597d\u3002", "\u518d\u89c1\uff01"]),
        ("We have three rooms\u2014all free.", ["We have three rooms\u2014", "all free."]),
        ("...", []),
        ("Bye. \U0001f44b", ["Bye."]),
        ("", []),
    ],
)
def test_phrases_end_where_a_voice_may_pause(text, phrases):
    assert split(text) == phrases


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**Bold** and *it* and __so__ and _on_", "Bold and it and so and on"),
        ("## Heading\ntext", "Heading\ntext"),
        ("- one\n* two\n+ three", "one\ntwo\nthree"),
        ("> quoted", "quoted"),
        ("a\n---\nb", "a\n\nb"),
        ("use `code` and ```\nfence\n```", "use code and \nfence\n"),
        ("see [our page](https://x.example/a_b) now", "see our page now"),
        ("![logo](x.png) here", "logo here"),
        ("~~gone~~ but ~5 stay", "gone but ~5 stay"),
        ("snake_case and a_b@mail.example", "snake_case and a_b@mail.example"),
        ("press * to go, 3 * 4", "press * to go, 3 * 4"),
        ("-5 degrees, #5, 20 \u00b0C", "-5 degrees, #5, 20 \u00b0C"),
        ("hi \U0001f600\U0001f3fd\u200d\U0001f680 \u2764\ufe0f there \U0001f1fa\U0001f1f8", "hi   there "),
        ("a\x00b\x1bc\u202ed\ufeffe", "abcde"),
        ("caf\u00e9 na\u00efve \u00fcber", "caf\u00e9 na\u00efve \u00fcber"),
        ("tab\there\r\nline", "tab here\n\nline"),
    ],
)
def test_what_a_voice_cannot_speak_is_stripped(text, spoken):
    assert speakable(text) == spoken


def test_the_first_phrase_leaves_with_the_character_after_its_clause():
    splitter = Splitter()
    assert splitter.feed("Let me look that up,") == []
    assert splitter.feed(" ") == []
    assert splitter.feed("o") == ["Let me look that up,"]


def test_later_phrases_do_not_leave_at_clauses():
    assert split("One moment please. I see that you called, twice, last week. Is that so?") == [
        "One moment please.",
        "I see that you called, twice, last week.",
        "Is that so?",
    ]


def test_text_without_an_end_is_cut_between_words_within_the_bounds():
    phrases = split("word " * 200)
    assert len(phrases[0]) <= FIRST_MOST
    assert all(len(phrase) <= MOST for phrase in phrases)
    assert " ".join(phrases).split() == ["word"] * 200


def test_too_long_a_sentence_is_cut_at_its_last_clause():
    text = "a rather long beginning that says nothing (and then some), and after it more of this"
    first, *_ = split(text, first_words=50)
    assert first == "a rather long beginning that says nothing (and then some),"


def test_a_number_is_never_separated_from_what_follows_it():
    text = "the line you called has number " + "555 0134 2 " * 4 + "and we open at 10 a.m. or so and it goes on"
    for phrase in split(text)[:-1]:
        assert not phrase[-1].isdigit()


def test_text_with_no_place_to_cut_is_still_bounded():
    assert max(map(len, split("x" * 5000))) <= 4 * MOST + 1
    assert max(map(len, split("1 " * 3000))) <= 4 * MOST + 1
    assert split("!" * 5000) == []


def test_after_flush_it_begins_anew():
    splitter = Splitter()
    splitter.feed("Half a sentence")
    assert splitter.flush() == ["Half a sentence"]
    assert splitter.feed("Now then we begin, again") == ["Now then we begin,"]


@given(texts, st.data())
def test_any_chunking_gives_the_same_phrases(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    tokens = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*tokens) == split(text) == split(*text)


@given(texts, st.integers(1, 5), st.integers(1, 90), st.integers(1, 90))
@example("a " * 50, 1, 1, 1)
def test_nothing_that_sounds_is_lost_added_or_moved(text, first_words, first_most, most):
    phrases = split(text, first_words=first_words, first_most=first_most, most=most)
    spoken = [character for character in speakable(text) if character.isalnum()]
    assert [character for phrase in phrases for character in phrase if character.isalnum()] == spoken
    assert all(any(c.isalnum() for c in phrase) and phrase == phrase.strip() for phrase in phrases)


@given(texts)
def test_the_phrases_joined_are_the_text_up_to_whitespace(text):
    whole = "".join(speakable(text).split())
    joined = "".join("".join(split(text)).split())
    assert whole.startswith(joined)
    assert not any(character.isalnum() for character in whole[len(joined) :])


@given(texts)
def test_spoken_text_has_neither_controls_nor_pictures(text):
    for character in speakable(text):
        assert character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Me"}
        assert character not in "`\U0001f600"


@given(texts)
def test_letters_and_digits_outside_of_links_are_never_dropped(text):
    text = text.replace("]", "")
    plain = Plain()
    out = plain.feed(text) + plain.flush()
    keep = [c for c in text if c.isalnum() and unicodedata.category(c) not in {"So", "Cn", "Co"}]
    assert [c for c in out if c.isalnum()] == keep
