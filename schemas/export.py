"""What is asked of an export and what it answers: one set of models for the command line, the UI form and REST."""

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    StrictBool,
    computed_field,
    model_serializer,
)

from schemas.enums import AudioFormat, Dither, ExportType, Guard, Mono, Names, OrganizeBy, Runner, Status
from schemas.run_identity import IdentityModel, setting

Off = Literal["off"]


class ExportConfig(IdentityModel):
    """How samples are laid out and written. What is left empty comes from the settings in force."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"organize_by": "bpm", "format": "wav"}}
    )

    organize_by: OrganizeBy | None = setting(
        None, identity=True, description="Folders of the output: flat, one per genre, one per BPM bucket, or kits pad by pad."
    )
    format: AudioFormat | None = setting(None, identity=True, description="Both are 48 kHz, 16-bit PCM.")
    include_metadata: StrictBool | None = setting(
        None, identity=True, description="Write name_metadata.txt beside each sample."
    )
    sanitize_filenames: StrictBool | None = setting(
        None, identity=True, description="Use only a-z, 0-9, _ and - in names, which the device shows and plays."
    )
    names: Names | None = setting(
        None,
        identity=True,
        description="full, or screen: 23 characters, tempo and key in front, without a pack's common prefix.",
    )
    output_base_path: str | None = setting(None, identity=True, description="The output folder.")


class SoundConfig(IdentityModel):
    """What is done to the sound beside the conversion. What is left empty comes from the settings in force."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dither: Dither | None = setting(
        None, identity=True, description="Noise of two 16-bit steps where sound is computed: tpdf, or none."
    )
    guard: Guard | None = setting(
        None,
        identity=True,
        description="Turn down what is too loud: none (it clips), each file alone, or all of a kit or folder alike.",
    )
    normalize_dbfs: Annotated[float, Field(ge=-60, le=0)] | Off | None = setting(
        None, identity=True, description="Bring every sample's peak to this level, or off."
    )
    trim_dbfs: Annotated[float, Field(ge=-120, le=-20)] | Off | None = setting(
        None, identity=True, description="Remove silence below this level from start and end, or off."
    )
    pad_to_ms: int | None = setting(
        None, identity=True, ge=0, le=60_000, description="Add silence to shorter samples, up to this length; 0: off."
    )
    fade_in_ms: int | None = setting(None, identity=True, ge=0, le=10_000, description="Length of a fade-in; 0: off.")
    fade_out_ms: int | None = setting(None, identity=True, ge=0, le=10_000, description="Length of a fade-out; 0: off.")
    mono: Mono | None = setting(
        None, identity=True, description="keep stereo, fold it where both channels are identical, or all to mono."
    )
    seamless: bool | None = setting(
        None, identity=True, description="Resample loops as if they repeated, to the frames that their beats need."
    )
    keep_chunks: bool | None = setting(
        None, identity=True, description="Keep a WAV's loops, cue points and acid tempo; the device may not like them."
    )


class ExportRequest(IdentityModel):
    """One export of a manifest: the single parameter of the flow, and so the form in the Prefect UI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manifest: str = setting(
        identity=True,
        description="Path of the manifest: CSV, TSV, Parquet or NDJSON; or of a kit: YAML, TOML or a Hydrogen drumkit.",
    )
    config: ExportConfig = setting(ExportConfig(), identity=True, description="Layout and format of the output.")
    sound: SoundConfig = setting(SoundConfig(), identity=True, description="What is done to the sound.")
    sample_ids: tuple[Annotated[int, Field(gt=0)], ...] = setting(
        (), identity=True, description="Only these samples; empty: all."
    )
    kits: tuple[str, ...] = setting((), identity=True, description="Only these kits; empty: all.")
    user_id: int = setting(1, identity=True, gt=0, description="Whose export this is.")
    workers: int | None = setting(
        None, identity=False, ge=1, le=256, description="Conversions at the same time; empty: one a core."
    )
    runner: Runner | None = setting(
        None, identity=False, description="threads of this machine; pool or dask: several machines."
    )
    work_pool: str | None = setting(
        None, identity=False, description="Runner pool: the Prefect work pool whose workers convert."
    )
    dask_address: str | None = setting(
        None, identity=False, description="Runner dask: the scheduler; empty: a cluster on this machine."
    )
    db: str | None = setting(None, identity=False, description="The DuckDB file of the records.")
    fall_back: bool | None = setting(
        None, identity=True, description="Write to a temporary folder when the output folder is not writable."
    )
    lock_wait_seconds: float | None = setting(
        None, identity=False, ge=0, le=3600, description="How long to wait for other exports."
    )
    full: bool = setting(False, identity=True, description="Convert every sample, also what is unchanged.")
    verify_outputs: bool = setting(
        False, identity=True, description="Read all bytes of the output to decide what is unchanged, not only its size."
    )
    prune: bool = setting(
        False, identity=True, description="Remove files of earlier exports that are no longer in the manifest."
    )
    zip: bool = setting(
        False, identity=False, description="Bundle the exported files, too: sp404-export-N.zip in the current folder."
    )
    card: str | None = setting(
        None, identity=False, description="Copy the exported sounds to the card that is mounted here, below IMPORT."
    )
    init_card: bool = setting(False, identity=False, description="Make the folder IMPORT on an empty card.")
    label: str = setting("", identity=False, max_length=80, description="A note of your own, to find this run again.")


class ExportResult(BaseModel):
    """What became of one manifest row."""

    success: bool
    sample_id: int | None
    output_path: str | None
    output_filename: str | None
    format: AudioFormat
    file_size_bytes: int
    conversion_time_seconds: float
    status: Status
    error: str | None


class Finding(BaseModel):
    """What should be looked at: a row's place in words, what was found there, and what to do."""

    where: str
    what: str
    fix: str


