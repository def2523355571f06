"""Requests and answers of the REST API: pages of the records, jobs, problems.

Samples are in ``schemas.sample_api``, the rest is in ``schemas.export``.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.enums import (
    AudioFormat,
    ExportType,
    OrganizeBy,
    Status,
)
from schemas.export import ExportConfig
from schemas.report import ExportResult

MOST_SAMPLES = 1_000
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

_KIT: JsonDict = {"id": 1, "name": "Night Bus", "tempo": 92.0, "samples": 1}
_PAD: JsonDict = {"bank": "A", "pad": 1, "sample_id": 1, "title": "Sick Beat", "bpm": 92.5}


class State(StrEnum):
    """The state of a job; it ends with one of the last three."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


def _check_number(value: object) -> object:
    """Refuse text and booleans, which Pydantic would read as numbers; in JSON 1.0 and 1 are the same number."""
    if isinstance(value, (bool, str)):
        raise ValueError("must be a whole number")
    return value


class BatchRequest(BaseModel):
    """The samples of a batch, in the order of its results."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"sample_ids": [1, 2, 6], "config": {"organize_by": "bpm"}}}
    )

    sample_ids: list[Annotated[Id, BeforeValidator(_check_number)]] = Field(min_length=1, max_length=MOST_SAMPLES)
    config: ExportConfig = ExportConfig()


class SingleExport(ExportResult):
    """The result of one sample. ``warnings``: what deserves a look, such as another output folder than the one asked for."""

    model_config = ConfigDict(json_schema_extra={"example": _RESULT | {"export_id": 12, "warnings": []}})

    export_id: int
    warnings: list[str]


class BatchExport(BaseModel):
    """The result of a batch: rows = exported + unchanged + rejected + failed; ``successful`` counts the first two."""

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

    kit_id: int
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
    """A kit in the records; ``samples`` is how many it has."""

    model_config = ConfigDict(json_schema_extra={"example": _KIT})

    id: int
    name: str
    tempo: float | None
    samples: int


class Pad(BaseModel):
    """A sample of a kit; ``bank`` and ``pad`` are null where it has none."""

    bank: str | None
    pad: int | None
    sample_id: int
    title: str
    bpm: float | None


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
    """One row of an export. ``path`` is below the output folder."""

    sample_id: int | None
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
    """An export with a page of its samples."""

    samples: Listed[ExportedSample]


class Preferences(BaseModel):
    """The ``user_preferences`` row: what counts where a request says nothing; null is not set."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"organize_by": "genre"}})

    organize_by: OrganizeBy | None = None
    format: AudioFormat | None = None
    include_metadata: Annotated[bool, Field(strict=True)] | None = None
    sanitize_filenames: Annotated[bool, Field(strict=True)] | None = None
    output_base_path: str | None = Field(None, description="Below the folder that clients may export to.")


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


class Work(BaseModel):
    """A job: an export that no client waits for.

    ``done`` and ``total`` are of the pass over its files that is under way; ``errors`` counts those that failed so far, and
    ``messages`` are the last of them.
    """

    id: str
    state: State
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int
    rate_per_second: float
    errors: int
    messages: list[str]
    result: SingleExport | KitExport | BatchExport | None
    problem: Problem | None
