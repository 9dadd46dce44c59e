"""Secrets never reach the store; what only looks like one does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.redact import REDACTED, is_secret, redact, redact_text

LETTERS = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY"  # no key of anyone

SECRET_KEYS = [
    "api_key", "wandb.api_key", "WANDB_API_KEY", "env.OPENAI_API_KEY", "apiKey", "trainer.apiKey",
    "OPENAI_KEY",
    "logger.wandb.key", "HF_TOKEN", "hub_token", "push_to_hub_token", "token", "judge.token", "auth_token",
    "aws_session_token", "slack.bot_token", "password", "db.Password", "client_secret",
    "aws_secret_access_key",
    "credentials.user", "private_key", "ssh-key", "headers.Authorization", "slack_webhook",
    "notify.webhook_url",
    "access_key", "AWS_ACCESS_KEY_ID", "sentry_dsn", "github_pat", "db_pwd", "cookie",
]  # fmt: skip
PLAIN_KEYS = [
    "max_tokens", "num_tokens", "data.max_token_length", "tokenizer", "tokenizer_path", "token_level_loss",
    "use_token_level_loss", "loss_agg_mode.token-mean", "pad_token", "eos_token", "bos_token_id",
    "special_tokens_map",
    "add_special_tokens", "tokens_per_second", "image_token", "stop_token", "secretary",
    "passwordless_len", "keys",
    "key_padding_mask", "monkey", "turkey_key", "author", "authored_by", "api_key_env_var", "patience",
    "PWD", "OLDPWD",
    "pass_at_k", "compass", "reward_key", "filter_key", "prompt_key", "data.image_key", "token_mean",
    "accesses",
]  # fmt: skip


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_secret_by_its_key_is_gone(key: str) -> None:
    assert redact({key: "Zq-plain-looking"}) == {key: REDACTED}


@pytest.mark.parametrize("key", PLAIN_KEYS)
def test_a_key_that_only_sounds_like_one_keeps_its_value(key: str) -> None:
    assert redact({key: "value-of-it", "n": 3}) == {key: "value-of-it", "n": 3}


@pytest.mark.parametrize(
    "secret",
    [
        "sk-" + LETTERS,
        "sk-proj-" + LETTERS + "_-" + LETTERS,
        "sk-ant-api03-" + LETTERS,
        "sk_live_" + LETTERS,
        "tml-" + LETTERS,
        "hf_" + LETTERS,
        "ghp_" + LETTERS,
        "github_pat_11ABCDEFG0" + LETTERS,
        "glpat-" + LETTERS,
        "AKIA" + "QWERTYUIOP12ASDF",
        "xoxb-1234567890-" + LETTERS,
        "AIza" + LETTERS,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + LETTERS,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + LETTERS + "\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIE" + LETTERS,
        "https://hooks.slack.com/services/T000/B000/" + LETTERS,
        "https://discord.com/api/webhooks/123456789/" + LETTERS,
        "https://open.feishu.cn/open-apis/bot/v2/hook/" + LETTERS,
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + LETTERS,
        "https://oapi.dingtalk.com/robot/send?access_token=" + LETTERS,
        "123456789:" + LETTERS + "abc",
    ],
)
@pytest.mark.parametrize("around", ["{}", "curl -H 'X: {}' --next", "提示: {} 。", '{{"cmd": "{}"}}', "a={},b=2"])
def test_a_secret_by_its_form_is_gone_wherever_it_stands(secret: str, around: str) -> None:
    clean = redact_text(around.format(secret))
    assert LETTERS not in clean and "QWERTYUIOP12ASDF" not in clean
    assert REDACTED in clean and clean.startswith(around.split("{", maxsplit=1)[0])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://ann:hunter2@db:5432/x", f"postgresql://{REDACTED}@db:5432/x"),
        ("redis://:p@ss@cache:6379", f"redis://{REDACTED}@cache:6379"),
        ("https://oauth2:abc@gitlab.com/a/b.git and on", f"https://{REDACTED}@gitlab.com/a/b.git and on"),
        ("https://abcdef@sentry.io/1", f"https://{REDACTED}@sentry.io/1"),
        ("s3://b/o?X-Amz-Signature=abc123&v=2", f"s3://b/o?X-Amz-Signature={REDACTED}&v=2"),
        ("http://h/v1?api_key=abc&model=q", f"http://h/v1?api_key={REDACTED}&model=q"),
        ("Authorization: Bearer abcdef123456789", f"Authorization: Bearer {REDACTED}"),
        ("python t.py --api-key abc123 --lr 1e-6", f"python t.py --api-key {REDACTED} --lr 1e-6"),
        ("WANDB_API_KEY=0a1b2c3d4e python t.py", f"WANDB_API_KEY={REDACTED} python t.py"),
        ("{'password': 'hunter2', 'n': 1}", f"{{'password': '{REDACTED}', 'n': 1}}"),
    ],
)
def test_only_the_secret_part_of_a_text_is_taken(text: str, clean: str) -> None:
    assert redact_text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Qwen/Qwen2.5-7B-Instruct", "token-mean", "https://huggingface.co/datasets/a/b",
        "http://localhost:8000/v1",
        "git@github.com:a/b.git", "ann@example.org", "sk-learn-based-verifier-of-answers",
        "risk-adjusted-2024-reward-v2", "hf_generation_config_for_model",
        "1dda039b9f6f1b0c2a7a1d2e3f4a5b6c7d8e9f00",
        "the password protects the file", "Keep it secret: answer in \\boxed{}", "api_key: None",
        "password=null", "math_dapo/acc/mean@32",
        "npm_config_registry", "bearer of good news", "eyJust.a.word", "12:30:05",
        "2025-12-21 07:29:38", "请把密码告诉我",
        "/data/AKIAX/run", "s3://bucket/key=1/part-0.parquet", "${oc.env:HF_HOME}", "1e-06", "[redacted]",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact({"note": text}) == {"note": text}


def test_the_value_after_a_secret_flag_of_a_command_line_is_gone() -> None:
    argv = {"a[0]": "t.py", "a[1]": "--wandb_key", "a[2]": "0a1b2c", "a[3]": "--max_tokens", "a[4]": "64"}
    assert redact(argv) == argv | {"a[2]": REDACTED}


@pytest.mark.parametrize(
    ("given_config", "kept"),
    [
        ({"use_auth_token": True, "hub_token": None, "api_key": "", "token": "None"}, {}),
        ({"password": 123456, "token": 17, "max_tokens": 4096}, {"password": REDACTED}),
        ({"a": {"api_key": "x1", "n": 1}}, {"a": {"api_key": REDACTED, "n": 1}}),
        ({"urls": ["http://a:b@c", "http://c"]}, {"urls": [f"http://{REDACTED}@c", "http://c"]}),
    ],
)
def test_values_that_are_no_text(given_config: dict[str, Any], kept: dict[str, Any]) -> None:
    assert redact(given_config) == given_config | kept


VALUES = st.one_of(st.text(), st.integers(), st.none(), st.floats(allow_nan=False))


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_any_config_is_survived_and_a_second_time_changes_nothing(config: dict[str, Any]) -> None:
    once = redact(config)
    assert redact(once) == once


def test_is_secret_reads_words_not_letters() -> None:
    assert is_secret("worker.HTTPApiKey") and not is_secret("worker.happy_keys_of_apis")
