"""Tell our own exports from samples: recorded outputs, the default output folder, and cards that we wrote."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from tasks.fs.place_mark import MARK_FILE

# The output folder of `config/defaults.toml`: what lies in one is ours, also where the records are lost or others.
DEFAULT_FOLDER = "sp404-export"
_METADATA_END = "_metadata.txt"


@dataclass(frozen=True)
class OwnExports:
    """The files and folders that a scan leaves out because an export made them.

    Attributes:
        files: Absolute paths of recorded outputs.
        is_card: Whether the folder at a path is a card that we wrote to.
        import_folder: The name of a card's folder for samples.
    """

    files: frozenset[str] = frozenset()
    is_card: Callable[[str], bool] = lambda _path: False
    import_folder: str = "IMPORT"

    def is_file_of_ours(self, path: str, root: str) -> bool:
        """Return whether an export made the sound at ``path``, which is below the scanned folder ``root``."""
        if path in self.files:
            return True
        if DEFAULT_FOLDER not in path:  # nearly always, and the rest takes as long as the status of a file
            return False
        below = os.path.dirname(path)[len(root) :].split(os.sep)
        return DEFAULT_FOLDER in below and not path.endswith((_METADATA_END, MARK_FILE))

    def is_folder_of_ours(self, path: str, root: str) -> bool:
        """Return whether the folder at ``path`` is a card, or the folder for samples of a card that is scanned itself."""
        if os.path.dirname(path) == root and os.path.basename(path) == self.import_folder:
            return self.is_card(root)
        return self.is_card(path)
