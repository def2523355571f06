"""What a setting may ask for beside the conversion: gain, trim, fades, padding, mono. All of it is off by default."""

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
    """What a first pass over the sound finds: it is needed where the end decides on the beginning.

    ``audible``: first frame that is louder than the trim, and the one behind the last such; equal if there is none.
    """

    frames: int
    peak: float
    audible: tuple[int, int]
    identical: bool


@dataclass(frozen=True)
class Edit:
    """Frames ``start`` to ``stop`` at 48 kHz, by ``gain``, faded over so many frames, then silence up to ``length``."""

    start: int = 0
    stop: int | None = None
    gain: float = 1.0
    fade_in: int = 0
    fade_out: int = 0
    length: int = 0
    done: tuple[str, ...] = ()

    @property
    def computes(self) -> bool:
        """Whether sample values change; a trim and silence behind do not."""
        return self.gain != 1 or bool(self.fade_in or self.fade_out)

    def kept(self, whole: int) -> tuple[int, int]:
        """The first frame that is left of ``whole``, and the one behind the last, before silence is added."""
        return self.start, whole if self.stop is None else min(self.stop, whole)


def needs_survey(settings: SoundSettings) -> bool:
    asked = settings.guard == Guard.FILE or settings.normalize_dbfs is not None or settings.trim_dbfs is not None
    return asked or settings.fade_out_ms > 0 or settings.mono == Mono.IDENTICAL


def survey(blocks: Iterable[Block], trim_dbfs: float | None) -> Survey:
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


def edit(settings: SoundSettings, found: Survey | None, loudest: float, is_loop: bool) -> Edit:
    """What to do, from the settings and what the survey found (None where ``needs_survey`` said no).

    ``loudest``: the peak of the loudest sample of the folder, 0 where that is not asked for. A loop keeps its ends.
    """
    done: list[str] = []
    start, stop = 0, None
    if found and settings.trim_dbfs is not None and not is_loop:
        start, stop = _trimmed(found, settings)
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


def apply_edit(blocks: Iterable[Block], what: Edit, channels: int) -> Iterator[Block]:
    """The blocks as ``what`` says; what it leaves alone passes as it is."""
    if what == Edit():
        yield from blocks
        return
    place = written = 0
    for block in blocks:
        kept = block[max(what.start - place, 0) : None if what.stop is None else max(what.stop - place, 0)]
        place += len(block)
        if not len(kept):
            continue
        if what.gain != 1:
            kept = kept * np.float32(what.gain)
        if what.fade_in > written:
            kept = kept * _ramp(written, len(kept), what.fade_in)
        if what.stop is not None and what.fade_out and written + len(kept) > what.stop - what.start - what.fade_out:
            ends_in = what.stop - what.start - written
            kept = kept * _ramp(ends_in - len(kept), len(kept), what.fade_out)[::-1]
        written += len(kept)
        yield kept
    if written < what.length:
        yield np.zeros((what.length - written, channels), np.float32)


def _ramp(start: int, frames: int, length: int) -> Block:
    """A raised cosine from 0 to 1 over ``length`` frames, from its frame ``start`` on; (frames, 1)."""
    at = np.clip((np.arange(start, start + frames) + 0.5) / length, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * at)).astype(np.float32)[:, None]


def _trimmed(found: Survey, settings: SoundSettings) -> tuple[int, int]:
    """Never less than the device's shortest, and silence stays as it is: a trim makes no sample fail."""
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
