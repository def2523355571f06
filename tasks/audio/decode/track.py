"""The result of a decoder, what is known of its length, and the translation of its messages into our errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import av
import soundfile

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import Block


@dataclass(frozen=True)
class Length:
    """What is known of a length before anything is decoded, in frames.

    A length is known only when two independent facts agree (docs/decisions/0012): here stands what the container counts, and
    ``tasks.audio.decode.source`` holds it against what is decoded.

    Attributes:
        expected: How many frames there must be; None where nothing counts them.
        is_exact: Whether what a decoder gives behind them is no sound: an encoder's padding, or a last block filled up.
        skip: How many frames a decoder gives in front of them that are no sound.
        missing: How many of them a decoder may fail to give, for reasons of the format.
        surplus: How many more than these a decoder may give; None where nothing can be said.
        is_cut: Whether the end is known to be missing.
        notes: What the user should know of how it was found.
        rate_hz: The frames a second that are counted; 0: as many as the source has.
    """

    expected: int | None = None
    is_exact: bool = False
    skip: int = 0
    missing: int = 0
    surplus: int | None = None
    is_cut: bool = False
    notes: tuple[str, ...] = ()
    rate_hz: int = 0

    @property
    def frames(self) -> int | None:
        """The number of frames to take from a decoder; None: all that it gives."""
        return self.expected if self.is_exact else None

    def expected_at(self, rate_hz: int) -> int | None:
        """Return how many frames there must be at the rate at which a decoder gives them."""
        if self.expected is None or not self.rate_hz:
            return self.expected
        return round(self.expected * rate_hz / self.rate_hz)


@dataclass(frozen=True)
class Track:
    """A source that a decoder has opened.

    Attributes:
        info: What its header says.
        blocks: float32 (frames, channels); they can be read once.
        length: How many frames there must be.
        notes: What the user should know of how it was read; complete when the blocks are read.
    """

    info: SourceInfo
    blocks: Iterator[Block]
    length: Length = Length()
    notes: list[str] = field(default_factory=list)


class DecoderError(Exception):
    """A decoder's complaint, in one line."""


class CutOffError(DecoderError):
    """The file ends within what is decoded."""


def unaligned(what: str) -> str:
    """Return the note on a file whose encoder put silence in front, and does not say how much."""
    return f"may start with a few hundredths of a second of silence: {what} does not say how much was added"


@contextmanager
def decoding(decoder: str) -> Iterator[None]:
    """Turn whatever a decoder raises in here into a DecoderError, which names the decoder."""
    try:
        yield
    except (soundfile.SoundFileError, av.FFmpegError, OSError, EOFError, ValueError) as error:
        raise DecoderError(f"{decoder} cannot read it ({_first_line(error)})") from error


@contextmanager
def opening(decoder: str, why: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises in here into a LoadError; ``why`` is what is known better than it can say."""
    try:
        with decoding(decoder):
            yield
    except DecoderError as error:
        raise LoadError(error=why or str(error)) from error


def _first_line(error: Exception) -> str:
    """Return a decoder's complaint, without its own prefix and full stop."""
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].removeprefix("Error : ").rstrip(".") if text else "no reason given"