class CardResult(BaseModel):
    """What an export put on a card. Paths are below IMPORT. ``in_the_way``: other files stand there, and stay. ``spoiled``:
    files of the output folder that are not what was written there, and were not copied.
    """

    card_id: str
    root: str
    written: int
    written_bytes: int
    unchanged: int
    in_the_way: list[str]
    spoiled: list[str]
    stale: list[str]
    removed: int


class BatchExportResult(BaseModel):
    """What became of an export. ``successful`` counts exported and unchanged rows."""

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
    # How many rows were not exported for the same cause, the most frequent first; not part of the answer.
    causes: dict[str, int] = Field({}, exclude=True)
    # How many exported samples deserve a look, by what for; not part of the answer.
    warnings: dict[str, int] = Field({}, exclude=True)
    # What was found in its kits before they were written; not part of the answer.
    findings: list[Finding] = Field([], exclude=True)
    # Files that earlier exports wrote and no row names any more, and how many of them were removed; not part of the answer.
    stale: list[str] = Field([], exclude=True)
    pruned: int = Field(0, exclude=True)
    # It is the export that an earlier run of the same command began; not part of the answer.
    resumed: bool = Field(False, exclude=True)
    # Why stale files were not removed, though that was asked for.
    kept: str = Field("", exclude=True)
    # What was left out, and is no row's fault alone: of a kit file, and of kits without some of their samples.
    notes: list[str] = Field([], exclude=True)
    # What is on the card, or why it is not; not part of the answer.
    card: CardResult | None = Field(None, exclude=True)
    no_card: str = Field("", exclude=True)
    # Why there is no ZIP, though that was asked for.
    no_zip: str = Field("", exclude=True)
    # The ZIP of it, where one was asked for; else it is not part of the answer.
    zip_path: str | None = None
    _tell: Callable[[], list[ExportResult]] = PrivateAttr(default=list)

    def telling(self, tell: Callable[[], list[ExportResult]]) -> Self:
        """This one, which asks ``tell`` for its results: of 100,000 rows they take a second, and often nobody looks at them."""
        self._tell = tell
        return self

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def results(self) -> list[ExportResult]:
        """What became of each row, in the order of the manifest."""
        return self._tell()

    @model_serializer(mode="wrap")
    def _in_order(self, serialized: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Computed fields come last, and the contract has ``errors`` behind ``results``; it knows no ``zip_path``."""
        told: dict[str, object] = serialized(self)
        for name in ("errors", "zip_path"):
            told[name] = told.pop(name)
        if not told["zip_path"]:
            del told["zip_path"]
        return told | ({"card": self.card.model_dump()} if self.card else {})

    @property
    def complete(self) -> bool:
        lacking = self.card is not None and (self.card.in_the_way or self.card.spoiled)
        return not (self.failed or self.rejected or self.no_zip or self.no_card or lacking)

    def counts(self) -> str:
        """The counts in a few words, for a state's message or a last line."""
        exported = self.successful - self.unchanged
        parts = [f"{exported:,} exported"] if exported or not self.unchanged else []
        parts += [f"{n:,} {word}" for n, word in self._troubles() if n]
        return (
            ", ".join(parts)
            + f" of {self.total_requested:,}"
            + (" (no ZIP)" if self.no_zip else "")
            + (" (not on the card)" if self.no_card else "")
        )

    def _troubles(self) -> tuple[tuple[int, str], ...]:
        return (self.unchanged, "unchanged"), (self.rejected, "rejected"), (self.failed, "failed")
