"""Write a project folder for the SP-404MKII: ``PADCONF.BIN``, ``SMPL/*.SMP``. Experimental: none was tried on a device."""

import errno
import math
import os
import re
import shutil
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass

from blake3 import blake3

from config.device import PROJECT_TEMPOS
from schemas.errors import ProjectError, SampleError, SurroundingsError, write_failure
from schemas.music import BANKS, BPM_MAX, BPM_MIN, PADS_PER_BANK, PADS_PER_KIT
from tasks.device_project.padconf import (
    EMPTY_PAD,
    EMPTY_RECORD,
    LOOP_ON,
    NAME_CHARS,
    ONE_SHOT,
    PAD_NAME_CHARS,
    PADCONF,
    PADCONF_BYTES,
    RECORD_WORDS,
    PadField,
    PadRecord,
    encode_padconf,
    parse_padconf,
    slot_of,
)
from tasks.device_project.smp import SAMPLE_BYTES, SMP_HEAD_BYTES, find_fault, read_bounded, read_smp, smp_name, write_smp
from tasks.fs.atomic import create_exclusively, part_name, remove_empty_folders, sync_file_system, write_all

# Channels (1 or 2), and signed 16-bit samples at 48 kHz, interleaved, big-endian, of the file at a path.
ReadPcm = Callable[[str], tuple[int, bytes]]

_SAMPLES, _PATTERNS, _PICTURES = "SMPL", "PTN", "PICTURE"
# Tempos that the device can be set to, BPM x 100 (likely); a sample's tempo outside is played at twice or half of it.
_TEMPO_MIN, _TEMPO_MAX = (100 * tempo for tempo in PROJECT_TEMPOS)
# Folders below EXPORT/PROJECT that the device looks for (Roland's reference manual: sure).
_FOLDER = re.compile(r"PROJECT_(0[1-9]|1[0-6])", re.ASCII)
# What is not in the set of characters that play (likely).
_UNSAFE = re.compile(r"[^a-zA-Z0-9_!&()+,.=@\[\]{} -]+")


@dataclass(frozen=True)
class ProjectPad:
    """A sample on a pad: banks are A to J, pads 1 to 16.

    Attributes:
        sound: Path of a 48 kHz 16-bit file.
        bpm: None when unknown.
        gate: It plays while the pad is held; never so for a one-shot.
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
    """A project to write. ``tempo`` in BPM: the project's, and that of every bank."""

    name: str
    tempo: float
    pads: tuple[ProjectPad, ...]


@dataclass(frozen=True)
class _Sound:
    """The sound that was written for a pad: ``pcm_hash`` is BLAKE3 of the samples."""

    channels: int
    size: int
    pcm_hash: str


# ---- records ----


def _records(pads: Mapping[int, ProjectPad], sounds: Mapping[int, _Sound]) -> dict[int, PadRecord]:
    """Return what ``PADCONF.BIN`` says of the pads, by slot."""
    return {slot: PadRecord(_pad_name(pad), _record_words(pad, sounds[slot])) for slot, pad in pads.items()}


def _record_words(pad: ProjectPad, sound: _Sound) -> dict[int, int]:
    """Return the words of a pad's record that are not 0, by their numbers."""
    return EMPTY_RECORD | {
        PadField.SIZE: sound.size,
        PadField.START: SMP_HEAD_BYTES,
        PadField.END: sound.size,
        # Roland's program, too, takes the gate away from a one-shot (likely).
        PadField.GATE: int(pad.gate and not pad.one_shot),
        PadField.LOOP: LOOP_ON if pad.loop else 0,
        PadField.BPM_SYNC: int(pad.bpm_sync),
        PadField.BPM: EMPTY_RECORD[PadField.BPM] if pad.bpm is None else _device_tempo(pad.bpm),
        PadField.FLAGS: ONE_SHOT if pad.one_shot else 0,
        PadField.LOOP_TOP: SMP_HEAD_BYTES,
    }


def _hundredths(bpm: float) -> int:
    return round(bpm * 100)


def _device_tempo(bpm: float) -> int:
    """Return BPM x 100 that the device can be set to: the same beat, counted twice as fast or half as fast if need be."""
    while _hundredths(bpm) < _TEMPO_MIN:
        bpm *= 2
    while _hundredths(bpm) > _TEMPO_MAX:
        bpm /= 2
    return _hundredths(bpm)


