"""Names of files and folders that operating systems put on disks by themselves, in lower case.

They are those that Finder, Spotlight and FSEvents of macOS, Explorer of Windows, and ``mkfs`` of Linux are known to make.
"""

_FINDER = frozenset([".ds_store"])
# `Icon\r` is a folder's own picture; `__MACOSX` is what macOS puts into ZIP archives beside the files.
_FINDER_BESIDE_FILES = frozenset(["icon\r", "__macosx"])
_MACOS_VOLUMES = frozenset([".trashes", ".fseventsd", ".spotlight-v100"])
_EXPLORER = frozenset(["thumbs.db", "desktop.ini"])
_WINDOWS_VOLUMES = frozenset(["system volume information"])
_WINDOWS_BIN = frozenset(["$recycle.bin"])
_LINUX_VOLUMES = frozenset(["lost+found"])

# What a scan leaves out wherever it lies.
SKIPPED_BY_SCAN = _FINDER | _FINDER_BESIDE_FILES | _EXPLORER | _WINDOWS_BIN | _WINDOWS_VOLUMES
# What may stand at the root of a card that is otherwise empty.
ON_EMPTY_CARDS = _FINDER | _MACOS_VOLUMES | _WINDOWS_VOLUMES | _LINUX_VOLUMES
# In front of the name of a file, for its resource fork on a disk that has none (AppleDouble).
RESOURCE_FORK_PREFIX = "._"
