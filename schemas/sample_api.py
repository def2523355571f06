"""Requests and answers of the REST API about samples: search, counts, waveforms."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from schemas.api import MOST_SAMPLES, Id, Listed, QueryText, check_number
from schemas.enums import SampleFlag, SampleKind, SampleOrder, SampleSort, Status
from schemas.export import ExportConfig, SoundConfig


class SampleFilter(BaseModel):
    """Samples for which all filters hold that are given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    genre: list[QueryText] = Field([], max_length=100, description="One of these, in any case, spaces and dashes; empty: none.")
    key: list[QueryText] = Field([], max_length=100, description="Exactly one of these; empty: none.")
    musical_key: QueryText | None = Field(None, description="As one `key`.")
    kind: SampleKind | Literal["none"] | None = Field(None, description="What `sp404 scan` took it for; none: it did not say.")
    format: QueryText | None = Field(
        None, description="Of the source, such as wav or mp3; known once it was exported, and none until then."
    )
    bpm_min: float | None = Field(None, ge=0, le=1_000, allow_inf_nan=False)
    bpm_max: float | None = Field(None, ge=0, le=1_000, allow_inf_nan=False)
    seconds_min: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False, description="Known once it was exported.")
    seconds_max: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False)
    status: Status | Literal["new", "there", "removed"] | None = Field(
        None,
        description="Its status in its last export; new: it was in none; there: exported or unchanged. removed: that export had"
        " a file of it, but none is recorded any more, so that it is in none of exported, unchanged and there.",
    )
    flag: SampleFlag | None = Field(
        None,
        description="By what was measured of files that stand in an output folder; short: as far as is known, it is shorter"
        " than the device takes, also where it was exported with silence added."
        " dc: one percent of full scale and more.",
    )
    in_kit: bool | None = Field(None, description="Whether it is in any kit.")
    text: QueryText | None = Field(None, description="All words, somewhere in title, tags and path; -word: not there.")

    def filters(self) -> dict[str, Any]:
        """Return what ``tasks.store.sample_search`` takes."""
        given = self.model_dump(mode="json", include=set(SampleFilter.model_fields) - {"musical_key"})
        keys = given["key"] + ([self.musical_key] if self.musical_key else [])
        return given | {"key": keys}


class SamplePage(SampleFilter):
    """A page of these samples."""

    page: int = Field(1, ge=1, le=1_000_000, description="The first is 1.")
    page_size: int = Field(50, ge=1, le=500)
    sort: SampleSort = Field(SampleSort.ID, description="Samples without a value are last.")
    order: SampleOrder = SampleOrder.ASCENDING


class SampleSelection(BaseModel):
    """All samples that a filter lets through when the request arrives, but for some."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filter: SampleFilter = SampleFilter()
    but: list[Id] = Field([], alias="except", max_length=20_000)


_TRUTHS = {"seamless", "keep_chunks"}
_NUMBERS = {"normalize_dbfs", "trim_dbfs", "pad_to_ms", "fade_in_ms", "fade_out_ms"}


def check_sound(value: object) -> object:
    """Refuse text for numbers and numbers for truths, which settings of the environment need to be; here JSON has types."""
    for name, given in value.items() if isinstance(value, dict) else ():
        if name in _TRUTHS and not (given is None or isinstance(given, bool)):
            raise ValueError(f"{name} must be true or false")
        if name in _NUMBERS and (isinstance(given, bool) or (isinstance(given, str) and given != "off")):
            raise ValueError(f"{name} must be a number")
    return value


_BY_IDS: JsonDict = {"sample_ids": {"minItems": 1}, "selection": {"type": "null"}}
_BY_FILTER: JsonDict = {"sample_ids": {"maxItems": 0}, "selection": {"type": "object"}}


class BatchRequest(BaseModel):
    """The samples of a batch: by their ids, in the order of the results, or by a filter."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {"sample_ids": [1, 2, 6], "config": {"organize_by": "bpm"}},
            "oneOf": [
                {"required": ["sample_ids"], "properties": _BY_IDS},
                {"required": ["selection"], "properties": _BY_FILTER},
            ],
        },
    )

    sample_ids: list[Annotated[Id, BeforeValidator(check_number)]] = Field([], max_length=MOST_SAMPLES)
    selection: SampleSelection | None = None
    config: ExportConfig = ExportConfig()
    sound: Annotated[SoundConfig, BeforeValidator(check_sound)] = SoundConfig()

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if bool(self.sample_ids) == (self.selection is not None):
            raise ValueError("give sample_ids, with one at least, or selection")
        return self


class ForecastReason(BaseModel):
    """Count samples that would not be exported, by their reason."""

    what: str
    samples: int


