"""Plan and apply what settings ask for beside the conversion: gain, trim, fades and padding. All of it is off by default."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from config.device import RATE_HZ
from schemas.conversion import SoundSettings, decibels
from schemas.enums import Guard, Mono
from tasks.audio.blocks import Block

# Where a gain brings peaks to: full scale, less the step and a half that rounding and dither need.
FULL_SCALE = 1 - 1.5 / 32768


@dataclass(frozen=True)
class Survey:
    """The findings of a first pass over the sound, where the end decides on the beginning.

    Attributes:
        frames: The length.
        peak: The highest absolute value; full scale is 1.0.
        audible: The first frame that is louder than the trim, and the one behind the last such; equal if there is none.
        identical: Whether both channels are the same.
    """

    frames: int
    peak: float
    audible: tuple[int, int]
    identical: bool


@dataclass(frozen=True)
class Edit:
    """Frames ``start`` to ``stop`` at 48 kHz, by ``gain``, faded over so many frames, then silence up to ``length`` frames."""

    start: int = 0
    stop: int | None = None
    gain: float = 1.0
    fade_in: int = 0
    fade_out: int = 0
    length: int = 0
    done: tuple[str, ...] = ()

    @property
    def computes(self) -> bool:
        """True if sample values change; a trim and silence behind do not change them."""
        return self.gain != 1 or bool(self.fade_in or self.fade_out)

    def kept_range(self, whole: int) -> tuple[int, int]:
        """Return the first frame that is left of ``whole``, and the one behind the last, before silence is added."""
        return self.start, whole if self.stop is None else min(self.stop, whole)


def needs_survey(settings: SoundSettings) -> bool:
    """Return whether a setting needs a first pass over the sound."""
    wants_levels = settings.guard == Guard.FILE or settings.normalize_dbfs is not None or settings.trim_dbfs is not None
    return wants_levels or settings.fade_out_ms > 0 or settings.mono == Mono.IDENTICAL


def survey(blocks: Iterable[Block], trim_dbfs: float | None) -> Survey:
    """Survey float32 (frames, channels) blocks; without ``trim_dbfs``, what is louder than -120 dBFS is audible."""
    threshold = 10 ** ((-120 if trim_dbfs is None else trim_dbfs) / 20)
    frames, peak, identical = 0, 0.0, True
    first: int | None = None
    behind = 0
    for block in blocks:
        size = np.abs(block)
        peak = max(peak, float(size.max(initial=0.0)))
        loud = np.flatnonzero(size.reshape(-1) > threshold) // block.shape[1]
        if len(loud):
            first = frames + int(loud[0]) if first is None else first
            behind = frames + int(loud[-1]) + 1
        identical = identical and bool((block[:, 0] == block[:, -1]).all())
        frames += len(block)
    return Survey(frames, peak, (behind if first is None else first, behind), identical)


def plan_edit(settings: SoundSettings, found: Survey | None, loudest: float, is_loop: bool) -> Edit:
    """Decide what to do with the sound.

    Args:
        settings: What is asked for.
        found: The survey; None where ``needs_survey`` said no.
        loudest: The peak of the loudest sample of the folder; 0 where that does not count.
        is_loop: A loop keeps its ends.
    """
    done: list[str] = []
    start, stop = 0, None
    if found and settings.trim_dbfs is not None and not is_loop:
        start, stop = _find_trim(found, settings)
        at_start, at_end = (1000 * frames / RATE_HZ for frames in (start, found.frames - stop))
        if start or stop < found.frames:
            done.append(
                f"trimmed {at_start:.0f} ms at the start and {at_end:.0f} ms at the end, below {settings.trim_dbfs:g} dBFS"
            )
    gain = _gain(settings, found, loudest, done)
    fade_in = 0 if is_loop else settings.fade_in_ms * RATE_HZ // 1000
    fade_out = 0 if is_loop or not found else settings.fade_out_ms * RATE_HZ // 1000
    done += [f"faded in over {settings.fade_in_ms} ms"] if fade_in else []
    done += [f"faded out over {settings.fade_out_ms} ms"] if fade_out else []
    if found and stop is None:
        stop = found.frames
    length = 0 if is_loop else -(-settings.pad_to_ms * RATE_HZ // 1000)
    return Edit(start, stop, gain, fade_in, fade_out, length, tuple(done))


def apply_edit(blocks: Iterable[Block], edit: Edit, channels: int) -> Iterator[Block]:
    """Apply an edit to float32 (frames, channels) blocks; what it leaves alone passes as it is."""
    if edit == Edit():
        yield from blocks
        return
    place = written = 0
    for block in blocks:
        kept = block[max(edit.start - place, 0) : None if edit.stop is None else max(edit.stop - place, 0)]
        place += len(block)
        if not len(kept):
            continue
        if edit.gain != 1:
            kept = kept * np.float32(edit.gain)
        if edit.fade_in > written:
            kept = kept * _ramp(written, len(kept), edit.fade_in)
        if edit.stop is not None and edit.fade_out and written + len(kept) > edit.stop - edit.start - edit.fade_out:
            ends_in = edit.stop - edit.start - written
            kept = kept * _ramp(ends_in - len(kept), len(kept), edit.fade_out)[::-1]
        written += len(kept)
        yield kept
    if written < edit.length:
        yield np.zeros((edit.length - written, channels), np.float32)


def _ramp(start: int, frames: int, length: int) -> Block:
    """Return a raised cosine from 0 to 1 over ``length`` frames, from its frame ``start`` on; (frames, 1)."""
    at = np.clip((np.arange(start, start + frames) + 0.5) / length, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * at)).astype(np.float32)[:, None]


def _find_trim(found: Survey, settings: SoundSettings) -> tuple[int, int]:
    """Trim to what is audible, but never to less than the device's shortest; silence stays: a trim makes no sample fail."""
    start, stop = found.audible
    if start == stop:
        return 0, found.frames
    shortest = -(-settings.min_duration_ms * RATE_HZ // 1000)
    stop = min(max(stop, start + shortest), found.frames)
    return max(min(start, stop - shortest), 0), stop


def _gain(settings: SoundSettings, found: Survey | None, loudest: float, done: list[str]) -> float:
    if found and settings.normalize_dbfs is not None and found.peak > 0:
        gain = min(10 ** (settings.normalize_dbfs / 20), FULL_SCALE) / found.peak
        done.append(f"normalized to {settings.normalize_dbfs:g} dBFS ({decibels(gain):+.2f} dB)")
        return gain
    peak, whose = (loudest, "its folder's peaks fit") if loudest else (found.peak if found else 0.0, "its peaks fit")
    if settings.guard == Guard.NONE or peak <= 1:
        return 1.0
    done.append(f"turned down by {-decibels(FULL_SCALE / peak):.2f} dB so that {whose}")
    return FULL_SCALE / peak
