"""One sample cannot be exported: a failed row, while the others go on."""

import errno
import os
from typing import ClassVar

from schemas.errors.base_error import Sp404Error
from schemas.errors.surroundings_errors import (
    NO_DISK,
    NO_SPACE,
    DiskError,
    DiskFullError,
    OutputNotWritableError,
    SurroundingsError,
)


class SampleError(Sp404Error):
    """One sample fails. It is never raised past the conversion, which turns it into an Outcome."""

    reason = "failed"
    exit_code = 1


class AudioNotFoundError(SampleError):
    """There is no file at the path. Facts: path."""

    reason = "not_found"
    text = "Audio file not found: {path}"
    remedy = "Correct file_path (it is relative to the manifest's folder), put the file back, or delete the row."


class UnsupportedFormatError(SampleError):
    """Neither extension nor content is a format that can be read. Facts: ext."""

    reason = "unsupported_format"
    text = "Unsupported format: {ext}"
    remedy = "Save it as WAV, AIFF, FLAC, MP3, M4A, OGG or Opus, or take the row out of the manifest."


class LoadError(SampleError):
    """The file cannot be decoded. Facts: error, fix."""

    reason = "load_failed"
    text = "Failed to load audio: {error}"
    remedy = "Get the file again from its pack, or open it in an audio editor and save it as WAV."


class TruncatedError(LoadError):
    """The end of the file is missing. Facts: error, fix. Its text has ``beginning``, by which records tell it from others."""

    beginning: ClassVar[str] = "Failed to load audio: truncated"

    remedy = (
        "Get the file again from its pack, or export what is there of it (--sound truncated=keep; the nights, too: "
        'truncated = "keep" below [sp404] in config/sp404.toml where sp404 is run).'
    )
    public_remedy = "Get the file again from its pack, or export what is there of it."


class NothingLeftError(TruncatedError):
    """The file ends before its first frame of sound, so that nothing of it can be kept. Facts: error: how much is there."""

    text = "Failed to load audio: cut off before its sound begins: {error}"
    remedy = "Get the file again from its pack."


class TooShortError(SampleError):
    """The sample is shorter than ``min_duration_ms``. Facts: duration_ms, minimum_ms."""

    reason = "too_short"
    text = "Duration too short: {duration_ms}ms (minimum: {minimum_ms}ms)"
    remedy = (
        "Have silence added (--sound pad_to_ms={minimum_ms}; for every export, the nights' too: pad_to_ms = {minimum_ms} "
        "below [sp404] in config/sp404.toml where sp404 is run; all is converted once more then), or take the row out of the "
        "manifest."
    )
    public_remedy = "Have silence added, or leave it out."


class TooLongError(SampleError):
    """The sample is longer than the device or ``max_duration_s`` allows. Facts: duration_s, maximum_s."""

    reason = "too_long"
    text = "Duration too long: {duration_s:.1f}s (maximum: {maximum_s:.1f}s)"
    remedy = "Cut the file in parts. The device holds samples of up to 16 minutes."


class TooLargeError(SampleError):
    """A file, or its sound when decoded, is larger than a limit. Facts: what, bytes, maximum, setting."""

    reason = "too_large"
    text = "{what} is too large: {bytes:,} bytes (maximum: {maximum:,})"
    remedy = "Cut it in parts, or raise the setting {setting}."


class ResampleError(SampleError):
    """Resampling failed, and once more at lower quality. Facts: error."""

    reason = "resample_failed"
    text = "Failed to resample audio: {error}"
    remedy = "Run the same command again; if it fails again, convert this file in an audio editor."
    public_remedy = "Export it again; if it fails again, close other programs, or convert this file in an audio editor."


class WriteError(SampleError):
    """One output file cannot be written. Facts: path, error."""

    reason = "write_failed"
    http_status = 500
    text = "Failed to write output file"
    remedy = "{path}: {error}. Choose another --out or move away what has this name, then run the same command again."
    public_remedy = "Choose another output folder or move away what has this name, then export it again."


class TargetTakenError(SampleError):
    """The planned path has a file that is not ours to replace. Facts: path."""

    reason = "target_taken"
    http_status = 409
    text = "Another file is in the way: {path}"
    remedy = "It was not written from this manifest, so it stays. Move it away, or choose another --out."
    public_remedy = "It was not written by exports of this sample, so it stays. Move it away, or choose another output folder."


class OutsideFolderError(SampleError):
    """A link in the output folder leads out of it. Facts: path, real."""

    reason = "outside"
    http_status = 409
    text = "A link leads out of the output folder: {path}"
    remedy = "It points to {real}. Nothing was written there. Remove the link, or choose another --out."
    public_remedy = "Nothing was written there. Remove the link, or choose another output folder."


class NotConvertedError(SampleError):
    """A run or a worker ended before it reached the sample. Facts: error."""

    reason = "not_reached"
    text = "Not converted: {error}"
    remedy = "Run the same command again."
    public_remedy = "Export it again."


class CrashedError(SampleError):
    """The worker process died of the file. Facts: error."""

    reason = "decoder_crashed"
    text = "The decoder crashed on this file: {error}"
    remedy = "Open it in an audio editor and save it as WAV, or take the row out of the manifest. Please report it, too."


class TooSlowError(SampleError):
    """The sample took longer than ``seconds_per_sample``. Facts: seconds."""

    reason = "took_too_long"
    text = "Not done after {seconds:g} s"
    remedy = "Raise seconds_per_sample if the file is very long or on a slow disk; else save it as WAV in an audio editor."


class TooMuchMemoryError(SampleError):
    """The sample needs more memory than ``memory_mb``. Facts: memory_mb."""

    reason = "too_much_memory"
    text = "The file needs more memory than one sample may take ({memory_mb} MB)"
    remedy = "Raise memory_mb, or save the file as WAV in an audio editor."


def write_failure(target: str, error: OSError) -> SampleError | SurroundingsError:
    """Return the error of ours for an OSError that came up while ``target`` was being written.

    A full or failing disk ends the run; any other cause fails this sample alone.
    """
    folder = os.path.dirname(target)
    if error.errno in NO_SPACE:
        return DiskFullError(path=folder)
    if error.errno in NO_DISK:
        return DiskError(path=folder, error=error.strerror)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputNotWritableError(path=folder, error=error.strerror)
    return WriteError(path=target, error=error.strerror or str(error))


def public_fix(error: str, reason: str | None, fix: str) -> str:
    """Return what a client of the REST API can do about a sample that failed, by the columns of its row in the records."""
    if reason == LoadError.reason and not error.startswith(TruncatedError.beginning):
        return fix
    kinds: list[type[SampleError]] = [*SampleError.__subclasses__(), TruncatedError]
    words = {kind.reason: kind.public_remedy for kind in kinds}
    return words.get(reason or "") or fix


def statuses_by_reason() -> dict[str, int]:
    """Return the HTTP status of each reason for which a sample can fail."""
    kinds: list[type[SampleError]] = [SampleError, *SampleError.__subclasses__()]
    return {kind.reason: kind.http_status for kind in kinds}
