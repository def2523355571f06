"""``sp404``: the command line. It asks the same questions of the same models as the UI form and REST.

Prefect, Polars, DuckDB, pydantic and rich are imported inside the functions that need them: help must come at once (0.2 s).
"""

import gc
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import NoReturn

import click

from flows.cli.card_commands import card, project
from flows.cli.completion_command import completion
from flows.cli.config_command import config
from flows.cli.exit_status import ALL_DONE, SOME_FAILED, UNUSABLE, TerminationSignal, raise_on_termination
from flows.cli.explain_command import explain
from flows.cli.export_commands import check, demo, export, plan
from flows.cli.history_command import history
from flows.cli.init_command import init
from flows.cli.messages import last_error, print_error, print_json, print_text
from flows.cli.options import EXIT_STATUS, OUTPUT_OPTIONS
from flows.cli.place_commands import forget, relocate
from flows.cli.record_commands import repair, verify, zip_command
from flows.cli.scan_command import scan
from flows.cli.serve_command import up
from flows.cli.sql_command import sql
from flows.cli.status_command import status
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


# What removes something is never suggested to somebody who mistypes.
_REMOVING = {"--prune", "--prune-layout", "--prune-older-than", "--drop-missing", "--clean-junk", "--yes", "--force", "forget"}


class CommandGroup(click.Group):
    """All commands; a mistyped one is answered with the nearest that removes nothing."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; the error for an unknown one names no command that removes something."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=_harmless(self.commands), ctx=ctx) from error


# For who gives something else than the number of an export.
_NUMBER_HINTS = {
    "verify": "; `sp404 card PATH` is for a card.",
    "history": "; --file TEXT and --library TEXT find samples and exports by a part of their path.",
}


def _hint(error: click.ClickException) -> str:
    """Return what to do about an error in how a command was called."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and (sound := _sound_setting(error.option_name)):
        return f"It is a setting of the sound: --sound {sound}=VALUE."
    if isinstance(error, click.MissingParameter) and context and context.info_name == "scan" and _is_about(error, "manifest"):
        return "Say which table to write or bring up to date: sp404 scan FOLDER -o library.csv"
    if isinstance(error, click.MissingParameter) and _is_about(error, "manifest"):
        return "Make one of your samples first: sp404 scan FOLDER -o library.csv"
    if isinstance(error, click.BadParameter) and context and _is_about(error, "export_id", "one_export"):
        return f"`sp404 history` lists the exports with their numbers{_NUMBER_HINTS.get(str(context.info_name), '.')}"
    if isinstance(error, click.NoSuchOption) and not error.possibilities and (others := _commands_with(error.option_name)):
        return f"It is an option of {' and of '.join(f'`sp404 {name}`' for name in others[:_SHOWN_COMMANDS])}."
    return f"See `{context.command_path} --help`." if context else ""


def _is_about(error: click.BadParameter, *parameters: str) -> bool:
    return error.param is not None and error.param.name in parameters


def _sound_setting(option: str) -> str:
    """Return the setting of the sound that an unknown option is called by; "" where it is none."""
    from schemas.export import SoundConfig  # noqa: PLC0415 (pydantic is imported late: help must come at once)

    name = option.lstrip("-").replace("-", "_")
    return name if name in SoundConfig.model_fields else ""


def _commands_with(option: str) -> list[str]:
    """Return the commands that have an option of this name."""
    return [str(command.name) for command in _COMMANDS if any(option in each.opts for each in command.params)]


def _nearest(typed: str, options: Iterable[str]) -> list[str]:
    """Return the option that is spelt nearly so, if there is one: click finds `--quiet` near enough to `--kit`."""
    names, typed = [name.lstrip("-") for name in options], typed.lstrip("-")
    begun = [name for name in names if name.startswith(typed)]
    return [f"--{name}" for name in (begun if len(begun) == 1 else get_close_matches(typed, names, 1, 0.7))]


def _harmless(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in _REMOVING]


@click.group(
    cls=CommandGroup,
    help=_HELP,
    epilog=EXIT_STATUS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[click.Option([*names, name], **more) for name, (names, more) in OUTPUT_OPTIONS.items()],
)
@click.version_option(package_name="sp404-export", prog_name="sp404")
def cli(**_: object) -> None:
    """Group all commands."""


_SHOWN_COMMANDS = 3
_COMMANDS = (
    *(demo, init, scan, check, plan, export, history, zip_command, verify, card, project, status, explain, sql),
    *(relocate, forget, repair, up, config, completion),
)
for _command in _COMMANDS:
    cli.add_command(_command)


# A command makes hundreds of thousands of tuples and next to no cycles. Python looks for those after each 700 objects, which
# takes a tenth of an export without changes (tests/bench/README.md).
_OBJECTS_A_LOOK = 1_000_000


def main() -> NoReturn:
    """Run a command; turn every error into one or two lines on standard error and an exit status."""
    keep_standard_streams()
    raise_on_termination()
    gc.set_threshold(_OBJECTS_A_LOOK)
    try:
        code = _run()
    except OutputError as error:
        discard_output()
        with suppress(OutputError):  # it was standard error
            print_error(str(error), error.fix)
        code = error.exit_code
    if "--json" in sys.argv and code > SOME_FAILED:
        _print_json_error(code)
    sys.exit(code)


def _print_json_error(code: int) -> None:
    """Print the error that ended the command as a JSON object, for the programs that read standard output."""
    with suppress(OutputError):
        print_json(json.dumps({"error": last_error.what, "fix": last_error.fix, "exit_status": code}))


def _run() -> int:
    try:
        check_current_folder()
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print_text(error.format_message())
        return UNUSABLE
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            near = _nearest(error.option_name, _harmless(error.possibilities or ()))
            error = click.NoSuchOption(error.option_name, error.message, near, error.ctx)
        print_error(error.format_message(), _hint(error))
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
    return code if isinstance(code, int) else ALL_DONE
