"""`/openapi.json` by hand: its shape, and that nothing the API has is missing from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fakedesk import Front


@pytest.fixture
async def api() -> dict[str, Any]:
    status, body, _ = await Front().ask("GET", "/openapi.json", key=None)
    assert status == 200
    return body


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def inside(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(part)


async def test_the_document_is_whole(api: dict[str, Any]):
    assert api["openapi"].startswith("3.1")
    assert api["info"]["title"] == "parlance"
    assert api["components"]["securitySchemes"] == {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "plk_..."}
    }
    tags = {tag["name"] for tag in api["tags"]}
    ids = []
    for path, method, operation in operations(api):
        where = f"{method} {path}"
        assert method in ("get", "post"), where
        assert operation["summary"], where
        assert set(operation["tags"]) <= tags, where
        ids.append(operation["operationId"])
        assert {name["name"] for name in operation["parameters"] if name["in"] == "path"} == (
            {"id"} if "{id}" in path else set()
        ), where
        for status, answer in operation["responses"].items():
            assert 200 <= int(status) < 600, where
            assert answer["description"], where
            (kind,) = answer["content"]
            assert kind == (
                "application/problem+json" if int(status) >= 400 and path != "/ready" else "application/json"
            )
    assert len(set(ids)) == len(ids)


async def test_every_reference_leads_somewhere_and_nothing_is_there_for_nothing(api: dict[str, Any]):
    used = {part["$ref"] for part in inside(api) if "$ref" in part}
    assert used == {f"#/components/schemas/{name}" for name in api["components"]["schemas"]}


async def test_every_route_is_described_and_the_page_is_not(api: dict[str, Any]):
    routes = {
        rule.rule.replace("<id>", "{id}")
        for rule in Front().app.url_map.iter_rules()
        if rule.rule not in ("/", "/openapi.json", "/static/<path:name>")
    }
    assert set(api["paths"]) == routes


async def test_calls_need_a_key_and_say_what_may_go_wrong(api: dict[str, Any]):
    for path, method, operation in operations(api):
        if path.startswith(("/api/v1/calls", "/api/v1/messages")):
            assert operation["security"] == [{"key": []}]
            assert {"401", "403", "429"} <= operation["responses"].keys()
            saying = ("calls", "messages", "terminate", "transfer", "dtmf", "say")
            assert ("requestBody" in operation) == (method == "post" and path.rpartition("/")[2] in saying)
            if "requestBody" in operation:
                assert operation["requestBody"]["required"] is not path.endswith("/terminate")
        else:
            assert "security" not in operation


async def test_models_describe_what_is_refused(api: dict[str, Any]):
    order = api["components"]["schemas"]["Order"]
    assert order["additionalProperties"] is False
    assert order["required"] == ["to"]
    assert {"to", "from", "agent", "carrier", "metadata", "not_before", "attempts"} == set(order["properties"])
    assert order["properties"]["to"]["examples"] == ["+33199000010"]
    assert order["properties"]["metadata"]["maxProperties"] == 20
    (limit,) = [p for p in api["paths"]["/api/v1/calls"]["get"]["parameters"] if p["name"] == "limit"]
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 200, 50)
    assert any(p["name"].lower() == "idempotency-key" for p in api["paths"]["/api/v1/calls"]["post"]["parameters"])


@pytest.mark.parametrize("path", ["/docs", "/redocs", "/scalar"])
async def test_no_page_loads_scripts_from_elsewhere(path: str):
    assert (await Front().ask("GET", path, key=None))[0] == 404


async def test_it_is_made_once_and_has_the_security_headers():
    front = Front()
    _, one, headers = await front.ask("GET", "/openapi.json", key=None)
    _, two, _ = await front.ask("GET", "/openapi.json", key=None)
    assert json.dumps(one) == json.dumps(two)
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    provider = front.app.extensions["QUART_SCHEMA"].openapi_provider
    assert provider.schema() is provider.schema()
