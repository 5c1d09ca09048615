"""A whole house on a real port, with simulated clouds around it, an API client, and what is known of its calls."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from typing import Any

import trio
from phone import Phone

from clouds.carrier import PUBLIC, Call, Cloud
from clouds.web import Answer, Sent, ask
from parlance import main
from parlance.agents import load
from parlance.engine.agent import Agent
from parlance.engine.record import Record
from parlance.house import House
from parlance.settings import Settings

ADMIN, READER = "plk_administrator", "plk_reader"
DESK, CURT, PATIENT, NARROW, HELPFUL = range(1, 6)
"""Our numbers at each carrier: whoever answers there. `NARROW` is the desk's with one channel."""
PERSON = "+33155555555"
"""Whom the helpful agent connects callers with."""


def agents() -> dict[str, Agent]:
    """Agents without a CPU, who answer at once and in few words. The ear always hears the same, so that a script
    has only one thing to answer."""
    rehearsal = load.shipped()["rehearsal"].model_dump()
    pauses = {"busy": 0.2, "no-answer": 0.2, "failed": 0.2}
    usual = rehearsal | {
        "listed": True,
        "greeting": "Hello, who is there?",
        "mind": {"kind": "rehearsal", "wait": 0.02, "words": 6},
        "endpointing": {"least": 0.25, "most": 0.25},
        "lines": {"closing": ""},
        "outbound": {"pauses": pauses, "long": 1.0},
    }

    def script(act: str) -> dict[str, Any]:
        return {"intents": {"end": {"when": ["appointment"], "say": "Well then, good luck to you.", "act": act}}}

    made: dict[str, dict[str, Any]] = {
        "desk": {},
        "curt": {"mind": {"kind": "script"}, "script": script("hang_up")},
        "helpful": {"mind": {"kind": "script"}, "script": script("transfer"), "transfer": PERSON},
        "patient": {
            "greeting": "",
            "outbound": {"pauses": pauses, "long": 1.0, "machines": "leave", "message": "Please call us back."},
        },
    }
    return {name: Agent.model_validate(usual | {"name": name} | changes) for name, changes in made.items()}


class Town:
    def __init__(self, house: House, clouds: Mapping[str, Cloud]) -> None:
        self.house, self.clouds = house, dict(clouds)
        self.port = 0
        self.records: dict[str, list[Record]] = {}
        """All that was ever known of each call."""
        store = house.office.store
        keep = store.keep

        def kept(record: Record) -> None:
            self.records.setdefault(record.id, []).append(record)
            keep(record)

        store.keep = kept  # type: ignore[method-assign]

    # ------------------------------------------------------------------------------------------ the API

    async def api(self, method: str, path: str, body: Any = None, key: str = ADMIN, **headers: str) -> Answer:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        if key:
            named["Authorization"] = f"Bearer {key}"
        if body is not None:
            named["Content-Type"] = "application/json"
        content = b"" if body is None else json.dumps(body).encode()
        return await ask(self.port, Sent(method, f"{PUBLIC}{path}", named, content))

    async def command(self, id: str, word: str, **body: Any) -> dict[str, Any]:
        """A command that is taken: what it has answered."""
        answer = await self.api("POST", f"/api/v1/calls/{id}/{word}", body or None)
        assert answer.status == 200, (answer.status, answer.body)
        done: dict[str, Any] = answer.json
        return done

    async def order(self, cloud: Cloud, to: str, agent: str = "desk", **more: Any) -> str:
        """Have a call placed; its id."""
        body = {"to": to, "agent": agent, "carrier": cloud.carrier, **more}
        answer = await self.api("POST", "/api/v1/calls", body)
        assert answer.status == 201, (answer.status, answer.body)
        id: str = answer.json["id"]
        return id

    async def get(self, id: str) -> dict[str, Any]:
        answer = await self.api("GET", f"/api/v1/calls/{id}")
        assert answer.status == 200
        call: dict[str, Any] = answer.json
        return call

    async def health(self) -> dict[str, Any]:
        figures: dict[str, Any] = (await self.api("GET", "/health", key="")).json
        return figures

    # ----------------------------------------------------------------------------------------- the calls

    def known(self, number: str) -> list[str]:
        """The ids of the calls with this number on either side."""
        return [id for id, [*_, last] in self.records.items() if number in (last.caller, last.called)]

    def id(self, call: Call) -> str:
        """Our id of a call, of which there is exactly one."""
        [id] = self.known(call.theirs)
        return id

    def status(self, id: str) -> str:
        return self.records[id][-1].status.value

    async def until(self, condition: Callable[[], object], what: str = "it", within: float = 8.0) -> None:
        with trio.move_on_after(within) as scope:
            while not condition():
                await trio.sleep(0.01)
        assert not scope.cancelled_caught, f"waited {within:g} s for {what}"

    async def becomes(self, id: str, *statuses: str, within: float = 10.0) -> dict[str, Any]:
        """The call's record as the API tells it, once it has one of these statuses."""
        await self.until(lambda: self.status(id) in statuses, f"{' or '.join(statuses)} of {self.status(id)}", within)
        return await self.get(id)

    async def ended(self, call: Call | str, within: float = 10.0) -> dict[str, Any]:
        id = call if isinstance(call, str) else self.id(call)
        return await self.becomes(id, "ended", "failed", within=within)

    async def placed(self, cloud: Cloud, number: str, times: int = 1) -> Call:
        """The call that the cloud was asked to place, for the `times`th time."""
        await self.until(
            lambda: sum(to == number for to, _ in cloud.placing) >= times and number in self._outbound(cloud),
            f"the order for {number}",
        )
        return cloud.to(number)

    def _outbound(self, cloud: Cloud) -> list[str]:
        return [call.called for call in cloud.calls.values() if call.outbound]

    async def talk(self, phone: Phone, seconds: float = 0.8) -> None:
        """The caller says something, and is answered."""
        await phone.silence(0.1)
        phone.say(seconds)
        await phone.said()
        since = trio.current_time()
        await phone.until(lambda: phone.ear.seconds(since, trio.current_time()) > 0.2)

    async def greeted(self, phone: Phone) -> None:
        await phone.until(lambda: phone.ear.seconds(0, trio.current_time()) > 0.2)


