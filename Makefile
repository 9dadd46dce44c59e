# Two commands on a fresh machine with Python 3.11+ and nothing else: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench fuzz soak clean

demo: .venv/run
	$(BIN)/stepwell demo

test: .venv/test lint
	$(BIN)/python -m pytest -n 2

lint: .venv/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/test
	$(BIN)/python -m benchmarks

# An hour of coverage-guided fuzzing of every reader, in an environment of its own (atheris has wheels for few Pythons).
fuzz:
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet --require-hashes -r requirements.lock
	.venv-fuzz/bin/pip install --quiet atheris==3.0.0
	.venv-fuzz/bin/python tests/fuzz/coverage_guided.py .fuzz-corpus -max_total_time=3600 -rss_limit_mb=1500

# A soak of the same readers without atheris, as long as wanted: make soak SECONDS=600
SECONDS ?= 60
soak: .venv/test
	$(BIN)/python tests/fuzz/soak.py $(SECONDS)

clean:
	rm -rf .venv .venv-fuzz .fuzz-corpus .mypy_cache .ruff_cache demo

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stepwell needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/python requirements.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/test: .venv/python requirements-dev.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@ .venv/run
