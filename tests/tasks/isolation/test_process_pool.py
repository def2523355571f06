"""Whatever a decoder does to its process costs one sample; the faults here are real ones."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.conversion import Job, JobResult, Limits, Outcome, SoundSettings, Tags
from schemas.enums import Status, Verb
from schemas.errors import DiskFullError, WorkerError
from tasks.audio.convert import convert
from tasks.fs.atomic import part_name
from tasks.isolation.process_pool import COMMAND, ProcessPool
from tasks.isolation.worker import audio_verbs
from tests.support import ROOT, audio
from tests.support.poison import PoisonPool
from tests.support.waiting import comes_true

POISON = (sys.executable, "-P", "-m", "tests.support.poison")
SOUND = SoundSettings("wav", 10, 48_000 * 60)
LIMITS = Limits(seconds=2, memory_mb=300)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")


@pytest.fixture
def stopped() -> threading.Event:
    return threading.Event()


@pytest.fixture
def workers(stopped: threading.Event) -> Iterator[PoisonPool]:
    with PoisonPool(LIMITS, stopped, POISON) as workers:
        yield workers


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(source: object = "", index: int = 7, target: str = "tries") -> Job:
        return Job(index, 42, str(source), str(tmp_path / target), Tags("A title", "", None, "", ""))

    return make


def tries(job: Job) -> int:
    return len(Path(job.target).read_text())


def pid_of(workers: PoisonPool, job: Callable[..., Job]) -> int:
    """The process that is asked next."""
    outcome = workers("nothing", job(), SOUND)
    assert outcome
    return int(outcome.done[0])


def runs(pid: int) -> bool:
    """Whether there is such a process; a zombie is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children() -> set[int]:
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for held_by_thread in lists for pid in held_by_thread.read_text().split()}


def assert_failed(outcome: JobResult | None, reason: str, words: str) -> None:
    assert outcome
    assert (outcome.index, outcome.reason) == (7, reason)
    assert not isinstance(outcome, Outcome) or outcome.status is Status.FAILED
    assert re.search(words, outcome.error), outcome.error
    assert len(outcome.error.splitlines()) == len(outcome.fix.splitlines()) == 1


# ---- each way to die takes one sample, and says why ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, "segmentation fault"),
        (signal.SIGABRT, "aborted"),
        (signal.SIGBUS, "bus error"),
        (signal.SIGILL, "illegal instruction"),
        (signal.SIGFPE, "floating point"),
    ],
)
def test_a_crash_is_the_sample_s_and_is_not_tried_again(
    workers: PoisonPool, job: Callable[..., Job], number: int, words: str
) -> None:
    assert_failed(workers("die", job(int(number)), SOUND), "decoder_crashed", words)
    assert tries(job()) == 1
    assert pid_of(workers, job)


def test_a_real_segmentation_fault(workers: PoisonPool, job: Callable[..., Job]) -> None:
    assert_failed(workers("read_nowhere", job(), SOUND), "decoder_crashed", "segmentation fault")


def test_what_was_said_at_the_end_is_told_and_what_was_said_before_is_not(workers: PoisonPool, job: Callable[..., Job]) -> None:
    assert workers("chatter", job(), SOUND)
    assert_failed(workers("die", job(int(signal.SIGSEGV)), SOUND), "decoder_crashed", "segmentation fault$")
    outcome = workers("abort_with", job("free(): invalid pointer"), SOUND)
    assert_failed(outcome, "decoder_crashed", r"aborted \(free\(\): invalid pointer\)$")


def test_a_killed_one_is_tried_once_more(workers: PoisonPool, job: Callable[..., Job], tmp_path: Path) -> None:
    """The kernel's out-of-memory killer does not say who took the memory."""
    outcome = workers("die_once", job(tmp_path / "flag"), SOUND)
    assert outcome
    assert outcome.status is Status.EXPORTED
    assert_failed(workers("die", job(int(signal.SIGKILL)), SOUND), "too_much_memory", "memory")
    assert tries(job()) == 1 + 2


@pytest.mark.parametrize("status", [0, 3])
def test_it_leaves(workers: PoisonPool, job: Callable[..., Job], status: int) -> None:
    assert_failed(workers("leave", job(status), SOUND), "decoder_crashed", f"ended with status {status}")
    assert tries(job()) == 1


