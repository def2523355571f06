"""Kit files are read in full: each pad and each layer is a row or a reject of its own line, and nothing else is lost."""

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError
from schemas.manifest import ManifestKind
from tasks.manifest.kit_references import fill_files, ids_without_file
from tasks.manifest.table import check_is_manifest, guess_kind, read_manifest
from tasks.manifest.validate import Manifest, validate
from tests.support.lanes import examples
from tests.support.manifest_judges import assert_complete, checked, refusal, reject_of, saved

DEBIAN = Path("/usr/share/hydrogen/data/drumkits")
SLOT = ("kit", "bank", "pad")
TAKEN = "is already taken in this bank of the kit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kits")


def line_of(path: str, text: str) -> int:
    (line,) = [at for at, one in enumerate(Path(path).read_text().splitlines(), 1) if one.lstrip().startswith(text)]
    return line


def settled(path: str, files: dict[int, str] | None = None) -> Manifest:
    """Read, ids looked up, validated; every row is accounted for."""
    raw = fill_files(read_manifest(path), files or {})
    manifest = validate(raw)
    assert manifest.rows == manifest.frame.height + len(manifest.rejected_lines)
    assert not set(manifest.frame["line"]) & set(manifest.rejected_lines)
    assert (manifest.notes, manifest.kit_tempos) == (raw.notes, raw.kit_tempos)
    assert_complete(manifest.rejects)
    return manifest


# ---- pads ----

YAML_KIT = """\
# my kit
name: My Kit
tempo: 92

A1: kick.wav
b16: {file: /abs/loop.wav, title: Loop, genre: Hip-Hop, bpm: 93, key: Am, tags: [dry, 808]}
A02:
  file: snare.wav
  title: 808
pads:
  J1: "17.wav"
"""
TOML_KIT = """\
# my kit
name = "My Kit"
tempo = 92

A1 = 'kick.wav'
b16 = {file = "/abs/loop.wav", title = "Loop", genre = "Hip-Hop", bpm = 93, key = "Am", tags = ["dry", "808"]}
[A02]
file = "snare.wav"
title = 808
[pads]
J1 = "17.wav"
"""


@pytest.mark.parametrize(
    ("name", "text"), [("k.yaml", YAML_KIT), ("k.YML", YAML_KIT), ("k.toml", TOML_KIT), ("k.toml", "\ufeff" + TOML_KIT)]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_one_kit_in_two_languages(tmp_path: Path, name: str, text: str, end: str) -> None:
    path = saved(tmp_path, text.replace("\n", end), name)
    manifest = checked(path)
    assert manifest.rejects.is_empty()
    lines = [1, 2, 3, 4] if name.endswith("toml") else [5, 6, 7, 11]
    assert manifest.frame["line"].to_list() == lines
    assert manifest.frame.drop("line", "sample_id").rows() == [
        ("kick.wav", "kick", None, None, None, None, "My Kit", "A", 1),
        ("/abs/loop.wav", "Loop", "Hip-Hop", 93.0, "Am", "dry|808", "My Kit", "B", 16),
        ("snare.wav", "808", None, None, None, None, "My Kit", "A", 2),
        ("17.wav", "17", None, None, None, None, "My Kit", "J", 1),
    ]
    assert manifest.kit_tempos == {"My Kit": 92.0}
    assert manifest.folder == str(tmp_path)
    assert manifest.notes == ()


def test_a_kit_without_a_name_is_called_like_its_file(tmp_path: Path) -> None:
    assert checked(saved(tmp_path, "A1: kick.wav\n", "Late Night.yaml")).frame["kit"].to_list() == ["Late Night"]
    assert checked(saved(tmp_path, "A1 = 'kick.wav'\n", "Late Night.toml")).kit_tempos == {}


def test_several_kits_in_one_file(tmp_path: Path) -> None:
    as_yaml = "kits:\n- name: One\n  tempo: 80\n  A1: a.wav\n- name: Two\n  pads:\n    A1: b.wav\n- name: Three\n"
    as_toml = (
        "[[kits]]\nname='One'\ntempo=80\nA1='a.wav'\n[[kits]]\nname='Two'\n[kits.pads]\nA1='b.wav'\n[[kits]]\nname='Three'\n"
    )
    for name, text, lines in (("k.yaml", as_yaml, [4, 7]), ("k.toml", as_toml, [1, 2])):
        manifest = checked(saved(tmp_path, text, name))
        assert manifest.frame.select("line", "kit", "file_path").rows() == [
            (lines[0], "One", "a.wav"),
            (lines[1], "Two", "b.wav"),
        ]
        assert manifest.kit_tempos == {"One": 80.0}
        assert manifest.notes == ("1 kit has no pads",)


def test_pads_of_a_kit_in_a_list_need_its_name(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, "kits:\n- A1: a.wav\n- name: Two\n  A1: b.wav\n- nonsense\n", "k.yaml"))
    assert manifest.frame["kit"].to_list() == ["Two"]
    assert reject_of(manifest, 2)["column"] == "kit"
    assert reject_of(manifest, 5)["value"] == "nonsense"