@asynccontextmanager
async def town(clouds: Mapping[str, Cloud], **settings: Any) -> AsyncIterator[Town]:
    made: list[House] = []

    def make(*given: Any, **named: Any) -> House:
        made.append(House(*given, **named))
        return made[-1]

    usual, main.House = main.House, make  # type: ignore[misc, assignment]
    bound: list[int] = []
    try:
        async with trio.open_nursery() as nursery:
            for cloud in clouds.values():
                await nursery.start(cloud.run)
            chosen = Settings.model_validate(_settings(clouds) | settings)
            nursery.start_soon(partial(main.run, chosen, agents(), opened=lambda host, port: bound.append(port)))
            with trio.fail_after(20):
                while not (bound and made and made[0].ready):
                    await trio.sleep(0.01)
            place = Town(made[0], clouds)
            place.port = bound[0]
            for cloud in clouds.values():
                cloud.door = bound[0]
            await place.until(lambda: learned(made[0]), "what has to be learned from the carriers")
            # The last of the house's own tasks begins when it is ready.
            await trio.sleep(0.005)
            yield place
            nursery.cancel_scope.cancel()
    finally:
        main.House = usual  # type: ignore[misc]


def _settings(clouds: Mapping[str, Cloud]) -> dict[str, Any]:
    who = {DESK: "desk", CURT: "curt", PATIENT: "patient", NARROW: "desk", HELPFUL: "helpful"}
    numbers = [
        {"number": cloud.ours(place), "carrier": name, "agent": agent, "channels": int(place == NARROW)}
        for name, cloud in clouds.items()
        for place, agent in who.items()
    ]
    keys = [
        {"name": "admin", "hash": hashed(ADMIN), "scopes": ["admin"]},
        {"name": "reader", "hash": hashed(READER), "scopes": ["calls:read"]},
    ]
    return {
        "port": 0,
        "default_agent": "desk",
        "public_url": PUBLIC,
        "numbers": numbers,
        "carriers": {name: cloud.settings() for name, cloud in clouds.items()},
        "api": {"keys": keys, "rate": 10_000, "burst": 100_000},
        # This machine is slower than the one the house is meant for.
        "limits": {"lateness": 0, "calls": 1000},
        "media": {"reconnect": 3.0, "hello": 5.0},
        "watch": {"limit": 0},
    }


def hashed(key: str) -> str:
    return "sha256:" + sha256(key.encode()).hexdigest()


def learned(house: House) -> bool:
    """Whether no carrier has anything to fetch first."""
    now = house.office.wall()
    learners = [learner for parts in house.office.carriers.values() for learner in parts.learners]
    return all(learner.wants(now) is None for learner in learners)
