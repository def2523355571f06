"""Requests and answers of the REST API that the web page needs beside those for programs."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.api import MOST_SAMPLES, ExportedSample, Id, JobKind, QueryText, State, check_number
from schemas.enums import Status
from schemas.export import SoundConfig
from schemas.sample_api import SampleMend, check_sound

# Characters that are not shown, and those that change the direction of what is beside them, are in no folder of a client's.
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
FolderPath = Annotated[str, Field(max_length=2_000, pattern=_NO_CONTROLS, examples=["drums"])]


class JobBrief(BaseModel):
    """A job in brief.

    ``place``: in the queue, the next one has 1; null where it does not wait. ``rate_per_second`` is null where it does not run,
    ``export_id`` where it has not exported anything, ``error`` where it did not fail.
    """

    id: str
    kind: JobKind
    state: State
    place: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int
    failed: int
    rate_per_second: float | None
    export_id: int | None
    error: str | None


class LockHolder(BaseModel):
    """Another process that exports with the same records, such as a nightly run; exports of this server wait for it."""

    owner: str
    since: datetime


class ServerState(BaseModel):
    """The server: its release, and since when it runs. It forgets its jobs and sessions when it ends.

    ``command`` starts it again at the same ports.
    """

    version: str
    since: datetime
    command: str


class Activity(BaseModel):
    """Report the activity of the server. ``jobs``: the last that have ended, then what runs, then what waits in its order."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "jobs": [],
                "lock": {"owner": "process 4711 on studio", "since": "2026-11-27T02:00:00Z"},
                "revision": "0123456789abcdef",
                "server": {"version": "1.0.0", "since": "2026-11-26T08:00:00Z", "command": "sp404 up --api-port 4452"},
            }
        }
    )

    jobs: list[JobBrief]
    lock: LockHolder | None
    revision: str
    server: ServerState


class ExportSampleFilter(BaseModel):
    """Rows of an export for which all filters hold that are given, ``limit`` of them from ``offset`` on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status | None = None
    reason: QueryText | None = Field(None, description="Exactly this key.")
    text: QueryText | None = Field(None, description="Somewhere in title, paths, kit and error, in any case.")
    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000_000)


class ExportReason(BaseModel):
    """Count the rows of an export that were not exported for a reason, with the fix that one of them has.

    ``mend``: a setting with which ``mendable`` of them are exported.
    """

    status: Status
    reason: str | None
    samples: int
    fix: str | None
    mend: SampleMend | None
    mendable: int


class RetryOrder(BaseModel):
    """Select failed samples of an export to export again, and the settings of the sound that differ."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"reason": "too_short", "sound": {"pad_to_ms": 100}}}
    )

    reason: QueryText | None = Field(None, description="Only those with exactly this reason.")
    text: QueryText | None = Field(None, description="Only those with this in their error.")
    sample_ids: list[Annotated[Id, BeforeValidator(check_number)]] = Field(
        [], max_length=MOST_SAMPLES, description="Only these; empty: all."
    )
    sound: Annotated[SoundConfig, BeforeValidator(check_sound)] = Field(
        SoundConfig(), description="What differs from the settings of that export."
    )


class ExportSamples(BaseModel):
    """Rows of an export in the order of its manifest, of ``total`` that the filters let through; ``reasons``: of all rows."""

    total: int
    limit: int
    offset: int
    reasons: list[ExportReason]
    items: list[ExportedSample]


class ScanOrder(BaseModel):
    """A folder to scan, below the one that clients may use."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"folder": "drums"}})

    folder: FolderPath
    analyze: bool = Field(False, description="Listen, too: tempo, root note, duplicates, silence, clipping.")
    kits: bool = Field(False, description="Propose a kit for each folder of one-shots.")


class SubFolder(BaseModel):
    """A folder in a folder. ``audio_files`` directly in it, by their names; null where it could not be looked into."""

    name: str
    path: str
    audio_files: int | None


class FolderList(BaseModel):
    """The folders in a folder, by their names. Paths are below ``root``; '' is ``root`` itself, which has no ``parent``.

    ``more``: it has more than are listed.
    """

    root: str
    path: str
    parent: str | None
    audio_files: int
    folders: list[SubFolder]
    more: bool
