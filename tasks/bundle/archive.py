"""Write a ZIP of exactly the files that the records name, and of exactly the bytes that they had then.

The same files give the same ZIP, byte for byte (with the same zlib): entries in order, one date (1980-01-01, zipfile's own),
one set of permissions.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from typing import NoReturn
from zipfile import ZIP_DEFLATED, ZipFile

from blake3 import blake3

from schemas.errors import FilesGoneError, NotAsRecordedError, RequestError, write_failure
from tasks.fs.atomic import create_exclusively, own_part_name, remove, remove_left_parts
from tasks.fs.file_status import READ_ONLY

_CHUNK_BYTES = 1 << 20
# In a ZIP's words: else it would say on which system it was made.
_UNIX = 3
_PERMISSIONS = (stat.S_IFREG | 0o644) << 16
# Of 61 drum samples level 1 leaves 79.4 % at 30 MB/s, level 6 79.2 % at 18 MB/s.
_LEVEL = 1
# From here on an entry needs the fields of ZIP64 (zipfile's own bound, with its 5 % for what deflating may add).
_ZIP64_BYTES = int((2**31 - 1) / 1.05)
_DRIVE = re.compile(r"^[A-Za-z]:")
_NAME_BYTES = 65_535
_KIND = "zip"
_MISSING = "it is missing"
_NO_HASH = "no record says what is in it"
_FIX_NO_HASH = "No export of these records wrote it. Move it away, run the export again, and zip that one."
_FIX = "`sp404 verify` lists them. Run the export again with --verify-outputs, which writes them again, and zip that one."


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file for the ZIP.

    Attributes:
        name: Its name in the ZIP.
        path: Where it is.
        bytes: Its recorded size; None where only the hash is recorded.
        file_hash: The recorded hash of its bytes.
    """

    name: str
    path: str
    bytes: int | None
    file_hash: str | None


@dataclass(frozen=True)
class WrittenZip:
    """The ZIP at ``path``: how many files are in it, and how large it is itself."""

    path: str
    files: int
    bytes: int


class _DiffersError(Exception):
    """A file is not what is recorded, and why."""


def write_zip(entries: Iterable[ArchiveEntry], target: str, replace: bool = False) -> WrittenZip:
    """Write the ZIP ``target``. It appears whole or not at all.

    Args:
        entries: The files to put into it.
        target: Its path.
        replace: Replace a .zip file that is there.

    Raises:
        RequestError: A file is not as recorded, a name could lead out of the folder, or something is at ``target``.
        SurroundingsError: What ``schemas.errors.write_failure`` makes of an OSError.
    """
    target = os.path.abspath(target)
    ordered = sorted(entries, key=lambda entry: entry.name)
    _check_names(ordered)
    check_target(target, replace)
    if any(_status_difference(entry) for entry in ordered):
        _refuse(ordered, 0)
    folder, name = os.path.split(target)
    part = os.path.join(folder, own_part_name(name, _KIND))
    try:
        remove_left_parts(folder, _KIND)
        remove(part)  # of a killed process of this number: no two runs of a process make the same ZIP at a time
        with _durable_file(part) as file:
            with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
                for number, entry in enumerate(ordered):
                    try:
                        _add(archive, entry)
                    except _DiffersError:
                        _refuse(ordered, number)
            size = file.seek(0, os.SEEK_END)
        return _rename_into_place(part, WrittenZip(target, len(ordered), size), replace)
    except OSError as error:
        raise write_failure(target, error) from error


def check_target(target: str, replace: bool) -> None:
    """Raise RequestError where something stands at ``target`` that must stay, or there is no folder for it."""
    try:
        status = os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.isdir(os.path.dirname(target)):
            return
        what = f"There is no folder for the ZIP: {os.path.dirname(target)}"
        raise RequestError(what=what, fix="Make it, or choose another -o FILE.") from None
    except OSError as error:
        raise write_failure(target, error) from error
    if not stat.S_ISREG(status.st_mode) or not target.lower().endswith(".zip"):
        what = f"There is a file that is not a .zip file: {target}"
        raise RequestError(what=what, fix="It was not changed. Choose another -o FILE.")
    if not replace:
        raise RequestError(what=f"There is a ZIP already: {target}", fix="--force replaces it; or choose another -o FILE.")


