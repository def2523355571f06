"""Folders become a manifest: walk > headers > infer > hear, if asked > propose kits, if asked > merge > write.

The database remembers what was read of each file, so that the next scan reads only what is new or changed, and one that was
killed goes on; and what was written into each manifest, so that what a person edited there is seen and kept.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, Field

from config import genres
from config.settings import Settings, real_path
from schemas.conversion import AnalysisResult, Job, Tags
from schemas.enums import Verb
from schemas.errors import RequestError, SampleError, StoppedError
from schemas.scan import CELLS, FILES, INFERRED, Header, SoundAnalysis
from tasks.audio.header import read_header
from tasks.convert.progress import Progress
from tasks.manifest.source_paths import absolute
from tasks.manifest.table import read_all_columns
from tasks.manifest.write import EXTENSIONS, state_of, write_manifest
from tasks.scan import kit_proposals, merge, rows
from tasks.scan.genre_names import GenreVocabulary
from tasks.scan.infer import RULES, infer
from tasks.scan.walk import FIXES, LACKING, ScannedFile, SkippedPath, SkipReason, parent_names, walk
from tasks.store import scan_memory
from tasks.store.database import Database

# What was read in this time is read again after a kill.
_REMEMBER_SECONDS = 5.0
# Threads that take headers one by one spend their time on handing them over.
_TOGETHER = 64
_FOUND = {"path": pl.String, "root": pl.String, "bytes": pl.Int64, "mtime_ns": pl.Int64, "ctime_ns": pl.Int64}
_TIMES = ("bytes", "mtime_ns", "ctime_ns")
# What another setting may cure is no property of the file.
_PASSING = ("took_too_long", "too_much_memory", "not_reached")


class ScanRequest(BaseModel):
    """``folders`` are scanned for the ``manifest``. ``restore``: rows that a person removed come back."""

    folders: list[str] = Field(min_length=1)
    manifest: str
    kits: bool = False
    analyze: bool = False
    restore: bool = False


class SkippedFile(BaseModel):
    path: str
    why: str
    fix: str


class ChangedCell(BaseModel):
    file_path: str
    column: str
    before: str | None
    after: str | None


class ScanResult(BaseModel):
    """``files``: all that were found, audio or not; ``read``: how many of them had to be opened. ``rows``: of the manifest.

    ``filled``: how many rows have a value in each inferred column, by its source. ``skipped``: how many files and folders were
    left out, by why; ``lacking``: those that somebody may miss. ``gone``, ``moved``, ``kept_out``: files that are no more, are
    elsewhere now, or whose rows a person removed. ``edited``: rows with a person's own values.
    """

    manifest: str
    written: bool
    files: int
    read: int
    rows: int
    added: list[str]
    gone: list[str]
    moved: list[tuple[str, str]]
    kept_out: list[str]
    changes: list[ChangedCell]
    edited: int
    duplicates: int
    kits: int
    filled: dict[str, dict[str, int]]
    skipped: dict[str, int]
    lacking: list[SkippedFile]
    seconds: float


def scan(request: ScanRequest, settings: Settings, progress: Progress) -> ScanResult:
    """Scan folders, and write or bring up to date a manifest. Raises RequestError, ManifestError and SurroundingsError."""
    started = time.perf_counter()
    roots, manifest = _roots(request.folders), _manifest(request.manifest)
    state = state_of(manifest)
    old, delimiter = read_all_columns(manifest) if state else (None, "")
    memory = _Memory(settings)
    known, base = scan_memory.known(Database.of(settings), manifest)
    if old is None:  # what was written into one that is gone is of no matter
        base = base.clear()
    found, skipped = _walked(roots)
    with progress:
        files, read = _with_headers(found, known, memory, progress)
        if request.analyze:
            files = _with_sounds(files, memory, progress)
    skipped += [SkippedPath(path, SkipReason.UNREADABLE, why, fix) for path, why, fix in _troubles(files)]
    skipped += [SkippedPath(path, SkipReason.NOT_AUDIO) for path in files.filter(_IS_NOT_AUDIO)["path"]]
    audio = files.filter(_IS_AUDIO)
    if audio.is_empty():
        raise RequestError(
            what=f"There is no audio file below {', '.join(roots)}",
            fix="Give a folder of samples. Check that its disk is mounted.",
        )
    folder = os.path.dirname(manifest)
    new = _rows(audio, folder, request.kits)
    gone, moved = _gone(base, audio, roots, skipped)
    asked = merge.MergeRequest(frozenset(gone), moved, request.restore, request.kits)
    merged = merge.start_manifest(new) if old is None else merge.merge_manifest(old, _paths(old, folder), base, new, asked)
    written = old is None or not merged.frame.equals(old)
    if written:
        write_manifest(merged.frame, manifest, delimiter, state)
    forgotten = known.filter(_below(roots) & ~pl.col("path").is_in(files["path"].implode()))["path"]
    memory.keep_rows(manifest, _base(base, new, audio, asked, merged), forgotten)
    told = {"manifest": manifest, "written": written, "files": found.height, "read": read}
    return _result(told, merged, new, skipped, time.perf_counter() - started)


def _roots(folders: list[str]) -> list[str]:
    """The folders without links, each once, and none below another. Raises RequestError."""
    real = []
    for folder in folders:
        path = _real(folder)
        if not os.path.isdir(path):
            what = "is not a folder" if os.path.lexists(path) else "does not exist"
            raise RequestError(what=f"{folder} {what}", fix="Give the folder of your samples.")
        real.append(path)
    return [path for path in dict.fromkeys(real) if not any(path != other and _inside(path, other) for other in real)]


def _real(path: str) -> str:
    try:
        return real_path(os.path.expanduser(path))
    except ValueError as error:
        raise RequestError(what=f"{path}: {error}", fix="Give another.") from error


def _inside(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _manifest(path: str) -> str:
    """Where the manifest really is or will be. Raises RequestError."""
    real = _real(path)
    if Path(real).suffix.lower() not in EXTENSIONS:
        raise RequestError(what=f"{path} is not a manifest file", fix=f"Use one of these extensions: {', '.join(EXTENSIONS)}.")
    if not os.path.isdir(os.path.dirname(real)):
        raise RequestError(what=f"The folder of {path} does not exist", fix="Make it, or choose another with -o.")
    return real


def _walked(roots: list[str]) -> tuple[pl.DataFrame, list[SkippedPath]]:
    found: list[tuple[object, ...]] = []
    skipped: list[SkippedPath] = []
    for one in walk(roots):
        if isinstance(one, ScannedFile):
            found.append((one.path, one.root, one.bytes, one.mtime_ns, one.ctime_ns))
        else:
            skipped.append(one)
    return pl.DataFrame(found, _FOUND, orient="row"), skipped


_IS_AUDIO = pl.col("header").is_not_null() & pl.col("trouble").is_null()
_IS_NOT_AUDIO = pl.col("header").is_null() & pl.col("trouble").is_null()


class _Memory:
    """What is learnt of files, written down every few seconds."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        known = genres.load()
        self._known_genres = known.model_dump_json()
        self.vocabulary = GenreVocabulary.build(known.genres, known.words_in_names)
        self._new: list[dict[str, Any]] = []
        self._written = time.monotonic()

    def rules(self, root: str) -> str:
        """What else than the file its guesses depend on."""
        return blake2b(f"{RULES} {self._known_genres} {root}".encode(), digest_size=8).hexdigest()

    @contextmanager
    def remembering(self) -> "Iterator[Callable[[dict[str, Any]], None]]":
        try:
            yield self._add
        finally:
            self._write()

    def _add(self, file: dict[str, Any]) -> None:
        self._new.append(file)
        if time.monotonic() > self._written + _REMEMBER_SECONDS:
            self._write()

    def _write(self) -> None:
        new, self._new = pl.DataFrame(self._new, scan_memory.FILES_SCHEMA, orient="row"), []
        scan_memory.put_files(Database.of(self.settings), new)
        self._written = time.monotonic()

    def keep_rows(self, manifest: str, base: pl.DataFrame, forgotten: pl.Series) -> None:
        scan_memory.put_rows(Database.of(self.settings), manifest, base, forgotten)