def test_what_stands_beside_the_list_of_kits_is_not_lost(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, "tempo: 90\nA1: a.wav\nkits:\n- name: Two\n  A1: b.wav\n", "k.yaml"))
    assert manifest.frame["file_path"].to_list() == ["b.wav"]
    assert manifest.rejected_lines == [1, 2]


@pytest.mark.parametrize(
    ("key", "column", "value", "rule"),
    [
        ("K1", "bank", "K", "must be A to J"),
        ("A17", "pad", "17", "must be 1 to 16"),
        ("A0", "pad", "0", "must be 1 to 16"),
        ("Z", "pad", "Z", "is not a pad"),
        ("foo", "pad", "foo", "is not a pad"),
        ("A 1", "pad", "A 1", "is not a pad"),
        ("1", "pad", "1", "is not a pad"),
        ("<<", "pad", "<<", "is not a pad"),
    ],
)
def test_a_key_that_is_no_pad_is_rejected_alone(tmp_path: Path, key: str, column: str, value: str, rule: str) -> None:
    for name, text in (
        ("k.yaml", f"A1: a.wav\n{key}: b.wav\nA2: c.wav\n"),
        ("k.toml", f"A1='a.wav'\n'{key}'='b.wav'\nA2='c.wav'\n"),
    ):
        manifest = checked(saved(tmp_path, text, name))
        assert manifest.frame["file_path"].to_list() == ["a.wav", "c.wav"]
        reject = reject_of(manifest, 2)
        named = f"{rule} (key {key})" if name == "k.toml" else rule
        assert (reject["column"], reject["value"], reject["rule"], reject["kit"]) == (column, value, named, "k")


@pytest.mark.parametrize(
    "text",
    [
        "A1: a.wav\nA1: b.wav\n",
        "A1: a.wav\na01: b.wav\n",
        "A1: a.wav\npads: {a1: b.wav}\n",
        "kits:\n- {name: k, A1: a.wav}\n- {name: k, a1: b.wav}\n",
        "A1: a.wav\na1: a.wav\n",
    ],
)
def test_a_pad_is_taken_once(tmp_path: Path, text: str) -> None:
    manifest = checked(saved(tmp_path, text, "k.yaml"))
    assert manifest.frame["file_path"].to_list() == ["a.wav"]
    (reject,) = manifest.rejects.to_dicts()
    assert (reject["column"], reject["rule"], reject["kit"]) == ("pad", TAKEN, "k")
    assert reject["line"] == text.rstrip().count("\n") + 1


