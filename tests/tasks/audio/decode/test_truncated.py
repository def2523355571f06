"""Files that were cut short, damaged or never finished, and those that only look so; nothing is printed meanwhile.

Judges: the length that was written, libsndfile's reading, and the files' own bytes.
"""

import io
import re
import struct
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from schemas.enums import Status
from tasks.audio.decode import source as decode_source
from tests.support import audio
from tests.support.audio import FORM, FORMS, wav_bytes, write_av
from tests.support.converting import Bench, small_blocks
from tests.support.tools import answer

LOAD = "Failed to load audio: "
RATE, FRAMES = 44_100, 22_050
SECONDS = FRAMES / RATE
X = np.stack([audio.melody(np.arange(FRAMES) / RATE, seed) for seed in (404, 5)], axis=1)
Maker = Callable[[Path], Path]


def libsndfile(fmt: str, subtype: str, **options: object) -> Maker:
    def make(path: Path) -> Path:
        soundfile.write(path, X, RATE, format=fmt, subtype=subtype, **options)
        return path

    return make


def ffmpeg(codec: str, **options: str) -> Maker:
    return lambda path: write_av(path, codec, RATE, X, **options)


def without_xing(make: Maker) -> Maker:
    """The first frame of an MP3 is no sound where it says how many follow: it is taken away."""

    def made(path: Path) -> Path:
        data = make(path).read_bytes()
        with av.open(str(path)) as media:
            first = next(packet.pos for packet in media.demux(audio=0))
        assert b"Xing" in data[:first]
        path.write_bytes(data[first:])
        return path

    return made


def without_ape(make: Maker) -> Maker:
    """FFmpeg puts a tag behind WavPack, which may be cut without harm."""

    def made(path: Path) -> Path:
        data = make(path).read_bytes()
        assert b"APETAGEX" in data
        path.write_bytes(data[: data.index(b"APETAGEX")])
        return path

    return made


