"""Requests read and checked: a body against its model, and what is wrong with it, or with a query, as a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from quart import Response, request
from quart_schema import RequestSchemaValidationError, document_request
from quart_schema.validation import RequestHeadersValidationError

from parlance.http import problem
from parlance.http.problem import Problem

MOST = 20
"""Things told to be wrong with one request: a body may have thousands."""

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


def takes(model: type[BaseModel], *, optional: bool = False) -> Callable[[Handler], Handler]:
    """A handler's decorator: the request's JSON comes as `body`. With `optional` there may be none, which is `{}`.

    Quart Schema's own would let a body of another type through as `null`, and one that is nested too deep escape as an
    error of ours.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def reading(*arguments: Any, **named: Any) -> Any:
            data = await request.get_data()
            if data or not optional:
                if not request.is_json:
                    raise Problem(415, "Send JSON, with Content-Type: application/json.")
                body = _read(model, data)
            else:
                body = model()
            return await handler(*arguments, body=body, **named)

        return document_request(model)(reading)  # type: ignore[return-value]

    return decorate


def _read(model: type[BaseModel], data: str | bytes) -> BaseModel:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise Problem(400, "The body is not JSON.") from None
        raise _invalid(error, "pointer") from None


def _invalid(error: ValidationError, where: str, name: Callable[[str], str] = str) -> Problem:
    """422. `where`: `pointer` into a body (RFC 6901), or `name` of a parameter."""
    errors = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False)[:MOST]:
        place = [str(part).replace("~", "~0").replace("/", "~1") for part in fault["loc"] if part != "[key]"]
        at = "".join("/" + part for part in place) if where == "pointer" else name(place[0])
        errors.append({where: at, "detail": fault["msg"].removeprefix("Value error, ")})
    return Problem(422, "The request is understood, but it is not right.", errors=errors)


async def complain(error: RequestSchemaValidationError) -> Response:
    """The answer to a query or to headers that are not right."""
    cause = error.validation_error
    assert isinstance(cause, ValidationError)
    if isinstance(error, RequestHeadersValidationError):
        return await problem.answer(_invalid(cause, "name", lambda field: field.replace("_", "-").title()))
    return await problem.answer(_invalid(cause, "name"))
