"""A library for the web page: many samples, some that cannot be exported, and titles that other people would write."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx

from flows.export import threads
from schemas.export import ExportConfig, ExportRequest
from tests.support import audio

COUNT = 240
GENRES = ("house", "dub", "hip-hop", "")
HOSTILE = '<img src=x onerror=alert(1)> & "quotes" ${7*7}'
JAPANESE = "とても長い日本語のサンプル名" * 6
EMOJI = "🔥🎹👩‍🚀 kick\u202efdp.exe"


LOOPS = 5  # so many samples, the first ones, have a kind
LONG = 4  # the number of a sample that is still heard when a test has pressed two keys


def length_of(number: int) -> float:
    """Return the length of a sample of the scene in seconds."""
    return 5.0 if number == LONG else 0.12 + number % 7 / 20


@dataclass
class Scene:
    """What stands in the records: ``rows`` as in the manifest, by id."""

    folder: Path
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    client: httpx.Client = field(default_factory=httpx.Client)

    @property
    def address(self) -> str:
        return str(self.client.base_url)

    def titles(self, **wanted: Any) -> list[str]:
        """Return the titles of the samples with these values, in their order on the page."""
        found = [row for row in self.rows.values() if all(row[name] == value for name, value in wanted.items())]
        return sorted((row["title"] for row in found), key=str.lower)


def make_scene(folder: Path) -> Scene:
    """Make the library below ``folder`` and export it once; then one of its files goes away."""
    scene, lib = Scene(folder), folder / "lib"
    lib.mkdir()
    special = {1: HOSTILE, 2: JAPANESE, 3: EMOJI}
    for number in range(1, COUNT + 1):
        name = f"s{number:03}.{'aiff' if number % 40 == 5 else 'wav'}"
        audio.write(lib / name, audio.tone(length_of(number), 44_100, hz=200 + number), 44_100, name.rpartition(".")[2].upper())
        scene.rows[number] = {
            "sample_id": number,
            "file_path": f"lib/{name}",
            "title": special.get(number, f"{'Kick' if number % 2 else 'Snare'} {number:03}"),
            "genre": GENRES[number % 4],
            "bpm": 60 + number % 120 if number % 3 else "",
            "musical_key": "Am" if number % 5 == 0 else "",
        }
    (lib / "s010.wav").write_bytes(b"RIFF")
    lines = ["\t".join(scene.rows[1]), *("\t".join(map(str, row.values())) for row in scene.rows.values())]
    (folder / "m.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = ExportConfig(output_base_path=str(folder / "first"))
    threads.export_directly(ExportRequest(manifest=str(folder / "m.tsv"), config=config, db=str(folder / "r.duckdb")))
    with duckdb.connect(str(folder / "r.duckdb")) as connection:  # as a scan of the first few would have it
        connection.execute(
            "INSERT INTO scanned_rows BY NAME"
            " SELECT '' AS manifest_path, file_path AS path, 'loop' AS kind FROM samples WHERE id <= ?",
            [LOOPS],
        )
    (lib / "s020.wav").unlink()
    return scene
