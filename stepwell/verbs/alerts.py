"""What is wrong: judge, tell, take in hand; rehearse the rules on what is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from db.settings import load
from stepwell.arguments import Source, opened, with_store
from stepwell.starting import importing


@click.command()
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

    with importing():
        from stepwell import checking

    raise click.exceptions.Exit(checking.check(load(flags), paths, every=every, quiet=quiet, as_json=as_json))


@click.command()
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


@click.command()
@click.option("--force", is_flag=True, help="Write over a stepwell.toml that is there.")
def init(force: bool) -> None:
    """Write a commented stepwell.toml: settings, rules, channels."""
    from stepwell import alerting

    alerting.init(Path("stepwell.toml"), force=force)


@click.group()
def rules() -> None:
    """The rules of stepwell.toml."""


@rules.command(name="test")
@with_store
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def _test(store: str | None, as_json: bool) -> None:
    """What each rule would have done on the runs of the store; tells nobody."""
    from alerts.rules import load as load_rules
    from stepwell import rehearsing

    book = load_rules()
    engine, _settings = opened({"store": store})
    rehearsing.test(engine, book, as_json=as_json)


@click.command()
@with_store
@click.option("--all", "every", is_flag=True, help="Those that are over, too.")
@click.option("--deliveries", is_flag=True, help="What was sent to which channel, and how it went.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def alerts(store: str | None, every: bool, deliveries: bool, as_json: bool) -> None:
    """List the alerts that are open."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    alerting.show_alerts(engine, every=every, deliveries=deliveries, as_json=as_json)


@click.command()
@with_store
@click.argument("alert", type=int, nargs=-1, required=True)
@click.option("--note", default="", help="A word for the others.")
@click.option("--who", help="Your name (the login).")
def ack(store: str | None, alert: Sequence[int], note: str, who: str | None) -> None:
    """Acknowledge ALERT (its number in `stepwell alerts`): no repeats, no escalation for want of an answer."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    alerting.acknowledge(engine, alert, note, who)


@click.command()
@with_store
@click.argument("alert", type=int)
@click.argument("text")
@click.option("--who", help="Your name (the login).")
def comment(store: str | None, alert: int, text: str, who: str | None) -> None:
    """Add TEXT to the history of ALERT, for the others."""
    from stepwell import alerting

    engine, _settings = opened({"store": store})
    alerting.comment(engine, alert, text, who)


@click.command()
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