def test_toml_refuses_a_key_that_is_there_twice(tmp_path: Path) -> None:
    assert "at " in refusal(saved(tmp_path, "A1='a.wav'\nA1='b.wav'\n", "k.toml")).what
    manifest = checked(saved(tmp_path, "A1='a.wav'\na01='b.wav'\n", "k.toml"))
    assert reject_of(manifest, 2)["rule"] == f"{TAKEN} (key a01)"


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("[a.wav]", "file_path"),
        ("1.5", "file_path"),
        ("", "file_path"),
        ("true", "file_path"),
        ("2024-01-01", "file_path"),
        ('""', "file_path"),
        ("{}", "file_path"),
        ("{title: x}", "file_path"),
        ("{file: [a.wav]}", "file_path"),
        ("{file: a.wav, colour: red}", "pad"),
        ("{file: a.wav, file: b.wav}", "file_path"),
        ("{file: a.wav, FILE_PATH: b.wav}", "file_path"),
        ("{file: a.wav, tags: [[x]]}", "tags"),
        ("{file: a.wav, tags: {x: y}}", "tags"),
        ("{file: a.wav, bpm: fast}", "bpm"),
        ("{file: a.wav, bpm: 301}", "bpm"),
        ("{id: x}", "sample_id"),
        ("0", "sample_id"),
        ("-3", "sample_id"),
        ("017", "sample_id"),
        ("0x11", "sample_id"),
        ("1:30", "sample_id"),
        ("99999999999999999999", "sample_id"),
        ('"\\ud83d.wav"', "file_path"),
        ('{file: a.wav, title: "\\ud83d"}', "title"),
        ('"a\\0b.wav"', "file_path"),
    ],
)
def test_a_wrong_value_rejects_its_pad_alone(tmp_path: Path, value: str, column: str) -> None:
    manifest = checked(saved(tmp_path, f"A1: a.wav\nA2: {value}\nA3: c.wav\n", "k.yaml"))
    assert manifest.frame["file_path"].to_list() == ["a.wav", "c.wav"]
    reject = reject_of(manifest, 2)
    assert (reject["column"], reject["kit"]) == (column, "k")


@pytest.mark.parametrize("value", ["['a.wav']", "1.5", "true", "2024-01-01", "nan", "{}", "{file=['a']}", "0", "-1", "[[]]"])
def test_a_wrong_value_in_toml_rejects_its_pad_alone(tmp_path: Path, value: str) -> None:
    manifest = checked(saved(tmp_path, f"A1 = 'a.wav'\nA2 = {value}\nA3 = 'c.wav'\n", "k.toml"))
    assert manifest.frame["file_path"].to_list() == ["a.wav", "c.wav"]
    assert reject_of(manifest, 2)["kit"] == "k"


@pytest.mark.parametrize("tempo", ["19.9", "301", "fast", "[90]", "true", "-90", ".inf", "1e2", "{}", "1_20", ""])
def test_a_wrong_tempo_is_rejected_and_the_pads_go_on(tmp_path: Path, tempo: str) -> None:
    manifest = checked(saved(tmp_path, f"tempo: {tempo}\nA1: a.wav\n", "k.yaml"))
    assert manifest.frame.height == 1
    assert manifest.kit_tempos == {}
    assert reject_of(manifest, 1)["column"] == "bpm"


@pytest.mark.parametrize("tempo", ["20", "300", "92.5", " 120 ", "'90'"])
def test_a_good_tempo_is_kept(tmp_path: Path, tempo: str) -> None:
    assert checked(saved(tmp_path, f"tempo: {tempo}\nA1: a.wav\n", "k.yaml")).kit_tempos == {"k": float(tempo.strip("'"))}


def test_a_kit_has_one_name_and_one_tempo(tmp_path: Path) -> None:
    manifest = checked(saved(tmp_path, "name: One\nName: Two\ntempo: 90\ntempo: 91\nA1: a.wav\n", "k.yaml"))
    assert manifest.rejected_lines == [2, 4]
    assert manifest.kit_tempos == {"One": 90.0}
    twice = "kits:\n- name: k\n  tempo: 90\n  A1: a.wav\n- name: k\n  tempo: 91\n  A2: b.wav\n"
    manifest = checked(saved(tmp_path, twice, "k.yaml"))
    assert manifest.rejected_lines == [6]
    assert manifest.frame.height == 2


