"""What a settings block got wrong, in words for the person who wrote it. Pure.

pydantic knows where and what; this file knows how to say it: the key that was probably meant, and the value at fault,
unless that may be a secret. A field with a pattern says in its `description` what it should be.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from parlance.engine.errors import Misconfigured

Path = tuple[str | int, ...]
"""A place in a settings block: keys and indexes from its top."""
Fault = tuple[Path, str]
"""Where, and what is wrong there."""
Model = TypeVar("Model", bound=BaseModel)
Fields = Mapping[str, FieldInfo]

_LONGEST = 60
_SECRET = {"key_env", "key_file", "url", "base_url"}
"""Settings where a key stands by mistake: their values are never shown."""
_KEYS = {"key", "api_key", "apikey", "token", "secret", "password", "headers", "header", "authorization", "bearer"}
"""What people call a setting that would hold the key itself."""
_PLAIN = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a block",
    "model": "a block",
    "path": "a path",
}
"""What values are called, by the first part of pydantic's name for a wrong one (`int_parsing`, `tuple_type`)."""


def checked(model: type[Model], settings: Mapping[str, Any], whose: str) -> Model:
    """`settings` as a `model`. Raises `Misconfigured` with every fault, in one line that begins with `whose`."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise Misconfigured(f"{whose}: {'; '.join(map(told, explain(error, model)))}") from None


def told(fault: Fault) -> str:
    """A fault in one line, its place first, where it has one."""
    path, text = fault
    return f"{'.'.join(map(str, path))}: {text}" if path else text


def explain(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Every fault of a failed validation of `model`."""
    return [
        (tuple(step for step in fault["loc"] if step != "[key]"), _words(fault, model))
        for fault in error.errors(include_url=False)
    ]


def meant(key: str, known: list[str]) -> str:
    """ "; did you mean ...?" if one of the known words is near, else which there are."""
    near = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}" if known else ""


def _words(fault: Any, model: type[BaseModel]) -> str:
    kind, loc, value = fault["type"], fault["loc"], fault["input"]
    around = _fields(model, loc[:-1])
    if kind == "extra_forbidden":
        return _unknown(str(loc[-1]), around)
    if kind == "missing":
        return f"{loc[-1]!r} is missing{_instead(str(loc[-1]), value, around)}"
    if kind == "value_error":
        return str(fault["msg"].removeprefix("Value error, "))
    field = around.get(str(loc[-1])) if loc else None
    if kind == "string_pattern_mismatch" and field is not None and field.description:
        message = field.description
    elif kind.endswith(("_type", "_parsing")) and (plain := _PLAIN.get(kind.partition("_")[0])):
        message = f"should be {plain}{_example(plain, value, _fields(model, loc))}"
    else:
        message = fault["msg"].removeprefix("Input ")
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"{message}: put it in quotes"
    if isinstance(value, dict | list | tuple) or _SECRET.intersection(loc):
        return str(message)
    return f"{message}, and is {_shown(repr(value))}"


def _unknown(name: str, known: Fields) -> str:
    """What there is instead of a setting that there is not."""
    if "key_env" not in known or name.lower().replace("-", "_") not in _KEYS:
        return f"there is no setting {name!r} here{meant(name, list(known))}"
    usual = known["key_env"].default
    ways = [f"export {usual}=..., or name another variable in key_env" if usual else "name its variable in key_env"]
    ways += ["or a file in key_file"] if "key_file" in known else []
    return f"there is no setting for the key itself: {', '.join(ways)}"


def _instead(name: str, value: Any, known: Fields) -> str:
    """How to write a block whose missing `name` stands as the key of a block within it."""
    inner = [key for key in value if key not in known] if isinstance(value, dict) else []
    if len(inner) == 1 and isinstance(value[inner[0]], dict | None):
        return f": write {{{name}: {_shown(inner[0])}, ...}}"
    return ""


def _example(plain: str, value: Any, known: Fields) -> str:
    """How a list or a block is written, with the value that stands in its place."""
    if plain == "a list" and isinstance(value, str):
        return f": [{_shown(value)}]"
    if plain != "a block":
        return ""
    if not known:
        return ": {name: value}"
    name, field = next(iter(known.items()))
    fits = isinstance(value, str | int | float) and type(value) is type(field.default)
    return f": {{{name}: {_shown(json.dumps(value)) if fits else '...'}}}"


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _fields(model: Any, path: Path) -> Fields:
    """The settings of the block at `path`, if there is one block that it can be."""
    annotations = [model]
    for step in path:
        annotations = [inner for annotation in annotations for inner in _inside(annotation, step)]
    models = [found for annotation in annotations for found in _models(annotation)]
    return models[0].model_fields if len(models) == 1 else {}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for plain in _plain(annotation):
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            yield plain


def _plain(annotation: Any) -> Iterator[Any]:
    """What an annotation may stand for, without `Annotated` and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _plain(option)
    else:
        yield annotation


def _inside(annotation: Any, step: str | int) -> Iterator[Any]:
    """What is found in a value of this annotation under a key or an index."""
    for plain in _plain(annotation):
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            if step in plain.model_fields:
                yield plain.model_fields[str(step)].annotation
        elif get_origin(plain) is dict:
            yield get_args(plain)[1]
        elif get_origin(plain) in (list, tuple) and isinstance(step, int):
            yield get_args(plain)[0]