def test_a_mistake_of_ours_does_not_end_the_process(workers: PoisonPool, job: Callable[..., Job]) -> None:
    before = pid_of(workers, job)
    outcome = workers("mistake", job(), SOUND)
    assert_failed(outcome, "decoder_crashed", r"ZeroDivisionError: two lines \(poison.py:\d+\)")
    assert pid_of(workers, job) == before


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["sleep", "hold_the_gil"])
def test_a_hang_ends_when_its_time_is_up(workers: PoisonPool, job: Callable[..., Job], verb: str) -> None:
    pid_of(workers, job)
    started = time.monotonic()
    assert_failed(workers(verb, job(60), SOUND), "took_too_long", "2 s")
    assert 1.9 < time.monotonic() - started < 4


@pytest.mark.slow
def test_a_hang_that_no_signal_of_its_own_ends(workers: PoisonPool, job: Callable[..., Job]) -> None:
    """A stopped process, as one that waits for a dead disk, does not see its alarm."""
    started = time.monotonic()
    assert_failed(workers("die", job(int(signal.SIGSTOP)), SOUND), "took_too_long", "2 s")
    assert time.monotonic() - started < 10
    assert tries(job()) == 1
    assert pid_of(workers, job)


def test_the_alarm_rings_where_the_caller_is_deaf_to_it(job: Callable[..., Job]) -> None:
    """A blocked signal stays blocked in a child, an ignored one ignored."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        with PoisonPool(Limits(0.5, 300), threading.Event(), POISON) as workers:
            started = time.monotonic()
            assert_failed(workers("sleep", job(60), SOUND), "took_too_long", "0.5 s")
            assert time.monotonic() - started < 4
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


@pytest.mark.slow
def test_time_is_counted_for_each_sample_and_not_between_them(job: Callable[..., Job]) -> None:
    with PoisonPool(Limits(1, 300), threading.Event(), POISON) as workers:
        first = pid_of(workers, job)
        for _ in range(15):
            assert workers("sleep", job(0.1), SOUND).status is Status.EXPORTED
        time.sleep(1.2)
        assert pid_of(workers, job) == first


@pytest.mark.parametrize("verb", ["balloon", "grow"])
def test_a_balloon_of_memory(workers: PoisonPool, job: Callable[..., Job], verb: str) -> None:
    assert_failed(workers(verb, job(), SOUND), "too_much_memory", "300 MB")
    assert pid_of(workers, job)


def test_c_plus_plus_says_it_in_its_own_words(workers: PoisonPool, job: Callable[..., Job]) -> None:
    said = "terminate called after throwing an instance of 'std::bad_alloc'"
    assert_failed(workers("abort_with", job(said), SOUND), "too_much_memory", "300 MB")


@pytest.mark.slow
def test_a_real_decoder_has_room_and_no_more(job: Callable[..., Job], tmp_path: Path) -> None:
    """An hour fits in the memory of a drum; numpy's refusal is an error of the sample."""
    source = audio.write(tmp_path / "long.flac", audio.tone(240, 96_000), 96_000, "FLAC", "PCM_24")
    with PoisonPool(Limits(60, 160), threading.Event()) as workers:
        outcome = workers.run(Verb.CONVERT, job(source, target="long.wav"), SoundSettings("wav", 10, 48_000 * 960))
        assert outcome
        assert outcome.status is Status.EXPORTED, outcome.error


def test_each_process_is_set_up_to_be_the_one_that_dies(workers: PoisonPool, job: Callable[..., Job]) -> None:
    workers("chatter", job(), SOUND)
    outcome = workers("state", job(), SOUND)
    assert outcome
    assert outcome.done == ("0", str(300 << 20), "500", "0")  # no core, memory, Linux's first choice, an empty log
    pid = pid_of(workers, job)
    assert os.getpgid(pid) == pid


