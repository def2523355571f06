"""Kit files that are edited: operations with their undo, and the text around what changes. Judged by PyYAML's own reading."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import KitReadOnlyError, ManifestError, PadConflictError
from schemas.music import BANKS, PADS_PER_KIT
from tasks.manifest.kits.kit_folder import KitFolder
from tasks.manifest.kits.kit_text import KitText, parse_kit_text, quote
from tasks.manifest.kits.pad_operations import (
    PADS,
    ClearPad,
    CopyPad,
    EditedKit,
    FillPads,
    MovePad,
    Operation,
    PutPad,
    RenameKit,
    SetTempo,
    SwapPads,
    apply_operations,
    pad_of,
)
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate

_PATIENTLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Few pads, so that operations meet.
_PADS = st.sampled_from(["A1", "A2", "A3", "A16", "B1", "J16"])
_NAMES = st.none() | st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=20).map(str.strip).filter(bool)
_TEMPOS = st.none() | st.integers(20, 300).map(float) | st.floats(20, 300).map(lambda tempo: round(tempo, 3))
_FILES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=12)
_CONTENTS = st.builds(lambda number, name: f" {{id: {number}, file: {quote(f'/{name}')}}}", st.integers(1, 99), _FILES)
_CONTENTS |= st.sampled_from([" kick.wav", " 17   # the good one", "\n  file: loops/boom.wav\n  bpm: 90", ' "808 # Kick.wav"'])
_KITS = st.builds(EditedKit, _NAMES, _TEMPOS, st.dictionaries(_PADS, _CONTENTS, max_size=6))
_OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(PutPad, _PADS, _CONTENTS),
    st.builds(ClearPad, _PADS),
    *(st.builds(kind, _PADS, _PADS) for kind in (CopyPad, MovePad, SwapPads)),
    st.builds(
        FillPads, st.sampled_from(BANKS), st.lists(st.tuples(st.integers(1, PADS_PER_KIT), _CONTENTS), max_size=20).map(tuple)
    ),
    st.builds(RenameKit, _NAMES),
    st.builds(SetTempo, _TEMPOS),
)
NIGHT_BUS = """\
# Made on a Sunday.
name: Night Bus   # not Day Bus
guard: folder

B16: {file: loops/boom_bap_90.wav, bpm: 90}
# the drums
A1: drums/808 Kick.wav   # the good one
a03:
  file: drums/hat.wav
  title: Hat
