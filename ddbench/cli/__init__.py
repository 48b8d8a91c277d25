"""The command line: one command, one file."""

from __future__ import annotations

import sys

import rich_click as click

from ddbench import __version__
from ddbench.cli.analyze import analyze
from ddbench.cli.cache import cache
from ddbench.cli.env import env
from ddbench.cli.export_generator import export_generator
from ddbench.cli.info import info
from ddbench.cli.ls import ls
from ddbench.cli.plan import plan
from ddbench.cli.plugins import plugins
from ddbench.cli.report import report
from ddbench.cli.run import run
from ddbench.errors import UserError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ddbench")
def cli() -> None:
    """The benchmark harness for dataset distillation.

    The method chooses the images; the benchmark, never the method, chooses the exam.

    Exit codes: 0 ok, 2 usage or configuration, 3 some cells failed or some artifacts are corrupt,
    4 nothing to report or to look at, 130 interrupted (what was done is kept).
    """


for command in (run, plan, report, analyze, export_generator, ls, info, plugins, cache, env):
    cli.add_command(command)


def main() -> None:
    """Run the command line: mistakes of the user end in one line and their exit code, without a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        code = error.exit_code
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; what was done is kept, the same command goes on from here.", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; python would complain once more at exit
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