def test_a_half_written_file_goes_and_one_that_is_not_ours_stays(workers: PoisonPool, job: Callable[..., Job]) -> None:
    half, other = job(int(signal.SIGSEGV), target=part_name("run", 7)), job(int(signal.SIGSEGV), target="kick.wav")
    for poisoned in (half, other):
        assert_failed(workers("die", poisoned, SOUND), "decoder_crashed", "fault")
    assert not os.path.exists(half.target)
    assert os.path.exists(other.target)


# ---- the others go on ----


@pytest.mark.slow
def test_neighbours_go_on(workers: PoisonPool, job: Callable[..., Job]) -> None:
    verbs = ["nothing"] * 200
    verbs[10::40] = ["read_nowhere"] * 5
    verbs[20], verbs[60] = "hold_the_gil", "leave"
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda n: workers(verbs[n], job(1, n), SOUND), range(200)))
    failed = {outcome.index for outcome in outcomes if outcome.status is Status.FAILED}
    assert [outcome.index for outcome in outcomes] == list(range(200))
    assert failed == {n for n in range(200) if verbs[n] != "nothing"}


@pytest.mark.slow
def test_eight_threads_have_eight_processes_at_the_most(workers: PoisonPool, job: Callable[..., Job]) -> None:
    workers.start(3)
    together = threading.Barrier(8)

    def ask(n: int) -> list[Outcome]:
        together.wait()
        return [workers("nothing", job("", n * 1_000 + k), SOUND) for k in range(25)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert [outcome.index for answer in answers for outcome in answer] == [n * 1_000 + k for n in range(8) for k in range(25)]
    assert len({outcome.done for answer in answers for outcome in answer}) <= 8


def test_nothing_is_printed(workers: PoisonPool, job: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    assert workers("chatter", job(), SOUND).status is Status.EXPORTED
    workers("abort_with", job("free(): invalid pointer"), SOUND)
    workers("leave", job(3), SOUND)
    workers.close()
    assert capfd.readouterr() == ("", "")


def test_one_that_dies_with_nothing_to_do_is_nobody_s_fault(workers: PoisonPool, job: Callable[..., Job]) -> None:
    pid = pid_of(workers, job)
    os.kill(pid, signal.SIGSEGV)
    assert comes_true(lambda: not runs(pid), 5)
    assert pid_of(workers, job) != pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP])
def test_what_is_sent_to_all_processes_is_left_to_the_parent(
    workers: PoisonPool, job: Callable[..., Job], number: signal.Signals
) -> None:
    pid = pid_of(workers, job)
    os.kill(pid, number)
    assert pid_of(workers, job) == pid


def test_failing_surroundings_are_raised(workers: PoisonPool, job: Callable[..., Job]) -> None:
    pid = pid_of(workers, job)
    with pytest.raises(DiskFullError, match="/card"):
        workers("full", job(), SOUND)
    assert pid_of(workers, job) == pid


# ---- the sound is the same ----


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    x = audio.tone(0.3, 44_100, 2) + audio.noise(13_230, 2, 0.1)
    (tmp_path / "empty.wav").touch()
    return [
        audio.write(tmp_path / "a.wav", x, 44_100, "WAV", "PCM_24"),
        audio.write(tmp_path / "b.flac", x, 44_100, "FLAC", "PCM_16"),
        audio.write(tmp_path / "c.ogg", x, 44_100, "OGG", "VORBIS"),
        audio.write(tmp_path / "d.mp3", x, 44_100, "MP3"),
        audio.write_av(tmp_path / "e.m4a", "aac", 44_100, x),
        audio.write(tmp_path / "loud.wav", np.clip(4 * x, -1, 1), 22_050, "WAV", "FLOAT"),
        tmp_path / "empty.wav",
        tmp_path / "missing.wav",
    ]


@pytest.mark.slow
def test_outcomes_and_bytes_are_those_of_convert(sources: list[Path], job: Callable[..., Job]) -> None:
    others = {name: verb for name, verb in audio_verbs().items() if verb is not convert}
    assert len(others) == len(Verb) - 1
    newest = max(source.stat().st_ctime for source in sources if source.exists())
    assert comes_true(lambda: time.time() - newest > 2.1, 5), "times of newer files are not trusted"
    with PoisonPool(Limits(60, 1_000), threading.Event()) as workers:
        for source in sources:
            one = job(source, target="out.wav")
            apart, apart_bytes = workers.run(Verb.CONVERT, one, SOUND), taken(one.target)
            here, here_bytes = convert(one, SOUND), taken(one.target)
            assert replace(apart, seconds=0) == replace(here, seconds=0)
            assert apart_bytes == here_bytes
            for name, verb in others.items():
                apart_other, apart_bytes = workers.run(name, one, SOUND), taken(one.target)
                assert (apart_other, apart_bytes) == (verb(one, SOUND), taken(one.target)), name


