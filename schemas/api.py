"""Requests and answers of the REST API: pages of the records, jobs, problems.

Samples are in ``schemas.sample_api``, the rest is in ``schemas.export``.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.enums import (
    AudioFormat,
    CardRemovable,
    ExportType,
    OrganizeBy,
    Status,
)
from schemas.report import ExportResult
from schemas.scan_report import SkippedFile

# As many ids of seven digits fit into the largest body; who wants more names a filter.
MOST_SAMPLES = 10_000
# A thousand results take a megabyte; the server remembers some hundred answers.
MOST_RESULTS = 1_000
# The highest number that every JSON reader keeps as it is (RFC 8259, section 6).
HIGHEST_ID = 2**53 - 1
Id = Annotated[int, Field(ge=1, le=HIGHEST_ID)]
Item = TypeVar("Item")
# The records' times are UTC, and do not say so.
_Utc = Annotated[datetime, AfterValidator(lambda time: time.replace(tzinfo=UTC))]
QueryText = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


_RESULT: JsonDict = {
    "success": True,
    "sample_id": 1,
    "output_path": "/home/me/sp404/sick_beat_2024.wav",
    "output_filename": "sick_beat_2024.wav",
    "format": "wav",
    "file_size_bytes": 192_044,
    "conversion_time_seconds": 0.02,
    "status": "exported",
    "error": None,
}
_COUNTS: JsonDict = {"total_requested": 1, "successful": 1, "unchanged": 0, "failed": 0, "rejected": 0, "errors": []}

_KIT: JsonDict = {"id": "night_bus", "name": "Night Bus", "tempo": 92.0, "samples": 1, "is_file": True, "record_id": 1}
_KIT |= {"etag": '"0123456789abcdef0123456789abcdef"', "read_only": None, "problem": None}
_PAD: JsonDict = {
    "bank": "A",
    "pad": 1,
    "sample_id": 1,
    "title": "Sick Beat",
    "bpm": 92.5,
    "file": "sick beat.mp3",
    "name": "pad_01_sick_beat",
}


class State(StrEnum):
    """The state of a job; it ends with one of the last three."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobKind(StrEnum):
    """Kind of a job."""

    EXPORT = "export"
    SCAN = "scan"
    CARD = "card"
    PRUNE = "prune"


def check_number(value: object) -> object:
    """Refuse text and booleans, which Pydantic would read as numbers; in JSON 1.0 and 1 are the same number."""
    if isinstance(value, (bool, str)):
        raise ValueError("must be a whole number")
    return value


class SingleExport(ExportResult):
    """The result of one sample. ``warnings``: what deserves a look, such as another output folder than the one asked for."""

    model_config = ConfigDict(json_schema_extra={"example": _RESULT | {"export_id": 12, "warnings": []}})

    export_id: int
    warnings: list[str]


class BatchExport(BaseModel):
    """The result of a batch: rows = exported + unchanged + rejected + failed; ``successful`` counts the first two.

    Of more than 1,000 rows ``results`` and ``errors`` have 1,000, those that were not exported first.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": _COUNTS
            | {
                "export_id": 13,
                "export_type": "batch",
                "total_size_bytes": 192_044,
                "total_time_seconds": 0.5,
                "output_base_path": "/home/me/sp404",
                "organized_by": "flat",
                "format": "wav",
                "results": [_RESULT],
                "warnings": [],
            }
        }
    )

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
    results: list[ExportResult]
    errors: list[str]
    warnings: list[str]


class KitPad(ExportResult):
    """The result of the sample on a pad; ``bank`` and ``pad`` are null where it has none."""

    bank: str | None
    pad: int | None


class KitExport(SingleExport):
    """The result of a kit: as of one sample, whose file is the kit's folder, and pad by pad."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": _RESULT
            | _COUNTS
            | {"sample_id": None, "output_path": "/home/me/sp404/night_bus", "output_filename": "night_bus"}
            | {"export_id": 14, "kit_id": 1, "kit": "Night Bus", "warnings": []}
            | {"pads": [_RESULT | {"bank": "A", "pad": 1}]}
        }
    )

    kit_id: int | str
    kit: str
    total_requested: int
    successful: int
    unchanged: int
    failed: int
    rejected: int
    pads: list[KitPad]
    errors: list[str]


class Page(BaseModel):
    """A part of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    not_filters: ClassVar[frozenset[str]] = frozenset({"page", "page_size"})

    page: int = Field(1, ge=1, le=1_000_000, description="The first is 1.")
    page_size: int = Field(50, ge=1, le=500)

    def filters(self) -> dict[str, Any]:
        """Return the filters alone, by the names of the query's parameters."""
        return self.model_dump(mode="json", exclude=set(self.not_filters))


class KitFilter(Page):
    """A page of kits."""

    text: QueryText | None = Field(None, description="Somewhere in the name, whatever its case and spaces.")


class ExportFilter(Page):
    """A page of exports; all filters that are given must hold."""

    status: Status | None = Field(None, description="With at least one such sample.")
    export_type: ExportType | None = None
    organized_by: OrganizeBy | None = None
    sample_id: Id | None = None
    user_id: Id | None = None
    text: QueryText | None = Field(None, description="Somewhere in the label, the manifest's path or the output folder's.")


class Listed(BaseModel, Generic[Item]):
    """A page of a list; ``total`` is how many there are on all pages."""

    total: int
    page: int
    page_size: int
    items: Sequence[Item]


