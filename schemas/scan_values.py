"""Values that a scan of folders hands from step to step: a file's header, guesses and the analysis of its sound."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """An inferred value as it stands in a manifest, where it came from, and how sure it is (0 to 1)."""

    value: str
    source: str
    confidence: float


# A guess of a lower confidence is not written: a wrong value is worse than none.
THRESHOLD = 0.6
# The columns that are inferred, each with a source and a confidence beside it.
INFERRED = ("title", "genre", "bpm", "musical_key", "tags", "kind")


_UNKNOWN_VALUES = (None, "", 0)


@dataclass(frozen=True, slots=True)
class Header:
    """The facts that a file states without being decoded. A field that it does not state is empty, 0 or None.

    Attributes:
        container: As ``tasks.audio.decode.detect.container`` names it.
        seconds: Its length, where that is exact.
        channels: How many it has.
        signature: The same for the same content, wherever the file is moved.
        acid_one_shot: Its `acid` chunk says that it is a one-shot.
        acid_beats: Beats by the `acid` chunk.
        acid_bpm: Tempo by the `acid` chunk.
        acid_root: Root note by the `acid` chunk, as MIDI's number.
        smpl_root: Root note by the `smpl` chunk, as MIDI's number.
        is_loop: A loop over all of it is marked.
        title: Its tag; the other texts likewise. Several genres have a semicolon between them.
    """

    container: str = ""
    seconds: float | None = None
    channels: int = 0
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

    def known_values(self) -> dict[str, object]:
        """Return the fields that the file says; the others are as in an empty header."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in values if value not in _UNKNOWN_VALUES}


# Columns of the database table that remembers files between scans; header, guesses and heard (the analysis) are JSON.
FILES = ("path", "bytes", "mtime_ns", "ctime_ns", "header", "trouble", "fix", "rules", "guesses", "heard")
# Cells that are remembered of each row that was written into a manifest, as text.
CELLS = (*INFERRED, "kit", "bank", "pad")


@dataclass(frozen=True, slots=True)
class SoundAnalysis:
    """The analysis of the decoded sound; 0 or "" where nothing was found.

    Attributes:
        fingerprint: The same for the same samples (a BLAKE3 hash).
        bpm: Its tempo; 0 where it has no beat.
        bpm_confidence: 0 to 1.
        bpm_alternative: Half or double of the tempo, whichever is likelier.
        root: Its root note; "" where none stands out.
        root_confidence: 0 to 1.
        tags: Faults of the sound, such as silence and clipping.
    """

    fingerprint: str = ""
    bpm: float = 0.0
    bpm_confidence: float = 0.0
    bpm_alternative: float = 0.0
    root: str = ""
    root_confidence: float = 0.0
    tags: tuple[str, ...] = ()
