"""The name of a library for a person: what of its manifest's path tells it from others."""

import os

# Hydrogen calls every drumkit's file like this, and its folder by the drumkit's name.
HYDROGEN = "drumkit.xml"


def library_name(manifest: str) -> str:
    """Return the stem of a manifest's file name; of a Hydrogen drumkit the name of its folder."""
    folder, name = os.path.split(manifest)
    if name.lower() == HYDROGEN and os.path.basename(folder):
        return os.path.basename(folder)
    return os.path.splitext(name)[0]
