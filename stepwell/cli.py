"""The `stepwell` command: one verb each, a few lines; every import of a room stands inside its verb, so that
`stepwell check` never loads streamlit or mlflow.

Exit codes: 0 done, nothing firing · 1 something is firing · 2 wrong usage or configuration · 3 could not evaluate.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from db.settings import BadSettings, Value, load
from stepwell.arguments import Source

if TYPE_CHECKING:
    import sqlalchemy as sa

FIRING, USAGE, AWAY = 1, 2, 3


def main() -> None:
    """The entry point: turns what may go wrong into one line and the promised exit code."""
    from db.engine import StoreError

    try:
        sys.exit(cli(standalone_mode=False) or 0)  # click hands the code of an Exit back as a value
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except click.Abort:
        sys.exit(130)
    except BadSettings as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    except StoreError as error:
        click.echo(f"Error: the store could not be used: {error}", err=True)
        sys.exit(AWAY)
    except BrokenPipeError:
        sys.exit(0)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stepwell")
def cli() -> None:
    """Watch LLM reinforcement-learning runs: collect what trainers write, look at it, be told when to get up."""


def with_store(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every verb takes --store URL (and STEPWELL_STORE)."""
    return click.option("--store", metavar="URL", help="Database URL or SQLite file.  [env: STEPWELL_STORE]")(command)


def opened(flags: dict[str, Any]) -> tuple[sa.Engine, dict[str, Value]]:
    from db.engine import open_store

    settings = load(flags)
    return open_store(settings["store"].value), settings


@cli.command()
@with_store
@click.argument("paths", nargs=-1, required=True, type=Source())
@click.option("--follow", is_flag=True, help="Keep reading what is new until interrupted.")
@click.option("--project", help="Project of the runs, instead of what logs and folders say.")
@click.option(
    "--run-per",
    type=click.Choice(["log", "file"]),
    default="log",
    show_default=True,
    help="What is a run: a log with its restarts, as names and folders tell, or each file.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def collect(
    store: str | None, paths: Sequence[Path | str], follow: bool, project: str | None, run_per: str, as_json: bool
) -> None:
    """Read logs (files or whole folders) into the store."""
    from stepwell import collecting

    engine, settings = opened({"store": store, "project": project})
    project = settings["project"].value or None
    collecting.collect(engine, paths, project, run_per_file=run_per == "file", follow=follow, as_json=as_json)


@cli.command()
@with_store
@click.option("--filter", "wanted", default="", help="Such as: trainer:verl reward_mean>0.5 -state:live config.lr<1e-5")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag.")
@click.option("--archived", is_flag=True, help="Those that were archived.")
@click.option("--deleted", is_flag=True, help="Those that were deleted, and can be restored.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def runs(store: str | None, wanted: str, tags: Sequence[str], archived: bool, deleted: bool, as_json: bool) -> None:
    """List the runs with their newest step, age, reward and entropy."""
    from stepwell import listing

    engine, _settings = opened({"store": store})
    shelf = "deleted" if deleted else "archived" if archived else ""
    listing.runs(engine, wanted, tags, shelf, as_json=as_json)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="RUN… +TAG -TAG…")
def tag(store: str | None, words: Sequence[str], who: str | None) -> None:
    """Give runs a tag (+paper), or take one away (-draft)."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.tag(engine, words, who)


@cli.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run")
@click.argument("text", required=False)
def note(store: str | None, run: str, text: str | None, who: str | None) -> None:
    """Write down TEXT about RUN, in place of what stood there; without TEXT, show it."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.note(engine, run, text, who)


@cli.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run", nargs=-1, required=True)
def archive(store: str | None, run: Sequence[str], who: str | None) -> None:
    """Put runs out of the lists; what their logs say goes on being stored."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.archive(engine, run, who)


@cli.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run", nargs=-1, required=True)
def delete(store: str | None, run: Sequence[str], who: str | None) -> None:
    """Put runs out of sight and judgement until somebody restores them; no point is lost."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.delete(engine, run, who)


