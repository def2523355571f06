"""A worker that knows how to die: ``python -P -m tests.support.poison FD SECONDS MEMORY_MB``.

Every verb is handed what it needs as the job's ``source``, and writes an ``x`` to the job's target each time it is tried.
"""

import ctypes
import os
import re
import signal
import sys
import time
from pathlib import Path

from schemas.conversion import Job, JobResult, Outcome, SoundSettings
from schemas.enums import Status
from schemas.errors import DiskFullError, SampleError
from tasks.isolation.process_pool import ProcessPool
from tasks.isolation.worker import Verbs, main


class PoisonPool(ProcessPool):
    """A pool that calls verbs by their names, also those below."""

    def __call__(self, verb: str, job: Job, sound: SoundSettings) -> JobResult | None:
        try:
            return self._call(verb, job, sound)
        except SampleError as error:
            return Outcome.from_error(job.index, error)


def poisons() -> Verbs:
    return {verb.__name__: verb for verb in POISONS}


def done(job: Job, *facts: object) -> Outcome:
    return Outcome(job.index, Status.EXPORTED, done=tuple(map(str, facts)))


def tried(job: Job) -> None:
    with open(job.target, "a") as file:
        file.write("x")


def nothing(job: Job, _: SoundSettings) -> Outcome:
    return done(job, os.getpid())


def die(job: Job, _: SoundSettings) -> Outcome:
    tried(job)
    os.kill(os.getpid(), int(job.source))
    time.sleep(60)
    return done(job)


def die_once(job: Job, sound: SoundSettings) -> Outcome:
    if os.path.exists(job.source):
        return nothing(job, sound)
    Path(job.source).touch()
    return die(Job(0, 0, str(int(signal.SIGKILL)), job.target, job.tags), sound)


def read_nowhere(job: Job, _: SoundSettings) -> Outcome:
    return done(job, ctypes.string_at(0))


def abort_with(job: Job, _: SoundSettings) -> Outcome:
    os.write(2, f"{job.source}\n".encode())
    os.abort()


def sleep(job: Job, _: SoundSettings) -> Outcome:
    tried(job)
    time.sleep(float(job.source))
    return done(job, os.getpid())


def hold_the_gil(job: Job, _: SoundSettings) -> Outcome:
    return done(job, re.match(r"(a+)+$", "a" * 60 + "b"))


def balloon(job: Job, _: SoundSettings) -> Outcome:
    return done(job, len(bytes(10 << 30)))


def grow(job: Job, _: SoundSettings) -> Outcome:
    return done(job, len([bytes(1_000) for _ in range(10 << 20)]))


def leave(job: Job, _: SoundSettings) -> Outcome:
    tried(job)
    sys.exit(int(job.source))


def chatter(job: Job, _: SoundSettings) -> Outcome:
    for fd in (1, 2):
        os.write(fd, b"\x80\x04N.\xff\n" * 1_000)
    print("chatter", flush=True)
    return done(job, os.getpid())


def mistake(job: Job, _: SoundSettings) -> Outcome:
    raise ZeroDivisionError("two\nlines")


def full(job: Job, _: SoundSettings) -> Outcome:
    raise DiskFullError(path="/card")


def state(job: Job, _: SoundSettings) -> Outcome:
    import resource

    core, data = (resource.getrlimit(which)[0] for which in (resource.RLIMIT_CORE, resource.RLIMIT_DATA))
    return done(job, core, data, Path("/proc/self/oom_score_adj").read_text().strip(), os.fstat(2).st_size)


def modules(job: Job, _: SoundSettings) -> Outcome:
    from tasks.isolation.worker import audio_verbs

    audio_verbs()
    return done(job, *sys.modules)


POISONS = (
    *(nothing, die, die_once, read_nowhere, abort_with, sleep, hold_the_gil, balloon, grow, leave, chatter, mistake),
    *(full, state, modules),
)

if __name__ == "__main__":
    main(poisons)
