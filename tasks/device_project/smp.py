"""The binary format of the device's samples, ``SMPL/*.SMP``: a header of 512 bytes, and the sound as it is.

See ``docs/device-project.md`` for what is known of it, and how sure it is.
"""

import hashlib
import os
import struct
from dataclasses import dataclass, field

from config.device import BITS, MAX_FRAMES, RATE_HZ
from schemas.errors import ProjectError
from schemas.music import PADS_PER_BANK
from tasks.device_project.padconf import bank_index, slot_of, unreadable_error
from tasks.fs.atomic import create_exclusively, write_all
from tasks.fs.file_status import is_regular

_SMP_MAGIC = b"RFWV"
SMP_HEAD_BYTES = 512
# MD5 of bytes 4 to 19, all that says what the file is.
_SMP_SAID, _SMP_DIGEST = slice(4, 20), slice(0x20, 0x30)
SAMPLE_BYTES = BITS // 8
_MAX_SMP_BYTES = SMP_HEAD_BYTES + MAX_FRAMES * 2 * SAMPLE_BYTES


@dataclass(frozen=True)
class Smp:
    """A sample: ``pcm`` is signed 16-bit, interleaved, big-endian, at 48 kHz; ``channels`` is 1 or 2."""

    channels: int
    pcm: memoryview = field(repr=False)

    @property
    def frames(self) -> int:
        """Its length in frames at 48 kHz."""
        return len(self.pcm) // (SAMPLE_BYTES * self.channels)


def smp_name(bank: str, pad: int) -> str:
    """Return the name of a pad's file: ``BANK1-01.SMP`` for A1."""
    return f"BANK{bank_index(bank) + 1}-{slot_of(bank, pad) % PADS_PER_BANK + 1:02d}.SMP"


def parse_smp(data: bytes, path: str = "SMP") -> Smp:
    """Check and split the bytes of an SMP file.

    Args:
        data: The file.
        path: For the error's text.

    Raises:
        ProjectError: It is damaged, or not what a device writes.
    """
    if data[:4] != _SMP_MAGIC:
        raise unreadable_error(path, "it does not begin as a sample of the device does (RFWV)")
    if len(data) < SMP_HEAD_BYTES:
        raise unreadable_error(path, f"it ends after {len(data)} bytes, within its header")
    size, rate_hz, channels, bits = struct.unpack(">4I", data[_SMP_SAID])
    if hashlib.md5(data[_SMP_SAID], usedforsecurity=False).digest() != data[_SMP_DIGEST]:
        raise unreadable_error(path, "its header does not match the checksum in it")
    if (rate_hz, bits) != (RATE_HZ, BITS) or channels not in (1, 2):
        raise unreadable_error(path, f"it is {rate_hz} Hz, {bits}-bit, {channels} channels: no device writes that")
    if size != len(data) - 8:
        raise unreadable_error(path, f"it has {len(data):,} bytes, and its header says {size + 8:,}")
    smp = Smp(channels, memoryview(data)[SMP_HEAD_BYTES:])
    if len(smp.pcm) % (SAMPLE_BYTES * channels):
        raise unreadable_error(path, "it ends within a frame")
    if smp.frames > MAX_FRAMES:
        raise unreadable_error(path, f"it has {smp.frames:,} frames, and the device plays {MAX_FRAMES:,}")
    return smp


def read_smp(path: str) -> Smp:
    """Read an SMP file.

    Raises:
        ProjectError: It cannot be read, is damaged, or is not what a device writes.
    """
    return parse_smp(read_bounded(path, _MAX_SMP_BYTES), path)


def write_smp(path: str, channels: int, pcm: bytes | memoryview) -> int:
    """Write a new SMP file.

    Args:
        path: The file; it must not exist.
        channels: 1 or 2.
        pcm: Signed 16-bit, interleaved, big-endian, at 48 kHz.

    Returns:
        The size of the file in bytes.

    Raises:
        ProjectError: The device cannot play it.
        OSError: It cannot be written.
    """
    what = find_fault(channels, pcm)
    if what:
        raise ProjectError(path=path, what=what, fix="Export the sample, and take the exported file.")
    size = SMP_HEAD_BYTES + len(pcm)
    head = bytearray(SMP_HEAD_BYTES)
    struct.pack_into(">4s4I", head, 0, _SMP_MAGIC, size - 8, RATE_HZ, channels, BITS)
    head[_SMP_DIGEST] = hashlib.md5(head[_SMP_SAID], usedforsecurity=False).digest()
    with create_exclusively(path) as file:
        write_all(file, bytes(head))
        write_all(file, pcm)
    return size


def find_fault(channels: int, pcm: bytes | memoryview) -> str:
    """Return why the device cannot play a sound; "" if it can. Arguments as in ``write_smp``."""
    if channels not in (1, 2):
        return f"it has {channels} channels, and the device plays one or two"
    frames, rest = divmod(len(pcm), SAMPLE_BYTES * channels)
    if rest:
        return "it ends within a frame"
    if not frames:
        return "there is no sound in it"
    return f"it has {frames:,} frames, and the device plays {MAX_FRAMES:,}" if frames > MAX_FRAMES else ""


def read_bounded(path: str, max_bytes: int) -> bytes:
    """Read a file of the device.

    Raises:
        ProjectError: It cannot be read, is not a regular file, or has more than ``max_bytes``.
    """
    try:
        if not is_regular(path):
            raise unreadable_error(path, "it is not a file")
        if os.path.getsize(path) > max_bytes:
            raise unreadable_error(path, f"it has more than {max_bytes:,} bytes")
        with open(path, "rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise unreadable_error(path, f"it cannot be read: {error.strerror or error}") from error
