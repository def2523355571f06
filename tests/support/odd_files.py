"""Files as other programs leave them: tags in front, lengths that are none, streams put together, headers that count wrongly.

The sound is that of ``chirps``. What encodes it is libsndfile or FFmpeg; what is odd is done here, byte by byte, after what
people reported of files of theirs.
"""

import io
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import soundfile

from tests.support.audio import Sound, write_av

RATE, SECONDS = 44_100, 1.5
FRAMES = round(RATE * SECONDS)
Maker = Callable[[Path], bytes]


def chirps(rate: int = RATE, start: float = 0, stop: float = SECONDS) -> Sound:
    """Return two chirps (300 to 900 Hz, 1500 to 1050 Hz), float64 (frames, 2), from ``start`` to ``stop`` in seconds."""
    t = np.arange(round(start * rate), round(stop * rate)) / rate
    left, right = 2 * np.pi * (300 * t + 200 * t * t), 2 * np.pi * (1500 * t - 150 * t * t)
    return 0.3 * np.stack([np.sin(left), np.sin(right)], axis=1)


def by_libsndfile(fmt: str, subtype: str, x: Sound | None = None, rate: int = RATE, endian: str = "FILE") -> bytes:
    """Return the bytes of a file that libsndfile writes."""
    made = io.BytesIO()
    soundfile.write(made, chirps(rate) if x is None else x, rate, subtype, endian, fmt)
    return made.getvalue()


def by_ffmpeg(path: Path, codec: str, x: Sound | None = None, rate: int = RATE, **options: str) -> bytes:
    """Return the bytes of a file that FFmpeg writes; ``path`` says by its extension which."""
    return write_av(path, codec, rate, chirps(rate) if x is None else x, **options).read_bytes()


# ---- RIFF and its kin ----


def chunk(name: bytes, data: bytes, *, padded: bool = True, order: str = "<") -> bytes:
    return struct.pack(f"{order}4sI", name, len(data)) + data + b"\0" * (len(data) % 2 * padded)


def pcm(x: Sound | None = None) -> bytes:
    """Return the samples as a 16-bit WAV has them."""
    return np.rint((chirps() if x is None else x) * 32767).astype("<i2").tobytes()


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, RATE, 4 * RATE, 4, 16))


def wav(*, data_bytes: int | None = None, riff_bytes: int | None = None, between: bytes = b"", behind: bytes = b"") -> bytes:
    """Return a WAV whose header claims these lengths; None: the right ones."""
    sound = pcm()
    size = len(sound) if data_bytes is None else data_bytes
    body = b"WAVE" + FMT + between + struct.pack("<4sI", b"data", size) + sound + behind
    return b"RIFF" + struct.pack("<I", len(body) if riff_bytes is None else riff_bytes) + body


def extensible(tones: Iterable[float], mask: int, seconds: float = 0.5) -> bytes:
    """Return a WAV of 48 kHz with a tone of its own in each channel, and a channel mask."""
    t = np.arange(round(48_000 * seconds)) / 48_000
    x = np.stack([0.4 * np.sin(2 * np.pi * hz * t) for hz in tones], axis=1)
    n = x.shape[1]
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, n, 48_000, 96_000 * n, 2 * n, 16, 22, 16, mask) + guid
    body = b"WAVE" + chunk(b"fmt ", fmt) + chunk(b"data", np.rint(x * 32767).astype("<i2").tobytes())
    return b"RIFF" + struct.pack("<I", len(body)) + body


def id3(size: int = 510, *, claimed: int | None = None) -> bytes:
    """Return an ID3v2 tag with a title and zeros: ``size`` bytes behind its header. ``claimed``: its length, not synchsafe."""
    body = (b"TIT2\0\0\0\x06\0\0\0Kick1" + bytes(size))[:size]
    length = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3\x03\0\0" + (length if claimed is None else struct.pack(">I", claimed)) + body


def macbinary(kind: bytes, data: bytes) -> bytes:
    return (b"\0\x04Kick".ljust(65, b"\0") + kind + b"????").ljust(128, b"\0") + data


# ---- Ogg ----


