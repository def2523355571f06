"""A manifest is read in full whatever program wrote it, and a file that is no table is one clear error."""

import contextlib
import csv
import io
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.errors import DiskError, ManifestError
from tasks.manifest.table import check_is_manifest, read_all_columns, read_manifest
from tests.support import ROOT
from tests.support.lanes import examples
from tests.support.manifest_judges import WHITE_SPACE, assert_complete, checked, refusal, reject_of, saved

BOM = b"\xef\xbb\xbf"
TEXT_COLUMNS = ("file_path", "title", "genre", "musical_key", "tags")
LINE_END = re.compile("\r\n|\r|\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


# ---- what spreadsheets, editors and programs write ----


@pytest.mark.parametrize("last", ["", "end"])
@pytest.mark.parametrize("bom", [b"", BOM], ids=["plain", "bom"])
@pytest.mark.parametrize("quote", ["", '"'], ids=["unquoted", "quoted"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(
    ("name", "separator"), [("m.csv", ","), ("m.csv", ";"), ("m.csv", "\t"), ("m.tsv", "\t"), ("m.tab", "\t")]
)
def test_one_table_in_many_dialects(
    tmp_path: Path, name: str, separator: str, end: str, quote: str, bom: bytes, last: str
) -> None:
    table = [["title", "file_path", "note"], ["Café", "a/kick.wav", "x"], ["", " snare 🔥.wav ", ""]]
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in table]
    text = end.join(lines) + (end if last else "")
    raw = read_manifest(saved(tmp_path, bom + text.encode(), name))
    assert raw.frame.select("line", "title", "file_path").rows() == [(2, "Café", "a/kick.wav"), (3, None, "snare 🔥.wav")]
    assert raw.rows == 2
    assert raw.rejects.is_empty()
    assert raw.folder == str(tmp_path)


def test_column_names_are_found_without_regard_to_case_and_space(tmp_path: Path) -> None:
    raw = read_manifest(saved(tmp_path, " File_Path , TITLE,Bpm\nkick.wav,Kick,120\n"))
    assert raw.frame.select("file_path", "title", "bpm").rows() == [("kick.wav", "Kick", "120")]


def test_unknown_columns_are_ignored(tmp_path: Path) -> None:
    raw = read_manifest(saved(tmp_path, "line,path,file_path,Größe,,\n9,x,kick.wav,3,,\n"))
    assert raw.frame.select("line", "file_path").rows() == [(2, "kick.wav")]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_comma_in_a_cell_does_not_make_a_comma_file(tmp_path: Path, separator: str) -> None:
    rows = [["file_path", "title"], ["kick, hard, short, dry.wav", "a, b, c, d"]]
    raw = read_manifest(saved(tmp_path, "".join(separator.join(row) + "\n" for row in rows)))
    assert raw.frame.select("file_path", "title").rows() == [tuple(rows[1])]


@pytest.mark.parametrize("name", ["notes\nmore", "a\vb", "a\u2028b"], ids=ascii)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_behind_an_odd_column_name(tmp_path: Path, separator: str, name: str) -> None:
    raw = read_manifest(saved(tmp_path, f'"{name}"{separator}file_path\nx{separator}kick.wav\n'))
    assert raw.frame["file_path"].to_list() == ["kick.wav"]


def test_quoted_newlines_keep_line_numbers_right(tmp_path: Path) -> None:
    rows = ['1,a.wav,"two\nlines"', '2,b.wav,"three\r\nmore\rlines"', "", "3,c.wav,one", "4,d.wav,x,y", "x,e.wav,last"]
    manifest = checked(saved(tmp_path, "\n".join(["sample_id,file_path,title", *rows, ""])))
    assert manifest.frame.select("line", "file_path").rows() == [(2, "a.wav"), (4, "b.wav"), (8, "c.wav")]
    assert manifest.rejected_lines == [9, 10]
    assert reject_of(manifest, 10)["column"] == "sample_id"


@pytest.mark.parametrize("header", ["sample_id,file_path,title", '"sample_id",file_path,title'], ids=["fast", "careful"])
def test_rows_of_another_width_are_rejected_where_a_cell_has_no_column(tmp_path: Path, header: str) -> None:
    rows = "1,a.wav,A\n2,short.wav\n3,long.wav,B,C,D\n4,d.wav,D, ,\t,\n,,\nlone\n5,e.wav,E,,x\n"
    manifest = checked(saved(tmp_path, f"{header}\n{rows}"))
    assert manifest.rows == 6
    assert manifest.frame.select("line", "file_path", "title").rows() == [
        (2, "a.wav", "A"),
        (3, "short.wav", "short"),
        (5, "d.wav", "D"),
    ]
    assert manifest.rejected_lines == [4, 7, 8]
    assert "5 cells where the header has 3" in str(reject_of(manifest, 4)["rule"])
    assert "5 cells where the header has 3" in str(reject_of(manifest, 8)["rule"])
    assert "file_path" in manifest.rejects.filter(pl.col("line") == 7)["column"].to_list()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("header", ["sample_id,file_path", '"sample_id",file_path'], ids=["fast", "careful"])
def test_blank_lines_are_no_rows_but_are_lines(tmp_path: Path, header: str, end: str) -> None:
    text = end.join([header, "", "1,a.wav", "", "", "2,b.wav", "", ""])
    raw = read_manifest(saved(tmp_path, text))
    assert raw.frame.select("line", "file_path").rows() == [(3, "a.wav"), (6, "b.wav")]
    assert raw.rows == 2


def test_quotes_that_do_not_match_cost_one_row(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, 'sample_id,file_path,title\n1,a.wav,"12" kick"\n2,b.wav,"12"" kick"\n3,c 7".wav,C\n'))
    assert manifest.frame.select("file_path", "title").rows() == [("b.wav", '12" kick'), ('c 7".wav', "C")]
    assert manifest.rejected_lines == [2]


# ---- files that are no table ----


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="empty"),
        pytest.param(BOM, id="bom only"),
        pytest.param("\n\n\n", id="blank lines"),
        pytest.param("\r", id="one cr"),
        pytest.param(" ", id="a space"),
        pytest.param('"', id="a quote"),
        pytest.param("file_path", id="header without line end"),
        pytest.param("file_path,title\n", id="header only"),
        pytest.param('"file_path",title\r\n\r\n\r\n', id="quoted header only"),
        pytest.param("file_path\r", id="cr header only"),
        pytest.param("kick.wav\nsnare.wav\n", id="no header"),
        pytest.param("x" * 3_000_000, id="endless first line"),
        pytest.param("file_path," + "x" * 3_000_000 + "\na.wav,b\n", id="endless header"),
    ],
)
@pytest.mark.parametrize("name", ["m.csv", "m.tsv"])
def test_a_file_without_header_or_rows_is_refused(tmp_path: Path, data: str | bytes, name: str) -> None:
    refusal(saved(tmp_path, data, name))