def test_pads_that_share_a_line_are_all_kept(tmp_path: Path) -> None:
    for name, text in (
        ("k.yaml", "name: k\npads: {A1: a.wav, A2: null, A3: c.wav}\n"),
        ("k.toml", "name='k'\npads={A1='a.wav', A2=[], A3='c.wav'}\n"),
    ):
        manifest = checked(saved(tmp_path, text, name))
        assert manifest.rows == 3
        assert manifest.frame.select("line", "file_path").rows() == [(1, "a.wav"), (3, "c.wav")]
        assert manifest.rejected_lines == [2]
        assert ("numbered" in "".join(manifest.notes)) == (name == "k.yaml")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("k.yaml", "name: My Kit\ntempo: 92\n"),
        ("k.yaml", "kits: []\n"),
        ("k.yaml", "kits: 3\n"),
        ("k.yaml", "kits:\n- name: One\n"),
        ("k.yaml", "foo: bar\n"),
        ("k.yaml", "- A1: a.wav\n"),
        ("k.yaml", "just text"),
        ("k.yaml", "# nothing\n"),
        ("k.yaml", "{}"),
        ("k.yaml", "A1: [\n"),
        ("k.yaml", "A1: a.wav\n---\nA1: b.wav\n"),
        ("k.yaml", "\tA1: a.wav\n"),
        ("k.yaml", 'A1: "\\Uffffffff"\n'),
        ("k.yaml", "A1: a\x01.wav\n"),
        ("k.yaml", b"A1: caf\xe9.wav\n"),
        ("k.yaml", "A1: a.wav\n".encode("utf-16")),
        ("k.yaml", b"PK\x03\x04\x00\x00"),
        ("k.yaml", b""),
        ("k.yaml", "&a A1: *a\n"),
        ("k.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nA1: *b\n"),
        ("k.yaml", "[" * 100_000),
        ("k.yaml", "- " * 100_000),
        ("k.yaml", "A1: a.wav\n" + "#" * (1 << 20)),
        ("k.yaml", "%YAML 1." + "9" * 5000 + "\n---\nA1: a.wav\n"),
        ("k.toml", "name = 'My Kit'\n"),
        ("k.toml", "[tool.ruff]\nline-length = 128\n"),
        ("k.toml", "A1: kick.wav\n"),
        ("k.toml", "A1 = \n"),
        ("k.toml", b"A1 = 'caf\xe9.wav'\n"),
        ("k.toml", b"\x00\x01\x02"),
        ("k.toml", "A1 = " + "[" * 100_000),
        ("k.toml", "a" + ".a" * 100_000 + " = 1"),
        ("k.toml", "a = {" + "a.a." * 50_000 + "a = 1}"),
        ("k.toml", "A1 = 0x" + "f" * 9999),
        ("k.toml", "#" * (1 << 20)),
        ("k.xml", "drums"),
        ("k.xml", "<drumkit_info>"),
        ("k.xml", "<drumkit_info/>"),
        ("k.xml", "<drumkit_info><instrumentList><instrument><name>x</name></instrument></instrumentList></drumkit_info>"),
        ("k.xml", "<song><instrumentList/></song>"),
        ("k.xml", '<?xml version="1.0" encoding="martian"?><drumkit_info/>'),
        ("k.xml", "<a>" * 100_000),
        ("k.xml", b""),
        ("k.xml", b"\x00" * 100),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_no_kit_is_one_error(tmp_path: Path, name: str, data: str | bytes) -> None:
    path = saved(tmp_path, data, name)
    refused = refusal(path)
    with pytest.raises(ManifestError) as caught:
        check_is_manifest(path)
    assert str(caught.value) == f"{path}: {refused.what}"
    assert len(refused.what) < 250


