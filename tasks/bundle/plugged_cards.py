"""Find the cards that are plugged in: among what is mounted, where systems mount cards, those that the device could read."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from schemas.errors import Sp404Error
from tasks.bundle import card
from tasks.fs.place_mark import PlaceMark, read_mark

_LINUX_MOUNTS = Path("/proc/self/mountinfo")
_MACOS_MOUNTS = Path("/Volumes")
# Where desktops and people mount cards, and what FAT can be called there: through FUSE, and in Linux within Windows.
_PLACES = ("/media/", "/run/media/", "/mnt/", f"{_MACOS_MOUNTS}/")
_ALSO_CARDS = frozenset(["fuseblk", "fuse", "9p", "drvfs"])
_NO_PLACES = ("/boot", "/efi")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class PluggedCard:
    """A card that is plugged in.

    Attributes:
        id: Another one for another card, and for the same card in another place: it names this card as long as it is there.
        root: Where it is mounted.
        mark: Its mark; None where nothing was exported to it.
        has_import: It has the folder IMPORT, without which it is not written to.
    """

    id: str
    root: str
    mark: PlaceMark | None
    has_import: bool

    @property
    def name(self) -> str:
        """The name that the system mounted it under."""
        return os.path.basename(self.root) or self.root


def find_plugged() -> list[PluggedCard]:
    """Return the cards that are plugged in, by their places."""
    return [found for root in sorted(set(list_mounts())) if (found := look_at(root))]


def list_mounts() -> list[str]:
    """Return the mount points that can be cards."""
    with suppress(OSError):
        return parse_mounts(_LINUX_MOUNTS.read_bytes().decode(errors="surrogateescape"))
    with suppress(OSError):
        return [str(path) for path in _MACOS_MOUNTS.iterdir() if path.is_mount()]
    return []


def parse_mounts(mountinfo: str) -> list[str]:
    """Return the mount points of proc(5)'s mountinfo that can be cards."""
    return list(_parse(mountinfo))


def _parse(mountinfo: str) -> Iterator[str]:
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, system = before.split(" "), after.split(" ")[0]
        if len(fields) < 6:
            continue
        root = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
        is_in_place = f"{root}/".startswith(_PLACES)
        is_here = "fat" in system or system == "msdos" or (is_in_place and system in _ALSO_CARDS)
        is_read_only = "ro" in fields[5].split(",")
        if is_here and not is_read_only and not root.startswith(_NO_PLACES):
            yield root


def look_at(root: str) -> PluggedCard | None:
    """Return the card in a folder; None where there is none that can be read."""
    try:
        device = os.stat(root).st_dev
        has_import = _has_import(root)
    except (OSError, Sp404Error):  # pulled, not readable, or not a card
        return None
    mark = read_mark(root)
    facts = repr((root, device, mark.id if mark else None))
    return PluggedCard(blake2b(facts.encode(errors="replace"), digest_size=8).hexdigest(), root, mark, has_import)


def _has_import(root: str) -> bool:
    """Return whether a card has IMPORT. Raises CardError where it could not even get it."""
    try:
        card.find_at(root)
    except Sp404Error:
        card.check_can_be_initialized(root)
        return False
    return True
