"""Playlists and collections of other programs: M3U and the XML of rekordbox."""

import itertools
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError
from schemas.manifest import ManifestKind
from tasks.manifest.source_paths import resolve_sources
from tasks.manifest.table import check_is_manifest, guess_kind, read_all_columns, read_manifest
from tests.support.lanes import examples
from tests.support.manifest_judges import WHITE_SPACE, checked, refusal, reject_of, saved

PLAYLIST = """#EXTM3U
#EXTINF:123,Some Artist - Big Kick
drums/big kick.wav

# made by me
#EXTINF:-1 tvg-id="a,b" group-title="x, y",Snare, dry
C:\\Users\\me\\lib\\drums\\Snare.wav
#EXTALB:Late Night
https://example.org/radio.mp3
file:///home/me/My%20Drums/hat.wav
#EXTINF:3,Gone
#EXTINF:4,Clap
/abs/clap.wav
Café/ビート.wav
"""
ROWS = [
    (3, "drums/big kick.wav", "Some Artist - Big Kick"),
    (7, "C:\\Users\\me\\lib\\drums\\Snare.wav", "Snare, dry"),
    (10, "file:///home/me/My%20Drums/hat.wav", "hat"),
    (13, "/abs/clap.wav", "Clap"),
    (14, "Café/ビート.wav", "ビート"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(
    ("name", "encoding"),
    [("m.m3u8", "utf-8"), ("m.m3u", "utf-8-sig"), ("M.M3U", "utf-8"), ("m.m3u", "utf-16")],
)
def test_a_playlist_is_read(tmp_path: Path, name: str, encoding: str, end: str) -> None:
    path = saved(tmp_path, PLAYLIST.replace("\n", end).encode(encoding), name)
    manifest = checked(path)
    assert manifest.frame.select("line", "file_path", "title").rows() == ROWS
    assert manifest.rejected_lines == [9]
    assert reject_of(manifest, 9)["rule"] == "is not a file but in the network"
    assert manifest.notes == ("titles are read from the #EXTINF lines",)
    assert (manifest.kind, check_is_manifest(path), guess_kind(path)) == (ManifestKind.TABLE,) * 3
    with pytest.raises(ManifestError, match="not be brought up to date"):
        read_all_columns(path)


def test_a_playlist_of_western_windows_is_read_and_others_are_told_what_to_do(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, "#EXTM3U\r\nCafé/Größe.wav\r\n".encode("cp1252"), "m.m3u"))
    assert manifest.frame["file_path"].to_list() == ["Café/Größe.wav"]
    assert any("Windows-1252" in note for note in manifest.notes)
    refused = refusal(saved(tmp_path, "#EXTM3U\nCafé.wav\n".encode("mac_roman"), "m.m3u"))
    assert "on line 2" in refused.what
    assert "M3U8" in refused.fix


@pytest.mark.parametrize(
    ("name", "text", "what", "fix"),
    [
        ("m.m3u", "[playlist]\nFile1=kick.wav\n", "is a PLS playlist", "M3U8"),
        ("m.m3u8", "<?xml version='1.0'?><a/>", "is XML", ".xml"),
        ("m.m3u", "file_path,title\nkick.wav,Kick\n", "is a table", ".csv"),
        ("m.csv", "#EXTM3U\nkick.wav\n", "is an M3U playlist", ".m3u8"),
        ("m.txt", "\ufeff#EXTM3U\nkick.wav\n", "is an M3U playlist", ".m3u8"),
        ("m.csv", '<?xml version="1.0"?>\n<DJ_PLAYLISTS/>\n', "is XML", ".xml"),
        ("m.m3u", "#EXTM3U\n# nothing\n\n", "has no rows", "row"),
        ("m.m3u", "", "is empty", "row"),
        ("m.m3u", "RIFF\0\0\0\0WAVE", "is an audio file", ""),
        ("m.xml", "<plist><dict/></plist>", "neither a drumkit of Hydrogen nor a collection of rekordbox", "CSV"),
    ],
)
def test_a_list_of_another_kind_is_refused_with_what_to_do(tmp_path: Path, name: str, text: str, what: str, fix: str) -> None:
    refused = refusal(saved(tmp_path, text, name))
    assert what in refused.what
    assert fix in refused.fix


def test_files_of_a_playlist_and_of_a_collection_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "My Drums & more"
    folder.mkdir()
    for name in ("Kick #1.wav", "Café 100%.wav"):
        (folder / name).touch()
    written = ["My Drums & more\\Kick #1.wav", "C:\\Old\\My Drums & more\\Café 100%.wav", str(folder / "Kick #1.wav")]
    playlist = read_manifest(saved(tmp_path, "\n".join(["#EXTM3U", *written]), "m.m3u8"))
    found = [str(folder / name) for name in ("Kick #1.wav", "Café 100%.wav", "Kick #1.wav")]
    assert resolve_sources(playlist.frame["file_path"], playlist.folder).to_list() == found
    urls = [f"file://localhost{quote(place)}" for place in found[:2]]
    urls.append("file://localhost/D:/Old/" + quote("My Drums & more/Kick #1.wav"))
    collection = read_manifest(saved(tmp_path, rekordbox([{"Location": url} for url in urls]), "m.xml"))
    assert resolve_sources(collection.frame["file_path"], collection.folder).to_list() == found


PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=12)
TITLES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)