def test_no_python_is_run_by_a_kit(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = saved(tmp_path, f"A1: !!python/object/apply:os.mkdir [{json.dumps(str(mark))}]\nA2: a.wav\n", "k.yaml")
    assert checked(path).rejected_lines == [1]
    assert not mark.exists()


PADS = st.builds(lambda bank, pad: f"{bank}{pad}", st.sampled_from("ABCDEFGHIJ"), st.integers(1, 16))
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
VALUES = st.one_of(
    NAMES,
    st.integers(1, 2**63 - 1),
    st.fixed_dictionaries({"file": NAMES}, optional={"title": NAMES, "bpm": st.integers(20, 300), "tags": st.lists(NAMES)}),
)
NOISE = st.lists(st.sampled_from(["", "# A9: x", "   ", "# [pads]"]), max_size=3)


@pytest.mark.thorough
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pads=st.dictionaries(PADS, st.tuples(VALUES, NOISE), min_size=1, max_size=8), is_toml=st.booleans(), header=st.booleans()
)
def test_every_pad_is_read_from_its_line(
    folder: Path, pads: dict[str, tuple[object, list[str]]], is_toml: bool, header: bool
) -> None:
    """The judges are what was written, and a search for the key in the file's lines."""
    lines = ["[pads]" if is_toml else "pads:"] if header else []
    for key, (value, noise) in pads.items():
        text = json.dumps(value, ensure_ascii=True)
        if is_toml:
            text = re.sub(r'"(file|title|bpm|tags)": ', r'"\1" = ', json.dumps(value, ensure_ascii=False))
        lines += [*noise, f"{key} = {text}" if is_toml else f"{'  ' * header}{key}: {text}"]
    path = saved(folder, "\n".join(lines) + "\n", "k.toml" if is_toml else "k.yaml")
    raw = read_manifest(path)
    assert raw.rejects.is_empty()
    assert raw.rows == raw.frame.height == len(pads)
    for row in raw.frame.to_dicts():
        key = f"{row['bank']}{row['pad']}"
        said, _ = pads[key]
        line = line_of(path, f"{key}{' =' if is_toml else ':'}")
        assert row["line"] == (1 + list(pads).index(key) if is_toml else line)
        assert row["file_path"] == (said if isinstance(said, str) else said["file"] if isinstance(said, dict) else None)
        assert row["sample_id"] == (str(said) if isinstance(said, int) else None)


def test_a_pad_of_a_toml_kit_is_named_by_its_key(tmp_path: Path) -> None:
    text = (
        "# 'A1'\nname = '''\nA9 = \"x\"\n'''\n\n"
        'A1 = """k\\\nick.wav"""  # = [\n'
        "\"A2\" = {file = 'a=b[.wav'}\n"
        "A3 = [\n1,  # A4 = 2\n]\n"
        'pads.A4 = \'#.wav\'\n   A5 = \'x\'\n[ A6 ]   # [x]\nfile=\'\'\'a\n.wav\'\'\'\n[pads."A7"]\nfile = """"q"""""\n'
        "[pads.A17]\nid=17\n"
    )
    path = saved(tmp_path, text, "k.toml")
    raw = read_manifest(path)
    assert raw.keys == {1: "A1", 2: "A2", 3: "A3", 4: "pads.A4", 5: "pads.A7", 6: "pads.A17", 7: "A5", 8: "A6"}
    assert [(row["line"], row["pad"]) for row in raw.frame.to_dicts()] == [
        (1, "1"),
        (2, "2"),
        (4, "4"),
        (5, "7"),
        (6, "17"),
        (7, "5"),
        (8, "6"),
    ]
    rejects = validate(fill_files(raw, {})).rejects
    assert rejects["line"].to_list() == [3, 6]
    assert [rule.rpartition(" (key ")[2] for rule in rejects["rule"]] == ["A3)", "pads.A17)"]
    assert rejects["rule"][1].startswith("sample 17 is not in the records")
    several = saved(tmp_path, "[[kits]]\nname='One'\nA1='a.wav'\n[[kits]]\nname='Two'\ntempo=9\npads.A1='b.wav'\n", "k.toml")
    assert reject_of(checked(several), 2)["rule"] == "must be 20 to 300 (key kits[2].tempo)"


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_long_dotted_key_takes_no_memory(tmp_path: Path, quote: str) -> None:
    """tomllib takes the square of its parts: one such file would take gigabytes."""
    part = f"{quote}a{quote}"
    for text in (
        f"{' . '.join([part] * 50_000)} = 1",
        f"x = {{{'.'.join([part] * 50_000)} = 1}}",
        f"[{'.'.join([part] * 50_000)}]",
    ):
        assert "nested too deeply" in refusal(saved(tmp_path, text, "k.toml")).what
    assert checked(saved(tmp_path, f"A1 = {quote or chr(39)}{'.'.join('ab' * 15)}.wav{quote or chr(39)}", "k.toml")).rows == 1