def _with_headers(found: pl.DataFrame, known: pl.DataFrame, memory: _Memory, progress: Progress) -> tuple[pl.DataFrame, int]:
    """``found`` with what is known of each (``FILES_SCHEMA``), in its order; and how many files were read for it."""
    now = found.join(known, on=["path"], how="left", suffix="_known", maintain_order="left")
    same = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_known") for name in _TIMES) & (pl.col("mtime_ns") != 0)
    roots = now["root"].unique()
    rules = pl.col("root").replace_strict(roots, [memory.rules(root) for root in roots], return_dtype=pl.String)
    now = now.with_columns(same=same.fill_null(False), rules_now=rules)
    settled = pl.col("same") & ((pl.col("rules") == pl.col("rules_now")) | ~_IS_AUDIO)
    to_do = now.filter(~settled.fill_null(False))
    progress.expect(to_do.height, "read")
    learnt = []
    read = to_do.filter(~pl.col("same")).height
    with memory.remembering() as remember:
        for file in _in_threads(partial(_learnt, memory), to_do.iter_rows(named=True), memory.settings.workers, _TOGETHER):
            remember(file)
            learnt.append(file)
            progress.advance()
    fresh = pl.DataFrame(learnt, scan_memory.FILES_SCHEMA, orient="row")
    files = pl.concat([now.filter(settled.fill_null(False)).select(FILES), fresh])
    order = found.select("path", "root")
    return order.join(files, on="path", how="left", maintain_order="left"), read


