"""Which agent takes a call, which number an agent calls from, and what is a telephone number."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from parlance.switchboard.numbers import BadNumber, e164, same_number
from parlance.switchboard.routing import OurNumber, Router, Rule

CLINIC = OurNumber(number="+33 1 42 68 53 00", carrier="ringover", agent="clinic", channels=3)
SHOP = OurNumber(number="+33142685301", carrier="ringover")
AZURE = OurNumber(number="+33142685300", carrier="acs", agent="sales")
NIGHT = Rule.model_validate({"agent": "night", "hours": "Mo-Su 20:00-08:00"})
FRANCE = Rule(agent="paris", caller="+33*", called="+33142685301")
ROUTER = Router("receptionist", (CLINIC, SHOP, AZURE), (NIGHT, FRANCE))
NOON, LATE = datetime(2026, 11, 20, 12, 0), datetime(2026, 11, 20, 22, 0)


@pytest.mark.parametrize(
    ("carrier", "caller", "called", "at", "named", "agent"),
    [
        ("ringover", "+4930123456", "+33142685300", NOON, "", "clinic"),
        ("ringover", "+4930123456", "33142685300", NOON, "", "clinic"),
        ("acs", "+4930123456", "+33142685300", NOON, "", "sales"),
        ("ringover", "+4930123456", "+33142685301", NOON, "", "receptionist"),
        ("ringover", "+33612345678", "+33142685301", NOON, "", "paris"),
        ("ringover", "33612345678", "33142685301", NOON, "", "paris"),
        ("ringover", "+33612345678", "+33142685301", LATE, "", "night"),
        ("ringover", "+33612345678", "+33142685301", LATE, "sales", "sales"),
        ("twilio", "", "", NOON, "", "receptionist"),
    ],
)
def test_who_takes_a_call(carrier: str, caller: str, called: str, at: datetime, named: str, agent: str) -> None:
    assert ROUTER.agent(carrier, caller, called, at, named=named) == agent


def test_where_an_agent_calls_from() -> None:
    assert ROUTER.source("clinic") is CLINIC
    assert ROUTER.source("sales") is AZURE
    assert ROUTER.source("anyone") is SHOP
    assert ROUTER.source("anyone", number="+33142685300", carrier="acs") is AZURE
    assert ROUTER.source("anyone", number="+33142685399") is None
    assert ROUTER.source("anyone", carrier="acs") is None


def test_a_rule_that_fits_everything_is_none() -> None:
    with pytest.raises(ValidationError, match="default_agent"):
        Rule(agent="sales")


@pytest.mark.parametrize("text", ["+33142685300", "+33 1 42 68 53 00", " +33 (1) 42.68-53.00"])
def test_a_number_is_made_e164(text: str) -> None:
    assert e164(text) == "+33142685300"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0142685300", "no telephone number"),
        ("", "no telephone number"),
        ("+", "no telephone number"),
        ("+33", "no telephone number"),
        ("+3314268", "more or fewer digits"),
        ("+331426853001234", "more or fewer digits"),
        ("+999123456789", "no such country code"),
        ("clinic", "no telephone number"),
        ("+33142CLINIC", "no telephone number"),
    ],
)
def test_what_is_no_number(text: str, why: str) -> None:
    with pytest.raises(BadNumber, match=why):
        e164(text)


def test_numbers_are_the_same_with_and_without_a_plus() -> None:
    assert same_number("+33142685300", "33142685300")
    assert not same_number("", "")
    assert not same_number("+33142685300", "+33142685301")
