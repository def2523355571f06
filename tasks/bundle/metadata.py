"""``name_metadata.txt`` beside each sample: what it is, where it came from, what was done to it."""

import os
import re

from config.device import BITS, RATE_HZ
from schemas.errors import write_failure
from schemas.jobs import Job, Outcome, SourceInfo
from tasks.files import in_the_making, is_regular, take_place, write_all

_EXPORT_LINE = re.compile(rb"Export id: [0-9]+\n\Z")
_MOST_DIGITS = 20


def metadata_path(target: str) -> str:
    return os.path.splitext(target)[0] + "_metadata.txt"


def metadata_text(job: Job, outcome: Outcome, export_id: int) -> str:
    """Plain text, a fact a line, the same bytes for the same facts."""
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


def write_metadata(job: Job, outcome: Outcome, export_id: int) -> None:
    """Writes the text beside ``job.target``, whole or not at all.

    Raises TargetTakenError where another text of that name stands that is not ours, and what ``write_failure`` gives.
    """
    path = metadata_path(job.target)
    text = metadata_text(job, outcome, export_id).encode()
    try:
        with in_the_making(path) as file:
            write_all(file, text)
            take_place(file, path, ours=job.ours or _differs_by_export_alone(path, text))
    except OSError as error:
        raise write_failure(path, error) from error


def _differs_by_export_alone(path: str, text: bytes) -> bool:
    """Whether the text that stands there is this one but for its last line: a killed run, or another database, left it."""
    try:
        if not is_regular(path) or os.path.getsize(path) > len(text) + _MOST_DIGITS:
            return False
        with open(path, "rb") as file:
            return _EXPORT_LINE.sub(b"", file.read()) == _EXPORT_LINE.sub(b"", text)
    except OSError:
        return False
