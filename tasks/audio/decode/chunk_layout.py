"""Describe the layout of a file of chunks: the place of its sound, how to unpack it, and the chunks beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SampleFormat:
    """The storage format of plain samples. ``code``: byte order and kind (``<i``, ``>f``, ``<u``); ``bits``: 8 to 64."""

    code: str
    bits: int
    channels: int
    rate_hz: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame, of all channels."""
        return self.bits // 8 * self.channels

    @property
    def subtype(self) -> str:
        """The subtype, as libsndfile names it."""
        if self.code[1] == "f":
            return "FLOAT" if self.bits == 32 else "DOUBLE"
        if self.bits == 8:
            return "PCM_U8" if self.code[1] == "u" else "PCM_S8"
        return f"PCM_{self.bits}"


@dataclass(frozen=True)
class ExtraChunks:
    """Chunks of a WAV file beside its sound, as they stand there without id and length; b"" where there is none."""

    smpl: bytes = b""
    cue: bytes = b""
    acid: bytes = b""
    ixml: bytes = b""


@dataclass(frozen=True)
class PacketTable:
    """The packet table of a CAF file (``pakt``), in frames: the sound, what the encoder put around it, and a whole packet.

    Where nothing was put in front or behind, some programs count the last packet, which is shorter, as a whole one.
    """

    frames: int
    priming: int
    remainder: int
    packet_frames: int


@dataclass(frozen=True)
class ChunkLayout:
    """The place of the sound's bytes in a file.

    Attributes:
        start: The offset of the first.
        there: How many of them the file has.
        promised: How many the header says there are; None where it does not know.
        form: How to unpack them; None where it takes more than unpacking.
        extras: The chunks beside them.
        by_ffmpeg: libsndfile cannot read them, or prints what it thinks of damage (MPEG in a WAV, ALAC in a CAF).
        is_ogg: They are an Ogg stream.
        speakers: The speaker of each channel (``tasks.audio.decode.speakers``).
        counted: How many frames a codec of blocks holds, by ``fact``; None where the bytes contradict it.
        block_frames: How many frames such a block has.
        packets: The packet table of a CAF file.
        is_unaligned: Whether its encoder puts silence in front, and the file does not say how much.
        note: What the user should know of how the length was found.
    """

    start: int
    there: int
    promised: int | None
    form: SampleFormat | None
    extras: ExtraChunks = ExtraChunks()
    by_ffmpeg: bool = False
    is_ogg: bool = False
    speakers: tuple[str, ...] = ()
    counted: int | None = None
    block_frames: int = 0
    packets: PacketTable | None = None
    is_unaligned: bool = False
    note: str = ""

    @property
    def whole(self) -> bool:
        """True if all frames are there that the header promises."""
        frame_bytes = self.form.frame_bytes if self.form else 1  # part of a frame was never one
        return self.promised is None or self.there // frame_bytes >= self.promised // frame_bytes
