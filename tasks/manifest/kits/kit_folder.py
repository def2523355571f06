"""The folder of kit files: which there are, their bytes, and how they are written."""

import os
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import KitFolderError, ManifestError
from tasks.fs.atomic import write_atomically
from tasks.fs.file_status import is_regular

EXTENSION = ".yaml"
# As the readers of kit files limit it.
MAX_BYTES = 1 << 19


@dataclass(frozen=True)
class KitFile:
    """A kit file. ``id``: its name without extension; with it where it would be a number, which is a kit of the records."""

    id: str
    path: str

    @property
    def stem(self) -> str:
        """The name of the file, which is that of the kit where it gives none."""
        return Path(self.path).stem


class KitFolder:
    """The kit files in one folder, which need not be there. Links, hidden files and other extensions are not among them."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def list(self) -> list[KitFile]:
        """List the kit files by their ids."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            fix = "Check the setting kits_folder and its permissions."
            raise ManifestError(path=self.folder, what=f"cannot be read: {error.strerror}", fix=fix) from error
        files = [self._file(name) for name in names if name.endswith(EXTENSION) and name.isprintable() and name[0] != "."]
        return sorted((file for file in files if is_regular(file.path)), key=lambda file: file.id)

    def find(self, kit_id: str) -> KitFile | None:
        """Return the file of this id, if there is one."""
        return next((file for file in self.list() if file.id == kit_id), None)

    def new_file(self, slug: str) -> KitFile:
        """Return a file that is not there yet: ``slug.yaml``, or with a number behind."""
        taken = {name.lower() for name in os.listdir(self.folder)} if os.path.isdir(self.folder) else set()
        numbered = (f"{slug}_{number}" for number in range(2, len(taken) + 3))
        stem = next(stem for stem in (slug, *numbered) if f"{stem}{EXTENSION}" not in taken)
        return self._file(f"{stem}{EXTENSION}")

    def write(self, file: KitFile, content: bytes) -> None:
        """Write a kit file; who reads it sees all of the old one or all of the new one.

        Raises:
            KitFolderError, DiskFullError: It cannot be written.
        """
        try:
            os.makedirs(self.folder, exist_ok=True)
            write_atomically(Path(file.path), content, is_durable=True)
        except OSError as error:
            raise KitFolderError.of(file.path, error) from error

    def remove(self, file: KitFile) -> None:
        """Remove a kit file.

        Raises:
            KitFolderError, DiskFullError: It cannot be removed.
        """
        try:
            os.unlink(file.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise KitFolderError.of(file.path, error) from error

    def _file(self, name: str) -> KitFile:
        stem = name.removesuffix(EXTENSION)
        return KitFile(name if stem.isdecimal() else stem, os.path.join(self.folder, name))


def read_kit_bytes(file: KitFile) -> bytes | None:
    """Return the bytes of a kit file; None where it is gone.

    Raises:
        ManifestError: It cannot be read, or is too large.
    """
    try:
        with open(file.path, "rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        fix = "Check its permissions."
        raise ManifestError(path=file.path, what=f"cannot be read: {error.strerror}", fix=fix) from error
    if len(data) > MAX_BYTES:
        what = f"is too large for a kit file: more than {MAX_BYTES:,} bytes"
        raise ManifestError(path=file.path, what=what, fix="Spread it over several kit files.")
    return data
