"""Write an exported kit as a project that the device can open. Experimental: see docs/device-project.md."""

import operator
import os
import statistics
from dataclasses import dataclass

import polars as pl

from config.device import PROJECT_TEMPOS, PROJECTS, SCREEN_CHARS
from config.settings import Settings, real_path
from flows.export.sd_card import find_card
from schemas.errors import RequestError
from tasks.audio.pcm16 import read_pcm16
from tasks.device_project.project_file import Project, ProjectPad, write_project
from tasks.layout.file_names import sanitize_names
from tasks.store import history
from tasks.store.database import Database

_USUAL_TEMPO = 120.0
_PAD = operator.itemgetter("bank", "pad", "sample_id", "file", "bpm")


@dataclass(frozen=True)
class WrittenProject:
    """The project in ``folder``. ``tempo`` is in BPM; ``missing``: pads of the kit whose file is gone."""

    folder: str
    pads: int
    tempo: float
    missing: list[str]


def write_kit_project(
    settings: Settings, kit: str, slot: int, out: str | None = None, card: str | None = None
) -> WrittenProject:
    """Write ``EXPORT/PROJECT/PROJECT_<slot>`` from the exported files of a kit; a pad whose file is gone stays empty.

    Args:
        settings: The settings in force.
        kit: The kit's name.
        slot: The project's number, 1 to 16.
        out: The folder to write below; by default the working directory.
        card: A card, below whose root it is written instead.

    Raises:
        RequestError: There is no such slot, or no exported file of such a kit.
        CardError: ``card`` is not a card.
        ProjectError: The project cannot be written.
        SurroundingsError: The database, the disk or the card failed.
    """
    if not 1 <= slot <= PROJECTS:
        raise RequestError(what=f"There is no project {slot}", fix=f"The device has projects 1 to {PROJECTS}.")
    database = Database.of(settings)
    every_row = history.kit_pads(database, kit)
    rows = [row for row in every_row if row["file"]]
    if not rows:
        known = ", ".join(history.kit_names(database)[:10]) or "none"
        raise RequestError(what=f"Kit {kit} not found among the exports", fix=f"Export it first; the records have: {known}.")
    found = find_card(card, initialize=False)
    root = found.root if found else real_path(out or ".")
    folder = os.path.join(root, "EXPORT", "PROJECT", f"PROJECT_{slot:02d}")
    names = sanitize_names(pl.Series([row["title"] for row in rows]), SCREEN_CHARS)
    pads = tuple(
        ProjectPad(bank, pad, name or f"sample_{sample_id}", file, bpm=bpm, one_shot=bpm is None)
        for (bank, pad, sample_id, file, bpm), name in zip(map(_PAD, rows), names, strict=True)
    )
    tempo = rows[0]["tempo"] or _choose_tempo([row["bpm"] for row in rows if row["bpm"]])
    write_project(Project(sanitize_names(pl.Series([kit]))[0] or f"project_{slot}", tempo, pads), folder, read_pcm16)
    missing = [f"{row['bank']}{row['pad']}" for row in every_row if not row["file"]]
    return WrittenProject(folder, len(pads), tempo, missing)


def _choose_tempo(tempos: list[float]) -> float:
    """Return a tempo in BPM for a kit that names none: that of the loop in the middle."""
    lowest, highest = PROJECT_TEMPOS
    return min(max(statistics.median_low(tempos), lowest), highest) if tempos else _USUAL_TEMPO
