"""A card for the device: its root is found, and files are put below ``IMPORT/``, each read back before it has its name.

Files in the making lie at the root, so that names appear in a folder in the order of their text: the device likely lists
files as their entries stand in the folder (unproven), and FAT gives a new entry the first gap that it finds.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from blake3 import blake3

from schemas.errors import CardError, DiskError, DiskFullError, OutputGoneError, SurroundingsError, write_failure
from tasks.fs.atomic import (
    create_exclusively,
    is_part,
    part_name,
    remove,
    remove_empty_folders,
    remove_parts,
    sync_file_system,
    write_all,
)
from tasks.fs.file_status import free_bytes, is_regular
from tasks.fs.hashing import hash_file, hash_open_file, is_unmodified
from tasks.fs.system_files import ON_EMPTY_CARDS

IMPORT = "IMPORT"
# At the root: which card this is, since the next computer may mount it elsewhere.
_MARK = ".sp404-export"
_MARK_TEXT = "{}\nsp404-export knows this card by the number above.\n"
_ID = re.compile(r"\A[0-9a-f]{32}\n")
_BATCH_FILES, _BATCH_BYTES = 64, 64 << 20
_CHUNK_BYTES = 1 << 20
# What only a project or a backup of the device holds.
_OF_DEVICE = ("PADCONF.BIN", "SMPL", "PTN", "PICTURE")
_BESIDE_IMPORT = ("EXPORT", "BKUP")
_ON_EMPTY_CARDS = ON_EMPTY_CARDS | {_MARK}


@dataclass(frozen=True)
class Wanted:
    """A file that is to be on the card: ``path`` below IMPORT, with ``/``; ``source``: where it is now."""

    path: str
    source: str
    bytes: int
    file_hash: str


@dataclass(frozen=True)
class Card:
    """Where a card is mounted, and the number of its file system: when it is pulled, the folder below it has another."""

    root: str
    device: int

    @property
    def folder(self) -> str:
        return os.path.join(self.root, IMPORT)

    def check_there(self) -> None:
        """Raises OutputGoneError."""
        try:
            there = os.stat(self.root).st_dev == self.device and os.path.isdir(self.folder)
        except OSError:
            there = False
        if not there:
            raise OutputGoneError(path=self.root)


@dataclass
class Put:
    """What became of the wanted files; paths are below IMPORT. ``in_the_way``: another's file stands there, and stays.
    ``spoiled``: what is to be copied is not what the records say.
    """

    written: list[Wanted] = field(default_factory=list)
    unchanged: list[Wanted] = field(default_factory=list)
    in_the_way: list[str] = field(default_factory=list)
    spoiled: list[str] = field(default_factory=list)


def find(path: str, initialize: bool = False) -> Card:
    """The card at ``path``. With ``initialize`` an empty one gets its ``IMPORT/``.

    Raises CardError where it is none, saying what it is instead, and what writing raises.
    """
    root = os.path.realpath(path) if path else ""
    if not os.path.isdir(root):
        what = "is a file, not a folder" if os.path.exists(root) else "is not there"
        raise CardError(path=path, what=what, fix="Put the card in, and give the folder it is mounted on.")
    names = {name.upper(): name for name in _listed(root)}
    if any(name in names for name in _OF_DEVICE):
        raise CardError(
            path=root, what="is a project or a backup of the device", fix=f"Give the card's root, where {IMPORT} is."
        )
    if os.path.isdir(os.path.join(root, IMPORT)):
        return Card(root, os.stat(root).st_dev)
    if IMPORT in names:
        what = f"has {names[IMPORT]} instead of a folder {IMPORT}"
        raise CardError(path=root, what=what, fix="Rename it: the device may not find it so.")
    own_name = os.path.basename(root).upper()
    if own_name in (IMPORT, *_BESIDE_IMPORT):
        what, fix = f"is the card's {own_name} folder, not its root", f"Give the root: --card {os.path.dirname(root)}"
        raise CardError(path=root, what=what, fix=fix)
    if "ROLAND" in names:
        what = f"has ROLAND/, but no {IMPORT}/: the SP-404MKII reads {IMPORT} at the card's root"
        raise CardError(path=root, what=what, fix=f"Make the folder {os.path.join(root, IMPORT)} if this is the card.")
    beside = [name for name in _BESIDE_IMPORT if name in names]
    empty = all(name.lower() in _ON_EMPTY_CARDS or is_part(name) for name in names.values())
    if not (empty or beside):
        shown = ", ".join(sorted(names.values())[:3])
        fix = f"Give the card's root, where {IMPORT} is; an empty card gets it with --init-card."
        raise CardError(path=root, what=f"is not a card of the SP-404MKII: it has {shown}", fix=fix)
    if not initialize:
        what = "is empty" if empty else f"has {beside[0]}/, but no {IMPORT}/"
        raise CardError(path=root, what=what, fix="Add --init-card if this is the card, or let the device format it.")
    try:
        os.mkdir(os.path.join(root, IMPORT))
    except OSError as error:
        raise _trouble(root, error) from error
    return Card(root, os.stat(root).st_dev)


def card_id(root: str) -> str | None:
    """The number that a card was given; None if it has none that can be read."""
    try:
        with open(os.path.join(root, _MARK), encoding="ascii") as file:
            found = _ID.match(file.read(100))
    except (OSError, UnicodeDecodeError):
        return None
    return found[0].strip() if found else None


def marked(card: Card) -> str:
    """The card's number; a new card is given one. Raises what writing raises."""
    card.check_there()
    root = card.root
    known = card_id(root)
    if known:
        return known
    number = secrets.token_hex(16)
    part = os.path.join(root, part_name(secrets.token_hex(4), 0))
    mark = os.path.join(root, _MARK)
    try:
        if os.path.lexists(mark):
            raise CardError(path=mark, what="is not what sp404-export wrote", fix="Move it away if you do not need it.")
        with create_exclusively(part) as file:
            write_all(file, _MARK_TEXT.format(number).encode())
            os.fsync(file.fileno())
        os.replace(part, mark)
    except OSError as error:
        remove(part)
        raise _trouble(root, error) from error
    return number


