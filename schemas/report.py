"""The results of an export: the contract's ``BatchExportResult``, and what else is reported to a person."""

import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Self

import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    computed_field,
    model_serializer,
)

from schemas.enums import AudioFormat, ExportType, OrganizeBy, Status


class ExportResult(BaseModel):
    """The result of one manifest row."""

    success: bool
    sample_id: int | None
    output_path: str | None
    output_filename: str | None
    format: AudioFormat
    file_size_bytes: int
    conversion_time_seconds: float
    status: Status
    error: str | None


# Causes in one line of text.
_SHOWN_CAUSES = 3
_RESULTS = TypeAdapter(list[ExportResult])


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema=list(ExportResult.model_fields))


class Finding(BaseModel):
    """Something to look at that stops nothing: a row's place in words, what is odd there, and what to do."""

    where: str
    what: str
    fix: str


# What differs from sample to sample in an error's text: it begins with a path or a number.
DETAILS = r"[:,]?\s\(?(?:/|-?[0-9]).*$"


def describe_cause(reason: str, error: str) -> str:
    """Return in words why a row was not exported, without what differs from row to row.

    Args:
        reason: The key under which the records count it, such as ``too_short`` or ``rejected_bpm``.
        error: Its error as it is recorded.
    """
    if reason.startswith("rejected_"):
        return f"the column {reason.removeprefix('rejected_')} breaks a rule"
    return re.sub(DETAILS, "", error or reason)


def describe_comparison(compared: Sequence[int], was_interrupted: bool) -> str:
    """Return in words which runs a run is ``compared`` with, the newest first, if that one was interrupted; else nothing."""
    if not was_interrupted:
        return ""
    newest, *others = compared
    if not others:
        return f"Export {newest} was interrupted: what it did not reach counts as new"
    base = f"export {others[0]}" if len(others) == 1 else f"the runs before it, back to export {others[-1]}"
    return f"Export {newest} was interrupted: what it did not reach is compared with {base}"


class RowFinding(Finding):
    """A row of the manifest that is rejected, or whose sample would fail.

    Attributes:
        reason: The key under which the records count it, such as ``too_short`` or ``rejected_bpm``.
        cause: ``what`` without what differs from row to row: findings are grouped by it.
        line: The row's line in the manifest.
        sample_id: Its sample, where that is known.
        file_path: Its file; absolute where the path could be resolved.
    """

    reason: str
    cause: str
    line: int
    sample_id: int | None
    file_path: str | None


# How many files stand for all that failed for one cause.
SHOWN_FILES = 3


class Cause(BaseModel):
    """A cause for which rows were not exported: how many, and the first files, in the order of the manifest.

    ``example``: the whole error of the first row, with what ``text`` leaves out.
    """

    text: str
    samples: int
    files: list[str]
    example: str = ""

    def in_full(self) -> str:
        """Return it in one line, as ``str()`` does; of one row with its whole error."""
        name = os.path.basename(self.files[0]) if self.files else ""
        return ": ".join(filter(None, (name, self.example))) if self.samples == 1 and self.example else str(self)

    def __str__(self) -> str:
        """Return it in one line, with the files' names."""
        names = [os.path.basename(file) for file in self.files] + (["..."] if 0 < len(self.files) < self.samples else [])
        return f"{self.samples:,} x {self.text}" + (f" ({', '.join(names)})" if names else "")


class LayoutFiles(BaseModel):
    """Files of a manifest that an export in another layout or format left, and that stay.

    Attributes:
        name: What they have in common, such as ``layout genre`` or ``format wav``.
        organized_by: Their layout, which ``prune_layout`` removes.
        files: How many they are.
        example: The path of one of them, below the output folder or the card's IMPORT.
        kept: Why they stay, though they were to be removed; else empty.
        lost: How many of them are of samples that are no longer in the manifest, and ``lost_example`` the path of one.
    """

    name: str
    organized_by: str
    files: int
    example: str
    kept: str = ""
    lost: int = 0
    lost_example: str = ""

    @property
    def text(self) -> str:
        """Return in words how many stay, and why, or what removes them."""
        stay = f"{self.files:,} file{'' if self.files == 1 else 's'} of the {self.name} stay{'s' if self.files == 1 else ''}"
        remove = f"`--prune-layout {self.organized_by}` removes {'it' if self.files == 1 else 'them'}"
        if self.kept:
            return f"{stay}: {self.kept}"
        samples = "a sample that is" if self.lost == 1 else "samples that are"
        lost = f"{self.lost:,} of them of {samples} no longer in the manifest, such as {self.lost_example}"
        prune = f"an export by {self.organized_by} with --prune removes {'it' if self.lost == 1 else 'them'}"
        return f"{stay}; {remove} (such as {self.example})" + (f"; {lost}: {prune}" if self.lost else "")


