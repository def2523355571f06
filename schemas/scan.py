"""What a scan of folders hands from step to step: what a file's header says, and what is made of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """An inferred value as it stands in a manifest, where it came from, and how sure it is (0 to 1)."""

    value: str
    source: str
    confidence: float


# Below it a value is left empty: a wrong one is worse than none.
THRESHOLD = 0.6
# What is inferred, each with a source and a confidence beside it.
INFERRED = ("title", "genre", "bpm", "musical_key", "tags", "kind")


_SAYS_NOTHING = (None, "", 0)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. Empty, 0 or None where it does not say; notes are MIDI's.

    ``seconds``: its length, where that is exact. ``is_loop``: a loop over all of it is marked. ``signature`` is the same for
    the same content, wherever the file is moved.
    """

    container: str = ""
    seconds: float | None = None
    signature: str = ""
    acid_one_shot: bool = False
    acid_beats: int = 0
    acid_bpm: float = 0.0
    acid_root: int | None = None
    smpl_root: int | None = None
    is_loop: bool = False
    title: str = ""
    genre: str = ""
    bpm: str = ""
    musical_key: str = ""

    def told(self) -> dict[str, object]:
        """What it says; all else is as in an empty one."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in values if value not in _SAYS_NOTHING}


# What is remembered of a file between scans; header, guesses and heard are JSON.
FILES = ("path", "bytes", "mtime_ns", "ctime_ns", "header", "trouble", "fix", "rules", "guesses", "heard")
# What is remembered of a row that was written into a manifest; the cells as text.
CELLS = (*INFERRED, "kit", "bank", "pad")


@dataclass(frozen=True, slots=True)
class SoundAnalysis:
    """What the decoded sound told. ``bpm``: 0 where it has no beat; ``bpm_alternative``: half or double of it, whichever is
    likelier. ``root``: a note, "" where none stands out. ``fingerprint`` is the same for the same samples.
    """

    fingerprint: str = ""
    bpm: float = 0.0
    bpm_confidence: float = 0.0
    bpm_alternative: float = 0.0
    root: str = ""
    root_confidence: float = 0.0
    tags: tuple[str, ...] = ()
