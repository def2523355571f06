"""Find a card of the device, and put files below its ``IMPORT/``, each read back before it has its name.

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
from tasks.fs.system_files import has_system_name_below, is_junk, is_system_name

IMPORT = "IMPORT"
# At the root: which card this is, since the next computer may mount it elsewhere.
_ID_FILE = ".sp404-export"
_ID_TEXT = "{}\nsp404-export knows this card by the number above.\n"
_ID = re.compile(r"\A[0-9a-f]{32}\n")
_BATCH_FILES, _BATCH_BYTES = 64, 64 << 20
_CHUNK_BYTES = 1 << 20
# What only a project or a backup of the device holds.
_OF_DEVICE = ("PADCONF.BIN", "SMPL", "PTN", "PICTURE")
_BESIDE_IMPORT = ("EXPORT", "BKUP")


@dataclass(frozen=True)
class WantedFile:
    """A file that is to be on the card: ``path`` below IMPORT, with ``/``; ``source``: where it is now."""

    path: str
    source: str
    bytes: int
    file_hash: str


@dataclass(frozen=True)
class Card:
    """The mount point of a card, and the number of its file system: when it is pulled, the folder below it has another."""

    root: str
    device: int

    @property
    def folder(self) -> str:
        """The card's IMPORT folder."""
        return os.path.join(self.root, IMPORT)

    def check_there(self) -> None:
        """Check that the card is still mounted.

        Raises:
            OutputGoneError: It was pulled.
        """
        try:
            there = os.stat(self.root).st_dev == self.device and os.path.isdir(self.folder)
        except OSError:
            there = False
        if not there:
            raise OutputGoneError(path=self.root)


@dataclass
class CopyResult:
    """The fate of each wanted file; paths are below IMPORT.

    Attributes:
        written: They are on the card now.
        unchanged: They were there already.
        in_the_way: Another's file is there, and stays.
        modified: The file to copy is not what the records say.
    """

    written: list[WantedFile] = field(default_factory=list)
    unchanged: list[WantedFile] = field(default_factory=list)
    in_the_way: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)


def find_at(path: str, initialize: bool = False) -> Card:
    """Find the card that is mounted at ``path``.

    Args:
        path: Its root.
        initialize: Make ``IMPORT/`` on an empty card.

    Raises:
        CardError: It is not a card; with what it is instead.
        SurroundingsError: ``IMPORT/`` cannot be made.
    """
    root = os.path.realpath(path) if path else ""
    if not os.path.isdir(root):
        what = "is a file, not a folder" if os.path.exists(root) else "is not there"
        raise CardError(path=path, what=what, fix="Put the card in, and give the folder it is mounted on.")
    names = {name.upper(): name for name in _list_names(root)}
    if any(name in names for name in _OF_DEVICE):
        raise CardError(
            path=root, what="is a project or a backup of the device", fix=f"Give the card's root, where {IMPORT} is."
        )
    if os.path.isdir(os.path.join(root, IMPORT)):
        return Card(root, os.stat(root).st_dev)
    _check_can_become_card(root, names, initialize)
    try:
        os.mkdir(os.path.join(root, IMPORT))
    except OSError as error:
        raise _translate_error(root, error) from error
    return Card(root, os.stat(root).st_dev)


def _check_can_become_card(root: str, names: dict[str, str], initialize: bool) -> None:
    """Raise CardError unless ``IMPORT/`` may be made in ``root``, which has ``names``, by their upper case."""
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
    empty = all(name == _ID_FILE or is_system_name(name) or is_part(name) for name in names.values())
    if not (empty or beside):
        shown = ", ".join(sorted(names.values())[:3])
        fix = f"Give the card's root, where {IMPORT} is; an empty card gets it with --init-card."
        raise CardError(path=root, what=f"is not a card of the SP-404MKII: it has {shown}", fix=fix)
    if not initialize:
        what = "is empty" if empty else f"has {beside[0]}/, but no {IMPORT}/"
        raise CardError(path=root, what=what, fix="Add --init-card if this is the card, or let the device format it.")


