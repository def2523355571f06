"""Serve calls in a worker process, one sample after the other: ``python -P -m tasks.isolation.worker FD SECONDS MEMORY_MB``.

``tasks.isolation.process_pool`` starts it and talks to it through FD. What a decoder does to it harms no other process.
"""

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache

from schemas.conversion import Job, JobResult, SoundSettings
from schemas.enums import Verb
from schemas.errors import CrashedError, Sp404Error, TooMuchMemoryError
from tasks.fs.atomic import is_part, remove
from tasks.isolation.confinement import confine, die_after

Verbs = Mapping[str, Callable[[Job, SoundSettings], JobResult]]


def audio_verbs() -> Verbs:
    """Return the function of each Verb, whose result type ``schemas.conversion.RESULT_TYPES`` has.

    Imported here, since the audio libraries take half a second in which signals and memory limits must be set already.
    """
    from tasks.audio.analyze import analyze  # noqa: PLC0415
    from tasks.audio.convert import check, convert, decode_beginning, draw_waveform, estimate_size, measure  # noqa: PLC0415

    return {
        Verb.CONVERT: convert,
        Verb.MEASURE: measure,
        Verb.CHECK: check,
        Verb.SIZE: estimate_size,
        Verb.ANALYZE: analyze,
        Verb.WAVEFORM: draw_waveform,
        Verb.LISTEN: decode_beginning,
    }


def main(verbs: Callable[[], Verbs] = audio_verbs) -> None:
    """Serve calls until the parent hangs up. ``verbs`` loads the functions that can be called."""
    fd, seconds, memory_mb = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    confine(memory_mb)
    known = verbs()
    with suppress(EOFError, OSError):  # the parent has hung up
        _serve(fd, seconds, memory_mb, known)


def _serve(fd: int, seconds: float, memory_mb: int, verbs: Verbs) -> None:
    settings = lru_cache(pickle.loads)  # they are the same for a whole run, and take as long as all the rest
    with open(fd, "rb") as calls, open(fd, "wb", closefd=False) as answers:
        answer: JobResult | Sp404Error | None = None  # the first says that this process is there
        job: Job | None = None
        while True:
            try:
                pickle.dump(answer, answers)
                answers.flush()
            except OSError:  # nobody is there any more who would give it its name
                if job and is_part(os.path.basename(job.target)):
                    remove(job.target)
                raise
            verb, job, sound = pickle.load(calls)  # noqa: S301 (the parent's own)
            os.lseek(2, 0, os.SEEK_SET)
            os.ftruncate(2, 0)  # what stands there after a crash is of the sample that crashed
            die_after(seconds)
            answer = _run(verbs[verb], job, settings(sound), memory_mb)
            die_after(0)


def _run(
    work: Callable[[Job, SoundSettings], JobResult], job: Job, sound: SoundSettings, memory_mb: int
) -> JobResult | Sp404Error:
    try:
        return work(job, sound)
    except Sp404Error as error:
        return error
    except MemoryError:
        return TooMuchMemoryError(memory_mb=memory_mb)
    except Exception as error:  # noqa: BLE001 (a mistake of ours or of a library costs one sample)
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return CrashedError(error=f"{what} ({os.path.basename(place.filename)}:{place.lineno})")


if __name__ == "__main__":
    main()
