"""Tables as spreadsheets write them: what is around the rows, how the text is encoded, and what stands in a cell."""

import codecs
import csv
import io
import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError
from schemas.manifest import TEXT_SCHEMA
from tasks.manifest.readers.text_encoding import is_windows_1252
from tasks.manifest.table import check_is_manifest, read_all_columns, read_manifest
from tasks.manifest.validate import lines_without_file
from tests.support.lanes import examples
from tests.support.manifest_judges import checked, refusal, reject_of, saved

pytestmark = pytest.mark.slow

MENUS = ("Excel: File > Save As > CSV UTF-8", "Numbers: File > Export To > CSV", "Google Sheets: File > Download")


# ---- rows that are none ----


@pytest.mark.parametrize("quote", ["", '"'], ids=["fast", "careful"])
def test_rows_of_separators_and_spaces_are_not_rows(tmp_path: Path, quote: str) -> None:
    text = f"{quote}file_path{quote},title,bpm\r\n,,\r\na.wav,A,120\r\n , \t,\r\n\r\nb.wav,B,\r\n,,,,,\r\n\xa0,,\r\n"
    manifest = checked(saved(tmp_path, text))
    assert manifest.frame.select("line", "file_path", "bpm").rows() == [(3, "a.wav", 120.0), (6, "b.wav", None)]
    assert manifest.rejects.is_empty()
    assert manifest.rows == 2


def test_a_row_of_empty_quotes_is_not_a_row(tmp_path: Path) -> None:
    assert read_manifest(saved(tmp_path, 'file_path,title\na.wav,A\n"",""\n" ",\n')).rows == 1


def test_a_table_of_empty_rows_has_no_rows(tmp_path: Path) -> None:
    assert refusal(saved(tmp_path, "file_path,title\n,\n , \n")).what == "has no rows"


def test_a_parquet_row_without_a_value_is_not_a_row(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    pl.DataFrame({"file_path": ["a.wav", None, "b.wav"], "note": [None, None, "x"]}).write_parquet(path)
    assert checked(path).frame.select("line", "file_path").rows() == [(1, "a.wav"), (3, "b.wav")]


def test_rows_that_name_no_file_are_known(tmp_path: Path) -> None:
    rows = [",,Average,1.5", "b.wav,B,junk,", ",Total,,", ",5 with an id,,,7"]
    manifest = checked(saved(tmp_path, "file_path,title,bpm,seconds,sample_id\na.wav,A,,,\n" + "\n".join(rows)))
    assert manifest.rejected_lines == [3, 4, 5, 6]
    assert sorted(lines_without_file(manifest.rejects)) == [3, 5]


# ---- above the header ----

ABOVE = {
    "excel": ("sep=;\r\n", ";", 1),
    "quoted": ('"sep=;"\r\n', ";", 1),
    "upper case": ("SEP=;\r\n", ";", 1),
    "another sign": ("sep=|\r\n", "|", 1),
    "numbers": ("Table 1\n", ",", 1),
    "blank": ("\n\n", ",", 2),
    "empty cells": (",,\n", ",", 1),
    "several": ("My Drums,,\nMade by,me,\n\n", ",", 3),
    "quoted title": ('"My ""best"" drums\nof 2024",,\n', ",", 2),
    "a title like a column": ("File\n", ",", 1),
    "excel and title": ("sep=;\nMy, drums;;\n", ";", 2),
}


@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["plain", "bom"])
@pytest.mark.parametrize("case", ABOVE)
def test_the_header_is_found_below_other_lines(tmp_path: Path, case: str, bom: str) -> None:
    above, delimiter, lines = ABOVE[case]
    rows = [["title", "file_path", "bpm"], ["Kick", "kick.wav", "120"], ["Snare", "snare.wav", ""]]
    path = saved(tmp_path, bom + above + "".join(delimiter.join(row) + "\n" for row in rows))
    manifest = checked(path)
    assert manifest.frame.select("line", "title", "file_path", "bpm").rows() == [
        (lines + 2, "Kick", "kick.wav", 120.0),
        (lines + 3, "Snare", "snare.wav", None),
    ]
    check_is_manifest(path)
    with pytest.raises(ManifestError, match="above its header"):  # it would be lost when the table is written again
        read_all_columns(path)


