"""Rows of the records as manifests, for exports and forecasts of REST clients."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from flows.api.library import Row
from schemas.errors import WorkingFolderError
from tasks.fs.atomic import write_atomically
from tasks.store import run_folder
from tasks.store.database import Database

_COLUMNS = ("sample_id", "file_path", "title", "genre", "bpm", "musical_key", "tags", "kit", "bank", "pad")


class RequestManifests:
    """The manifests of requests that are under way, in ``requests`` beside the database."""

    def __init__(self, database: Database) -> None:
        self._folder = run_folder.requests_folder(database)
        self._lock = threading.Lock()
        self._uses: Counter[Path] = Counter()

    @contextmanager
    def write(self, rows: list[Row], sample_ids: Sequence[int], kits: Sequence[str]) -> Iterator[Path]:
        """Write rows as a manifest, which stays until the end of the block, and of others that have the same one.

        It is named by its samples: by that later exports know whose files they are. So the forecast of an export that runs
        has its name, too.

        Raises:
            WorkingFolderError: It cannot be written.
        """
        cells = [{name: row[name] for name in _COLUMNS if row.get(name) is not None} for row in rows]
        lines = [json.dumps({"file_path": ""} | row) for row in cells]  # a row without a path is still a row
        ids = repr((tuple(sample_ids), tuple(kits), [row["sample_id"] for row in rows]))
        path = self._folder / f"{blake2b(ids.encode(), digest_size=16).hexdigest()}.ndjson"
        with self._lock:
            self._uses[path] += 1
        try:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with self._lock:
                    write_atomically(path, ("\n".join(lines) + "\n").encode())
            except OSError as error:
                raise WorkingFolderError.of(self._folder, error) from error
            yield path
        finally:
            with self._lock:
                self._uses[path] -= 1
                if not self._uses[path]:
                    del self._uses[path]
                    path.unlink(missing_ok=True)
