"""Questions about runs, one command each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stepwell.arguments import opened, with_store


@click.command()
@with_store
@click.option("--run", multiple=True, help="Only scores of this run; repeatable.")
@click.option("--benchmark", help="Only scores on this benchmark.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def evaluations(store: str | None, run: Sequence[str], benchmark: str | None, as_json: bool) -> None:
    """List every score: of result files, of published systems, of the runs' own validations."""
    from stepwell import scoring

    engine, _settings = opened({"store": store})
    scoring.tell(engine, run, benchmark, as_json=as_json)


@click.command()
@with_store
@click.argument("run", nargs=-1, required=True)
@click.option("--metric", multiple=True, metavar="QUANTITY", help="Such as reward_mean; may be given again.")
@click.option("--by", type=click.Choice(["steps", "tokens", "hours"]), default="steps", show_default=True)
@click.option("--group", default="", metavar="HOW", help="name (without its seed), tag, config.KEY, or ~REGEX.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def compare(store: str | None, run: Sequence[str], metric: Sequence[str], by: Any, group: str, as_json: bool) -> None:
    """Compare the first RUN (or group of seeds) with the others: what is more than noise, what differs."""
    from stepwell import comparing

    engine, _settings = opened({"store": store})
    comparing.compare(engine, run, metric, by, group, as_json=as_json)


@click.command()
@with_store
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def forecast(store: str | None, run: str, as_json: bool) -> None:
    """Say where the score and the entropy of RUN are heading, if the data can tell."""
    from stepwell import comparing

    engine, _settings = opened({"store": store})
    comparing.forecast(engine, run, as_json=as_json)


@click.command()
@with_store
@click.argument("run", nargs=-1, required=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write (report.html).")
@click.option("--png", type=click.Path(path_type=Path), help="The charts as one picture, for a paper.")
def report(store: str | None, run: Sequence[str], output: Path | None, png: Path | None) -> None:
    """Write a report of RUN, or of several side by side: one HTML file that opens without a network."""
    from stepwell import reporting

    engine, _settings = opened({"store": store})
    reporting.report(engine, run, output, png)