def _check_names(ordered: list[ArchiveEntry]) -> None:
    """Names from a database go to other people's machines: none may lead out of the folder that they unpack in."""
    seen: set[str] = set()
    for entry in ordered:
        folded = entry.name.casefold()
        if folded in seen or not _is_safe(entry.name):
            what = f"The record has a name that a ZIP must not have{' twice' if folded in seen else ''}: {entry.name!r}"
            raise RequestError(
                what=what, fix="No export gives such names. The records were changed by another program. Run the export again."
            )
        seen.add(folded)


def _is_safe(name: str) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    if "\\" in name or "\0" in name or _DRIVE.match(name) or size > _NAME_BYTES:
        return False
    return not {"", ".", ".."} & set(name.split("/"))


def _status_difference(entry: ArchiveEntry) -> str:
    """Return how a file differs from its record, as far as its status tells; "" where it does not."""
    if not entry.file_hash:
        return _NO_HASH
    try:
        status = os.lstat(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING
    except (OSError, ValueError) as error:
        return f"it cannot be read ({getattr(error, 'strerror', None) or error})"
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    return "" if entry.bytes in (None, status.st_size) else "its size differs"


def _refuse(ordered: list[ArchiveEntry], start: int) -> NoReturn:
    """Raise for those that are not as recorded, from ``start`` on: all are read, to say how many."""
    differing: list[tuple[ArchiveEntry, str]] = []
    for entry in ordered[start:]:
        try:
            with _open_recorded(entry) as (_, blocks):
                for _ in blocks:
                    pass
        except _DiffersError as error:
            differing.append((entry, str(error)))
    if not differing:
        what = f"A file was changed while it was read, and is now as recorded: {ordered[start].path}"
        raise RequestError(what=what, fix="Run the same command again.")
    first, why = differing[0]
    count = f"{len(differing):,} of {len(ordered):,} files"
    what = f"No ZIP: {count} are not as recorded, first {first.path}: {why}"
    kind = FilesGoneError if all(why == _MISSING for _, why in differing) else NotAsRecordedError
    raise kind(what=what, fix=_FIX_NO_HASH if why == _NO_HASH else _FIX)


@contextmanager
def _open_recorded(entry: ArchiveEntry) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Open a file; give its size, and its bytes in blocks. Raises _DiffersError, at the latest behind the last block."""
    if why := _status_difference(entry):
        raise _DiffersError(why)
    try:
        fd = os.open(entry.path, READ_ONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise _DiffersError(f"it cannot be read ({error.strerror})") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or entry.bytes not in (None, status.st_size):
            raise _DiffersError("it was changed just now")
        yield status.st_size, _blocks(fd, status.st_size, entry.file_hash)
    finally:
        os.close(fd)


def _blocks(fd: int, size: int, file_hash: str | None) -> Iterator[bytes]:
    digest, left = blake3(), size
    while block := _read(fd):
        left -= len(block)
        if left < 0:
            break
        digest.update(block)
        yield block
    if left or digest.hexdigest() != file_hash:
        raise _DiffersError("its content differs")


def _read(fd: int) -> bytes:
    """Read a block. The errors of a file that is read are not those of the disk that the ZIP is written to."""
    try:
        return os.read(fd, _CHUNK_BYTES)
    except OSError as error:
        raise _DiffersError(f"it cannot be read ({error.strerror})") from error


def _add(archive: ZipFile, entry: ArchiveEntry) -> None:
    """Deflate a file into the archive.

    What cannot be deflated grows by 5 bytes in 16 KB: storing it instead would need a second reading, and its rollback.

    Raises:
        _DiffersError: The file is not as recorded.
    """
    with _open_recorded(entry) as (size, blocks), archive.open(entry.name, "w", force_zip64=size > _ZIP64_BYTES) as member:
        for block in blocks:
            member.write(block)
    info = archive.getinfo(entry.name)
    info.create_system, info.external_attr = _UNIX, _PERMISSIONS


@contextmanager
def _durable_file(part: str) -> Iterator[BufferedRandom]:
    """Open a new file that is on the disk in the end, or gone. Buffered: a raw file may take less than it is given."""
    with create_exclusively(part) as raw:
        file = BufferedRandom(raw, _CHUNK_BYTES)
        yield file
        file.flush()
        os.fsync(raw.fileno())


def _rename_into_place(part: str, written: WrittenZip, replace: bool) -> WrittenZip:
    try:
        check_target(written.path, replace)
        os.replace(part, written.path)
    except BaseException:
        remove(part)
        raise
    return written
