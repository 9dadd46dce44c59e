"""Secrets are taken out of a config before anything of it is stored.

By the name of the key (`wandb.api_key`, but not `max_tokens`) and by the form of the text (`sk-...`, `hf_...`,
`postgres://user:password@host`), also inside longer text. Every pattern is linear in the text: a log is untrusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_WORDS = (
    "secret|secrets|password|passwords|passwd|passphrase|credential|credentials|authorization|webhook|webhooks"
    "|cookie|cookies|dsn|apikey|accesskey|privatekey|authtoken|accesstoken|secretkey"
)
_KEY_OF = (
    "api|access|private|secret|signing|encryption|account|service|ssh|client|master|license|auth|wandb|swanlab|comet"
    "|neptune|openai|anthropic|gemini|deepseek|dashscope|zhipu|moonshot|tinker|hf"
)
_TOKEN_OF = (  # after any other word a token is a count, a string of the vocabulary or a level of aggregation
    "auth|access|refresh|hub|hf|huggingface|wandb|api|bearer|github|gitlab|gh|git|slack|bot|session|id|security|write"
    "|read|user|login|private|secret|oauth|jwt|csrf|service|registry|pypi|npm|comet|neptune|mlflow|swanlab|telegram"
    "|discord|clearml|trackio|personal|deploy|app|kaggle|modelscope|ms|docker|repo|admin|aws|azure|gcp"
)
_SECRET = re.compile(
    rf"\b(?:{_WORDS})\b|\b(?:{_KEY_OF}) keys?\b|\b(?:{_TOKEN_OF}) tokens?$"
    r"|\w pwd$|\b(?:github|gh|gitlab|azure) pat$|\bconnection string$"
)
_TOKEN_ALONE = re.compile(r"(?:^|[./])token$", re.IGNORECASE)
_ABOUT_ONE = re.compile(r" (?:len|length|count|num|level|limit|size|name|env|env var)$")
"""`api_key_env_var` names where a secret is, `secret_name` which one: neither is one."""

_FORMS = re.compile(
    r"""
      -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]{0,40}PRIVATE\ KEY-----|\Z)
    | (?<![\w-])(?:sk|pk|rk|tml|nvapi|pypi)-(?=[\w-]*\d)[\w-]{16,}
    | (?<![\w-])(?:sk|pk|rk)_(?:live|test)_\w{10,}
    | (?<!\w)(?:hf|npm|r8)_[A-Za-z0-9]{16,}
    | (?<!\w)(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,})
    | (?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])
    | (?<!\w)xox[a-z]-[A-Za-z0-9-]{8,}
    | (?<!\w)AIza[\w-]{30,}
    | (?<![\w.-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*
    | https?://hooks\.slack\.com/(?:services|workflows)/[^\s"'<>]+
    | https?://(?:\w{1,20}\.)?discord(?:app)?\.com/api/webhooks/[^\s"'<>]+
    | https?://[^\s"'<>/]{0,100}\.webhook\.office\.com/[^\s"'<>]+
    | https?://[^\s"'<>/]{0,100}/(?:open-apis/bot|robot/send|cgi-bin/webhook)[^\s"'<>]*
    | (?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED = re.compile(
    r"""(?ix)
    (?<![a-z]) ( (?:api|access|secret|private)[_-]?key | (?:client|app)[_-]secret | password | passwd
      | (?:access|auth|hf|hub|refresh|github|wandb)[_-]?token )
    ( ["']? \s{0,4} [=:] \s{0,4} ["']? | \s{1,4} (?=[^\s-]) )
    (?! (?:none|null|true|false)\b ) ([^\s"',;&}\])(\[]{4,})"""
)
_HEADER = re.compile(r"(?i)\b(bearer|basic)\s{1,4}(?=[\w.~+/-]*[\d=])[\w.~+/=-]{12,}")
_LOGIN = re.compile(r"""(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:'"<>?#]{0,256}(?::[^\s/'"<>]{0,256})?@""")
_QUERY = re.compile(
    r"""(?i)([?&](?:[\w-]{0,40}(?:token|secret|password|signature|credential|api[_-]?key|access[_-]?key)|sig|key|auth)=)"""
    r"""[^&\s"'<>]+"""
)


def redact(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys; a secret's value is `[redacted]`, text that holds one keeps the rest of itself.

    flat: a config, flattened or not. Booleans, nulls and empty text are no secrets (`use_auth_token: true`).
    """
    clean: dict[str, Any] = {}
    before: Any = None
    for key, value in flat.items():
        clean[redact_text(key)] = REDACTED if _asked_for(before) and "[" in key else _value(key, value)
        before = value
    return clean


def is_secret(key: str) -> bool:
    """Whether the value is a secret by the name of its key.

    >>> is_secret("trainer.wandb.apiKey"), is_secret("HF_TOKEN"), is_secret("data.max_tokens"), is_secret("eos_token")
    (True, True, False, False)
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", re.sub(r"\[\d+\]", "", key))
    words = re.sub(r"[^a-z0-9]+", " ", words.lower()).strip()
    return bool(_SECRET.search(words) or _TOKEN_ALONE.search(key)) and not _ABOUT_ONE.search(words)


def redact_text(text: str) -> str:
    """Text without what looks like a secret by its form, wherever in the text it stands."""
    text = _FORMS.sub(REDACTED, text)
    text = _HEADER.sub(rf"\1 {REDACTED}", text)
    text = _LOGIN.sub(rf"\1{REDACTED}@", text)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    return _NAMED.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    prose = not between.strip() and not re.search(r"\d", value)  # "the password protects", not "--password hunter2"
    return found[0] if prose else f"{name}{between}{REDACTED}"


def _value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact({f"{key}.{inner}": below for inner, below in value.items()}) if is_secret(key) else redact(value)
    if isinstance(value, list | tuple):
        return list(redact({f"{key}[{place}]": inner for place, inner in enumerate(value)}).values())
    if isinstance(value, bool) or value is None:
        return value
    if not isinstance(value, str):  # a password may be a number; a number of tokens is none
        return REDACTED if is_secret(key) and "token" not in key.lower() else value
    if value.strip().lower() in ("", "none", "null", "true", "false"):
        return value
    return REDACTED if is_secret(key) else redact_text(value)


def _asked_for(before: Any) -> bool:
    """Whether the element before, in a command line, was a flag whose value is a secret (`--api-key`, then this)."""
    return isinstance(before, str) and before.startswith("-") and "=" not in before and is_secret(before.lstrip("-"))
