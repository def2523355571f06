"""Find a card of the device, and see what is on it: our files, those of others, and what systems left there."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import CardError, DiskError, OutputGoneError, SurroundingsError, write_failure
from tasks.fs.atomic import is_part, remove, sync_file_system
from tasks.fs.file_status import is_regular
from tasks.fs.hashing import is_unmodified
from tasks.fs.place_mark import MARK_FILE, read_mark
from tasks.fs.system_files import has_system_name_below, is_junk, is_system_name

IMPORT = "IMPORT"
# The option that makes it.
INITIALIZE = "--init-card"
# What only a project or a backup of the device holds.
_OF_DEVICE = ("PADCONF.BIN", "SMPL", "PTN", "PICTURE")
_BESIDE_IMPORT = ("EXPORT", "BKUP")


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
    names = {name.upper(): name for name in list_names(root)}
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
        raise translate_error(root, error) from error
    return Card(root, os.stat(root).st_dev)


def is_ours(folder: str) -> bool:
    """Return whether ``folder`` is a card that an export was put on; an output folder has a mark, too, but no IMPORT."""
    return os.path.isdir(os.path.join(folder, IMPORT)) and read_mark(folder) is not None


def check_can_be_initialized(root: str) -> None:
    """Check that ``find_at`` would make ``IMPORT/`` on a card that has none. Raises CardError."""
    _check_can_become_card(root, {name.upper(): name for name in list_names(root)}, initialize=True)


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
    empty = all(name == MARK_FILE or is_system_name(name) or is_part(name) for name in names.values())
    if not (empty or beside):
        shown = ", ".join(sorted(names.values())[:3])
        fix = f"Give the card's root, where {IMPORT} is; an empty card gets it with --init-card."
        raise CardError(path=root, what=f"is not a card of the SP-404MKII: it has {shown}", fix=fix)
    if not initialize:
        what = "is empty" if empty else f"has {beside[0]}/, but no {IMPORT}/"
        raise CardError(path=root, what=what, fix=f"Add {INITIALIZE} if this is the card, or let the device format it.")


def file_state(root: str, path: str, size: int | None, file_hash: str, by_bytes: bool = True) -> str:
    """``there``, ``missing`` or ``changed``: a recorded file, by all its bytes, or by its size alone.

    What is behind a link is not what we wrote.
    """
    target = os.path.join(root, IMPORT, path)
    if not os.path.lexists(target):
        return "missing"
    if is_behind_link(target):
        return "changed"
    is_same = is_unmodified(target, file_hash, size=size) if by_bytes else _has_size(target, size)
    return "there" if is_same else "changed"


def _has_size(target: str, size: int | None) -> bool:
    try:
        return is_regular(target) and os.path.getsize(target) == size
    except OSError:
        return False


def is_behind_link(target: str) -> bool:
    """Return whether a folder on the way to ``target`` is a link."""
    return os.path.realpath(os.path.dirname(target)) != os.path.dirname(target)


def standing_files(root: str) -> set[str]:
    """Return the paths of the files below IMPORT, but for those of systems and sync programs."""
    folder = os.path.join(root, IMPORT)
    found = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {os.path.relpath(path, folder) for path in found if not has_system_name_below(path, folder)}


def unknown_files(root: str, known: Iterable[str]) -> list[str]:
    """List the files below IMPORT that are not among ``known``, nor files of systems and sync programs."""
    return sorted(standing_files(root) - set(known))


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


def flush(root: str) -> None:
    """Write to the card at ``root`` what the system holds back.

    Raises:
        SurroundingsError: The card does not take it.
    """
    try:
        sync_file_system(root)
    except OSError as error:
        raise translate_error(root, error) from error


def list_names(folder: str) -> list[str]:
    """Return the names in a folder of a card. Raises CardError."""
    try:
        return os.listdir(folder)
    except OSError as error:
        raise CardError(path=folder, what=f"cannot be read: {error.strerror}", fix="Check the card.") from error


def translate_error(root: str, error: OSError) -> SurroundingsError:
    """Return the error of ours for one of the operating system that writing to the card at ``root`` met."""
    failure = write_failure(os.path.join(root, IMPORT), error)
    if isinstance(failure, SurroundingsError):
        return failure
    return DiskError(path=error.filename or root, error=error.strerror or str(error))
