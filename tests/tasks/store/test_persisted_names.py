"""Names that older versions wrote into the folder of runs, and that this version must read and write: literally.

A name that changes here breaks in silence how a killed run of another version is resumed, and how records are rebuilt.
"""

import re
from pathlib import Path

import polars as pl

from tasks.convert.plan_file import PLAN_COLUMNS
from tasks.fs.atomic import part_name
from tasks.store import export_records, run_folder
from tasks.store.checkpoints import read_checkpoint
from tests.support.exporting import Ledger

ROWS = """line sample_id id_given path owns_output source title genre bpm bpm_bucket musical_key tags kit kit_id bank pad
settings_hash facts source_peak status output_bytes output_frames""".split()
KITS = set("kit_id sample_id bank pad source title genre bpm musical_key tags".split())  # what is read of them
OUTCOMES = """status error_message reason fix output_bytes output_frames output_channels conversion_seconds sound_changes
warning content_hash source_hash output_hash file_hash metadata_hash moved_from source_format source_subtype source_rate_hz
source_channels source_bytes source_mtime_ns source_ctime_ns source_frames peak true_peak overs rms dc
leading_silence_ms""".split()
EXPORT = """id user_id export_type sample_count output_path organized_by format created_at manifest_path label run_by identity
mount_point settings row_word""".split()
COLUMNS = {
    "ids": ["file_path", "id"],
    "new-kits": ["name", "id", "created_at"],
    "rows": ROWS,
    "rejects": "line sample_id kit column value rule fix file_path".split(),
    "refreshed": "path sample_id source source_bytes source_mtime_ns source_ctime_ns".split(),
    "export": EXPORT,
    "part-0000000": ["path", *OUTCOMES],
    "ending": "seconds trouble warning why finished_at parts".split(),
    "gone": ["path"],
}
PLAN = """job sample_id source target title genre bpm musical_key tags loudest pad_to_ms path ours free text ours_text has_text
text_hash finished moving""".split()


def test_files_and_columns_of_the_folder_of_runs(ledger: Ledger) -> None:
    slot = {"kit": "K", "bank": "A", "pad": 1}
    made = ledger.record({"source": "/a.wav", **slot}, {"source": "/b.wav"}, rejects=[{"line": 9}])
    export_records.forget_outputs(ledger.target, made.id, ["b.wav"])
    folder = Path(f"{ledger.db}.runs") / f"export-{made.id}"
    columns = {}
    for path in folder.rglob("*.parquet"):
        name = re.fullmatch(r"(.+)-[0-9a-f]{32}\.parquet", path.name)
        assert name, path.name
        assert (path.parent == folder) == (name[1] in ("ending", "gone")), path
        assert path.parent == folder or re.fullmatch(r"\d{3}", path.parent.name)
        columns[name[1]] = read_checkpoint(path).columns
    assert set(columns.pop("kits")) >= KITS
    assert columns == COLUMNS


def test_columns_of_a_plan_file() -> None:
    assert list(PLAN_COLUMNS) == [*PLAN, *OUTCOMES]


def test_the_plan_of_a_killed_run(ledger: Ledger) -> None:
    """As an older version wrote it: where a run may have written is known by these columns alone."""
    folder = Path(f"{ledger.db}.runs") / "export-7" / "001"
    folder.mkdir(parents=True)
    plan = pl.DataFrame(
        {
            "target": ["/o/ours.wav", "/o/free.wav", "/o/other.wav"],
            "ours": [True, False, False],
            "free": [False, True, False],
        }
    )
    plan.write_ipc(folder / "plan-0a1b2c3d.arrow")
    (left,) = run_folder.left_behind(ledger.database)
    assert left.token == "0a1b2c3d"
    assert left.targets == {"/o/ours.wav", "/o/free.wav"}


def test_names_of_unfinished_files() -> None:
    assert part_name("0a1b2c3d", 12) == ".sp404-0a1b2c3d-12.part"
    assert part_name("0a1b2c3d", 12, "text") == ".sp404-0a1b2c3d-12text.part"
