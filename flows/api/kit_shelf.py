"""Kits for REST clients: kit files, which they edit, and the kits that exports of manifests left in the records.

A kit is known by its name. One that has a file is that file, also where exports of it are in the records: its id is that of the
file, and its number in the records means the same kit.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import polars as pl

from config.settings import Settings
from flows.api.entity_tags import entity_tag
from flows.api.kit_faults import find_faults
from flows.api.kit_orders import OrderTranslator, pad_content
from flows.api.kit_pads import describe_pads
from flows.api.library import LibraryPages, Row
from flows.export.request import fill_kit_from_records, rows_of
from schemas.api import HIGHEST_ID, Kit, KitDetail, KitFilter, Listed
from schemas.errors import (
    KitChangedError,
    KitReadOnlyError,
    KitTagMissingError,
    KitTakenError,
    ManifestError,
    PadConflictError,
    RecordNotFoundError,
)
from schemas.kit_api import EditedKitAnswer, KitLint, KitOrder, NewKit
from schemas.manifest import REJECT_SCHEMA, TYPED_SCHEMA
from schemas.spellings import fold_kits
from tasks.layout.file_names import sanitize_names
from tasks.manifest.kits import pad_operations as pads
from tasks.manifest.kits.kit_folder import KitFile, KitFolder, read_kit_bytes
from tasks.manifest.kits.kit_text import KitText, parse_kit_text
from tasks.manifest.kits.pad_operations import EditedKit
from tasks.manifest.readers.kit_syntax import decode_utf8
from tasks.manifest.table import RawManifest, read_manifest
from tasks.manifest.validate import validate
from tasks.store import history
from tasks.store.catalog import Catalog
from tasks.store.database import Database

_OF_MANIFEST = "It comes from a manifest: copy it to edit the copy"
_SEVERAL = "has several kits; only files with one kit are shown"
_MOST_RECORDED = 1_000_000
_SLUG_BYTES = 60
_READS = 5
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ReadKit:
    """A kit file as it was read: all of it is of the same bytes.

    Attributes:
        rows: Accepted rows (``TYPED_SCHEMA``) with ``source``; ``sample_id`` is filled in where the records know the file.
        rejects: Its other rows (``REJECT_SCHEMA``).
        tempos: BPM by the name of the kit, as the lint takes it.
    """

    file: KitFile
    etag: str
    text: KitText
    rows: pl.DataFrame
    rejects: pl.DataFrame
    tempos: dict[str, float]

    @property
    def name(self) -> str:
        """The name of the kit."""
        if self.text.obstacle and self.rows.height:
            return str(self.rows["kit"][0])
        return self.text.kit.name or self.file.stem


@dataclass(frozen=True)
class KitToExport:
    """A kit, and the manifest or the ``rows`` to export it from."""

    id: int | str
    name: str
    manifest: str | None
    rows: list[Row]


class KitShelf:
    """The kits of one server.

    Args:
        settings: The settings in force.
        library: The records.
    """

    def __init__(self, settings: Settings, library: LibraryPages) -> None:
        self._library = library
        self._database = Database(settings.db, settings.api_wait_seconds)
        self._records = Catalog(self._database)
        self._folder = KitFolder(settings.kit_file_folder())
        self._writing = threading.Lock()
        self._orders = OrderTranslator(library)
        self._briefs: dict[str, tuple[tuple[int, ...], Kit]] = {}

    # ---- reading ----

    def page(self, wanted: KitFilter) -> Listed[Kit]:
        """List kits: files by their ids, then those of the records alone by theirs."""
        recorded = self._recorded()
        files = self._files(recorded)
        with_file = {kit.record_id for kit in files}
        kits = [*files, *(_kit_of_row(row) for row in recorded if row["id"] not in with_file)]
        if wanted.text is not None:
            text = _fold(wanted.text)
            kits = [kit for kit in kits if text in _fold(kit.name)]
        first = (wanted.page - 1) * wanted.page_size
        shown = kits[first : first + wanted.page_size]
        return Listed[Kit](total=len(kits), page=wanted.page, page_size=wanted.page_size, items=shown)

    def detail(self, kit_id: str) -> KitDetail:
        """Return one kit, pad by pad.

        Raises:
            RecordNotFoundError: There is no such kit.
            ManifestError: Its file cannot be read.
        """
        found = self._find(kit_id)
        if isinstance(found, KitFile):
            return self._describe(self._read(found))
        pads = describe_pads(self._read_record(found).rows, self._library.settings_now())
        return KitDetail(**_kit_of_row(found).model_dump(), pads=pads)

    def lint(self, kit_id: str) -> KitLint:
        """Say what deserves a look in a kit, by its rows and what the records know of its sounds.

        Raises:
            RecordNotFoundError: There is no such kit.
            ManifestError: Its file cannot be read.
        """
        found = self._find(kit_id)
        return self._lint(self._read(found) if isinstance(found, KitFile) else self._read_record(found))

    def to_export(self, kit_id: str) -> KitToExport:
        """Return what exports a kit: its file, or its rows in the records.

        Raises:
            RecordNotFoundError: There is no such kit.
            PadConflictError: The kit is empty.
            ManifestError: Its file cannot be read.
        """
        found = self._find(kit_id)
        if isinstance(found, KitFile):
            read = self._read(found)
            if not read.rows.height and not read.rejects.height:
                raise PadConflictError(what=f"The kit {read.name} is empty", fix="Put a sample on one of its pads.")
            return KitToExport(found.id, read.name, found.path, [])
        rows = self._records.pads_of(found["id"])
        if not rows:
            raise PadConflictError(what=f"Kit {kit_id} has no samples", fix="Export it again from its manifest.")
        return KitToExport(found["id"], found["name"], None, rows)

    # ---- changes ----

    def create(self, wanted: NewKit) -> KitDetail:
        """Make an empty kit, as a new file.

        Raises:
            KitTakenError: There is one of this name.
            KitFolderError, DiskFullError: The file cannot be written.
        """
        with self._writing:
            return self._add(wanted.name, KitText.empty().write(EditedKit(wanted.name, wanted.tempo, {})))

    def copy(self, kit_id: str, name: str | None) -> KitDetail:
        """Copy a kit to a new file.

        Raises:
            RecordNotFoundError: There is no such kit.
            KitTakenError: There is one of this name.
            KitReadOnlyError: Its file is written so that it cannot be copied under another name.
            KitFolderError, DiskFullError: The file cannot be written.
        """
        with self._writing:
            found = self._find(kit_id)
            if isinstance(found, KitFile):
                read = self._read(found)
                original, text, kit = read.name, read.text, read.text.kit
                _check_editable(text)
            else:
                original, text = found["name"], KitText.empty()
                rows = self._records.pads_of(found["id"])
                contents = {f"{row['bank']}{row['pad']}": pad_content(row["sample_id"], row["file_path"]) for row in rows}
                kit = EditedKit(original, found["tempo"], {pad: text for pad, text in contents.items() if pad in pads.PLACE_OF})
            name = name or self._free_name(original)
            return self._add(name, text.write(replace(kit, name=name)))

    def change(self, kit_id: str, if_match: str | None, orders: Sequence[KitOrder]) -> EditedKitAnswer:
        """Do all of ``orders``, or nothing.

        Raises:
            RecordNotFoundError: There is no such kit, or no such sample.
            KitReadOnlyError: The kit cannot be edited.
            KitTagMissingError: ``if_match`` is.
            KitChangedError: The file is not the one that has the ETag ``if_match``.
            KitTakenError: There is a kit of the new name.
            PadConflictError: One of them cannot be done.
            KitFolderError, DiskFullError: The file cannot be written.
        """
        with self._writing:
            file, data = self._check_tag(kit_id, if_match)
            text = _parse(file, data)
            _check_editable(text)
            kit, inverse = pads.apply_operations(text.kit, self._orders.to_operations(orders))
            if _fold(kit.name or file.stem) != _fold(text.kit.name or file.stem):
                self._check_free(kit.name or file.stem)
            if kit != text.kit:
                content = text.write(kit).encode()
                self._folder.write(file, _BOM + content if data.startswith(_BOM) else content)
            back = self._orders.from_operations(inverse)
        read = self._read(file)
        return EditedKitAnswer(kit=self._describe(read), lint=self._lint(read), inverse=back)

    def remove(self, kit_id: str, if_match: str | None) -> None:
        """Remove the file of a kit. What was exported of it stays, in its output folder and in the records.

        Raises:
            RecordNotFoundError, KitReadOnlyError, KitTagMissingError, KitChangedError: As ``change``.
            KitFolderError: The file cannot be removed.
        """
        with self._writing:
            file, _ = self._check_tag(kit_id, if_match)
            self._folder.remove(file)

    # ---- which kit ----

    def _find(self, kit_id: str) -> KitFile | Row:
        file = self._folder.find(kit_id)
        if file:
            return file
        number = int(kit_id) if kit_id.isascii() and kit_id.isdecimal() and len(kit_id) < 20 else 0
        row = self._records.kit(number) if 0 < number <= HIGHEST_ID else None
        if not row:
            raise _unknown_kit(kit_id)
        named = next((kit for kit in self._files(self._recorded()) if kit.record_id == number), None)
        return (self._folder.find(str(named.id)) if named else None) or row

    def _recorded(self) -> list[Row]:
        return self._records.kits({"text": None}, 1, _MOST_RECORDED).rows

    def _files(self, recorded: list[Row]) -> list[Kit]:
        """Return the kits that have files, each with its number in the records."""
        kits = [self._brief(file) for file in self._folder.list()]
        numbers: dict[str, int] = {}
        for row, folded in zip(recorded, _fold_all([row["name"] for row in recorded]), strict=True):
            numbers.setdefault(folded, row["id"])
        numbers |= {row["name"]: row["id"] for row in recorded}  # where the records have several spellings
        return [
            kit.model_copy(update={"record_id": numbers.get(kit.name) or numbers.get(folded)})
            for kit, folded in zip(kits, _fold_all([kit.name for kit in kits]), strict=True)
        ]

    def _brief(self, file: KitFile) -> Kit:
        """Return a file's kit without its number in the records; it is read again when the file changes."""
        blank = {"id": file.id, "name": file.stem, "tempo": None, "samples": 0, "is_file": True, "record_id": None}
        blank |= dict.fromkeys(("etag", "read_only", "problem"))
        try:
            status = os.stat(file.path)
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            kept = self._briefs.get(file.path)
            if kept and kept[0] == state:
                return kept[1]
            text = _parse(file, data := read_kit_bytes(file) or b"")
            known: dict[str, Any] = {"etag": entity_tag(data), "read_only": _why_read_only(text)}
            if text.obstacle:
                frame = _read_one_kit(file).frame
                known |= {"samples": frame.height} | ({"name": frame["kit"][0]} if frame.height else {})
            else:
                known |= {"name": text.kit.name or file.stem, "tempo": text.kit.tempo, "samples": len(text.kit.pads)}
            kit = Kit(**blank | known)
        except (ManifestError, OSError) as error:
            problem = f"It {error.facts['what']}" if isinstance(error, ManifestError) else "It cannot be read"
            return Kit(**blank | {"problem": problem})
        self._briefs[file.path] = state, kit
        return kit

    def _number_of(self, name: str) -> int | None:
        rows = self._recorded()
        exact = next((row["id"] for row in rows if row["name"] == name), None)
        return exact or next((row["id"] for row in rows if _fold(row["name"]) == _fold(name)), None)

    # ---- one file ----

    def _read(self, file: KitFile) -> ReadKit:
        for _ in range(_READS):
            data = read_kit_bytes(file)
            if data is None:
                raise _unknown_kit(file.id)
            read = self._read_rows(file, data)
            if read_kit_bytes(file) == data:
                return read
        raise ManifestError(path=file.path, what="is being written by another program", fix="Try again.")

    def _read_rows(self, file: KitFile, data: bytes) -> ReadKit:
        text = _parse(file, data)
        if not text.obstacle and not text.kit.pads:
            rows = pl.DataFrame(schema=TYPED_SCHEMA | {"source": pl.String})
            return ReadKit(file, entity_tag(data), text, rows, pl.DataFrame(schema=REJECT_SCHEMA), {})
        with self._database.hold():
            manifest = validate(fill_kit_from_records(_read_one_kit(file), self._database))
            rows = rows_of(manifest)
            known = history.known_samples(self._database, [], rows["source"])
        known = known.unique("file_path", keep="first").select(source="file_path", known_id="id")
        rows = rows.join(known, on="source", how="left", maintain_order="left")
        rows = rows.with_columns(sample_id=pl.coalesce("sample_id", "known_id")).drop("known_id")
        return ReadKit(file, entity_tag(data), text, rows, manifest.rejects, manifest.kit_tempos)

    def _read_record(self, row: Row) -> ReadKit:
        """Return a kit of the records as if it had a file."""
        kit_rows = [
            row | {"line": line, "source": row["file_path"]} for line, row in enumerate(self._records.pads_of(row["id"]), 1)
        ]
        schema = TYPED_SCHEMA | {"source": pl.String}
        rows = pl.DataFrame([[each[name] for name in schema] for each in kit_rows], schema, orient="row")
        tempos = {row["name"]: row["tempo"]} if row["tempo"] else {}
        file = KitFile(str(row["id"]), "")
        return ReadKit(file, "", KitText.empty(), rows, pl.DataFrame(schema=REJECT_SCHEMA), tempos)

    def _describe(self, read: ReadKit) -> KitDetail:
        tempo = read.text.kit.tempo or read.tempos.get(read.name)
        return KitDetail(
            id=read.file.id,
            name=read.name,
            tempo=tempo,
            samples=read.rows.height,
            is_file=True,
            record_id=self._number_of(read.name),
            etag=read.etag,
            read_only=_why_read_only(read.text),
            problem=None,
            pads=describe_pads(read.rows.sort("bank", "pad"), self._library.settings_now()),
        )

    def _lint(self, read: ReadKit) -> KitLint:
        with self._database.hold():
            lint = find_faults(self._database, self._library.settings_now(), read.rows, read.rejects, read.tempos)
        if read.etag and not read.text.obstacle:
            return lint
        lasting = (
            each.model_copy(update={"mend": None}) if each.mend and each.mend.operations else each for each in lint.findings
        )
        return lint.model_copy(update={"findings": list(lasting)})

    # ---- writing ----

    def _check_tag(self, kit_id: str, if_match: str | None) -> tuple[KitFile, bytes]:
        """Return the file of a kit, and its bytes, which have the ETag that a client knows."""
        file = self._find(kit_id)
        if not isinstance(file, KitFile):
            fix = "Copy it, and edit the copy; or edit the manifest."
            raise KitReadOnlyError(what="This kit comes from a manifest", fix=fix)
        if not if_match:
            raise KitTagMissingError
        data = read_kit_bytes(file)
        if data is None:
            raise _unknown_kit(kit_id)
        if entity_tag(data) not in [word.strip() for word in if_match.split(",")] and if_match.strip() != "*":
            raise KitChangedError(name=self._brief(file).name)
        return file, data

    def _add(self, name: str, text: str) -> KitDetail:
        self._check_free(name)
        slug = sanitize_names(pl.Series([name]), _SLUG_BYTES)[0] or "kit"
        file = self._folder.new_file(f"kit_{slug}" if slug.isdecimal() else slug)
        self._folder.write(file, text.encode())
        return self._describe(self._read(file))

    def _check_free(self, name: str) -> None:
        """Refuse the name of another kit. That of a kit whose file was removed or renamed is free again."""
        folded = _fold(name)
        recorded = self._recorded()
        if any(_fold(kit.name) == folded for kit in self._files(recorded)):
            raise KitTakenError(name=name)
        for row in recorded:
            if _fold(row["name"]) == folded:
                manifest = history.kit_manifest(self._database, row["name"]) or ""
                if os.path.dirname(manifest) != os.path.realpath(self._folder.folder):
                    raise KitTakenError(name=name)

    def _free_name(self, name: str) -> str:
        recorded = self._recorded()
        taken = {_fold(each) for each in [*(row["name"] for row in recorded), *(kit.name for kit in self._files(recorded))]}
        names = (f"{name} copy{'' if number == 1 else f' {number}'}" for number in range(1, len(taken) + 2))
        return next(each for each in names if _fold(each) not in taken)


