"""Files that ffmpeg makes, and what ffmpeg, ffprobe and soxi say of what comes out of them."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from schemas.enums import Status
from tests.support import audio
from tests.support.child import convert_apart
from tests.support.converting import Bench
from tests.support.tools import answer, tool

pytestmark = pytest.mark.tools

SECONDS = 1.37


@pytest.fixture
def melody(bench: Bench) -> Path:
    """A stereo source for ffmpeg: 44.1 kHz, 24 bits."""
    t = np.arange(round(SECONDS * 44_100)) / 44_100
    return audio.write(bench.folder / "melody.wav", np.stack([audio.melody(t), audio.melody(t, 5)], 1), 44_100, "WAV", "PCM_24")


def made(source: Path, name: str, *options: str) -> Path:
    target = source.with_name(name)
    answer("ffmpeg", "-v", "error", "-y", "-i", source, *options, target)
    return target


def duration(path: Path) -> float:
    """Seconds, as ffprobe reads them from the container."""
    return float(answer("ffprobe", "-v", "error", "-show_entries", "stream=duration", "-of", "csv=p=0", path))


def decoded_frames(path: Path) -> int:
    """Frames at the file's own rate, as ffmpeg decodes them."""
    command = [tool("ffmpeg"), "-v", "error", "-i", str(path), "-ac", "1", "-f", "s16le", "-"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout) // 2


LENGTH_IN_THE_FILE = {  # formats whose container says how long the sound is; an encoder's delay is not counted
    "aac.m4a": ("-c:a", "aac", "-b:a", "192k"),
    "aac-faststart.m4a": ("-c:a", "aac", "-movflags", "+faststart"),
    "aac-48000.m4a": ("-c:a", "aac", "-ar", "48000"),
    "aac-mono.m4a": ("-c:a", "aac", "-ac", "1"),
    "alac.m4a": ("-c:a", "alac"),
    "alac-16.m4a": ("-c:a", "alac", "-sample_fmt", "s16p"),
    "aac.mov": ("-c:a", "aac"),
    "mp3.m4a": ("-c:a", "libmp3lame", "-f", "mp4"),
    "flac.mp4": ("-c:a", "flac", "-strict", "experimental", "-f", "mp4"),
    "opus.opus": ("-c:a", "libopus", "-b:a", "192k"),
    "vorbis.ogg": ("-c:a", "libvorbis", "-q:a", "8"),
    "cbr.mp3": ("-c:a", "libmp3lame", "-b:a", "192k"),
    "vbr.mp3": ("-c:a", "libmp3lame", "-q:a", "2"),
    "flac.flac": ("-c:a", "flac"),
    "extensible-24.wav": ("-c:a", "pcm_s24le"),
    "float.wav": ("-c:a", "pcm_f32le"),
    "alaw.wav": ("-c:a", "pcm_alaw"),
    "mulaw.wav": ("-c:a", "pcm_mulaw"),
    "rf64.wav": ("-c:a", "pcm_s16le", "-rf64", "always"),
    "sowt.aif": ("-c:a", "pcm_s16le", "-f", "aiff"),
    "24.aiff": ("-c:a", "pcm_s24be"),
    "caf.caf": ("-c:a", "pcm_s24be"),
    "au.au": ("-c:a", "pcm_s16be"),
    "w64.w64": ("-c:a", "pcm_s16le"),
    "wavpack.wv": ("-c:a", "wavpack"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LENGTH_IN_THE_FILE)
def test_the_length_and_the_place_in_time_are_kept(bench: Bench, melody: Path, name: str) -> None:
    source = made(melody, name, *LENGTH_IN_THE_FILE[name])
    outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    if name.startswith("aac"):  # in MP4: ffmpeg rounds the length in the edit list, and so ffprobe's, to a millisecond
        assert abs(outcome.frames - duration(source) * 48_000) <= 1 + 48_000 / 44_100
        assert abs(outcome.frames - SECONDS * 48_000) <= 48
    else:
        assert abs(outcome.frames - SECONDS * 48_000) <= 1 + 48_000 / 44_100
    x = audio.read16(bench.out / "out.wav")[:, 0] / 32768
    assert audio.lag(x, audio.melody(np.arange(len(x)) / 48_000)) == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("no-xing-vbr.mp3", ("-c:a", "libmp3lame", "-q:a", "4", "-write_xing", "0")),
        ("no-xing-cbr.mp3", ("-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0")),
        ("layer2.mp3", ("-c:a", "mp2", "-f", "mp2")),
        ("adts.aac", ("-c:a", "aac", "-f", "adts")),
    ],
)
def test_without_a_length_in_the_file_all_that_decodes_is_kept(
    bench: Bench, melody: Path, name: str, options: tuple[str, ...]
) -> None:
    source = made(melody, name, *options)
    outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    assert abs(outcome.frames - decoded_frames(source) * 48_000 / 44_100) <= 1
    assert 0 <= outcome.frames / 48_000 - SECONDS < 0.1


