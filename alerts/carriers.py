"""How a delivery travels: Apprise, a JSON webhook, an Alertmanager. Imported only when something is to be sent."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from alerts import notify
from alerts.outbox import Failed, Refused
from alerts.rules import Channel
from db.outbox import Message
from db.redact import redact_text

NEVER = {400, 413, 422}
"""Answers that say that this very message is wrong; all others may change."""
LONGEST_WAIT = 3600.0  # s: what a receiver may ask us to wait


def send(channel: Channel, batch: str, messages: Sequence[Message], limit: float, picture: bytes | None = None) -> None:
    """Carry the messages of one run to a channel. Raises Failed or Refused; no text of them holds a secret.

    picture: PNG, for a service that takes_pictures.
    """
    url = address(channel)
    bodies = [{"id": message.key, **message.body} for message in messages]
    if channel.kind == "webhook":
        post(url, notify.webhook(batch, bodies), batch, limit)
    elif channel.kind == "alertmanager":
        url = url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/api/v2/alerts"
        post(url, notify.alertmanager(bodies), batch, limit)
    else:
        _apprise(url, *notify.text(bodies), picture)


def takes_pictures(channel: Channel) -> bool:
    """Whether the service behind it shows an attached picture. False where that cannot be told."""
    if channel.kind != "apprise" or not channel.picture:
        return False
    import apprise

    try:
        service = apprise.Apprise.instantiate(address(channel), suppress_exceptions=True)
    except Failed:
        return False
    return bool(getattr(service, "attachment_support", False))


def address(channel: Channel) -> str:
    """The channel's URL from where its secret is kept. Raises Failed, which names the place and not the secret."""
    if channel.url:
        return channel.url
    if channel.url_env:
        if value := os.environ.get(channel.url_env, "").strip():
            return value
        raise Failed(f"the environment has no {channel.url_env}")
    try:
        value = Path(channel.url_file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{channel.url_file}: {error.strerror if isinstance(error, OSError) else 'no text'}") from None
    if not value:
        raise Failed(f"{channel.url_file} is empty")
    return value


def masked(channel: Channel) -> str:
    """Where it goes, for eyes: the kind of service and, of a plain address, the host."""
    if channel.url:
        parts = urlsplit(channel.url)
        return f"{parts.scheme}://{parts.hostname}/…" if parts.scheme in ("http", "https") else f"{parts.scheme}://…"
    return f"${channel.url_env}" if channel.url_env else channel.url_file


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as an empty GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(url: str, told: Any, key: str, limit: float) -> None:
    """POST as JSON, UTF-8. Raises Failed (to be tried again) or Refused."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise Failed("the address does not begin with http:// or https://")
    data = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
    head = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": key, "User-Agent": "stepwell"}
    try:
        request = urllib.request.Request(url, data, head)
        with urllib.request.build_opener(_Stay).open(request, timeout=limit) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        said = f"HTTP {error.code}"
        if error.code in NEVER:
            raise Refused(said) from None
        raise Failed(said, _wait(error.headers.get("Retry-After"))) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise Failed(f"no answer within {limit:g} s") from None
        raise Failed(f"{type(reason).__name__}: {_without(url, str(reason))}") from None


def _wait(text: str | None) -> float:
    """Retry-After in s, at most an hour; it may be a date."""
    if text is None:
        return 0.0
    if text.strip().isdigit():
        return min(LONGEST_WAIT, float(text[:9]))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, min(LONGEST_WAIT, at.timestamp() - time.time()))


def _apprise(url: str, title: str, body: str, picture: bytes | None) -> None:
    import apprise
    from apprise.attachment.memory import AttachMemory

    logger, log = logging.getLogger("apprise"), io.StringIO()
    handler = logging.StreamHandler(log)
    logger.addHandler(handler)
    try:
        to = apprise.Apprise()
        if not to.add(url):
            raise Failed("Apprise does not understand the address")
        kept = {"name": "curve.png", "mimetype": "image/png"}
        with_it: Any = None if picture is None else [AttachMemory(picture, **kept)]  # type: ignore[no-untyped-call]
        done = to.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT, attach=with_it)
    finally:
        logger.removeHandler(handler)
    if not done:
        said = _without(url, log.getvalue().strip().splitlines()[0] if log.getvalue().strip() else "not accepted")
        raise Failed(said[:300])


def _without(url: str, text: str) -> str:
    """The text without any part of the address that could be a secret."""
    for part in sorted(re.split(r"[/:@?&=+,]+", url), key=len, reverse=True):
        for word in {part, unquote(part)}:
            if len(word) >= 5 and word not in (urlsplit(url).hostname, "localhost", "https"):
                text = text.replace(word, "…")
    return redact_text(text)