def test_the_decimal_comma_counts_below_a_separator_line(tmp_path: Path) -> None:
    assert checked(saved(tmp_path, "sep=;\nfile_path;bpm\nkick.wav;120,5\n")).frame["bpm"].to_list() == [120.5]


@pytest.mark.parametrize(
    "text",
    [
        "Table 1\nkick.wav,Kick\nsnare.wav,Snare\n",
        "sep=;\nkick.wav;Kick\n",
        "sample,kind\nkick.wav,file\nsnare.wav,path\n",
        "My drums\n\n\n",
    ],
)
def test_a_table_without_a_header_is_one_clear_error(tmp_path: Path, text: str) -> None:
    assert "no 'file_path' column" in refusal(saved(tmp_path, text)).what


def test_a_near_miss_below_a_title_is_named(tmp_path: Path) -> None:
    assert (
        refusal(saved(tmp_path, "My drums\ntitle,file path\nKick,kick.wav\n")).fix
        == "Rename the column 'file path' to 'file_path'."
    )


# ---- the path under another name ----


@pytest.mark.parametrize("name", ["FilePath", "Location", "path", "file", " FILE "])
@pytest.mark.parametrize("kind", ["m.csv", "m.txt", "m.parquet", "m.ndjson"])
def test_other_names_of_the_path_are_read_and_said(tmp_path: Path, kind: str, name: str) -> None:
    table = pl.DataFrame({"title": ["Kick"], name: ["kick.wav"]})
    path = tmp_path / kind
    if kind == "m.parquet":
        table.write_parquet(path)
    elif kind == "m.ndjson":
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if kind == "m.txt" else ",")
    manifest = checked(str(path))
    assert manifest.frame["file_path"].to_list() == ["kick.wav"]
    (note,) = manifest.notes
    assert name.strip().lower() in note.lower()
    assert "file_path" in note


@pytest.mark.parametrize("kind", ["m.csv", "m.ndjson"])
def test_file_path_goes_before_other_names(tmp_path: Path, kind: str) -> None:
    table = pl.DataFrame({"path": ["x"], "file": ["y"], "file_path": ["kick.wav"]})
    path = tmp_path / kind
    table.write_csv(path) if kind == "m.csv" else table.write_ndjson(path)
    manifest = checked(str(path))
    assert manifest.frame["file_path"].to_list() == ["kick.wav"]
    assert manifest.notes == ()


def test_a_table_whose_path_has_another_name_is_not_written_again(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="its paths in the column 'location'"):
        read_all_columns(saved(tmp_path, "title,location\nKick,kick.wav\n"))


