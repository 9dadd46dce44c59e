"""Signing in for real: a provider of identities on this machine, the real server, a real browser."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS, PATIENCE, collect, free_port, served, write_logs

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}: install chromium or set CHROMIUM to one"
)


class Provider(BaseHTTPRequestHandler):
    """As much of OpenID Connect as a sign-in needs; whoever comes is `email`."""

    key = RSAKey.generate_key(2048, {"kid": "1"})
    email = ""
    nonce = ""

    @property
    def me(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if path == "/authorize":
            Provider.nonce = asked.get("nonce", "")
            back = urllib.parse.urlencode({"code": "abc", "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
        elif path == "/keys":
            self.answer({"keys": [self.key.as_dict(private=False)]})
        else:
            ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            meta: dict[str, Any] = {name: f"{self.me}/{end}" for name, end in ends.items()}
            self.answer(meta | {"issuer": self.me, "id_token_signing_alg_values_supported": ["RS256"]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        now = int(time.time())
        said = {"iss": self.me, "aud": "stepwell", "sub": "7", "iat": now, "exp": now + 600, "nonce": self.nonce}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, said | {"email": self.email}, self.key)
        self.answer({"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def answer(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A dashboard behind a sign-in: ada may edit, others of her lab may look."""
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    write_logs(tmp_path / "runs")
    collect(f"sqlite:///{tmp_path / 's.db'}", tmp_path / "runs")
    port = free_port()
    (tmp_path / "stepwell.toml").write_text('[dashboard]\neditors = ["ada@lab.edu"]\nviewers = ["*@lab.edu"]\n')
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{"s" * 32}"\n'
        f'client_id = "stepwell"\nclient_secret = "none"\n'
        f'server_metadata_url = "http://127.0.0.1:{provider.server_address[1]}/.well-known/openid-configuration"\n'
    )
    with served(f"sqlite:///{tmp_path / 's.db'}", port=port, folder=tmp_path) as address:
        yield address
    provider.shutdown()


def test_nothing_is_shown_before_signing_in_and_each_sees_what_they_may(guarded: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        for email, role in (("bob@lab.edu", "viewer"), ("ada@lab.edu", "editor"), ("eve@else.org", None)):
            Provider.email = email
            page = browser.new_context().new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"{guarded}/runs", wait_until="domcontentloaded")
            page.get_by_role("button", name="Sign in").click()
            if role is None:
                expect(page.get_by_text("not on the list")).to_be_visible(timeout=PATIENCE)
                assert "blowup" not in page.content()
                continue
            expect(page.get_by_text(f"{email}, {role}")).to_be_visible(timeout=PATIENCE)
            page.get_by_role("link", name="Runs", exact=True).click()
            expect(page.get_by_role("heading", name="Which runs are there")).to_be_visible(timeout=PATIENCE)
            expect(page.get_by_text("edit tags and notes")).to_have_count(1 if role == "editor" else 0)
        browser.close()
