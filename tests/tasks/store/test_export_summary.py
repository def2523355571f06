"""The summary of an export, by the records, for its report."""

from tasks.store.database import Database
from tasks.store.export_summary import ExportSummary, summarize_export
from tests.support import audio
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


def test_of_what_is_new_the_rarest_reason_comes_first(night: Nightly) -> None:
    """Two damaged files among many short ones are what a person looks for on the morning after."""
    for number in range(4):
        night.add(f"short{number}.wav")
        audio.write(night.lib / f"short{number}.wav", audio.tone(0.02, 48_000), 48_000, "WAV")
    night.add("gone.wav", None)
    night.export()
    assert [row["file"] for row in summary(night, 1).failures] == ["gone.wav", *(f"short{number}.wav" for number in range(4))]
