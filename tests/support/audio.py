"""Synthesised sound and the files that hold it; and what outside judges (a DFT, bare bytes) say of an output."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

Sound = npt.NDArray[np.float64]

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
# Sample formats that are handed to FFmpeg's encoders, by codec and by the bits of the source.
_SAMPLE_FORMATS = {
    "aac": "fltp",
    "alac": "s16p",
    "alac24": "s32p",
    "libmp3lame": "s16p",
    "libopus": "flt",
    "wavpack": "s16p",
    "wavpack24": "s32p",
}


def tone(seconds: float, rate: int, channels: int = 1, hz: float = 997, level: float = 0.5) -> Sound:
    """Return a sine of shape (frames, channels); every channel is the same."""
    t = np.arange(round(seconds * rate)) / rate
    return np.repeat(level * np.sin(2 * np.pi * hz * t)[:, None], channels, axis=1)


def noise(frames: int, channels: int = 1, level: float = 0.5, seed: int = 404) -> Sound:
    return np.random.default_rng(seed).uniform(-level, level, (frames, channels))


def sixteen_bits(frames: int, channels: int = 1, seed: int = 404) -> npt.NDArray[np.int16]:
    """Any 16-bit samples, both ends of the scale among them."""
    x = np.random.default_rng(seed).integers(-32768, 32768, (frames, channels)).astype(np.int16)
    x[0], x[1], x[2] = -32768, 32767, 0
    return x


def melody(t: Sound, seed: int = 404) -> Sound:
    """Return a band-limited signal (200 to 3,000 Hz) that does not repeat itself: a function of the time."""
    rng = np.random.default_rng(seed)
    hz, phase = rng.uniform(200, 3_000, 16), rng.uniform(0, 2 * np.pi, 16)
    return np.sin(2 * np.pi * np.outer(hz, t) + phase[:, None]).sum(axis=0) / 24


def write(path: Path, x: npt.ArrayLike, rate: int, fmt: str, subtype: str | None = None, endian: str = "FILE") -> Path:
    """Write by libsndfile; constant bit rate where it is MP3."""
    mp3 = {"bitrate_mode": "CONSTANT", "compression_level": 0.3} if fmt == "MP3" else {}
    soundfile.write(path, np.asarray(x), rate, format=fmt, subtype=subtype, endian=endian, **mp3)
    return path


def write_av(path: Path, codec: str, rate: int, x: npt.NDArray[np.generic], layout: str = "", **options: str) -> Path:
    """Write by FFmpeg's encoders: ``aac``, ``alac``, ``libmp3lame``, ``libopus``, ``wavpack``; ``alac24``, ``wavpack24``.

    ``x``: float, or int16 for the 16-bit codecs, which is kept as it is. MP4 gets an edit list that is exact to a
    frame; FFmpeg's own default rounds it to milliseconds (``movie_timescale="1000"``).
    """
    if path.suffix in (".m4a", ".mp4"):
        options = {"movie_timescale": str(rate)} | options
    form = _SAMPLE_FORMATS[codec]
    layout = layout or ("mono" if x.shape[1] == 1 else "stereo")
    with av.open(str(path), "w", options=options) as media:
        stream = media.add_stream(codec.removesuffix("24"), rate=rate, layout=layout)
        stream.codec_context.format = form
        if codec == "aac":
            stream.codec_context.bit_rate = 192_000
        # One plane: PyAV 18.1 reads and writes beyond the planes of a frame that has eight of them.
        samples = np.ascontiguousarray(_as_format(x, form).reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(samples, format=form.removesuffix("p"), layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            media.mux(packet)
    return path


def _as_format(x: npt.NDArray[np.generic], form: str) -> npt.NDArray[np.generic]:
    if form.startswith("flt"):
        return x.astype(np.float32)
    if form.startswith("s32"):  # 24 bits, at the upper end of the word as FFmpeg wants them
        return (np.clip(np.rint(x.astype(np.float64) * 2**23), -(2**23), 2**23 - 1).astype(np.int32)) << 8
    if x.dtype == np.int16:
        return x
    return np.clip(np.rint(x.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)


@dataclass(frozen=True)
class Form:
    """One input format: how to write it, at which rates, and whether the sound is kept to 16 bits or better."""

    name: str
    extension: str
    save: Callable[[Path, Sound, int], Path]
    rates: tuple[int, ...] = RATES
    exact: bool = True

    def __str__(self) -> str:
        return self.name


def _libsndfile(name: str, ext: str, fmt: str, subtype: str, *, endian: str = "FILE", exact: bool = True) -> Form:
    return Form(name, ext, lambda path, x, rate: write(path, x, rate, fmt, subtype, endian), exact=exact)


def _ffmpeg(name: str, ext: str, codec: str, rates: tuple[int, ...], exact: bool = False) -> Form:
    return Form(name, ext, lambda path, x, rate: write_av(path, codec, rate, x), rates, exact)


_TO_48K = tuple(rate for rate in RATES if rate <= 48_000)
_TO_96K = tuple(rate for rate in RATES if rate <= 96_000)
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
FORMS = (
    _libsndfile("wav-u8", ".wav", "WAV", "PCM_U8", exact=False),
    _libsndfile("wav-16", ".wav", "WAV", "PCM_16"),
    _libsndfile("wav-24", ".wav", "WAV", "PCM_24"),
    _libsndfile("wav-32", ".wav", "WAV", "PCM_32"),
    _libsndfile("wav-float", ".wav", "WAV", "FLOAT"),
    _libsndfile("wav-double", ".wav", "WAV", "DOUBLE"),
    _libsndfile("wav-alaw", ".wav", "WAV", "ALAW", exact=False),
    _libsndfile("wav-ulaw", ".wav", "WAV", "ULAW", exact=False),
    _libsndfile("wavex-16", ".wav", "WAVEX", "PCM_16"),
    _libsndfile("wavex-24", ".wav", "WAVEX", "PCM_24"),
    _libsndfile("wavex-float", ".wav", "WAVEX", "FLOAT"),
    _libsndfile("rifx-16", ".wav", "WAV", "PCM_16", endian="BIG"),
    _libsndfile("rf64-16", ".wav", "RF64", "PCM_16"),
    _libsndfile("w64-16", ".w64", "W64", "PCM_16"),
    _libsndfile("aiff-16", ".aif", "AIFF", "PCM_16"),
    _libsndfile("aiff-24", ".aiff", "AIFF", "PCM_24"),
    _libsndfile("aifc-float", ".aifc", "AIFF", "FLOAT"),
    _libsndfile("aifc-sowt", ".aifc", "AIFF", "PCM_16", endian="LITTLE"),
    _libsndfile("caf-16", ".caf", "CAF", "PCM_16"),
    _libsndfile("au-16", ".au", "AU", "PCM_16"),
    _libsndfile("flac-16", ".flac", "FLAC", "PCM_16"),
    _libsndfile("flac-24", ".flac", "FLAC", "PCM_24"),
    _libsndfile("ogg-vorbis", ".ogg", "OGG", "VORBIS", exact=False),
    Form("opus", ".opus", lambda path, x, rate: write(path, x, rate, "OGG", "OPUS"), _OPUS_RATES, exact=False),
    Form("mp3-cbr", ".mp3", lambda path, x, rate: write(path, x, rate, "MP3"), _TO_48K, exact=False),
    _ffmpeg("mp3-lame", ".mp3", "libmp3lame", _TO_48K),
    _ffmpeg("m4a-aac", ".m4a", "aac", _TO_96K),
    _ffmpeg("m4a-alac", ".m4a", "alac", RATES, exact=True),
    _ffmpeg("m4a-alac24", ".m4a", "alac24", RATES, exact=True),
    _ffmpeg("wavpack", ".wv", "wavpack", RATES, exact=True),
    _ffmpeg("wavpack24", ".wv", "wavpack24", RATES, exact=True),
)
FORM = {form.name: form for form in FORMS}


def wav_bytes(
    data: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 48_000,
    bits: int = 16,
    claimed_bytes: int | None = None,
) -> bytes:
    """Return a WAV whose header claims whatever is asked for."""
    width = channels * bits // 8
    size = len(data) if claimed_bytes is None else claimed_bytes
    fmt = struct.pack("<HHIIHH", tag, channels, rate, min(rate * width, 2**32 - 1), width & 0xFFFF, bits)
    riff = min(36 + size, 2**32 - 1)
    return struct.pack("<4sI4s4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16) + fmt + struct.pack("<4sI", b"data", size) + data


def read16(path: Path) -> npt.NDArray[np.int16]:
    """(frames, channels) as libsndfile reads them."""
    return soundfile.read(path, dtype="int16", always_2d=True)[0]


@dataclass(frozen=True)
class WavHeader:
    """The fields of a WAV's first 44 bytes."""

    riff: bytes
    riff_bytes: int
    wave: bytes
    fmt: bytes
    fmt_bytes: int
    tag: int
    channels: int
    rate: int
    bytes_per_second: int
    block_bytes: int
    bits: int
    data: bytes
    data_bytes: int