@pytest.mark.thorough
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.sampled_from("A1bK9 \n\t:=-[]{},'\"#.&*!|>?%@\\ux0<é\ud83d"), max_size=60),
    end=st.sampled_from(["toml", "yaml", "xml"]),
)
def test_junk_is_rows_or_one_error(folder: Path, text: str, end: str) -> None:
    path = saved(folder, text.encode(errors="surrogatepass"), f"k.{end}")
    try:
        settled(path)
        return
    except ManifestError as error:
        refused = error
    assert "\n" not in str(refused)
    assert refused.fix


# ---- samples that the records know ----


def test_ids_are_looked_up(tmp_path: Path) -> None:
    path = saved(
        tmp_path, "A1: kick.wav\nA2: 17\nA3: {id: 18, title: Mine}\nA4: 19\nA5: {id: 20, file: own.wav}\nA6: 17\n", "k.yaml"
    )
    raw = read_manifest(path)
    assert ids_without_file(raw) == [17, 18, 19]
    assert raw.rejects.is_empty()
    manifest = settled(path, {17: "/x/seventeen.wav", 18: "/x/eighteen.wav", 20: "/x/other.wav"})
    assert manifest.frame.select("sample_id", "file_path", "title", "pad").rows() == [
        (None, "kick.wav", "kick", 1),
        (17, "/x/seventeen.wav", "seventeen", 2),
        (18, "/x/eighteen.wav", "Mine", 3),
        (20, "own.wav", "own", 5),
        (17, "/x/seventeen.wav", "seventeen", 6),
    ]
    reject = reject_of(manifest, 4)
    assert (reject["sample_id"], reject["kit"], reject["rule"]) == (19, "k", "sample 19 is not in the records")


def test_a_manifest_that_asks_for_nothing_stays_as_it_is(tmp_path: Path) -> None:
    raw = read_manifest(saved(tmp_path, "sample_id,file_path\n1,a.wav\n,b.wav\nx,\n,\n"))
    assert ids_without_file(raw) == []
    same = fill_files(raw, {1: "/other.wav"})
    assert same.frame.equals(raw.frame)
    assert same.rejects.is_empty()


# ---- Hydrogen ----

NAMESPACE = ' xmlns="http://www.hydrogen-music.org/drumkit"'


class Layer(NamedTuple):
    file: str
    low: float = 0.0
    high: float = 1.0


def drumkit(
    instruments: dict[str, list[Layer]], name: str = "Kit", version: str = "layers", extra: str = "", space: str = ""
) -> str:
    """A kit as Hydrogen wrote it when layers stood in instruments, in components, or not at all."""
    lines = [f"<drumkit_info{space}>", f"<name>{name}</name>", "<instrumentList>"]
    for title, layers in instruments.items():
        lines += ["<instrument>", f"<name>{title}</name>", extra]
        if version == "oldest":
            lines += [f"<filename>{layer.file}</filename>" for layer in layers[:1]]
        else:
            lines += ["<instrumentComponent>"] * (version == "components")
            for layer in layers:
                lines += [
                    "<layer>",
                    f"<filename>{layer.file}</filename>",
                    f"<min>{layer.low}</min>",
                    f"<max>{layer.high}</max>",
                    "</layer>",
                ]
            lines += ["</instrumentComponent>"] * (version == "components")
        lines += ["</instrument>"]
    return "\n".join([*lines, "</instrumentList>", "</drumkit_info>", ""])


def samples_in(path: Path) -> list[str]:
    """Every sample that a kit names, found without knowing where Hydrogen puts them."""
    return [element.text or "" for element in ET.parse(path).getroot().iterfind(".//{*}filename") if element.text]


def assert_judged(path: Path) -> Manifest:
    manifest = checked(str(path.parent))
    named = samples_in(path)
    assert manifest.rejects.is_empty()
    assert manifest.rows == manifest.frame.height == len(named)
    assert sorted(manifest.frame["file_path"]) == sorted(name.strip() for name in named)
    assert manifest.frame.select(SLOT).is_unique().all()
    assert manifest.frame.group_by("kit").len()["len"].max() <= 160
    lines = path.read_text().splitlines()
    assert all(
        file in lines[line - 1].replace("&amp;", "&") for line, file in manifest.frame.select("line", "file_path").rows()
    )
    return manifest


