"""Find processes by their environment, and measure their CPU time."""

import os
from contextlib import suppress
from pathlib import Path


def pids_at(home: Path) -> list[int]:
    """Return every process that has this PREFECT_HOME in its environment."""
    return pids_with(f"PREFECT_HOME={home}")


def pids_with(variable: str) -> list[int]:
    """Return every process that was started with ``NAME=value`` in its environment."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def pids_of(argument: object) -> list[int]:
    """Return every living process that has this whole argument in its command line."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(argument).encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that processes have used so far, in seconds: user and system, as /proc/PID/stat has it."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            # The name in parentheses may hold spaces; utime and stime are the 14th and 15th field of all.
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(field: str = "VmHWM") -> int:
    """Return how much memory this process has, or had at its peak, as Linux accounts for it in /proc/self/status.

    ``getrusage`` is no judge of it: its peak begins at that of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def forget_peak() -> None:
    """Let this process's peak of memory begin at what it has now (``clear_refs`` of Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def open_files(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, with whichever of its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]
