"""Libraries that are scanned again and again while disks come and go: their files, their tables, and what stands where."""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.command_line import Run, Said
from tests.support.riff import wav

RATE = 44_100


def sound(path: Path, number: int) -> Path:
    """Write a short WAV that no other number has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wav(path, np.full(RATE // 5, number + 1, np.int16), RATE)
    return path


def sounds(folder: Path, count: int, start: int = 0) -> list[Path]:
    return [sound(folder / f"s{number:03}.wav", number) for number in range(start, start + count)]


def snapshot(folder: Path, but: str = "\0") -> dict[str, tuple[int, ...]]:
    """What stands below a folder: inode, mode, size and times of each file and folder; not of names that begin with ``but``."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        if not path.name.startswith(but):
            status = path.lstat()
            found[str(path)] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def audio_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))


@dataclass
class World:
    """A folder with a library, its table ``library.csv``, its records, an output folder and a card."""

    folder: Path
    sp404: Run

    def __post_init__(self) -> None:
        self.table, self.db, self.out, self.card = (self.folder / name for name in ("library.csv", "r.duckdb", "out", "card"))

    def run(self, command: str, *options: object) -> Said:
        return self.sp404(command, *options, "--db", self.db)

    def scan(self, *options: object, status: int = 0) -> dict[str, Any]:
        """Scan into the table; the options are folders, too."""
        said = self.run("scan", *options, "-o", self.table, "--json")
        assert said.status == status, said
        return dict(json.loads(said.out))

    def export(self, *options: object, status: int = 0) -> Said:
        said = self.run("export", self.table, "--direct", "--out", self.out, *options)
        assert said.status == status, said
        return said

    def cells(self) -> list[list[str]]:
        with self.table.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.reader(file))

    def rows(self) -> list[dict[str, str]]:
        header, *lines = self.cells()
        return [dict(zip(header, line, strict=True)) for line in lines]

    def paths(self) -> list[str]:
        return [row["file_path"] for row in self.rows()]

    def save(self, rows: list[dict[str, str]], encoding: str = "utf-8") -> None:
        """Write the table as a person's program would."""
        with self.table.open("w", newline="", encoding=encoding) as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def unplug(self, drive: Path) -> None:
        """Leave the empty folder that the drive was mounted on."""
        drive.rename(f"{drive}.away")
        drive.mkdir()

    def plug_in(self, drive: Path) -> None:
        os.rmdir(drive)
        Path(f"{drive}.away").rename(drive)
