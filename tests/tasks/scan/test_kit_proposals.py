"""Kits that are proposed: every slot valid and taken once, drums where players expect them."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.music import BANKS
from tasks.scan.kit_proposals import propose_kits
from tasks.scan.pad_layout import StandingPads
from tasks.scan.rows import COLUMNS

NONE = StandingPads({}, {}, frozenset())


def proposed(*files: tuple[str, str], standing: StandingPads = NONE) -> dict[str, tuple[str, str, str] | None]:
    """The slots by path. ``files``: path and kind."""
    rows = pl.DataFrame({"path": [path for path, _ in files], "kind": [kind or None for _, kind in files]})
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in COLUMNS if name != "kind")
    told = propose_kits(rows, standing).select("path", "kit", "bank", "pad").rows()
    return {path: (kit, bank, pad) if kit else None for path, kit, bank, pad in told}


def shots(folder: str, *names: str) -> list[tuple[str, str]]:
    return [(f"{folder}/{name}.wav", "one-shot") for name in names]


def test_drums_lie_where_players_expect_them() -> None:
    kit = proposed(*shots("/p/Dusty", "Perc 1", "Hat Open", "Kick 2", "Clap", "Snare", "Kick 1", "Hat Closed", "Crash"))
    assert kit == {
        "/p/Dusty/Kick 1.wav": ("Dusty", "A", "1"),
        "/p/Dusty/Snare.wav": ("Dusty", "A", "2"),
        "/p/Dusty/Hat Closed.wav": ("Dusty", "A", "3"),
        "/p/Dusty/Hat Open.wav": ("Dusty", "A", "4"),
        "/p/Dusty/Clap.wav": ("Dusty", "A", "5"),
        "/p/Dusty/Crash.wav": ("Dusty", "A", "10"),
        "/p/Dusty/Perc 1.wav": ("Dusty", "A", "12"),
        "/p/Dusty/Kick 2.wav": ("Dusty", "A", "6"),
    }


def test_accents_of_a_kit_are_composed_and_two_spellings_of_a_folder_are_two_kits() -> None:
    drums = ("Kick", "Snare", "Hat", "Clap")
    kit = proposed(*shots("/p/Cafe\u0301", *drums), *shots("/p/x/Caf\xe9", *drums))
    assert {slot[0] for slot in kit.values() if slot} == {"p Caf\xe9", "x Caf\xe9"}


def test_folders_whose_names_are_one_in_the_manifest_are_told_apart() -> None:
    drums = ("Kick", "Snare", "Hat", "Clap")
    kit = proposed(*shots("/p/a/Night Bus", *drums), *shots("/p/b/night_bus", *drums), *shots("/p/A/NIGHT BUS", *drums))
    assert {slot[0] for slot in kit.values() if slot} == {"a Night Bus", "b night_bus", "A NIGHT BUS 2"}


def test_no_kit_of_three_of_many_or_of_loops() -> None:
    assert set(proposed(*shots("/p/x", "Kick", "Snare", "Hat")).values()) == {None}
    assert set(proposed(*shots("/p/x", *(f"Kick {n}" for n in range(161)))).values()) == {None}
    assert set(proposed(*((f"/p/x/Loop {n}.wav", "loop") for n in range(9))).values()) == {None}
    mixed = proposed(*shots("/p/x", "Kick", "Snare", "Hat", "Clap"), ("/p/x/Beat Loop.wav", "loop"), ("/p/x/Cajon.wav", ""))
    assert mixed["/p/x/Beat Loop.wav"] is None
    assert mixed["/p/x/Cajon.wav"]
    # A few drums among many other things are no kit.
    few = proposed(*shots("/p/x", "Kick", "Snare", "Hat", "Clap"), *((f"/p/x/thing {n}.wav", "") for n in range(5)))
    assert set(few.values()) == {None}


def test_numbers_of_pads_in_the_names_are_kept() -> None:
    kit = proposed(*shots("/p/Night", "A1_Kick", "A2_Snare", "A16_Hat", "B3_Clap"))
    assert kit["/p/Night/B3_Clap.wav"] == ("Night", "B", "3")
    assert kit["/p/Night/A16_Hat.wav"] == ("Night", "A", "16")
    kit = proposed(*((f"/p/Pads/pad_{n:02}.wav", "") for n in (1, 2, 17, 20)))
    assert kit["/p/Pads/pad_17.wav"] == ("Pads", "B", "1")
    # Notes are no pads, and a pad is no sample's twice.
    assert set(proposed(*((f"/p/Piano/{note}.wav", "") for note in ("C3", "D3", "E3", "F3"))).values()) == {None}
    assert set(proposed(*((f"/p/Twice/pad 1 {n}.wav", "") for n in range(4))).values()) == {None}


def test_folders_of_one_name_make_kits_of_two_names() -> None:
    names = ("Kick", "Snare", "Hat", "Clap")
    kit = proposed(*shots("/p/One/Drums", *names), *shots("/p/Two/Drums", *names), *shots("/q/Two/Drums", *names))
    assert len({slot[0] for slot in kit.values() if slot}) == 3


NAMES = st.lists(
    st.sampled_from("Kick Snare Hat Open Closed Clap Tom A1 B2 J16 pad 3 17 161 x Ride Perc".split()), min_size=1, max_size=4
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES.map(" ".join), st.sampled_from(["one-shot", "loop", ""]), min_size=1, max_size=170))
def test_every_slot_is_valid_and_taken_once(names: dict[str, str]) -> None:
    slots = [slot for slot in proposed(*((f"/p/K/{name}.wav", kind) for name, kind in names.items())).values() if slot]
    assert len(set(slots)) == len(slots)
    assert all(bank in BANKS and 1 <= int(pad) <= 16 for _, bank, pad in slots)
    assert not slots or 4 <= len(slots) <= 160


NAMES = st.lists(
    st.tuples(st.sampled_from(["Kick", "Snare", "Hat Closed", "Hat Open", "Clap", "Tom", "Ride", "Fx"]), st.integers(1, 40)),
    min_size=8,
    max_size=170,
    unique=True,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(NAMES, st.data())
def test_what_has_a_pad_keeps_it(names: list[tuple[str, int]], data: st.DataObject) -> None:
    """Whatever comes and goes: nobody else moves, no slot is given twice, none that a kept row holds; the rest has a place."""
    files = [f"/p/Dusty/{drum} {number}.wav" for drum, number in names]
    before = data.draw(st.integers(4, len(files)), label="of which there were before")
    gone = set(data.draw(st.lists(st.sampled_from(files[:before]), max_size=before - 4, unique=True), label="gone"))
    held = set(data.draw(st.lists(st.sampled_from(sorted(gone)), unique=True) if gone else st.just([]), label="rows that stay"))
    first = {path: slot for path, slot in proposed(*((path, "one-shot") for path in files[:before])).items() if slot}
    pads = {path: (kit, BANKS.index(bank) * 16 + int(pad)) for path, (kit, bank, pad) in first.items()}
    standing = StandingPads(
        {path: pad for path, pad in pads.items() if path not in gone},
        {"Dusty": {pad for path, (_, pad) in pads.items() if path in held}},
        frozenset(),
    )
    now = [path for path in files if path not in gone]
    second = {path: slot for path, slot in proposed(*((path, "one-shot") for path in now), standing=standing).items() if slot}
    if not second:  # too few are left, or of one drum
        return
    assert {path: slot for path, slot in first.items() if path not in gone} == {
        path: slot for path, slot in second.items() if path in first
    }
    slots = [*second.values(), *(first[path] for path in held if path in first)]
    assert len(set(slots)) == len(slots)
    assert len(slots) == min(len(now) + len([path for path in held if path in first]), 160)


def test_a_sample_that_is_new_moves_no_other() -> None:
    drums = ("Kick 1", "Snare 1", "Hat 1", "Clap 1")
    before = proposed(*shots("/p/Dusty", *drums))
    pads = {path: ("Dusty", int(slot[2])) for path, slot in before.items() if slot}
    after = proposed(*shots("/p/Dusty", "Kick 0", *drums), standing=StandingPads(pads, {"Dusty": {4}}, frozenset()))
    assert {path: slot for path, slot in after.items() if path in before} == before
    assert after["/p/Dusty/Kick 0.wav"] == ("Dusty", "A", "6")
    # Numbers in the names are what a person says.
    numbered = proposed(*shots("/p/x", *(f"pad {n}" for n in range(1, 6))), standing=StandingPads({}, {"x": {1}}, frozenset()))
    assert numbered["/p/x/pad 1.wav"] == ("x", "A", "1")
