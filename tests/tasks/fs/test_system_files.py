"""Names that operating systems put on disks: what a scan leaves out, and what may stand on an empty card."""

from tasks.fs.system_files import ON_EMPTY_CARDS, SKIPPED_BY_SCAN


def test_names_are_compared_in_lower_case() -> None:
    names = SKIPPED_BY_SCAN | ON_EMPTY_CARDS
    assert names == {name.lower() for name in names}


def test_what_a_scan_leaves_out_and_what_an_empty_card_may_hold() -> None:
    # The case of each is what Finder and Explorer write.
    left_out = ["Thumbs.db", "desktop.ini", "__MACOSX", "Icon\r", ".DS_Store", "$RECYCLE.BIN", "System Volume Information"]
    assert {name.lower() for name in left_out} == SKIPPED_BY_SCAN
    on_cards = ["System Volume Information", "lost+found", ".Trashes", ".fseventsd", ".Spotlight-V100", ".DS_Store"]
    assert {name.lower() for name in on_cards} == ON_EMPTY_CARDS
