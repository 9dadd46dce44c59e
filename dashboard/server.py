"""What the dashboard's server does beside Streamlit: a readiness route, and pages that know where their server is."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import streamlit
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

READY = "/ready"
PARTS = ("Html", "BidiComponent", "Checkbox", "ButtonGroup", "TextInput", "PageLink", "DataFrame")
"""Of Streamlit's page: it would ask for each only when its turn comes."""
HEAVY = ("pandas", "pyarrow.compute", "sqlalchemy", "analyses.judge", "charts.lines", "db.series", "alerts.rules")


def warm() -> None:
    """Import what every page needs before anybody comes: the first reader should not wait for it."""
    for name in HEAVY:
        importlib.import_module(name)


def routes() -> list[Route]:
    """Routes beside the pages. The first page stands at the root; its name leads there too."""
    return [
        *(Route(path, ready) for path in sorted({READY, f"{base()}{READY}"})),
        Route(f"{base()}/overview", to_the_first_page),
    ]


def middleware() -> list[Middleware]:
    return [Middleware(Home, base=base())]


def base() -> str:
    """The path under which the dashboard is served: "" or "/team/stepwell"."""
    path = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


async def ready(request: Request) -> JSONResponse:
    """200 where the store answers, 503 where it does not. It says nothing about what is in the store: nobody is asked
    who they are here."""
    answers = await run_in_threadpool(_store_answers)
    return JSONResponse({"store": "answers" if answers else "is away"}, status_code=200 if answers else 503)


async def to_the_first_page(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{base()}/" + (f"?{request.url.query}" if request.url.query else ""))


def _store_answers() -> bool:
    import sqlalchemy as sa

    from dashboard.data import store_url
    from db.engine import StoreError, open_view, reading
    from db.settings import BadSettings

    try:
        with reading(open_view(store_url())) as connection:
            return bool(connection.scalar(sa.text("SELECT 1")) == 1)
    except (StoreError, BadSettings):
        return False


class Home:
    """Tells each page where its server is. Streamlit's page would else try out every folder of its address, and fill
    the browser's console with what it did not find there."""

    def __init__(self, app: ASGIApp, base: str) -> None:
        where = json.dumps(base)
        self.app = app
        self.script = (
            f"<script>window.__streamlit={{BACKEND_BASE_URL:location.origin+{where},"
            f"MAIN_PAGE_BASE_URL:location.origin+{where}}}</script>"
            + "".join(f'<link rel="modulepreload" href="{base}/static/js/{name}">' for name in _parts())
        ).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wants = dict(scope.get("headers", ())).get(b"accept", b"")
        if scope["type"] != "http" or scope["method"] != "GET" or b"text/html" not in wants:
            await self.app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": plain}, receive, _Rewritten(send, self.script))


def _parts() -> list[str]:
    """The files of PARTS; none where Streamlit keeps them elsewhere."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "js"
    return sorted(file.name for part in PARTS for file in folder.glob(f"{part}.*.js"))


class _Rewritten:
    """Holds an HTML answer back until it is whole, and adds the script to its head."""

    def __init__(self, send: Send, script: bytes) -> None:
        self.send, self.script = send, script
        self.start: Message | None = None
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_html(message):
            self.start = message
        elif self.start is None:
            await self.send(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self.start)

    async def _finish(self, start: Message) -> None:
        body = self.body.replace(b"<head>", b"<head>" + self.script, 1)
        kept = [(name, value) for name, value in start["headers"] if name.lower() not in (b"content-length", b"etag")]
        await self.send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
        await self.send({"type": "http.response.body", "body": body})


def _is_html(message: Any) -> bool:
    headers = {name.lower(): value for name, value in message["headers"]}
    return bool(message["status"] == 200 and headers.get(b"content-type", b"").startswith(b"text/html"))