@pytest.mark.parametrize("space", ["", NAMESPACE], ids=["plain", "namespace"])
@pytest.mark.parametrize("version", ["layers", "components"])
def test_main_layers_come_first_and_softer_ones_in_the_next_bank(tmp_path: Path, version: str, space: str) -> None:
    kick = [Layer("soft.wav", 0, 0.4), Layer("hard.wav", 0.8, 1), Layer("mid.wav", 0.4, 0.8)]
    instruments = {"Kick": kick, "Empty": [], "Snare": [Layer("snare.wav")], "Hat": [Layer("h1.wav"), Layer("h2.wav")]}
    path = Path(saved(tmp_path, drumkit(instruments, version=version, space=space), "drumkit.xml"))
    manifest = assert_judged(path)
    assert sorted(manifest.frame.select("bank", "pad", "title", "file_path").rows()) == [
        ("A", 1, "Kick v80-100", "hard.wav"),
        ("A", 2, "Snare", "snare.wav"),
        ("A", 3, "Hat v0-100", "h1.wav"),
        ("B", 1, "Kick v0-40", "soft.wav"),
        ("B", 2, "Kick v40-80", "mid.wav"),
        ("B", 3, "Hat v0-100 2", "h2.wav"),
    ]
    assert set(manifest.frame["kit"]) == {"Kit"}
    assert manifest.notes == (
        "3 softer layers have pads of their own: the device does not choose among samples by velocity",
        "1 instrument names no sample and has no pad",
    )


def test_the_oldest_kits_name_a_file_for_each_instrument(tmp_path: Path) -> None:
    path = Path(
        saved(tmp_path, drumkit({"Kick": [Layer("a &amp; b.wav")], "": [Layer("c.wav")]}, version="oldest"), "drumkit.xml")
    )
    assert assert_judged(path).frame.select("title", "pad").rows() == [("Kick", 1), ("c", 2)]


