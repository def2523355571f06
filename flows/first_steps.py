"""Set up a first library: a folder of samples becomes a manifest, and the answers of a person become settings."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from schemas.enums import OrganizeBy
from schemas.errors import ManifestError, OutputNotWritableError, RequestError
from tasks.fs.atomic import write_atomically
from tasks.layout import folder_lint
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate

SETTINGS_FILE = Path("config/sp404.toml")
UNIT_FILE = Path("~/.config/systemd/user/sp404.service")


class Answers(NamedTuple):
    """Answers of a person.

    Attributes:
        manifest: The manifest to export.
        out: The output folder.
        card: Where the card is mounted; or "".
        nightly: Export the manifest every night, to the card, too.
        time: Hour and minute of that; None: as the settings have it.
        organize_by: The layout of all exports; None: as the settings have it.
    """

    manifest: str
    out: str
    card: str
    nightly: bool
    time: tuple[int, int] | None = None
    organize_by: str | None = None


def check_is_free(path: Path) -> None:
    """Raise RequestError if there is a file at ``path``: nothing is replaced."""
    if os.path.lexists(path):
        fix = "Edit it; `sp404 scan` brings new samples in. To begin anew, move it away and run sp404 init again."
        raise RequestError(what=f"{path} is there already", fix=fix)


def check_is_folder(samples: str) -> None:
    """Raise RequestError if the folder of the samples is none."""
    if not os.path.isdir(os.path.expanduser(samples)):
        raise RequestError(
            what=f"{samples} is not a folder", fix="Give the folder of your samples. Check that its disk is there."
        )


def check_is_beside(out: str, samples: str) -> None:
    """Raise RequestError if the output folder lies in that of the samples: a scan would take what was exported for samples."""
    folders = [os.path.realpath(os.path.expanduser(path)) for path in (out, samples)]
    if os.path.commonpath(folders) == folders[1]:
        raise RequestError(what=f"{out} lies in the folder of your samples, {samples}", fix="Choose an --out beside it.")


def write_settings(answers: Answers, path: Path = SETTINGS_FILE) -> str:
    """Write the settings file; return its text.

    Raises:
        RequestError: There is one already.
        OutputNotWritableError: It cannot be written.
    """
    check_is_free(path)
    lines = ["# Written by `sp404 init`. `sp404 config` shows all settings, and which are in force.", "[sp404]"]
    lines += [f"output_base_path = {json.dumps(answers.out)}"]
    if answers.organize_by:
        lines.append(f"organize_by = {json.dumps(answers.organize_by)}")
    if answers.nightly:
        lines += ["# Exported every night while `sp404 up` runs: for another one start that anew. The rest is read each night."]
        lines += [f"library = {json.dumps(answers.manifest)}"]
        lines += ["# New samples in the scanned folders are looked for before that.", "nightly_scan = true"]
        if answers.time:
            hour, minute = answers.time
            lines += ["# Minute and hour, as in crontab(5); after a change start `sp404 up` anew."]
            lines += [f'nightly_cron = "{minute} {hour} * * *"']
        if answers.card:
            lines += ["# The nights bring this card up to date, if it is in.", f"nightly_card = {json.dumps(answers.card)}"]
    text = "\n".join(lines) + "\n"
    _write(path, text)
    return text


def describe_unsorted(manifest: str, layout: OrganizeBy) -> str:
    """Say that a layout would sort hardly anything of a manifest, and which setting is better; empty where it does."""
    if layout not in (OrganizeBy.GENRE, OrganizeBy.BPM, OrganizeBy.KIT):
        return ""
    try:
        values = validate(read_manifest(manifest)).frame[layout]
    except ManifestError:  # of which `sp404 check` tells
        return ""
    if not folder_lint.is_unsorted(values.null_count(), len(values)):
        return ""
    what = f"{values.null_count():,} of {len(values):,} samples have no {layout}"
    return f'{what}: organize_by = "folder" in {SETTINGS_FILE} keeps your own folders'


def write_unit(text: str) -> Path:
    """Write the systemd unit of ``sp404 up`` for this user; return where it is. Raises as ``write_settings``."""
    path = UNIT_FILE.expanduser()
    check_is_free(path)
    _write(path, text)
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise OutputNotWritableError(path=str(path.parent), error=error.strerror or str(error)) from error
