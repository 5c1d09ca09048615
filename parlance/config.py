"""The settings: one validated tree, read once when the program starts.

What belongs here is what an operator of the whole house may have an opinion about; what belongs to one agent is in that
agent's own file. A TOML file is read first and the environment over it: `PARLANCE_PORT` is `port`,
`PARLANCE_MEDIA__HELLO` is `hello` in the table `[media]`, and a list is written with the system's path separator.
Reading reports every fault at once. Times are seconds.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError, field_validator

from parlance.engine.agent import Strict
from parlance.engine.errors import Misconfigured

DEFAULT_FILE = Path("parlance.toml")
PREFIX = "PARLANCE_"

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Limits(Strict):
    calls: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Simultaneous calls, all agents together."""
    lateness: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.01
    """How late the metronome may be before no more calls are taken; 0 takes them however late it is."""


class Drain(Strict):
    limit: Seconds = 30.0
    """How long calls may go on after the program was asked to stop."""
    grace: Seconds = 10.0
    """How long their last words may take after that."""


class Media(Strict):
    hello: Seconds = 10.0
    """From an open media socket to the carrier's start message."""
    bad_messages: Annotated[int, Field(ge=0, le=100_000)] = 10
    """How many malformed messages a call survives."""
    silence: Seconds = 30.0
    """No audio at all from the carrier, not even silence: the line is dead."""
    lead: Annotated[float, Field(ge=0.02, le=5, allow_inf_nan=False)] = 0.2
    """Audio sent ahead of the ear."""


class Watch(Strict):
    limit: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.05
    """A task that stops all others for longer is reported; 0 turns the watch off."""


class Garbage(Strict):
    freeze: bool = True
    """Never walk again what the start has made."""
    threshold: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    """Objects made since the last collection that set the next one off; 0 leaves Python's own number."""


class Log(Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"
    # `json` is a method of every pydantic model, so only the key can have that name.
    as_json: bool = Field(default=False, alias="json")
    """The key `json`: one JSON object a line instead of text."""

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class Settings(Strict):
    """Everything an operator can set. Complete without a file and without an environment."""

    host: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """0 lets the system choose one."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that share the port, each with limits of its own."""
    agents: tuple[Path, ...] = ()
    """YAML files, or folders of them, in addition to the agents that ship."""
    default_agent: Annotated[str, StringConstraints(min_length=1)] = "receptionist"
    """Who answers when the carrier does not say who shall."""
    limits: Limits = Limits()
    drain: Drain = Drain()
    media: Media = Media()
    watch: Watch = Watch()
    gc: Garbage = Garbage()
    log: Log = Log()


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    agents: Callable[[Sequence[Path]], Collection[str]] | None = None,
) -> Settings:
    """The settings from `file` (by default `parlance.toml` here, if there is one) and the environment over it.

    Paths in the file are relative to the file. `agents` reads the agents that the settings name, as far as they can be
    read, and returns whom there is. Raises one `Misconfigured` that names every fault, also those that `agents` raised,
    with file and line or with the environment's variable.
    """
    if file is None and DEFAULT_FILE.is_file():
        file = DEFAULT_FILE
    sources = _Sources(file)
    tree = sources.read_file()
    sources.read_environment(os.environ if environment is None else environment, tree)
    named = tree.get("agents")
    paths = [Path(path) for path in named if isinstance(path, str | Path)] if isinstance(named, list) else []
    for path in paths:
        if not path.exists():
            sources.blame(("agents",), f"agents: no such file or folder: {path}")
    settings = None
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        for fault in error.errors():
            sources.blame(fault["loc"], _explain(fault["loc"], fault["type"], fault["msg"], fault.get("input")))
    wrong_agents = _read_agents(agents, [path for path in paths if path.exists()], settings, sources)
    if settings is not None and not sources.faults and not wrong_agents:
        return settings
    if not sources.faults:
        raise Misconfigured(wrong_agents)
    faults = [*map(_one_line, sources.faults), *wrong_agents.splitlines()]
    raise Misconfigured("The settings are wrong:\n" + "\n".join(f"  {fault}" for fault in faults))


