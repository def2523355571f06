"""The formats and limits of the SP-404MKII. Each fact with its source and how sure it is (sure, likely, unproven).

Its banks and pads stand in ``schemas.music``.
"""

# The engine is fixed at 48 kHz, 16-bit linear (Roland's specifications: sure).
RATE_HZ = 48_000
BITS = 16

# Longest sample: 46,126,464 frames, "16 min, about 185 MB" (Roland's reference manual and device files: sure).
MAX_FRAMES = 46_126_464

# 16 projects (Roland's reference manual: sure), of a tempo from 40 to 200 BPM (likely).
PROJECTS = 16
PROJECT_TEMPOS = 40, 200

# BPM sync stretches a loop to 50 to 150 % of its tempo (one good source: likely).
LEAST_STRETCH, MOST_STRETCH = 0.5, 1.5

# Names. FAT32 and exFAT cards ignore case (sure); non-ASCII and odd ASCII names are garbled or not played, so names
# are a-z, 0-9, _ and - (likely). 80 bytes for a whole file name, `_metadata.txt` included, is this project's rule.
NAME_BYTES = 80

# A sample's name on the device (Roland's reference manual: sure); about 16 of them are visible (unproven).
SCREEN_CHARS = 23

# Names that Windows keeps for devices (Microsoft, "Naming Files, Paths, and Namespaces": sure), and the folders that
# the SP-404MKII, cameras and operating systems own on a card.
RESERVED_NAMES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{n}" for port in ("com", "lpt") for n in (*range(10), "¹", "²", "³")]
    + ["import", "export", "bkup", "roland", "dcim", "lost.dir", "recycler", "$recycle.bin", "autorun.inf"]
    + ["system volume information", "system_volume_information"]
)
