"""Musical facts that several stages share: banks and pads, tempo ranges, note names, beats, and audio file extensions.

Each fact stands here once, with its source. What only the device defines (sample length, projects, names on its screen)
stands in ``config.device``.
"""

import re
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
# A sampler's chunk has a note even where nobody chose one: then it is this.
UNCHOSEN_NOTE = 60
# Lengths that loops in 4/4 have.
BEATS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128)
# How far a loop's length may be from whole beats. A millisecond or two is rounding; this is an editor's careless cut.
FIT_SECONDS = 0.030

# A tempo as tags spell it: with a comma, with the unit. Nothing else may stand beside it: `120/60` and `90-100` are none.
_TEMPO = re.compile(r"(?:bpm[\s:=]*)?(\d{1,3}(?:[.,]\d*)?)\s*(?:bpm)?", re.IGNORECASE)

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


def parse_tempo(text: str) -> float | None:
    """Read the tempo in a tag: `128`, `92,5`, `128 BPM`, `120.00`; None where it states none that a loop has (`0 Bpm`)."""
    match = _TEMPO.fullmatch(text.strip())
    bpm = float(match[1].replace(",", ".")) if match else 0.0
    return bpm if LOOP_BPM_MIN <= bpm <= LOOP_BPM_MAX else None


# Keys as people and programs write them: any case, the mode in English or German, H for B and B for Bb where it is German.
# An s is a sharp where the mode is English (`Fs minor`).
_WRITTEN_KEY = re.compile(
    r"(?P<root>[A-Ha-h])(?P<sign>[#b♯♭]|[ -]?(?i:sharp|flat)|(?i:is|es|s)(?=[ -]?(?i:dur|moll))|s(?=[ -]?(?i:min|maj)))?"
    r"(?:[ -]?(?P<mode>m|M|(?i:minor|min|major|maj|moll|dur)))?\.?"
)
# The wheel of keys of Mixed In Key (`8A`), by number from 1 on; Open Key (`1m`, Traktor) begins seven steps later.
_WHEEL_MINOR = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
_WHEEL_MAJOR = ("B", "F#", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E")
_WHEEL = re.compile(r"0?([1-9]|1[0-2])([ABabmMdD])")
_ACCIDENTALS = {"♯": "#", "#": "#", "sharp": "#", "is": "#", "♭": "b", "b": "b", "flat": "b", "es": "b", "s": "b"}
_ENHARMONIC = {"Cb": "B", "Fb": "E", "E#": "F", "B#": "C"}


def normalize_key(text: str) -> str:
    """Spell a key as keys are spelt here: `8A`, `a-Moll` and `A minor` are `Am`; "" where it is not a key.

    A root alone (`C`, `F#`) is not spelt otherwise: it says no more than it says.
    """
    text = text.strip()
    if wheel := _WHEEL.fullmatch(text):
        return _key_on_wheel(int(wheel[1]), wheel[2].lower())
    match = _WRITTEN_KEY.fullmatch(text)
    if not match:
        return ""
    root, sign, mode = match["root"], (match["sign"] or "").strip(" -").lower(), match["mode"] or ""
    is_german = mode.lower() in ("dur", "moll")
    if root.islower() and len(mode) < len("maj"):
        return ""
    accidental = "#" if sign == "s" and not is_german else _ACCIDENTALS.get(sign, "")
    root = root.upper()
    if root == "H":
        root = "B"
    elif root == "B" and is_german and not sign:
        accidental = "b"
    note = _ENHARMONIC.get(root + accidental, root + accidental)
    if not mode:
        return note
    return note + ("m" if mode == "m" or mode.lower() in ("min", "minor", "moll") else "maj")


def parse_key(text: str) -> str:
    """Read the key in a tag, and spell it as ``normalize_key`` does; but a root alone is major there, as ID3 has it."""
    key = normalize_key(text)
    return f"{key}maj" if key and key[-1] in "ABCDEFG#b" else key


def _key_on_wheel(number: int, letter: str) -> str:
    """Return the key of a Camelot code (`a`, `b`) or an Open Key code (`m`, `d`)."""
    at = (number - 1 + (7 if letter in "md" else 0)) % 12
    return _WHEEL_MINOR[at] + "m" if letter in "am" else _WHEEL_MAJOR[at] + "maj"