VBR = libsndfile("MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5)
OPUS_FRAMES = round(SECONDS * 48_000)
MAKERS: dict[str, Maker] = {
    form.name + form.extension: (lambda path, form=form: form.save(path, X, RATE))  # type: ignore[misc]
    for form in FORMS
    if form.name != "opus"
} | {
    "opus.opus": lambda path: audio.write(path, np.resize(X, (OPUS_FRAMES, 2)), 48_000, "OGG", "OPUS"),
    "ima.wav": libsndfile("WAV", "IMA_ADPCM"),
    "ms.wav": libsndfile("WAV", "MS_ADPCM"),
    "rf64-24.wav": libsndfile("RF64", "PCM_24"),
    "w64-float.w64": libsndfile("W64", "FLOAT"),
    "alaw.aifc": libsndfile("AIFF", "ALAW"),
    "24.caf": libsndfile("CAF", "PCM_24"),
    "alac.caf": libsndfile("CAF", "ALAC_16"),
    "float.au": libsndfile("AU", "FLOAT"),
    "vbr.mp3": VBR,
    "vbr-no-xing.mp3": without_xing(VBR),
    "cbr-no-xing.mp3": ffmpeg("libmp3lame", write_xing="0"),
    "faststart-aac.m4a": ffmpeg("aac", movflags="+faststart"),
    "faststart-alac.m4a": ffmpeg("alac", movflags="+faststart"),
    "adts.aac": ffmpeg("aac"),
    "wavpack.wv": without_ape(ffmpeg("wavpack")),
    "wavpack24.wv": without_ape(ffmpeg("wavpack24")),
}
HEADER_AT_THE_END = {"m4a-aac.m4a", "m4a-alac.m4a", "m4a-alac24.m4a"}
TELL_THEIR_SECONDS = [
    name for name in MAKERS if name.startswith(("wav-", "wavex-", "rifx-", "rf64-", "w64-", "aiff-", "aifc-", "vbr.", "mp3-"))
    and "law" not in name
]  # fmt: skip
NO_LENGTH = {"vbr-no-xing.mp3", "cbr-no-xing.mp3", "adts.aac"}
BLOCKS_OF_SAMPLES = {"ima.wav"}  # whose last block is filled up, and libsndfile counts half of it
# The last frame of an MP3 without a count may lack some bytes (test_containers.py).
MAY_LACK_BYTES = {"vbr-no-xing.mp3", "cbr-no-xing.mp3"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return {name: make(folder / name).read_bytes() for name, make in MAKERS.items()}


@pytest.fixture(autouse=True)
def quiet(files: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A decoder that prints to descriptor 2 ruins a progress display."""
    yield
    assert capfd.readouterr().err == ""


def put(bench: Bench, name: str, data: bytes) -> Path:
    path = bench.folder / name
    path.write_bytes(data)
    return path


def packet_ends(path: Path) -> list[int]:
    """Where each packet of a file but the last ends, as FFmpeg finds them."""
    with av.open(str(path)) as media:
        return [packet.pos for packet in media.demux(audio=0) if packet.size and packet.pos][1:]


# ---- cut short ----


@pytest.mark.parametrize("name", MAKERS)
def test_a_whole_file_is_no_false_alarm(bench: Bench, files: dict[str, bytes], name: str) -> None:
    path = put(bench, name, files[name])
    outcome = bench.convert(path)
    assert outcome.status is Status.EXPORTED, outcome.error
    if name in NO_LENGTH:  # an encoder's own silence stays
        assert 0 <= outcome.frames / 48_000 - SECONDS < 0.1
    else:
        seconds = soundfile.info(path).duration if name in BLOCKS_OF_SAMPLES else SECONDS
        assert abs(outcome.frames - seconds * 48_000) <= 1 + 48_000 / RATE


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_what_is_cut_in_its_sound_is_not_exported(bench: Bench, files: dict[str, bytes], name: str) -> None:
    whole = files[name]
    # ALAC in a CAF has a byte of padding.
    ends = [] if name in HEADER_AT_THE_END | MAY_LACK_BYTES else [len(whole) - 2 - (name == "alac.caf")]
    for size in (*(int(len(whole) * share) for share in (0.05, 0.3, 0.63, 0.97)), *ends):
        assert bench.refused(put(bench, name, whole[:size])).error.startswith(LOAD)


@pytest.mark.parametrize("name", ["wav-u8.wav", "wav-16.wav", "wav-24.wav", "wav-float.wav", "rf64-16.wav", "w64-16.w64",
                                  "aiff-24.aiff", "caf-16.caf", "au-16.au", "flac-16.flac", "mp3-cbr.mp3", "ogg-vorbis.ogg",
                                  "faststart-aac.m4a", "wavpack.wv", "adts.aac"])  # fmt: skip
def test_a_few_bytes_too_few_are_too_few(bench: Bench, files: dict[str, bytes], name: str) -> None:
    for lost in (1, 2, 3, 5):
        assert bench.refused(put(bench, name, files[name][:-lost])).error.startswith(LOAD)


@pytest.mark.parametrize("name", ["mp3-cbr.mp3", "mp3-lame.mp3", "vbr.mp3", "faststart-aac.m4a", "faststart-alac.m4a",
                                  "flac-16.flac"])  # fmt: skip
def test_a_cut_between_packets(bench: Bench, files: dict[str, bytes], name: str) -> None:
    """Every packet that is left is whole, so only the length in the header can tell."""
    ends = packet_ends(put(bench, name, files[name]))
    for end in sorted({*ends[-3:], ends[len(ends) // 2]}):
        assert bench.refused(put(bench, name, files[name][:end])).error.startswith(LOAD)


@pytest.mark.parametrize("share", [0.35, 0.9])
@pytest.mark.parametrize("name", TELL_THEIR_SECONDS)
def test_how_much_is_there_is_said(bench: Bench, files: dict[str, bytes], name: str, share: float) -> None:
    """Where samples have one size, the file's length says how many are there: by its end, so that no header matters."""
    whole = files[name]
    frame = 2 * {"u8": 1, "16": 2, "sowt": 2, "24": 3, "32": 4, "float": 4, "double": 8}.get(re.split("[-.]", name)[1], 0)
    cut = int(len(whole) * (1 - share))
    there = SECONDS - cut / frame / RATE if frame else SECONDS * share
    error = bench.refused(put(bench, name, whole[: len(whole) - cut])).error
    said = re.fullmatch(r"Failed to load audio: truncated: ([\d.]+) s of ([\d.]+) s", error)
    assert said, error
    assert float(said[2]) == SECONDS
    assert abs(float(said[1]) - there) <= (0.051 if frame else 0.15)


@pytest.mark.slow
@pytest.mark.tools
@pytest.mark.parametrize("name", ["mulaw.w64", "mp3.wav", "adpcm.wav", "extensible.wav", "sowt.aif", "alaw.caf", "vorbis.ogg"])
def test_ffmpegs_files_cut(bench: Bench, files: dict[str, bytes], name: str) -> None:
    codec = {"mulaw": "pcm_mulaw", "mp3": "libmp3lame", "adpcm": "adpcm_ima_wav", "extensible": "pcm_s24le",
             "sowt": "pcm_s16le", "alaw": "pcm_alaw", "vorbis": "libvorbis"}[name.split(".", 1)[0]]  # fmt: skip
    plain, path = put(bench, "plain.wav", files["wav-16.wav"]), bench.folder / name
    answer("ffmpeg", "-v", "error", "-i", plain, "-c:a", codec, path)
    whole = path.read_bytes()
    assert bench.convert(path).status is Status.EXPORTED
    for share in (0.4, 0.9):
        assert bench.refused(put(bench, name, whole[: int(len(whole) * share)]), "cut.wav").error.startswith(LOAD)


@pytest.mark.tools
def test_a_damaged_mp3_in_a_wav_prints_nothing(bench: Bench, files: dict[str, bytes]) -> None:
    """libsndfile hands it to mpg123, which says on descriptor 2 what it thinks of it (see ``quiet``)."""
    plain, path = put(bench, "plain.wav", files["wav-16.wav"]), bench.folder / "mp3.wav"
    answer("ffmpeg", "-v", "error", "-i", plain, "-c:a", "libmp3lame", path)
    whole = path.read_bytes()
    bench.convert(put(bench, "damaged.wav", whole[:3_000] + bytes(500) + whole[3_500:]))


# ---- not cut, though it looks so ----

ID3V1 = b"TAG" + b"A title".ljust(124, b"\0") + b"\x11"
_ITEM = struct.pack("<II", 5, 0) + b"Title\0" + b"Snare"
APE = b"".join(struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(_ITEM) + 32, 1, flags) + rest
               for flags, rest in ((0xA0000000, _ITEM), (0x80000000, b"")))  # fmt: skip
LYRICS = b"LYRICSBEGININD0000200" + b"000040LYRICS200"
TAILS = {"id3v1": ID3V1, "ape": APE, "ape and id3v1": APE + ID3V1, "lyrics3": LYRICS + ID3V1, "zeros": bytes(3_000),
         "text": b"downloaded from example.org\r\n" * 9}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", ["mp3-cbr.mp3", "vbr.mp3", "vbr-no-xing.mp3", "cbr-no-xing.mp3", "wavpack.wv", "flac-16.flac",
                                  "wav-16.wav", "aiff-24.aiff", "w64-16.w64", "au-16.au", "caf-16.caf", "faststart-aac.m4a",
                                  "faststart-alac.m4a"])  # fmt: skip
