"""Real servers on loopback that receive what is told: HTTP that answers as a script says, and SMTP."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """An HTTP server. answers: status codes to give, the last one for ever; "hang" answers too late."""

    def __init__(self) -> None:
        self.answers: list[int | str] = [200]
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.wait = ""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def answer(self) -> int | str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def taken(self) -> list[Any]:
        """What was answered with 200."""
        return [told for _, head, told in self.got if head["answered"] == "200"]


@contextmanager
def http() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = self.rfile.read(int(self.headers["Content-Length"]))
            code = hook.answer()
            head = {name.lower(): value for name, value in self.headers.items()} | {"answered": str(code)}
            hook.got.append((self.path, head, json.loads(told)))
            if code == "hang":
                time.sleep(3)
                return
            self.send_response(int(code))
            if hook.wait:
                self.send_header("Retry-After", hook.wait)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            hook.got.append((self.path, {"answered": "200"}, None))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def smtp() -> Iterator[tuple[int, list[str]]]:
    """(port, mails as they came)."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mail = []
                    while (text := self.rfile.readline()) not in (b".\r\n", b""):
                        mail.append(text.decode())
                    mails.append("".join(mail))
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_address[1], mails
    finally:
        server.shutdown()
        server.server_close()