def put(
    card: Card, wanted: Iterable[Wanted], recorded: Mapping[str, str], record: Callable[[list[Wanted]], None], verify: bool
) -> Put:
    """Put files on the card, in the order of their paths. ``recorded``: by path, the hash of what we know to stand there, and
    may replace.

    Of a path that is recorded with the hash that is wanted the size will do, or with ``verify`` its bytes. ``record`` is told
    what has its name now, batch by batch. A file that we did not write, or that was changed since, is left alone.
    Raises DiskFullError before anything is written where it cannot fit, and other SurroundingsErrors.
    """
    card.check_there()
    folder = card.folder
    answer = Put()
    todo: list[Wanted] = []
    # What a run that was killed, or a card that was pulled, left unfinished.
    remove_parts(card.root, names=_listed(card.root))
    for one in sorted(wanted, key=lambda one: one.path):
        match _standing(os.path.join(folder, one.path), one, recorded.get(one.path), verify):
            case "nothing" | "old":
                todo.append(one)
            case "same":
                answer.unchanged.append(one)
            case _:
                answer.in_the_way.append(one.path)
    try:
        _check_room(folder, todo)
    except OSError as error:
        raise _trouble(card.root, error) from error
    token = secrets.token_hex(4)
    record([one for one in answer.unchanged if recorded.get(one.path) != one.file_hash])
    for batch in _batches(todo):
        written = _write(card, batch, token)
        record(written)
        answer.written += written
        answer.spoiled += [one.path for one in batch if one not in written]
    return answer


def prune(card: Card, recorded: Mapping[str, str]) -> list[str]:
    """Remove those of ``recorded`` (paths and their hashes) that are still what we wrote; the paths that are gone then.

    Raises OutputGoneError: what a pulled card does not show is still on it.
    """
    for path, file_hash in recorded.items():
        target = os.path.join(card.folder, path)
        card.check_there()
        if state(card.root, path, None, file_hash) == "there":
            remove(target)
            remove_empty_folders(os.path.dirname(target), card.folder)
    gone = [path for path in recorded if not os.path.lexists(os.path.join(card.folder, path))]
    card.check_there()
    return gone


def state(root: str, path: str, size: int | None, file_hash: str) -> str:
    """``there``, ``missing`` or ``changed``: a recorded file, by all its bytes."""
    target = os.path.join(root, IMPORT, path)
    if not os.path.lexists(target):
        return "missing"
    return "there" if is_unmodified(target, file_hash, size=size) else "changed"


