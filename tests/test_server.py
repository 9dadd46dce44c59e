"""What the dashboard's server does beside Streamlit: readiness, the first page's name, pages that know their server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import launch, server
from db.engine import open_store

PAGE = "<html><head><title>中文</title></head><body>" + "x" * 5000 + "</body></html>"


async def page(_: Request) -> Response:
    return HTMLResponse(PAGE, headers={"ETag": "1"})


async def other(_: Request) -> Response:
    return PlainTextResponse("<head>")


def got(path: str, base: str = "", **headers: str) -> httpx.Response:
    routes = [*server.routes(), Route("/page", page), Route("/other", other)]
    app = Starlette(routes=routes, middleware=[Middleware(server.Home, base=base)])

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def test_ready_means_that_the_store_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPWELL_STORE", f"sqlite:///{tmp_path / 's.db'}")
    open_store(f"sqlite:///{tmp_path / 's.db'}").dispose()
    answer = got("/ready")
    assert (answer.status_code, answer.json()) == (200, {"store": "answers"})
    (tmp_path / "no.db").write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("STEPWELL_STORE", f"sqlite:///{tmp_path / 'no.db'}")
    answer = got("/ready")
    assert (answer.status_code, answer.json()) == (503, {"store": "is away"})  # and nothing of where it is


@pytest.mark.parametrize("base", ["", "/team/stepwell"])
def test_a_page_knows_its_server(base: str) -> None:
    answer = got("/page", base, Accept="text/html")
    assert f'BACKEND_BASE_URL:location.origin+"{base}"' in answer.text
    assert answer.text.index("<script>") == len("<html><head>")
    assert len(answer.content) == int(answer.headers["content-length"])
    assert "etag" not in answer.headers  # it was that of another text
    assert got("/page", base).text == PAGE  # who asks for no page gets it as it is
    assert got("/other", base, Accept="text/html").text == "<head>"


def test_the_first_page_has_a_name() -> None:
    answer = got("/overview?q=calm")
    assert answer.headers["location"] == "/?q=calm"


def test_the_server_listens_here_alone_unless_told_otherwise() -> None:
    assert "--server.address=127.0.0.1" in launch.command(8501)
    assert "--server.baseUrlPath=team/stepwell" in launch.command(8501, base="/team/stepwell/")
    assert "postgresql" not in " ".join(launch.command(8501))
