"""Kits and genres that are spelt in several ways are one each, before any rule looks at them; and that is said."""

from pathlib import Path

import pytest

from tests.support.manifest_judges import checked, reject_of, saved

NFC, NFD = "Caf\xe9", "Cafe\u0301"
HEADER = "file_path,kit,bank,pad,genre\n"


def test_a_table_has_one_spelling_for_each_kit_and_genre(tmp_path: Path) -> None:
    kits = ["Night Bus", "night bus", "NIGHT\xa0BUS", "night_ bus", NFC, NFD, "Night-Bus"]
    genres = ["Hip-Hop", "hip hop", "HipHop", "Hip_Hop", "hiphop", "R&B", "RnB"]
    rows = [f"{n}.wav,{kit},A,{n},{genre}\n" for n, (kit, genre) in enumerate(zip(kits, genres, strict=True), 1)]
    manifest = checked(saved(tmp_path, HEADER + "".join(rows)))
    assert manifest.rejects.is_empty()
    assert manifest.frame["kit"].to_list() == ["Night Bus"] * 4 + [NFC] * 2 + ["Night-Bus"]
    assert manifest.frame["genre"].to_list() == ["Hip-Hop"] * 5 + ["R&B", "RnB"]
    said = [(finding.where, finding.what) for finding in manifest.spellings]
    assert said == [
        (
            "kit Night Bus",
            "It is spelt in 4 ways, and taken for one kit: 'Night Bus' (line 2), 'night bus' (line 3), "
            r"'NIGHT\xa0BUS' (line 4), 'night_ bus' (line 5)",
        ),
        (f"kit {NFC}", rf"It is spelt in 2 ways, and taken for one kit: {NFC!r} (line 6), 'Cafe\u0301' (line 7)"),
        (
            "genre Hip-Hop",
            "It is spelt in 5 ways, and taken for one genre: 'Hip-Hop' (line 2), 'hip hop' (line 3), 'HipHop' (line 4), "
            "'Hip_Hop' (line 5), 'hiphop' (line 6)",
        ),
    ]
    assert all(finding.fix for finding in manifest.spellings)


def test_two_samples_on_one_pad_of_two_spellings_clash(tmp_path: Path) -> None:
    rows = "1.wav,Night Bus,A,1,\n2.wav,night bus,A,1,\n3.wav,NIGHT BUS,A,17,\n4.wav,night bus,A,2,\n"
    manifest = checked(saved(tmp_path, HEADER + rows))
    assert manifest.frame["line"].to_list() == [2, 5]
    assert "already taken" in str(reject_of(manifest, 3)["rule"])
    # A row that is rejected belongs to the kit, too.
    assert {reject_of(manifest, line)["kit"] for line in (3, 4)} == {"Night Bus"}


def test_many_lines_are_counted_and_one_spelling_says_nothing(tmp_path: Path) -> None:
    rows = [f"{n}.wav,,,,{'house' if n % 2 else 'House'}\n" for n in range(200)]
    (finding,) = checked(saved(tmp_path, HEADER + "".join(rows))).spellings
    assert "'House' (lines 2, 4, 6 and 97 more), 'house' (lines 3, 5, 7 and 97 more)" in finding.what
    assert checked(saved(tmp_path, HEADER + "".join(rows[::2]))).spellings == ()


KITS = {
    "kits.yaml": (
        "kits:\n- name: Night Bus\n  A1: a.wav\n- name: night bus\n  tempo: 92\n  A1: b.wav\n  A2: c.wav\n"
        "- name: NIGHT BUS\n  tempo: 93\n"
    ),
    "kits.toml": (
        '[[kits]]\nname = "Night Bus"\nA1 = "a.wav"\n[[kits]]\nname = "night bus"\ntempo = 92\nA1 = "b.wav"\nA2 = "c.wav"\n'
        '[[kits]]\nname = "NIGHT BUS"\ntempo = 93\n'
    ),
}


@pytest.mark.parametrize("name", sorted(KITS))
def test_kits_of_a_kit_file_are_one_under_two_spellings(tmp_path: Path, name: str) -> None:
    manifest = checked(saved(tmp_path, KITS[name], name))
    assert manifest.frame.select("kit", "bank", "pad", "file_path").rows() == [
        ("Night Bus", "A", 1, "a.wav"),
        ("Night Bus", "A", 2, "c.wav"),
    ]
    assert manifest.kit_tempos == {"Night Bus": 92.0}
    assert len(manifest.rejects) == 2
    assert manifest.rejects["kit"].to_list() == ["Night Bus"] * 2
    (finding,) = manifest.spellings
    assert finding.where == "kit Night Bus"
