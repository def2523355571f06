"""A project folder for the SP-404MKII: ``PADCONF.BIN``, ``SMPL/*.SMP``. Experimental: none was tried on a device.

The format is nowhere published; ``docs/device-project.md`` says what is known of it, from where, and how sure it is. What
nobody understands is kept as it stands: a ``PadConf`` is the file's bytes, its fields are views on them.
"""

import errno
import hashlib
import math
import os
import re
import shutil
import struct
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from enum import IntEnum

from blake3 import blake3

from config.device import BITS, MAX_FRAMES, PROJECT_TEMPOS, RATE_HZ
from schemas.errors import ProjectError, SampleError, SurroundingsError, write_failure
from schemas.music import BANKS, BPM_MAX, BPM_MIN, PADS_PER_BANK, PADS_PER_KIT
from tasks.fs.atomic import create_exclusively, part_name, remove_empty_folders, sync_file_system, write_all
from tasks.fs.file_status import is_regular

# Channels (1 or 2), and signed 16-bit samples at 48 kHz, interleaved, big-endian, of the file at a path.
ReadPcm = Callable[[str], tuple[int, bytes]]

# ---- the layout: docs/device-project.md; sure (files that devices wrote, several readers agree) where nothing is said ----

_CONF, _SAMPLES, _PATTERNS, _PICTURES = "PADCONF.BIN", "SMPL", "PTN", "PICTURE"
_CONF_BYTES = 52_000
_CONF_MAGIC, _CONF_VERSION = b"RFPD", bytes.fromhex("03000000")
# How many records there are, and how many bytes records and names take.
_CONF_COUNT, _CONF_REGION = bytes.fromhex("000000a0"), bytes.fromhex("00007a80")
_CONF_HEAD = _CONF_MAGIC + _CONF_COUNT + _CONF_VERSION + _CONF_REGION
_SETTINGS = 0x10
# The project's BPM x 100 stands in the lower half; what else the word holds is left alone (likely).
_TEMPO_MASK = 0xFFFF
# BPM x 100 of a bank stands above one bit, its write protection.
_BANK_TEMPOS = 0x40
# 127 - volume, 16 bits each; of two banks in a word the second stands in front (likely: two readers).
_BANK_VOLUMES = 0x6C
_FULL_VOLUME = 127
# Settings by the number of their word, as devices have them; nobody knows what they mean (likely: one reader).
_SETTINGS_SEEN = {3: 64, 4: 64, 5: 64, 7: 32, 8: 32, 9: 32, 10: 32, 11: 32}
_NAME, _NAME_BYTES = 0x80, 32
_RECORDS, _RECORD_BYTES = 0xA0, 172
_PAD_NAMES, _PAD_NAME_BYTES = 0x6C20, 24
# 16 chop points in frames, then 16 words that are 0 (likely: two readers).
_CHOPS, _CHOPS_BYTES, _CHOP_POINTS, _NO_CHOP = 0x7B20, 128, 16, 0xFFFFFFFF
# What an empty pad's record holds, by the number of the word; the rest is 0.
_EMPTY = {3: 127, 4: 1, 6: 1, 9: 9_000, 16: 10_000, 17: 1, 18: 64, 20: 1, 21: 2, 23: 100}
_LOOP_ON = 0x7FFFFFFF
_ONE_SHOT = 0x20

_SMP_MAGIC = b"RFWV"
_SMP_HEAD_BYTES = 512
# MD5 of bytes 4 to 19, all that says what the file is.
_SMP_SAID, _SMP_DIGEST = slice(4, 20), slice(0x20, 0x30)
_SAMPLE_BYTES = BITS // 8
_MOST_SMP_BYTES = _SMP_HEAD_BYTES + MAX_FRAMES * 2 * _SAMPLE_BYTES

# Tempos that the device can be set to, BPM x 100 (likely); a sample's tempo outside is played at twice or half of it.
_TEMPO_MIN, _TEMPO_MAX = (100 * tempo for tempo in PROJECT_TEMPOS)
# Folders below EXPORT/PROJECT that the device looks for (Roland's reference manual: sure).
_FOLDER = re.compile(r"PROJECT_(0[1-9]|1[0-6])", re.ASCII)
# What is not in the set of characters that play (likely).
_UNSAFE = re.compile(r"[^a-zA-Z0-9_!&()+,.=@\[\]{} -]+")


