"""Files as other programs leave them: each comes out whole, to the frame, or fails with its reason.

The table below has containers, codecs and what is odd about a file; the files are made in ``tests/support/odd_files.py``.
Judges: the sound that was put in (its length, its place, its level, and that nothing of it is missing in the middle).
"""

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.conversion import Outcome
from schemas.enums import Status, Truncated
from schemas.errors import LoadError
from tasks.audio.convert import check
from tasks.audio.decode import ogg
from tasks.audio.decode.source import read_audio
from tests.support import audio
from tests.support import odd_files as odd
from tests.support.audio import Sound
from tests.support.converting import Bench, settings
from tests.support.odd_files import FMT, FRAMES, RATE, by_libsndfile, chirps, chunk, id3, mp3, pcm, wav, xing

pytestmark = pytest.mark.slow

Maker = Callable[[Path], bytes]
AT_48K = 72_000
IDEAL = chirps(48_000)
NO_LENGTH = "no length"
UNALIGNED = "does not say how much was added"
PUT_TOGETHER = "2 files put together"


def with_header_twice(data: bytes) -> bytes:
    return data[: odd.mp3_frames(data)[1][0]] + data


def without_encoder(data: bytes) -> bytes:
    """Return an MP3 with something else where LAME writes its name, and what it added."""
    at = max(data.find(b"Xing"), data.find(b"Info"))
    end = odd.mp3_frames(data)[0][1]
    return data[: at + 120] + b"\x55" * (end - at - 120) + data[end:]


def wavpack_of_frames(folder: Path, frames: int) -> bytes:
    """A WavPack whose first block counts so many frames of all."""
    data = odd.by_ffmpeg(folder / "made.wv", "wavpack")
    return data[:12] + struct.pack("<I", frames) + data[16:]


def always(data: bytes) -> Maker:
    return lambda _: data


def two_oggs(subtype: str, rate: int = RATE) -> bytes:
    return b"".join(by_libsndfile("OGG", subtype, chirps(rate, *part), rate) for part in ((0, 0.7), (0.7, 1.5)))


def two_mp3s(folder: Path) -> bytes:
    return mp3(folder, chirps(stop=0.7)) + mp3(folder, chirps(start=0.7))


def fl_studio(tag: int) -> bytes:
    stream = by_libsndfile("OGG", "VORBIS")
    fmt = struct.pack("<HHIIHHH", tag, 2, RATE, 20_000, 1, 16, 0)
    body = b"WAVE" + chunk(b"fmt ", fmt) + chunk(b"fact", struct.pack("<I", FRAMES)) + chunk(b"data", b"junk" * 3 + stream)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def aiff(**lengths: int) -> bytes:
    """An AIFF whose header claims these lengths: ``form``, ``frames``, ``ssnd``."""
    data = bytearray(by_libsndfile("AIFF", "PCM_16"))
    places = {"form": 4, "frames": data.index(b"COMM") + 10, "ssnd": data.index(b"SSND") + 4}
    for name, length in lengths.items():
        data[places[name] : places[name] + 4] = struct.pack(">I", length)
    return bytes(data)


def w64(length: int) -> bytes:
    data = bytearray(by_libsndfile("W64", "PCM_16"))
    at = data.index(b"data") + 16
    data[at : at + 8] = struct.pack("<q", length)
    return bytes(data)


def rf64(length: int) -> bytes:
    data = bytearray(by_libsndfile("RF64", "PCM_16"))
    at = data.index(b"ds64") + 16
    data[at : at + 8] = struct.pack("<Q", length)
    return bytes(data)


def written_thrice(fmt: str) -> bytes:
    """A file as libsndfile leaves it behind a pipe, where it cannot go back: its header stands thrice."""
    whole = by_libsndfile(fmt, "PCM_16")
    length = 4 * FRAMES
    header = bytearray(whole[: len(whole) - length])
    at = header.index(b"data") + (16 if fmt == "W64" else 4)
    header[at : at + 8] = struct.pack("<q" if fmt == "W64" else ">q", 23 if fmt == "W64" else 4)
    return bytes(header) * 2 + whole[-length:] + bytes(header)


