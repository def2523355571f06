"""Words of where a sample comes from: in its name, where the name alone says nothing or is taken, and as folders."""

import polars as pl
import pytest

from tests.support.layout_judges import Row, held_paths, paths_of


def from_files(*sources: str, first: int = 1) -> list[Row]:
    """A row for each file, with ids from ``first`` on and the stem as title, as manifests have it."""
    return [
        {"sample_id": number, "title": source.rsplit("/", 1)[-1].rsplit(".", 1)[0], "source": source}
        for number, source in enumerate(sources, first)
    ]


NO_WORDS = {
    "/lib/TR808/tr808-bd/003.wav": "tr808-bd_003",
    "/lib/Loops/90-100/01.wav": "90-100_01",
    "/lib/Dusty/2/01.wav": "dusty_01",
    "/lib/Rust/01 (2).wav": "rust_01_2",
    "/lib/Café/1-2.wav": "cafe_1-2",
    "/lib/Kicks/kick 2.wav": "kick_2",
    "/7.wav": "7",
    "/lib/Dusty/夜.wav": "ye",
}  # fmt: skip


def test_a_number_alone_gets_the_word_of_its_folder() -> None:
    wanted = NO_WORDS | {"/lib/Loops/90-100/01.wav": "loops_01"}
    assert paths_of(from_files(*wanted)) == [f"{name}.wav" for name in wanted.values()]
    # A number that a person chose as the title stays.
    assert paths_of([{"sample_id": 1, "title": "1999", "source": "/lib/Dusty/prince.wav"}]) == ["1999.wav"]


def test_files_of_one_name_are_told_apart_by_their_folders_and_else_by_their_ids() -> None:
    sources = (
        "/lib/Dusty/Kick.wav",
        "/lib/Vinyl/Kick.wav",
        "/lib/Vinyl/KICK.aif",
        "/lib/Tape/Deep/Kick.wav",
        "/lib/Deep/kick.wav",
    )
    assert paths_of(from_files(*sources)) == ["kick.wav", "kick_vinyl.wav", "kick__3.wav", "kick_deep.wav", "kick__5.wav"]
    # A folder that both are in, and a word that the name has, tell nothing.
    same = from_files("/lib/A Pack/Drums/Kick.wav", "/lib/B Pack/Drums/Kick.wav", "/lib/Kick/Kick.wav")
    assert paths_of(same) == ["kick.wav", "kick_b_pack.wav", "kick__3.wav"]
    # An older sample goes first.
    older = from_files("/lib/x/Kick Vinyl.wav", "/lib/Dusty/Kick.wav", "/lib/Vinyl/Kick.wav")
    assert paths_of(older) == ["kick_vinyl.wav", "kick.wav", "kick__3.wav"]
    asked = from_files("/lib/Dusty/Kick.wav", "/lib/Vinyl/Kick.wav", "/lib/x/Kick Vinyl.wav")
    assert paths_of(asked) == ["kick.wav", "kick_vinyl.wav", "kick_vinyl_x.wav"]


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        # As earlier releases called them.
        ([("003.wav", 1), ("003__2.wav", 2)], ["003.wav", "003__2.wav"]),
        # As this one does; a renamed folder renames no file.
        ([("old_003.wav", 1), ("old_003_x.wav", 2)], ["old_003.wav", "old_003_x.wav"]),
        ([], ["bd_003.wav", "bd_003_b.wav"]),
    ],
)
def test_names_that_were_given_stay(held: list[tuple[str, int]], wanted: list[str]) -> None:
    rows = from_files("/lib/a/bd/003.wav", "/lib/b/bd/003.wav")
    assert paths_of(rows, held=held_paths(*held)) == wanted
    assert paths_of(list(reversed(rows)), held=held_paths(*held)) == list(reversed(wanted))


def test_a_newcomer_does_not_take_a_name_that_a_word_made() -> None:
    rows = from_files("/lib/Dusty/Kick.wav", "/lib/Vinyl/Kick.wav")
    held = held_paths(("kick.wav", 1), ("kick_vinyl.wav", 2))
    newcomer: Row = {"sample_id": 9, "title": "Kick Vinyl", "source": "/lib/New/Kick Vinyl.wav"}
    assert paths_of([newcomer, *rows], held=held) == ["kick_vinyl_new.wav", "kick.wav", "kick_vinyl.wav"]
    # An id that is there from an earlier release stays, too.
    assert paths_of(rows, held=held_paths(("kick.wav", 1), ("kick__2.wav", 2))) == ["kick.wav", "kick__2.wav"]


def test_the_tree_of_the_sources_is_kept() -> None:
    rows = from_files(
        "/lib/Drums/Kicks!/003.wav", "/lib/Drums/Café/Kick.wav", "/lib/top.wav", "/lib/NUL/x.wav", "/lib/🔥/y.wav"
    )
    assert paths_of(rows, "folder", source_root="") == [
        "drums/kicks/003.wav", "drums/cafe/kick.wav", "top.wav", "x_nul/x.wav", "fire/y.wav"
    ]  # fmt: skip
    assert paths_of(rows[:2], "folder", source_root="") == ["kicks/003.wav", "cafe/kick.wav"]
    assert paths_of(rows[:2], "folder", source_root="/lib") == ["drums/kicks/003.wav", "drums/cafe/kick.wav"]
    assert paths_of(rows[:2], "folder", sanitize=False, source_root="") == ["Kicks!/003.wav", "Café/Kick.wav"]
    # Two folders that become one, and a folder that is called as a file would be.
    twins = from_files("/lib/a!/x.wav", "/lib/A/x.wav", "/lib/b/z.wav")
    assert paths_of(twins, "folder", source_root="") == ["a/x.wav", "a/x__2.wav", "b/z.wav"]
    assert paths_of(from_files("/l/kick.wav", "/l/kick.wav/x.wav"), "folder", sanitize=False, source_root="") == [
        "kick.wav",
        "kick.wav_/x.wav",
    ]


def test_a_tree_of_a_thousand_folders_fits_into_a_path() -> None:
    (path,) = paths_of(
        from_files("/lib/" + "/".join(f"folder {n}" for n in range(300)) + "/x.wav"), "folder", source_root="/lib"
    )
    assert len(path.encode()) <= 1_006
    assert path.endswith("/folder_299/x.wav")


def test_many_numbers_keep_to_their_rows() -> None:
    rows = from_files(*(f"/lib/m{n % 7}/bd/{n:03}.wav" for n in range(500)))
    frame = pl.Series(paths_of(rows))
    assert frame.is_unique().all()
    assert frame.str.contains("^bd_[0-9]{3}").all()
