"""What a mind may do besides speaking: which tools it is told of, and how those of the agent's own are used.

`hang_up`, `transfer` and `take_message` are parlance's: they are acts of the reply, which the call performs. A tool of
the agent's own is a request to its `url`: the arguments as JSON, with an `Idempotency-Key` that is the same if the same
thing has to be asked again. What comes back is text for the mind, also if it is that it did not work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import trio
from pydantic import ValidationError

from parlance.actors.dial import Dial
from parlance.actors.thinker import schema
from parlance.actors.thinker.port import Ask, Tool
from parlance.actors.web import Web, WebService
from parlance.engine.agent import Agent
from parlance.engine.agent import Tool as Settings
from parlance.engine.errors import ParlanceError
from parlance.engine.faults import Fault, explain
from parlance.engine.text import encodable

MOST = 8000
"""Characters of a result that the mind is told."""

_TEXT = {"type": "string"}
OWN = {
    "hang_up": Tool(
        "hang_up",
        "End the call, once what you say in this reply was heard. Say goodbye in the same reply.",
        {"type": "object", "properties": {}},
    ),
    "transfer": Tool(
        "transfer",
        "Connect the caller with a person, once what you say in this reply was heard. Say so in the same reply.",
        {"type": "object", "properties": {}},
    ),
    "take_message": Tool(
        "take_message",
        "Write down a message for the people you answer for.",
        {
            "type": "object",
            "properties": {
                "message": {**_TEXT, "description": "What the caller wants them to know."},
                "name": {**_TEXT, "description": "Who the caller is."},
                "number": {**_TEXT, "description": "The number to call back."},
            },
            "required": ["message"],
        },
    ),
}
"""As language models are told of them."""
DONE = {
    "hang_up": "The call ends as soon as the caller has heard you. Say goodbye, if you have not.",
    "transfer": "The caller is connected as soon as he has heard you. Say so, if you have not.",
    "take_message": "It is written down.",
}


class Failure(Exception):
    """A tool did not do what it was asked; the words are for the mind."""


class Toolbox:
    """One agent's tools, for all its calls."""

    def __init__(self, agent: Agent) -> None:
        self._tools = {tool.name: tool for tool in agent.tools if tool.name != "transfer" or agent.transfer}
        self.declared = tuple(OWN.get(tool.name) or _declared(tool) for tool in self._tools.values())
        self._web = {tool.name: _web(tool) for tool in self._tools.values() if tool.url}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections to the tools' servers, and close them when cancelled."""
        async with trio.open_nursery() as nursery:
            for web in self._web.values():
                await nursery.start(web.run)
            task_status.started()

    def known(self, name: str) -> bool:
        return name in self._tools

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it but the acts that are the mind's own."""
        return not self._web

    def refusal(self, ask: Ask) -> str:
        """Why nothing can come of this, for the mind; empty: something can."""
        tool = self._tools.get(ask.name)
        if tool is None or not tool.url:
            there = ", ".join(self._tools) or "none"
            return f"There is no tool {ask.name[:64]!r}; there are: {there}."
        missing = [name for name in tool.required if name not in ask.arguments]
        return f"Missing: {', '.join(missing)}." if missing else ""

    async def use(self, ask: Ask, key: str) -> str:
        """The result of a tool of the agent's own. Raises `Failure`. `key`: the same for the same thing asked again."""
        if why := self.refusal(ask):
            raise Failure(why)
        tool, web = self._tools[ask.name], self._web[ask.name]
        try:
            with trio.fail_after(tool.timeout):
                answer = await web.whole(tool.url, dict(ask.arguments), headers={"Idempotency-Key": key}, kind="any")
        except trio.TooSlowError:
            raise Failure(f"No answer within {tool.timeout:g} s. It is not known whether it was done.") from None
        except ParlanceError as error:
            # A connection that was lost, or an answer that made no sense, comes after whatever was done.
            what = "It is not known whether it was done" if error.retry else "It did not work"
            raise Failure(encodable(f"{what}: {error}.")) from None
        text = _plain(answer)
        return text if len(text) <= MOST else f"{text[:MOST]} (cut off)"


def _declared(tool: Settings) -> Tool:
    parameters: dict[str, Any] = {"type": "object", "properties": tool.parameters, "required": list(tool.required)}
    return Tool(tool.name, tool.description, parameters)


class _Server(WebService):
    """The server of a tool, which is anybody's: no address is the usual one, and no key is needed."""

    key_env: str = ""

    def usual(self) -> str:
        return "http://tool.example/"


def _server(tool: Settings, *, keys: bool = True) -> _Server:
    times = dict.fromkeys(("first", "idle", "total"), tool.timeout)
    told = {"url": tool.url.partition("?")[0], "key_env": tool.key_env, "warm": 0, **times}
    return _Server.model_validate(told, context={"keys": keys})


def _web(tool: Settings) -> Web:
    service = _server(tool)
    return Web(Dial(f"tool {tool.name}", service, scheme="Bearer" if service.key() else ""), service, what="words")


def faults(agent: Agent, *, keys: bool = True) -> list[Fault]:
    """Tools that cannot be asked: where in the agent's file, and why. `keys`: whether their keys must be there."""
    found: list[Fault] = []
    wanted = agent.tools not in ((), Agent.model_fields["tools"].default)
    if wanted and {one.kind for one in agent.mind.chain} == {"script"}:
        found.append((("tools",), "the mind is a script, which uses no tools: it has acts"))
    for index, tool in enumerate(agent.tools):
        found += [(("tools", index, *where), text) for where, text in _wrong(tool, agent.limits.thinking, keys)]
    return found


def _wrong(tool: Settings, thinking: float, keys: bool) -> Iterator[Fault]:
    """`thinking`: seconds after which nobody waits for a reply."""
    yield from schema.faults(tool.parameters, "parameters")
    if not tool.url:
        return
    if tool.timeout > thinking:
        yield ("timeout",), f"{tool.timeout:g} s are more than limits.thinking, {thinking:g} s"
    if keys and tool.key_env and not os.environ.get(tool.key_env, "").strip():
        yield ("key_env",), f"the environment variable {tool.key_env} is not set"
        return
    try:
        _server(tool, keys=keys)
    except ValidationError as error:
        yield from explain(error, _Server)


def _plain(answer: bytes) -> str:
    """JSON as compact text, and anything else as it is."""
    text = answer.decode(errors="replace").strip()
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    return encodable(text) or "Done."