def _in_threads(work: Callable[[Any], Any], items: Iterable[Any], workers: int, together: int) -> Iterator[Any]:
    """The answers in order, found by several threads, ``together`` at a time. An interruption waits for those in hand."""
    rest = iter(items)
    parts = iter(lambda: list(islice(rest, together)), [])
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from chain.from_iterable(pool.map(lambda part: [work(item) for item in part], parts))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _learnt(memory: _Memory, file: dict[str, Any]) -> dict[str, Any]:
    """What is to be remembered of a file that is new, was changed, or whose guesses were made by other rules."""
    learnt = {name: file[name] for name in ("path", *_TIMES)} | {"rules": file["rules_now"]}
    learnt |= dict.fromkeys(("header", "trouble", "fix", "guesses", "heard"))
    try:
        header = Header(**json.loads(file["header"])) if file["same"] else read_header(file["path"])
    except SampleError as error:
        return learnt | {"trouble": str(error), "fix": error.fix}
    if header is None:
        return learnt
    stem = os.path.splitext(os.path.basename(file["path"]))[0]
    guesses = infer(header, stem, parent_names(file["path"], file["root"]), memory.vocabulary)
    heard = file["heard"] if file["same"] else None
    return learnt | {"header": json.dumps(header.told()), "guesses": rows.guesses_to_json(guesses), "heard": heard}


def _with_sounds(files: pl.DataFrame, memory: _Memory, progress: Progress) -> pl.DataFrame:
    """``files``, of which all audio was decoded: what was heard, or why it cannot be. Raises SurroundingsError."""
    to_hear = files.filter(_IS_AUDIO & pl.col("heard").is_null()).drop("root")
    settings = memory.settings
    progress.expect(to_hear.height, Verb.ANALYZE)
    executor = progress.executor(settings.limits(), ahead=min(settings.workers, to_hear.height))
    sound = settings.sound()

    def heard(file: dict[str, Any]) -> dict[str, Any]:
        return _as_heard(file, executor.run(Verb.ANALYZE, Job(0, 0, file["path"], "", Tags("", "", None, "", "")), sound))

    learnt = []
    with memory.remembering() as remember:
        try:
            for file in _in_threads(heard, to_hear.iter_rows(named=True), settings.workers, 1):
                remember(file)
                learnt.append(file)
                progress.advance()
        except BaseException:
            progress.stopped.set()
            raise
    update = pl.DataFrame(learnt, scan_memory.FILES_SCHEMA, orient="row").select("path", "heard", "trouble", "fix")
    return files.update(update, on="path", how="left")


def _as_heard(file: dict[str, Any], result: AnalysisResult | None) -> dict[str, Any]:
    if result is None:
        raise StoppedError
    if result.error:
        return file if result.reason in _PASSING else file | {"trouble": result.error, "fix": result.fix}
    return file | {"heard": json.dumps(asdict(result.analysis)) if result.analysis else None}


def _troubles(files: pl.DataFrame) -> Iterable[tuple[str, str, str]]:
    return files.filter(pl.col("trouble").is_not_null()).select("path", "trouble", "fix").iter_rows()


def _rows(audio: pl.DataFrame, folder: str, propose_kits: bool) -> pl.DataFrame:
    """The rows of a manifest in ``folder``: ``path`` and its columns."""
    new = rows.make_rows(audio, folder)
    if audio["heard"].null_count() < audio.height:
        new = rows.with_heard(new, [_heard(text) for text in audio["heard"]])
    return kit_proposals.propose_kits(new) if propose_kits else new


