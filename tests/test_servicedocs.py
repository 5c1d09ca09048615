"""What the pages on ears, minds and voices say, checked against the providers: settings, kinds, extras, trace lines."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields

import pytest
from pages import DOCS, ROOT, blocks, expected, page, tables
from servicepages import PAGE, SERVICES

from parlance.actors.dial import Service
from parlance.engine import effort
from parlance.registry import PROVIDERS

NAMES = sorted({PAGE.get(kind, kind) for _, kind, _ in SERVICES})


def test_every_service_has_a_page_and_every_page_a_service() -> None:
    assert sorted(path.stem for path in (DOCS / "services").glob("*.md")) == NAMES


@pytest.mark.parametrize(("role", "kind", "model"), SERVICES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_setting_of_a_service_is_on_its_page_with_its_default(role: str, kind: str, model: type[Service]) -> None:
    heading = f"The {role}: `{kind}`"
    (rows,) = [rows for where, rows in tables(page(f"services/{PAGE.get(kind, kind)}")) if where == heading]
    written = {row[0].strip("`"): row[-2] for row in rows}
    assert len(written) == len(rows), "a setting stands there twice"
    assert written == expected(model)


def test_no_table_of_settings_is_about_anything_else() -> None:
    found = [(name, where) for name in NAMES for where, _ in tables(page(f"services/{name}"))]
    assert len(found) == len(SERVICES), found


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_a_service_says_what_its_user_has_to_know(name: str) -> None:
    text = page(f"services/{name}")
    for heading in ("Latency and money", "When it fails", "Known, inferred, unknown"):
        assert f"\n## {heading}\n" in text
    for _, kind, model in SERVICES:
        if PAGE.get(kind, kind) == name:
            assert f"export {model.model_fields['key_env'].default}=" in text
    (installed,) = re.findall(r"^pip install '?\.(?:\[(\w+)\])?'? +# in parlance's checkout$", text, re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert installed == (name if name in extras else "")


def overview(header: str) -> list[list[str]]:
    """The rows of the table of the services' index whose header begins with `header`."""
    (table,) = re.findall(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page("services"), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]


@pytest.mark.parametrize("role", PROVIDERS)
def test_every_provider_is_in_the_index_with_its_warm_connections(role: str) -> None:
    rows = {kind: row for row in overview(role) for kind in re.findall(r"`([\w-]+)`", row[0])}
    known = {kind: model for where, kind, model in SERVICES if where == role}
    assert rows.keys() == known.keys()
    for kind, model in known.items():
        warm = model.model_fields["warm"].default
        assert rows[kind][-1] == (str(warm) if warm else "none unless asked for"), kind


def test_every_provider_is_in_the_index_with_its_page() -> None:
    shown: set[tuple[str, str, str]] = set()
    for row in overview("page"):
        (name,) = re.findall(r"services/(\w+)\.md", row[0])
        for role, cell in zip(("ear", "mind", "voice"), row[1:], strict=True):
            shown |= {(role, kind, name) for kind in re.findall(r"`([\w-]+)`", cell)}
    assert shown == {(role, kind, PAGE.get(kind, kind)) for role, kind, _ in SERVICES}


def test_every_provider_is_in_the_page_on_agents() -> None:
    (rows,) = [rows for where, rows in tables(page("agents")) if where == "Fields"]
    for row in rows:
        if (role := row[0].strip("`")) in PROVIDERS:
            assert set(re.findall(r"`([\w-]+)`", row[-1])) == set(PROVIDERS[role]), role


def test_the_lines_of_a_trace_that_are_shown_are_such_lines() -> None:
    shown = [json.loads(line) for block in blocks(page("services"), "json") for line in block.splitlines()]
    assert shown
    for record in shown:
        kind = getattr(effort, record.pop("event"))
        assert record.keys() - {"seq", "at"} == {field.name for field in fields(kind)}
