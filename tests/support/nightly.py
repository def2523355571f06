"""A small library that is exported again and again in this process, with what must be true after every export.

A DuckDB file is opened seven times an export; here one connection is held, by which that takes no time.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from pandera.config import config_context

from config.settings import Settings, load
from flows.export import passes, pipeline, plan, preview, threads
from flows.export.request import resolve
from schemas.conversion import Job, Outcome, SoundSettings
from schemas.errors import Sp404Error
from schemas.export import ExportConfig, ExportRequest, SoundConfig
from schemas.manifest import COLUMNS
from schemas.report import BatchExportResult
from tasks.convert import shard
from tasks.fs import atomic, file_status
from tasks.fs.place_mark import MARK_FILE
from tasks.isolation import worker
from tasks.layout import sharding
from tasks.store import database, export_records
from tests.support import audio
from tests.support.records import WRONG_LAST_STATUS

Tree = dict[str, bytes]
Row = dict[str, Any]


@dataclass
class Spy:
    """The sources (names) with which each verb of the worker was called in this process, and those that were hashed."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)
    before: Callable[[str, Job], None] | None = None

    def of(self, verb: str) -> list[str]:
        return sorted(name for its_verb, name in self.calls if its_verb == verb)

    def clear(self) -> None:
        self.calls.clear()
        self.hashed.clear()