@pytest.mark.parametrize("data", ["", BOM, "\n", "\n \n\t\n"], ids=["empty", "bom", "blank", "blanks"])
def test_an_ndjson_file_without_rows_is_refused(tmp_path: Path, data: str | bytes) -> None:
    refusal(saved(tmp_path, data, "m.ndjson"))


@pytest.mark.parametrize(
    "header",
    [
        "title,file_path,title",
        "Title,file_path, title ",
        "file_path,x,FILE_PATH",
        '"title",file_path,"title"',
        "note,file_path,note",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_duplicate_column_is_named(tmp_path: Path, header: str, separator: str) -> None:
    path = saved(tmp_path, f"{header}\na,b,c\n".replace(",", separator))
    twice = next(name for name in ("title", "note", "file_path") if header.lower().count(name) == 2)
    assert repr(twice) in refusal(path).what
    with pytest.raises(ManifestError):
        check_is_manifest(path)


def test_a_column_of_any_length_is_named_in_few_words(tmp_path: Path) -> None:
    """Found by fuzzing: a manifest without line ends has one, and then an error as long as itself."""
    path = tmp_path / "m.csv"
    path.write_text("/" * 100_000 + ",file_path," + "/" * 100_000 + "\na,b,c\n", encoding="utf-8")
    refused = refusal(path)
    assert refused.what.endswith("...' twice")
    assert len(str(refused)) < 300 + len(str(path))


def test_a_duplicate_column_of_a_parquet_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame({"file_path": ["a.wav"], "title": ["a"], "Title": ["b"]}).write_parquet(path)
    assert "'title'" in refusal(path).what


@pytest.mark.parametrize("near", ["File Path", "file-path", "file name", "filepaths"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_missing_column_is_named_with_its_near_miss(tmp_path: Path, near: str, quote: str) -> None:
    error = refusal(saved(tmp_path, f"{quote}title{quote},{near}\nKick,kick.wav\n"))
    assert "'file_path'" in error.what
    assert "title" in error.what
    assert repr(near.lower()) in error.fix


def test_a_missing_column_of_a_parquet_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame({"file path": ["a.wav"], "x": [1]}).write_parquet(path)
    error = refusal(path)
    assert "'file_path'" in error.what
    assert "'file path'" in error.fix


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        *itertools.product(["utf-16-le", "utf-16-be", "utf-32", "utf-32-le"], ["m.csv", "m.tsv", "m.ndjson"]),
    ],
)
def test_utf_16_without_a_byte_order_mark_is_refused_as_such(tmp_path: Path, encoding: str, name: str) -> None:
    text = '{"file_path": "kick.wav"}\n' if name.endswith("ndjson") else "file_path\nkick.wav\n"
    error = refusal(saved(tmp_path, text.encode(encoding), name))
    assert "UTF-16" in error.what
    assert "UTF-8" in error.fix


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", "file_path,title\na.wav,A\ncafé.wav,B\n"),
        ("m.csv", '"file_path",title\na.wav,A\ncafé.wav,B\n'),
        ("m.csv", "file_path;title\r\na.wav;A\r\ncafé.wav;B\r\n"),
        ("m.csv", "file_path,title\ra.wav,A\rcafé.wav,B\r"),
        ("m.tsv", "file_path\ttitle\na.wav\tA\ncafé.wav\tB\n"),
        ("m.ndjson", '{"file_path": "a.wav"}\n{"file_path": "b.wav"}\n{"file_path": "café.wav"}\n'),
    ],
    ids=["fast", "careful", "crlf", "cr", "tsv", "ndjson"],
)
def test_latin_1_behind_a_mark_of_utf_8_is_refused_with_its_line_and_byte(tmp_path: Path, name: str, text: str) -> None:
    error = refusal(saved(tmp_path, BOM + text.encode("latin-1"), name))
    assert "0xE9" in error.what
    assert "line 3" in error.what
    assert "UTF-8" in error.fix


