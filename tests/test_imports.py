"""The rules of the house, enforced on its source: who may import whom, what is pure, what nobody uses, how files look.

A tree is `{path below parlance: source}`, so that the rules themselves are tested on small trees that break them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import parlance

Tree = dict[str, str]

ROOT = {"main", "__main__", "house", "play", "registry", "workers", "carriers", "office", "front", "checkup"}
"""The composition root: may import everything, and no room imports it."""
ROOMS = {
    "codecs": {"codecs"},
    "engine": {"engine"},
    "actors": {"engine", "codecs"},
    "persistence": {"persistence", "engine"},
    "agents": {"agents", "engine"},
    "terminal": {"terminal", "engine", "codecs"},
    "http": {"http", "engine", "actors.media", "switchboard", "persistence"},
    "switchboard": {"switchboard", "engine", "persistence", "actors.media"},
    "settings": {"engine", "actors.media", "switchboard"},
    "config": {"engine", "settings"},
}
PURE = re.compile(
    r"engine/(message|state|agent|trace|errors)\.py|codecs/\w+\.py|actors/media/(?!actor|fake|courier|runner|__init__)\w+\.py"
    r"|actors/media/\w+/wire\.py|actors/(\w+/)+port\.py|actors/listener/endpoint\.py|actors/thinker/(history|phrases)\.py"
)
"""Besides these, a file is pure if its docstring says "Pure"."""
IMPURE = set(
    "trio anyio asyncio time os pathlib socket ssl select selectors subprocess signal threading multiprocessing "
    "concurrent tempfile shutil http urllib httpx sqlite3 logging".split()
)
FILES = {"codecs/wav.py": {"pathlib"}}
"""What a pure file may use nevertheless: sound files are files."""
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
LONGEST = 320


def house() -> Tree:
    root = Path(parlance.__file__).parent
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in sorted(root.rglob("*.py"))}


def imported(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, inside functions and by `import_module` as well."""
    package = ["parlance", *path.split("/")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def ours(path: str, source: str, tree: Tree) -> Iterator[tuple[int, list[str]]]:
    """What of the house a file imports, as the parts of a module's name below `parlance`."""
    for line, name in imported(path, source):
        top, *parts = name.split(".")
        if top == "parlance":
            while parts and not {f"{'/'.join(parts)}.py", f"{'/'.join(parts)}/__init__.py"} & tree.keys():
                parts.pop()
            yield line, parts


def rooms(tree: Tree) -> Iterator[str]:
    """Who may import whom."""
    for path, source in tree.items():
        room, *below = path.removesuffix(".py").split("/")
        if room in ROOT or path == "__init__.py":
            continue
        if room not in ROOMS:
            yield f"{path}: no rule says what {room} may import"
            continue
        for line, parts in ours(path, source, tree):
            allowed = {*ROOMS[room]}
            if room == "actors" and len(parts) > 1:
                own = parts[1] == below[0] or f"actors/{parts[1]}.py" in tree
                allowed |= {f"actors.{parts[1]}"} if own else set()
            if not {".".join(parts[:n]) for n in (1, 2)} & allowed:
                yield f"{path}:{line}: {room} may not import {'.'.join(parts) or 'parlance'}"


def is_pure(path: str, source: str) -> bool:
    law = ast.get_docstring(ast.parse(source)) or ""
    return PURE.fullmatch(path) is not None or re.search(r"\bPure\b", law) is not None


def purity(tree: Tree) -> Iterator[str]:
    """Pure files import no trio (but for its types), do no I/O and read no clock."""
    for path, source in tree.items():
        if not is_pure(path, source):
            continue
        checked = set(type_checking(source))
        for line, name in imported(path, source):
            top = name.partition(".")[0]
            if name.startswith("urllib.parse"):
                continue
            if top in IMPURE - FILES.get(path, set()) and line not in checked:
                yield f"{path}:{line}: a pure file may not import {top}"
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input"):
                yield f"{path}:{node.lineno}: a pure file may not call {node.func.id}()"
            if isinstance(node.func, ast.Attribute) and (last(node.func.value), node.func.attr) in CLOCKS:
                yield f"{path}:{node.lineno}: a pure file may not read a clock"


def type_checking(source: str) -> Iterator[int]:
    """The lines that only type checkers read."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and last(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                yield from range(inner.lineno, (inner.end_lineno or inner.lineno) + 1)


def bans(tree: Tree) -> Iterator[str]:
    """What nobody uses: asyncio, the system's clocks, the random numbers that everybody shares."""
    for path, source in tree.items():
        for line, name in imported(path, source):
            top, _, rest = name.partition(".")
            if top in ("asyncio", "time"):
                yield f"{path}:{line}: {top} is banned: only Trio, and only Trio's clock"
            if top == "random" and rest not in ("", "Random", "SystemRandom"):
                yield f"{path}:{line}: random.{rest} is banned: pass a seeded random.Random"
        for node in ast.walk(ast.parse(source)):
            shared = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
            if shared and node.attr not in ("Random", "SystemRandom"):
                yield f"{path}:{node.lineno}: random.{node.attr} is banned: pass a seeded random.Random"


def names(tree: Tree) -> Iterator[str]:
    """Files and folders are named by one lowercase word."""
    for path in tree:
        for part in path.removesuffix(".py").split("/"):
            if not re.fullmatch(r"[a-z][a-z0-9]*|__init__|__main__", part):
                yield f"{path}: {part!r} is not one lowercase word"


def sizes(tree: Tree) -> Iterator[str]:
    """A file has one subject."""
    for path, source in tree.items():
        if (lines := len(source.splitlines())) > LONGEST:
            yield f"{path}: {lines} lines are probably two files"


def laws(tree: Tree) -> Iterator[str]:
    """A file opens with its own law."""
    for path, source in tree.items():
        if not (path.endswith("__init__.py") and not source.strip()) and not ast.get_docstring(ast.parse(source)):
            yield f"{path}: does not say what belongs in it"


def last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


RULES = (rooms, purity, bans, names, sizes, laws)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Callable[[Tree], Iterator[str]]) -> None:
    tree = house()
    assert len(tree) > 40
    assert list(rule(tree)) == []


