"""Commands that only look write nothing: not a byte, not a time, not a name, wherever they look."""

from pathlib import Path

import pytest

from tests.support.command_line import Run
from tests.support.scanning import World, snapshot, sound, sounds

pytestmark = pytest.mark.usefixtures("uncontained")
COMMANDS = (
    ("plan", "--prune", "--card", "CARD", "--organize-by", "kit"),
    ("plan", "--sound", "guard=folder", "--names", "screen"),
    ("export", "--dry-run", "--prune", "--yes", "--card", "CARD", "--organize-by", "kit"),
    ("export", "--dry-run", "--full", "--zip", "--organize-by", "genre", "--verify-outputs"),
    ("export", "--dry-run", "--init-card", "--card", "NEW_CARD"),
    ("check",),
    ("check", "--sound", "guard=folder"),
)


def write(world: World, numbers: range, **cells: str) -> None:
    rows = [{"file_path": f"lib/s{n:03}.wav", "kit": "Night Bus", "bank": "A", "pad": f"{n + 1}"} for n in numbers]
    world.save([row | {"genre": "", "bpm": ""} | cells for row in rows])


@pytest.mark.slow
def test_nothing_is_written_where_there_is_much_to_do(tmp_path: Path, sp404: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "w", sp404)
    config, new_card = tmp_path / "config", tmp_path / "new_card"
    sounds(world.folder / "lib", 6)
    for folder in (world.card / "IMPORT", config, new_card):
        folder.mkdir(parents=True)
    (config / "sp404.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("SP404_CONFIG_DIR", str(config))
    write(world, range(6))
    world.export("--card", world.card, "--organize-by", "kit")
    # Rows that are gone, new, moved and broken; files that are changed, missing and in the making.
    write(world, range(1, 5), genre="House")
    rows = world.rows()
    sound(world.folder / "lib/new.wav", 90)
    sound(world.folder / "lib/s002.wav", 91)
    rows[0] |= {"pad": "9", "bpm": "fast", "kit": "night bus"}
    rows[1] |= {"file_path": "lib/gone.wav"}
    world.save([*rows, rows[2] | {"file_path": "lib/new.wav", "kit": "NIGHT BUS", "pad": "16"}])
    (world.out / ".sp404-0123abcd-1.part").write_bytes(b"half")
    next(world.card.rglob("*.wav")).unlink()
    before, bytes_before = snapshot(tmp_path), world.db.read_bytes()
    names = {"CARD": world.card, "NEW_CARD": new_card}
    for command, *options in COMMANDS:
        out = ("--out", world.out) if command != "check" else ()
        said = world.run(command, world.table, *(names.get(option, option) for option in options), *out)
        assert said.status == 1, said  # a row is rejected
        assert snapshot(tmp_path) == before, (command, options)
    assert world.db.read_bytes() == bytes_before
    # Nor does a first look make a database, an output folder, or a folder for either.
    for command, *out in (
        ("plan", "--out", tmp_path / "a/out"),
        ("export", "--dry-run", "--out", tmp_path / "a/out"),
        ("check",),
    ):
        assert sp404(command, world.table, *out, "--db", tmp_path / "b/r.duckdb").status == 1
    assert snapshot(tmp_path) == before