# ---- encodings ----


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "delimiter"), [("m.csv", ","), ("m.csv", "\t"), ("m.txt", "\t"), ("m.txt", ";"), ("m.tsv", "\t")]
)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_utf_16_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str, name: str, delimiter: str, quoting: int) -> None:
    rows = [["file_path", "title"], ["Café/キック🔥.wav", "Ночь"], ["kick.wav", "ā"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else codecs.BOM_UTF16_BE
    manifest = checked(saved(tmp_path, mark + text.getvalue().encode(encoding), name))
    assert manifest.frame.select("line", "file_path", "title").rows() == [(2, *rows[1]), (3, *rows[2])]


@pytest.mark.parametrize("cut", [1, 3, 17])
def test_cut_utf_16_is_one_clear_error(tmp_path: Path, cut: int) -> None:
    error = refusal(saved(tmp_path, "file_path,title\r\nkick.wav,Kick\r\n".encode("utf-16")[:-cut]))
    assert "UTF-16" in error.what
    assert all(menu in error.fix for menu in MENUS)


WESTERN = [
    "Café.wav",
    "Übung macht den Meister; Straße",
    "Ärger, Größe, schön",
    "Señor Peña — año",
    "Mère, où, ça, œuvre, Noël",
    "Brønd, Åse, fjærås",
    "São João",
    "Don\u2019t stop, café",
    "“Crème brûlée” \u2013 20 €",
    "El Niño (rápido)",
]


@pytest.mark.parametrize("text", WESTERN)
def test_windows_1252_is_read_where_it_is_certain(tmp_path: Path, text: str) -> None:
    table = f"file_path\ttitle\r\nkick.wav\t{text}\r\n"
    manifest = checked(saved(tmp_path, table.encode("cp1252"), "m.txt"))
    assert manifest.frame["title"].to_list() == [text]
    assert any("Windows-1252" in note for note in manifest.notes)


OTHER_ENCODINGS = [
    *itertools.product(["mac_roman"], ["Café", "Señor Peña", "schön, Größe", "María", "für", "Mère", "Über"]),
    *itertools.product(["cp1251", "koi8_r", "cp866"], ["Привет", "Бас", "Ночь и день"]),
    *itertools.product(["cp850", "cp437"], ["Café", "schön", "für", "Ärger"]),
    ("shift_jis", "キック ドラム"),
    ("gbk", "底鼓 军鼓"),
    ("euc_kr", "킥 드럼"),
    ("cp1253", "Καλημέρα"),
    ("cp1255", "שלום"),
]


@pytest.mark.parametrize(("encoding", "text"), OTHER_ENCODINGS)
def test_other_encodings_are_not_taken_for_windows_1252(tmp_path: Path, encoding: str, text: str) -> None:
    error = refusal(saved(tmp_path, f"file_path,title\nkick.wav,{text}\n".encode(encoding)))
    assert "is not UTF-8: byte 0x" in error.what
    assert "on line 2" in error.what
    assert all(menu in error.fix for menu in MENUS)


@pytest.mark.parametrize("byte", [0x81, 0x8D, 0x8F, 0x90, 0x9D, 0x00, 0x07, 0x1B, 0x7F])
def test_bytes_that_no_text_has_are_not_windows_1252(byte: int) -> None:
    assert is_windows_1252("café ".encode("cp1252"))
    assert not is_windows_1252("café ".encode("cp1252") + bytes([byte]))


@pytest.mark.thorough
@settings(max_examples=examples(100), deadline=None)
@given(st.text(st.sampled_from("abcéèüöäßñç ,.-"), min_size=1, max_size=30))
def test_a_text_of_a_mac_is_never_misread(text: str) -> None:
    """What is taken for Windows-1252 is not what a Mac wrote, unless it reads the same."""
    data = text.encode("mac_roman")
    assert not is_windows_1252(data) or data.decode("cp1252") == text or not _is_plain_words(text)


def _is_plain_words(text: str) -> bool:
    """Accents inside of words, as languages have them."""
    words = text.replace(",", " ").replace(".", " ").replace("-", " ").split()
    return all(word.isascii() or (word[0].isascii() and word[-1].isascii() and len(word) > 2) for word in words)


# ---- cells ----


@pytest.mark.parametrize("cell", ["0", "0.00", "0,0", "-", "?", "n/a", "N/A", "none", "None", " NONE "])
@pytest.mark.parametrize("column", ["bpm", "musical_key", "genre", "tags", "sample_id"])
def test_no_value_is_no_value(tmp_path: Path, column: str, cell: str) -> None:
    manifest = checked(saved(tmp_path, f"file_path;{column}\nkick.wav;{cell}\n"))
    assert manifest.rejects.is_empty()
    assert manifest.frame[column].to_list() == [None]


def test_a_title_that_says_nothing_is_the_name_of_the_file(tmp_path: Path) -> None:
    assert checked(saved(tmp_path, "file_path,title\nkick.wav,-\nsnare.wav,n/a\n")).frame["title"].to_list() == [
        "kick",
        "snare",
    ]


def test_a_path_is_never_no_value(tmp_path: Path) -> None:
    assert checked(saved(tmp_path, "file_path,title\nnone,A\n0,B\n")).frame["file_path"].to_list() == ["none", "0"]


@pytest.mark.parametrize("cell", ["nan", "null", "#N/A", "fast", "120/60", "90-120", "~120", "120 bpm?", "-0.5", "--"])
def test_other_words_are_rejected(tmp_path: Path, cell: str) -> None:
    manifest = checked(saved(tmp_path, f"file_path,bpm\nkick.wav,{cell}\nb.wav,\n"))
    assert reject_of(manifest, 2)["column"] == "bpm"


@pytest.mark.parametrize(
    ("cell", "bpm"),
    [("120 bpm", 120.0), ("120BPM", 120.0), ("92.5\xa0Bpm", 92.5), ("120.00", 120.0), ("120,5 bpm", 120.5), ("0 bpm", None)],
)
def test_tempos_are_read_as_people_write_them(tmp_path: Path, cell: str, bpm: float | None) -> None:
    assert checked(saved(tmp_path, f"file_path;bpm\nkick.wav;{cell}\n")).frame["bpm"].to_list() == [bpm]


@pytest.mark.parametrize(
    ("bank", "pad", "slot"),
    [
        ("A", "A1", ("A", 1)),
        ("a", "A01", ("A", 1)),
        ("", "c16", ("C", 16)),
        ("-", "J9", ("J", 9)),
        ("B", "01", ("B", 1)),
        ("B", "9.0", ("B", 9)),
    ],
)
def test_pads_are_read_as_people_write_them(tmp_path: Path, bank: str, pad: str, slot: tuple[str, int]) -> None:
    manifest = checked(saved(tmp_path, f"file_path,kit,bank,pad\nkick.wav,Night Bus,{bank},{pad}\n"))
    assert manifest.frame.select("bank", "pad").rows() == [slot]


@pytest.mark.parametrize(
    ("kit", "bank", "pad", "column"),
    [
        ("Night Bus", "B", "A1", "pad"),
        ("Night Bus", "A", "0", "pad"),
        ("Night Bus", "A", "-", "pad"),
        ("Night Bus", "A", "A17", "pad"),
        ("Night Bus", "A", "A0", "pad"),
        ("Night Bus", "-", "1", "bank"),
        ("", "A", "n/a", "kit"),
        ("", "", "A6", "kit"),
    ],
)
def test_a_slot_that_lacks_something_is_rejected(tmp_path: Path, kit: str, bank: str, pad: str, column: str) -> None:
    manifest = checked(saved(tmp_path, f"file_path,kit,bank,pad\nkick.wav,{kit},{bank},{pad}\n"))
    assert manifest.rejected_lines == [2]
    assert column in manifest.rejects["column"].to_list()


def test_a_kit_may_have_a_name_that_says_no_value_elsewhere(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, "file_path,kit,bank,pad\na.wav,0,A,1\nb.wav,none,-,?\nc.wav,-,,\n"))
    assert manifest.frame.select("kit", "bank", "pad").rows() == [("0", "A", 1), (None, None, None), (None, None, None)]


@pytest.mark.parametrize(
    ("cell", "key"),
    [("8A", "Am"), ("A♭", "Ab"), ("Db major", "Dbmaj"), ("H-Moll", "Bm"), ("F#m", "F#m"), ("C", "C"), ("weird", "weird")],
)
def test_keys_are_spelt_in_one_way(tmp_path: Path, cell: str, key: str) -> None:
    path = saved(tmp_path, f"file_path,musical_key\nkick.wav,{cell}\n")
    assert checked(path).frame["musical_key"].to_list() == [key]
    assert read_all_columns(path)[0]["musical_key"].to_list() == [cell]  # the table keeps what a person wrote


def test_the_title_of_a_url_has_no_codes(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, "Location\nfile:///C:/My%20Drums/Big%20Kick%20%231.wav\nmy%20kick.wav\n"))
    assert manifest.frame["title"].to_list() == ["Big Kick #1", "my%20kick"]


def test_an_ndjson_of_which_no_row_can_be_read_rejects_each(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    path.write_text("no json\n[1]\n", encoding="utf-8")
    raw = read_manifest(str(path))
    assert (raw.rows, raw.frame.height, raw.rejects.height) == (2, 0, 2)
    assert raw.frame.columns == list(TEXT_SCHEMA)
