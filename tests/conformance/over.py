"""A call that is over: the phone that made it, and its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hall import Hall
from phone import Phone

from parlance.engine import trace as t


@dataclass
class Over:
    phone: Phone
    events: list[t.TraceEvent]

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def end(self) -> tuple[str, str]:
        (ended,) = self.all(t.CallEnded)
        return ended.how, ended.by


async def over(hall: Hall, phone: Phone) -> Over:
    await hall.ended(phone)
    return Over(phone, hall.events(phone))


async def ready(hall: Hall, name: str, agent: str = "brief") -> Phone:
    phone = await hall.dial(name, agent)
    await hall.answered(phone)
    if phone.dialect.stream:
        await phone.hears()
        await phone.silence(0.3)
    return phone