def taken(path: str) -> bytes:
    """What stands there, if anything; it is gone afterwards."""
    held = Path(path).read_bytes() if os.path.exists(path) else b""
    Path(path).unlink(missing_ok=True)
    return held


# ---- starting, stopping, ending ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((sys.executable, "-c", "import nowhere"), "No module named 'nowhere'"),
        (("/no/such/python",), "No such file"),
        (("/bin/false",), "ended with status 1"),
        ((sys.executable, "-c", "import os; os.abort()"), "aborted"),
        (
            (sys.executable, "-c", "from tasks.isolation import worker; worker.main(lambda: open('/no/such/libsndfile'))"),
            "No such file",
        ),
    ],
)
def test_one_that_cannot_start(job: Callable[..., Job], command: tuple[str, ...], words: str) -> None:
    with PoisonPool(LIMITS, threading.Event(), command) as workers:
        for _ in range(2):
            with pytest.raises(WorkerError, match=words) as caught:
                workers("nothing", job(), SOUND)
            assert len(str(caught.value).splitlines()) == 1
            assert pickle.loads(pickle.dumps(caught.value)).fix


@pytest.mark.slow
def test_too_little_memory_to_start(job: Callable[..., Job]) -> None:
    with PoisonPool(Limits(2, 12), threading.Event()) as workers, pytest.raises(WorkerError):
        workers("nothing", job(), SOUND)


