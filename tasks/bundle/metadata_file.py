"""Write the text of ``name_metadata.txt`` beside a sample: what it is, where it came from, what was done to it."""

import os
import re
from pathlib import Path

import polars as pl

from config.device import BITS, RATE_HZ
from schemas.conversion import Job, Outcome, SourceInfo
from tasks.fs.file_status import is_regular

_EXPORT_LINE = re.compile(rb"Export id: [0-9]+\n\Z")
_MOST_DIGITS = 20


def metadata_path(target: str) -> str:
    """Return the path of a sample's metadata file."""
    return os.path.splitext(target)[0] + "_metadata.txt"


def metadata_path_of(column: str) -> pl.Expr:
    """Return ``metadata_path`` of a column of paths."""
    return pl.col(column).str.replace(r"\.[^./]*$", metadata_path(""))


def metadata_text(job: Job, outcome: Outcome, export_id: int) -> str:
    """Return the metadata of a converted sample as plain text, a fact a line: the same bytes for the same facts."""
    source = outcome.source or SourceInfo("", "", 0, 0, None)
    tags = job.tags
    facts = {
        "Title": tags.title,
        "Genre": tags.genre,
        "BPM": "" if tags.bpm is None else f"{tags.bpm:g}",
        "Key": tags.musical_key,
        "Tags": ", ".join(tag.strip() for tag in tags.tags.split("|") if tag.strip()),
        "Original file": os.path.basename(job.source),
        "Original format": f"{source.container.upper()} ({source.subtype})",
        "Original sample rate": f"{source.rate_hz} Hz",
        "Original channels": str(source.channels),
        "Duration": f"{outcome.frames / RATE_HZ:.3f} s",
        "Converted sample rate": f"{RATE_HZ} Hz",
        "Converted bit depth": f"{BITS}-bit PCM",
        "Converted channels": str(outcome.channels),
        "Done to the sound": "; ".join(outcome.done) or "nothing: the samples are identical",
        "Sample id": str(job.sample_id),
        "Export id": str(export_id),
    }
    return "".join(f"{name}: {_one_line(value) or '-'}\n" for name, value in facts.items())


def _one_line(value: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def is_same_but_for_export(one: str, other: str) -> bool:
    """Return whether two texts differ by their last line alone: a killed run, or another database, left the other."""
    try:
        if not is_regular(other) or os.path.getsize(other) > os.path.getsize(one) + _MOST_DIGITS:
            return False
        texts = [_EXPORT_LINE.sub(b"", Path(path).read_bytes()) for path in (one, other)]
        return texts[0] == texts[1]
    except OSError:
        return False
