"""The request and the report of a scan: the JSON of ``sp404 scan --json``."""

from pydantic import BaseModel, Field


class ScanRequest(BaseModel):
    """A scan of folders for a manifest.

    Attributes:
        folders: The folders of samples.
        manifest: The manifest to write or to bring up to date.
        kits: Propose kits.
        new_pads: Put the samples of proposed kits on pads anew, also those that have one.
        analyze: Decode the audio, too: tempo, root note, duplicates.
        restore: Bring back rows that a person removed.
        provenance: Write beside each value where it came from, and how sure it is.
        drop_missing: Drop every row whose file is not there, however many there are; not those that a person edited.
    """

    folders: list[str] = Field(min_length=1)
    manifest: str
    kits: bool = False
    new_pads: bool = False
    analyze: bool = False
    restore: bool = False
    drop_missing: bool = False
    provenance: bool = False


class SkippedFile(BaseModel):
    """A file or folder that was left out and that somebody may miss, why, and what to do.

    ``has_row``: the manifest has a row of it already, which stays.
    """

    path: str
    why: str
    fix: str
    has_row: bool = False

    @property
    def text(self) -> str:
        """Return in one line what is wrong with it."""
        return f"{'Cannot be read now, its row stays' if self.has_row else 'Left out'}: {self.path}: {self.why}. {self.fix}"


class ChangedCell(BaseModel):
    """A cell of the manifest that the scan changed; None where it is empty."""

    file_path: str
    column: str
    before: str | None
    after: str | None


class UnseenFolder(BaseModel):
    """A folder in which no audio is seen now, and how many rows name files in it: they stay."""

    path: str
    rows: int


class ScanResult(BaseModel):
    """The result of a scan.

    Attributes:
        manifest: Where the manifest is.
        written: False where there was nothing to change.
        files: How many files there are, audio or not.
        read: How many of them had to be opened to know what they are.
        listened: How many of them were listened to (``--analyze``).
        rows: How many rows the manifest has.
        added: The ``file_path`` of each new row.
        gone: The ``file_path`` of each row that was dropped, since its file is no longer there.
        unseen: Folders in which no audio is seen now, though rows name files in them.
        missing: The ``file_path`` of each row of the manifest whose file does not exist.
        garbled: The ``file_path`` of each missing one whose letters a program has garbled, and what it was.
        conflicts: The ``file_path`` of each file that a sync program kept beside another version of it; they are rows like all.
        moved: Absolute paths before and after, of files that are elsewhere now.
        kept_out: The ``file_path`` of files whose rows a person removed.
        changes: The cells that changed.
        edited: How many rows have a person's own values.
        duplicates: How many rows have the same sound as another.
        kits: How many kits were proposed.
        without_kit: How many samples each folder with four and more has of which none got a pad, where kits were proposed.
        without_pad: The ``file_path`` of each new row beside samples of a kit, where kits were not proposed.
        table_kits: How many rows each kit of the manifest has, where kits were proposed.
        changed_files: The ``file_path`` of each row whose file has another size or date than at an earlier scan.
        short_hits: How many samples are shorter than an export takes, by the settings in force.
        short_in_kits: How many of them have a pad in a proposed kit.
        short_padded: Whether the last export of the manifest had silence added to them.
        least_ms: The length that an export takes.
        filled: How many rows have a value in each inferred column, by its source.
        skipped: How many files and folders were left out, by reason.
        not_audio: The extensions of files that are not audio, the most frequent first, and how many files have each.
        lacking: Those of them that somebody may miss.
        drumkits: Folders with the ``drumkit.xml`` of a Hydrogen drumkit, which a scan does not read.
        empty: The paths of files without a byte that have the name of a sound.
        seconds: How long the scan took.
    """

    manifest: str
    written: bool
    files: int
    read: int
    listened: int = 0
    rows: int
    added: list[str]
    gone: list[str]
    unseen: list[UnseenFolder]
    missing: list[str]
    garbled: list[tuple[str, str]]
    conflicts: list[str]
    moved: list[tuple[str, str]]
    kept_out: list[str]
    changes: list[ChangedCell]
    edited: int
    duplicates: int
    kits: int
    table_kits: dict[str, int] = {}
    without_kit: dict[str, int] = {}
    without_pad: list[str] = []
    changed_files: list[str] = []
    short_hits: int = 0
    short_in_kits: int = 0
    short_padded: bool = False
    least_ms: int = 0
    filled: dict[str, dict[str, int]]
    skipped: dict[str, int]
    not_audio: dict[str, int] = {}
    lacking: list[SkippedFile]
    empty: list[str]
    drumkits: list[str] = []
    seconds: float