def test_a_byte_that_is_not_utf_8_far_into_the_file_is_found(tmp_path: Path) -> None:
    data = b"file_path\n" + b"kick.wav\n" * 200_000 + b"caf\x8e.wav\n"
    assert "line 200002" in refusal(saved(tmp_path, data)).what


def test_a_cut_multibyte_character_is_refused(tmp_path: Path) -> None:
    assert "0xF0 on line 2" in refusal(saved(tmp_path, "file_path\nkick 🔥".encode()[:-1])).what


@pytest.mark.parametrize("name", ["m.csv", "m.tsv"])
@pytest.mark.parametrize("data", ["file_path,ti\0tle\na,b\n", "\0file_path\na\n", "\0" * 100])
def test_a_nul_byte_in_the_header_refuses_the_file(tmp_path: Path, data: str, name: str) -> None:
    refusal(saved(tmp_path, data, name))


@pytest.mark.parametrize("header", ["sample_id,file_path,title", '"sample_id",file_path,title'], ids=["fast", "careful"])
def test_a_nul_byte_in_a_cell_rejects_its_row(tmp_path: Path, header: str) -> None:
    manifest = checked(saved(tmp_path, f"{header}\n1,a.wav,A\n2,b\0.wav,B\n3,c.wav,\0\n4,d.wav,D\n"))
    assert manifest.frame["file_path"].to_list() == ["a.wav", "d.wav"]
    assert [reject_of(manifest, line)["column"] for line in (3, 4)] == ["file_path", "title"]
    assert "NUL" in str(reject_of(manifest, 3)["rule"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('file_path,title\na.wav,A\n"b.wav,B\nc.wav,C\n', 3),
        ('file_path,title\na.wav,A\nb.wav,"B', 3),
        ('file_path;title\r\n\r\na.wav;"A\r\n', 3),
        ('"file_path,title\na.wav,A\n', 1),
    ],
)
def test_a_quote_that_is_never_closed_is_named(tmp_path: Path, text: str, line: int) -> None:
    error = refusal(saved(tmp_path, text))
    assert "quote" in error.what
    assert f"line {line}" in error.what


