"""Read the files of a scan, headers first and sound on request; remember each in the database, so that none is read twice."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from typing import Any

import polars as pl

from config import genres
from config.settings import Settings
from flows.scan_threads import work_in_threads
from schemas.conversion import AnalysisResult, Job, Tags
from schemas.enums import Verb
from schemas.errors import SampleError, StoppedError
from schemas.scan_values import FILES, Header
from tasks.audio.header import READER, read_header
from tasks.convert.progress import Progress
from tasks.scan import rows
from tasks.scan.genre_names import GenreVocabulary
from tasks.scan.infer import RULES, infer
from tasks.scan.walk import parent_names
from tasks.store import scan_memory
from tasks.store.database import Database

IS_AUDIO = pl.col("header").is_not_null() & pl.col("trouble").is_null()
SIGNATURE = pl.col("header").str.json_path_match("$.signature").alias("signature")
IS_NOT_AUDIO = pl.col("header").is_null() & pl.col("trouble").is_null()
# What was read within this time is read again after a kill.
_REMEMBER_SECONDS = 5.0
_HEADERS_AT_ONCE = 64
_STAMP = ("bytes", "mtime_ns", "ctime_ns")
_BY_READER = f"{READER}-"
# Another setting may cure these: they are not a property of the file.
_PASSING_REASONS = ("took_too_long", "too_much_memory", "not_reached")


class FileMemory:
    """The facts that a scan learns of files, written to the database every few seconds."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        known = genres.load()
        self._known_genres = known.model_dump_json()
        self.vocabulary = GenreVocabulary.build(known.genres, known.words_in_names)
        self._new: list[dict[str, Any]] = []
        self._written = time.monotonic()

    def hash_rules(self, root: str) -> str:
        """Return the version of the reader, and a hash of what else the guesses of a file below ``root`` depend on."""
        return _BY_READER + blake2b(f"{RULES} {self._known_genres} {root}".encode(), digest_size=8).hexdigest()

    @contextmanager
    def remembering(self) -> "Iterator[Callable[[dict[str, Any]], None]]":
        """Give a function that takes files (``scan_memory.FILES_SCHEMA``); the last of them are written at the end."""
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


def read_headers(files: pl.DataFrame, known: pl.DataFrame, memory: FileMemory, progress: Progress) -> tuple[pl.DataFrame, int]:
    """Read the headers of files that are new or changed, or were read by an older release, and infer their values.

    What was heard of a sound is kept where its file was moved, or has another date: by the signature of its content.

    Args:
        files: All files below the folders: ``path, root`` (String), ``bytes, mtime_ns, ctime_ns`` (Int64).
        known: What earlier scans learnt (``scan_memory.FILES_SCHEMA``).
        memory: Takes what is learnt.
        progress: Counts each file that is read.

    Returns:
        ``files`` in their order with ``scan_memory.FILES_SCHEMA``, and how many were opened.
    """
    now = files.join(known, on=["path"], how="left", suffix="_known", maintain_order="left")
    untouched = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_known") for name in _STAMP) & (pl.col("mtime_ns") != 0)
    now = now.with_columns(untouched=untouched.fill_null(False))
    same = pl.col("untouched") & pl.col("rules").str.starts_with(_BY_READER)
    roots = now["root"].unique()
    rules = pl.col("root").replace_strict(roots, [memory.hash_rules(root) for root in roots], return_dtype=pl.String)
    now = now.with_columns(same=same.fill_null(False), rules_now=rules)
    settled = (pl.col("same") & ((pl.col("rules") == pl.col("rules_now")) | ~IS_AUDIO)).fill_null(False)
    to_do = now.filter(~settled)
    progress.expect(to_do.height, "read")
    learnt = []
    with memory.remembering() as remember:
        infer_one = partial(_infer_file, memory, _heard_by_signature(known) if to_do.height else {})
        for file in work_in_threads(infer_one, to_do.iter_rows(named=True), memory.settings.workers, _HEADERS_AT_ONCE):
            check_stopped(progress)
            remember(file)
            learnt.append(file)
            progress.advance()
    fresh = pl.DataFrame(learnt, scan_memory.FILES_SCHEMA, orient="row")
    all_files = pl.concat([now.filter(settled).select(FILES), fresh])
    ordered = files.select("path", "root").join(all_files, on="path", how="left", maintain_order="left")
    return ordered, to_do.filter(~pl.col("same")).height


def analyze_sounds(files: pl.DataFrame, memory: FileMemory, progress: Progress) -> pl.DataFrame:
    """Decode the audio of files that were not analyzed before.

    Args:
        files: The result of ``read_headers``.
        memory: Takes what is learnt.
        progress: Counts each file, and provides the processes that decode.

    Returns:
        ``files`` with the analysis in ``heard``, or with ``trouble`` and ``fix`` where the audio cannot be decoded.

    Raises:
        SurroundingsError: The scan cannot go on.
    """
    to_do = files.filter(IS_AUDIO & pl.col("heard").is_null()).drop("root")
    settings = memory.settings
    progress.expect(to_do.height, Verb.ANALYZE)
    executor = progress.start_workers(settings.limits(), settings.workers, to_do.height)
    sound = settings.sound()

    def analyze(file: dict[str, Any]) -> dict[str, Any]:
        job = Job(0, 0, file["path"], "", Tags("", "", None, "", ""))
        return _add_result(file, executor.run(Verb.ANALYZE, job, sound))

    learnt = []
    with memory.remembering() as remember:
        try:
            for file in work_in_threads(analyze, to_do.iter_rows(named=True), settings.workers):
                check_stopped(progress)
                remember(file)
                learnt.append(file)
                progress.advance()
        except BaseException:
            progress.stopped.set()
            raise
    update = pl.DataFrame(learnt, scan_memory.FILES_SCHEMA, orient="row").select("path", "heard", "trouble", "fix")
    return files.update(update, on="path", how="left")


def check_stopped(progress: Progress) -> None:
    """Raise StoppedError where a scan was cancelled: what it has read is remembered."""
    if progress.stopped.is_set():
        raise StoppedError


def _heard_by_signature(known: pl.DataFrame) -> dict[str, str]:
    heard = known.filter(pl.col("heard").is_not_null()).select(SIGNATURE, "heard")
    return dict(heard.iter_rows())


def _infer_file(memory: FileMemory, heard_before: Mapping[str, str], file: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be remembered of a file that is new, was changed, or whose guesses followed other rules."""
    learnt = {name: file[name] for name in ("path", *_STAMP)} | {"rules": file["rules_now"]}
    learnt |= dict.fromkeys(("header", "trouble", "fix", "guesses", "heard"))
    try:
        header = Header(**json.loads(file["header"])) if file["same"] else read_header(file["path"])
    except SampleError as error:
        return learnt | {"trouble": str(error), "fix": error.fix}
    if header is None:
        return learnt
    stem = os.path.splitext(os.path.basename(file["path"]))[0]
    guesses = infer(header, stem, parent_names(file["path"], file["root"]), memory.vocabulary)
    heard = file["heard"] if file["untouched"] else heard_before.get(header.signature)
    return learnt | {"header": json.dumps(header.known_values()), "guesses": rows.guesses_to_json(guesses), "heard": heard}


def _add_result(file: dict[str, Any], result: AnalysisResult | None) -> dict[str, Any]:
    if result is None:
        raise StoppedError
    if result.error:
        return file if result.reason in _PASSING_REASONS else file | {"trouble": result.error, "fix": result.fix}
    return file | {"heard": json.dumps(asdict(result.analysis)) if result.analysis else None}
