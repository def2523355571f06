"""``sp404``: the command line. It asks the same questions of the same models as the UI form and REST.

Prefect, Polars, DuckDB, pydantic and rich are imported inside the functions that need them: help must come at once (0.2 s).
"""

import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from flows.cli.card_commands import card, project
from flows.cli.config_command import config
from flows.cli.exit_status import ALL_DONE, UNUSABLE, TerminationSignal, raise_on_termination
from flows.cli.export_commands import check, demo, export, plan
from flows.cli.history_command import history
from flows.cli.messages import print_error, writing
from flows.cli.place_commands import forget, relocate
from flows.cli.record_commands import repair, verify, zip_command
from flows.cli.scan_command import scan
from flows.cli.serve_command import up
from flows.cli.surroundings import check_current_folder, discard_output, keep_standard_streams
from schemas.errors import OutputError, Sp404Error, StoppedError, SurroundingsError, TerminatedError

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
    keep_standard_streams()
    raise_on_termination()
    try:
        status = _run()
    except OutputError as error:
        discard_output()
        with suppress(OutputError):  # it was standard error
            print_error(str(error), error.fix)
        status = error.exit_code
    sys.exit(status)


def _run() -> int:
    try:
        check_current_folder()
        status = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        with writing():
            click.echo(error.format_message())
        return UNUSABLE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        print_error(error.format_message(), f"See `{context.command_path} --help`." if context else "")
        return UNUSABLE
    except OutputError:
        raise
    except Sp404Error as error:
        print_error(str(error), error.fix)
        return error.exit_code
    except OSError as error:  # of a disk, or of standard output under a help text
        discard_output()
        where = f": {os.fsdecode(error.filename)}" if error.filename else ""
        print_error(
            f"{error.strerror or error}{where}", "Check the disk. What was finished stays, and the same command goes on."
        )
        return SurroundingsError.exit_code
    except (click.Abort, KeyboardInterrupt, TerminationSignal) as stop:
        stopped = TerminatedError() if isinstance(stop, TerminationSignal) else StoppedError()
        print_error(str(stopped), stopped.fix)
        return stopped.exit_code
    return status if isinstance(status, int) else ALL_DONE