def test_what_stands_behind_the_sound_is_no_truncation(bench: Bench, files: dict[str, bytes], name: str, tail: str) -> None:
    plain, tagged = put(bench, name, files[name]), put(bench, f"tagged-{name}", files[name] + TAILS[tail])
    assert bench.exported(tagged, "1.wav").read_bytes() == bench.exported(plain, "2.wav").read_bytes()


@pytest.mark.parametrize(
    "tail", [b"", b"\0", b"\0LIST\x04\0\0\0INFO", b"LIST\x04\0\0\0INFO"], ids=["none", "pad", "list", "bare"]
)
def test_an_odd_number_of_bytes_with_and_without_its_padding(bench: Bench, tail: bytes) -> None:
    x = np.random.default_rng(404).integers(0, 256, 9_601).astype(np.uint8)
    source = put(bench, "odd.wav", wav_bytes(x.tobytes(), bits=8) + tail)
    np.testing.assert_array_equal(audio.read16(bench.exported(source))[:, 0], (x.astype(int) - 128) * 256)


@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("data", [0, 0xFFFFFFFF])
def test_an_interrupted_recording_is_read_to_its_end(bench: Bench, data: int, riff: int) -> None:
    x = audio.sixteen_bits(9_601, 2)
    whole = wav_bytes(x.tobytes(), channels=2)
    source = put(bench, "a.wav", whole[:4] + struct.pack("<I", riff) + whole[8:40] + struct.pack("<I", data) + whole[44:])
    outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    np.testing.assert_array_equal(audio.read16(bench.out / "out.wav"), x)
    assert any("no length" in word for word in outcome.done)