def ogg_crc(page: bytes) -> int:
    """Return the checksum of a page, bit by bit as RFC 3533 has it."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if crc & 0x80000000 else crc << 1
    return crc


def sealed(page: bytes) -> bytes:
    """Return a page with its right checksum."""
    page = page[:22] + bytes(4) + page[26:]
    return page[:22] + struct.pack("<I", ogg_crc(page)) + page[26:]


def ogg_pages(data: bytes) -> list[bytes]:
    pages, at = [], 0
    while at < len(data):
        segments = data[at + 27 : at + 27 + data[at + 26]]
        size = 27 + len(segments) + sum(segments)
        pages.append(data[at : at + size])
        at += size
    return pages


def without_end_flag(data: bytes) -> bytes:
    pages = ogg_pages(data)
    last = bytearray(pages[-1])
    last[5] &= ~4
    return b"".join(pages[:-1]) + sealed(bytes(last))


def ogg_packets(data: bytes) -> list[tuple[bytes, int]]:
    """Return the packets of a stream, each with the granule position of the page on which it is the last to end; else -1."""
    packets: list[tuple[bytes, int]] = []
    packet = b""
    for page in ogg_pages(data):
        segments, at = page[27 : 27 + page[26]], 27 + page[26]
        ended = False
        for size in segments:
            packet, at = packet + page[at : at + size], at + size
            if size < 255:
                packets.append((packet, -1))
                packet, ended = b"", True
        if ended:
            packets[-1] = (packets[-1][0], struct.unpack("<q", page[6:14])[0])
    return packets


def ogg_page(packets: list[bytes], granule: int, flags: int, serial: int, number: int) -> bytes:
    """Return a page of whole packets."""
    segments = b"".join(bytes([255] * (len(packet) // 255) + [len(packet) % 255]) for packet in packets)
    assert len(segments) < 256
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, number, 0) + bytes([len(segments)])
    return sealed(head + segments + b"".join(packets))


def old_encoder_ogg() -> bytes:
    """Return a Vorbis file as encoders of about 2002 left it: the first sound stands on the page of the setup header."""
    x = chirps(stop=0.4)
    packets = ogg_packets(by_libsndfile("OGG", "VORBIS", x))
    sound = [packet for packet, _ in packets[3:]]
    long, short = 1024, 128  # half of the block sizes that libvorbis takes at 44.1 kHz
    sizes = [long if packet[0] & 2 else short for packet in sound]
    ends = np.cumsum([0] + [(a + b) // 2 for a, b in pairwise(sizes)])
    together, serial = 6, 404
    pages = [
        ogg_page([packets[0][0]], 0, 2, serial, 0),
        ogg_page([packets[1][0], packets[2][0], *sound[:together]], int(ends[together - 1]), 0, serial, 1),
    ]
    half = (together + len(sound)) // 2
    pages.append(ogg_page(sound[together:half], int(ends[half - 1]), 0, serial, 2))
    pages.append(ogg_page(sound[half:], packets[-1][1], 4, serial, 3))
    return b"".join(pages)


def multiplexed(first: bytes, second: bytes) -> bytes:
    """Return two Ogg streams of different serial numbers side by side."""
    a, b = ogg_pages(first), ogg_pages(second)
    assert a[0][14:18] != b[0][14:18]
    return a[0] + b[0] + b"".join(a[1:]) + b"".join(b[1:])


def flac_in_ogg(path: Path) -> bytes:
    return _by_av(path, "flac", "s16")


def flac_of_32_bits(path: Path) -> bytes:
    return _by_av(path, "flac", "s32", strict="experimental", bits_per_raw_sample="32")


def _by_av(path: Path, codec: str, form: str, **options: str) -> bytes:
    dtype = {"s16": np.int16, "s32": np.int32}[form]
    x = np.rint(chirps() * np.iinfo(dtype).max).astype(dtype)
    with av.open(str(path), "w") as media:
        stream = media.add_stream(codec, rate=RATE, layout="stereo")
        stream.codec_context.format = form
        stream.codec_context.options = options
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x.reshape(1, -1)), format=form, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            media.mux(packet)
    return path.read_bytes()


def streamed_flac(data: bytes) -> bytes:
    """Return the same FLAC as an encoder leaves it that writes to a pipe: of unknown length (RFC 9639, 8.2)."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]


# ---- MPEG audio ----

_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


def mp3(folder: Path, x: Sound | None = None, **options: str) -> bytes:
    """Return an MP3 of LAME, with the header that FFmpeg writes unless ``write_xing`` is "0", and without tags."""
    return by_ffmpeg(folder / "made.mp3", "libmp3lame", x, id3v2_version="0", **options)


def mp3_frames(data: bytes) -> list[tuple[int, int]]:
    """Return where each frame of an MP3 of MPEG 1, layer III, begins and how long it is."""
    frames, at = [], 0
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] & 0xE0 == 0xE0:
        rate = (44_100, 48_000, 32_000)[data[at + 2] >> 2 & 3]
        size = 144_000 * _KBPS[data[at + 2] >> 4] // rate + (data[at + 2] >> 1 & 1)
        frames.append((at, size))
        at += size
    return frames


def xing(data: bytes, count: Callable[[int], int], *, lame: bool = True) -> bytes:
    """Return an MP3 whose header counts something else; without ``lame`` it does not know its encoder."""
    at = max(data.find(b"Xing"), data.find(b"Info"))
    assert at > 0
    assert data[at + 7] & 1
    frames = struct.unpack(">I", data[at + 8 : at + 12])[0]
    data = data[: at + 8] + struct.pack(">I", count(frames)) + data[at + 12 :]
    return data if lame else data[: at + 120] + bytes(36) + data[at + 156 :]