def adpcm(subtype: str) -> bytes:
    """ADPCM whose ``fact`` counts what was put in."""
    data = bytearray(by_libsndfile("WAV", subtype))
    at = data.index(b"fact") + 8
    data[at : at + 4] = struct.pack("<I", FRAMES)
    return bytes(data)


def flac_of_frames(frames: int) -> bytes:
    """A FLAC whose STREAMINFO counts so many frames."""
    data = by_libsndfile("FLAC", "PCM_16")
    return data[:21] + bytes([data[21] & 0xF0]) + struct.pack(">I", frames) + data[26:]


ODD_LIST = chunk(b"LIST", b"INFOINAM\x05\0\0\0Kicks", padded=False)
# What it is: the file, how many frames are right (None: any more than those of the sound), and what has to be said of it.
WHOLE: dict[str, tuple[Maker, int | None, str]] = {
    # Ogg
    "ogg of an old encoder": (lambda _: odd.old_encoder_ogg(), 19_200, ""),
    "ogg vorbis, chained": (lambda _: two_oggs("VORBIS"), AT_48K, PUT_TOGETHER),
    "ogg opus, chained": (lambda _: two_oggs("OPUS", 48_000), AT_48K, PUT_TOGETHER),
    "ogg vorbis without its end flag": (lambda _: odd.without_end_flag(by_libsndfile("OGG", "VORBIS")), AT_48K, "last page"),
    "opus without its end flag": (
        lambda _: odd.without_end_flag(by_libsndfile("OGG", "OPUS", rate=48_000)),
        AT_48K,
        "last page",
    ),
    "two oggs side by side": (
        lambda _: odd.multiplexed(by_libsndfile("OGG", "VORBIS"), by_libsndfile("OGG", "VORBIS", chirps() * 0)),
        AT_48K,
        "",
    ),
    "a short ogg beside another": (
        lambda _: odd.multiplexed(by_libsndfile("OGG", "VORBIS", chirps(stop=0.15)), by_libsndfile("OGG", "VORBIS")),
        7_200,
        "",
    ),
    "opus of 16 kHz, chained": (lambda _: two_oggs("OPUS", 16_000), AT_48K, PUT_TOGETHER),
    "flac in ogg": (lambda folder: odd.flac_in_ogg(folder / "made.oga"), AT_48K, ""),
    "ogg behind id3": (lambda _: id3() + by_libsndfile("OGG", "VORBIS"), AT_48K, ""),
    "ogg in a wav, 0x674f": (lambda _: fl_studio(0x674F), AT_48K, ""),
    "ogg in a wav, 0x6770": (lambda _: fl_studio(0x6770), AT_48K, ""),
    # FLAC
    "flac of 32 bits": (lambda folder: odd.flac_of_32_bits(folder / "made.flac"), AT_48K, ""),
    "flac behind id3": (lambda _: id3() + by_libsndfile("FLAC", "PCM_16"), AT_48K, ""),
    "flac of unknown length behind id3": (
        lambda _: id3(4_010) + odd.streamed_flac(by_libsndfile("FLAC", "PCM_24")),
        AT_48K,
        "",
    ),
    "flac, counts half of it": (lambda _: flac_of_frames(FRAMES // 2), AT_48K, "more are there and were read"),
    # WAV
    "wav behind id3": (lambda _: id3() + wav(), AT_48K, ""),
    "wav behind macbinary": (lambda _: odd.macbinary(b"WAVE", wav()), AT_48K, ""),
    "wav, data 0, RIFF right": (lambda _: wav(data_bytes=0), AT_48K, NO_LENGTH),
    "wav, data and RIFF 0": (lambda _: wav(data_bytes=0, riff_bytes=0), AT_48K, NO_LENGTH),
    **{
        f"wav, data {size:,}": (always(wav(data_bytes=size, riff_bytes=min(size + 36, 2**32 - 1))), AT_48K, NO_LENGTH)
        for size in (2_000_000_000, 1_000_000_000, 0x7FFF0000, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF, 0xFFFFFFD3, 0x80000000)
    },
    **{
        f"wav, data {plus} too many": (always(wav(data_bytes=4 * FRAMES + plus)), AT_48K, "RIFF")
        for plus in (1, 8, 28, 36, 44)
    },
    "wav, data counts half of it": (lambda _: wav(data_bytes=2 * FRAMES), AT_48K, "RIFF"),
    "wav with an odd chunk without its pad": (
        lambda _: b"RIFF" + struct.pack("<I", 4 * FRAMES + 61) + b"WAVE" + FMT + ODD_LIST + chunk(b"data", pcm()),
        AT_48K,
        "",
    ),
    "wav with an odd chunk in front without its pad": (
        lambda _: b"RIFF" + bytes(4) + b"WAVE" + chunk(b"bext", b"x" * 603, padded=False) + FMT + chunk(b"data", pcm()),
        AT_48K,
        "",
    ),
    "rf64, length -1": (lambda _: rf64(2**64 - 1), AT_48K, NO_LENGTH),
    "rf64, length 0": (lambda _: rf64(0), AT_48K, NO_LENGTH),
    "ms adpcm": (lambda _: adpcm("MS_ADPCM"), AT_48K, ""),
    "ima adpcm": (lambda _: adpcm("IMA_ADPCM"), AT_48K, ""),
    "gsm": (lambda _: by_libsndfile("WAV", "GSM610", chirps(8_000)[:, :1], 8_000), None, ""),
    # W64, AIFF, CAF, AU
    "w64, length -1": (lambda _: w64(-1), AT_48K, NO_LENGTH),
    "w64, length of 63 bits": (lambda _: w64(2**63 - 1), AT_48K, NO_LENGTH),
    "w64, header thrice": (lambda _: written_thrice("W64"), AT_48K, NO_LENGTH),
    "caf, header thrice": (lambda _: written_thrice("CAF"), AT_48K, NO_LENGTH),
    "caf, length -1": (lambda _: odd.caf(odd.CAF_PCM, bytes(4) + pcm(), length=-1), AT_48K, NO_LENGTH),
    "aiff behind id3": (lambda _: id3() + aiff(), AT_48K, ""),
    "aiff behind macbinary": (lambda _: odd.macbinary(b"AIFF", aiff()), AT_48K, ""),
    "aiff, lengths 0": (lambda _: aiff(form=0, frames=0, ssnd=0), AT_48K, NO_LENGTH),
    "aiff, lengths of sox": (lambda _: aiff(form=0x7F000050, frames=0x1FC00000, ssnd=0x7F000008), AT_48K, NO_LENGTH),
    "aiff, too few frames": (lambda _: aiff(frames=FRAMES // 2), AT_48K, "the second agrees with the file"),
    "aiff, too many frames": (lambda _: aiff(frames=FRAMES * 2), AT_48K, "the second agrees with the file"),
    # MP3
    "mp3, put together": (two_mp3s, AT_48K, PUT_TOGETHER),
    "mp3, put together with a tag between": (
        lambda folder: mp3(folder, chirps(stop=0.7)) + id3(70_000) + mp3(folder, chirps(start=0.7)),
        AT_48K,
        PUT_TOGETHER,
    ),
    "mp3, put together with two tags between, one of them long": (
        lambda folder: mp3(folder, chirps(stop=0.7)) + b"TAG".ljust(128) + id3(100_000) + mp3(folder, chirps(start=0.7)),
        AT_48K,
        PUT_TOGETHER,
    ),
    "mp3 with a header in front of its header": (lambda folder: with_header_twice(mp3(folder)), AT_48K, ""),
    "mp3 whose header names no encoder": (lambda folder: without_encoder(mp3(folder)), None, UNALIGNED),
    "mp3, half as many": (lambda folder: xing(mp3(folder), lambda n: n // 2), AT_48K, "are there and were read"),
    "mp3, twice as many": (lambda folder: xing(mp3(folder), lambda n: 2 * n), AT_48K, "are there and were read"),
    "mp3, counts itself": (lambda folder: xing(mp3(folder), lambda n: n + 1), AT_48K, ""),
    "mp3, counts 0": (lambda folder: xing(mp3(folder), lambda _: 0), AT_48K, ""),
    "mp3, counts itself, without LAME": (lambda folder: xing(mp3(folder), lambda n: n + 1, lame=False), None, UNALIGNED),
    "mp3 without a header": (lambda folder: mp3(folder, write_xing="0"), None, UNALIGNED),
    "mp3, last frame 3 bytes short": (lambda folder: mp3(folder, write_xing="0")[:-3], None, "lacks 3 bytes"),
    "mp3, id3 then 4 spaces": (lambda folder: id3() + b"    " + mp3(folder), AT_48K, ""),
    "mp3, id3 then junk": (lambda folder: id3() + bytes(range(1, 93)) * 2 + mp3(folder), AT_48K, ""),
    "mp3, id3 then zeros": (lambda folder: id3() + bytes(20_000) + mp3(folder), AT_48K, ""),
    "mp3, id3 length not synchsafe": (lambda folder: id3(300, claimed=300) + mp3(folder), AT_48K, ""),
    "mp3, id3 length counts its header": (lambda folder: id3(100, claimed=110) + mp3(folder), AT_48K, ""),
    "mp3 behind ape": (lambda folder: odd.ape_in_front() + mp3(folder), AT_48K, ""),
    # AAC
    "aac of itunes": (odd.itunes, AT_48K, ""),
    "aac of itunes with an edit list": (lambda folder: odd.itunes(folder, edits=True), AT_48K, ""),
    "aac that says 512 frames too many": (lambda folder: odd.itunes(folder, priming=2624), AT_48K, ""),
    "aac without what was added": (lambda folder: odd.itunes(folder, smpb=False), None, UNALIGNED),
    "aac behind id3": (lambda folder: id3() + odd.by_ffmpeg(folder / "made.m4a", "aac"), AT_48K, ""),
    "aac in a caf": (odd.apple_loop, AT_48K, ""),
    "aac in a caf, half as many": (lambda folder: odd.apple_loop(folder, FRAMES // 2), AT_48K, "its packets 66,150"),
    "alac, half as many": (
        lambda folder: odd.with_media_duration(odd.by_ffmpeg(folder / "made.m4a", "alac"), lambda n: n // 2),
        AT_48K,
        "more are there and were read",
    ),
    "wavpack, half as many": (lambda folder: wavpack_of_frames(folder, FRAMES // 2), AT_48K, "more are there and were read"),
}  # fmt: skip


def heard(bench: Bench) -> Sound:
    return soundfile.read(bench.out / "out.wav", always_2d=True)[0]


def convert(bench: Bench, data: bytes, **sound: object) -> Outcome:
    source = bench.folder / "in.wav"
    source.write_bytes(data)
    return bench.convert(source, **sound)


@pytest.mark.parametrize("what", WHOLE)
def test_it_comes_out_whole(bench: Bench, what: str) -> None:
    make, frames, said = WHOLE[what]
    outcome = convert(bench, make(bench.folder))
    assert outcome.status is Status.EXPORTED, outcome.error
    done = " | ".join(outcome.done)
    assert said in done
    if not said:  # then there is nothing to know
        assert all(word.startswith(("resampled", "rounded")) for word in outcome.done), outcome.done
    y = heard(bench)
    wanted = IDEAL[: frames or AT_48K, : y.shape[1]]
    if frames:
        assert len(y) == frames
        assert audio.lag(y[:, 0], wanted[:, 0]) == 0
        assert (UNALIGNED in done) == (said == UNALIGNED)
    else:
        late = audio.lag(y[:, 0], wanted[:, 0])
        assert 0 <= late < 2_400
        assert len(wanted) + late <= len(y) <= len(wanted) + 4_800
        y = y[late : late + len(wanted)]
    # Nothing is missing in the middle, and the level is right: lossy codecs change some hundredths.
    if "gsm" not in what:
        error = np.sqrt(((y - wanted) ** 2).mean() / (wanted**2).mean())
        assert error < 0.15, f"{20 * np.log10(error):.0f} dB"


@pytest.mark.parametrize("end", ["", "vorbis", "opus"])
def test_an_ogg_that_is_cut_within_a_page_is_not_whole(bench: Bench, end: str) -> None:
    data = by_libsndfile("OGG", (end or "vorbis").upper(), rate=48_000)
    data = data if end else two_oggs("VORBIS")
    for lost in (1, 100, 2_000):
        outcome = convert(bench, data[:-lost])
        assert outcome.error.startswith("Failed to load audio: truncated")


def test_an_ogg_that_is_cut_between_pages_is_read_as_far_as_its_last_page_counts(bench: Bench) -> None:
    pages = odd.ogg_pages(by_libsndfile("OGG", "VORBIS", np.tile(chirps(), (4, 1))))
    outcome = convert(bench, b"".join(pages[:-1]))
    counted = struct.unpack("<q", pages[-2][6:14])[0]
    assert outcome.frames == round(counted * 48_000 / RATE)
    assert "its last page does not say that it is the last" in outcome.done


@pytest.mark.parametrize("position", [0, 1_000, 132_300])
def test_an_ogg_whose_last_position_goes_back_is_read_to_its_end(bench: Bench, position: int) -> None:
    pages = odd.ogg_pages(by_libsndfile("OGG", "VORBIS", np.tile(chirps(), (4, 1))))
    pages[-1] = odd.sealed(pages[-1][:6] + struct.pack("<q", position) + pages[-1][14:])
    outcome = convert(bench, b"".join(pages))
    assert 4 * AT_48K <= outcome.frames < 4 * AT_48K + 8_192
    assert any("more are there and were read" in word for word in outcome.done)


def test_adts_with_a_gap_is_not_exported(bench: Bench) -> None:
    """FFmpeg passes over what is no frame."""
    data = odd.by_ffmpeg(bench.folder / "made.aac", "aac")
    assert convert(bench, data).status is Status.EXPORTED
    middle = len(data) // 2
    assert "damaged" in convert(bench, data[:middle] + bytes(2_000) + data[middle + 2_000 :]).error


def test_a_frame_size_that_the_byte_rate_contradicts_is_said(bench: Bench) -> None:
    fmt = struct.pack("<HHIIHH", 1, 2, RATE, 4 * RATE, 2, 16)
    body = b"WAVE" + chunk(b"fmt ", fmt) + chunk(b"data", pcm())
    outcome = convert(bench, b"RIFF" + struct.pack("<I", len(body)) + body)
    assert outcome.frames == AT_48K
    assert any("contradicts itself" in word for word in outcome.done)


@pytest.mark.parametrize("at", [36, 100, 233, 236])
def test_the_name_of_a_header_in_the_sound_is_none(bench: Bench, at: int) -> None:
    data = mp3(bench.folder, write_xing="0")
    outcome = convert(bench, data[:at] + b"Xing" + data[at + 4 :])
    assert outcome.status is Status.EXPORTED or at == 36  # where a header stands


def test_files_of_thousands_of_parts_are_refused_at_once(bench: Bench) -> None:
    pages = odd.ogg_pages(by_libsndfile("OGG", "VORBIS", chirps(stop=0.15)))
    assert "more than 1,000 files put together" in convert(bench, b"".join(pages) * 1_100).error
    frame = mp3(bench.folder)[: odd.mp3_frames(mp3(bench.folder))[2][0]]
    assert "more than 1,000 files put together" in convert(bench, frame * 1_100).error


def test_an_ogg_with_a_damaged_page_is_not_exported(bench: Bench) -> None:
    """libsndfile passes over it, and FFmpeg decodes what stands there."""
    data = bytearray(by_libsndfile("OGG", "VORBIS", np.tile(chirps(), (4, 1))))
    pages = odd.ogg_pages(bytes(data))
    start = sum(map(len, pages[:2])) + 27 + pages[2][26]
    data[start + 400] ^= 0x55
    assert convert(bench, bytes(data)).error.startswith("Failed to load audio: ")


@given(page=st.binary(max_size=300))
@hypothesis_settings(max_examples=60, deadline=None)
def test_checksums_are_those_of_the_standard(page: bytes) -> None:
    page = b"OggS" + bytes(18) + b"\1\2\3\4" + page
    assert ogg._checksum(page) == odd.ogg_crc(page[:22] + bytes(4) + page[26:])


def test_a_flac_that_counts_more_than_there_is_was_cut(bench: Bench) -> None:
    assert convert(bench, flac_of_frames(FRAMES * 2)).error == "Failed to load audio: truncated: 1.5 s of 3.0 s"


# Rates that a frame's header writes in each of its ways (RFC 9639, 9.1.2): by a code, in kHz, in Hz, in tens of Hz.
@pytest.mark.parametrize("rate", [8_000, 11_025, 12_000, 44_100, 48_000, 96_000, 192_000, 352_800])
def test_a_flac_whose_header_names_another_rate_than_its_frames_fails(bench: Bench, rate: int) -> None:
    data = bytearray(by_libsndfile("FLAC", "PCM_16", chirps(rate), rate))
    assert convert(bench, bytes(data)).error == ""
    data[18:21] = (527_428 << 4 | data[20] & 0x0F).to_bytes(3, "big")
    said = f"Failed to load audio: its header claims 527,428 Hz, and its frames {rate:,} Hz"
    assert convert(bench, bytes(data)).error == said


def test_what_stands_behind_the_sound_of_an_au_is_said(bench: Bench) -> None:
    """It may be tags, or sound that its header does not count."""
    data = by_libsndfile("AU", "PCM_16")
    outcome = convert(bench, data[:8] + struct.pack(">I", 4 * 20_000) + data[12:])
    assert outcome.source_frames == 20_000
    assert any("184,600 bytes behind them were left out" in word for word in outcome.done)


def test_two_mp3s_of_different_rates_are_not_half_exported(bench: Bench) -> None:
    slow = odd.by_ffmpeg(bench.folder / "slow.mp3", "libmp3lame", chirps(48_000), 48_000, id3v2_version="0")
    assert "different kinds" in convert(bench, mp3(bench.folder) + slow).error


def test_streams_of_different_channels_are_not_half_exported(bench: Bench) -> None:
    data = by_libsndfile("OGG", "VORBIS") + by_libsndfile("OGG", "VORBIS", chirps()[:, :1])
    assert "its rate or channels change" in convert(bench, data).error


@pytest.mark.parametrize(("bits", "frame_bytes"), [(24, 8), (16, 8), (32, 4), (8, 4)])
def test_a_header_that_contradicts_itself_is_refused(bench: Bench, bits: int, frame_bytes: int) -> None:
    fmt = struct.pack("<HHIIHH", 1, 2, RATE, frame_bytes * RATE, frame_bytes, bits)
    body = b"WAVE" + chunk(b"fmt ", fmt) + chunk(b"data", pcm())
    error = convert(bench, b"RIFF" + struct.pack("<I", len(body)) + body).error
    assert f"contradicts itself: 2 channels of {bits} bits" in error
    assert f"it says {frame_bytes}" in error


@pytest.mark.parametrize("behind", [b"", b"\0"], ids=["unpadded", "padded"])
@pytest.mark.parametrize("order", [1, -1])
def test_chunks_behind_an_odd_number_of_bytes_are_found(bench: Bench, behind: bytes, order: int) -> None:
    """The length of ``smpl`` looks like the end of a chunk's name, if one looks a byte too far."""
    x = np.random.default_rng(404).integers(0, 256, 9_601).astype(np.uint8).tobytes()
    smpl = chunk(b"smpl", struct.pack("<9I", 0, 0, 20_833, 57, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 100, 9_000, 0, 0))
    acid = chunk(b"acid", struct.pack("<IHHfIHHf", 0, 57, 0, 0.0, 4, 4, 4, 120.0))
    extras = b"".join([smpl, acid][::order])
    source = bench.folder / "in.wav"
    body = audio.wav_bytes(x, bits=8) + behind + extras
    source.write_bytes(body[:4] + struct.pack("<I", len(body) - 8) + body[8:])
    outcome = bench.convert(source, keep_chunks=True)
    assert outcome.frames == 9_601
    assert any("1 loop" in word and "tempo" in word for word in outcome.done), outcome.done


SPEAKERS = {  # mask: for each channel, whether it is heard on the left and on the right
    0x3F: ["L", "R", "LR", "", "L", "R"],
    0x107: ["L", "R", "LR", "LR"],
    0x0F: ["L", "R", "LR", ""],
    0x0B: ["L", "R", ""],
    0x07: ["L", "R", "LR"],
    0x3B: ["L", "R", "", "L", "R"],
    0x137: ["L", "R", "LR", "L", "R", "LR"],
    0x33: ["L", "R", "L", "R"],
    0x60F: ["L", "R", "LR", "", "L", "R"],
}


def sides(y: Sound, tones: list[int]) -> list[str]:
    """For each tone, on which sides a DFT finds it."""
    angle = 2 * np.pi * np.outer(tones, np.arange(len(y)) / 48_000)
    level = np.abs(np.exp(-1j * angle) @ (y * np.hanning(len(y))[:, None])) / len(y)
    return ["".join(side for side, found in zip("LR", row > 0.005, strict=True) if found) for row in level]


@pytest.mark.parametrize("mask", SPEAKERS)
def test_channels_are_mixed_by_their_speakers(bench: Bench, mask: int) -> None:
    wanted = SPEAKERS[mask]
    tones = [200 + 100 * n for n in range(len(wanted))]
    outcome = convert(bench, odd.extensible(tones, mask))
    assert sides(heard(bench), tones) == wanted
    done = " | ".join(outcome.done)
    for number, side in enumerate(wanted, 1):
        assert (f"LFE (channel {number})" in done) == (not side)


@pytest.mark.parametrize("channels", [3, 4, 6, 9])
def test_channels_of_no_speaker_are_all_kept(bench: Bench, channels: int) -> None:
    tones = [200 + 100 * n for n in range(channels)]
    outcome = convert(bench, odd.extensible(tones, 0))
    assert sides(heard(bench), tones) == ["LR"[n % 2] for n in range(channels)]
    assert any("no speakers are named" in word for word in outcome.done)


def test_a_channel_beyond_the_mask_is_kept(bench: Bench) -> None:
    tones = [200, 300, 400, 500]
    convert(bench, odd.extensible(tones, 3))
    assert sides(heard(bench), tones) == ["L", "R", "LR", "LR"]


@pytest.mark.parametrize(("layout", "wanted"), [("4.0", ["L", "R", "LR", "LR"]), ("5.0", ["L", "R", "LR", "L", "R"])])
def test_layouts_of_other_formats_are_read(bench: Bench, layout: str, wanted: list[str]) -> None:
    """FLAC says a layout that is not the usual one in a comment, which FFmpeg writes and reads."""
    tones = [200 + 100 * n for n in range(len(wanted))]
    t = np.arange(24_000) / 48_000
    x = np.stack([0.4 * np.sin(2 * np.pi * hz * t) for hz in tones], axis=1)
    source = audio.write_av(bench.folder / "in.m4a", "alac", 48_000, x, layout=layout)
    bench.exported(source)
    assert sides(heard(bench), tones) == wanted


# ---- the rule, for any count ----

COUNTS: dict[str, Callable[[int], bytes]] = {
    "wav, data": lambda n: wav(data_bytes=n),
    "wav, RIFF": lambda n: wav(riff_bytes=n),
    "wav, both": lambda n: wav(data_bytes=n, riff_bytes=max(n - 36, 0)),
    "rf64": rf64,
    "w64": lambda n: w64(n - 2**31),
    "aiff, frames": lambda n: aiff(frames=n),
    "aiff, sound": lambda n: aiff(ssnd=n),
    "aiff, all": lambda n: aiff(form=n, frames=n // 4, ssnd=n),
    "caf": lambda n: odd.caf(odd.CAF_PCM, bytes(4) + pcm(), length=n - 2**31),
    "au": lambda n: (data := by_libsndfile("AU", "PCM_16"))[:8] + struct.pack(">I", n) + data[12:],
    "flac": flac_of_frames,
}
IN_THE_FAST_LANE = ("wav, data", "aiff, frames", "caf")
# Anything, what is near the right number of bytes or frames, and what stands where a length is not known yet.
NUMBERS = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(lambda right, off: right + off, st.sampled_from([4 * FRAMES, FRAMES]), st.integers(-300, 300)),
    st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1]),
)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[] if what in IN_THE_FAST_LANE else pytest.mark.slow) for what in COUNTS]
)
@given(number=NUMBERS)
@hypothesis_settings(max_examples=300, deadline=None)
def test_no_count_loses_sound_in_silence(what: str, number: int) -> None:
    """Whatever a header counts: the sound comes out whole, or a note says what does not, or it fails."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(COUNTS[what](number))
        file.flush()
        try:
            frames, notes = read_audio(file.name, lambda source: (sum(map(len, source.blocks)), source.notes))
        except LoadError:
            return
    assert frames in (FRAMES - 1, FRAMES, FRAMES + 1) or any("left out" in note for note in notes), (frames, notes)


# ---- --sound truncated=keep ----

CUT: dict[str, Maker] = {
    "wav": lambda _: wav(),
    "aiff": lambda _: aiff(),
    "flac": lambda _: by_libsndfile("FLAC", "PCM_16"),
    "vorbis": lambda _: by_libsndfile("OGG", "VORBIS", np.tile(chirps(), (4, 1))),
    "mp3": mp3,
    "mp3 without a header": lambda folder: mp3(folder, write_xing="0"),
    "aac": lambda folder: odd.by_ffmpeg(folder / "made.m4a", "aac", movflags="+faststart"),
    "wavpack": lambda folder: odd.by_ffmpeg(folder / "made.wv", "wavpack"),
    "adpcm": lambda _: adpcm("MS_ADPCM"),
}


@pytest.mark.parametrize("what", CUT)
def test_what_is_there_of_a_cut_file_is_exported_if_one_wants(bench: Bench, what: str) -> None:
    whole = CUT[what](bench.folder)
    data = whole[: int(len(whole) * 0.6) | 1]
    assert convert(bench, data).status is Status.FAILED
    outcome = convert(bench, data, truncated=Truncated.KEEP)
    assert outcome.status is Status.EXPORTED, outcome.error
    y = heard(bench)
    ideal = np.tile(IDEAL, (4, 1)) if what == "vorbis" else IDEAL
    late = audio.lag(y[:, 0], ideal[: len(y), 0])
    assert 0 <= late < 2_400
    assert 0.3 * len(ideal) < len(y) < 0.8 * len(ideal)
    assert outcome.done[0].startswith("truncated: ")
    assert "--sound truncated=keep" in outcome.warning


@pytest.mark.parametrize("what", CUT)
def test_what_is_cut_before_its_sound_cannot_be_kept_and_check_says_the_same(bench: Bench, what: str) -> None:
    """Whatever is added to it: silence of its length would be no sample, and no decoder is to blame."""
    whole = CUT[what](bench.folder)
    source = bench.folder / "cut"
    sound = {"truncated": Truncated.KEEP, "pad_to_ms": 100}
    statuses = set()
    for size in (*range(12, 300, 24), *range(300, 3_000, 300), len(whole) // 2):
        source.write_bytes(whole[:size])
        outcome = bench.convert(source, **sound)
        checked = check(bench.job(source), settings(**sound))
        assert outcome.error == checked.error
        assert outcome.error.startswith(("Failed to load audio: ", "Unsupported format: ")) or outcome.source_frames
        statuses.add(outcome.status)
    assert statuses == {Status.EXPORTED, Status.FAILED}


def test_nothing_changes_of_a_whole_file(bench: Bench) -> None:
    outcome = convert(bench, wav(), truncated=Truncated.KEEP)
    assert (outcome.frames, outcome.warning) == (AT_48K, "")
    assert not any("truncated" in word for word in outcome.done)