def card_id(root: str) -> str | None:
    """Return the number that a card was given; None if it has none that can be read."""
    try:
        with open(os.path.join(root, _ID_FILE), encoding="ascii") as file:
            found = _ID.match(file.read(100))
    except (OSError, UnicodeDecodeError):
        return None
    return found[0].strip() if found else None


def ensure_card_id(card: Card) -> str:
    """Return the card's number; a new card is given one.

    Raises:
        CardError: The file of the number is not ours.
        SurroundingsError: It cannot be written, or the card was pulled.
    """
    card.check_there()
    root = card.root
    known = card_id(root)
    if known:
        return known
    number = secrets.token_hex(16)
    part = os.path.join(root, part_name(secrets.token_hex(4), 0))
    id_file = os.path.join(root, _ID_FILE)
    try:
        if os.path.lexists(id_file):
            raise CardError(path=id_file, what="is not what sp404-export wrote", fix="Move it away if you do not need it.")
        with create_exclusively(part) as file:
            write_all(file, _ID_TEXT.format(number).encode())
            os.fsync(file.fileno())
        os.replace(part, id_file)
    except OSError as error:
        remove(part)
        raise _translate_error(root, error) from error
    return number


def copy_files(
    card: Card,
    wanted: Iterable[WantedFile],
    recorded: Mapping[str, str],
    record: Callable[[list[WantedFile]], None],
    verify: bool,
) -> CopyResult:
    """Put files on the card, in the order of their paths.

    A file that we did not write, or that was changed since, is left alone.

    Args:
        card: The card.
        wanted: The files.
        recorded: By path, the hash of what we know to be there, and may replace.
        record: Takes those that have their names now, batch by batch.
        verify: Compare all bytes of a file that is recorded with the wanted hash; by default its size will do.

    Raises:
        DiskFullError: They cannot fit; before anything is written.
        SurroundingsError: The card was pulled, or cannot be written.
    """
    card.check_there()
    folder = card.folder
    result = CopyResult()
    to_write: list[WantedFile] = []
    # What a run that was killed, or a card that was pulled, left unfinished.
    remove_parts(card.root, names=_list_names(card.root))
    for file in sorted(wanted, key=lambda file: file.path):
        match _compare(os.path.join(folder, file.path), file, recorded.get(file.path), verify):
            case "nothing" | "old":
                to_write.append(file)
            case "same":
                result.unchanged.append(file)
            case _:
                result.in_the_way.append(file.path)
    try:
        _check_room(folder, to_write)
    except OSError as error:
        raise _translate_error(card.root, error) from error
    token = secrets.token_hex(4)
    record([file for file in result.unchanged if recorded.get(file.path) != file.file_hash])
    for batch in _batches(to_write):
        written = _write(card, batch, token)
        record(written)
        result.written += written
        result.modified += [file.path for file in batch if file not in written]
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
    gone = [path for path in recorded if not os.path.lexists(os.path.join(card.folder, path))]
    card.check_there()
    return gone


def file_state(root: str, path: str, size: int | None, file_hash: str) -> str:
    """``there``, ``missing`` or ``changed``: a recorded file, by all its bytes."""
    target = os.path.join(root, IMPORT, path)
    if not os.path.lexists(target):
        return "missing"
    return "there" if is_unmodified(target, file_hash, size=size) else "changed"


def unknown_files(root: str, known: Iterable[str]) -> list[str]:
    """List the files below IMPORT that are not among ``known``, nor files of systems and sync programs."""
    folder = os.path.join(root, IMPORT)
    found = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    others = {os.path.relpath(path, folder) for path in found if not has_system_name_below(path, folder)}
    return sorted(others - set(known))


