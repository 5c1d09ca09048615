from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio
from house import RECEPTIONIST, House

from parlance.http.app import HEADERS, View, create


async def test_the_page_and_its_files_have_their_types(house: House):
    for path, kind in [
        ("/", "text/html; charset=utf-8"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/style.css", "text/css; charset=utf-8"),
        ("/static/deep/worklet.js", "text/javascript; charset=utf-8"),
    ]:
        got = await house.get(path)
        assert (got.status_code, got.headers["content-type"]) == (200, kind), path
        assert got.text == (house.static / (path.removeprefix("/static/") if path != "/" else "index.html")).read_text()


@pytest.mark.parametrize(
    "path", ["/", "/static/app.js", "/health", "/ready", "/api/v1/agents", "/nothing", "/static/nothing.js"]
)
async def test_every_answer_has_the_security_headers(house: House, path: str):
    got = await house.get(path)
    assert {name: got.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in got.headers["content-security-policy"]
    assert "server" not in got.headers
    assert got.headers["cache-control"] == ("no-cache" if path in ("/", "/static/app.js") else "no-store")


async def test_an_unchanged_file_is_not_sent_again(house: House):
    etag = (await house.get("/static/app.js")).headers["etag"]
    again = await house.get("/static/app.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/static/",
        "/static/nothing.js",
        "/static/notes.bak",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static//etc/passwd",
    ],
)
async def test_unknown_paths_are_problems_as_json(house: House, path: str):
    got = await house.get(path, follow_redirects=True)
    assert got.status_code == 404
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["status"] == 404
    assert got.json()["title"] == "Not Found"
    assert set(got.json()) == {"type", "title", "status", "detail"}


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(house: House):
    got = await house.request("DELETE", "/api/v1/agents")
    assert got.status_code == 405
    assert got.headers["content-type"] == "application/problem+json"
    assert "GET" in got.headers["allow"]


async def test_agents_show_nothing_but_name_title_and_greeting(house: House):
    got = await house.get("/api/v1/agents")
    assert got.json() == [{"name": "receptionist", "title": "A clinic", "greeting": "Hello"}]
    house.agents["sales"] = RECEPTIONIST.model_copy(update={"name": "sales"})
    assert [a["name"] for a in (await house.get("/api/v1/agents")).json()] == ["receptionist", "sales"]


async def test_health_is_ok_and_shows_the_figures(house: House):
    got = await house.get("/health")
    assert (got.status_code, got.json()) == (200, {"status": "ok", "calls": 3})


@pytest.mark.parametrize("reason", ["draining", "full", "not started"])
async def test_ready_says_why_not(house: House, reason: str):
    assert (await house.get("/ready")).json() == {"ready": True}
    house.reason = reason
    got = await house.get("/ready")
    assert (got.status_code, got.json()) == (503, {"ready": False, "reason": reason})
    assert (await house.get("/health")).status_code == 200


async def test_a_fault_inside_is_a_problem_without_its_details_and_is_logged(page: Path, caplog):
    def broken() -> None:
        raise ZeroDivisionError("the secret detail")

    app = create(View(agents={}, ready=broken, statistics=dict), page)
    with caplog.at_level(logging.ERROR):
        got = await app.test_client().get("/ready")
    assert got.status_code == 500
    assert got.headers["content-type"] == "application/problem+json"
    assert b"secret" not in await got.get_data()
    assert "the secret detail" in caplog.text


async def test_a_large_body_is_refused(house: House):
    got = await house.request("POST", "/api/v1/agents", content=b"x" * 100_000)
    assert got.status_code in (405, 413)


async def test_no_thread_works_for_a_page(house: House, monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(trio.to_thread, "run_sync", refuse)
    app = create(View(agents={}, ready=lambda: None, statistics=dict), house.static)
    client = app.test_client()
    for path in ("/", "/static/app.js", "/api/v1/agents", "/ready"):
        assert (await client.get(path)).status_code == 200


async def test_the_page_that_ships_keeps_to_its_own_policy():
    app = create(View(agents={}, ready=lambda: None, statistics=dict))
    text = (await (await app.test_client().get("/")).get_data()).decode()
    assert "<script>" not in text
    assert "<style" not in text
    assert " style=" not in text
    for attribute in ("href", "src"):
        for url in [part.split('"')[0] for part in text.split(f'{attribute}="')[1:]]:
            if url.startswith("/static/"):
                assert (await app.test_client().get(url)).status_code == 200, url
            else:
                assert not url.startswith(("http:", "https:", "//")), url


async def test_a_client_that_wants_the_connection_closed_gets_its_end(house: House):
    async with await trio.open_tcp_stream("127.0.0.1", house.port) as stream:
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with trio.fail_after(2):
            answer = b"".join([chunk async for chunk in stream])
    assert answer.startswith(b"HTTP/1.1 200")
