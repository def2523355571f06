"""Options that several commands share, and what commands make of them: a request, or the settings in force."""
# ruff: noqa: PLC0415 (pydantic and DuckDB are imported late: help must come at once)

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.completions import complete_kit, complete_sound
from flows.cli.messages import say, set_style
from schemas.enums import AudioFormat, Names, OrganizeBy, Runner
from schemas.errors import RequestError

if TYPE_CHECKING:
    from config.settings import SettingsInForce
    from schemas.export import ExportRequest

Decorator = Callable[[Any], Any]


EXIT_STATUS = """\b
Exit status:
  0  all done
  1  done, but some samples were rejected or failed, or are not as recorded
  2  the request or the manifest cannot be used; nothing was written
  3  the surroundings failed (disk, database); the same command resumes"""
# How much is printed: options of the group, and of each command, where people type them.
OUTPUT_OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "quiet": (("-q", "--quiet"), {"is_flag": True, "help": "Print results and errors only."}),
    "verbose": (("-v", "--verbose"), {"is_flag": True, "help": "Print the log; in a pipe, how far it is every 10 s."}),
    "no_color": (("--no-color",), {"is_flag": True, "help": "No colours; NO_COLOR in the environment does the same."}),
    "log_file": (("--log-file",), {"metavar": "FILE", "help": "Add the log, with times, to this file."}),
}


