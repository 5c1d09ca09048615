"""Agents from YAML files: every fault of all files in one message, each with its file and line.

Nothing in a file is executed or constructed but text, numbers, lists and mappings. Scalars are read as YAML 1.2 does:
only `true` and `false` are truth values, and 8:30 is text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured
from parlance.engine.faults import Fault, explain
from parlance.engine.faults import Path as Where

Check = Callable[[Agent], Iterable[Fault]]
"""Faults that the agent's own shape does not show."""

SUFFIXES = (".yaml", ".yml")
MOST_BYTES = 1_000_000
MOST_DEPTH = 40

_INTEGER = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_REFUSED = object()
_CORE = "tag:yaml.org,2002:"


def shipped(*, checks: Sequence[Check] = ()) -> dict[str, Agent]:
    """The agents that come with parlance, by name."""
    return load((), checks=checks)


def load(paths: Sequence[Path], *, checks: Sequence[Check] = ()) -> dict[str, Agent]:
    """The shipped agents and those in these files and folders (`*.yaml`, `*.yml`, not deeper), by name.

    A user's agent replaces the shipped one of its name. Raises `Misconfigured` with every fault of every file, one a
    line, as `file:line: what`.
    """
    faults: list[str] = []
    ours = _read([Path(__file__).parent], checks, faults)
    theirs = _read(paths, checks, faults)
    if faults:
        raise Misconfigured("\n".join(faults))
    return ours | theirs


def _read(paths: Sequence[Path], checks: Sequence[Check], faults: list[str]) -> dict[str, Agent]:
    agents: dict[str, Agent] = {}
    origins: dict[str, str] = {}
    for path in _files(paths, faults):
        page = _Page(path)
        agent = page.agent(checks)
        faults += page.faults
        if agent is None:
            continue
        here = page.place(("name",))
        if agent.name in agents:
            faults.append(f"{here}: there is already an agent {agent.name}, in {origins[agent.name]}")
        else:
            agents[agent.name], origins[agent.name] = agent, here
    return agents


def _files(paths: Sequence[Path], faults: list[str]) -> list[Path]:
    """The files meant, each once."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.is_dir())
        if not inside:
            faults.append(f"{path}: there is no agent (*.yaml) in this folder")
        found.update(dict.fromkeys(inside))
    return list(found)


@dataclass
class _Page:
    """One file on its way to an agent."""

    path: Path
    faults: list[str] = field(default_factory=list)
    lines: dict[Where, int] = field(default_factory=dict)

    def agent(self, checks: Sequence[Check]) -> Agent | None:
        node = self._node()
        if node is None:
            return None
        data = self._plain(node, ())
        if not isinstance(data, dict):
            self._fault((), "an agent is a list of settings like `name: reception`, and this is something else")
            return None
        if self.faults:
            return self._whole(data, ())
        return self._whole(data, checks)

    def _whole(self, data: dict[str, Any], checks: Sequence[Check]) -> Agent | None:
        try:
            agent = Agent.model_validate(data)
        except ValidationError as error:
            wrong = explain(error, Agent)
            for where, text in wrong:
                self._fault(where, text)
            self._rest(data, {where[0] for where, _ in wrong if where}, checks)
            return None
        clean = not self.faults
        for check in checks:
            for where, text in check(agent):
                self._fault(where, text)
                clean = False
        return agent if clean else None

    def _rest(self, data: dict[str, Any], wrong: set[str | int], checks: Sequence[Check]) -> None:
        """What the checks find in the settings that can be read: one message is to name every fault."""
        rest = {key: value for key, value in data.items() if key not in wrong}
        try:
            agent = Agent.model_validate({"name": "unnamed", **rest})
        except ValidationError:
            return
        for check in checks:
            for where, text in check(agent):
                if where and where[0] in rest:
                    self._fault(where, text)

    def place(self, where: Where) -> str:
        """`file:line` of the key or item at `where`, or of the nearest thing around it that is in the file."""
        while where and where not in self.lines:
            where = where[:-1]
        return f"{self.path}:{self.lines.get(where, 1)}"

    def _fault(self, where: Where, text: str) -> None:
        name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).lstrip(".")
        self.faults.append(f"{self.place(where)}: {name + ': ' if name else ''}{text}")

    def _at(self, mark: Any, text: str) -> None:
        self.faults.append(f"{self.path}:{mark.line + 1 if mark else 1}: {text}")

    def _node(self) -> yaml.Node | None:
        text = self._text()
        if text is None:
            return None
        try:
            if not self._harmless(text):
                return None
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            what = " ".join(part for part in (error.context, error.problem) if part)
            self._at(error.problem_mark or error.context_mark, f"not YAML: {what}")
            return None
        except yaml.YAMLError as error:
            position = getattr(error, "position", 0)
            line = text[: position if isinstance(position, int) else 0].count("\n") + 1
            self.faults.append(f"{self.path}:{line}: not YAML: {' '.join(str(error).split())}")
            return None
        if node is None:
            self.faults.append(f"{self.path}:1: the file is empty; an agent needs at least a `name`")
        return node

    def _text(self) -> str | None:
        try:
            with self.path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            self.faults.append(f"{self.path}: cannot be read: {error.strerror or error}")
            return None
        if len(data) > MOST_BYTES:
            self.faults.append(f"{self.path}: larger than {MOST_BYTES} bytes: this is no agent")
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            self.faults.append(f"{self.path}:{line}: not UTF-8 text: save the file as UTF-8")
            return None

    def _harmless(self, text: str) -> bool:
        """No aliases, which can make a small file endless, and no depth that could exhaust the stack."""
        depth = 0
        before = len(self.faults)
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                self._at(event.start_mark, f"*{event.anchor}: aliases are not allowed; write it out")
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MOST_DEPTH:
                    self._at(event.start_mark, f"nested more than {MOST_DEPTH} deep")
                    return False
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        return len(self.faults) == before

    def _plain(self, node: yaml.Node, where: Where) -> Any:
        """The node as plain data; on the way, the lines of everything are noted."""
        self.lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            items = [self._plain(item, (*where, index)) for index, item in enumerate(node.value)]
            return [item for item in items if item is not _REFUSED]
        if isinstance(node, yaml.ScalarNode) and node.tag.startswith(_CORE) and node.tag != f"{_CORE}binary":
            return _scalar(node)
        tag = node.tag.replace(_CORE, "!!")
        self._at(node.start_mark, f"{tag} is not allowed here: an agent is made of text, numbers, lists and mappings")
        return _REFUSED

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._at(key.start_mark, "a key must be a word, not a list or a mapping")
                continue
            name = str(key.value)
            if name in data:
                first = self.lines[(*where, name)]
                self._at(key.start_mark, f"{name!r} is here for the second time (first in line {first})")
                continue
            self.lines[(*where, name)] = key.start_mark.line + 1
            plain = self._plain(value, (*where, name))
            if plain is not _REFUSED:
                data[name] = plain
        return data


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) <= 18:
        return int(text)
    if _REAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
