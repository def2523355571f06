"""The summary of an export, by the records, for its report."""

from tasks.store.database import Database
from tasks.store.export_summary import ExportSummary, summarize_export
from tests.support.nightly import Nightly


def summary(night: Nightly, export_id: int) -> ExportSummary:
    return summarize_export(Database(str(night.db), 5), export_id, 5, 500)


def test_what_fails_for_the_first_time_comes_first_and_files_are_named_below_the_manifests_folder(night: Nightly) -> None:
    for name in ("good", "gone", "here"):
        night.add(f"{name}.wav", 300 if name != "gone" else None)
    night.rows[1]["file_path"] = str(night.folder / "elsewhere.wav")
    night.export()
    assert [(row["file"], row["since"]) for row in summary(night, 1).failures] == [(str(night.folder / "elsewhere.wav"), "")]
    (night.lib / "here.wav").unlink()
    night.export()
    assert [(row["file"], row["since"], row["line"]) for row in summary(night, 2).failures] == [
        ("here.wav", "this run", 4),
        (str(night.folder / "elsewhere.wav"), "before", 3),
    ]
