"""``python -m tests.support.doomed KIND N FOLDER ARGUMENTS``: sp404 that kills itself as its N-th change of a KIND begins.

A change is one to a file below FOLDER or to the database. KIND ``all`` with N = 0 kills nothing; in both cases what was
begun is counted, in FOLDER/changes.json, once it ends.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FILES = {"os.rename": "rename", "os.remove": "remove", "os.mkdir": "mkdir", "os.rmdir": "rmdir"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Doom:
    """Counts what is begun, and ends the process at the chosen place."""

    def __init__(self, kind: str, at: int, folder: str) -> None:
        self.kind, self.at, self.folder = kind, at, folder
        self.begun: Counter[str] = Counter()

    def begins(self, kind: str) -> None:
        self.begun[kind] += 1
        if kind == self.kind and self.begun[kind] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count what Python's own functions are about to do; an audit hook."""
        if event == "open":
            kind = "write" if isinstance(arguments[2], int) and arguments[2] & _WRITES else ""
        else:
            kind = _FILES.get(event, "")
        if kind and str(arguments[0]).startswith(self.folder):
            self.begins(kind)

    def listen(self) -> None:
        """From now on, also to what is done to the database: before anybody imports these functions."""
        from tasks.fs import atomic
        from tasks.store import database

        run, transaction, sync = database.run, database.transaction, atomic.sync_file_system

        def heard_run(connection: Any, query: str, *more: Any, **frames: Any) -> Any:
            self.begins("statement")
            return run(connection, query, *more, **frames)

        @contextmanager
        def heard_transaction(connection: Any) -> Iterator[None]:
            with transaction(connection):
                yield
                self.begins("commit")
            self.begins("committed")

        def heard_sync(folder: str) -> None:
            self.begins("sync")
            sync(folder)

        database.run, database.transaction, atomic.sync_file_system = heard_run, heard_transaction, heard_sync
        sys.addaudithook(self.hear)


def main() -> None:
    kind, at, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sys.argv = ["sp404", *sys.argv[4:]]
    doom = Doom(kind, at, folder)
    doom.listen()
    from flows.cli import main

    try:
        main.main()
    finally:
        with open(os.path.join(folder, "changes.json"), "w", encoding="utf-8") as file:
            json.dump(doom.begun, file)


if __name__ == "__main__":
    main()
