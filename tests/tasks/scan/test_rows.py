"""Cells of a manifest from guesses and from what was heard."""

import os

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.scan_values import Guess, SoundAnalysis
from tasks.scan.name_parser import normalize
from tasks.scan.note_names import find_note
from tasks.scan.rows import add_analyses, guesses_to_json, make_rows


def heard(sound: SoundAnalysis, path: str = "/lib/x.wav", sure: float = 0.8, **guessed: str) -> dict[str, str | None]:
    guesses = guesses_to_json({name: Guess(value, "name", sure) for name, value in guessed.items()})
    files = pl.DataFrame({"path": [path], "guesses": [guesses]})
    return add_analyses(make_rows(files, "/lib"), [sound]).row(0, named=True)


@pytest.mark.parametrize(
    ("confidence", "kind", "wanted"),
    [(0.8, None, "loop"), (0.56, None, None), (0.8, "one-shot", "one-shot"), (0.8, "loop", "loop")],
)
def test_where_a_tempo_was_heard_it_is_a_loop(confidence: float, kind: str | None, wanted: str | None) -> None:
    row = heard(SoundAnalysis(bpm=92.0, bpm_confidence=confidence, bpm_alternative=184.0), **({"kind": kind} if kind else {}))
    assert row["kind"] == wanted
    assert (row["kind_source"] == "analysis") == (kind is None and wanted is not None)


def test_a_drum_has_no_root_note() -> None:
    sound = SoundAnalysis(root="C", root_confidence=0.7)
    assert heard(sound, tags="kick", kind="one-shot")["root_note"] is None
    assert heard(sound, tags="bass", kind="one-shot")["root_note"] == "C"
    assert heard(sound, kind="one-shot")["root_note"] == "C"


@pytest.mark.parametrize(
    ("path", "confidence", "bpm", "alternative"),
    [
        ("/lib/breaks152/003.wav", 0.55, "152", "76"),
        ("/lib/breaks125/003.wav", 0.8, "76.1", "152.2"),  # no help: it is near neither
        ("/lib/Loops 76/003.wav", 0.8, "76", "152"),
        ("/lib/x/drum 151.wav", 0.56, "151", "75.5"),
        ("/lib/x/take 76.wav", 0.55, None, "76.1|152.2"),
        ("/lib/76 or 152/x.wav", 0.55, None, "76.1|152.2"),
        ("/lib/x/x.wav", 0.55, None, "76.1|152.2"),
        ("/lib/breaks152/x.wav", 0.5, None, None),
        ("/lib/SFX/engine idle.wav", 0.9, None, None),
        ("/lib/x/Motor 3.wav", 0.9, None, None),
    ],
)
def test_a_number_of_the_name_or_folder_says_whether_it_is_half_or_double(
    path: str, confidence: float, bpm: str | None, alternative: str | None
) -> None:
    row = heard(SoundAnalysis(bpm=76.1, bpm_confidence=confidence, bpm_alternative=152.2), path)
    assert (row["bpm"], row["bpm_alternative"]) == (bpm, alternative)
    assert row["kind"] == ("loop" if bpm else None)


def test_a_rhythm_is_no_one_shot_because_of_a_drums_word() -> None:
    sound = SoundAnalysis(bpm=120.0, bpm_confidence=0.7, bpm_alternative=60.0)
    assert [heard(sound, sure=0.75, kind="one-shot")[name] for name in ("kind", "bpm")] == ["loop", "120"]
    assert [heard(sound, sure=0.9, kind="one-shot")[name] for name in ("kind", "bpm")] == ["one-shot", None]
    weak = SoundAnalysis(bpm=120.0, bpm_confidence=0.65, bpm_alternative=60.0)
    assert [heard(weak, sure=0.75, kind="one-shot")[name] for name in ("kind", "bpm")] == ["one-shot", None]


def test_the_note_at_the_end_of_a_name_is_the_root_and_what_is_less_sure_than_that_is_none() -> None:
    sound = SoundAnalysis(root="E", root_confidence=0.9)
    row = heard(sound, "/lib/bass_drop_c.wav")
    assert (row["root_note"], row["root_note_confidence"]) == ("C", "0.65")
    assert heard(sound, "/lib/Piano/A#2.wav")["root_note"] == "A#"
    assert heard(sound, "/lib/bass_drop_c.wav", musical_key="Am")["root_note"] is None
    assert heard(sound)["root_note"] == "E"
    assert heard(SoundAnalysis(root="E", root_confidence=0.59))["root_note"] is None


@settings(max_examples=300, deadline=None)
@example("bass", "\uff23\uff03\uff13", ".wav")
@example("bass", "C3 \t", ".wav")
@example("", "C#", "")
@given(
    st.sampled_from(["", "bass", "x.y", "Piano"]),
    st.from_regex(r"[A-Ga-g][#b]?[0-8]?\s*", fullmatch=True)
    | st.text("Cc#b3 ._-\uff23\uff03\u00a0\u00e9", min_size=1, max_size=5),
    st.sampled_from(["", ".wav", ".", ".a.wav", ". wav"]),
)
def test_every_note_at_the_end_of_a_name_gets_into_its_row(front: str, note: str, extension: str) -> None:
    """As it is found in the name by itself."""
    name = f"{front} {note}{extension}".strip("/\n") if front else f"{note}{extension}"
    found = find_note(normalize(os.path.splitext(name)[0]), ("Basses", "lib"))
    files = pl.DataFrame({"path": [f"/lib/Basses/{name}"], "guesses": ["{}"]})
    assert make_rows(files, "/lib")["root_note"].to_list() == [found.value if found else None]