class ExportForecast(BaseModel):
    """Forecast an export: ``convert``, ``rename``, ``unchanged`` and ``fail`` count samples. Bytes are estimates.

    ``earlier_base_path`` is the folder that the newest export of these samples wrote to, where it is there and another one;
    ``earlier_is_allowed`` says whether clients may export to it.
    """

    convert: int
    rename: int
    unchanged: int
    fail: int
    reasons: list[ForecastReason]
    bytes_needed: int
    bytes_free: int
    output_base_path: str
    earlier_base_path: str | None = None
    earlier_is_allowed: bool = False


class Sample(BaseModel):
    """A sample in the records. ``status`` and ``export_id`` are those of its last export.

    ``removed``: that export had a file of it, but none is recorded any more, in an output folder or on a card.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "title": "Sick Beat",
                "genre": "hip-hop",
                "bpm": 92.5,
                "musical_key": "Am",
                "tags": "dusty|loop",
                "file_path": "/home/me/samples/sick beat.mp3",
                "source_format": "mp3",
                "source_rate_hz": 44_100,
                "source_channels": 2,
                "source_frames": 88_200,
                "source_bytes": 32_313,
                "status": "exported",
                "export_id": 12,
                "removed": False,
            }
        }
    )

    id: int
    title: str
    genre: str | None
    bpm: float | None
    musical_key: str | None
    tags: str | None
    file_path: str
    source_format: str | None
    source_rate_hz: int | None
    source_channels: int | None
    source_frames: int | None
    source_bytes: int | None
    status: Status | None
    export_id: int | None
    removed: bool


class ListedSamples(Listed[Sample]):
    """A page of samples. ``revision`` is another one after every change of the records."""

    revision: str


class FacetCount(BaseModel):
    """Count the samples that have a value; null: none is known."""

    value: str | None
    samples: int


class SampleFacets(BaseModel):
    """Counts of the samples that the filters let through: of each kind the 500 values that most have.

    ``bpm`` is a histogram in steps of 10, by the lowest tempo of each.
    """

    total: int
    revision: str
    genre: list[FacetCount] = []
    key: list[FacetCount] = []
    kind: list[FacetCount] = []
    format: list[FacetCount] = []
    status: list[FacetCount] = []
    bpm: list[FacetCount] = []


class Peaks(BaseModel):
    """A waveform: the highest absolute value in each of equal parts of the sound, 1.0 is full scale."""

    model_config = ConfigDict(json_schema_extra={"example": {"sample_id": 1, "seconds": 0.5, "peaks": [0.1, 0.98, 0.4, 0.02]}})

    sample_id: int
    seconds: float
    peaks: list[float]


class ManyPeaks(BaseModel):
    """Waveforms in the order of the ids; null: there is none, or not yet, and then the id is ``pending``."""

    items: list[Peaks | None]
    pending: list[int]


class Fidelity(BaseModel):
    """Report the measurements of the sample's file that was written last and still stands, at 48 kHz before the last rounding.

    Levels are in dB of full scale, null for digital silence; ``dc_offset`` is a part of full scale. ``unaltered``: its
    samples are those of the source. ``changes`` is what was done to the sound otherwise.
    """

    export_id: int
    peak_dbfs: float | None
    true_peak_dbfs: float | None
    clipped_samples: int | None
    rms_dbfs: float | None
    dc_offset: float | None
    leading_silence_ms: float | None
    unaltered: bool | None
    changes: list[str]
    warning: str | None


class SamplePlace(BaseModel):
    """A file of the sample: in an output folder, or on a card, where ``path`` is below ``IMPORT/``.

    ``stale``: the output folder has another one by now, or none.
    """

    path: str
    card_id: str | None
    export_id: int
    bytes: int
    stale: bool


class SampleSlot(BaseModel):
    """A place of the sample in a kit."""

    kit_id: int
    kit: str
    bank: str | None
    pad: int | None


class SampleMend(BaseModel):
    """The setting of the sound with which samples are exported that failed for ``reason``, with ``text`` in their errors."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"words": "Pad to 100 ms", "reason": "too_short", "text": "", "sound": {"pad_to_ms": 100}}
        }
    )

    words: str
    reason: str
    text: str
    sound: dict[str, Any]


class SampleTrouble(BaseModel):
    """Report why the last export of a sample did not write it, and the fix; ``mend``: a setting that exports it."""

    export_id: int
    error: str
    reason: str | None
    fix: str | None
    mend: SampleMend | None


class SampleDetail(Sample):
    """A sample with what was measured of it, where its files stand, and its kits. ``fidelity`` is null where none stands.

    ``source_is_there``: the file that it is made from can be found now.
    """

    fidelity: Fidelity | None
    trouble: SampleTrouble | None
    places: list[SamplePlace]
    kits: list[SampleSlot]
    source_is_there: bool