class Kit(BaseModel):
    """A kit; ``samples`` is how many it has.

    One with a file of its own is named by that file, also after it was exported (``record_id``: its number in the records),
    and has an ``etag``. The others are those of manifests, named by their numbers. ``read_only``: why it cannot be edited here.
    ``problem``: why its file cannot be read.
    """

    model_config = ConfigDict(json_schema_extra={"example": _KIT})

    id: int | str
    name: str
    tempo: float | None
    samples: int
    is_file: bool
    record_id: int | None
    etag: str | None
    read_only: str | None
    problem: str | None


class Pad(BaseModel):
    """A sample of a kit; ``bank`` and ``pad`` are null where it has none.

    ``sample_id`` is null where a kit file names a file that is not in the records; ``file`` is its name. ``name`` is that
    which its file gets in an export, without extension.
    """

    bank: str | None
    pad: int | None
    sample_id: int | None
    title: str
    bpm: float | None
    file: str
    name: str | None


class KitDetail(Kit):
    """A kit with its pads."""

    model_config = ConfigDict(json_schema_extra={"example": _KIT | {"pads": [_PAD]}})

    pads: list[Pad]


class ExportRecord(BaseModel):
    """An export in the records. ``finished_at`` is null while it runs, or when it was killed."""

    id: int
    user_id: int
    created_at: _Utc
    finished_at: _Utc | None
    export_type: ExportType
    organized_by: OrganizeBy
    format: AudioFormat
    sample_count: int
    exported: int
    unchanged: int
    rejected: int
    failed: int
    total_size_bytes: int
    export_duration_seconds: float
    output_path: str
    manifest_path: str
    label: str
    trouble: str | None


class ExportTotals(BaseModel):
    """Sums over all exports that the filters let through, on all pages."""

    samples: int
    bytes: int
    seconds: float


class ListedExports(Listed[ExportRecord]):
    """A page of exports, with sums over all pages."""

    totals: ExportTotals


class ExportedSample(BaseModel):
    """One row of an export. ``path`` is below the output folder, ``title`` that of the sample now."""

    sample_id: int | None
    title: str | None
    line: int
    status: Status
    path: str | None
    bank: str | None
    pad: int | None
    bytes: int
    seconds: float
    reason: str | None
    error: str | None
    fix: str | None
    warning: str | None


class ExportDetail(ExportRecord):
    """An export with a page of its samples.

    ``not_whole``: why its files can neither be downloaded nor put on a card any more, by what the records know; null where
    they can.
    """

    samples: Listed[ExportedSample]
    not_whole: str | None


class Preferences(BaseModel):
    """The ``user_preferences`` row: what counts where a request says nothing; null is not set."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"organize_by": "genre"}})

    organize_by: OrganizeBy | None = None
    format: AudioFormat | None = None
    include_metadata: Annotated[bool, Field(strict=True)] | None = None
    sanitize_filenames: Annotated[bool, Field(strict=True)] | None = None
    output_base_path: str | None = Field(None, description="Below the folder that clients may export to.")


class SignIn(BaseModel):
    """The token of the REST API, from a person."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"token": "0123456789abcdef"}})

    token: str = Field(max_length=1_000)


class SessionState(BaseModel):
    """Report whether the server needs a token, and whether this browser has signed in or need not."""

    needs_token: bool
    signed_in: bool


class Problem(BaseModel):
    """An error (RFC 9457): ``detail`` is what happened, ``fix`` what to do, ``reason`` a short key."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:sp404-export:unknown",
                "title": "Not Found",
                "status": 404,
                "detail": "Sample 99 not found",
                "reason": "unknown",
                "fix": "The list of samples shows those that are known.",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    reason: str
    fix: str = ""
    errors: list[dict[str, str]] = Field([], description="Each fault of a request, where it was found and what it is.")


class ScanAnswer(BaseModel):
    """The result of a scan: what is in the manifest now, and how many of its samples are new in the records.

    ``added``, ``gone`` and ``missing`` (their files do not exist) count rows, ``rejected`` those that an export would reject.
    ``skipped`` counts what was left out, by reason; ``lacking`` are the first hundred of those that somebody may miss.
    """

    manifest: str
    written: bool
    files: int
    read: int
    rows: int
    added: int
    gone: int
    missing: int
    rejected: int
    new_samples: int
    skipped: dict[str, int]
    lacking: list[SkippedFile]
    seconds: float


class CardAnswer(BaseModel):
    """The result of putting an export on a card; ``card_id`` is that of its mark, paths are below ``IMPORT/``.

    ``in_the_way``: other files are there, which stay. ``modified``: the export's own file is not what was written.
    """

    export_id: int
    card_id: str
    written: int
    written_bytes: int
    unchanged: int
    in_the_way: list[str]
    modified: list[str]


class CardPruneAnswer(BaseModel):
    """The result of removing files from a card; ``kept``: paths that stay, because the files are not what was written."""

    what: CardRemovable
    removed: int
    kept: list[str]


class Work(BaseModel):
    """A job, such as an export that no client waits for.

    ``done`` and ``total`` are of the pass over its files that is under way; ``errors`` counts those that failed so far, and
    ``messages`` are the last of them.
    """

    id: str
    kind: JobKind
    state: State
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int
    rate_per_second: float
    errors: int
    messages: list[str]
    result: SingleExport | KitExport | BatchExport | ScanAnswer | CardAnswer | CardPruneAnswer | None
    problem: Problem | None