def unknown(root: str, known: Iterable[str]) -> list[str]:
    """The files below IMPORT that are not among ``known``."""
    folder = os.path.join(root, IMPORT)
    found = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted({os.path.relpath(path, folder) for path in found} - set(known))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise CardError(path=folder, what=f"cannot be read: {error.strerror}", fix="Check the card.") from error


def _standing(target: str, one: Wanted, known: str | None, verify: bool) -> str:
    """What stands at ``target``: nothing, the same as is wanted, old (what we wrote before), or another's file."""
    if os.path.realpath(os.path.dirname(target)) != os.path.dirname(target):
        return "other"
    if not os.path.lexists(target):
        return "nothing"
    try:
        if not is_regular(target):
            return "other"
        if known == one.file_hash and not verify and os.path.getsize(target) == one.bytes:
            return "same"
        found = hash_file(target)
    except OSError:
        return "other"
    return "same" if found == one.file_hash else "old" if found == known else "other"


def _check_room(folder: str, todo: list[Wanted]) -> None:
    """A file takes whole clusters, and so does a new folder; what is replaced is there until the new one is."""
    status = os.statvfs(folder)
    cluster = max(status.f_frsize, status.f_bsize, 1)
    folders = {os.path.dirname(one.path) for one in todo}
    new_folders = sum(not os.path.isdir(os.path.join(folder, name)) for name in folders)
    files = [-(-one.bytes // cluster) * cluster for one in todo]
    replaced = sum(size for one, size in zip(todo, files, strict=True) if os.path.lexists(os.path.join(folder, one.path)))
    # An entry takes 32 bytes, and one more for each 13 characters of its name.
    entries = sum(32 * (2 + len(os.path.basename(one.path)) // 13) for one in todo)
    needed = sum(files) + (new_folders + 1) * cluster + entries - max(replaced - _BATCH_BYTES, 0)
    free = free_bytes(folder)
    if todo and needed > free:
        raise DiskFullError(path=folder, needed_mb=needed / 1e6, free_mb=free / 1e6)


def _batches(todo: list[Wanted]) -> Iterator[list[Wanted]]:
    batch: list[Wanted] = []
    size = 0
    for one in todo:
        if batch and (len(batch) == _BATCH_FILES or size + one.bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.bytes
    if batch:
        yield batch


def _write(card: Card, batch: list[Wanted], token: str) -> list[Wanted]:
    """Those that have their names now: all but what is not what the records say."""
    parts = {one: os.path.join(card.root, part_name(token, number)) for number, one in enumerate(batch)}
    try:
        whole: list[Wanted] = []
        for one, part in parts.items():
            card.check_there()
            if _copied(one, part) == one.file_hash:
                whole.append(one)
        sync_file_system(card.root)
        for one in whole:
            _check_read_back(one, parts[one])
        for one in whole:
            card.check_there()
            target = os.path.join(card.folder, one.path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(parts[one], target)
        sync_file_system(card.root)
    except OSError as error:
        raise _trouble(card.root, error) from error
    finally:
        for part in parts.values():
            remove(part)
    return whole


def _trouble(root: str, error: OSError) -> SurroundingsError:
    trouble = write_failure(os.path.join(root, IMPORT), error)
    if isinstance(trouble, SurroundingsError):
        return trouble
    return DiskError(path=error.filename or root, error=error.strerror or str(error))


def _copied(one: Wanted, part: str) -> str:
    """The hash of what was copied; nothing where there is nothing to copy."""
    digest = blake3()
    if not is_regular(one.source):
        return ""
    with open(one.source, "rb") as source, create_exclusively(part) as copy:
        while block := source.read(_CHUNK_BYTES):
            digest.update(block)
            write_all(copy, block)
    return str(digest.hexdigest())


def _check_read_back(one: Wanted, part: str) -> None:
    """From the card itself: what the kernel still holds of it is let go first."""
    fd = os.open(part, os.O_RDONLY)
    try:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if hash_open_file(fd) != one.file_hash:
            raise DiskError(path=part, error=f"{one.path} reads back differently from what was written")
    finally:
        os.close(fd)