@cli.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run", nargs=-1, required=True)
def restore(store: str | None, run: Sequence[str], who: str | None) -> None:
    """Bring runs back that were archived or deleted."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.restore(engine, run, who)


@cli.command()
@with_store
@click.argument("run", nargs=-1)
@click.option("--limit", type=int, default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def edits(store: str | None, run: Sequence[str], limit: int, as_json: bool) -> None:
    """Show what people did: who, when, what, to which run."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.history(engine, run, limit, as_json=as_json)


@cli.command()
@with_store
@click.argument("paths", nargs=-1, type=Source())
@click.option("--all", "every", is_flag=True, help="Judge every run, not only live ones; age is not judged.")
@click.option("--live-for", metavar="TIME", help="A run is live while its data is younger than this (1d).")
@click.option("--fail-on", type=click.Choice(["info", "warning", "critical"]), help="Exit 1 from here on (warning).")
@click.option("--quiet", is_flag=True, help="Say only what is new: what fires, what is over, what cannot be judged.")
@click.option("--ping-url", metavar="URL", help="Tell URL/start and URL/<exit code> (Healthchecks and its like).")
@click.option("--metrics-file", metavar="FILE", help="Write an OpenMetrics text file for node_exporter.")
@click.option("--time-limit", metavar="TIME", help="End after this (10m).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(paths: Sequence[Path | str], every: bool, quiet: bool, as_json: bool, **flags: str | None) -> None:
    """Collect what is new under PATHS (if given), judge the live runs, tell what is new, exit 1 if something fires."""
    from stepwell.starting import importing

    with importing():
        from stepwell import checking

    raise click.exceptions.Exit(checking.check(load(flags), paths, every=every, quiet=quiet, as_json=as_json))


@cli.command()
@with_store
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def backtest(store: str | None, paths: Sequence[Path], as_json: bool) -> None:
    """Replay logs (or, without PATHS, the store's runs) through the rules as they would have been seen live.

    Where a labels.json stands beside the logs: how often the rules are right, how soon, and how sure that is.
    """
    from stepwell import backtesting

    if paths:
        backtesting.files(paths, as_json=as_json)
    else:
        engine, _settings = opened({"store": store})
        backtesting.store(engine, as_json=as_json)


@cli.command()
@with_store
@click.option("--run", multiple=True, help="Only scores of this run; repeatable.")
@click.option("--benchmark", help="Only scores on this benchmark.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def evaluations(store: str | None, run: Sequence[str], benchmark: str | None, as_json: bool) -> None:
    """List every score: of result files, of published systems, of the runs' own validations."""
    from stepwell import scoring

    engine, _settings = opened({"store": store})
    scoring.tell(engine, run, benchmark, as_json=as_json)


@cli.command()
@with_store
@click.argument("run", nargs=-1)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "parquet"]), default="csv", show_default=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write; standard output otherwise.")
@click.option("--history", is_flag=True, help="Every attempt, not only the live line.")
@click.option("--evaluations", "scores", is_flag=True, help="The scores instead of the points, a row each.")
def export(store: str | None, run: Sequence[str], form: str, output: Path | None, history: bool, scores: bool) -> None:
    """Write points as long rows (all runs, or the named ones)."""
    from stepwell import exporting, scoring

    engine, _settings = opened({"store": store})
    if scores:
        scoring.export(engine, run, form, output)
        return
    exporting.export(engine, run, form, output, history=history)


