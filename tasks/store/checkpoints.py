"""Files from which the records can be made again: Parquet, and in each one's name the hash of its bytes.

A bit that flips in Parquet reads as other data: hence the hash. In the name, so that file and hash appear at once.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from blake3 import blake3

from schemas.errors import DamagedPartError, WorkingFolderError
from tasks.fs.atomic import write_atomically

_NAME = re.compile(r"^(?P<name>.+)-(?P<hash>[0-9a-f]{32})\.parquet$")


def write_checkpoint(frame: pl.DataFrame, folder: Path, name: str) -> Path:
    """Write ``frame`` to ``folder`` under ``name`` and its hash: on the disk when this returns. Raises WorkingFolderError."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression_level=1)
    content = buffer.getvalue()
    path = folder / f"{name}-{_hash(content)}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, is_durable=True)
    except OSError as error:
        raise WorkingFolderError.of(folder, error) from error
    return path


def read_checkpoint(path: Path) -> pl.DataFrame:
    """Read what ``write_checkpoint`` wrote. Raises DamagedPartError when it is not what its name says."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedPartError(path=str(path), error=error.strerror or str(error)) from error
    name = _NAME.match(path.name)
    if not name or name["hash"] != _hash(content):
        raise DamagedPartError(path=str(path), error="it is not what was written")
    return pl.read_parquet(io.BytesIO(content))


def checkpoint_paths(folder: Path, name: str) -> Iterator[Path]:
    """Return the checkpoints in ``folder`` whose names begin with ``name``, the oldest name first."""
    return iter(sorted(path for path in folder.glob(f"{name}*.parquet") if _NAME.match(path.name)))


def _hash(content: bytes) -> str:
    return str(blake3(content).hexdigest(16))
