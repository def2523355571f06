"""Requests of exports: one set of models for the command line, the form in the Prefect UI and REST."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool

from schemas.enums import AudioFormat, Dither, Guard, Mono, Names, OrganizeBy, Runner, Truncated
from schemas.run_identity import IdentityModel, setting

Off = Literal["off"]


class ExportConfig(IdentityModel):
    """The layout and format of the output. A value that is left empty comes from the settings in force."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"organize_by": "bpm", "format": "wav"}}
    )

    organize_by: OrganizeBy | None = setting(
        None,
        identity=True,
        description="Folders of the output: flat, one per genre, one per BPM bucket, kits pad by pad, or those of the sources.",
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
    """The effects on the sound beside the conversion. A value that is left empty comes from the settings in force."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dither: Dither | None = setting(
        None, identity=True, description="Noise of two 16-bit steps where sound is computed: tpdf, or none."
    )
    guard: Guard | None = setting(
        None,
        identity=True,
        description="Turn down what is too loud: none (it clips), file (each alone), or folder (all of a kit or folder alike).",
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
    truncated: Truncated | None = setting(
        None,
        identity=True,
        description="refuse files whose end is missing, or keep what is there of them.",
    )


class ExportRequest(IdentityModel):
    """One export of a manifest: the single parameter of the flow, and so the form in the Prefect UI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manifest: str = setting(
        identity=True,
        description="Path of the manifest: CSV, TSV, XLSX, Parquet, NDJSON, M3U, rekordbox XML; or kit: YAML, TOML, Hydrogen.",
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
    # Not part of the identity: that of a run without it is the one of all versions before.
    prune_layout: OrganizeBy | None = setting(
        None,
        identity=False,
        description="Remove the files that exports of this manifest in this layout left, but for wanted ones.",
    )
    yes: bool = setting(
        False, identity=False, description="Let pruning remove more than a tenth of the files and more than 20."
    )
    zip: bool = setting(
        False, identity=False, description="Bundle the exported files, too: sp404-export-N.zip in the current folder."
    )
    card: str | None = setting(
        None, identity=False, description="Copy the exported sounds to the card that is mounted here, below IMPORT."
    )
    init_card: bool = setting(False, identity=False, description="Make the folder IMPORT on an empty card.")
    label: str = setting("", identity=False, max_length=80, description="A note of your own, to find this run again.")