@cli.command()
@with_store
@click.argument("run", nargs=-1, required=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write (report.html).")
@click.option("--png", type=click.Path(path_type=Path), help="The charts as one picture, for a paper.")
def report(store: str | None, run: Sequence[str], output: Path | None, png: Path | None) -> None:
    """Write a report of RUN, or of several side by side: one HTML file that opens without a network."""
    from stepwell import reporting

    engine, _settings = opened({"store": store})
    reporting.report(engine, run, output, png)


@cli.command()
@with_store
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table", show_default=True)
def query(store: str | None, sql: str, form: str) -> None:
    """Ask the store in SQL (read-only): tables runs, points, history, metrics, findings …"""
    from stepwell import exporting

    engine, _settings = opened({"store": store})
    exporting.query(engine, sql, form)


@cli.command()
@click.option("--force", is_flag=True, help="Write over a stepwell.toml that is there.")
def init(force: bool) -> None:
    """Write a commented stepwell.toml: settings, rules, channels."""
    from stepwell import alerting

    alerting.init(Path("stepwell.toml"), force=force)


@cli.group()
def rules() -> None:
    """The rules of stepwell.toml."""


@rules.command(name="test")
@with_store
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def rules_test(store: str | None, as_json: bool) -> None:
    """What each rule would have done on the runs of the store; tells nobody."""
    from alerts.rules import load as load_rules
    from stepwell import rehearsing

    book = load_rules()
    engine, _settings = opened({"store": store})
    rehearsing.test(engine, book, as_json=as_json)


@cli.command()
@with_store
@click.option("--all", "every", is_flag=True, help="Those that are over, too.")
@click.option("--deliveries", is_flag=True, help="What was sent to which channel, and how it went.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def alerts(store: str | None, every: bool, deliveries: bool, as_json: bool) -> None:
    """List the alerts that are open."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    alerting.show_alerts(engine, every=every, deliveries=deliveries, as_json=as_json)


@cli.command()
@with_store
@click.argument("alert", type=int, nargs=-1, required=True)
@click.option("--note", default="", help="A word for the others.")
@click.option("--who", help="Your name (the login).")
def ack(store: str | None, alert: Sequence[int], note: str, who: str | None) -> None:
    """Acknowledge ALERT (its number in `stepwell alerts`): no repeats, no escalation for want of an answer."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    alerting.acknowledge(engine, alert, note, who)


@cli.command()
@with_store
@click.argument("alert", type=int)
@click.argument("text")
@click.option("--who", help="Your name (the login).")
def comment(store: str | None, alert: int, text: str, who: str | None) -> None:
    """Add TEXT to the history of ALERT, for the others."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    alerting.comment(engine, alert, text, who)


@cli.command()
@with_store
@click.option("--run", default="*", show_default=True, help="Pattern of run names.")
@click.option("--rule", default="*", show_default=True, help="Pattern of rule names.")
@click.option("--tag", default="*", show_default=True, help="Pattern of tags.")
@click.option("--for", "period", metavar="TIME", help="How long (30m, 6h, 2d).")
@click.option("--until-step", type=int, help="Until the run gets to this step.")
@click.option("--note", default="", help="Why.")
@click.option("--who", help="Your name (the login).")
@click.option("--end", type=int, metavar="ID", help="End a silence.")
@click.option("--list", "listed", is_flag=True, help="Show the silences that are in force.")
def silence(store: str | None, end: int | None, listed: bool, **wanted: object) -> None:
    """Tell nothing of some alerts for a while; they are recorded all the same."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    if listed or end is not None:
        alerting.silences(engine, end)
    else:
        alerting.silence(engine, wanted)


@cli.command()
@with_store
@click.option("--port", type=int, help="Port (8501).")
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--base-url-path", metavar="PATH", help="Where a reverse proxy serves it, such as /stepwell (the root).")
@click.option("--browser/--no-browser", default=False, help="Open a browser window.")
def dashboard(browser: bool, **flags: Any) -> None:
    """Open the dashboard."""
    from dashboard.launch import launch

    _engine, settings = opened(flags)
    address, number, base = settings["host"].value, int(settings["port"].value), settings["base_url_path"].value
    raise click.exceptions.Exit(launch(settings["store"].value, number, address, browser=browser, base=base))


@cli.command()
@with_store
@click.option("--mlflow", metavar="URI", help="MLflow tracking URI.  [env: MLFLOW_TRACKING_URI]")
@click.option("--port", type=int, default=5000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--ui/--no-ui", default=True, help="Open MLflow's UI after copying.")
def mlflow(store: str | None, mlflow: str | None, port: int, host: str, ui: bool) -> None:
    """Copy what is new into MLflow and open its UI on it."""
    from stepwell import mirroring

    engine, settings = opened({"store": store, "mlflow": mlflow})
    raise click.exceptions.Exit(mirroring.mirror(engine, settings["mlflow"].value, port, host, ui=ui))


@cli.command()
@with_store
def config(store: str | None) -> None:
    """Print each setting, its value and where it came from."""
    from stepwell import listing

    listing.settings(load({"store": store}))


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=Source())
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def doctor(paths: Sequence[Path | str], as_json: bool) -> None:
    """Say what is recognised under PATHS and why, what is missing and how to log it, what was not understood."""
    from stepwell import doctoring

    doctoring.doctor(paths, as_json=as_json)


@cli.command()
@with_store
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--test", "tests", multiple=True, type=click.Path(exists=True, path_type=Path), help="The test split.")
@click.option(
    "--few", type=click.IntRange(1), default=5, show_default=True, help="Tests below which a problem is weak."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def data(store: str | None, paths: Sequence[Path], tests: Sequence[Path], few: int, as_json: bool) -> None:
    """Say what a training set consists of: problems per source, tests per problem, overlap with the test split."""
    from stepwell import curating

    engine, _settings = opened({"store": store})
    curating.data(engine, paths, tests, few, as_json=as_json)


@cli.command()
@with_store
@click.argument("run")
@click.option("--after", required=True, metavar="RUN", help="The run whose checkpoint it started from.")
def link(store: str | None, run: str, after: str) -> None:
    """Say that RUN started from a checkpoint of another run."""
    from stepwell import listing

    engine, _settings = opened({"store": store})
    listing.link(engine, run, after)


@cli.command()
@with_store
@click.argument("run")
@click.option("--at", "step", type=click.IntRange(0), default=0, show_default=True, help="Its first step.")
@click.option("--limit", metavar="TOKENS", help="Tokens that a response may have: 16384, or 16K.")
@click.option("--name", default="", help="What it is called.")
@click.option("--remove", is_flag=True, help="Take back the stage that was declared there.")
@click.option("--who", help="Your name (the login).")
def stage(store: str | None, run: str, step: int, limit: str | None, name: str, remove: bool, who: str | None) -> None:
    """Say where a stage of RUN begins, over what configs and logs say."""
    from stepwell import staging

    engine, _settings = opened({"store": store})
    staging.stage(engine, run, step, limit, name, who, remove=remove)


@cli.command()
@with_store
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def stages(store: str | None, run: str, as_json: bool) -> None:
    """Show the stages of the chain that RUN is part of: limits, hand-offs, readiness for a longer context."""
    from stepwell import staging

    engine, _settings = opened({"store": store})
    staging.tell(engine, run, json=as_json)


@cli.command()
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


@cli.command()
@with_store
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def forecast(store: str | None, run: str, as_json: bool) -> None:
    """Say where the score and the entropy of RUN are heading, if the data can tell."""
    from stepwell import comparing

    engine, _settings = opened({"store": store})
    comparing.forecast(engine, run, as_json=as_json)


@cli.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default="demo", show_default=True, help="Where its stores live."
)
@click.option("--port", type=int, default=8501, show_default=True, help="Of the dashboard; the next free one is taken.")
@click.option("--mlflow-port", type=int, default=5000, show_default=True)
@click.option("--serve/--no-serve", default=True, help="Open the dashboard and MLflow's UI.")
def demo(folder: Path, port: int, mlflow_port: int, serve: bool) -> None:
    """See it work: the sample runs, from log to page."""
    from stepwell.demo import demo as run_demo

    run_demo(folder.resolve(), port, mlflow_port, serve=serve)
