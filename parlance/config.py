"""Reading the settings, once, when the program starts.

A TOML file is read first and the environment over it: `PARLANCE_PORT` is `port`, `PARLANCE_MEDIA__HELLO` is `hello` in
the table `[media]`, and a list of paths is written with the system's path separator. Reading reports every fault at
once, each at its line or its variable.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from parlance.engine.errors import Misconfigured
from parlance.settings import Settings

DEFAULT_FILE = Path("parlance.toml")
PREFIX = "PARLANCE_"


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
    for place, name in named(settings) if settings is not None else ():
        if name and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            told = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
            sources.blame(place, f"{'.'.join(map(str, place))}: there is no agent {name!r}{told}")
    return ""


def named(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where agents are named, besides the default one."""
    yield from ((("numbers", index, "agent"), number.agent) for index, number in enumerate(settings.numbers))
    yield from ((("rules", index, "agent"), rule.agent) for index, rule in enumerate(settings.rules))
    yield from ((("limits", "agents", name), name) for name in settings.limits.agents)
    if settings.carriers.ringover is not None:
        yield from ((("carriers", "ringover", "routes", name), name) for name in settings.carriers.ringover.routes)


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
            value = _valued(path, text)
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
    model: type[BaseModel] | None = Settings
    for key in path:
        if key.isdecimal():
            continue  # An item of a list of tables.
        field = _fields(model).get(key) if model is not None else None
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return model


def _valued(path: tuple[str, ...], text: str) -> Any:
    """A variable's text as what the setting at `path` takes: a list, or one of a few numbers; else as it is."""
    above = _model_at(path[:-1])
    field = _fields(above).get(path[-1]) if above is not None else None
    if field is None:
        return text
    kind = get_origin(field.annotation)
    if kind is tuple:
        separator = os.pathsep if path == ("agents",) else ","
        return [part.strip() for part in text.split(separator) if part.strip()]
    numbers = [known for known in get_args(field.annotation) if kind is Literal and isinstance(known, int)]
    return next((number for number in numbers if text.strip() == str(number)), text)


def _secret(loc: tuple[int | str, ...]) -> bool:
    """Whether what is at `loc` may hold a secret, which is never shown: a table around one may, too."""
    path = tuple(str(part) for part in loc)
    if path[-1:] == ("hash",):
        return True  # Where a key's hash belongs, people put the key.
    table = _model_at(path)
    if table is not None:
        return any("Secret" in str(field.annotation) for field in table.model_fields.values())
    above = _model_at(path[:-1])
    field = _fields(above).get(path[-1]) if above is not None else None
    return field is not None and "Secret" in str(field.annotation)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _explain(loc: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    name = ".".join(str(part) for part in loc)
    if kind != "extra_forbidden":
        shown = repr(value)
        got = f" (got {shown if len(shown) <= 60 else shown[:57] + '...'})"
        told = isinstance(value, str | int | float) and not _secret(loc)
        return f"{name}: {message.removeprefix('Value error, ')}{got if told else ''}".removeprefix(": ")
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
_ITEM = re.compile(r"\s*\[\[([^\[\]]+)\]\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.\-\"' ]+?)\s*=")


def _key_lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of every key and table of a TOML text that is known to be valid; keys of inline tables are not found."""
    table: tuple[str, ...] = ()
    items: Counter[tuple[str, ...]] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if item := _ITEM.match(line):
            path = _parts(item[1])
            table = (*path, str(items[path]))
            items[path] += 1
            yield table, number
        elif header := _HEADER.match(line):
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
