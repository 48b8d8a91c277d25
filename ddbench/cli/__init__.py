"""The command line: one command, one file."""

from __future__ import annotations

import sys

import rich_click as click

from ddbench import __version__
from ddbench.cli.analyze import analyze
from ddbench.cli.cache import cache
from ddbench.cli.check_plugin import check_plugin
from ddbench.cli.compare import compare
from ddbench.cli.env import env
from ddbench.cli.eval import evaluate
from ddbench.cli.export import export
from ddbench.cli.export_generator import export_generator
from ddbench.cli.export_images import export_images
from ddbench.cli.info import info
from ddbench.cli.ls import ls
from ddbench.cli.new_plugin import new_plugin
from ddbench.cli.plan import plan
from ddbench.cli.plot import plot
from ddbench.cli.plugins import plugins
from ddbench.cli.report import report
from ddbench.cli.rerun import rerun
from ddbench.cli.run import run
from ddbench.cli.show import show
from ddbench.cli.status import status
from ddbench.errors import UserError, printable

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ddbench")
def cli() -> None:
    """The benchmark harness for dataset distillation.

    The method chooses the images; the benchmark, never the method, chooses the exam.

    Exit codes: 0 ok, 1 a regression or a number that did not come back, 2 usage or configuration, 3 something failed,
    is broken or missing (the rest is done), 4 nothing to report, to compare, to look at or to try, 5 a baseline made
    otherwise, 130 interrupted (what was done is kept).
    """


for command in (
    run,
    status,
    rerun,
    evaluate,
    plan,
    report,
    plot,
    export,
    show,
    compare,
    analyze,
    export_generator,
    export_images,
    ls,
    info,
    plugins,
    new_plugin,
    check_plugin,
    cache,
    env,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line: mistakes of the user end in one line and their exit code, without a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        code = error.exit_code
    except UserError as error:
        click.echo(f"Error: {printable(' '.join(str(error).splitlines()))}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; what was done is kept, the same command goes on from here.", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; python would complain once more at exit
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