class CardResult(BaseModel):
    """The files that an export put on a card.

    Attributes:
        card_id: The id in the card's mark, by which it is known wherever it is mounted.
        root: Where the card is mounted.
        written: How many files were written and read back, of ``written_bytes``.
        unchanged: How many were on the card already.
        in_the_way: Paths below IMPORT where other files are, which stay.
        modified: Paths of the output folder whose files are not what was written there; they were not copied.
        stale: Paths below IMPORT of files of ours that are no longer in the manifest.
        removed: How many stale files were removed.
        renamed: How many files got another name there, in place of being written again.
        other_layouts: Files of this manifest in other layouts or formats that stay on the card.
        layout_removed: How many files of another layout or format were removed.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    card_id: str
    root: str
    written: int
    written_bytes: int
    unchanged: int
    in_the_way: list[str]
    modified: list[str] = Field(alias="spoiled")
    stale: list[str]
    removed: int
    renamed: int = 0
    other_layouts: list[LayoutFiles] = []
    layout_removed: int = 0


class BatchExportResult(BaseModel):
    """The result of an export: the fields of the contract, and some that only the command line and Prefect's UI show.

    Attributes:
        successful: Exported and unchanged rows.
        not_reached: How many of ``failed`` the run did not reach before it was stopped.
        causes: Why rows were not exported, the most frequent cause first.
        warnings: How many exported samples deserve a look, by what for.
        findings: What is odd about its kits, found before they were written.
        stale: Files that earlier exports wrote and that are no longer in the manifest.
        outdated: Those of them whose sample is still in the manifest: it has another file now.
        pruned: How many of ``stale`` were removed.
        pruned_outdated: How many of these are of ``outdated``.
        not_pruned: Why they were not removed, though ``prune`` was requested.
        other_layouts: Files of this manifest that earlier exports wrote in other layouts or formats, and that stay.
        layout_pruned: How many files of another layout or format were removed.
        resumed: It is the export that an earlier run of the same command began.
        other_folder: Where earlier exports of the manifest went, where none went here so far, in words; or empty.
        other_sound: How many files were converted again since other settings of the sound made them, in words; or empty.
        notes: What was left out and is not the fault of one row: of a kit file, and of kits without some of their samples.
        card: What is on the card.
        no_card: Why nothing is on the card, though that was requested.
        no_zip: Why there is no ZIP, though that was requested.
        zip_path: The ZIP, where one was requested; else it is not part of the JSON.
    """

    export_id: int
    export_type: ExportType
    total_requested: int
    successful: int
    unchanged: int
    failed: int
    rejected: int
    total_size_bytes: int
    total_time_seconds: float
    output_base_path: str
    organized_by: OrganizeBy
    format: AudioFormat
    errors: list[str]
    # Not part of the JSON.
    not_reached: int = Field(0, exclude=True)
    causes: list[Cause] = Field([], exclude=True)
    warnings: dict[str, int] = Field({}, exclude=True)
    findings: list[Finding] = Field([], exclude=True)
    stale: list[str] = Field([], exclude=True)
    outdated: list[str] = Field([], exclude=True)
    pruned: int = Field(0, exclude=True)
    pruned_outdated: int = Field(0, exclude=True)
    not_pruned: str = Field("", exclude=True)
    other_layouts: list[LayoutFiles] = Field([], exclude=True)
    layout_pruned: int = Field(0, exclude=True)
    resumed: bool = Field(False, exclude=True)
    other_folder: str = Field("", exclude=True)
    other_sound: str = Field("", exclude=True)
    notes: list[str] = Field([], exclude=True)
    card: CardResult | None = Field(None, exclude=True)
    no_card: str = Field("", exclude=True)
    no_zip: str = Field("", exclude=True)
    # Part of it where there is one.
    zip_path: str | None = None
    _load_rows: Callable[[], pl.DataFrame] = PrivateAttr(default_factory=lambda: _no_rows)

    def with_results_from(self, load: Callable[[], pl.DataFrame]) -> Self:
        """Set what loads the rows of ``results`` (the fields of ``ExportResult`` in their order), and return this object.

        For 100,000 rows the objects take a second to make, and often nobody looks at them.
        """
        self._load_rows = load
        return self

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def results(self) -> list[ExportResult]:
        """Return what became of each row, in the order of the manifest."""
        return _RESULTS.validate_python(self._load_rows().rows(named=True))

    def to_json(self) -> str:
        """Return what ``model_dump_json`` returns. Polars writes the results, in a tenth of the time that objects take."""
        # Within the strings before it, quotes are escaped: this is the key.
        head, errors, tail = self.model_dump_json(exclude={"results"}).partition('"errors":')
        return f'{head}"results":{self._load_rows().write_json()},{errors}{tail}'

    @model_serializer(mode="wrap")
    def _in_order(self, serialized: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Return the JSON object in the contract's order.

        Computed fields come last, and the contract has ``errors`` behind ``results``. It has no ``zip_path`` and no ``card``.
        """
        values: dict[str, object] = serialized(self)
        for name in ("errors", "zip_path"):
            values[name] = values.pop(name)
        if not values["zip_path"]:
            del values["zip_path"]
        return values | ({"card": self.card.model_dump(by_alias=True)} if self.card else {})

    @property
    def complete(self) -> bool:
        """Return whether all that was requested was done, ZIP and card included."""
        card_lacks_files = self.card is not None and (self.card.in_the_way or self.card.modified)
        return not (self.failed or self.rejected or self.no_zip or self.no_card or card_lacks_files)

    def failures(self) -> str:
        """Return the most frequent causes with files, and the command that names every file; empty where nothing failed."""
        causes = "; ".join(map(str, self.causes[:_SHOWN_CAUSES]))
        others = len(self.causes) - _SHOWN_CAUSES
        more = f"; and for {others:,} other cause{'' if others == 1 else 's'}" if others > 0 else ""
        return causes and f"{causes}{more}. All of them: sp404 history --export {self.export_id} --failed"

    def counts(self) -> str:
        """Return the counts in a few words, for a state's message or a last line."""
        exported = self.successful - self.unchanged
        parts = [f"{exported:,} exported"] if exported or not self.unchanged else []
        others = [(self.unchanged, "unchanged"), (self.rejected, "rejected"), (self.failed - self.not_reached, "failed")]
        others.append((self.not_reached, "not reached"))
        parts += [f"{count:,} {status}" for count, status in others if count]
        return (
            ", ".join(parts)
            + f" of {self.total_requested:,}"
            + (" (no ZIP)" if self.no_zip else "")
            + (" (not on the card)" if self.no_card else "")
        )