def test_a_cell_of_ten_megabytes_rejects_its_row(tmp_path: Path) -> None:
    for quote in ("", '"'):
        text = f"sample_id,file_path,title\n1,a.wav,{quote}{'x' * 10_000_000}{quote}\n2,b.wav,B\n"
        manifest = checked(saved(tmp_path, text))
        assert manifest.frame["file_path"].to_list() == ["b.wav"]
        reject = reject_of(manifest, 2)
        assert reject["column"] == "title"
        assert len(str(reject["value"])) < 200


# ---- things that are no regular file ----


@pytest.mark.parametrize("name", ["samples", "samples.csv", "samples.parquet"])
def test_a_folder_is_refused_as_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert "folder" in refusal(str(tmp_path / name)).what


@pytest.mark.parametrize("name", ["manifest", "manifest.csv", "manifest.parquet", "none/manifest.ndjson"])
def test_a_missing_file_is_refused_as_one(tmp_path: Path, name: str) -> None:
    assert "does not exist" in refusal(str(tmp_path / name)).what


def test_a_disk_that_fails_is_not_a_wrong_manifest(tmp_path: Path) -> None:
    """Status 3, not 2. What lies at the first address of a process cannot be read: the kernel says EIO."""
    (tmp_path / "m.csv").symlink_to("/proc/self/mem")
    with pytest.raises(DiskError, match=r"The disk reports an error: .*m\.csv") as error:
        read_manifest(str(tmp_path / "m.csv"))
    assert "--out" not in error.value.fix


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.ndjson", "m.parquet"])
def test_a_fifo_is_refused_without_waiting(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    refusal(str(tmp_path / name))


@pytest.mark.parametrize("name", ["m.csv", "m.ndjson", "m.parquet"])
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_behind_a_link_is_refused(tmp_path: Path, name: str, device: str) -> None:
    (tmp_path / name).symlink_to(device)
    refusal(str(tmp_path / name))


def test_links_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "gone.csv").symlink_to("nowhere.csv")
    for name in ("loop.csv", "gone.csv"):
        refusal(str(tmp_path / name))


@pytest.mark.parametrize("name", ["m.csv/x.csv", "x" * 300 + ".csv", "\udcff.csv", "nul\0.csv"], ids=ascii)
def test_paths_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    saved(tmp_path, "file_path\nkick.wav\n", "m.csv")
    refusal(str(tmp_path / name))


@pytest.mark.parametrize(
    ("magic", "word"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "Excel"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio"),
        (b"\x7fELF\0\0\0", "binary"),
    ],
)
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.ndjson"])
def test_a_binary_file_under_a_text_name_is_refused_as_what_it_is(tmp_path: Path, magic: bytes, word: str, name: str) -> None:
    assert word in refusal(saved(tmp_path, magic + bytes(100), name)).what


@pytest.mark.parametrize("name", ["m.pls", "m.text", "m.json", "manifest", "m.csv.gz", ".csv"])
def test_an_unknown_extension_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    error = refusal(saved(tmp_path, "file_path\nkick.wav\n", name))
    for known in (".csv", ".tsv", ".parquet", ".ndjson"):
        assert known in error.fix


def test_extensions_are_read_without_regard_to_case(tmp_path: Path) -> None:
    assert read_manifest(saved(tmp_path, "file_path\nkick.wav\n", "M.CSV")).rows == 1


# ---- numbers ----

NUMBERS = [
    ("120", 120.0),
    ("120.5", 120.5),
    (" 99 ", 99.0),
    ("", None),
    ("1.2e2", 120.0),
    ("NaN", "number"),
    ("nan", "number"),
    ("inf", "number"),
    ("-inf", "number"),
    ("1e9", "20 to 300"),
    ("1e999", "20 to 300"),
    ("-5", "20 to 300"),
    ("0", None),
    ("0.5", "20 to 300"),
    ("fast", "number"),
    ("1,120.5", "number"),
    ("120.5.1", "number"),
]


@pytest.mark.parametrize(
    ("name", "separator", "with_comma"),
    [("m.csv", ",", "number"), ("m.csv", ";", 120.5), ("m.csv", "\t", "number"), ("m.tsv", "\t", "number")],
)
def test_tempos(tmp_path: Path, name: str, separator: str, with_comma: float | str) -> None:
    cases = [*NUMBERS, ("120,5", with_comma)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["sample_id", "file_path", "bpm"])
    writer.writerows([str(n), f"{n}.wav", cell] for n, (cell, _) in enumerate(cases, 1))
    manifest = checked(saved(tmp_path, text.getvalue(), name))
    found = dict(manifest.frame.select("line", "bpm").iter_rows())
    for line, (cell, expected) in enumerate(cases, 2):
        if isinstance(expected, str):
            reject = reject_of(manifest, line)
            assert (reject["column"], reject["value"]) == ("bpm", cell)
            assert expected in str(reject["rule"])
        else:
            assert found[line] == expected, cell


