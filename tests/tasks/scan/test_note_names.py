"""Notes at the ends of names, judged by a table of what a person reads from them: a letter may be a side or a variant."""

import pytest

from tasks.scan.note_names import find_note

NOTES = [
    ("bass_drop_c", "C"),
    ("glitch_bass_g", "G"),
    ("BS A#2", "A#"),
    ("Piano C2", "C"),
    ("Synth F#3", "F#"),
    ("Rhodes_Bb", "Bb"),
    ("Strings Gb4", "Gb"),
    ("Bass A1", "A"),
    ("C#", "C#"),
    ("Piano/C3", "C"),
    ("Basses/eb2", "Eb"),
    # Not to be told.
    ("C2", ""),
    ("Piano/C", ""),
    ("A1_Kick", ""),
    ("Kick C", ""),
    ("Hat C#3", ""),
    ("Snare_F#", ""),
    ("Kicks/C3", ""),
    ("Pad A", ""),
    ("Bass A", ""),
    ("Bass_b", ""),
    ("bass_ab", ""),
    ("bass_db", ""),
    ("Bass side C", ""),
    ("Synth version E", ""),
    ("vowel_e", ""),
    ("loop_drone_g_97", ""),
    ("E_Piano", ""),
    ("x C#9", ""),
    ("Am", ""),
    ("Basic", ""),
    ("", ""),
]


@pytest.mark.parametrize(("path", "note"), NOTES)
def test_notes_at_the_end_of_names(path: str, note: str) -> None:
    *folders, stem = path.split("/")
    found = find_note(stem, tuple(folders))
    assert (found.value if found else "") == note
    assert not found or 0.6 <= found.confidence <= 0.8
