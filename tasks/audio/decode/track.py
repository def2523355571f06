"""The result of a decoder, and the translation of its messages into our errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import soundfile

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import Block


@dataclass(frozen=True)
class Track:
    """A source that a decoder has open_file.

    Attributes:
        info: What its header says.
        blocks: float32 (frames, channels); they can be read once.
        promised: How many frames there must be; None where the file does not say.
        slack: How many of them may be missing for reasons of the format.
    """

    info: SourceInfo
    blocks: Iterator[Block]
    promised: int | None = None
    slack: int = 0


class DecoderError(Exception):
    """A decoder's complaint, in one line."""


class CutOffError(DecoderError):
    """The file ends within what is decoded."""


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever a decoder raises in here into a DecoderError."""
    try:
        yield
    except (soundfile.SoundFileError, av.FFmpegError, OSError, EOFError, ValueError) as error:
        raise DecoderError(_first_line(error)) from error


@contextmanager
def opening(why: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises in here into a LoadError; ``why`` is what is known better than it can say."""
    try:
        with decoding():
            yield
    except DecoderError as error:
        raise LoadError(error=why or str(error)) from error


def _first_line(error: Exception) -> str:
    """Return a decoder's complaint, without its own prefix and full stop."""
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].removeprefix("Error : ").rstrip(".") if text else "its data is damaged"
