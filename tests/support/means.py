"""Make faults for real, and find out whether this machine can: each means is tried out, not only looked up.

A test says what it needs: ``@pytest.mark.faults("mount", "strace")``. Where a means is missing the test is skipped and
says why; with REQUIRE_OUTSIDE_TOOLS set, as in ``.ci/run``, it fails. A machine that forbids something for good is
named openly: ``FAULTS_NOT_HERE="mount exfat"`` skips these even so.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support import ROOT
from tests.support.processes import pids_of
from tests.support.tools import REQUIRED
from tests.support.waiting import comes_true

NOT_HERE = "FAULTS_NOT_HERE"
NOBODY = 65534
_FAKETIME = "faketime/libfaketimeMT.so.1"
_FIU = tuple(f"fiu/fiu_{name}_preload.so" for name in ("run", "posix"))


class CannotError(Exception):
    """A means that this machine does not have; the text says what is missing."""


def root(*command: object) -> str:
    """Run a command as root, by sudo where we are not, and return what it prints. Raises CannotError with its complaint."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        done = subprocess.run(
            [*sudo, *map(str, command)], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise CannotError(f"{error.filename} is not installed") from error
    if done.returncode:
        raise CannotError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip() or done.returncode}")
    return done.stdout.strip()


def program(name: str) -> str:
    """Return the path of a program, also of one in the folders that only root has in its PATH."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise CannotError(f"{name} is not installed")
    return found


@contextmanager
def mounted(folder: Path, *options: str, kind: str = "tmpfs", what: object = "tmpfs") -> Iterator[Path]:
    """Mount a file system at ``folder``; unmount it at the end, whatever lies over it and whoever works in it."""
    folder.mkdir(parents=True, exist_ok=True)
    root(program("mount"), "-t", kind, *(("-o", ",".join(options)) if options else ()), what, folder)
    try:
        yield folder
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    while folder.is_mount():
        root(program("umount"), "-l", folder)


def _unmount_fuse(folder: Path) -> None:
    """Unmount, and wait for the process of the FUSE file system: it writes its last blocks after the mount is gone."""
    unmount(folder)
    comes_true(lambda: not pids_of(folder), 20, every=0.01)


@contextmanager
def loop_device(image: Path) -> Iterator[str]:
    device = root(program("losetup"), "-f", "--show", image)
    try:
        yield device
    finally:
        # A lazy unmount, or the process of a FUSE file system, lets go of it a moment later.
        for _ in range(100):
            try:
                root(program("losetup"), "-d", device)
                break
            except CannotError:
                time.sleep(0.05)


def _make_image(image: Path, mebibytes: int) -> None:
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)


@contextmanager
def exfat(folder: Path, image: Path, mebibytes: int = 64) -> Iterator[Path]:
    """Mount a memory card: exFAT, as the device has it, by FUSE (few kernels of virtual machines know it).

    An image that is there already is mounted as it is.
    """
    if not image.exists():
        _make_image(image, mebibytes)
        root(program("mkfs.exfat"), image)
    folder.mkdir(parents=True, exist_ok=True)
    with loop_device(image) as device:
        root(program("mount.exfat-fuse"), device, folder)
        try:
            yield folder
        finally:
            _unmount_fuse(folder)


@contextmanager
def fat(folder: Path, image: Path, mebibytes: int = 40) -> Iterator[Path]:
    """Mount a memory card of up to 32 GB: FAT32, by FUSE. Slow: half a second a file. The image as for ``exfat``."""
    if not image.exists():
        _make_image(image, mebibytes)
        root(program("mkfs.fat"), "-F", "32", image)
    folder.mkdir(parents=True, exist_ok=True)
    root(program("fusefat"), "-o", "rw+", image, folder)
    try:
        yield folder
    finally:
        _unmount_fuse(folder)


@contextmanager
def thin_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a disk that claims 64 MiB and has room for ``mebibytes``: writing succeeds, and syncing gives EIO."""
    below = folder.with_name(folder.name + "-thin")
    with mounted(below, f"size={mebibytes}m", "mode=1777"):
        image = below / "disk.img"
        with image.open("wb") as file:
            file.truncate(64 << 20)
        root(program("mkfs.ext4"), "-q", "-O", "^has_journal", "-E", "root_owner", image)
        with loop_device(image) as device, mounted(folder, kind="ext4", what=device) as disk:
            root("chmod", "1777", disk)
            yield disk


@contextmanager
def immutable(path: Path) -> Iterator[Path]:
    root(program("chattr"), "+i", path)
    try:
        yield path
    finally:
        root(program("chattr"), "-i", path)


