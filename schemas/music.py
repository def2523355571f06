"""Musical facts that several stages share: banks and pads, tempo ranges, note names, beats, and audio file extensions.

Each fact stands here once, with its source. What only the device defines (sample length, projects, names on its screen)
stands in ``config.device``.
"""

from collections.abc import Iterable

# ---- pads of the SP-404MKII ----

# 16 pads in each of the banks A to J (Roland's reference manual: sure; contract, section 1).
BANKS = tuple("ABCDEFGHIJ")
PADS_PER_BANK = 16
PADS_PER_KIT = len(BANKS) * PADS_PER_BANK

# ---- tempo, in BPM ----

# What a manifest accepts (contract, section 1).
BPM_MIN, BPM_MAX = 20, 300
# What a scan believes of a name, a tag or an `acid` chunk: slower numbers are counts and indices more often than tempos.
LOOP_BPM_MIN, LOOP_BPM_MAX = 30.0, 300.0
# The folders of `--organize-by bpm` (contract, section 3). Bucket n + 1 begins with bound n: 110 goes to 110-130.
BPM_BUCKET_BOUNDS = (70, 90, 110, 130, 150)
BPM_BUCKETS = ("slow", "70-90", "90-110", "110-130", "130-150", "fast")
UNKNOWN_BPM = "unknown_bpm"

# ---- notes and beats ----

# By MIDI's note number, modulo twelve.
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# Lengths that loops in 4/4 have.
BEATS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128)
# How far a loop's length may be from whole beats. A millisecond or two is rounding; this is an editor's careless cut.
FIT_SECONDS = 0.030

# ---- extensions of audio files, in lower case (contract, section 4: the content decides, not the extension) ----

PCM_EXTENSIONS = (".wav", ".wave", ".w64", ".rf64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd")
LOSSLESS_EXTENSIONS = (".flac", ".wv")
# `.m4a` and `.mp4` hold ALAC as well, which only their content tells.
LOSSY_EXTENSIONS = (".mp3", ".m4a", ".mp4", ".aac", ".ogg", ".oga", ".opus")
# FFmpeg decodes them, but the contract does not promise them: a title keeps them, so that no name of an older export moves.
UNPROMISED_EXTENSIONS = (".ac3", ".wma")
TITLE_EXTENSIONS = (*PCM_EXTENSIONS, *LOSSLESS_EXTENSIONS, *LOSSY_EXTENSIONS)
AUDIO_EXTENSIONS = frozenset([*TITLE_EXTENSIONS, *UNPROMISED_EXTENSIONS])
# Propellerhead's REX2: only its maker's library decodes it.
REX_EXTENSIONS = frozenset([".rx2", ".rex", ".rcy"])


def extension_pattern(extensions: Iterable[str]) -> str:
    """Return a regular expression that matches one of ``extensions`` at the end of a text, in any case."""
    return rf"(?i)\.({'|'.join(extension.removeprefix('.') for extension in extensions)})$"


def beats_in(seconds: float, bpm: float, min_beats: int = 1) -> int:
    """Count the beats that last ``seconds`` at ``bpm``.

    Returns:
        The first of ``BEATS`` from ``min_beats`` on that fits within ``FIT_SECONDS``; 0 where none does.
    """
    fitting = (beats for beats in BEATS if beats >= min_beats and abs(beats * 60 / bpm - seconds) <= FIT_SECONDS)
    return next(fitting, 0)
