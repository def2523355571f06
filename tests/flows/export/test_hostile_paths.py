"""Whole exports below folders whose names are patterns, options, URLs or worse to some library: any name is taken."""

import os
import tempfile
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.config import config_context

from config.settings import load
from flows.export import preview
from flows.export.threads import export_directly
from flows.export.zip_archive import zip_export
from schemas.errors import DatabaseError
from schemas.export import ExportConfig, ExportRequest
from tasks.manifest.table import read_manifest
from tasks.manifest.write import write_manifest
from tasks.store.database import Database
from tasks.store.history import preferences_at
from tests.support import audio, nightly, workbooks
from tests.support.lanes import long_examples

_SOUND = audio.tone(0.11, 48_000)
# DuckDB takes a backslash for a slash: the database cannot be below such a folder, and says so.
NAMES = st.one_of(
    st.text(st.sampled_from("[]?*{}%#&=;:~$!'\"`\n\t -.@+,|<>\x1bab1ü"), min_size=1, max_size=12),
    st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=16),
    st.sampled_from(["file:", "s3:", "-rf", "~", "~root", "$HOME", "%41", "C:", "a{b,c}", "[!a]", "**", " ", "a?b=c#d"]),
).filter(lambda name: name not in (".", ".."))


def export_below(name: str) -> None:
    """Export twice, verify and zip where everything is below folders of this name."""
    with (
        tempfile.TemporaryDirectory() as ground,
        pytest.MonkeyPatch.context() as patch,
        config_context(validation_enabled=False),
    ):
        place = Path(os.path.realpath(ground), name, "a" + name)
        for folder in ("lib", "home", "config", "card/IMPORT"):
            (place / folder).mkdir(parents=True)
        patch.setenv("HOME", str(place / "home"))
        patch.setenv("SP404_CONFIG_DIR", str(place / "config"))
        patch.setenv("SP404_CONTAINED", "false")
        patch.setenv("SP404_WORKERS", "1")
        patch.chdir(place / "home")
        (place / "config/own.toml").write_text('[sp404]\norganize_by = "genre"\n', encoding="utf-8")
        for number in (1, 2):
            audio.write(place / f"lib/{number}.wav", _SOUND / number, 48_000, "WAV", "PCM_16")
        (place / "lib/m.csv").write_text("file_path,title,genre\n1.wav,One,house\n2.wav,Two,dub\n", encoding="utf-8")
        config = ExportConfig(output_base_path=str(place / "out"))
        request = ExportRequest(manifest=str(place / "lib/m.csv"), config=config, card=str(place / "card"))
        first, second = export_directly(request), export_directly(request)
        assert (first.successful, first.unchanged, first.no_card) == (2, 0, "")
        assert (second.export_id, second.unchanged, second.no_card) == (2, 2, "")
        found = nightly.sounds(nightly.tree(place / "out"))
        assert sorted(found) == ["dub/two.wav", "house/one.wav"], "the configuration was read"
        assert nightly.tree(place / "card/IMPORT") == found
        in_force = load({}, preferences_at).settings
        assert preview.verify(in_force, None, 1).findings == []
        zipped = zip_export(in_force, 1, str(place / "home/x.zip"))
        assert (zipped.files, os.path.exists(place / "home/x.zip")) == (4, True)
        made = {path.relative_to(place).parts[0] for path in Path(ground).rglob("*") if path.is_file()}
        assert made == {"lib", "home", "config", "card", "out"}, "nothing stands elsewhere"
        with duckdb.connect() as judge:  # of a copy, whose own path is plain
            plain = Path(ground, "copy")
            plain.write_bytes(Path(in_force.db).read_bytes())
            judge.execute(f"ATTACH '{plain}' AS records (READ_ONLY)")
            assert judge.execute("SELECT count(finished_at) FROM records.sp404_exports").fetchall() == [(2,)]


def test_a_folder_whose_name_is_a_pattern_and_more() -> None:
    """For manifest, sources, output, database, home, configuration, working folder, card and ZIP."""
    export_below("[a-z]? *%41#'\"\n~")


@pytest.mark.slow
@given(name=NAMES)
@settings(max_examples=long_examples(40), deadline=None)
def test_any_name_of_a_folder_is_taken(name: str) -> None:
    export_below(name)


@pytest.mark.slow
def test_every_kind_of_manifest_is_read_from_such_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "[a-z]? *%41#'\"\n~"
    place.mkdir()
    table = pl.DataFrame({"file_path": ["1.wav"], "title": ["One"]})
    for extension in (".csv", ".tsv", ".ndjson", ".parquet"):
        write_manifest(table, str(place / f"m{extension}"), "", None)
    table.write_csv(place / "m.txt", separator="\t")
    workbooks.write_workbook(place / "m.xlsx", {"S": [["file_path", "title"], ["1.wav", "One"]]})
    (place / "m.m3u8").write_text("1.wav\n", encoding="utf-8")
    found = {path.name: read_manifest(str(path)).frame["file_path"].to_list() for path in place.iterdir()}
    assert list(found.values()) == [["1.wav"]] * 7


def test_a_database_that_duckdb_would_look_for_elsewhere(tmp_path: Path) -> None:
    """DuckDB takes a backslash for a slash: ``\\`` is the folder above, where a file would be made without a word."""
    (tmp_path / "\\").mkdir()
    with pytest.raises(DatabaseError, match="takes a") as refused, Database(str(tmp_path / "\\" / "r.duckdb"), 1).connect():
        pass
    assert (refused.value.exit_code, "--db" in refused.value.fix) == (3, True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
