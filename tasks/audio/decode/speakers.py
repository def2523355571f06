"""Name the speakers that channels are for, as FFmpeg abbreviates them: ``FL`` front left, ``BC`` back centre, ``LFE``.

Two answers are not names. No names at all: the header does not say, and the usual order of so many channels holds. A name
that is "": the header says that the channel belongs to no speaker, as the tracks of a field recorder.
"""

# The bits of a channel mask, from the lowest (Microsoft, WAVEFORMATEXTENSIBLE); channels stand in this order.
_MASK = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR")
# The order of channels where nothing is said of them: that of FLAC (RFC 9639, 9.1.3), which is WAV's, too.
_USUAL = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def speakers_of_mask(mask: int, channels: int) -> tuple[str, ...]:
    """Return the speakers of ``channels`` channels by a channel mask. Channels beyond its bits belong to none."""
    names = [name for bit, name in enumerate(_MASK) if mask >> bit & 1]
    return tuple((names + [""] * channels)[:channels])


def usual_speakers(channels: int) -> tuple[str, ...]:
    """Return the speakers of so many channels where a header does not name them."""
    return _USUAL.get(channels, ("",) * channels)