class Field(IntEnum):
    """A word of a pad's record, by its number. Offsets are bytes of the SMP file, its header included."""

    SIZE = 0  # of the SMP file; 0: no sample
    START = 1
    END = 2
    LEVEL = 3  # 0 to 127
    GATE = 4
    LOOP = 5  # 0x7FFFFFFF: on
    MUTE_GROUP = 7
    BPM_SYNC = 8
    BPM = 9  # x 100
    FLAGS = 10  # 0x20: one-shot
    LOOP_TOP = 11  # offset
    PITCH = 13
    FINE = 14
    PLAY_MODE = 15
    SPEED = 16  # per cent x 100
    PAN = 18  # 64: centre
    LINK = 19
    BUS = 20


# ---- what is asked for ----


@dataclass(frozen=True)
class Pad:
    """A sample on a pad. ``sound``: path of a 48 kHz 16-bit file; ``bpm``: None when unknown.

    ``gate``: it plays while the pad is held; never so for a one-shot.
    """

    bank: str
    pad: int
    name: str
    sound: str
    _: KW_ONLY
    bpm: float | None = None
    one_shot: bool = False
    loop: bool = False
    bpm_sync: bool = False
    gate: bool = True


@dataclass(frozen=True)
class Project:
    """``tempo`` in BPM: the project's, and that of every bank."""

    name: str
    tempo: float
    pads: tuple[Pad, ...]


@dataclass(frozen=True)
class _Sound:
    """What was written for a pad: ``pcm_hash`` is BLAKE3 of the samples."""

    channels: int
    size: int
    pcm_hash: str


# ---- PADCONF.BIN ----


@dataclass(frozen=True)
class PadConf:
    """The bytes of a ``PADCONF.BIN``, as ``parse_padconf`` has checked them. Banks are A to J, pads 1 to 16."""

    data: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        return self.data

    @property
    def name(self) -> str:
        return _text(self.data[_NAME : _NAME + _NAME_BYTES])

    @property
    def tempo(self) -> float:
        """BPM."""
        return (self._word(_SETTINGS) & _TEMPO_MASK) / 100

    def bank_tempo(self, bank: str) -> float:
        """BPM."""
        return (self._word(_BANK_TEMPOS + 4 * _bank(bank)) >> 1 & _TEMPO_MASK) / 100

    def is_protected(self, bank: str) -> bool:
        return bool(self._word(_BANK_TEMPOS + 4 * _bank(bank)) & 1)

    def bank_volume(self, bank: str) -> int:
        """0 to 127."""
        pair, second = divmod(_bank(bank), 2)
        stored = self._word(_BANK_VOLUMES + 4 * pair) >> 16 * second & 0xFFFF
        return max(_FULL_VOLUME - stored, 0)

    def pad_name(self, bank: str, pad: int) -> str:
        start = _PAD_NAMES + _slot(bank, pad) * _PAD_NAME_BYTES
        return _text(self.data[start : start + _PAD_NAME_BYTES])

    def word(self, bank: str, pad: int, number: Field | int) -> int:
        """A word of the pad's record, unsigned, as it stands there."""
        if not 0 <= number < _RECORD_BYTES // 4:
            raise ProjectError(path=_CONF, what=f"a pad's record has no word {number}", fix="Words are 0 to 42.")
        return self._word(_RECORDS + _slot(bank, pad) * _RECORD_BYTES + 4 * number)

    def chops(self, bank: str, pad: int) -> tuple[int, ...]:
        """Frames at which the sample is chopped."""
        points = struct.unpack_from(f">{_CHOP_POINTS}I", self.data, _CHOPS + _slot(bank, pad) * _CHOPS_BYTES)
        return tuple(point for point in points if point != _NO_CHOP)

    def _word(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + 4], "big")


def parse_padconf(data: bytes, path: str = _CONF) -> PadConf:
    """``path`` is for the error's text. Raises ProjectError."""
    if data[:4] != _CONF_MAGIC:
        raise _unreadable(path, "it does not begin as a PADCONF.BIN does (RFPD)")
    if len(data) >= 12 and data[8:12] != _CONF_VERSION:
        fix = "Save the project once more on a device with a newer system, and take that file."
        raise _unreadable(path, f"its version is {data[8:12].hex()}, and only {_CONF_VERSION.hex()} is known", fix)
    if len(data) != _CONF_BYTES:
        raise _unreadable(path, f"it has {len(data):,} bytes, not {_CONF_BYTES:,}")
    if data[:16] != _CONF_HEAD:
        raise _unreadable(path, "its header describes another layout")
    return PadConf(bytes(data))