def test_an_au_may_leave_its_length_open(bench: Bench, files: dict[str, bytes]) -> None:
    whole = files["au-16.au"]
    source = put(bench, "a.au", whole[:8] + b"\xff" * 4 + whole[12:])
    assert bench.exported(source, "1.wav").read_bytes() == bench.exported(put(bench, "b.au", whole), "2.wav").read_bytes()


@pytest.mark.parametrize("frames", [0, 9_601])
def test_an_interrupted_aiff(bench: Bench, frames: int) -> None:
    x = audio.sixteen_bits(9_601)
    whole = bytearray(audio.write(bench.folder / "a.aiff", x, 48_000, "AIFF", "PCM_16").read_bytes())
    comm, ssnd = whole.index(b"COMM"), whole.index(b"SSND")
    whole[4:8] = whole[ssnd + 4 : ssnd + 8] = bytes(4)
    whole[comm + 10 : comm + 14] = struct.pack(">I", frames)
    np.testing.assert_array_equal(audio.read16(bench.exported(put(bench, "cut.aiff", bytes(whole)))), x)


# ---- junk ----


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoder(*_: object, **__: object) -> None:
        pytest.fail("a decoder was started")

    monkeypatch.setattr(av, "open", decoder)
    monkeypatch.setattr(soundfile.SoundFile, "__init__", decoder)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("start", [b"MZ\x90\0\x03\0\0\0", b"\x7fELF\x02\x01\x01\0"], ids=["exe", "elf"])
def test_a_program_by_the_name_of_an_mp3_is_not_decoded(bench: Bench, start: bytes) -> None:
    for seed in range(25):
        program = start + np.random.default_rng(seed).bytes(100_000)
        assert bench.refused(put(bench, "a.mp3", program)).error.startswith(LOAD)


@pytest.mark.usefixtures("undecoded")
def test_real_programs_are_not_decoded(bench: Bench) -> None:
    programs = [Path(sys.executable).resolve(), *sorted(Path(av.__file__).parent.rglob("*.so"))[:20]]
    for number, program in enumerate(programs):
        link = bench.folder / f"{number}.mp3"
        link.symlink_to(program)
        assert bench.refused(link).error.startswith(LOAD)


@pytest.mark.parametrize("size", [1, 417, 4_096, 30_000])
@pytest.mark.parametrize("kind", ["zeros", "junk"])
@pytest.mark.parametrize("name", ["vbr.mp3", "vbr-no-xing.mp3"])
def test_an_mp3_behind_something_starts_where_it_would_alone(
    bench: Bench, files: dict[str, bytes], name: str, kind: str, size: int
) -> None:
    """What its first frame says of the encoder's delay is not lost; or it is refused (decision 0005: behind junk it is)."""
    front = bytes(size) if kind == "zeros" else np.random.default_rng(size).bytes(size)
    plain, source = put(bench, name, files[name]), put(bench, "behind.mp3", front + files[name])
    wanted, outcome = bench.convert(plain, "1.wav"), bench.convert(source, "2.wav")
    if kind == "junk" or size > 4_096:
        assert outcome.error.startswith(LOAD) or outcome.frames == wanted.frames
        return
    assert outcome.status is Status.EXPORTED, outcome.error
    assert outcome.frames == wanted.frames
    assert audio.lag(*(audio.read16(bench.out / f"{n}.wav")[:, 0].astype(float) for n in (2, 1))) == 0