def _heard(text: str | None) -> SoundAnalysis | None:
    if not text:
        return None
    told = json.loads(text)
    return SoundAnalysis(**told | {"tags": tuple(told["tags"])})


def _paths(manifest: pl.DataFrame, folder: str) -> pl.Series:
    """The absolute path of each row."""
    column = next(name for name in manifest.columns if name.strip().lower() == "file_path")
    return absolute(manifest[column].str.strip_chars().fill_null(""), folder)


def _below(folders: list[str]) -> pl.Expr:
    return pl.any_horizontal(pl.col("path").str.starts_with(os.path.join(folder, "")) for folder in folders)


def _gone(
    base: pl.DataFrame, audio: pl.DataFrame, roots: list[str], skipped: list[SkippedPath]
) -> tuple[list[str], dict[str, str]]:
    """Files of the manifest below the folders that are no more; and the new paths of those that were only moved.

    What lies in a folder that cannot be read now is not known to be gone.
    """
    closed = [one.path for one in skipped if one.why is SkipReason.UNREADABLE]
    missing = base.filter(_below(roots) & ~pl.col("path").is_in(audio["path"].implode()))
    lost = [path for path in missing["path"] if not os.path.lexists(path) and not any(_inside(path, dead) for dead in closed)]
    signatures = dict(missing.select("path", "signature").iter_rows())
    fresh = audio.filter(~pl.col("path").is_in(base["path"].implode())).select("path", signature=_SIGNATURE)
    places: dict[str, list[str]] = {}
    for path, signature in fresh.iter_rows():
        places.setdefault(signature, []).append(path)
    moved = {}
    for path in lost:
        if candidates := places.get(signatures[path]):
            same_name = [one for one in candidates if os.path.basename(one) == os.path.basename(path)]
            moved[path] = (same_name or candidates)[0]
            candidates.remove(moved[path])
    return lost, moved


_SIGNATURE = pl.col("header").str.json_path_match("$.signature")


def _base(
    base: pl.DataFrame, new: pl.DataFrame, audio: pl.DataFrame, asked: merge.MergeRequest, merged: merge.MergedManifest
) -> pl.DataFrame:
    """What the next scan compares with: the rows of this one, and the older ones of other folders."""
    now = new.select("path", *CELLS).join(audio.select("path", signature=_SIGNATURE), on="path", maintain_order="left")
    if not asked.kits:  # they were not looked for, and are what they were
        names = base.with_columns(pl.col("path").replace(asked.moved))
        now = now.drop("kit", "bank", "pad").join(names.select("path", "kit", "bank", "pad"), on="path", how="left")
    older = base.filter(~pl.col("path").is_in([*new["path"], *asked.moved, *merged.dropped]))
    return pl.concat([now.select(*scan_memory.ROWS_SCHEMA), older])


def _result(
    told: dict[str, Any], merged: merge.MergedManifest, new: pl.DataFrame, skipped: list[SkippedPath], seconds: float
) -> ScanResult:
    counts: dict[str, int] = {}
    for one in skipped:
        counts[str(one.why)] = counts.get(str(one.why), 0) + 1
    filled = {}
    for name in INFERRED:
        by_source = new.filter(pl.col(name).is_not_null()).group_by(f"{name}_source").len().sort("len", descending=True)
        filled[name] = dict(by_source.iter_rows())
    return ScanResult(
        **told,
        rows=merged.frame.height,
        added=merged.added,
        gone=merged.gone,
        moved=merged.moved,
        kept_out=merged.kept_out,
        changes=[ChangedCell(**asdict(change)) for change in merged.changes],
        edited=merged.edited,
        duplicates=new["duplicate_of"].count(),
        kits=new["kit"].drop_nulls().n_unique(),
        filled=filled,
        skipped=counts,
        lacking=[_lacking(one) for one in skipped if one.why in LACKING],
        seconds=seconds,
    )


def _lacking(one: SkippedPath) -> SkippedFile:
    why = f"{one.why}: {one.detail}" if one.detail else str(one.why)
    return SkippedFile(path=one.path.encode(errors="backslashreplace").decode(), why=why, fix=one.fix or FIXES.get(one.why, ""))