@pytest.mark.parametrize("name", ["aac.m4a", "vbr.mp3", "opus.opus", "extensible-24.wav"])
def test_soxi_agrees(bench: Bench, melody: Path, name: str) -> None:
    source = made(melody, name, *LENGTH_IN_THE_FILE[name])
    for target, kind in (("out.wav", "wav"), ("out.aiff", "aiff")):
        outcome = bench.convert(source, target)
        told = {option: answer("soxi", f"-{option}", bench.out / target) for option in "trcsbe"}
        assert told == {
            "t": kind,
            "r": "48000",
            "c": "2",
            "s": str(outcome.frames),
            "b": "16",
            "e": "Signed Integer PCM",
        }


def test_ffprobe_agrees(bench: Bench, melody: Path) -> None:
    for name in ("out.wav", "out.aiff"):
        outcome = bench.convert(melody, name)
        fields = "codec_name,sample_rate,channels,duration_ts"
        entries = answer("ffprobe", "-v", "error", "-show_entries", f"stream={fields}", "-of", "csv=p=0", bench.out / name)
        codec = "pcm_s16le" if name.endswith("wav") else "pcm_s16be"
        assert entries == f"{codec},48000,2,{outcome.frames}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("six.flac", ("-c:a", "flac")),
        ("six.wav", ("-c:a", "pcm_s24le")),
        ("six.m4a", ("-c:a", "aac", "-b:a", "600k")),
        ("six-alac.m4a", ("-c:a", "alac")),
        ("six.ogg", ("-c:a", "libvorbis", "-q:a", "8")),
        ("six.opus", ("-c:a", "libopus", "-b:a", "600k")),
        ("six.wv", ("-c:a", "wavpack")),
    ],
)
def test_5_1_is_mixed_to_the_right_sides(bench: Bench, name: str, options: tuple[str, ...]) -> None:
    """Each speaker has a tone of its own; ffmpeg writes it in the order that each format wants."""
    tones = (40, 55, 70, 85, 100, 115)
    sides = ((True, False), (False, True), (True, True), (False, False), (True, False), (False, True))
    x = np.concatenate([audio.tone(1, 48_000, hz=hz, level=0.4) for hz in tones], axis=1)
    plain = audio.write(bench.folder / "plain.wav", x, 48_000, "WAV", "PCM_24")
    source = bench.folder / name
    answer("ffmpeg", "-v", "error", "-y", "-channel_layout", "5.1", "-i", plain, *options, source)
    outcome = bench.convert(source)
    assert any("6 channels mixed down to stereo" in word for word in outcome.done)
    y = audio.read16(bench.out / "out.wav") / 32768
    angle = 2 * np.pi * np.outer(tones, np.arange(len(y)) / 48_000)
    level = np.abs(np.exp(-1j * angle) @ (y * np.hanning(len(y))[:, None])) / len(y)
    assert [tuple(bool(side > 0.01) for side in row) for row in level] == list(sides)


def test_7_1_in_an_m4a(bench: Bench) -> None:
    plain = audio.write(bench.folder / "plain.wav", audio.noise(24_000, 8), 48_000, "WAV", "PCM_24")
    source = bench.folder / "seven.m4a"
    answer("ffmpeg", "-v", "error", "-y", "-channel_layout", "7.1", "-i", plain, "-c:a", "aac", source)
    (verdict,) = convert_apart([source], bench.out)
    assert not verdict.crashed, verdict.crashed
    assert (verdict.said["status"], verdict.said["channels"]) == ("exported", 2), verdict.said["error"]