def junk_files(root: str) -> list[str]:
    """List the files on a card that Finder and Explorer made there, below ``root``; folders of systems are not looked into."""
    found = []
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not is_system_name(name)]
        found += [path for path in (os.path.join(parent, name) for name in names) if is_junk(path)]
    return sorted(os.path.relpath(path, root) for path in found)


def clean_junk(card: Card) -> list[str]:
    """Remove the ``junk_files`` of a card, and return those that are gone.

    Raises:
        OutputGoneError: The card was pulled.
    """
    junk = junk_files(card.root)
    for path in junk:
        card.check_there()
        remove(os.path.join(card.root, path))
    return [path for path in junk if not os.path.lexists(os.path.join(card.root, path))]


def _list_names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise CardError(path=folder, what=f"cannot be read: {error.strerror}", fix="Check the card.") from error


def _compare(target: str, file: WantedFile, known: str | None, verify: bool) -> str:
    """Return what is at ``target``: ``nothing``, the ``same`` as wanted, an ``old`` file of ours, or an ``other`` file."""
    if os.path.realpath(os.path.dirname(target)) != os.path.dirname(target):
        return "other"
    if not os.path.lexists(target):
        return "nothing"
    try:
        if not is_regular(target):
            return "other"
        if known == file.file_hash and not verify and os.path.getsize(target) == file.bytes:
            return "same"
        found = hash_file(target)
    except OSError:
        return "other"
    return "same" if found == file.file_hash else "old" if found == known else "other"


def _check_room(folder: str, to_write: list[WantedFile]) -> None:
    """Check that files fit: each takes whole clusters, and so does a new folder; a replaced one stays until the end.

    Raises:
        DiskFullError: They do not.
    """
    status = os.statvfs(folder)
    cluster = max(status.f_frsize, status.f_bsize, 1)
    folders = {os.path.dirname(file.path) for file in to_write}
    new_folders = sum(not os.path.isdir(os.path.join(folder, name)) for name in folders)
    files = [-(-file.bytes // cluster) * cluster for file in to_write]
    replaced = sum(size for file, size in zip(to_write, files, strict=True) if os.path.lexists(os.path.join(folder, file.path)))
    # An entry takes 32 bytes, and one more for each 13 characters of its name.
    entries = sum(32 * (2 + len(os.path.basename(file.path)) // 13) for file in to_write)
    needed = sum(files) + (new_folders + 1) * cluster + entries - max(replaced - _BATCH_BYTES, 0)
    free = free_bytes(folder)
    if to_write and needed > free:
        raise DiskFullError(path=folder, needed_mb=needed / 1e6, free_mb=free / 1e6)


def _batches(to_write: list[WantedFile]) -> Iterator[list[WantedFile]]:
    batch: list[WantedFile] = []
    size = 0
    for file in to_write:
        if batch and (len(batch) == _BATCH_FILES or size + file.bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.bytes
    if batch:
        yield batch


def _write(card: Card, batch: list[WantedFile], token: str) -> list[WantedFile]:
    """Those that have their names now: all but what is not what the records say."""
    parts = {file: os.path.join(card.root, part_name(token, number)) for number, file in enumerate(batch)}
    try:
        whole: list[WantedFile] = []
        for file, part in parts.items():
            card.check_there()
            if _copy(file, part) == file.file_hash:
                whole.append(file)
        sync_file_system(card.root)
        for file in whole:
            _check_read_back(file, parts[file])
        for file in whole:
            card.check_there()
            target = os.path.join(card.folder, file.path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(parts[file], target)
        sync_file_system(card.root)
    except OSError as error:
        raise _translate_error(card.root, error) from error
    finally:
        for part in parts.values():
            remove(part)
    return whole


def _translate_error(root: str, error: OSError) -> SurroundingsError:
    failure = write_failure(os.path.join(root, IMPORT), error)
    if isinstance(failure, SurroundingsError):
        return failure
    return DiskError(path=error.filename or root, error=error.strerror or str(error))


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