def _padconf(project: Project, name: str, sounds: Mapping[int, _Sound]) -> PadConf:
    """``sounds`` by slot."""
    tempo = _hundredths(project.tempo)
    data = bytearray(_CONF_BYTES)
    data[:16] = _CONF_HEAD
    for number, value in (_SETTINGS_SEEN | {0: tempo}).items():
        struct.pack_into(">I", data, _SETTINGS + 4 * number, value)
    struct.pack_into(f">{len(BANKS)}I", data, _BANK_TEMPOS, *[tempo << 1] * len(BANKS))
    data[_NAME : _NAME + _NAME_BYTES] = _padded(name, _NAME_BYTES)
    pads = {_slot(pad.bank, pad.pad): pad for pad in project.pads}
    for slot in range(PADS_PER_KIT):
        pad = pads.get(slot)
        for number, value in (_record(pad, sounds[slot]) if pad else _EMPTY).items():
            struct.pack_into(">I", data, _RECORDS + slot * _RECORD_BYTES + 4 * number, value)
        start = _PAD_NAMES + slot * _PAD_NAME_BYTES
        data[start : start + _PAD_NAME_BYTES] = _padded(_pad_name(pad) if pad else "", _PAD_NAME_BYTES)
        struct.pack_into(f">{_CHOP_POINTS}I", data, _CHOPS + slot * _CHOPS_BYTES, *[_NO_CHOP] * _CHOP_POINTS)
    return PadConf(bytes(data))


def _record(pad: Pad, sound: _Sound) -> dict[int, int]:
    """The words of a pad's record that are not 0, by their numbers."""
    return _EMPTY | {
        Field.SIZE: sound.size,
        Field.START: _SMP_HEAD_BYTES,
        Field.END: sound.size,
        # Roland's program, too, takes the gate away from a one-shot (likely).
        Field.GATE: int(pad.gate and not pad.one_shot),
        Field.LOOP: _LOOP_ON if pad.loop else 0,
        Field.BPM_SYNC: int(pad.bpm_sync),
        Field.BPM: _EMPTY[Field.BPM] if pad.bpm is None else _playable(pad.bpm),
        Field.FLAGS: _ONE_SHOT if pad.one_shot else 0,
        Field.LOOP_TOP: _SMP_HEAD_BYTES,
    }


def _hundredths(bpm: float) -> int:
    return round(bpm * 100)


def _playable(bpm: float) -> int:
    """BPM x 100 that the device can be set to: the same beat, counted twice as fast or half as fast if need be."""
    while _hundredths(bpm) < _TEMPO_MIN:
        bpm *= 2
    while _hundredths(bpm) > _TEMPO_MAX:
        bpm /= 2
    return _hundredths(bpm)


def _bank(bank: str) -> int:
    """0 for A. Raises ProjectError."""
    if len(bank) != 1 or bank not in BANKS:
        raise ProjectError(path=f"bank {bank}", what="there is no such bank", fix="Banks are A to J.")
    return BANKS.index(bank)


def _slot(bank: str, pad: int) -> int:
    """0 for A1, 159 for J16. Raises ProjectError."""
    if not 1 <= pad <= PADS_PER_BANK:
        raise ProjectError(path=f"pad {bank}{pad}", what="there is no such pad", fix="Pads are 1 to 16.")
    return _bank(bank) * PADS_PER_BANK + pad - 1


# ---- names ----