@pytest.mark.parametrize(
    ("name", "options"),
    [("pipe.wav", ("-f", "wav")), ("pipe.flac", ("-f", "flac")), ("pipe.aiff", ("-f", "aiff")), ("pipe.ogg", ("-f", "ogg"))],
)
def test_what_a_pipe_wrote_has_no_length_in_its_header(bench: Bench, melody: Path, name: str, options: tuple[str, ...]) -> None:
    """ffmpeg cannot go back to the header of a pipe, so the length in it is unknown or nonsense."""
    command = [tool("ffmpeg"), "-v", "error", "-i", str(melody), *options, "-"]
    source = bench.folder / name
    source.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    assert abs(outcome.frames - SECONDS * 48_000) <= 1


def test_a_cover_picture_and_words_are_not_sound(bench: Bench, melody: Path) -> None:
    picture = bench.folder / "cover.png"
    answer("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=red:s=600x600", "-frames:v", "1", picture)
    for name, codec in (("covered.mp3", "libmp3lame"), ("covered.flac", "flac"), ("covered.m4a", "aac")):
        source, plain = bench.folder / name, bench.folder / f"plain-{name}"
        answer("ffmpeg", "-v", "error", "-i", melody, "-c:a", codec, plain)
        cover = ("-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic", "-metadata", "title=Röhre")
        answer("ffmpeg", "-v", "error", "-i", melody, "-i", picture, *cover, "-c:a", codec, source)
        np.testing.assert_array_equal(
            audio.read16(bench.exported(source, f"{name}.wav")), audio.read16(bench.exported(plain, f"plain-{name}.wav"))
        )


def test_a_video_gives_its_sound_and_a_silent_one_fails(bench: Bench, melody: Path) -> None:
    video = ("-f", "lavfi", "-i", "color=red:s=64x64:d=1", "-c:v", "mpeg4")
    answer("ffmpeg", "-v", "error", *video[:4], "-i", melody, *video[4:], "-c:a", "aac", "-shortest", bench.folder / "a.mp4")
    answer("ffmpeg", "-v", "error", *video, bench.folder / "silent.mp4")
    assert bench.convert(bench.folder / "a.mp4", "a.wav").status is Status.EXPORTED
    assert bench.refused(bench.folder / "silent.mp4").error == "Failed to load audio: it holds no audio stream"


def test_dither_free_sound_equals_what_sox_makes_of_24_bits(bench: Bench) -> None:
    """Rounded to the nearest, as ``sox -D`` does it, to one step of 16 bits."""
    source = audio.write(bench.folder / "a.wav", audio.noise(48_000, 2), 48_000, "WAV", "PCM_24")
    answer("sox", "-D", source, "-b", "16", bench.folder / "sox.wav")
    ours, theirs = audio.read16(bench.exported(source, dither="none")), audio.read16(bench.folder / "sox.wav")
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.mean(ours == theirs) > 0.99


def test_extensible_is_what_ffmpeg_writes_for_24_bits(melody: Path) -> None:
    """A test of the test: the file above is the WAVE_FORMAT_EXTENSIBLE that it is said to be."""
    source = made(melody, "extensible-24.wav", *LENGTH_IN_THE_FILE["extensible-24.wav"])
    assert soundfile.info(source).format == "WAVEX"


@pytest.mark.parametrize(("name", "codec"), [("a.aac", "aac"), ("a.ac3", "ac3"), ("a.wma", "wmav2")])
def test_what_does_not_say_where_it_begins_is_aligned_as_well_as_can_be(
    bench: Bench, melody: Path, name: str, codec: str
) -> None:
    """No priming data: to within 50 ms, and said so."""
    source = bench.folder / name
    answer("ffmpeg", "-v", "error", "-i", melody, "-c:a", codec, source)
    outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    assert abs(outcome.frames - SECONDS * 48_000) < 0.05 * 48_000
    assert any("may start with" in word for word in outcome.done)