def wav_header(path: Path) -> WavHeader:
    with path.open("rb") as file:
        return WavHeader(*struct.unpack("<4sI4s4sIHHIIHH4sI", file.read(44)))


@dataclass(frozen=True)
class Sine:
    """A sine found by a DFT, and how far everything else lies below it."""

    hz: float
    level: float
    rest_db: float


def strongest(x: npt.ArrayLike, rate: int) -> Sine:
    """Return the strongest sine of one channel of floats: Blackman window, peak interpolated, the rest by least squares."""
    y = np.asarray(x, np.float64)
    window = np.blackman(len(y))
    spectrum = np.abs(np.fft.rfft(y * window, 8 * len(y)))
    peak = int(np.argmax(spectrum[1:-1])) + 1
    left, top, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-300)
    hz = (peak + 0.5 * (left - right) / (left - 2 * top + right)) * rate / (8 * len(y))
    angle = 2 * np.pi * hz * np.arange(len(y)) / rate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    inner = slice(len(y) // 8, -(len(y) // 8))  # what is near the ends hears the silence outside
    found, *_ = np.linalg.lstsq(basis[inner], y[inner], rcond=None)
    level = float(np.hypot(*found))
    rest = y[inner] - basis[inner] @ found
    return Sine(hz, level, float(20 * np.log10(np.sqrt(np.mean(rest**2)) * np.sqrt(2) / level + 1e-30)))


def lag(x: npt.ArrayLike, reference: npt.ArrayLike) -> int:
    """By how many frames ``x`` comes after ``reference``: where their cross-correlation is largest."""
    a, b = np.asarray(x, np.float64), np.asarray(reference, np.float64)
    size = 1 << (len(a) + len(b)).bit_length()
    found = int(np.argmax(np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)))
    return found - size if found > size // 2 else found


WAYS = ("same path", "hard link", "symbolic link", "another spelling")


def known_as(target: Path, way: str, link: Path) -> Path:
    """Return another path of the same file, in one of ``WAYS``; ``link`` is where a link to it may stand."""
    match way:
        case "same path":
            return target
        case "hard link":
            link.hardlink_to(target)
        case "symbolic link":
            link.symlink_to(target)
        case _:
            return target.parent / ".." / target.parent.name / target.name
    return link