def _read_agents(
    read: Callable[[Sequence[Path]], Collection[str]] | None,
    paths: Sequence[Path],
    settings: Settings | None,
    sources: _Sources,
) -> str:
    """What is wrong with the agents; who answers by default must be one of them."""
    if read is None:
        return ""
    try:
        known = read(paths)
    except Misconfigured as error:
        return str(error)
    if settings is not None and settings.default_agent not in known:
        there = ", ".join(sorted(known))
        sources.blame(
            ("default_agent",), f"default_agent: there is no agent {settings.default_agent!r}; there are {there}"
        )
    return ""


class _Sources:
    """Where each value came from, and what is wrong with it."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.faults: list[str] = []
        self._lines: dict[tuple[str, ...], int] = {}
        self._variables: dict[tuple[str, ...], str] = {}

    def read_file(self) -> dict[str, Any]:
        if self.file is None:
            return {}
        try:
            text = self.file.read_text("utf-8")
            tree = tomllib.loads(text)
        except FileNotFoundError:
            self.faults.append(f"{self.file}: no such file")
        except OSError as error:
            self.faults.append(f"{self.file}: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self.faults.append(f"{self.file}:{line}: not UTF-8 text")
        except tomllib.TOMLDecodeError as error:
            self.faults.append(_syntax(self.file, text, str(error)))
        else:
            self._lines = dict(_key_lines(text))
            _anchor(tree, self.file.parent)
            return tree
        return {}

    def read_environment(self, environment: Mapping[str, str], tree: dict[str, Any]) -> None:
        """Lay the variables over `tree`, in which each table may be missing or not even be a table."""
        for variable, text in sorted(environment.items()):
            if not variable.startswith(PREFIX):
                continue
            path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
            value: Any = text
            if path == ("agents",):
                value = [part for part in text.split(os.pathsep) if part]
            if _model_at(path) is not None:
                self.faults.append(f"{variable}: {'.'.join(path)} is a table: set {variable}__<KEY>")
                continue
            self._variables[path] = variable
            table = tree
            for key in path[:-1]:
                inner = table.get(key)
                if not isinstance(inner, dict):
                    table[key] = inner = {}
                table = inner
            table[path[-1]] = value

    def blame(self, loc: tuple[int | str, ...], message: str) -> None:
        path = tuple(str(part) for part in loc)
        for length in range(len(path), 0, -1):
            if (variable := self._variables.get(path[:length])) is not None:
                self.faults.append(f"{variable}: {message}")
                return
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                self.faults.append(f"{self.file}:{line}: {message}")
                return
        self.faults.append(message if self.file is None else f"{self.file}: {message}")


def _model_at(path: tuple[str, ...]) -> type[BaseModel] | None:
    """The table at `path`, or None where there is a value or nothing."""
    model: Any = Settings
    for key in path:
        field = _fields(model).get(key) if model is not None else None
        kind = field.annotation if field is not None else None
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return model  # type: ignore[no-any-return]


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _explain(loc: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    name = ".".join(str(part) for part in loc)
    if kind != "extra_forbidden":
        shown = repr(value)
        return f"{name}: {message} (got {shown if len(shown) <= 60 else shown[:57] + '...'})"
    table = _model_at(tuple(str(part) for part in loc[:-1]))
    near = difflib.get_close_matches(str(loc[-1]), _fields(table), 1) if table is not None else []
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _one_line(text: str) -> str:
    """Keys and paths may hold anything; a fault is one line."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _syntax(file: Path, text: str, message: str) -> str:
    # tomllib writes "... (at line 3, column 7)" or "... (at end of document)" and has no attribute for it in 3.11.
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    line = int(found[1]) if found else text.count("\n") + (not text.endswith("\n"))
    what = message[: found.start()] if found else message.removesuffix(" (at end of document)")
    return f"{file}:{line}: not TOML: {what}"


_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.\-\"' ]+?)\s*=")


def _key_lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of every key and table of a TOML text that is known to be valid; keys of inline tables are not found."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            yield table, number
        elif key := _KEY.match(line):
            path = (*table, *_parts(key[1]))
            yield path, number


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _anchor(tree: dict[str, Any], folder: Path) -> None:
    """Make the file's relative paths start at the file's folder; what is not a path is left for the validation."""
    agents = tree.get("agents")
    if isinstance(agents, list):
        tree["agents"] = [folder / path if isinstance(path, str) else path for path in agents]
