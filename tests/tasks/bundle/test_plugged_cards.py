"""Which cards are plugged in."""

from pathlib import Path

import pytest

from tasks.bundle import plugged_cards

_MOUNTINFO = """22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 27 8:2 / /boot/efi rw,relatime - vfat /dev/sda2 rw
31 27 8:17 / /media/me/SP\\040404 rw,relatime shared:5 - vfat /dev/sdb1 rw,fmask=0022
32 27 8:33 / /opt/card rw master:1 - exfat /dev/sdc1 rw
33 27 0:44 / /mnt/nas rw - nfs4 nas:/x rw
34 27 0:45 / /mediated rw - tmpfs tmpfs rw
35 27 0:46 / /mnt/tools rw - tmpfs tools rw,size=4k
36 27 8:49 / /media/me/Disk rw - ext4 /dev/sdd1 rw
37 27 8:50 / /media/me/Other rw - fuseblk /dev/sde1 rw
38 27 0:47 / /mnt/e rw - 9p E: rw
odd line
"""


def test_where_cards_are_mounted() -> None:
    """And not what lies there besides: file systems of networks, of memory and of Linux."""
    assert plugged_cards.parse_mounts(_MOUNTINFO) == ["/media/me/SP 404", "/opt/card", "/media/me/Other", "/mnt/e"]


def test_what_is_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("card/IMPORT", "empty", "photos/DCIM", "backup/IMPORT", "backup/PTN", "exported/EXPORT"):
        (tmp_path / name).mkdir(parents=True)
    mounts = [str(tmp_path / name) for name in ("photos", "exported", "empty", "card", "card", "backup", "gone")]
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: mounts)
    found = plugged_cards.find_plugged()
    assert [(card.name, card.has_import) for card in found] == [("card", True), ("empty", False), ("exported", False)]
    assert len({card.id for card in found}) == 3
    assert plugged_cards.find_plugged() == found