# the end
"""


@_PATIENTLY
@given(_KITS, st.lists(_OPERATIONS, max_size=8))
def test_the_inverse_leads_back(kit: EditedKit, operations: list[Operation]) -> None:
    before = dict(kit.pads)
    try:
        after, inverse = apply_operations(kit, operations)
    except PadConflictError:
        assert kit.pads == before
        return
    again, forth = apply_operations(after, inverse)
    assert again == kit
    assert apply_operations(kit, forth)[0] == after
    assert kit.pads == before
    assert after.pads.keys() <= set(PADS)


@_PATIENTLY
@given(_KITS, _KITS)
def test_what_is_written_is_what_was_wanted(one: EditedKit, other: EditedKit) -> None:
    """Of a new file, and of one that said something else."""
    text = KitText.empty().write(one)
    assert parse_kit_text("", text).kit == one
    text = parse_kit_text("", text).write(other)
    read = yaml.safe_load(text) or {}
    assert read.pop("name", None) == other.name
    assert read.pop("tempo", None) == other.tempo
    assert read == {pad: yaml.safe_load(f"x:{content}")["x"] for pad, content in other.pads.items()}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_comments_order_and_unknown_keys_stay(newline: str, is_ended: bool) -> None:
    whole = NIGHT_BUS if is_ended else NIGHT_BUS.rstrip("\n")
    text = parse_kit_text("", whole.replace("\n", newline))
    assert (text.obstacle, text.kit.name, text.kit.tempo, [*text.kit.pads]) == ("", "Night Bus", None, ["B16", "A1", "A3"])
    operations = [MovePad("A1", "A2"), PutPad("C1", " 17"), ClearPad("B16"), RenameKit("Day: Bus"), SetTempo(92.5)]
    kit, inverse = apply_operations(text.kit, operations)
    written = text.write(kit)
    moved = NIGHT_BUS.replace("B16: {file: loops/boom_bap_90.wav, bpm: 90}\n", "")
    moved = moved.replace("A1: drums/808 Kick.wav   # the good one\n", "A2: drums/808 Kick.wav   # the good one\n")
    moved = moved.replace("name: Night Bus ", 'name: "Day: Bus" ').replace("guard:", "tempo: 92.5\nguard:")
    (wanted,) = [line for line in moved.splitlines() if line.startswith("A2")]
    lines = written.split(newline)
    assert wanted in lines
    assert sorted(line for line in lines if line) == sorted([*filter(None, moved.splitlines()), "C1: 17"])
    assert [line for line in lines if line.startswith("#")] == ["# Made on a Sunday.", "# the drums", "# the end"]
    back = parse_kit_text("", written)
    assert back.kit == kit
    assert parse_kit_text("", back.write(apply_operations(kit, inverse)[0])).kit == text.kit
    assert text.write(text.kit) == text.text


def test_pads_in_a_table_of_their_own() -> None:
    text = parse_kit_text("", "name: K\npads:\n  A1: kick.wav\n  A3: hat.wav\ntempo: 90\n")
    kit, _ = apply_operations(text.kit, [PutPad("A2", " 5"), ClearPad("A3")])
    assert text.write(kit) == "name: K\npads:\n  A1: kick.wav\n  A2: 5\ntempo: 90\n"
    empty = parse_kit_text("", text.write(apply_operations(kit, [ClearPad("A1"), ClearPad("A2")])[0]))
    assert empty.text == "name: K\ntempo: 90\n"
    assert empty.write(kit) == "name: K\ntempo: 90\nA1: kick.wav\nA2: 5\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{A1: kick.wav}", "not every pad has lines of its own"),
        ("pads: {A1: kick.wav}", "not every pad has lines of its own"),
        ("? A1\n: kick.wav", "not every pad has lines of its own"),
        ("- kick.wav", "it is not a table of pads"),
        ("kits:\n- name: K\n  A1: kick.wav", "it has several kits"),
        ("A1: kick.wav\na01: hat.wav", "A1 is there twice"),
        ("A1: kick.wav\npads:\n  A2: hat.wav", "some pads are in `pads`, and some are not"),
        ("pads:\n  A17: hat.wav", "'A17' is not a pad"),
        ("A1: |\n  kick.wav", "a text has lines of its own (`|` or `>`)"),
        ("name: [K]", "its name is not a text"),
        ('name: "\\ud800"', "its name holds half a surrogate pair"),
        ("--- # nothing", "it is not a table of pads"),
    ],
)
def test_what_is_written_otherwise_is_left_alone(text: str, why: str) -> None:
    read = parse_kit_text("", text)
    assert read.obstacle == why
    with pytest.raises(KitReadOnlyError, match="cannot be edited here"):
        read.write(EditedKit("K", None, {}))


def test_operations_that_cannot_be_done() -> None:
    kit = EditedKit("K", None, {"J15": " 1"})
    many = tuple((number, " 2") for number in range(1, 17))
    for operation, words in (
        (ClearPad("A1"), "Pad A1 is empty"),
        (MovePad("A1", "A2"), "Pad A1 is empty"),
        (CopyPad("A1", "A2"), "Pad A1 is empty"),
        (SwapPads("A1", "A2"), "Pads A1 and A2 are empty"),
        (FillPads("J", many), "16 samples do not fit: 15 pads are free from bank J on"),
    ):
        with pytest.raises(PadConflictError, match=words):
            apply_operations(kit, [PutPad("B1", " 3"), operation])
    filled, _ = apply_operations(kit, [FillPads("J", ((15, " 4"), (1, " 5"), (1, " 6"), (2, " 7")))])
    assert filled.pads == {"J15": " 1", "J1": " 5", "J2": " 7", "J3": " 6", "J4": " 4"}


@pytest.mark.parametrize(
    ("key", "pad"), [("A1", "A1"), (" j016 ", "J16"), ("A0", None), ("A17", None), ("K1", None), ("1", None)]
)
def test_keys_of_pads(key: str, pad: str | None) -> None:
    assert pad_of(key) == pad


def test_the_readers_of_manifests_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "k.yaml"
    contents: dict[str, Any] = {"A1": ' {id: 7, file: "/m/808 \\"Kick\\".wav"}', "B3": ' {id: 8, file: "/m/\u00e4: #.wav"}'}
    path.write_text(KitText.empty().write(EditedKit("Nacht: Bus", 92.5, contents)), encoding="utf-8")
    manifest = validate(read_manifest(str(path)))
    assert manifest.frame.select("sample_id", "file_path", "kit", "bank", "pad").rows() == [
        (7, '/m/808 "Kick".wav', "Nacht: Bus", "A", 1),
        (8, "/m/\u00e4: #.wav", "Nacht: Bus", "B", 3),
    ]
    assert (manifest.rejects.height, manifest.kit_tempos) == (0, {"Nacht: Bus": 92.5})


def test_the_folder(tmp_path: Path) -> None:
    folder = KitFolder(str(tmp_path / "kits"))
    assert folder.list() == []
    first = folder.new_file("night_bus")
    folder.write(first, b"name: K\n")
    folder.write(folder.new_file("night_bus"), b"")
    for name in (".hidden.yaml", "notes.txt", "808.yaml", "K.yaml.4711.part"):
        (tmp_path / "kits" / name).write_text("", encoding="utf-8")
    (tmp_path / "kits/link.yaml").symlink_to(first.path)
    assert [file.id for file in folder.list()] == ["808.yaml", "night_bus", "night_bus_2"]
    folder.remove(first)
    folder.remove(first)
    assert not folder.find("night_bus")
    with pytest.raises(ManifestError):
        KitFolder(str(tmp_path / "kits/notes.txt")).list()
