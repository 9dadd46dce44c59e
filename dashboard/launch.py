"""Starting the dashboard's server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def command(port: int, host: str = "127.0.0.1", *, browser: bool = False, base: str = "") -> list[str]:
    """The command that serves the dashboard; which store is said by `environment`, for a URL may hold a password.

    base: the path under which a reverse proxy serves it, "" for the root.
    """
    options = {
        "server.port": str(port),
        "server.address": host,
        "server.headless": "false" if browser else "true",
        "server.baseUrlPath": base.strip("/"),
        "server.fileWatcherType": "none",
        "runner.magicEnabled": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": str(HERE / "theme" / "stepwell.toml"),
    }
    # -P: without it `python -m` puts the user's folder first on sys.path, and their own db/ would be imported for ours.
    start = [sys.executable, "-P", "-m", "streamlit", "run", str(HERE / "door" / "serve.py")]
    return start + [f"--{name}={value}" for name, value in options.items()]


def environment(store_url: str) -> dict[str, str]:
    """This process's environment, with the store that the dashboard is to show."""
    return {**os.environ, "STEPWELL_STORE": store_url}


def launch(store_url: str, port: int, host: str = "127.0.0.1", *, browser: bool = False, base: str = "") -> int:
    """Serve the dashboard until it is interrupted, opening a browser if asked to; returns the server's exit code."""
    server = subprocess.Popen(command(port, host, browser=browser, base=base), env=environment(store_url))
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()
        return server.wait()
