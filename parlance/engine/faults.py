"""What a settings block got wrong, in words for the person who wrote it. Pure.

pydantic knows where and what; this file knows how to say it: the key that was probably meant, and the value at fault.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]
Fault = tuple[Path, str]

_LONGEST = 60


def explain(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Every fault of a failed validation of `model`: where, as keys and indexes from its top, and what is wrong."""
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
    if kind == "extra_forbidden":
        return f"there is no setting {loc[-1]!r} here{meant(str(loc[-1]), _keys(model, loc[:-1]))}"
    if kind == "missing":
        return f"{loc[-1]!r} is missing"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"{message}: put it in quotes"
    if kind == "value_error" or isinstance(value, dict | list | tuple):
        return str(message)
    shown = repr(value)
    return f"{message}, and is {shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + '...'}"


def _keys(model: Any, path: Path) -> list[str]:
    """The keys that the settings block at `path` knows, if there is one block that it can be."""
    annotations = [model]
    for step in path:
        annotations = [inner for annotation in annotations for inner in _inside(annotation, step)]
    models = [found for annotation in annotations for found in _models(annotation)]
    return list(models[0].model_fields) if len(models) == 1 else []


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
