"""Find the setting of the sound with which samples are exported that failed for a reason."""

from config.settings import Settings
from schemas.enums import Truncated
from schemas.errors import LoadError, TooShortError, TruncatedError
from schemas.sample_api import SampleMend


def find_mend(reason: str | None, settings: Settings) -> SampleMend | None:
    """Return what mends samples that failed for a reason, those whose errors have its ``text``; None where no setting does."""
    shortest = settings.min_duration_ms
    table = {
        TooShortError.reason: ("", f"Pad to {shortest} ms", {"pad_to_ms": shortest}),
        LoadError.reason: (TruncatedError.beginning, "Keep what is there", {"truncated": Truncated.KEEP.value}),
    }
    if reason not in table:
        return None
    text, words, sound = table[reason]
    return SampleMend(words=words, reason=reason, text=text, sound=sound)