def spied(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """Decode in this process, and write down every call of a verb. Times of new files can be trusted at once."""
    spy, verbs, hash_with_times = Spy(), worker.audio_verbs(), plan.hash_with_times

    def watched(verb: str, job: Job, sound: SoundSettings) -> Outcome:
        if spy.before:
            spy.before(verb, job)
        spy.calls.append((verb, os.path.basename(job.source)))
        return verbs[verb](job, sound)

    def watched_hash(path: str) -> object:
        spy.hashed.append(os.path.basename(path))
        return hash_with_times(path)

    counting: Mapping[str, Any] = {verb: partial(watched, verb) for verb in verbs}
    monkeypatch.setattr(worker, "audio_verbs", lambda: counting)
    monkeypatch.setattr(plan, "hash_with_times", watched_hash)
    monkeypatch.setattr(file_status, "_CLOCK_STEP_NS", 0)
    monkeypatch.setenv("SP404_CONTAINED", "false")
    monkeypatch.setenv("SP404_WORKERS", "2")
    monkeypatch.setenv("SP404_LOCK_WAIT_SECONDS", "5")
    return spy


def tree(folder: Path) -> Tree:
    """Return all files below a folder, by their paths; a link by where it points to. The mark of a folder is none."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path == folder / MARK_FILE:
            continue
        if path.is_symlink():
            found[str(path.relative_to(folder))] = b"-> " + os.fsencode(os.readlink(path))
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def sounds(found: Tree) -> Tree:
    return {path: content for path, content in found.items() if not path.endswith("_metadata.txt")}


def texts(found: Tree) -> Tree:
    """Metadata files, but for the last line, which says the export."""
    return {path: content.rpartition(b"Export id: ")[0] for path, content in found.items() if path.endswith("_metadata.txt")}


def states(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each file's inode, time and size: the same ones when nobody wrote to it."""
    return {
        str(path.relative_to(folder)): ((status := path.stat()).st_ino, status.st_mtime_ns, status.st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MARK_FILE
    }


@dataclass
class Nightly:
    """``rows`` are the manifest's, in order; ``strays``: files in the output folder that no export wrote.

    ``checked``: Pandera looks at every row. That is half of the time of a small export, and rejects what is to be rejected.
    """

    folder: Path
    spy: Spy
    rows: list[Row] = field(default_factory=list)
    strays: set[str] = field(default_factory=set)
    checked: bool = False
    columns: tuple[str, ...] = tuple(COLUMNS)
    out: Path = Path()
    db: Path = Path()
    # Quoted: evaluated, it would keep DuckDB's class alive for as long as this one, which is beyond the interpreter's last
    # collection. DuckDB's binding then prints two screens of "nanobind: leaked 27 instances, 6 types, 84 functions".

    def __post_init__(self) -> None:
        self.out, self.db = self.folder / "out", self.folder / "records.duckdb"
        self.lib.mkdir(parents=True, exist_ok=True)

    @property
    def lib(self) -> Path:
        return self.folder / "lib"

    @property
    def manifest(self) -> Path:
        return self.lib / "m.csv"

    # ---- the library ----

    def sound(self, name: str, hz: float = 440, seconds: float = 0.11, rate: int = 44_100, **how: Any) -> Path:
        """Write a source that is really converted, with a tone of ``hz``; a new file if one was there."""
        path = self.lib / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        subtype = how.pop("subtype", "PCM_16")
        return audio.write(path, audio.tone(seconds, rate, hz=hz, **how), rate, "WAV", subtype)

    def add(self, name: str, hz: float | None = None, **cells: Any) -> Row:
        """Add a row with the next id, and its source if ``hz`` is given."""
        if hz is not None:
            self.sound(name, hz)
        highest = max((row["sample_id"] for row in self.rows if isinstance(row["sample_id"], int)), default=0)
        row = {"sample_id": highest + 1, "file_path": name, "title": Path(name).stem} | cells
        self.rows.append(row)
        return row

    def write(self, manifest: Path | None = None) -> Path:
        path = manifest or self.manifest
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns, restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        return path

    # ---- exports ----

    def request(
        self, *, sound: Row | None = None, manifest: Path | None = None, out: Path | None = None, **how: Any
    ) -> ExportRequest:
        config = {name: how.pop(name) for name in ExportConfig.model_fields if name in how}
        return ExportRequest(
            manifest=str(manifest or self.manifest),
            config=ExportConfig(**({"output_base_path": str(out or self.out)} | config)),
            sound=SoundConfig(**(sound or {})),
            db=str(self.db),
            **how,
        )

    def export(self, *, whole: bool = True, write: bool = True, **how: Any) -> BatchExportResult:
        """Write the manifest and export it. ``whole``: afterwards `sp404 verify` must find nothing."""
        if write and not how.get("manifest"):
            self.write()
        self.spy.clear()
        with config_context(validation_enabled=self.checked):
            batch = threads.export_directly(self.request(**how))
        self.check(batch)
        if whole:
            assert not (found := self.findings()), found
        return batch

    def check(self, batch: BatchExportResult) -> None:
        """Every row is accounted for, in the answer and in the records; nothing is left in the making."""
        counts = Counter(str(result.status) for result in batch.results)
        reported = {
            "exported": batch.successful - batch.unchanged,
            "unchanged": batch.unchanged,
            "rejected": batch.rejected,
            "failed": batch.failed,
        }
        assert counts == Counter({name: count for name, count in reported.items() if count})
        assert batch.total_requested == len(batch.results) == sum(reported.values())
        sql = "SELECT status, count(*) FROM sp404_export_samples WHERE export_id = ? GROUP BY status"
        assert dict(self.ask(sql, batch.export_id)) == counts
        assert self.ask("SELECT sample_count, finished_at IS NOT NULL FROM sp404_exports WHERE id = ?", batch.export_id) == [
            (batch.total_requested, True)
        ]
        assert self.ask(WRONG_LAST_STATUS) == []
        for result in batch.results:
            if result.success:
                assert os.path.getsize(str(result.output_path)) == result.file_size_bytes
        assert [path for path in self.folder.rglob("*.part") if atomic.is_part(path.name)] == []

    def findings(self, export_id: int | None = None) -> list[tuple[str, str]]:
        """Return what `sp404 verify` finds below the output folder, but for the strays."""
        found = self.verified(export_id).findings
        named = [(str(Path(one.path).relative_to(self.folder)), one.damage) for one in found]
        return [(path, damage) for path, damage in named if path not in {f"out/{stray}" for stray in self.strays}]

    def verified(self, export_id: int | None = None) -> preview.VerifyReport:
        return preview.verify(_settings(str(self.db)), export_id, 2)

    def outputs(self, *columns: str) -> list[tuple[Any, ...]]:
        return self.ask(f"SELECT {', '.join(columns)} FROM outputs ORDER BY output_path, path")

    def paths(self) -> set[str]:
        """Return the samples that stand in the output folder."""
        return set(sounds(tree(self.out))) - self.strays

    # ---- the records ----

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with database.Database(str(self.db), 5).connect() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def ask_by_the_project(self) -> None:
        """Open the database as any command does."""
        with database.Database(str(self.db), 5).connect() as connection:
            database.run(connection, "read_all")


class Killed(BaseException):
    """The end of a run in this process, without anything that a run does when it ends."""


def killed(nightly: Nightly, monkeypatch: pytest.MonkeyPatch, merged: int = 1, unrecorded: int = 0, **how: Any) -> None:
    """Kill an export in shards of two samples: ``merged`` shards are in the records, ``unrecorded`` more
    have left their part, and the next one was about to give its files their names.
    """
    nightly.write()
    real, published, count = export_records.add_parts, shard.publish, iter(range(10_000))

    def merge(place: Any, asked: Any, parts: list[Path]) -> None:
        if next(count) < merged:
            real(place, asked, parts)

    def publish(staged: Any, shard: Any) -> Any:
        if shard.start >= 2 * (merged + unrecorded):
            raise Killed
        return published(staged, shard)

    def end(*_: object) -> Any:
        raise Killed

    with monkeypatch.context() as patch, config_context(validation_enabled=nightly.checked):
        patch.setattr(sharding, "_JOBS_PER_SHARD", 2)
        patch.setattr(sharding, "_FILE_COST_BYTES", 1 << 40)
        patch.setattr(passes, "_MERGE_SHARE", 1.0)  # each shard as it comes
        patch.setattr(export_records, "add_parts", merge)
        patch.setattr(shard, "publish", publish)
        with pytest.raises(Killed):
            pipeline.run_export(resolve(nightly.request(workers=1, **how)), replace(threads.DIRECT, record=end))


def killed_while_naming(nightly: Nightly, named: int, **how: Any) -> None:
    """Kill an export of one shard when ``named`` files more than one have their names, and nothing says so to the records."""
    published = shard.publish

    def publish(staged: Any, its_shard: Any) -> Any:
        for count, done in enumerate(published(staged, its_shard)):
            if count >= named:
                raise Killed
            yield done

    killed_by(nightly, "publish", publish, **how)


def killed_by(nightly: Nightly, name: str, instead: Callable[..., Any], **how: Any) -> None:
    """Kill an export in which ``instead`` of a function of ``tasks.convert.shard`` raises Killed."""

    def end(*_: object) -> Any:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, config_context(validation_enabled=nightly.checked):
        patch.setattr(shard, name, instead)
        with pytest.raises(Killed):
            pipeline.run_export(resolve(nightly.request(workers=1, **how)), replace(threads.DIRECT, record=end))


@cache
def _settings(db: str) -> Settings:
    return load({"db": db}, lambda *_: {}).settings


def statuses(batch: BatchExportResult) -> list[str]:
    return [str(result.status) for result in batch.results]


def path_of(batch: BatchExportResult, sample_id: int) -> str:
    path = next(result.output_path for result in batch.results if result.sample_id == sample_id)
    return os.path.relpath(str(path), batch.output_base_path)


def refused(nightly: Nightly, kind: type[Sp404Error], **how: Any) -> Sp404Error:
    with pytest.raises(kind) as error:
        nightly.export(**how)
    return error.value


def empty_database(path: Path) -> Path:
    """Make a database without rows, migrated to the newest version."""
    with database.Database(str(path), 5).connect():
        pass
    return path


def new(folder: Path, spy: Spy, template: Path | None = None) -> Nightly:
    """``template``: an empty database, migrated already."""
    made = Nightly(folder, spy)
    if template:
        made.db.write_bytes(template.read_bytes())
        made.ask("SELECT 1")
    return made
