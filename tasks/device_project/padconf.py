"""The binary format of ``PADCONF.BIN``: a project's tempos, and a record, a name and chop points for each pad.

The format is nowhere published; ``docs/device-project.md`` says what is known of it, from where, and how sure it is. What
nobody understands is kept as it stands: a ``PadConf`` is the file's bytes, its fields are views on them. Where nothing is
said, it is sure: files that devices wrote, and several readers agree. Words are 32 bits, big-endian.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from schemas.errors import ProjectError
from schemas.music import BANKS, PADS_PER_BANK, PADS_PER_KIT

PADCONF = "PADCONF.BIN"
PADCONF_BYTES = 52_000
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
# One byte is the NUL behind it.
NAME_CHARS = _NAME_BYTES - 1
_RECORDS, _RECORD_BYTES = 0xA0, 172
RECORD_WORDS = _RECORD_BYTES // 4
_PAD_NAMES, _PAD_NAME_BYTES = 0x6C20, 24
PAD_NAME_CHARS = _PAD_NAME_BYTES - 1
# 16 chop points in frames, then 16 words that are 0 (likely: two readers).
_CHOPS, _CHOPS_BYTES, _CHOP_POINTS, _NO_CHOP = 0x7B20, 128, 16, 0xFFFFFFFF
# What an empty pad's record holds, by the number of the word; the rest is 0.
EMPTY_RECORD = {3: 127, 4: 1, 6: 1, 9: 9_000, 16: 10_000, 17: 1, 18: 64, 20: 1, 21: 2, 23: 100}
LOOP_ON = 0x7FFFFFFF
ONE_SHOT = 0x20


class PadField(IntEnum):
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


@dataclass(frozen=True)
class PadRecord:
    """The record to write for a pad: its name, and the words that are not 0, by their numbers."""

    name: str
    words: Mapping[int, int]


EMPTY_PAD = PadRecord("", EMPTY_RECORD)


@dataclass(frozen=True)
class PadConf:
    """The bytes of a ``PADCONF.BIN``, as ``parse_padconf`` has checked them.

    Banks are A to J, pads 1 to 16; any other raises ProjectError.
    """

    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The project's name."""
        return _text(self.data[_NAME : _NAME + _NAME_BYTES])

    @property
    def tempo(self) -> float:
        """The project's tempo in BPM."""
        return (self._word(_SETTINGS) & _TEMPO_MASK) / 100

    def bank_tempo(self, bank: str) -> float:
        """Return a bank's tempo in BPM."""
        return (self._word(_BANK_TEMPOS + 4 * bank_index(bank)) >> 1 & _TEMPO_MASK) / 100

    def is_protected(self, bank: str) -> bool:
        """Return whether a bank is write-protected."""
        return bool(self._word(_BANK_TEMPOS + 4 * bank_index(bank)) & 1)

    def bank_volume(self, bank: str) -> int:
        """Return a bank's volume, 0 to 127."""
        pair, second = divmod(bank_index(bank), 2)
        stored = self._word(_BANK_VOLUMES + 4 * pair) >> 16 * second & 0xFFFF
        return max(_FULL_VOLUME - stored, 0)

    def pad_name(self, bank: str, pad: int) -> str:
        """Return a pad's name."""
        start = _PAD_NAMES + slot_of(bank, pad) * _PAD_NAME_BYTES
        return _text(self.data[start : start + _PAD_NAME_BYTES])

    def word(self, bank: str, pad: int, number: PadField | int) -> int:
        """Return a word of the pad's record, unsigned, as it stands there.

        Raises:
            ProjectError: A record has no such word.
        """
        if not 0 <= number < RECORD_WORDS:
            raise ProjectError(path=PADCONF, what=f"a pad's record has no word {number}", fix="Words are 0 to 42.")
        return self._word(_RECORDS + slot_of(bank, pad) * _RECORD_BYTES + 4 * number)

    def chops(self, bank: str, pad: int) -> tuple[int, ...]:
        """Return the frames at which the sample is chopped."""
        points = struct.unpack_from(f">{_CHOP_POINTS}I", self.data, _CHOPS + slot_of(bank, pad) * _CHOPS_BYTES)
        return tuple(point for point in points if point != _NO_CHOP)

    def _word(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + 4], "big")


