"""What a library is called."""

import pytest

from tasks.manifest.library_names import library_name


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("/m/library.csv", "library"),
        ("/m/my.old.csv", "my.old"),
        ("/kits/TR808EmulationKit/drumkit.xml", "TR808EmulationKit"),
        ("/kits/Rock v1.2/Drumkit.XML", "Rock v1.2"),
        ("/drumkit.xml", "drumkit"),
        ("/m/rekordbox.xml", "rekordbox"),
    ],
)
def test_a_drumkit_is_called_by_its_folder(manifest: str, name: str) -> None:
    assert library_name(manifest) == name