@pytest.mark.thorough
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    entries=st.lists(st.tuples(st.none() | TITLES, PATHS, st.sampled_from(["", "#", "# x", "  ", "#EXTGRP:a"])), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_a_player_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str | None, str, str]], end: str
) -> None:
    lines, expected = ["#EXTM3U"], []
    for title, path, noise in entries:
        lines += [noise] * bool(noise) + ([] if title is None else [f"#EXTINF:1,{title}"])
        lines.append(f"./{path}")
        expected.append((len(lines), f"./{path}".strip(WHITE_SPACE), (title or "").strip(WHITE_SPACE) or None))
    path = saved(tmp_path_factory.mktemp("m"), end.join([*lines, ""]), "m.m3u8")
    if not expected:
        assert refusal(path).what == "has no rows"
        return
    raw = read_manifest(path)
    assert raw.rows == len(expected)
    assert raw.frame.select("line", "file_path").rows() == [row[:2] for row in expected]
    assert raw.frame["title"].to_list() == [title for _, _, title in expected]


# ---- rekordbox ----

COLLECTION = """<?xml version="1.0" encoding="UTF-8"?>

<DJ_PLAYLISTS Version="1.0.0">
  <PRODUCT Name="rekordbox" Version="6.7.4" Company="AlphaTheta"/>
  <COLLECTION Entries="5">
    <TRACK TrackID="253529738" Name="Demo Track 1" Artist="Loopmasters" Composer="" Album="" Grouping="" Genre="Dance"
           Kind="WAV File" Size="6899624" TotalTime="172" AverageBpm="128.00" DateAdded="2026-11-20" Comments="Tracks by me"
           Location="file://localhost/Users/me/Music/Demo%20Track%20%231%20%26%20more.wav" Tonality="8A" Label="">
      <TEMPO Inizio="0.025" Bpm="128.00" Metro="4/4" Battito="1"/>
      <POSITION_MARK Name="" Type="0" Start="0.025" Num="-1"/>
    </TRACK>
    <TRACK TrackID="2" Name="Noise &amp; &quot;Hiss&quot;" Genre="" AverageBpm="0.00" Tonality=""
           Location="file://localhost/C:/Users/me/noise.wav"/>
    <TRACK TrackID="3" Name="Nowhere" AverageBpm="99.50"/>
    <TRACK TrackID="4" Name="Stream" Location="file://localhostsoundcloud:tracks:1234"/>
    <TRACK TrackID="5" Name="Stream" Location="file://localhost/tidal:tracks:1234"/>
    <TRACK TrackID="6" Name="ビート" Genre="Lo-Fi" AverageBpm="85.5" Tonality="Fm" Location="file://localhost/m/%E3%83%93.wav"/>
  </COLLECTION>
  <PLAYLISTS>
    <NODE Type="0" Name="ROOT" Count="2">
      <NODE Name="Friday" Type="1" KeyType="0" Entries="2"><TRACK Key="253529738"/><TRACK Key="2"/></NODE>
      <NODE Name="Saturday" Type="1" KeyType="0" Entries="1"><TRACK Key="2"/></NODE>
    </NODE>
  </PLAYLISTS>
</DJ_PLAYLISTS>
"""


def rekordbox(tracks: list[dict[str, str]], between: str = "\n", **more: str) -> str:
    elements = (f"<TRACK {' '.join(f'{name}={quoteattr(text)}' for name, text in track.items())}/>" for track in tracks)
    return f"{more.get('above', '')}<DJ_PLAYLISTS><COLLECTION>{between.join(elements)}</COLLECTION></DJ_PLAYLISTS>"


