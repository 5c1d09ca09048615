"""What a settings block got wrong, in words for the person who wrote it. Pure.

pydantic knows where and what; this file knows how to say it: the key that was probably meant, and the value at fault.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from parlance.engine.errors import Misconfigured

Path = tuple[str | int, ...]
"""A place in a settings block: keys and indexes from its top."""
Fault = tuple[Path, str]
"""Where, and what is wrong there."""
Model = TypeVar("Model", bound=BaseModel)

_LONGEST = 60


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
