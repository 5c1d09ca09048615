"""`/openapi.json`: the API described by its own models, and what Quart Schema leaves out of such a description.

Its pages for people are switched off: they load scripts from elsewhere, which the pages' policy forbids.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import trio
from pydantic import BaseModel, ConfigDict, Field
from quart import Quart, Response, jsonify
from quart_schema import Info, OpenAPIProvider, QuartSchema, RequestSchemaValidationError, Tag, hide

from parlance.http import auth, intake, problem

PATH = "/openapi.json"
DESCRIPTION = (
    "Place calls, follow them, and step in. Errors are problem documents (RFC 9457). "
    "Times are ISO 8601 in UTC, telephone numbers E.164 with their plus."
)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str | None = Field(None, description="Where in the body (RFC 6901).", examples=["/to"])
    name: str | None = Field(None, description="Which parameter.", examples=["limit"])
    detail: str


class Error(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow")
    type: str = Field("about:blank")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = ""
    code: str | None = Field(None, description="One word for programs.", examples=["unknown-call"])
    errors: list[Fault] | None = Field(None, description="With 422: each thing that is wrong.")


class Provider(OpenAPIProvider):
    """Quart Schema's description, with the problems' own type, what is required, and ids that are names."""

    _made: dict[str, Any] | None = None

    def schema(self) -> dict[str, Any]:
        """Made once."""
        if self._made is None:
            self._made = super().schema()
        return self._made

    def build_request_body(self, model: Any, source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        described, definitions = super().build_request_body(model, source)
        (content,) = described["content"].values()
        described["required"] = bool(content["schema"].get("required"))
        return described, {**definitions, **_named(content)}

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        described, definitions = super().build_response_object(model, headers_model)
        (content,) = described["content"].values()
        if model is Error:
            described["content"] = {problem.KIND: content}
        return described, {**definitions, **_named(content)}

    def build_paths(self, rule: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, definitions = super().build_paths(rule)
        for path in paths.values():
            for operation in path.values():
                operation["description"] = operation.get("description", "").strip()
                responses = sorted(operation["responses"].items())
                operation["responses"] = {str(status): _titled(status, answer) for status, answer in responses}
        return paths, definitions

    def operation_id(self, method: str, path: str, func: Callable[..., Any]) -> str:
        return func.__name__


def _named(content: dict[str, Any]) -> dict[str, Any]:
    """The schema of `content` as a definition, and a reference to it in its place: each is written once."""
    schema = content["schema"]
    if "title" not in schema:
        return {}
    content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}
    return {schema["title"]: schema}


def _titled(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    return answer if status < HTTPStatus.BAD_REQUEST else {**answer, "description": HTTPStatus(status).phrase}


def describe(app: Quart) -> None:
    """Describe `app` at `/openapi.json`."""
    extension = QuartSchema(
        app,
        openapi_path=None,
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=Info(title="parlance", version=version("parlance"), description=DESCRIPTION),
        tags=[
            Tag("calls", "Calls: placing, finding, and commands to them."),
            Tag("messages", "Text messages."),
            Tag("house", "Who can be called, and how the house is."),
        ],
        security_schemes=auth.described(),  # type: ignore[arg-type]
        conversion_preference="pydantic",
        pydantic_dump_options={"by_alias": True},
        openapi_provider_class=Provider,
    )
    app.register_error_handler(RequestSchemaValidationError, intake.complain)

    @app.get(PATH)
    @hide
    async def document() -> Response:
        # Made for the first who asks, in a thread: it takes long enough to be heard in a call.
        return jsonify(await trio.to_thread.run_sync(extension.openapi_provider.schema))
