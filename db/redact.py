"""Secrets are taken out of a config before anything of it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_SECRET_WORDS = (
    "secret|secrets|password|passwords|passwd|passphrase|pwd|credential|credentials|authorization|bearer|webhook|webhooks"
    "|cookie|cookies|dsn|apikey|accesskey|privatekey|authtoken|accesstoken|secretkey|pat"
)
_SECRET_PAIRS = (
    "api key|access key|private key|secret key|signing key|encryption key|account key|service key|ssh key|client key"
    "|master key|license key|auth key|wandb key|swanlab key|connection string"
)
_TOKEN_BEFORE = (  # `..._token` is a secret after one of these, or alone; a count or an id after any other word
    "auth|access|refresh|hub|hf|huggingface|wandb|api|bearer|github|gitlab|gh|git|slack|bot|session|id|security|write|read"
    "|user|login|private|secret|oauth|jwt|csrf|service|registry|pypi|npm|comet|neptune|mlflow|swanlab|telegram|discord"
    "|clearml|trackio|personal|deploy|app|kaggle|modelscope|ms|dockerhub|docker|repo|admin|aws|azure|gcp"
)
_SECRET_KEY = re.compile(
    rf"(?<![a-z])(?:{_SECRET_WORDS})(?![a-z])|(?<![a-z])(?:{_SECRET_PAIRS})(?:s| id)?(?![a-z])"
    rf"|(?<![a-z])(?:{_TOKEN_BEFORE}) tokens?$|^tokens?$|\. ?tokens?$"
)
_NOT_SECRET = re.compile(
    r"(?<![a-z])(?:bos|eos|pad|sep|cls|mask|unk|image|special|stop|start|end|vision|video|audio) token"
    r"| (?:id|ids|len|length|count|num|level|limit|size|file name|env|env var|name)$"
)

_HIDDEN_IN_TEXT = re.compile(
    r"""
      -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | (?<![\w-])(?:sk|pk|rk)-(?:proj-|ant-|live-|test-|or-|svcacct-|lf-)?[\w-]{16,}
    | (?<![\w-])(?:sk|pk|rk)_(?:live|test)_\w{10,}
    | (?<!\w)hf_[A-Za-z0-9]{16,}
    | (?<!\w)(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,})
    | (?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])
    | (?<!\w)xox[a-z]-[A-Za-z0-9-]{8,}
    | (?<!\w)AIza[\w-]{30,}
    | (?<!\w)(?:nvapi-|pypi-|npm_|dop_v1_|r8_|tml-)[\w-]{16,}
    | (?<![\w.-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*
    | https?://(?:hooks\.slack\.com/(?:services|workflows)|(?:\w+\.)?discord(?:app)?\.com/api/webhooks)/[^\s"'<>]+
    | https?://[^\s"'<>]*(?:webhook\.office\.com|open-apis/bot|oapi\.dingtalk\.com/robot|qyapi\.weixin\.qq\.com)[^\s"'<>]*
    | (?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])
    """,
    re.VERBOSE | re.DOTALL,
)
_AFTER_NAME = re.compile(
    r"""(?ix)
    (?<![a-z]) ((?:[a-z0-9]+[_-])*(?:api[_-]?key|access[_-]?key|secret[_-]?key|secret|password|passwd|access[_-]?token
      |auth[_-]?token|hf[_-]?token|hub[_-]?token|refresh[_-]?token|private[_-]?key) ["']? \s* [=:\s] \s* ["']?)
    ([^\s"',;&}\]\[)(]{4,})"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}")
_URL_LOGIN = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:'\"<>]*(?::[^\s/'\"<>]*)?@")
_URL_QUERY = re.compile(
    r"(?i)([?&](?:[\w-]*(?:token|secret|password|signature|credential|api[_-]?key|access[_-]?key)|sig|key|auth)=)[^&\s\"'<>]+"
)


def redact(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys; a secret's value is `[redacted]`, text that holds one keeps the rest of itself.

    flat: a flattened config (settings.flatten); values that are no text are kept, unless the key is a secret's.
    Numbers, booleans and empty values are never secrets: `max_tokens: 4096`, `use_auth_token: true`.
    """
    return {redact_text(key): _value(key, value) for key, value in flat.items()}


def is_secret(key: str) -> bool:
    """Whether a value under this key is a secret by its name: `wandb.api_key`, `HF_TOKEN`, but not `max_tokens`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    words = re.sub(r"[_\-\s/]+", " ", re.sub(r"\[\d+\]", "", words)).lower().replace(".", " . ").strip()
    words = re.sub(r" +", " ", words)
    return bool(_SECRET_KEY.search(words)) and not _NOT_SECRET.search(words)


def redact_text(text: str) -> str:
    """Text without what looks like a secret by its form, wherever in the text it stands."""
    text = _HIDDEN_IN_TEXT.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _URL_LOGIN.sub(rf"\1{REDACTED}@", text)
    text = _URL_QUERY.sub(rf"\1{REDACTED}", text)
    return _AFTER_NAME.sub(rf"\1{REDACTED}", text)


def _value(key: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.strip().lower() in ("", "none", "null", "true", "false"):
        return value
    return REDACTED if is_secret(key) else redact_text(value)
