"""The `stepwell` command: what may go wrong, and its verbs (stepwell/verbs/). Every import of a room stands inside its
verb, so that `stepwell check` never loads streamlit or mlflow.

Exit codes: 0 done, nothing firing · 1 something is firing · 2 wrong usage or configuration · 3 could not evaluate.
"""

from __future__ import annotations

import sys

import click

from db.settings import BadSettings
from stepwell.arguments import AWAY, USAGE
from stepwell.verbs import alerts, answers, logs, out, runs


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


for room in (logs, runs, alerts, answers, out):
    for name, verb in vars(room).items():
        if isinstance(verb, click.Command) and not name.startswith("_"):
            cli.add_command(verb)