# ---- Parquet ----


def test_typed_parquet_columns(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame(
        {
            "sample_id": [1, 2, 3, 4],
            "File_Path": ["a.wav", "b.wav", "c.wav", None],
            "bpm": [120.5, None, float("nan"), 90.0],
            "tags": [["dry", "short"], [], None, ["x"]],
            "pad": pl.Series([1, 2, None, None], dtype=pl.UInt8),
            "bank": pl.Series(["A", "B", None, None], dtype=pl.Categorical),
            "kit": ["k", "k", None, None],
            "extra": [object.__name__] * 4,
        }
    ).write_parquet(path)
    manifest = checked(path)
    assert manifest.frame.select("sample_id", "file_path", "bpm", "tags", "pad").rows() == [
        (1, "a.wav", 120.5, "dry|short", 1),
        (2, "b.wav", None, None, 2),
    ]
    assert (reject_of(manifest, 3)["column"], reject_of(manifest, 4)["column"]) == ("bpm", "file_path")


def test_whole_numbers_with_gaps_arrive_as_floats(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame({"sample_id": [1.0, 2.5, 3.0], "file_path": ["a", "b", "c"], "bpm": [120, 99, None]}).write_parquet(path)
    manifest = checked(path)
    assert manifest.frame.select("sample_id", "bpm").rows() == [(1, 120.0), (3, None)]
    assert reject_of(manifest, 2)["value"] == "2.5"


@pytest.mark.slow
@pytest.mark.parametrize(
    "column",
    [
        pl.Series("title", [[["a"]]]),
        pl.Series("title", [b"\xff"]),
        pl.Series("title", [{"a": 1}]),
    ],
    ids=["nested list", "bytes", "struct"],
)
def test_a_parquet_column_that_is_no_text_is_named(tmp_path: Path, column: pl.Series) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame([pl.Series("file_path", ["a.wav"]), column]).write_parquet(path)
    assert "'title'" in refusal(path).what


def test_an_empty_parquet_file_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame(schema={"file_path": pl.String}).write_parquet(path)
    assert "no rows" in refusal(path).what


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"file_path\nkick.wav\n", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    refusal(saved(tmp_path, data, "m.parquet"))


@pytest.mark.slow
def test_a_module_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample pack may hold any file, also one that is named like a Python package."""
    pl.DataFrame({"file_path": ["a.wav"]}).write_parquet(tmp_path / "m.parquet")
    (tmp_path / "polars.py").write_text("open('was-run', 'w').close()")
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(ManifestError):
        read_manifest("m.parquet")
    assert not (tmp_path / "was-run").exists()
    assert read_manifest("m.parquet").rows == 1


# The first panics in Polars 2.1, the second aborts its process, the third is an error.
DAMAGE = """
import sys
from pathlib import Path
from schemas.errors import DiskError, ManifestError
from tasks.manifest.table import read_manifest
path = Path(sys.argv[1])
whole = path.read_bytes()
for at, value in ((40, 0), (43, 5), (len(whole) - 6, 255)):
    path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    print("byte", at, "is", value, flush=True)
    try:
        read_manifest(str(path))
    except ManifestError:
        pass
"""


@pytest.mark.slow
def test_a_damaged_parquet_file_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pl.DataFrame({"file_path": ["a.wav", "b.wav"], "sample_id": [1, 2]}).write_parquet(path, compression="uncompressed")
    command = [sys.executable, "-c", DAMAGE, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout.splitlines()[-1:], done.stderr[:300])


# ---- NDJSON ----


def test_ndjson_rows(tmp_path: Path) -> None:
    lines = [
        '{"file_path": "a.wav", "sample_id": 1, "bpm": 120.5, "tags": ["dry", "short"], "other": {"x": [1]}}',
        "not json",
        '{"file_path": "b.wav", "sample_id": 2, "title": "x", "Title": "y"}',
        "",
        '{"FILE_PATH": "c.wav", "sample_id": "3", "bpm": "90", "title": null}',
        '{"file_path": "d.wav", "sample_id": 4, "title": "\\ud800"}',
        '["file_path", "e.wav"]',
        '{"file_path": "f.wav", "sample_id": 6, "bpm": NaN}',
        '{"file_path": "g.wav", "sample_id": 7, "bpm": 1e999}',
        '{"file_path": "h.wav", "sample_id": 8, "bpm": true}',
        '{"file_path": "i.wav", "sample_id": 9, "title": {"x": 1}}',
        '{"sample_id": 10}',
        '{"file_path": "j.wav", "sample_id": 11, "title": "\\u0000"}',
        '{"file_path": "k.wav", "sample_id": 12, "title": "\\ud83d\\udd25"}',
        "[" * 100_000,
        '{"file_path": "l.wav", "sample_id": ' + "9" * 5_000 + "}",
        '{"file_path": "m.wav", "sample_id": 14, "\\ud800": 1}',
    ]
    for bom, end in ((b"", "\n"), (BOM, "\r\n")):
        manifest = checked(saved(tmp_path, bom + end.join(lines).encode(), "m.ndjson"))
        assert manifest.rows == len(lines) - 1
        assert manifest.frame.select("line", "sample_id", "file_path", "bpm", "tags").rows() == [
            (1, 1, "a.wav", 120.5, "dry|short"),
            (5, 3, "c.wav", 90.0, None),
            (14, 12, "k.wav", None, None),
            (17, 14, "m.wav", None, None),
        ]
        assert manifest.frame["title"].to_list() == ["a", "c", "🔥", "m"]


@pytest.mark.parametrize(
    "tags", ['["\\ud800"]', '["dry", null]', '["dry", {"x": 1}]', '["dry", ["short"]]', '["dry", true]', '{"dry": 1}']
)
def test_ndjson_tags_are_text_or_the_row_is_rejected(tmp_path: Path, tags: str) -> None:
    text = f'{{"file_path": "a.wav", "sample_id": 1, "tags": {tags}}}\n{{"file_path": "b.wav", "sample_id": 2}}\n'
    manifest = checked(saved(tmp_path, text, "m.ndjson"))
    assert manifest.frame["file_path"].to_list()[-1] == "b.wav"
    kept = manifest.frame.filter(pl.col("line") == 1)["tags"].to_list()
    assert kept in ([], ["dry"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_ndjson_in_utf_16_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    lines = ['{"file_path": "Caf\u00e9/\u30ad\u30c3\u30af\U0001f525.wav"}', "", "not json", '{"file_path": "b.wav"}']
    manifest = checked(saved(tmp_path, ("\ufeff" + "\r\n".join(lines)).encode(encoding), "m.ndjson"))
    assert manifest.frame.select("line", "file_path").rows() == [
        (1, "Caf\u00e9/\u30ad\u30c3\u30af\U0001f525.wav"),
        (4, "b.wav"),
    ]
    assert manifest.rejected_lines == [3]
    assert "UTF-16" in refusal(saved(tmp_path, ("\ufeff" + lines[0]).encode(encoding)[:-1], "m.ndjson")).what
    with pytest.raises(ManifestError, match="is UTF-16 text, and would be written as UTF-8"):
        read_all_columns(saved(tmp_path, ("\ufeff" + lines[0]).encode(encoding), "m.ndjson"))


def test_line_separators_of_unicode_do_not_cut_json(tmp_path: Path) -> None:
    text = '{"file_path": "a\u2028b\x85.wav"}\n{"file_path": "c.wav"}\n'
    assert read_manifest(saved(tmp_path, text, "m.jsonl")).frame["file_path"].to_list() == ["a\u2028b\x85.wav", "c.wav"]


# ---- properties ----

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
AWKWARD = st.text(" \t,;|\"'\r\n\v\x1c\x85\u2028\ufeffaé🔥", max_size=6)
CELLS = st.one_of(ANY_TEXT, AWKWARD)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[dict[str, str]]]:
    """A header in any order, with ``file_path`` and ``sample_id``, and rows of text by column."""
    optional = draw(st.lists(st.sampled_from([*TEXT_COLUMNS[1:], "note", "Größe", "ノート"]), unique=True))
    header = draw(st.permutations(["file_path", "sample_id", *optional]))
    rows = draw(
        st.lists(st.fixed_dictionaries({name: CELLS for name in header if name != "sample_id"}), min_size=1, max_size=5)
    )
    return header, [row | {"sample_id": str(number)} for number, row in enumerate(rows, 1)]


def trimmed(cell: str) -> str | None:
    return cell.strip(WHITE_SPACE) or None


def is_read_as_written(column: str, cell: str | None) -> bool:
    """Say whether a cell stays as it is: not so an empty title, what says "no value", and keys, which are spelt anew."""
    if column == "file_path":
        return True
    says_nothing = cell is None or cell.lower() in ("-", "?", "n/a", "none") or re.fullmatch(r"0+([.,]0*)?", cell)
    return not (says_nothing and (cell or column == "title")) and column != "musical_key"


@pytest.mark.thorough
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans())
def test_what_csv_writes_is_what_is_read(
    folder: Path, table: tuple[list[str], list[dict[str, str]]], separator: str, end: str, quote_all: bool, bom: bool
) -> None:
    header, rows = table
    # Before Python 3.13 the writer quotes line ends only if they are its own.
    quote_all |= end != "\r\n" and any(set("\r\n") & set(cell) for row in rows for cell in row.values())
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    written, starts = "", []
    for cells in [header, *([row[name] for name in header] for row in rows)]:
        line = io.StringIO()
        csv.writer(line, delimiter=separator, lineterminator=end, quoting=quoting).writerow(cells)
        starts.append(1 + len(LINE_END.findall(written)))
        written += line.getvalue()
    name = "p.tsv" if separator == "\t" and bom else "p.csv"
    manifest = checked(saved(folder, BOM * bom + written.encode(), name))

    assert manifest.rows == len(rows)
    expected = [(line, row) for line, row in zip(starts[1:], rows, strict=True) if trimmed(row["file_path"])]
    assert manifest.frame["line"].to_list() == [line for line, _ in expected]
    for column in set(header) & set(TEXT_COLUMNS):
        cells = [trimmed(row[column]) for _, row in expected]
        for got, cell in zip(manifest.frame[column].to_list(), cells, strict=True):
            assert got == cell or not is_read_as_written(column, cell)


LINES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\r\n')), max_size=6)
CUT_LINES = st.lists(st.lists(st.text("ab \0\t\v\x1c\x85\u2028\ufeff;é", max_size=3), max_size=4).map(",".join), max_size=6)


@pytest.mark.thorough
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(LINES, CUT_LINES), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
@example(lines=["a,b"], end="\n", last=False, wide=True)
def test_both_ways_of_reading_agree(folder: Path, lines: list[str], end: str, last: bool, wide: bool) -> None:
    """Text without quotes is split line by line; one quote in the header sends the same rows through ``csv``."""
    rest = ",title,note" if wide else ""
    body = "".join(end + line for line in lines) + end * last
    fast = outcome(saved(folder, f"file_path{rest}{body}"))
    careful = outcome(saved(folder, f'"file_path"{rest}{body}'))
    assert fast == careful
    if not isinstance(fast, str):
        assert fast[0] == sum(line.strip(f",{WHITE_SPACE}") != "" for line in lines)


ABOVE = st.lists(st.sampled_from(["", ",,", " ; ", "Table 1", "My kicks,,", "Made by me, in May", "\t"]), max_size=3)
SPREADSHEET_CELLS = st.sampled_from(["", " ", "\xa0", "a.wav", "é", "0", "Total"])
SPREADSHEET_ROWS = st.lists(st.lists(SPREADSHEET_CELLS, max_size=6), max_size=5)


@pytest.mark.thorough
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(",;\t"), st.booleans(), ABOVE, st.sampled_from(["file_path", "Location"]), SPREADSHEET_ROWS, st.booleans()
)
def test_both_ways_of_reading_agree_on_what_spreadsheets_add(
    folder: Path, delimiter: str, says_delimiter: bool, above: list[str], name: str, rows: list[list[str]], wide: bool
) -> None:
    """Lines above the header, rows of empty cells, missing cells and empty ones beyond the header."""
    names = [name, "title", "note"] if wide else ["file_path"]
    if not wide and not says_delimiter:  # nothing tells what separates the cells of a table of one column
        delimiter = ","
    first = [f"sep={delimiter}"] * says_delimiter + above
    below = [delimiter.join(row) for row in rows]
    texts = ["\r\n".join([*first, delimiter.join([f"{quote}{names[0]}{quote}", *names[1:]]), *below]) for quote in ("", '"')]
    fast, careful = (outcome(saved(folder, text)) for text in texts)
    assert fast == careful
    lines = {len(first) + 2 + at: row for at, row in enumerate(rows) if any(cell.strip(WHITE_SPACE) for cell in row)}
    if not lines:
        assert isinstance(fast, str)
        return
    assert not isinstance(fast, str)
    too_wide = {line for line, row in lines.items() if any(cell.strip(WHITE_SPACE) for cell in row[len(names) :])}
    assert fast[0] == len(lines)
    assert [row[0] for row in fast[1]] == [line for line in lines if line not in too_wide]
    assert {row[0] for row in fast[2]} == too_wide
    title = TEXT_COLUMNS.index("title") + 2
    for row in fast[1]:
        cells = [trimmed(cell) for cell in lines[row[0]]] + [None] * 3  # type: ignore[index]
        assert row[2] == cells[0]
        assert row[title] == (cells[1] if wide else None)


def outcome(path: str) -> str | tuple[int, list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What reading gives, as plain values: the error's text, or the rows."""
    try:
        raw = read_manifest(path)
    except ManifestError as error:
        return f"{error} {error.fix}"
    return raw.rows, raw.frame.rows(), raw.rejects.rows()


VALID = {
    "fast.csv": "sample_id,file_path,title,bpm,kit,bank,pad\n1,a.wav,A,99,k,A,1\n2,é.wav,🔥,,k,A,2\n3,c.wav,,90,,,\n".encode(),
    "careful.csv": BOM + b'"sample_id";"file_path";title;bpm\r\n1;"a;b.wav";"two\r\nlines";120,5\r\n2;c.wav;"say ""hi""";\r\n',
    "table.tsv": b"file_path\tsample_id\ttags\ra.wav\t1\tx|y\rb.wav\t2\t\r",
    "rows.ndjson": b'{"file_path": "a.wav", "sample_id": 1, "tags": ["x"]}\n{"file_path": "b.wav", "sample_id": 2}\n',
}
MUTATION = st.tuples(
    st.sampled_from(["put", "insert", "delete", "repeat", "cut"]),
    st.integers(0, 300),
    st.one_of(
        st.sampled_from([b'"', b"\n", b"\r", b"\0", b",", b";", b"\t", b"\xff", b"\\", b"{", b"[", b"-"]), st.binary(max_size=4)
    ),
)


def mutated(data: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, new in mutations:
        at = place % (len(data) + 1)
        match kind:
            case "put":
                data = data[:at] + new + data[at + len(new) :]
            case "insert":
                data = data[:at] + new + data[at:]
            case "delete":
                data = data[:at] + data[at + 1 + len(new) :]
            case "repeat":
                data = data[:at] + data[max(0, at - 20) : at] + data[at:]
            case "cut":
                data = data[:at] if place % 5 == 0 else data
    return data


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(VALID)), st.lists(MUTATION, min_size=1, max_size=6))
def test_damaged_text_is_refused_or_accounted_for(folder: Path, name: str, mutations: list[tuple[str, int, bytes]]) -> None:
    path = saved(folder, mutated(VALID[name], mutations), name)
    if not isinstance(outcome(path), str):
        checked(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(VALID))
def test_every_single_byte_may_be_lost_or_struck(folder: Path, name: str) -> None:
    data = VALID[name]
    for at, new in itertools.product(range(len(data)), (b"", b'"')):
        path = saved(folder, data[:at] + new + data[at + 1 :], name)
        if not isinstance(outcome(path), str):
            raw = read_manifest(path)
            assert raw.rows == raw.frame.height + raw.rejects["line"].n_unique()
            assert_complete(raw.rejects)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
JSON_KEYS = st.sampled_from(["file_path", "sample_id", "bpm", "tags", "title", "kit", "pad", "BPM", "x"])


@pytest.mark.thorough
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(JSON_KEYS, JSON_VALUES, max_size=5) | JSON_VALUES, min_size=1, max_size=5))
def test_every_json_line_is_a_row_or_a_reject(folder: Path, rows: list[object]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=bool(number % 2)) + "\n" for number, row in enumerate(rows))
    text = '{"file_path": "a.wav"}\n' + text
    assert checked(saved(folder, text, "rows.ndjson")).rows == 1 + len(rows)


def test_json_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    assert "no 'file_path' column" in refusal(saved(tmp_path, '{"name": "a.wav"}\n{"name": "b.wav"}\n', "m.ndjson")).what
    assert "JSON array" in refusal(saved(tmp_path, '[\n{"file_path": "a.wav"}\n]\n', "m.ndjson")).what
