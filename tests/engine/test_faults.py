"""What is wrong with a settings block, in words."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from parlance.engine.agent import Strict
from parlance.engine.errors import Misconfigured
from parlance.engine.faults import checked, meant, told


class Pause(Strict):
    least: Annotated[float, Field(ge=0)] = 0.5


class Voice(Strict):
    name: str
    speed: Annotated[int, Field(le=10)] = 5
    pause: Pause = Pause()


def test_settings_that_are_right_become_the_model() -> None:
    assert checked(Voice, {"name": "anna", "pause": {"least": 1}}, "voice x") == Voice(
        name="anna", pause=Pause(least=1)
    )


def test_every_fault_is_in_one_line_with_its_place_and_whose_it_is() -> None:
    with pytest.raises(Misconfigured) as caught:
        checked(Voice, {"sped": 3, "speed": 11, "pause": {"least": -1}}, "voice x")
    first, *rest = str(caught.value).removeprefix("voice x: ").split("; ")
    assert str(caught.value).startswith("voice x: ")
    assert first == "name: 'name' is missing"
    assert rest == [
        "speed: should be less than or equal to 10, and is 11",
        "pause.least: should be greater than or equal to 0, and is -1",
        "sped: there is no setting 'sped' here",
        "did you mean speed?",
    ]


def test_a_fault_of_the_whole_has_no_place() -> None:
    assert told((("a", 1, "b"), "is wrong")) == "a.1.b: is wrong"
    assert told(((), "all is wrong")) == "all is wrong"


def test_a_word_that_is_near_is_offered_else_all_that_there_are() -> None:
    assert meant("espek", ["espeak", "rehearsal"]) == "; did you mean espeak?"
    assert meant("zzz", ["espeak", "rehearsal"]) == "; there are espeak, rehearsal"
    assert meant("zzz", []) == ""