def test_it_starts_from_any_folder(job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes no module from there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.py").write_text("raise SystemExit('the wrong one')")
    with PoisonPool(Limits(60, 1_000), threading.Event()) as workers:
        assert_failed(workers.run(Verb.CHECK, job("/nowhere.wav"), SOUND), "not_found", "nowhere")


@pytest.mark.slow
def test_starting_ahead_waits_for_nothing(job: Callable[..., Job]) -> None:
    with PoisonPool(Limits(60, 1_000), threading.Event()) as workers:
        started = time.monotonic()
        workers.start(2)
        assert time.monotonic() - started < 0.2
        assert len(workers._all) == 2
        workers.run(Verb.CHECK, job(), SOUND)
        assert len(workers._all) == 2


@pytest.mark.slow
def test_a_stop_gives_five_seconds_and_then_no_outcome(
    workers: PoisonPool, job: Callable[..., Job], stopped: threading.Event
) -> None:
    workers.start(2)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(workers, "sleep", job(1.5), SOUND)
        hung = threads.submit(workers, "die", job(int(signal.SIGSTOP)), SOUND)
        time.sleep(0.5)
        stopped.set()
        started = time.monotonic()
        assert slow.result(10).status is Status.EXPORTED
        assert hung.result(10) is None
        assert time.monotonic() - started < 8
    assert workers("nothing", job(), SOUND) is None


@pytest.mark.slow
def test_a_stop_while_it_starts(job: Callable[..., Job], stopped: threading.Event) -> None:
    with PoisonPool(LIMITS, stopped, (sys.executable, "-c", "import time; time.sleep(60)")) as workers:
        threading.Timer(0.3, stopped.set).start()
        started = time.monotonic()
        assert workers("nothing", job(), SOUND) is None
        assert time.monotonic() - started < 8


def test_a_stop_that_reaches_it_before_it_can_look_away(job: Callable[..., Job], stopped: threading.Event) -> None:
    with PoisonPool(LIMITS, stopped, (sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")) as workers:
        threading.Timer(0.4, stopped.set).start()  # the parent gets the same signal, and is slower
        assert workers("nothing", job(), SOUND) is None


@pytest.mark.slow
def test_closing_leaves_no_process(job: Callable[..., Job]) -> None:
    before = children()
    with PoisonPool(Limits(60, 300), threading.Event(), POISON) as workers, ThreadPoolExecutor(2) as threads:
        workers.start(4)
        busy = [threads.submit(workers, verb, job(60), SOUND) for verb in ("sleep", "hold_the_gil")]
        time.sleep(0.5)
        mine = children() - before
        assert len(mine) == 4
        started = time.monotonic()
        workers.close()
        assert time.monotonic() - started < 3
        assert [future.result(5) for future in busy] == [None, None]
        assert not any(map(runs, mine))
        assert workers("nothing", job(), SOUND) is None
    assert children() == before


@pytest.mark.slow
def test_a_killed_parent_leaves_no_process_behind(tmp_path: Path) -> None:
    script = f"""
import sys, threading
from schemas.conversion import Job, Limits, SoundSettings, Tags
from tests.support.poison import PoisonPool
sound, stopped = SoundSettings("wav", 10, 48_000), threading.Event()
workers = PoisonPool(Limits(3, 300), stopped, {POISON!r})
def ask(verb): return workers(verb, Job(0, 1, "60", {str(tmp_path / "tries")!r}, Tags("", "", None, "", "")), sound)
workers.start(3)
for verb in ("sleep", "hold_the_gil"):
    threading.Thread(target=ask, args=[verb]).start()
ask("nothing")
print(*(worker.process.pid for worker in workers._all), flush=True)
threading.Event().wait()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(runs, pids))
        parent.kill()
    assert comes_true(lambda: sum(map(runs, pids)) <= 2, 1), "one that had nothing to do goes on"
    assert comes_true(lambda: not any(map(runs, pids)), 4)


@pytest.mark.slow
def test_nothing_is_left_open(workers: PoisonPool, job: Callable[..., Job]) -> None:
    pid_of(workers, job)
    before = len(os.listdir("/proc/self/fd"))
    for n in range(200):
        verb = "read_nowhere" if n % 10 == 5 else "nothing"
        assert workers(verb, job(), SOUND)
    pid_of(workers, job)
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(workers._all) == 1
    workers.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2  # its socket and its log
    with PoisonPool(LIMITS, threading.Event(), ("/no/such/python",)) as broken:
        for _ in range(10):
            with pytest.raises(WorkerError):
                broken("nothing", job(), SOUND)
    assert len(os.listdir("/proc/self/fd")) == before - 2


# ---- both ends are lean ----


def test_a_worker_knows_sound_and_nothing_else(job: Callable[..., Job]) -> None:
    with PoisonPool(Limits(60, 1_000), threading.Event(), POISON) as workers:
        outcome = workers("modules", job(), SOUND)
    assert outcome
    known = {name.partition(".")[0] for name in outcome.done}
    assert {"numpy", "soxr", "av"} <= known
    assert not known & {"prefect", "polars", "duckdb", "pandera", "pydantic", "multiprocessing", "fastapi", "flows"}


def test_the_parent_needs_no_decoder() -> None:
    code = "import sys, tasks.isolation.process_pool as p; "
    code += "sys.exit(bool({'numpy', 'av', 'soundfile', 'soxr', 'prefect'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    assert COMMAND[0] == sys.executable


def page_faults(pid: int) -> int:
    """Faults without the disk (proc_pid_stat(5), field 10)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_a_worker_keeps_its_memory_for_the_next_block_and_file(
    stopped: threading.Event, job: Callable[..., Job], tmp_path: Path
) -> None:
    """It was given back and asked for again, which was a twelfth of the time of an export."""
    source = audio.write(tmp_path / "long.wav", audio.tone(10, 44_100, 2), 44_100, "WAV")
    before, counts = children(), []
    with ProcessPool(Limits(seconds=60, memory_mb=1_000), stopped) as pool:
        for number in range(6):
            outcome = pool._call(Verb.CONVERT, job(source, target=f"{number}.wav"), SOUND)
            assert isinstance(outcome, Outcome)
            assert outcome.status == Status.EXPORTED
            [pid] = children() - before
            counts.append(page_faults(pid))
    assert counts[5] - counts[2] < 3 * 500  # of 4 KiB, where the file's floats alone take 900