class ExampleCommand(click.Command):
    """A command whose help ends with an example that can be typed as it stands, and with its exit statuses."""

    def __init__(self, name: str | None, *, example: str, **kwargs: Any) -> None:
        kwargs["epilog"] = f"\b\nExample:\n  {example}\n\n{EXIT_STATUS}"
        hidden = [click.Option([*names, name], hidden=True, **more) for name, (names, more) in OUTPUT_OPTIONS.items()]
        super().__init__(name, params=[*(kwargs.pop("params", None) or []), *hidden], **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Set how much is printed, then run the command."""
        of_group = ctx.parent.params if ctx.parent else {}
        chosen: dict[str, Any] = {name: ctx.params.pop(name) or of_group.get(name) for name in OUTPUT_OPTIONS}
        set_style(**chosen)
        return super().invoke(ctx)


def _combine(*options: Decorator) -> Decorator:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def choice_of(values: type[StrEnum]) -> click.Choice[str]:
    """Return the type of an option that takes one of these values."""
    return click.Choice([str(value) for value in values])


class WholeNumber(click.IntRange):
    """A whole number within bounds; errors call it so."""

    name = "whole number"


class RecordId(WholeNumber):
    """An id of the records: a positive BIGINT."""

    def __init__(self) -> None:
        super().__init__(1, 2**63 - 1)

    def _describe_range(self) -> str:
        """Return the range for help and errors: that of BIGINT tells nobody anything."""
        return "1 or more"


RECORD_ID = RecordId()

manifest_argument = click.argument("manifest")
db_option = click.option("--db", metavar="FILE", help="The DuckDB file of the records; ~/.sp404/sp404.duckdb if not set.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output, not text.")
all_option = click.option("--all", "every", is_flag=True, help="Name every sample, not only some of each kind.")
direct_option = click.option("--direct", is_flag=True, help="Run the same steps without Prefect.")
workers_option = click.option(
    "--workers", type=WholeNumber(1, 256), metavar="N", help="Files to work on at the same time; one a core if not set."
)
sound_option = click.option(
    "--sound",
    metavar="NAME=VALUE",
    multiple=True,
    shell_complete=complete_sound,
    help="Change the sound, such as guard=file or pad_to_ms=100; `sp404 config` lists the names; repeatable.",
)
layout_options = _combine(
    click.option("--out", "output_base_path", metavar="DIR", help="The output folder; ./sp404-export if not set."),
    click.option("--organize-by", type=choice_of(OrganizeBy), help="How the output is put in folders; flat if not set."),
    click.option("--format", type=choice_of(AudioFormat), help="Both are 48 kHz, 16-bit PCM; wav if not set."),
    click.option("--sample", "sample_ids", type=RECORD_ID, metavar="ID", multiple=True, help="Only this sample; repeatable."),
    click.option(
        "--kit",
        "kits",
        metavar="NAME",
        multiple=True,
        shell_complete=complete_kit,
        help="Only this kit, pad by pad; repeatable.",
    ),
    click.option(
        "--metadata/--no-metadata",
        "include_metadata",
        default=None,
        help="Write name_metadata.txt beside each sample, or not; on if not set.",
    ),
    click.option(
        "--sanitize/--no-sanitize",
        "sanitize_filenames",
        default=None,
        help="Use only a-z, 0-9, _ and - in names, or keep titles; on if not set.",
    ),
    click.option(
        "--names",
        type=choice_of(Names),
        help="full: as long as a card allows, if not set. screen: 23 characters, tempo and key in front.",
    ),
    sound_option,
    click.option("--full", is_flag=True, help="Convert every sample, also what is unchanged."),
    click.option(
        "--verify-outputs", is_flag=True, help="Read all bytes of the output to decide what is unchanged, not only its size."
    ),
    click.option(
        "--runner",
        type=choice_of(Runner),
        help="Where samples are converted: threads of this machine, if not set; dask or pool: several machines.",
    ),
    click.option("--work-pool", metavar="NAME", help="The Prefect work pool for --runner pool; sp404 if not set."),
    click.option(
        "--dask-address",
        metavar="ADDRESS",
        help="The scheduler for --runner dask, such as tcp://studio:8786; a cluster on this machine if not set.",
    ),
    workers_option,
    db_option,
)
prune_options = _combine(
    click.option("--prune", is_flag=True, help="Remove files of earlier exports that are no longer in the manifest."),
    click.option(
        "--prune-layout",
        type=choice_of(OrganizeBy),
        help="Remove the files that earlier exports of the manifest wrote in this layout, in any format, but for wanted ones.",
    ),
)


def export_request(manifest: str, options: dict[str, Any]) -> "ExportRequest":
    """Return the request that a command's options describe.

    Args:
        manifest: Path of the manifest, as typed.
        options: The values of ``layout_options`` (or some of them) and of export's own options, by parameter name.

    Raises:
        RequestError: A value is not valid, or ``--sound`` names no setting.
    """
    from pydantic import ValidationError

    from schemas.export import ExportConfig, ExportRequest
    from schemas.invalid_values import describe_invalid

    _note_settings_elsewhere(manifest)
    config = {name: options.pop(name, None) for name in ExportConfig.model_fields}
    sound = _sound_settings(options.pop("sound", ()))
    try:
        return ExportRequest.model_validate({"manifest": manifest, "config": config, "sound": sound, **options})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        group, name = [*first["loc"][:2], ""][:2]  # such as ("sound", "pad_to_ms"), or ("sample_ids", 0)
        option = f"--sound {name}" if group == "sound" else f"--{str(name if group == 'config' else group).replace('_', '-')}"
        fix = f"`sp404 explain {name}` says what it is." if group in {"sound", "config"} else "See `sp404 export --help`."
        raise RequestError(what=f"{option} {first['input']!r} {describe_invalid(first)}", fix=fix) from error


def _note_settings_elsewhere(manifest: str) -> None:
    """Say where settings stand beside a manifest and do not count, since they come from the current folder's config."""
    from config.settings import CONFIG_FOLDER

    beside = Path(os.path.dirname(os.path.abspath(os.path.expanduser(manifest)))) / "config/sp404.toml"
    here = Path("config/sp404.toml")
    if beside.is_file() and CONFIG_FOLDER not in os.environ and not (here.exists() and here.samefile(beside)):
        say(f"Note: {beside} does not count here: settings come from the folder that you are in", err=True)


def _sound_settings(pairs: tuple[str, ...]) -> dict[str, str]:
    from schemas.export import SoundConfig

    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in SoundConfig.model_fields:
            fix = f"Write NAME=VALUE; the names are {', '.join(SoundConfig.model_fields)}."
            raise RequestError(what=f"--sound {name}{equals} is not a setting of the sound", fix=fix)
        settings[name] = value
    return settings


def load_settings(db: str | None, stored: bool = True, api_port: int | None = None) -> "SettingsInForce":
    """Return the settings in force for a command that has no options for settings but these.

    Args:
        db: The value of ``--db``.
        stored: Read the ``user_preferences`` of the database, too.
        api_port: The value of ``--api-port``.

    Raises:
        RequestError: A setting is not valid.
    """
    from config.settings import load
    from tasks.store.history import preferences_at

    given = {"db": db or None, "api_port": api_port}
    request = {name: value for name, value in given.items() if value is not None}
    return load(request, preferences_at if stored else lambda _path, _seconds: {})