def _parse(file: KitFile, data: bytes) -> KitText:
    return parse_kit_text(file.path, decode_utf8(file.path, data))


def _read_one_kit(file: KitFile) -> RawManifest:
    raw = read_manifest(file.path)
    if fold_kits(raw.frame["kit"]).n_unique() > 1:
        raise ManifestError(path=file.path, what=_SEVERAL, fix="Spread it over several files.")
    return raw


def _check_editable(text: KitText) -> None:
    if text.obstacle:
        what = f"This kit cannot be edited here: {text.obstacle}"
        raise KitReadOnlyError(what=what, fix="Edit its file in an editor: one pad a line, as A1: kick.wav.")


def _why_read_only(text: KitText) -> str | None:
    return f"It cannot be edited here: {text.obstacle}" if text.obstacle else None


def _kit_of_row(row: Row) -> Kit:
    values = {name: row[name] for name in ("id", "name", "tempo", "samples")}
    return Kit(**values, is_file=False, record_id=row["id"], etag=None, read_only=_OF_MANIFEST, problem=None)


def _unknown_kit(kit_id: str) -> RecordNotFoundError:
    return RecordNotFoundError(noun="Kit", id=kit_id, fix="The list of kits shows those that are known.")


def _fold_all(names: list[str]) -> list[str]:
    return fold_kits(pl.Series(names, dtype=pl.String)).to_list()


@lru_cache(4096)
def _fold(name: str) -> str:
    return _fold_all([name])[0]