def test_a_collection_of_rekordbox_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, COLLECTION, "rekordbox.xml")
    manifest = checked(path)
    columns = ("line", "sample_id", "file_path", "title", "genre", "bpm", "musical_key", "tags", "kit")
    assert manifest.frame.select(columns).rows() == [
        (
            *(6, None, "file://localhost/Users/me/Music/Demo%20Track%20%231%20%26%20more.wav"),
            *("Demo Track 1", "Dance", 128.0, "Am", None, None),
        ),
        (12, None, "file://localhost/C:/Users/me/noise.wav", 'Noise & "Hiss"', None, None, None, None, None),
        (17, None, "file://localhost/m/%E3%83%93.wav", "ビート", "Lo-Fi", 85.5, "Fm", None, None),
    ]
    assert [reject_of(manifest, line)["rule"] for line in (14, 15, 16)] == [
        "is required",
        *["is not a file but in the network"] * 2,
    ]
    what_is_read, playlists = manifest.notes
    assert "file_path from Location" in what_is_read
    assert playlists == "2 playlists are not read: all tracks of the collection are"
    assert (manifest.kind, check_is_manifest(path), guess_kind(path)) == (ManifestKind.TABLE,) * 3
    with pytest.raises(ManifestError, match="not be brought up to date"):
        read_all_columns(path)


def test_tracks_on_one_line_are_numbered(tmp_path: Path) -> None:
    text = rekordbox([{"Location": "a.wav"}, {"Location": ""}, {"Location": "b.wav"}], between="")
    raw = read_manifest(saved(tmp_path, text, "m.xml"))
    assert raw.row_word == "row"
    assert raw.frame.select("line", "file_path").rows() == [(1, "a.wav"), (2, None), (3, "b.wav")]
    assert read_manifest(saved(tmp_path, COLLECTION, "m.xml")).row_word == "line"


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + ']><DJ_PLAYLISTS><COLLECTION><TRACK Name="&l9;" Location="a.wav"/></COLLECTION></DJ_PLAYLISTS>'
)
OUTSIDE = (
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><DJ_PLAYLISTS><COLLECTION>&e;'
    '<TRACK Location="a.wav"/></COLLECTION></DJ_PLAYLISTS>'
)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (LAUGHS, "declares a document type (line 1)"),
        (OUTSIDE, "declares a document type (line 1)"),
        (COLLECTION[:-300], "is not valid XML"),
        (COLLECTION.replace("</TRACK>", ""), "is not valid XML"),
        (COLLECTION.replace("UTF-8", "no-such-encoding"), "is not valid XML"),
        (rekordbox([{"Location": "&#0;"}]).replace("&amp;", "&"), "is not valid XML"),
        (rekordbox([]), "has no rows"),
    ],
    ids=["laughs", "outside", "cut", "torn", "encoding", "nul", "empty"],
)
def test_xml_that_is_not_a_collection_is_one_clear_error(tmp_path: Path, text: str, what: str) -> None:
    assert what in refusal(saved(tmp_path, text, "m.xml")).what


XML_TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from('\n\t"<&'), max_size=12
)
ATTRIBUTES = {
    "Location": st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(
        lambda name: f"file://localhost/{quote(name)}"
    ),
    "Name": XML_TEXTS,
    "Genre": XML_TEXTS,
    "Tonality": XML_TEXTS,
    "AverageBpm": st.integers(0, 30_000).map(lambda bpm: f"{bpm / 100:.2f}"),
    "Comments": XML_TEXTS,
    "TrackID": st.integers(1, 999).map(str),
}
TRACKS = st.lists(st.fixed_dictionaries({}, optional=ATTRIBUTES), min_size=1, max_size=6)


@pytest.mark.thorough
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tracks=TRACKS, encoding=st.sampled_from(["utf-8", "utf-16", "us-ascii"]))
def test_what_another_xml_writer_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, tracks: list[dict[str, str]], encoding: str
) -> None:
    root = ElementTree.Element("DJ_PLAYLISTS", Version="1.0.0")
    collection = ElementTree.SubElement(root, "COLLECTION")
    for track in tracks:
        ElementTree.SubElement(collection, "TRACK", track).tail = "\n"
    ElementTree.SubElement(ElementTree.SubElement(root, "PLAYLISTS"), "TRACK", Key="1")
    path = saved(tmp_path_factory.mktemp("r"), ElementTree.tostring(root, encoding=encoding, xml_declaration=True), "m.xml")
    raw = read_manifest(path)
    assert raw.rows == len(tracks) == raw.frame.height
    lines = raw.frame["line"].to_list()
    assert len({*lines}) == len(lines)
    for column, name in (("file_path", "Location"), ("title", "Name"), ("genre", "Genre"), ("musical_key", "Tonality")):
        expected = [track.get(name, "").strip(WHITE_SPACE) or None for track in tracks]
        assert raw.frame[column].to_list() == expected
    assert raw.frame["bpm"].to_list() == [track.get("AverageBpm") for track in tracks]
    assert list(itertools.chain(raw.frame["sample_id"], raw.frame["tags"])) == [None] * 2 * len(tracks)
