"""Which agent takes a call, and which number an agent calls from. Pure.

In this order: the agent that the carrier names; the first rule that fits the call and the hour; the number that was
called; the default. Numbers also say how many calls they carry at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, model_validator

from parlance.engine.agent import Strict
from parlance.engine.hours import Hours
from parlance.switchboard.numbers import Number, same_number

_ALWAYS = Hours("", ())


class OurNumber(Strict):
    """One of our telephone numbers."""

    number: Number
    carrier: Annotated[str, Field(min_length=1)]
    agent: str = ""
    """Who answers it, and who calls from it first; empty: the default agent."""
    channels: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Calls it carries at once; 0: as many as there are lines."""


class Rule(Strict):
    """Calls that fit all of this go to `agent`. Patterns: `+33*`; empty fits every call."""

    agent: Annotated[str, Field(min_length=1)]
    caller: str = ""
    called: str = ""
    carrier: str = ""
    hours: Hours = _ALWAYS

    @model_validator(mode="after")
    def _fits_something(self) -> Rule:
        if not (self.caller or self.called or self.carrier or self.hours.spans):
            raise ValueError("a rule needs caller, called, carrier or hours: default_agent is for the rest")
        return self

    def fits(self, carrier: str, caller: str, called: str, at: datetime) -> bool:
        return (
            self.carrier in ("", carrier)
            and _like(caller, self.caller)
            and _like(called, self.called)
            and self.hours.open(at)
        )


def _like(number: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(number.lstrip("+"), pattern.lstrip("+"))


@dataclass(frozen=True, slots=True)
class Router:
    """The plan of numbers and rules."""

    default: str
    numbers: Sequence[OurNumber] = ()
    rules: Sequence[Rule] = ()

    def agent(self, carrier: str, caller: str, called: str, at: datetime, *, named: str = "") -> str:
        """Who takes a call that comes in at the local time `at`; `named`: by the carrier."""
        if named:
            return named
        for rule in self.rules:
            if rule.fits(carrier, caller, called, at):
                return rule.agent
        number = self.number(carrier, called)
        return (number.agent if number is not None else "") or self.default

    def number(self, carrier: str, called: str) -> OurNumber | None:
        """Which of our numbers this is."""
        for number in self.numbers:
            if number.carrier == carrier and same_number(number.number, called):
                return number
        return None

    def source(self, agent: str, *, number: str = "", carrier: str = "") -> OurNumber | None:
        """The number from which `agent` calls: the one asked for, else its own first one, else any of nobody's own."""
        fitting = [
            own
            for own in self.numbers
            if carrier in ("", own.carrier) and (not number or same_number(own.number, number))
        ]
        first = [own for own in fitting if own.agent == agent] or [own for own in fitting if number or not own.agent]
        return first[0] if first else None
