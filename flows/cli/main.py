"""``sp404``: the command line. It asks the same questions of the same models as the UI form and REST.

Prefect, Polars, DuckDB, pydantic and rich are imported inside the functions that need them: help must come at once (0.2 s).
"""

import sys
from typing import NoReturn

import click

from flows.cli.card_commands import card, project
from flows.cli.config_command import config
from flows.cli.exit_status import ALL_DONE, UNUSABLE, TerminationSignal, raise_on_termination
from flows.cli.export_commands import check, demo, export, plan
from flows.cli.history_command import history
from flows.cli.messages import print_error
from flows.cli.place_commands import forget, relocate
from flows.cli.record_commands import repair, verify, zip_command
from flows.cli.scan_command import scan
from flows.cli.serve_command import up
from schemas.errors import Sp404Error, StoppedError, TerminatedError

_HELP = """Put a whole sample library where a Roland SP-404MKII can play it.

\b
Example:
  sp404 demo
  sp404 check library.csv
  sp404 scan ~/Samples -o library.csv
  sp404 export library.csv --organize-by bpm --card /media/card
"""


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sp404-export", prog_name="sp404")
def cli() -> None:
    """Group all commands."""


_COMMANDS = (
    *(demo, scan, check, plan, export, history, zip_command, verify, card, project),
    *(relocate, forget, repair, up, config),
)
for _command in _COMMANDS:
    cli.add_command(_command)


def main() -> NoReturn:
    """Run a command; turn every error into one or two lines on standard error and an exit status."""
    raise_on_termination()
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        status = UNUSABLE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        print_error(error.format_message(), f"See `{context.command_path} --help`." if context else "")
        status = UNUSABLE
    except Sp404Error as error:
        print_error(str(error), error.fix)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt, TerminationSignal) as stop:
        stopped = TerminatedError() if isinstance(stop, TerminationSignal) else StoppedError()
        print_error(str(stopped), stopped.fix)
        status = stopped.exit_code
    sys.exit(status if isinstance(status, int) else ALL_DONE)
