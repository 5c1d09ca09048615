"""What the page on Ringover says, checked against its settings, paths and addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from parlance.actors.media.ringover.access import Access
from parlance.actors.media.ringover.hooks import Hooks
from parlance.actors.media.ringover.settings import Keys, Paths, Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.secret import Secret

PAGE = (Path(__file__).parents[4] / "docs" / "carriers" / "ringover.md").read_text("utf-8")
TABLE = re.search(r"^\| key \| default .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE[0].splitlines()[2:] if line] if TABLE else []
DEFAULTS = {
    key: default
    for keys, defaults, _ in ROWS
    for key, default in zip(
        re.findall(r"`(\w+)`", keys), defaults.split(", ") * (1 if ", " in defaults else 9), strict=False
    )
}


def shown(value: object) -> str:
    match value:
        case Secret() | "" | None | {}:
            return "none"
        case ():
            return "any"
        case float() | int():
            return f"{value:g}"
        case str():
            return f"`{value}`"
    return "see below" if value == Settings().webhooks else ""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_on_the_page_with_its_default(name: str) -> None:
    default = getattr(Settings(), name)
    if isinstance(default, Keys):
        assert DEFAULTS[name] == "none"
    elif isinstance(default, Paths):
        assert DEFAULTS[name] == "see [REST](#rest)"
    else:
        assert DEFAULTS[name] == shown(default)


def test_the_page_names_no_setting_that_there_is_not() -> None:
    assert DEFAULTS.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_are_settings(example: str) -> None:
    Settings.model_validate(tomllib.loads(example)["carriers"]["ringover"])


def test_the_variables_are_settings() -> None:
    found = re.findall(r"^PARLANCE_CARRIERS__RINGOVER__(\w+)=", PAGE, re.MULTILINE)
    assert len(found) == 8
    for variable in found:
        first, *rest = variable.lower().split("__")
        assert first in Settings.model_fields
        assert all(name in Keys.model_fields for name in rest)


def test_the_addresses_are_those_that_are_served() -> None:
    settings = Settings()
    for path in Access(settings).paths:
        assert path in PAGE
    for path in Hooks(settings, Addresses("https://your.host")).paths:
        tail = path.removeprefix("/api/v1/webhooks").replace("{secret}", "<ivr_secret>")
        assert tail in PAGE


@pytest.mark.parametrize("path", [path for name, path in Paths() if name not in ("hold",)])
def test_the_requests_are_those_that_are_made(path: str) -> None:
    assert f"`POST {path}`" in PAGE