def ape_in_front() -> bytes:
    """Return an APE tag whose length is a little too long."""
    item = struct.pack("<II", 5, 0) + b"Title\0Snare"
    return struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(item) + 31, 1, 0xA0000000) + item


# ---- AAC ----


def adts_packets(data: bytes) -> list[bytes]:
    """Return the packets of an ADTS stream without their headers."""
    packets, at = [], 0
    while at + 7 <= len(data):
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        packets.append(data[at + 7 : at + size])
        at += size
    return packets


def apple_loop(folder: Path, frames: int = FRAMES) -> bytes:
    """Return AAC in a CAF with its packet table, which counts so many frames."""
    packets = adts_packets(by_ffmpeg(folder / "made.aac", "aac"))
    variable = lambda n: bytes([n >> 7 & 127 | 128, n & 127]) if n > 127 else bytes([n])  # noqa: E731
    config = bytes([0x12, 0x10])
    decoder = bytes([0x40, 0x15, 0, 0x18, 0]) + struct.pack(">II", 192_000, 192_000) + b"\x05\x80\x80\x80\x02" + config
    stream = struct.pack(">HB", 0, 0) + b"\x04\x80\x80\x80" + bytes([len(decoder)]) + decoder + b"\x06\x80\x80\x80\x01\x02"
    remainder = len(packets) * 1024 - FRAMES - 1024
    table = struct.pack(">qqii", len(packets), frames, 1024, remainder) + b"".join(variable(len(packet)) for packet in packets)
    return caf(
        struct.pack(">d4sIIIII", RATE, b"aac ", 0, 0, 1024, 2, 0),
        bytes(4) + b"".join(packets),
        (b"kuki", b"\x03\x80\x80\x80" + bytes([len(stream)]) + stream),
        (b"pakt", table),
    )


def caf(desc: bytes, data: bytes, *chunks: tuple[bytes, bytes], length: int | None = None) -> bytes:
    made = b"caff\0\1\0\0" + b"".join(struct.pack(">4sq", *(name, len(x))) + x for name, x in ((b"desc", desc), *chunks))
    return made + struct.pack(">4sq", b"data", len(data) if length is None else length) + data


CAF_PCM = struct.pack(">d4sIIIII", RATE, b"lpcm", 2, 4, 1, 2, 16)


def itunes(folder: Path, *, priming: int = 2112, padding: int = 346, edits: bool = False, smpb: bool = True) -> bytes:
    """Return an M4A with the encoder's delay of Apple (2,112 frames), told by ``iTunSMPB``, and perhaps by an edit list."""
    # FFmpeg's encoder adds 1,024 frames; 1,088 zeros more make them Apple's, and zeros behind fill the last packet.
    x = np.concatenate([np.zeros((1_088, 2)), chirps(), np.zeros((346, 2))])
    data = by_ffmpeg(folder / "made.m4a", "aac", x)
    for path in ([] if edits else [[b"moov", b"trak", b"edts"]]) + [[b"moov", b"udta"]]:
        found = _box(data, path)
        if found:
            data = data[: found[0] + 4] + b"free" + data[found[0] + 8 :]
    text = f" 00000000 {priming:08X} {padding:08X} {FRAMES:016X}" + " 00000000" * 8
    inner = _boxed(b"mean", bytes(4) + b"com.apple.iTunes") + _boxed(b"name", bytes(4) + b"iTunSMPB")
    item = _boxed(b"----", inner + _boxed(b"data", struct.pack(">II", 1, 0) + text.encode()))
    handler = _boxed(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    added = _boxed(b"udta", _boxed(b"meta", bytes(4) + handler + _boxed(b"ilst", item if smpb else b"")))
    found = _box(data, [b"moov"])
    assert found
    at, size = found
    assert at + size == len(data), "the sound must not move"
    return data[:at] + struct.pack(">I", size + len(added)) + data[at + 4 :] + added


def with_media_duration(data: bytes, change: Callable[[int], int]) -> bytes:
    """Return an MP4 whose media header says another duration."""
    found = _box(data, [b"moov", b"trak", b"mdia", b"mdhd"])
    assert found
    at = found[0] + 8 + 16
    return data[:at] + struct.pack(">I", change(struct.unpack(">I", data[at : at + 4])[0])) + data[at + 4 :]


def _boxed(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data


def _box(data: bytes, path: list[bytes], at: int = 0, stop: int | None = None) -> tuple[int, int] | None:
    stop = len(data) if stop is None else stop
    while at + 8 <= stop:
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if name == path[0]:
            return (at, size) if len(path) == 1 else _box(data, path[1:], at + 8, at + size)
        at += size
    return None