# ---- names ----


def device_name(text: str, max_chars: int = PAD_NAME_CHARS) -> str:
    """Return ``text`` as ASCII that the device can show.

    The end is kept, from a word on: a pack's name stands in front, what tells samples apart behind.

    Args:
        text: A title in any script.
        max_chars: What the device has room for.

    Returns:
        At most ``max_chars`` characters; "" where no letter or digit is left.
    """
    name = _ascii(text)
    if len(name) > max_chars:
        tail = name[-max_chars:]
        words = tail if name[-max_chars - 1] in " _-" else re.sub(r"^[^ _-]*[ _-]+", "", tail)
        name = (words if _is_word(words) and len(words) > max_chars // 2 else tail).strip(" _-")
    return name if _is_word(name) else ""


def _ascii(text: str) -> str:
    # F#m is another key than Fm.
    spelt = unicodedata.normalize("NFKD", text.replace("#", "s").replace("\u266f", "s"))
    plain = "".join(c for c in spelt if not unicodedata.combining(c))
    return _UNSAFE.sub("_", plain).strip(" _")


def _is_word(name: str) -> bool:
    return any(c.isalnum() for c in name)


def _pad_name(pad: ProjectPad) -> str:
    return device_name(pad.name) or f"{pad.bank}-{pad.pad}"


def _project_name(project: Project, folder: str) -> str:
    """Return the project's name; or that of the folder, as the device would call it, where the project's cannot be shown."""
    name = _ascii(project.name)[:NAME_CHARS].strip(" _")
    return name if _is_word(name) else os.path.basename(folder)


# ---- the folder ----


def write_project(project: Project, folder: str, read_pcm: ReadPcm) -> None:
    """Write a project folder, read it again and compare it: all of it is there in the end, or nothing.

    A kill leaves, beside it, a ``.sp404-*.part`` folder that may be removed.

    Args:
        project: What is to be on the pads.
        folder: ``PROJECT_01`` to ``PROJECT_16``; it must not exist.
        read_pcm: Reads the sound of a pad.

    Raises:
        ProjectError: The project cannot be written like this, or was not read back as written.
        SurroundingsError: The disk is full or gone.
    """
    folder = os.path.abspath(folder)
    _check(project, folder)
    name = _project_name(project, folder)
    try:
        with _temporary_folder(folder) as part:
            for inner in (_SAMPLES, _PATTERNS, _PICTURES):
                os.mkdir(os.path.join(part, inner))
            pads = {slot_of(pad.bank, pad.pad): pad for pad in project.pads}
            sounds = {slot: _write_sound(pads[slot], part, read_pcm) for slot in sorted(pads)}
            with create_exclusively(os.path.join(part, PADCONF)) as file:
                write_all(file, encode_padconf(name, _hundredths(project.tempo), _records(pads, sounds)).data)
            sync_file_system(part)
            difference = _find_difference(project, name, sounds, part)
            if difference:
                fix = "Nothing of it was kept. Check the card or the disk, then run the same command again."
                raise ProjectError(path=folder, what=f"read back, it is not what was written: {difference}", fix=fix)
            _rename_into_place(part, folder)
    except OSError as error:
        failure = write_failure(folder, error)
        if isinstance(failure, SurroundingsError):
            raise failure from error
        fix = "Choose another folder, then run the same command again."
        raise ProjectError(path=folder, what=f"it cannot be written: {error.strerror or error}", fix=fix) from error


def _check(project: Project, folder: str) -> None:
    """Check everything that can be known before anything is written.

    Raises:
        ProjectError: The folder, the tempo or a pad is not possible.
    """
    if not _FOLDER.fullmatch(os.path.basename(folder)):
        raise ProjectError(path=folder, what="the device does not look there", fix="Name the folder PROJECT_01 to PROJECT_16.")
    if os.path.lexists(folder):
        raise _taken_error(folder)
    if not (math.isfinite(project.tempo) and _TEMPO_MIN <= _hundredths(project.tempo) <= _TEMPO_MAX):
        what = f"a tempo of {project.tempo:g} BPM cannot be set on the device"
        raise ProjectError(path=folder, what=what, fix=f"Choose {_TEMPO_MIN // 100} to {_TEMPO_MAX // 100} BPM.")
    if not project.pads:
        raise ProjectError(path=folder, what="there is no sample to put into it", fix="Put samples on pads of a kit.")
    slots: dict[int, ProjectPad] = {}
    for pad in project.pads:
        slot = slot_of(pad.bank, pad.pad)
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


def _taken_error(folder: str) -> ProjectError:
    fix = "It was not changed. Move it away, or choose another of PROJECT_01 to PROJECT_16."
    return ProjectError(path=folder, what="something is there already", fix=fix)


@contextmanager
def _temporary_folder(folder: str) -> Iterator[str]:
    """Make a folder beside ``folder``; it goes, with the folders made above it, if what fills it fails."""
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


def _write_sound(pad: ProjectPad, part: str, read_pcm: ReadPcm) -> _Sound:
    try:
        channels, pcm = read_pcm(pad.sound)
    except SampleError as error:
        raise ProjectError(path=pad.sound, what=str(error), fix=error.fix) from error
    except OSError as error:
        fix = "Check the path and that you may read the file."
        raise ProjectError(path=pad.sound, what=f"it cannot be read: {error.strerror or error}", fix=fix) from error
    what = find_fault(channels, pcm)
    if what:
        raise ProjectError(path=pad.sound, what=what, fix="Export the sample, and take the exported file.")
    size = write_smp(os.path.join(part, _SAMPLES, smp_name(pad.bank, pad.pad)), channels, pcm)
    return _Sound(channels, size, blake3(pcm).hexdigest())


def _find_difference(project: Project, name: str, sounds: Mapping[int, _Sound], part: str) -> str:
    """Return the first thing in ``part`` that is not as the project has it; "" if there is none."""
    pads = {slot_of(pad.bank, pad.pad): pad for pad in project.pads}
    wanted = {
        "": {PADCONF, _SAMPLES, _PATTERNS, _PICTURES},
        _SAMPLES: {smp_name(pad.bank, pad.pad) for pad in project.pads},
        _PATTERNS: set(),
        _PICTURES: set(),
    }
    for inner, names in wanted.items():
        if set(os.listdir(os.path.join(part, inner))) != names:
            return f"the files in {inner or 'it'}"
    path = os.path.join(part, PADCONF)
    conf = parse_padconf(read_bounded(path, PADCONF_BYTES), path)
    tempos = {_hundredths(conf.tempo), *(_hundredths(conf.bank_tempo(bank)) for bank in BANKS)}
    if conf.name != name or tempos != {_hundredths(project.tempo)} or any(map(conf.is_protected, BANKS)):
        return "name or tempo"
    records = _records(pads, sounds)
    for slot in range(PADS_PER_KIT):
        bank, number = BANKS[slot // PADS_PER_BANK], slot % PADS_PER_BANK + 1
        pad, record = pads.get(slot), records.get(slot, EMPTY_PAD)
        if any(conf.word(bank, number, n) != record.words.get(n, 0) for n in range(RECORD_WORDS)):
            return f"the settings of pad {bank}{number}"
        if conf.pad_name(bank, number) != record.name or conf.chops(bank, number):
            return f"the name or the chop points of pad {bank}{number}"
        if pad and not _has_sound(os.path.join(part, _SAMPLES, smp_name(bank, number)), sounds[slot]):
            return f"the sound of pad {bank}{number}"
    return ""


def _has_sound(path: str, sound: _Sound) -> bool:
    smp = read_smp(path)
    size = SMP_HEAD_BYTES + smp.frames * SAMPLE_BYTES * smp.channels
    return (smp.channels, size, blake3(smp.pcm).hexdigest()) == (sound.channels, sound.size, sound.pcm_hash)


def _rename_into_place(part: str, folder: str) -> None:
    """Give the finished ``part`` its name, unless something has it by now.

    A rename would take the place of an empty folder without a word: so it takes that of one made here, just before.
    """
    try:
        os.mkdir(folder)
    except FileExistsError as error:
        raise _taken_error(folder) from error
    try:
        os.rename(part, folder)
    except BaseException as error:
        with suppress(OSError):
            os.rmdir(folder)
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _taken_error(folder) from error
        raise
    sync_file_system(os.path.dirname(folder))
