"""A small drum machine: the demo's library, and the tests' audio. Deterministic, so that the demo is always the same."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import soundfile

Sound = npt.NDArray[np.float32]
Voice = Callable[[int], Sound]

_SEED = 404
_AV_CODECS = {".m4a": "aac", ".wv": "wavpack"}


def kick(rate_hz: int, seconds: float = 0.45) -> Sound:
    """Synthesize a sine that falls from 160 to 48 Hz, with a click in front. float32 (frames,)."""
    t = _time(rate_hz, seconds)
    phase = 2 * np.pi * (48 * t + 112 * 0.035 * (1 - np.exp(-t / 0.035)))
    return _level(np.sin(phase) * np.exp(-t / 0.14) + 0.3 * _noise(len(t)) * np.exp(-t / 0.002))


def snare(rate_hz: int, seconds: float = 0.3) -> Sound:
    """Synthesize a tone of 186 Hz under bright noise. float32 (frames,)."""
    t = _time(rate_hz, seconds)
    shell = np.sin(2 * np.pi * 186 * t) * np.exp(-t / 0.06)
    return _level(0.6 * shell + 0.7 * _bright(_noise(len(t))) * np.exp(-t / 0.09))


def hat(rate_hz: int, seconds: float = 0.12) -> Sound:
    """Synthesize very bright noise that ends soon. float32 (frames,)."""
    t = _time(rate_hz, seconds)
    return _level(_bright(_bright(_noise(len(t)))) * np.exp(-t / 0.025)) * 0.6


def clap(rate_hz: int, seconds: float = 0.35) -> Sound:
    """Synthesize three bursts of bright noise and their echo. float32 (frames,)."""
    t = _time(rate_hz, seconds)
    bursts = sum(np.where(t >= at, np.exp(-(t - at) / 0.012), 0) for at in (0.0, 0.011, 0.023))
    return _level(_bright(_noise(len(t))) * (bursts + 0.6 * np.exp(-t / 0.1)))


def bass(rate_hz: int, midi_note: int = 33, seconds: float = 1.2) -> Sound:
    """Synthesize a saw through a falling low-pass, of the harmonics that fit below 8 kHz. float32 (frames,)."""
    t = _time(rate_hz, seconds)
    f0 = _hertz(midi_note)
    tone = np.zeros_like(t)
    for n in range(1, int(8_000 / f0)):
        tone += np.sin(2 * np.pi * n * f0 * t) / n * np.exp(-t * n / 2.5)
    return _level(tone * np.exp(-t / 0.7))


def chord(rate_hz: int, midi_notes: tuple[int, ...] = (57, 60, 64, 67), seconds: float = 2.5) -> Sound:
    """Synthesize an electric piano's chord, each note a little to one side. float32 (frames, 2)."""
    t = _time(rate_hz, seconds)
    out = np.zeros((len(t), 2))
    for place, note in enumerate(midi_notes):
        f0 = _hertz(note)
        bell = np.sin(2 * np.pi * f0 * t + 1.5 * np.exp(-t / 0.4) * np.sin(2 * np.pi * f0 * t)) * np.exp(-t / 1.1)
        pan = 0.3 + 0.4 * place / max(len(midi_notes) - 1, 1)
        out += bell[:, None] * np.sqrt([1 - pan, pan])
    return _level(out)


def loop(rate_hz: int, bpm: float, bars: int = 1, swing: float = 0.0) -> Sound:
    """Synthesize a drum loop of exactly ``bars`` bars in 4/4. float32 (frames, 2)."""
    step = 60 / bpm / 4
    frames = round(bars * 16 * step * rate_hz)
    out = np.zeros((frames, 2))
    patterns = ((kick(rate_hz), "x.....x...x....."), (snare(rate_hz), "....x.......x..."), (hat(rate_hz), "x.x.x.xxx.x.x.xx"))
    for voice, pattern in patterns:
        for position in range(bars * 16):
            if pattern[position % 16] == "x":
                late = swing * step if position % 2 else 0.0
                start = round((position * step + late) * rate_hz)
                end = min(start + len(voice), frames)
                out[start:end] += voice[: end - start, None] * (0.9, 0.8)
    return _level(out)


def write(path: Path, sound: Sound, rate_hz: int, subtype: str | None = None) -> None:
    """Write ``sound`` in the format of the path's extension; ``subtype`` as libsndfile names it (``PCM_24``, ``ALAC``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = _AV_CODECS.get(path.suffix)
    if codec:
        _write_by_pyav(path, sound, rate_hz, subtype.lower() if subtype else codec)
    elif path.suffix == ".opus":
        soundfile.write(path, sound, rate_hz, format="OGG", subtype="OPUS")
    else:
        soundfile.write(path, sound, rate_hz, subtype=subtype)


def _write_by_pyav(path: Path, sound: Sound, rate_hz: int, codec: str) -> None:
    channels = np.atleast_2d(sound.T)
    layout = "stereo" if len(channels) == 2 else "mono"
    with av.open(str(path), "w") as media:
        stream = cast("av.AudioStream", media.add_stream(codec, rate=rate_hz, layout=layout))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels, np.float32), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts = 0
        cut = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=rate_hz, frame_size=stream.codec_context.frame_size or 4096
        )
        for piece in (*cut.resample(frame), *cut.resample(None), None):
            media.mux(stream.encode(piece))


def _time(rate_hz: int, seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(round(seconds * rate_hz)) / rate_hz


def _noise(frames: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(_SEED).uniform(-1, 1, frames)


def _bright(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the first difference: the simplest high-pass."""
    return np.diff(x, prepend=0.0)


def _hertz(midi_note: int) -> float:
    return float(440 * 2 ** ((midi_note - 69) / 12))


def _level(x: npt.NDArray[np.float64]) -> Sound:
    """Scale the peak to -1 dBFS."""
    return (x * (10 ** (-1 / 20) / np.max(np.abs(x)))).astype(np.float32)
