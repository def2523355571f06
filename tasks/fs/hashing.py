"""Content hashes of files."""

import os

from tasks.fs.atomic import hash_of, is_regular


def is_unmodified(path: str, *hashes: str | None, size: int | None = None) -> bool:
    """Return whether the file at ``path`` is still what was written to it.

    Args:
        path: The file. A link, a folder and a file that cannot be read are modified.
        hashes: Recorded BLAKE3 hashes of its bytes, of which one has to match. Without any, only the size is compared.
        size: The recorded size in bytes, if it is known. A file of another size is not read.
    """
    try:
        if not is_regular(path) or size not in (None, os.stat(path).st_size):
            return False
        return not hashes or hash_of(path) in hashes
    except OSError:
        return False
