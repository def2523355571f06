"""Know the files and folders that operating systems and sync programs put on disks by themselves, and none of a person's.

This is the one list of them: a scan leaves them out, an empty card may have them, and ``verify`` passes them over.
"""

import os
import re

# In front of the name of a file, for its resource fork on a disk that has none (AppleDouble).
_RESOURCE_FORK_PREFIX = "._"
# Names in lower case. `Icon\r` is a folder's own picture.
_FINDER = frozenset([".ds_store", "icon\r", ".localized", ".apdisk", ".volumeicon.icns"])
_EXPLORER = frozenset(["thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"])
_DESKTOPS = frozenset([".directory"])
_SYNC_FILES = frozenset([".dropbox", ".dropbox.attr", ".stignore", ".sync.ffs_db", ".nextcloudsync.log", ".owncloudsync.log"])
# `__MACOSX` is what macOS puts into ZIP archives beside the files.
_MACOS_FOLDERS = frozenset(
    [
        ".trashes", ".trash", ".fseventsd", ".spotlight-v100", ".temporaryitems", ".documentrevisions-v100", ".appledouble",
        ".appledb", ".appledesktop", ".mobilebackups", "__macosx", "network trash folder", "temporary items",
    ]
)  # fmt: skip
_WINDOWS_FOLDERS = frozenset(["$recycle.bin", "system volume information", "found.000"])
_LINUX_FOLDERS = frozenset(["lost+found", ".snapshots", ".snapshot", ".zfs", ".thumbnails"])
_NAS_FOLDERS = frozenset(
    ["#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@eadir", "@tmp", "@sharebin", "@sharesnap", ".@__thumb"]
)
_SYNC_FOLDERS = frozenset(
    [
        ".stversions", ".stfolder", ".dropbox.cache", ".sync", ".tmp.drivedownload", ".tmp.driveupload", ".git", ".svn", ".hg",
    ]
)  # fmt: skip
_FILES = _FINDER | _EXPLORER | _DESKTOPS | _SYNC_FILES
_FOLDERS = _MACOS_FOLDERS | _WINDOWS_FOLDERS | _LINUX_FOLDERS | _NAS_FOLDERS | _SYNC_FOLDERS
# `.Trash-1000` of freedesktop.org, by the number of the user. RECYCLER is that of Windows XP; in other letters it is a name.
_TRASH = re.compile(r"\A(\.Trash-\d+|RECYCLER)\Z")
# Files in the making: of Syncthing, of an open document of Office or LibreOffice, of NFS.
_IN_THE_MAKING = re.compile(
    r"\A(\.syncthing\..*\.tmp|~syncthing~.*\.tmp|~\$.*|\.~lock\..*#|\.nfs[0-9a-f]{16,})\Z", re.IGNORECASE
)
_HALF_DOWNLOAD = re.compile(r"\.(part|partial|crdownload|download|opdownload|filepart|!qb|!ut|bc!|aria2)\Z", re.IGNORECASE)
_ICLOUD = re.compile(r"\A\.(.+)\.icloud\Z")
_CONFLICT = re.compile(
    r"\.sync-conflict-\d{8}-\d{6}|\([^()]*(conflicted copy|case conflict|konfliktkopie|in konflikt)[^()]*\)"
    r"|_conflict-\d{8}-\d{6}",
    re.IGNORECASE,
)
# What Finder and Explorer make again whenever they like, and nobody else.
_JUNK = frozenset([".ds_store", *_EXPLORER])
_AUDIO_MAGIC = (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b"caff", b"wvpk", b"\xff\xfb", b"\xff\xf3")


def is_system_name(name: str) -> bool:
    """Return whether a file or folder of this name is made by an operating system or a sync program."""
    lower = name.lower()
    return (
        name.startswith(_RESOURCE_FORK_PREFIX)
        or lower in _FILES
        or lower in _FOLDERS
        or bool(_TRASH.match(name) or _IN_THE_MAKING.match(name))
    )


def is_half_download(name: str) -> bool:
    """Return whether a file of this name is not yet all there."""
    return bool(_HALF_DOWNLOAD.search(name))


def icloud_name(name: str) -> str | None:
    """Return the name of the file that iCloud's placeholder stands for; None if this is not a placeholder's name."""
    match = _ICLOUD.match(name)
    return match[1] if match else None


def is_conflict_copy(name: str) -> bool:
    """Return whether a sync program kept a second version of a file under this name."""
    return bool(_CONFLICT.search(name))


def has_system_name_below(path: str, folder: str) -> bool:
    """Return whether ``path``, or a folder between it and ``folder``, has a system's name."""
    return any(is_system_name(name) for name in os.path.relpath(path, folder).split(os.sep))


def is_junk(path: str) -> bool:
    """Return whether the file at ``path`` is one that Finder or Explorer made, which nobody misses.

    It goes by the name, and a file of such a name that holds audio is not junk.
    """
    name = os.path.basename(path)
    if not (name.lower() in _JUNK or name.startswith(_RESOURCE_FORK_PREFIX)):
        return False
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return not file.read(12).startswith(_AUDIO_MAGIC)
    except OSError:
        return False