def unprivileged(scratch: Path) -> list[str]:
    """Return what to put before a command so that an ordinary user runs it: nothing if we are one.

    That user must be able to enter the folders of this repository, of its environment and of the interpreter. Where
    root keeps those to itself (uv's and pyenv's lie below /root), they are shown at their places in a mount namespace
    of the command's own; nothing is changed on the machine. ``scratch``: an empty folder, below which they are staged.
    """
    if os.geteuid() != 0:
        return []
    user = [program("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
    needed = {ROOT, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent}
    needed |= {path.resolve() for path in (*needed, Path(sys.executable).resolve().parent)}
    closed = {path: door for path in needed if (door := _closed_door(path))}
    if not closed:
        return user
    script = ["set -e"]
    for number, path in enumerate(closed):
        script.append(f"mkdir -p '{scratch}/{number}'; mount --bind '{path}' '{scratch}/{number}'")
    script += [f"mount -t tmpfs -o mode=755 tmpfs '{door}'" for door in sorted(set(closed.values()))]
    for number, path in enumerate(closed):
        script.append(f"mkdir -p '{path}'; mount --bind '{scratch}/{number}' '{path}'")
    return [program("unshare"), "--mount", "sh", "-c", "; ".join([*script, 'exec "$@"']), "sh", *user]


def _closed_door(path: Path) -> Path | None:
    """Return the first folder on the way to ``path`` that others may not enter."""
    doors = (door for door in reversed([path, *path.parents]) if door.is_dir())
    return next((door for door in doors if not door.stat().st_mode & stat.S_IXOTH), None)


def strace(*injections: str, log: Path | None = None) -> list[str]:
    """Return a command prefix that tampers with calls: ``fsync,syncfs:error=EIO:when=3+``, ``rename:signal=KILL:when=7``.

    ``when`` counts in each thread by itself.
    """
    calls = {call for injection in injections for call in injection.partition(":")[0].split(",")}
    tamper = [part for injection in injections for part in ("-e", f"inject={injection}")]
    filtered = ["--seccomp-bpf", "-e", f"trace={','.join(sorted(calls))}"]
    return [program("strace"), "-f", "-qq", "-y", "-o", str(log or "/dev/null"), *filtered, *tamper]


def library(name: str) -> str:
    """Return the path of a shared library in one of Debian's folders."""
    found = sorted(Path("/usr/lib").glob(f"*/{name}")) + sorted(Path("/usr/lib").glob(name))
    if not found:
        raise CannotError(f"{name} is not installed")
    return str(found[0])


# Python's own writes; not those to an eventfd of Polars, of which the kernel always takes all.
BY_PYTHON = "enable_stack_by_name name=posix/io/rw/write/reduce,func_name=_Py_write,pos_in_stack=-1"
BY_DUCKDB = "enable name=posix/io/rw/pwrite/reduce"


def short_writes(*whose: str) -> list[str]:
    """Return a command to put in front, under which each write takes less than it is given, if that is more than a byte.

    strace cannot do this: it can say that less was written, but not write less.
    """
    for name in _FIU:
        library(name)
    return [program("fiu-run"), "-x", *(part for command in whose for part in ("-c", command))]


def loaded_first(folder: Path) -> dict[str, str]:
    """Return variables for a process that loads the libraries of sounds and tables before it does anything else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text("import av, duckdb, polars, soundfile, soxr\n")
    return {"PYTHONPATH": str(folder)}


def clock(folder: Path, offset: str = "+0") -> dict[str, str]:
    """Variables that give a process a wall clock of its own; ``set_clock`` turns it while it runs.

    Only the wall clock: the monotonic one goes on, as it does on a real machine. libfaketime 0.9.10 breaks
    ``time.sleep`` then (it takes the monotonic deadline for a date), so that is done by select; likewise file times stay real.
    """
    folder.mkdir(parents=True, exist_ok=True)
    set_clock(folder, offset)
    mended = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    (folder / "sitecustomize.py").write_text(mended)
    return {
        "LD_PRELOAD": library(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))),
    }


def set_clock(folder: Path, offset: str) -> None:
    """``offset`` from the real time, as ``-1d`` or ``+3h``."""
    beside = folder / "clock.new"
    beside.write_text(f"{offset}\n")
    beside.replace(folder / "clock")


# ---- trying them out ----


def _try_mount(folder: Path) -> None:
    with mounted(folder / "m", "size=64k", "nr_inodes=5"):
        if (folder / "m").stat().st_dev == folder.stat().st_dev:
            raise CannotError("mount succeeded, and nothing was mounted")
        root("mount", "-o", "remount,ro", folder / "m")
    if (folder / "m").is_mount():
        raise CannotError("umount did nothing")


def _try_chattr(folder: Path) -> None:
    path = folder / "kept"
    path.touch()
    with immutable(path):
        try:
            path.unlink()
        except PermissionError:
            return
        raise CannotError("a file could be removed that chattr +i had made immutable")


def _try_setpriv(folder: Path) -> None:
    code = "import os, duckdb, soundfile; os._exit(0 if os.geteuid() and not os.access('/', os.W_OK) else 9)"
    command = [*unprivileged(folder / "staged"), sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    if done.returncode:
        raise CannotError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "that user may write everywhere")


def _try_strace(folder: Path) -> None:
    code = f"import os; os.fsync(os.open({str(folder)!r}, os.O_RDONLY))"
    command = [*strace("fsync:error=EIO:when=1"), sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "Input/output error" not in done.stderr:
        raise CannotError(done.stderr.strip() or "it injected nothing")


def _try_fiu(folder: Path) -> None:
    code = f"import os; os.write(os.open({str(folder / 'short')!r}, os.O_CREAT | os.O_WRONLY), b'x' * 100000)"
    subprocess.run([*short_writes(BY_PYTHON), sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    written = (folder / "short").stat().st_size if (folder / "short").exists() else -1
    if not 0 <= written < 100_000:
        raise CannotError("it shortened no write")


def _try_exfat(folder: Path) -> None:
    with exfat(folder / "card", folder / "card.img") as card:
        (card / "Kick").write_text("1")
        (card / "KICK").write_text("22")
        if len(list(card.iterdir())) != 1:
            raise CannotError("what was mounted tells apart names by case")


def _try_fat(folder: Path) -> None:
    with fat(folder / "card", folder / "card.img") as card:
        (card / "Kick.wav").write_text("1")
        if (card / "Kick.wav").read_text() != "1":
            raise CannotError("what was written to it is not there")


def _try_disk(folder: Path) -> None:
    with thin_disk(folder / "disk", 2) as disk:
        (disk / "a").write_text("a")


def _try_clock(folder: Path) -> None:
    code = "import time; begun = time.monotonic(); time.sleep(.01); print(time.time(), time.monotonic() - begun)"
    environment = os.environ | clock(folder / "clock", "-1d")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    said = [float(number) for number in re.findall(r"[\d.]+", done.stdout)]
    if done.returncode or abs(time.time() - 86_400 - said[0]) > 60 or not 0 < said[1] < 10:
        raise CannotError(done.stderr.strip() or "the clock was not turned back")


# Means, the Debian packages that it needs, how it is tried.
MEANS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "mount": ("mount", _try_mount),
    "chattr": ("e2fsprogs", _try_chattr),
    "setpriv": ("util-linux", _try_setpriv),
    "strace": ("strace", _try_strace),
    "fiu": ("fiu-utils", _try_fiu),
    "exfat": ("mount exfatprogs exfat-fuse fuse3", _try_exfat),
    "fat": ("mount dosfstools fusefat fuse3", _try_fat),
    "disk": ("mount e2fsprogs", _try_disk),
    "clock": ("faketime", _try_clock),
}
# What was tried in this session.
TRIED: set[str] = set()
PACKAGES = sorted({package for packages, _ in MEANS.values() for package in packages.split()})


@cache
def missing(name: str) -> str:
    """Why a means is not to be had here; empty where it is."""
    packages, attempt = MEANS[name]
    with tempfile.TemporaryDirectory(prefix="sp404-means-") as folder:
        os.chmod(folder, 0o755)
        try:
            attempt(Path(folder))
        except (CannotError, OSError, subprocess.TimeoutExpired) as error:
            reason = " ".join(str(error).split())
            return f"{name}: {reason} (root or sudo; apt-get install {packages})"
    return ""


def verdicts(names: tuple[str, ...]) -> tuple[str, str]:
    """Why a test that needs ``names`` must be skipped, and why it must fail; one of them, or both, empty."""
    unknown = [name for name in names if name not in MEANS]
    if unknown:
        return "", f"unknown means: {unknown}; there are {sorted(MEANS)}"
    here_not = os.environ.get(NOT_HERE, "").replace(",", " ").split()
    reasons = [f"{name}: {NOT_HERE} says so" if name in here_not else missing(name) for name in names]
    wanted = [reason for name, reason in zip(names, reasons, strict=True) if reason and name not in here_not]
    if wanted and os.environ.get(REQUIRED):
        return "", f"{'; '.join(wanted)}; and {REQUIRED} is set ({NOT_HERE} names what a machine can never do)"
    return "; ".join(filter(None, reasons)), ""


def main() -> None:
    """Print what this machine forbids, for ``FAULTS_NOT_HERE``, and why; not what only has to be installed."""
    reasons = {name: reason for name in MEANS if (reason := missing(name)) and "is not installed" not in reason}
    for reason in reasons.values():
        print(f"not possible on this machine: {reason}", file=sys.stderr)
    print(" ".join(reasons))


if __name__ == "__main__":
    main()