def parse_padconf(data: bytes, path: str = PADCONF) -> PadConf:
    """Check the bytes of a ``PADCONF.BIN``.

    Args:
        data: The file.
        path: For the error's text.

    Raises:
        ProjectError: It is damaged, or of an unknown version.
    """
    if data[:4] != _CONF_MAGIC:
        raise unreadable_error(path, "it does not begin as a PADCONF.BIN does (RFPD)")
    if len(data) >= 12 and data[8:12] != _CONF_VERSION:
        fix = "Save the project once more on a device with a newer system, and take that file."
        raise unreadable_error(path, f"its version is {data[8:12].hex()}, and only {_CONF_VERSION.hex()} is known", fix)
    if len(data) != PADCONF_BYTES:
        raise unreadable_error(path, f"it has {len(data):,} bytes, not {PADCONF_BYTES:,}")
    if data[:16] != _CONF_HEAD:
        raise unreadable_error(path, "its header describes another layout")
    return PadConf(bytes(data))


def encode_padconf(name: str, tempo: int, records: Mapping[int, PadRecord]) -> PadConf:
    """Encode a project.

    Args:
        name: ASCII, at most 31 bytes; the rest is cut off.
        tempo: BPM x 100 of the project and of every bank.
        records: Pads by their slot; all others are empty.
    """
    data = bytearray(PADCONF_BYTES)
    data[:16] = _CONF_HEAD
    for number, value in (_SETTINGS_SEEN | {0: tempo}).items():
        struct.pack_into(">I", data, _SETTINGS + 4 * number, value)
    struct.pack_into(f">{len(BANKS)}I", data, _BANK_TEMPOS, *[tempo << 1] * len(BANKS))
    data[_NAME : _NAME + _NAME_BYTES] = _pad_with_zeros(name, _NAME_BYTES)
    for slot in range(PADS_PER_KIT):
        record = records.get(slot, EMPTY_PAD)
        for number, value in record.words.items():
            struct.pack_into(">I", data, _RECORDS + slot * _RECORD_BYTES + 4 * number, value)
        start = _PAD_NAMES + slot * _PAD_NAME_BYTES
        data[start : start + _PAD_NAME_BYTES] = _pad_with_zeros(record.name, _PAD_NAME_BYTES)
        struct.pack_into(f">{_CHOP_POINTS}I", data, _CHOPS + slot * _CHOPS_BYTES, *[_NO_CHOP] * _CHOP_POINTS)
    return PadConf(bytes(data))


def bank_index(bank: str) -> int:
    """Return the number of a bank, 0 for A.

    Raises:
        ProjectError: There is no such bank.
    """
    if len(bank) != 1 or bank not in BANKS:
        raise ProjectError(path=f"bank {bank}", what="there is no such bank", fix="Banks are A to J.")
    return BANKS.index(bank)


def slot_of(bank: str, pad: int) -> int:
    """Return the number of a pad among all, 0 for A1, 159 for J16.

    Raises:
        ProjectError: There is no such pad.
    """
    if not 1 <= pad <= PADS_PER_BANK:
        raise ProjectError(path=f"pad {bank}{pad}", what="there is no such pad", fix="Pads are 1 to 16.")
    return bank_index(bank) * PADS_PER_BANK + pad - 1


def unreadable_error(
    path: str, what: str, fix: str = "Take the project from the device or from its backup again."
) -> ProjectError:
    """Return the error of a file that does not have the device's format."""
    return ProjectError(path=path, what=what, fix=fix)


def _pad_with_zeros(name: str, length: int) -> bytes:
    """Fill up with spaces to the last byte, which is NUL."""
    return name.encode("ascii").ljust(length - 1)[: length - 1] + b"\0"


def _text(stored: bytes) -> str:
    return stored.split(b"\0")[0].decode("ascii", "replace").rstrip(" ")
