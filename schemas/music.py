"""Tempo, length and notes: a loop lasts a whole number of beats."""

# As many as loops have in 4/4.
BEATS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128)
# A millisecond or two is rounding; this is an editor's careless cut.
FIT_SECONDS = 0.030
# By MIDI's number, modulo twelve.
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# What loops are played at; a manifest takes 20 to 300.
TEMPO_MIN, TEMPO_MAX = 30.0, 300.0


def beats_in(seconds: float, bpm: float, least: int = 1) -> int:
    """How many beats of ``bpm`` last ``seconds``: one of ``BEATS`` from ``least`` on; 0 where none does."""
    near = (beats for beats in BEATS if beats >= least and abs(beats * 60 / bpm - seconds) <= FIT_SECONDS)
    return next(near, 0)