@pytest.mark.thorough
@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=200).filter(any))
def test_no_kit_is_larger_than_the_device(folder: Path, counts: list[int]) -> None:
    layers = {f"i{at}": [Layer(f"{at}-{n}.wav", n / 10, (n + 1) / 10) for n in range(count)] for at, count in enumerate(counts)}
    folder.joinpath("h").mkdir(exist_ok=True)
    manifest = assert_judged(Path(saved(folder / "h", drumkit(layers), "drumkit.xml")))
    place = pl.col("bank").replace_strict(
        {bank: at for at, bank in enumerate("ABCDEFGHIJ")}, return_dtype=pl.Int64
    ) * 16 + pl.col("pad")
    number = pl.col("kit").str.extract(r" (\d+)$").cast(pl.Int64).fill_null(1)
    order = manifest.frame.sort(number, place)["file_path"].to_list()
    loudest = [f"{at}-{count - 1}.wav" for at, count in enumerate(counts) if count]
    rest = [f"{at}-{n}.wav" for at, count in enumerate(counts) for n in range(count - 1)]
    assert order == loudest + rest
    if rest:
        first = manifest.frame.filter(file_path=rest[0]).row(0, named=True)
        assert first["pad"] == 1
    needed = -(-(-(-len(loudest) // 16) * 16 + len(rest) if rest else len(loudest)) // 160)
    assert set(manifest.frame["kit"]) <= {"Kit", *(f"Kit {n}" for n in range(2, needed + 1))}
    assert any("160 pads" in note for note in manifest.notes) == (needed > 1)


def test_what_is_not_carried_over_is_counted(tmp_path: Path) -> None:
    extra = "<volume>0.8</volume><pan_L>1.000</pan_L><Attack>0</Attack><muteGroup>3</muteGroup><isMuted>true</isMuted>"
    path = saved(tmp_path, drumkit({"a": [Layer("a.wav")], "b": [Layer("b.wav")]}, extra=extra), "drumkit.xml")
    assert checked(path).notes == (
        "2 instruments: volume and mute group are Hydrogen's own and are not carried over",
        "2 instruments are muted in Hydrogen and exported all the same",
    )
    neutral = (
        "<volume>1.0</volume><gain>1</gain><pan>0</pan><Release>1000</Release><filterActive>false</filterActive><exclude/>"
    )
    assert checked(saved(tmp_path, drumkit({"a": [Layer("a.wav")]}, extra=neutral), "drumkit.xml")).notes == ()


def test_odd_numbers_in_a_drumkit_do_no_harm(tmp_path: Path) -> None:
    layers = [Layer("a.wav", float("nan"), float("inf")), Layer("b.wav", -3, 0.5)]
    manifest = checked(saved(tmp_path, drumkit({"a": layers}).replace("<max>0.5", "<max>x"), "drumkit.xml"))
    assert manifest.frame["title"].to_list() == ["a v0-100", "a v0-100 2"]


def test_a_drumkit_on_one_line_is_read_whole(tmp_path: Path) -> None:
    text = drumkit({"a": [Layer("a.wav")], "b": [Layer("b.wav"), Layer("c.wav", 0, 0.5)]}).replace("\n", "")
    manifest = checked(saved(tmp_path, text, "drumkit.xml"))
    assert manifest.frame.select("line", "file_path").rows() == [(1, "a.wav"), (2, "b.wav"), (3, "c.wav")]
    assert "numbered" in manifest.notes[-1]


def test_a_drumkit_without_a_name_is_called_like_its_folder(tmp_path: Path) -> None:
    (tmp_path / "Dry Room").mkdir()
    saved(tmp_path / "Dry Room", drumkit({"a": [Layer("a.wav")]}, name=" "), "drumkit.xml")
    manifest = checked(str(tmp_path / "Dry Room"))
    assert manifest.frame["kit"].to_list() == ["Dry Room"]
    assert manifest.folder == str(tmp_path / "Dry Room")


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE d [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d SYSTEM "http://localhost:1/d.dtd">',
        "<!DOCTYPE drumkit_info>",
    ],
)
def test_a_document_type_is_refused(tmp_path: Path, doctype: str) -> None:
    text = drumkit({"&b;" if "ENTITY" in doctype else "b": [Layer("a.wav")]})
    refused = refusal(saved(tmp_path, f"<?xml version='1.0'?>\n{doctype}\n{text}", "drumkit.xml"))
    assert refused.what == "declares a document type (line 2)"


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"Hydrogen's own kits are not installed (Debian's hydrogen-drumkits: {DEBIAN})")
def test_the_kits_that_hydrogen_comes_with(subtests: pytest.Subtests) -> None:
    paths = sorted(DEBIAN.glob("*/drumkit.xml"))
    assert paths
    for path in paths:
        with subtests.test(path.parent.name):
            manifest = assert_judged(path)
            there = {name for name in samples_in(path) if (path.parent / name).is_file()}
            found = {file for file in manifest.frame["file_path"] if os.path.isfile(os.path.join(manifest.folder, file))}
            assert found == there
            assert found


# ---- what is a kit file ----


def test_kit_files_are_known_by_their_names(tmp_path: Path) -> None:
    assert all(guess_kind(name) is ManifestKind.KIT for name in ("k.toml", "k.yaml", "K.YML", "a/drumkit.xml", Path("k.toml")))
    assert not any(guess_kind(name) is ManifestKind.KIT for name in ("k.csv", "toml", "", "k.toml.csv", str(tmp_path)))
    (tmp_path / "drumkit.xml").touch()
    assert guess_kind(tmp_path) is ManifestKind.KIT


def test_a_folder_without_a_drumkit_is_none(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)).what == "is a folder, not a manifest"
    (tmp_path / "packs/My Kit").mkdir(parents=True)
    (tmp_path / "packs/My Kit/drumkit.xml").write_text("<drumkit_info/>")
    assert f"sp404 export '{tmp_path}/packs/My Kit'; or" in refusal(str(tmp_path / "packs")).fix
