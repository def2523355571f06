"""Put files below a card's ``IMPORT/``: each read back before it has its name, or renamed where its bytes are there already.

Files in the making lie at the root, so that names appear in a folder in the order of their text: the device likely lists
files as their entries stand in the folder (unproven), and FAT gives a new entry the first gap that it finds. Renamed files get
their names in the same order among the others, straight from the old name: so a card that is pulled has each file under one of
its two names. In a new folder, as that of a renamed kit, the order holds; within one folder a new name can take the gap of an
old one.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from blake3 import blake3

from schemas.errors import DiskError, DiskFullError
from tasks.bundle.card import Card, file_state, is_behind_link, list_names, translate_error
from tasks.fs.atomic import (
    create_exclusively,
    part_name,
    remove,
    remove_empty_folders,
    remove_parts,
    sync_file_system,
    write_all,
)
from tasks.fs.file_status import free_bytes, is_regular
from tasks.fs.hashing import hash_file, hash_open_file

# Stands for the hash of a file whose bytes nobody knows before it is made.
UNKNOWN = "?"
_BATCH_FILES, _BATCH_BYTES = 64, 64 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class WantedFile:
    """A file that is to be on the card: ``path`` below IMPORT, with ``/``; ``source``: where it is now."""

    path: str
    source: str
    bytes: int
    file_hash: str


@dataclass(frozen=True)
class KnownFiles:
    """The files that the records know on a card: hashes by paths below IMPORT.

    Attributes:
        recorded: What is there, and may be replaced.
        movable: What is there, is wanted no more, and may get another name.
        may_rename: Whether any file may get another name.
        find_ours: Takes other files (the hashes of their bytes by paths); returns the paths to which these very bytes were
            once written by us.
    """

    recorded: Mapping[str, str]
    movable: Mapping[str, str] = field(default_factory=dict)
    may_rename: bool = True
    find_ours: Callable[[dict[str, str]], set[str]] = lambda _found: set()


@dataclass(frozen=True)
class CopyPlan:
    """The steps that put the wanted files on a card.

    Attributes:
        to_write: Files that the card lacks, in the order of their paths.
        renamed: By the paths of some of these, the path at which their bytes are on the card.
        unchanged: Files that are there already.
        in_the_way: Paths at which another's file is, which stays.
    """

    to_write: list[WantedFile]
    renamed: dict[str, str]
    unchanged: list[WantedFile]
    in_the_way: list[str]


@dataclass(frozen=True)
class CopyResult:
    """The files that are on the card now: copied, or renamed there; and the paths of those whose source is not as recorded."""

    written: list[WantedFile]
    renamed: list[WantedFile]
    modified: list[str]


def plan_copy(card: Card, wanted: Iterable[WantedFile], known: KnownFiles, verify: bool) -> CopyPlan:
    """Compare the wanted files with what is on the card. Remove what a run that was killed left unfinished there.

    Args:
        card: The card.
        wanted: The files.
        known: What the records know of the card.
        verify: Compare all bytes of a file that is recorded with the wanted hash; by default its size will do.

    Raises:
        SurroundingsError: The card was pulled, or cannot be read.
    """
    card.check_there()
    remove_parts(card.root, names=list_names(card.root))
    return _plan(card, wanted, known, hash_file, by_bytes=True, verify=verify)


def foresee_copy(
    card: Card, wanted: Iterable[WantedFile], known: KnownFiles, recorded: Mapping[str, tuple[str, int]]
) -> tuple[CopyPlan, set[str]]:
    """Say what ``plan_copy`` would answer, by the names and sizes on the card and the records. Read no file, and write nothing.

    Args:
        card: The card.
        wanted: The files; those whose bytes are still to be made have ``UNKNOWN`` for a hash, and about their size.
        known: What the records know of the card.
        recorded: Hash and size of every file that was put on the card, by path.

    Returns:
        The plan, and the paths of those of ``to_write`` that may need no copy: only the bytes on the card, or those that are
        still to be made, tell.

    Raises:
        SurroundingsError: The card was pulled.
    """
    card.check_there()
    unread: set[str] = set()

    def recorded_hash(target: str) -> str:
        path = target.removeprefix(os.path.join(card.folder, ""))
        file_hash, size = recorded.get(path, ("", -1))
        if os.path.getsize(target) == size:
            return file_hash
        unread.add(path)
        return ""

    files = list(wanted)
    plan = _plan(card, files, known, recorded_hash, by_bytes=False)
    plan.in_the_way[:] = [path for path in plan.in_the_way if path not in unread]
    known_to_go = {file.path for file in plan.to_write}
    plan.to_write.extend(file for file in files if file.path in unread and file.path not in known_to_go)
    unmade = [file.path for file in plan.to_write if file.file_hash == UNKNOWN]
    return plan, unread.union(path for path in unmade if os.path.lexists(os.path.join(card.folder, path)))


def _plan(
    card: Card,
    wanted: Iterable[WantedFile],
    known: KnownFiles,
    hash_at: Callable[[str], str],
    *,
    by_bytes: bool,
    verify: bool = False,
) -> CopyPlan:
    plan = CopyPlan([], {}, [], [])
    others: dict[str, str] = {}
    replaced: dict[str, str] = {}
    ordered = sorted(wanted, key=lambda file: file.path)
    for file in ordered:
        state, found = _compare(card, file, known.recorded.get(file.path), verify, hash_at)
        if state == "same":
            plan.unchanged.append(file)
        elif state == "other":
            others[file.path] = found
        else:
            plan.to_write.append(file)
            if state == "old":
                replaced[file.path] = found
    card.check_there()
    ours = known.find_ours({path: found for path, found in others.items() if found})
    plan.in_the_way.extend(path for path in others if path not in ours)
    if ours:
        replaced |= {path: others[path] for path in ours}
        plan.to_write.extend(file for file in ordered if file.path in ours)
        plan.to_write.sort(key=lambda file: file.path)
    if known.may_rename:
        sources = [*known.movable.items(), *replaced.items()]
        plan.renamed.update(_find_renames(card, plan.to_write, sources, by_bytes))
    return plan


def fits(card: Card, plan: CopyPlan) -> bool:
    """Return whether there is room for the files of a plan. Raises SurroundingsError."""
    needed, free = _measure_room(card, plan)
    return needed <= free


def check_room(card: Card, plan: CopyPlan, prunable_bytes: int = 0) -> None:
    """Check that there is room for the files of a plan.

    Args:
        card: The card.
        plan: Its files.
        prunable_bytes: What ``--prune`` would free on the card.

    Raises:
        DiskFullError: There is not.
        SurroundingsError: The card cannot be read.
    """
    needed, free = _measure_room(card, plan)
    if needed > free:
        prunable = {"prune_mb": prunable_bytes / 1e6} if prunable_bytes else {}
        raise DiskFullError(path=card.folder, needed_mb=needed / 1e6, free_mb=free / 1e6, is_card=True, **prunable)


def copy_files(card: Card, plan: CopyPlan, record: Callable[[list[WantedFile], list[str]], None]) -> CopyResult:
    """Put the files of a plan on the card.

    Args:
        card: The card.
        plan: What is to be done.
        record: Takes, batch by batch, the files that have their names now, and the paths that no file has any more.

    Raises:
        SurroundingsError: The card was pulled, or cannot be written.
    """
    result = CopyResult([], [], [])
    writer = _CardWriter(card, plan)
    try:
        for batch in _batches(plan):
            named = writer.write(batch)
            record(named, writer.take_vacated())
            result.modified.extend(file.path for file in batch if file not in named)
            for file in named:
                (result.renamed if file.path in plan.renamed else result.written).append(file)
    except OSError as error:
        raise translate_error(card.root, error) from error
    finally:
        writer.remove_parts()
    return result


def prune(card: Card, recorded: Mapping[str, str]) -> list[str]:
    """Remove those of ``recorded`` (paths and their hashes) that are still what we wrote; the paths that are gone then.

    Raises OutputGoneError: what a pulled card does not show is still on it.
    """
    for path, file_hash in recorded.items():
        target = os.path.join(card.folder, path)
        card.check_there()
        if file_state(card.root, path, None, file_hash) == "there":
            remove(target)
            remove_empty_folders(os.path.dirname(target), card.folder)
    return missing_files(card, recorded)


def missing_files(card: Card, paths: Iterable[str]) -> list[str]:
    """Return those of ``paths`` at which nothing is. Raises OutputGoneError: a pulled card shows nothing."""
    gone = [path for path in paths if not os.path.lexists(os.path.join(card.folder, path))]
    card.check_there()
    return gone


def _compare(card: Card, file: WantedFile, known: str | None, verify: bool, hash_at: Callable[[str], str]) -> tuple[str, str]:
    """Return what is at the path of ``file``, and the hash of its bytes (``hash_at``) where that was asked for.

    It is ``nothing``, the ``same`` as wanted, an ``old`` file of ours, or an ``other`` file.
    """
    target = os.path.join(card.folder, file.path)
    if is_behind_link(target):
        return "other", ""
    if not os.path.lexists(target):
        return "nothing", ""
    try:
        if not is_regular(target):
            return "other", ""
        if known == file.file_hash and not verify and os.path.getsize(target) == file.bytes:
            return "same", ""
        found = hash_at(target)
    except OSError:
        return "other", ""
    return "same" if found == file.file_hash else "old" if found == known else "other", found


def _find_renames(card: Card, to_write: list[WantedFile], sources: list[tuple[str, str]], by_bytes: bool) -> dict[str, str]:
    """Return, by their new paths, the old paths of files whose bytes are on the card; each old path goes to one file.

    Args:
        card: The card.
        to_write: The files that are to be written.
        sources: Paths whose bytes are not to stay there, and the hashes that these should have.
        by_bytes: Read them; else their size will do.
    """
    waiting: dict[str, list[str]] = {}
    for path, file_hash in sources:
        waiting.setdefault(file_hash, []).append(path)
    renamed = {}
    for file in to_write:
        paths = waiting.get(file.file_hash, [])
        while paths:
            path = paths.pop(0)
            if file_state(card.root, path, file.bytes, file.file_hash, by_bytes) == "there":
                renamed[file.path] = path
                break
    return renamed


def _measure_room(card: Card, plan: CopyPlan) -> tuple[int, int]:
    """Return the bytes that the files of a plan need, and those that are free.

    Each file takes whole clusters, and so does a new folder; a replaced one stays until its batch ends, and one whose bytes
    get another name frees nothing.
    """
    try:
        status = os.statvfs(card.folder)
        free = free_bytes(card.folder)
    except OSError as error:
        raise translate_error(card.root, error) from error
    cluster = max(status.f_frsize, status.f_bsize, 1)
    folders = {os.path.dirname(file.path) for file in plan.to_write}
    new_folders = sum(not os.path.isdir(os.path.join(card.folder, name)) for name in folders)
    files = sum(_clusters(file.bytes, cluster) for file in plan.to_write if file.path not in plan.renamed)
    kept = set(plan.renamed.values())
    replaced = sum(_clusters(_size_at(card, file.path), cluster) for file in plan.to_write if file.path not in kept)
    # An entry takes 32 bytes, and one more for each 13 characters of its name.
    entries = sum(32 * (2 + len(os.path.basename(file.path)) // 13) for file in plan.to_write)
    needed = files + (new_folders + 1) * cluster + entries - max(replaced - _BATCH_BYTES, 0)
    return (needed if plan.to_write else 0), free


def _clusters(size: int, cluster: int) -> int:
    return -(-size // cluster) * cluster


def _size_at(card: Card, path: str) -> int:
    try:
        return os.lstat(os.path.join(card.folder, path)).st_size
    except OSError:
        return 0


def _batches(plan: CopyPlan) -> Iterator[list[WantedFile]]:
    batch: list[WantedFile] = []
    size = 0
    for file in plan.to_write:
        copied = 0 if file.path in plan.renamed else file.bytes
        if batch and (len(batch) == _BATCH_FILES or size + copied > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += copied
    if batch:
        yield batch


class _CardWriter:
    """Brings the files of a plan to their names, batch by batch.

    A file that is to be renamed waits under its old name. If that is the name of another wanted file, as where two swap
    theirs, it is moved to the root just before that one gets the name.
    """

    def __init__(self, card: Card, plan: CopyPlan) -> None:
        self._card, self._renamed = card, plan.renamed
        self._token, self._numbers = secrets.token_hex(4), count()
        self._parts: list[str] = []
        # Where the bytes of a wanted path are on the card: under the old name, or in the making.
        self._places = {path: os.path.join(card.folder, old) for path, old in plan.renamed.items()}
        self._waiting = {old: path for path, old in plan.renamed.items()}
        self._named: set[str] = set()
        self._vacated: list[str] = []

    def write(self, batch: list[WantedFile]) -> list[WantedFile]:
        """Return those that have their names now: all but those whose source is not what the records say. Raises OSError."""
        for file in batch:
            if file.path not in self._renamed:
                self._card.check_there()
                part = self._new_part()
                if _copy(file, part) == file.file_hash:
                    self._places[file.path] = part
        whole = [file for file in batch if file.path in self._places]
        sync_file_system(self._card.root)
        for file in whole:
            if file.path not in self._renamed:
                _check_read_back(file, self._places[file.path])
        for file in whole:
            self._give_name(file.path)
        sync_file_system(self._card.root)
        self.remove_parts(but=set(self._places.values()))
        return whole

    def take_vacated(self) -> list[str]:
        """Return the old paths of the files that were renamed since the last call, as far as no file has them now."""
        vacated = [path for path in self._vacated if path not in self._named]
        self._vacated = []
        return vacated

    def remove_parts(self, but: Iterable[str] = ()) -> None:
        """Remove what is in the making."""
        for part in self._parts:
            if part not in but:
                remove(part)
        self._parts = [part for part in self._parts if part in but]

    def _give_name(self, path: str) -> None:
        self._card.check_there()
        target = os.path.join(self._card.folder, path)
        if path in self._waiting:
            aside = self._new_part()
            os.replace(target, aside)
            self._places[self._waiting.pop(path)] = aside
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(self._places.pop(path), target)
        self._named.add(path)
        old = self._renamed.get(path)
        if old is not None:
            self._waiting.pop(old, None)
            self._vacated.append(old)
            remove_empty_folders(os.path.dirname(os.path.join(self._card.folder, old)), self._card.folder)

    def _new_part(self) -> str:
        part = os.path.join(self._card.root, part_name(self._token, next(self._numbers)))
        self._parts.append(part)
        return part


def _copy(file: WantedFile, part: str) -> str:
    """Copy a file and return the hash of its bytes; "" where there is nothing to copy."""
    digest = blake3()
    if not is_regular(file.source):
        return ""
    with open(file.source, "rb") as source, create_exclusively(part) as copy:
        while block := source.read(_CHUNK_BYTES):
            digest.update(block)
            write_all(copy, block)
    return str(digest.hexdigest())


def _check_read_back(file: WantedFile, part: str) -> None:
    """From the card itself: what the kernel still holds of it is let go first."""
    fd = os.open(part, os.O_RDONLY)
    try:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if hash_open_file(fd) != file.file_hash:
            raise DiskError(path=part, error=f"{file.path} reads back differently from what was written")
    finally:
        os.close(fd)
