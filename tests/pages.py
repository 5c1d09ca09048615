"""The documentation for tests: pages, their blocks, their tables of settings, and how defaults are written there.

A page's tables of settings are the ones whose header begins with `setting` or `key`; which model a table describes is
known by the nearest heading above it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from parlance.engine.agent import Provider
from parlance.engine.hours import Hours

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

Row = tuple[str, ...]
PAGES = sorted(DOCS.rglob("*.md"))


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks whose info string is exactly `language`; those in lists without their indentation."""
    found = re.findall(rf"^( *)```{re.escape(language)}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def tables(text: str) -> Iterator[tuple[str, list[Row]]]:
    """Heading and rows (without the header) of every table of settings."""
    heading, rows, inside = "", [], False
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            heading = line.lstrip("# ")
        cells = tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        if cells and (inside or cells[0] in ("setting", "key")):
            rows.append(cells)
            inside = True
        elif inside:
            yield heading, rows[2:]
            rows, inside = [], False


def shown(value: Any) -> str:
    """A default as the pages write it."""
    match value:
        case FieldInfo():
            return "required" if value.is_required() else shown(value.get_default(call_default_factory=True))
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case tuple():
            return f"`[{', '.join(value)}]`"
        case SecretStr():
            return shown(value.get_secret_value())
        case Hours(words=words):
            return shown(words)
        case Provider():
            return f"`{value.kind}`"
        case "":
            return '`""`'
        case {} | []:
            return "`{}`"
    return f"`{value}`"


def expected(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every setting of a model and of the blocks in it, by dotted key, with its default as the pages write it."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        inner = field.default
        if isinstance(inner, BaseModel) and not isinstance(inner, Provider):
            found |= expected(type(inner), f"{key}.")
        else:
            found[key] = shown(field)
    return found