def device_name(text: str, most_chars: int = _PAD_NAME_BYTES - 1) -> str:
    """ASCII that the device can show, at most so long; "" if no letter or digit is left.

    The end is kept, from a word on: a pack's name stands in front, what tells samples apart behind.
    """
    name = _ascii(text)
    if len(name) > most_chars:
        tail = name[-most_chars:]
        words = tail if name[-most_chars - 1] in " _-" else re.sub(r"^[^ _-]*[ _-]+", "", tail)
        name = (words if _is_word(words) and len(words) > most_chars // 2 else tail).strip(" _-")
    return name if _is_word(name) else ""


def _ascii(text: str) -> str:
    # F#m is another key than Fm.
    spelt = unicodedata.normalize("NFKD", text.replace("#", "s").replace("\u266f", "s"))
    plain = "".join(c for c in spelt if not unicodedata.combining(c))
    return _UNSAFE.sub("_", plain).strip(" _")


def _is_word(name: str) -> bool:
    return any(c.isalnum() for c in name)


def _pad_name(pad: Pad) -> str:
    return device_name(pad.name) or f"{pad.bank}-{pad.pad}"


def _project_name(project: Project, folder: str) -> str:
    """That of the folder, as the device would call it, if the project's own cannot be shown."""
    name = _ascii(project.name)[: _NAME_BYTES - 1].strip(" _")
    return name if _is_word(name) else os.path.basename(folder)


def _padded(name: str, length: int) -> bytes:
    """Spaces up to the last byte, which is NUL."""
    return name.encode("ascii").ljust(length - 1)[: length - 1] + b"\0"


def _text(stored: bytes) -> str:
    return stored.split(b"\0")[0].decode("ascii", "replace").rstrip(" ")


# ---- SMP ----


@dataclass(frozen=True)
class Smp:
    """A sample: ``pcm`` is signed 16-bit, interleaved, big-endian, at 48 kHz."""

    channels: int
    pcm: memoryview = field(repr=False)

    @property
    def frames(self) -> int:
        return len(self.pcm) // (_SAMPLE_BYTES * self.channels)


def smp_name(bank: str, pad: int) -> str:
    return f"BANK{_bank(bank) + 1}-{_slot(bank, pad) % PADS_PER_BANK + 1:02d}.SMP"


def parse_smp(data: bytes, path: str = "SMP") -> Smp:
    """``path`` is for the error's text. Raises ProjectError."""
    if data[:4] != _SMP_MAGIC:
        raise _unreadable(path, "it does not begin as a sample of the device does (RFWV)")
    if len(data) < _SMP_HEAD_BYTES:
        raise _unreadable(path, f"it ends after {len(data)} bytes, within its header")
    size, rate_hz, channels, bits = struct.unpack(">4I", data[_SMP_SAID])
    if hashlib.md5(data[_SMP_SAID], usedforsecurity=False).digest() != data[_SMP_DIGEST]:
        raise _unreadable(path, "its header does not match the checksum in it")
    if (rate_hz, bits) != (RATE_HZ, BITS) or channels not in (1, 2):
        raise _unreadable(path, f"it is {rate_hz} Hz, {bits}-bit, {channels} channels: no device writes that")
    if size != len(data) - 8:
        raise _unreadable(path, f"it has {len(data):,} bytes, and its header says {size + 8:,}")
    smp = Smp(channels, memoryview(data)[_SMP_HEAD_BYTES:])
    if len(smp.pcm) % (_SAMPLE_BYTES * channels):
        raise _unreadable(path, "it ends within a frame")
    if smp.frames > MAX_FRAMES:
        raise _unreadable(path, f"it has {smp.frames:,} frames, and the device plays {MAX_FRAMES:,}")
    return smp


def read_smp(path: str) -> Smp:
    """Raises ProjectError."""
    return parse_smp(_bytes_of(path, _MOST_SMP_BYTES), path)


def write_smp(path: str, channels: int, pcm: bytes | memoryview) -> int:
    """Write a new file, and give its size in bytes. ``pcm`` as in ``Smp``. Raises ProjectError or OSError."""
    what = _wrong_with(channels, pcm)
    if what:
        raise ProjectError(path=path, what=what, fix="Export the sample, and take the exported file.")
    size = _SMP_HEAD_BYTES + len(pcm)
    head = bytearray(_SMP_HEAD_BYTES)
    struct.pack_into(">4s4I", head, 0, _SMP_MAGIC, size - 8, RATE_HZ, channels, BITS)
    head[_SMP_DIGEST] = hashlib.md5(head[_SMP_SAID], usedforsecurity=False).digest()
    with create_exclusively(path) as file:
        write_all(file, bytes(head))
        write_all(file, pcm)
    return size


def _wrong_with(channels: int, pcm: bytes | memoryview) -> str:
    if channels not in (1, 2):
        return f"it has {channels} channels, and the device plays one or two"
    frames, rest = divmod(len(pcm), _SAMPLE_BYTES * channels)
    if rest:
        return "it ends within a frame"
    if not frames:
        return "there is no sound in it"
    return f"it has {frames:,} frames, and the device plays {MAX_FRAMES:,}" if frames > MAX_FRAMES else ""


def _bytes_of(path: str, most_bytes: int) -> bytes:
    try:
        if not is_regular(path):
            raise _unreadable(path, "it is not a file")
        if os.path.getsize(path) > most_bytes:
            raise _unreadable(path, f"it has more than {most_bytes:,} bytes")
        with open(path, "rb") as file:
            return file.read(most_bytes + 1)
    except OSError as error:
        raise _unreadable(path, f"it cannot be read: {error.strerror or error}") from error


def _unreadable(path: str, what: str, fix: str = "Take the project from the device or from its backup again.") -> ProjectError:
    return ProjectError(path=path, what=what, fix=fix)


# ---- the folder ----


def write_project(project: Project, folder: str, read_pcm: ReadPcm) -> None:
    """Write ``folder``, ``PROJECT_01`` to ``PROJECT_16``, which must not exist: all of it, read again and compared, or nothing.

    Raises ProjectError or SurroundingsError. A kill leaves, beside it, a ``.sp404-*.part`` folder that may be removed.
    """
    folder = os.path.abspath(folder)
    _check(project, folder)
    name = _project_name(project, folder)
    try:
        with _in_the_making(folder) as part:
            for inner in (_SAMPLES, _PATTERNS, _PICTURES):
                os.mkdir(os.path.join(part, inner))
            pads = {_slot(pad.bank, pad.pad): pad for pad in project.pads}
            sounds = {slot: _written(pads[slot], part, read_pcm) for slot in sorted(pads)}
            with create_exclusively(os.path.join(part, _CONF)) as file:
                write_all(file, _padconf(project, name, sounds).to_bytes())
            sync_file_system(part)
            difference = _difference(project, name, sounds, part)
            if difference:
                fix = "Nothing of it was kept. Check the card or the disk, then run the same command again."
                raise ProjectError(path=folder, what=f"read back, it is not what was written: {difference}", fix=fix)
            _take_place(part, folder)
    except OSError as error:
        failure = write_failure(folder, error)
        if isinstance(failure, SurroundingsError):
            raise failure from error
        fix = "Choose another folder, then run the same command again."
        raise ProjectError(path=folder, what=f"it cannot be written: {error.strerror or error}", fix=fix) from error


def _check(project: Project, folder: str) -> None:
    """Everything that can be known before anything is written."""
    if not _FOLDER.fullmatch(os.path.basename(folder)):
        raise ProjectError(path=folder, what="the device does not look there", fix="Name the folder PROJECT_01 to PROJECT_16.")
    if os.path.lexists(folder):
        raise _taken(folder)
    if not (math.isfinite(project.tempo) and _TEMPO_MIN <= _hundredths(project.tempo) <= _TEMPO_MAX):
        what = f"a tempo of {project.tempo:g} BPM cannot be set on the device"
        raise ProjectError(path=folder, what=what, fix=f"Choose {_TEMPO_MIN // 100} to {_TEMPO_MAX // 100} BPM.")
    if not project.pads:
        raise ProjectError(path=folder, what="there is no sample to put into it", fix="Put samples on pads of a kit.")
    slots: dict[int, Pad] = {}
    for pad in project.pads:
        slot = _slot(pad.bank, pad.pad)
        where = f"{folder}, pad {pad.bank}{pad.pad}"
        if slot in slots:
            raise ProjectError(path=where, what="two samples want it", fix="Give one of them another pad.")
        slots[slot] = pad
        if pad.bpm is not None and not BPM_MIN <= pad.bpm <= BPM_MAX:
            raise ProjectError(path=where, what=f"{pad.bpm:g} is not a tempo", fix=f"Give {BPM_MIN} to {BPM_MAX} BPM, or none.")
        if pad.one_shot and pad.loop:
            raise ProjectError(path=where, what="it cannot be both a one-shot and a loop", fix="Choose one of the two.")
        if pad.bpm_sync and pad.bpm is None:
            raise ProjectError(path=where, what="without its tempo it cannot follow the project's", fix="Give its BPM.")


def _taken(folder: str) -> ProjectError:
    fix = "It was not changed. Move it away, or choose another of PROJECT_01 to PROJECT_16."
    return ProjectError(path=folder, what="something is there already", fix=fix)


@contextmanager
def _in_the_making(folder: str) -> Iterator[str]:
    """A folder beside ``folder``; gone, with the folders made above it, if what fills it fails."""
    parent = standing = os.path.dirname(folder)
    while not os.path.lexists(standing):
        standing = os.path.dirname(standing)
    part = os.path.join(parent, part_name(uuid.uuid4().hex, 0))
    try:
        os.makedirs(parent, exist_ok=True)
        os.mkdir(part)
        yield part
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        remove_empty_folders(parent, standing)
        raise


def _written(pad: Pad, part: str, read_pcm: ReadPcm) -> _Sound:
    try:
        channels, pcm = read_pcm(pad.sound)
    except SampleError as error:
        raise ProjectError(path=pad.sound, what=str(error), fix=error.fix) from error
    except OSError as error:
        fix = "Check the path and that you may read the file."
        raise ProjectError(path=pad.sound, what=f"it cannot be read: {error.strerror or error}", fix=fix) from error
    what = _wrong_with(channels, pcm)
    if what:
        raise ProjectError(path=pad.sound, what=what, fix="Export the sample, and take the exported file.")
    size = write_smp(os.path.join(part, _SAMPLES, smp_name(pad.bank, pad.pad)), channels, pcm)
    return _Sound(channels, size, blake3(pcm).hexdigest())


def _difference(project: Project, name: str, sounds: Mapping[int, _Sound], part: str) -> str:
    """The first thing in ``part`` that is not as the project has it; "" if there is none. Raises ProjectError or OSError."""
    pads = {_slot(pad.bank, pad.pad): pad for pad in project.pads}
    wanted = {
        "": {_CONF, _SAMPLES, _PATTERNS, _PICTURES},
        _SAMPLES: {smp_name(pad.bank, pad.pad) for pad in project.pads},
        _PATTERNS: set(),
        _PICTURES: set(),
    }
    for inner, names in wanted.items():
        if set(os.listdir(os.path.join(part, inner))) != names:
            return f"the files in {inner or 'it'}"
    path = os.path.join(part, _CONF)
    conf = parse_padconf(_bytes_of(path, _CONF_BYTES), path)
    tempos = {_hundredths(conf.tempo), *(_hundredths(conf.bank_tempo(bank)) for bank in BANKS)}
    if conf.name != name or tempos != {_hundredths(project.tempo)} or any(map(conf.is_protected, BANKS)):
        return "name or tempo"
    for slot in range(PADS_PER_KIT):
        bank, number = BANKS[slot // PADS_PER_BANK], slot % PADS_PER_BANK + 1
        pad = pads.get(slot)
        words = _record(pad, sounds[slot]) if pad else _EMPTY
        if any(conf.word(bank, number, n) != words.get(n, 0) for n in range(_RECORD_BYTES // 4)):
            return f"the settings of pad {bank}{number}"
        if conf.pad_name(bank, number) != (_pad_name(pad) if pad else "") or conf.chops(bank, number):
            return f"the name or the chop points of pad {bank}{number}"
        if pad and not _holds(os.path.join(part, _SAMPLES, smp_name(bank, number)), sounds[slot]):
            return f"the sound of pad {bank}{number}"
    return ""


def _holds(path: str, sound: _Sound) -> bool:
    smp = read_smp(path)
    size = _SMP_HEAD_BYTES + smp.frames * _SAMPLE_BYTES * smp.channels
    return (smp.channels, size, blake3(smp.pcm).hexdigest()) == (sound.channels, sound.size, sound.pcm_hash)


def _take_place(part: str, folder: str) -> None:
    """Give the finished ``part`` its name, unless something has it by now. Raises ProjectError or OSError.

    A rename would take the place of an empty folder without a word: so it takes that of one made here, just before.
    """
    try:
        os.mkdir(folder)
    except FileExistsError as error:
        raise _taken(folder) from error
    try:
        os.rename(part, folder)
    except BaseException as error:
        with suppress(OSError):
            os.rmdir(folder)
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _taken(folder) from error
        raise
    sync_file_system(os.path.dirname(folder))