def test_every_kind_of_pure_file_is_found_in_the_house() -> None:
    pure = {path for path, source in house().items() if is_pure(path, source)}
    assert pure >= {"engine/state.py", "codecs/wav.py", "actors/media/twilio/wire.py", "actors/media/gate.py"}
    assert pure >= {f"actors/{actor}/port.py" for actor in ("media", "listener", "thinker", "speaker")}
    assert pure >= {"actors/listener/endpoint.py", "actors/thinker/history.py", "actors/thinker/phrases.py"}
    assert "terminal/words.py" in pure
    assert not pure & {"actors/media/actor.py", "actors/media/fake.py", "engine/call.py"}


SMALL: Tree = {
    "__init__.py": "",
    "main.py": '"""Root."""\nimport os\nfrom parlance.http import app\n',
    "config.py": '"""Settings."""\nfrom parlance.engine.errors import E\n',
    "engine/__init__.py": "",
    "engine/errors.py": '"""Errors."""\n',
    "engine/state.py": '"""State."""\nfrom parlance.engine import errors\nfrom . import errors\n',
    "engine/trace.py": '"""Trace."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import trio\n',
    "codecs/__init__.py": "",
    "codecs/wav.py": '"""Sound files."""\nfrom pathlib import Path\n',
    "codecs/mulaw.py": '"""G.711."""\n',
    "actors/__init__.py": "",
    "actors/dial.py": '"""The door."""\nimport trio\n',
    "actors/media/__init__.py": "",
    "actors/media/port.py": '"""Port."""\nfrom parlance.codecs.wav import read\n',
    "actors/media/actor.py": '"""Actor."""\nimport trio\nfrom parlance.actors.media.port import Wire\n',
    "actors/listener/__init__.py": "",
    "actors/listener/port.py": '"""Port."""\n',
    "actors/listener/ear.py": '"""Ear."""\nfrom parlance.actors import dial\nfrom random import Random\n',
    "agents/load.py": '"""Agents."""\nfrom parlance.engine.errors import E\n',
    "terminal/live.py": '"""Screen."""\nfrom parlance.codecs import wav\n',
    "http/__init__.py": "",
    "http/app.py": '"""App."""\nfrom parlance.actors.media.port import Wire\nfrom datetime import datetime\n',
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_tree_that_keeps_the_rules_has_no_faults(rule: Callable[[Tree], Iterator[str]]) -> None:
    assert list(rule(SMALL)) == []


DOC = '"""Law."""\n'


@pytest.mark.parametrize(
    ("rule", "path", "source", "fault"),
    [
        (rooms, "codecs/bad.py", "from parlance.engine import errors", "codecs may not import engine.errors"),
        (rooms, "engine/bad.py", "from parlance.codecs.wav import read", "engine may not import codecs.wav"),
        (rooms, "engine/bad.py", "import parlance.codecs.wav", "engine may not import codecs.wav"),
        (rooms, "engine/bad.py", "from ..codecs import wav", "engine may not import codecs.wav"),
        (rooms, "engine/bad.py", "from .. import codecs", "engine may not import codecs"),
        (rooms, "engine/bad.py", "import parlance", "engine may not import parlance"),
        (rooms, "engine/bad.py", "def f():\n    from parlance.codecs import wav", "bad.py:3: engine may not"),
        (rooms, "engine/bad.py", "import_module('parlance.codecs.wav')", "engine may not import codecs.wav"),
        (rooms, "actors/listener/bad.py", "from parlance.actors.media.port import W", "not import actors.media.port"),
        (rooms, "actors/listener/bad.py", "from parlance.actors import media", "may not import actors.media"),
        (rooms, "actors/listener/bad.py", "from parlance.http import app", "actors may not import http.app"),
        (rooms, "http/bad.py", "from parlance.actors.listener import port", "may not import actors.listener.port"),
        (rooms, "http/bad.py", "from parlance.codecs import wav", "http may not import codecs.wav"),
        (rooms, "http/bad.py", "from parlance import config", "http may not import config"),
        (rooms, "agents/bad.py", "from parlance.actors.listener import port", "agents may not import actors"),
        (rooms, "terminal/bad.py", "from parlance.actors.media import port", "terminal may not import actors"),
        (rooms, "config.py", "from parlance.agents.load import load", "config may not import agents.load"),
        (rooms, "engine/bad.py", "from parlance.main import run", "engine may not import main"),
        (rooms, "http/bad.py", "from parlance import main", "http may not import main"),
        (rooms, "cellar/bad.py", "", "no rule says what cellar may import"),
        (purity, "engine/state.py", "import trio", "may not import trio"),
        (purity, "engine/agent.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import trio", "may not import trio"),
        (purity, "engine/errors.py", "from pathlib import Path", "may not import pathlib"),
        (purity, "actors/media/port.py", "import os.path", "may not import os"),
        (purity, "actors/media/twilio.py", "def f():\n    import socket", "may not import socket"),
        (purity, "actors/media/ringover/wire.py", "import trio", "may not import trio"),
        (purity, "actors/media/gate.py", "import time", "may not import time"),
        (purity, "codecs/mulaw.py", "from pathlib import Path", "may not import pathlib"),
        (purity, "codecs/wav.py", "import trio", "may not import trio"),
        (purity, "actors/thinker/history.py", "open('x')", "may not call open()"),
        (purity, "actors/listener/endpoint.py", "import datetime\ndatetime.datetime.now()", "may not read a clock"),
        (purity, "actors/thinker/own.py", "'Pure: by its own law.'\nimport trio", "own.py:2: a pure file may not"),
        (bans, "http/bad.py", "import asyncio", "asyncio is banned"),
        (bans, "http/bad.py", "from asyncio.tasks import Task", "asyncio is banned"),
        (bans, "main.py", "from time import monotonic", "time is banned"),
        (bans, "http/bad.py", "import random\nrandom.choice([1])", "bad.py:3: random.choice is banned"),
        (bans, "http/bad.py", "from random import random", "random.random is banned"),
        (names, "http/two_words.py", "", "'two_words' is not one lowercase word"),
        (names, "http/Upper.py", "", "'Upper' is not one lowercase word"),
        (names, "call-control/file.py", "", "'call-control' is not one lowercase word"),
        (sizes, "http/bad.py", "x = 1\n" * LONGEST, "321 lines are probably two files"),
        (laws, "http/bad.py", None, "does not say what belongs in it"),
        (laws, "http/__init__.py", None, "does not say what belongs in it"),
    ],
)
def test_a_fault_is_found(rule: Callable[[Tree], Iterator[str]], path: str, source: str | None, fault: str) -> None:
    text = "x = 1\n" if source is None else source if source.startswith("'") else DOC + source
    faults = list(rule({**SMALL, path: text}))
    assert len(faults) == 1
    assert fault in faults[0]
    assert faults[0].startswith(path)