def streamed(flac: bytes) -> bytes:
    """The same FLAC as an encoder leaves it that writes to a pipe: of unknown length (RFC 9639, 8.2)."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("name", ["flac-16.flac", "flac-24.flac"])
def test_a_flac_with_a_damaged_frame_is_not_exported(bench: Bench, files: dict[str, bytes], name: str, unknown: bool) -> None:
    """Bytes overwritten in every one of its frames in turn, the first and the last included."""
    whole = streamed(files[name]) if unknown else files[name]
    bounds = [*packet_ends(put(bench, name, files[name])), len(whole)]
    for start, end in zip([bounds[0] - 2_000, *bounds], bounds, strict=False):
        middle = (start + end) // 2
        damaged = whole[: middle - 20] + bytes(40) + whole[middle + 20 :]
        assert bench.refused(put(bench, "bad.flac", damaged)).error.startswith(LOAD)


@pytest.mark.parametrize("lost", [1, 300, 3_000])
def test_a_flac_of_unknown_length_that_is_cut_in_a_frame(bench: Bench, files: dict[str, bytes], lost: int) -> None:
    whole = streamed(files["flac-16.flac"])
    assert bench.convert(put(bench, "a.flac", whole)).status is Status.EXPORTED
    bench.refused(put(bench, "cut.flac", whole[:-lost]), "cut.wav")


# ---- every width as libsndfile reads it ----

SUBTYPES = [
    (fmt, subtype)
    for fmt in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU")
    for subtype in soundfile.available_subtypes(fmt)
    if subtype.startswith(("PCM", "FLOAT", "DOUBLE", "ALAW", "ULAW", "IMA", "MS_"))
]


@pytest.mark.parametrize(("fmt", "subtype"), SUBTYPES)
def test_samples_are_those_that_libsndfile_reads(bench: Bench, monkeypatch: pytest.MonkeyPatch, fmt: str, subtype: str) -> None:
    small_blocks(monkeypatch, 64)
    endians = [endian for endian in ("FILE", "LITTLE", "BIG") if soundfile.check_format(fmt, subtype, endian)]
    for endian, channels, frames in product(endians, (1, 2, 3), (1, 64, 65, 300)):
        if (channels == 3 and "ADPCM" in subtype) or (fmt, endian) == ("AU", "LITTLE"):  # which is another format
            continue
        x = audio.noise(frames, channels, level=1.0, seed=frames)
        x[-1], x[0, -1] = -1.0, 1 - 2**-23
        made = io.BytesIO()
        soundfile.write(made, x, 48_000, subtype, endian, fmt)
        # A WAV of MS ADPCM counts what was written; libsndfile reads the last block to its end.
        is_counted = (fmt, subtype) == ("WAV", "MS_ADPCM")
        assert_read_as_libsndfile_does(put(bench, "a.wav", made.getvalue()), frames if is_counted else None)


def assert_read_as_libsndfile_does(path: Path, frames: int | None = None) -> None:
    """``frames``: how many of them are sound, where libsndfile does not know."""
    with decode_source.open_audio(str(path)) as found:
        y = np.concatenate(list(found.blocks))
    np.testing.assert_array_equal(y, soundfile.read(path, dtype="float32", always_2d=True)[0][:frames])


@pytest.mark.parametrize("bits", [9, 12, 16, 17, 20, 24, 25, 28])
def test_widths_between_those_of_bytes(bench: Bench, bits: int) -> None:
    """They stand on the left of whole bytes (AIFF 1.3, "Sample Points"); libsndfile reads them so."""
    bytes_each = -(-bits // 8)
    x = np.random.default_rng(404).bytes(6_000 * bytes_each)
    whole = bytearray(audio.write(bench.folder / "a", np.zeros(6_000), 48_000, "AIFF", f"PCM_{8 * bytes_each}").read_bytes())
    at = whole.index(b"COMM") + 14
    whole[at : at + 2] = struct.pack(">H", bits)
    whole[-len(x) :] = x
    assert_read_as_libsndfile_does(put(bench, "b.aiff", bytes(whole)))


def test_a_format_of_every_name_is_tried() -> None:
    """A test of the tests: what the issue lists is listed here."""
    assert set(FORM) - {"opus"} <= {Path(name).stem for name in MAKERS}
