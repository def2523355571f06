"""Report the state of the installation: last and next runs, failures that persist, the card, the disk, the versions."""

import os
import platform
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import zip_longest

from pydantic import BaseModel

from config.schedules import next_time
from config.settings import Settings, SettingsInForce
from flows.export.card_currency import count_behind
from flows.export.sd_card import find_known
from flows.orchestration import prefect_server
from schemas.errors import CardError, NotConvertedError
from schemas.report import SHOWN_FILES, describe_cause, describe_comparison
from tasks.fs.file_status import free_bytes, nearest_folder
from tasks.store import history
from tasks.store.database import Database
from tasks.store.export_lock import other_holder
from tasks.store.export_summary import summarize_export

_MOST_EXPORTS = 200


class RunStatus(BaseModel):
    """The last export of a manifest.

    Attributes:
        trouble: Why it did not come to its end, and what to do; None where it did.
        failing: How many of its rows were not exported.
        not_reached: How many of those it did not come to before it was interrupted: they are no failures.
        again: How many of the failures the run before did not export, either; None in the first run.
        compared_with: The run before; if that was interrupted also those before it, to the newest that came to its end.
        comparison: What that means, in words; empty where the run before came to its end.
        new: How many of its samples were exported and the run before did not have them, and ``new_files`` some of them.
        mended: Files that the run before did not export, and this one has.
        reasons: ``failing`` by reason, the most frequent first.
        causes: The same in words, as they are printed.
        examples: Files that were not exported: first those that the run before had.
    """

    export_id: int
    created_at: datetime
    output_path: str
    trouble: str | None
    exported: int
    unchanged: int
    failing: int
    not_reached: int = 0
    again: int | None
    compared_with: list[int] = []
    comparison: str = ""
    new: int = 0
    new_files: list[str] = []
    mended: list[str] = []
    reasons: dict[str, int]
    causes: dict[str, int]
    examples: list[str]


class PrefectRunStatus(BaseModel):
    """The last run of a deployment, as the Prefect server has it: also one that wrote nothing into the records.

    Attributes:
        ended_at: In UTC, naive, as the records have their times.
        state: Its name, such as *Completed*, *CompletedWithFailures*, *Failed* or *Crashed*.
        is_good: It is of the type *Completed*.
    """

    ended_at: datetime | None
    state: str
    is_good: bool
    message: str


class OpenRunStatus(BaseModel):
    """A run of a deployment that has not ended. ``since``: when it began or was due, in UTC, naive, as in the records."""

    since: datetime
    runs: bool


class CardStatus(BaseModel):
    """The card that was written last. ``behind``: how many files of its libraries it lacks or has in an older version."""

    card_id: str
    root: str
    mounted: bool
    export_id: int | None
    files: int
    behind: int


class StatusReport(BaseModel):
    """State of the installation. What does not apply is None.

    Attributes:
        library: The manifest that is exported every night; empty where none is set.
        manifest: The manifest of ``last``: the library, else that of the newest export.
        last_nightly: The last night, if ``server`` is not None; ``last_verify``: the last verification.
        open_nightly: The night that runs now, or is about to, likewise.
        next_nightly: When the library is exported next, if ``server`` is not None: as the running ``sp404 up`` has it.
        unread_schedules: Settings of times that were changed since it started: it does not know them.
        served_library: What the running ``sp404 up`` exports every night; empty where none runs.
        server: The Prefect server that answers.
        nightly_card: The card that the nights bring up to date; empty where none is set.
        no_nightly_card: Why they could not now, such as that it is not there; empty where they could.
    """

    library: str
    library_exists: bool
    manifest: str
    last: RunStatus | None
    last_nightly: PrefectRunStatus | None
    last_verify: PrefectRunStatus | None
    open_nightly: OpenRunStatus | None
    next_nightly: datetime | None
    next_verify: datetime | None
    served_library: str
    unread_schedules: list[str]
    server: str | None
    output_base_path: str
    bytes_free: int
    card: CardStatus | None
    nightly_card: str
    no_nightly_card: str
    db: str
    db_bytes: int
    versions: dict[str, str]


def report_status(in_force: SettingsInForce) -> StatusReport:
    """Look at the settings, the records, the disk and the server. Raises DatabaseBusyError, DatabaseError, RequestError.

    Of a running ``sp404 up`` those settings count that are not set here: what it does at night is asked for.
    """
    server, published = _find_server(), prefect_server.read_published()
    running = published if published.get("api") == server else {}
    unset = {name for name in prefect_server.PUBLISHED_SETTINGS if in_force.sources[name] == "built-in"}
    settings = in_force.settings.model_copy(update={name: running[name] for name in unset & running.keys()})
    database = Database.of(settings)
    manifest, last, card, behind = settings.library, None, None, 0
    database.check_not_lost()
    if database.exists:
        with database.hold():
            exports = history.exports(database, user_id=None, export_id=None, most=_MOST_EXPORTS)
            of_library = [row for row in exports if row["manifest_path"] == settings.library] if settings.library else exports
            if of_library:
                manifest = of_library[0]["manifest_path"]
                last = _last_run(database, [row for row in of_library if row["manifest_path"] == manifest], settings.library)
            card = next(iter(history.last_cards(database)), None)
            behind = sum(count_behind(database, card["card_id"])) if card else 0
    served = {name: running.get(name, getattr(settings, name)) for name in ("nightly_cron", "verify_cron", "timezone")}
    zone = served["timezone"]
    # Of another server on this machine that nobody named, nothing is known.
    ours = server if running or server == os.environ.get("PREFECT_API_URL") else None
    return StatusReport(
        library=settings.library,
        library_exists=bool(settings.library) and os.path.exists(settings.library),
        manifest=manifest,
        last=last,
        last_nightly=_last_run_of(ours, prefect_server.NIGHTLY),
        last_verify=_last_run_of(ours, prefect_server.VERIFY),
        open_nightly=_open_run_of(ours, prefect_server.NIGHTLY),
        next_nightly=next_time("nightly_cron", served["nightly_cron"], zone) if settings.library else None,
        next_verify=next_time("verify_cron", served["verify_cron"], zone),
        served_library=str(running.get("library") or ""),
        unread_schedules=[name for name, value in served.items() if value != getattr(settings, name)],
        server=server,
        output_base_path=settings.output_base_path,
        bytes_free=free_bytes(nearest_folder(settings.output_base_path)),
        card=CardStatus(mounted=os.path.isdir(card["root"]), behind=behind, **card) if card else None,
        nightly_card=settings.nightly_card,
        no_nightly_card=_find_no_card(settings, database),
        db=settings.db,
        db_bytes=os.path.getsize(settings.db) if database.exists else 0,
        versions={name: version(name) for name in ("sp404-export", "prefect", "duckdb", "polars")}
        | {"python": platform.python_version()},
    )


def _find_no_card(settings: Settings, database: Database) -> str:
    if not settings.nightly_card:
        return ""
    try:
        find_known(settings.nightly_card, False, database)
    except CardError as error:
        return f"the card {error}: not current"
    return ""


def _last_run(database: Database, exports: list[dict[str, object]], library: str) -> RunStatus:
    row, compared = exports[0], _compared_with(exports)
    export_id, ids = int(str(row["id"])), [int(str(export["id"])) for export in compared]
    failing = history.export_samples(database, user_id=None, export_id=export_id, sample_id=None, failed_only=True, most=None)
    reached = [failed for failed in failing if failed["reason"] != NotConvertedError.reason]
    before = history.failures_before(database, export_id, ids)
    lasting = {failed["source_path"] for failed in before}
    causes = Counter(map(_cause_of, failing))
    changes = summarize_export(database, export_id, 0, 0).changes or {}
    not_there = {failed["source_path"] for failed in failing}
    again = sum(failed["source_path"] in lasting for failed in reached)
    failing_anew = len(reached) - again - changes.get("newly_failing", 0)  # new in the manifest, and failed at once
    new_first = sorted(_in_turns(reached, causes), key=lambda failed: failed["source_path"] in lasting)
    trouble = row["trouble"]
    if trouble and (holder := other_holder(database)):
        trouble = f"Not finished: an export runs now ({holder.owner}, since {holder.since.astimezone():%H:%M})"
    elif trouble and row["manifest_path"] == library:
        trouble = f"{trouble}, and so does the next night"
    return RunStatus.model_validate(
        {
            **{name: row[name] for name in ("created_at", "output_path", "exported", "unchanged")},
            "trouble": trouble,
            "export_id": export_id,
            "failing": len(failing),
            "not_reached": len(failing) - len(reached),
            "again": again if compared else None,
            "compared_with": ids,
            "comparison": describe_comparison(ids, bool(compared) and not _came_to_its_end(compared[0])),
            "reasons": dict(Counter(str(failed["reason"]) for failed in failing).most_common()),
            "causes": dict(causes.most_common()),
            "new": max(0, changes.get("new", 0) - failing_anew),
            "new_files": [file for file in changes.get("new_files") or [] if file not in not_there],
            "mended": [str(failed["source_path"]) for failed in before if failed["mended"]],
            "examples": [str(failed["source_path"]) for failed in new_first if failed["source_path"]][:SHOWN_FILES],
        }
    )


def _cause_of(failed: dict[str, object]) -> str:
    return describe_cause(str(failed["reason"]), str(failed["error_message"]))


def _in_turns(failures: list[dict[str, object]], causes: Counter[str]) -> list[dict[str, object]]:
    """Return the first failure of each cause, then all second ones, and so on; rare causes come first: each is to be named."""
    of_cause: dict[str, list[dict[str, object]]] = {}
    for failed in failures:
        of_cause.setdefault(_cause_of(failed), []).append(failed)
    rare_first = sorted(of_cause.values(), key=lambda members: causes[_cause_of(members[0])])
    return [failed for turn in zip_longest(*rare_first) for failed in turn if failed]


def _compared_with(exports: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return what the first of ``exports`` is compared with: the next and, where that was interrupted, those before it."""
    compared = []
    for export in exports[1:]:
        compared.append(export)
        if _came_to_its_end(export):
            break
    return compared


def _came_to_its_end(export: dict[str, object]) -> bool:
    """Return whether a run reached all of its rows: of one that was killed some have no record yet."""
    counts = (export[name] for name in ("exported", "unchanged", "rejected", "failed"))
    return not export["not_reached"] and sum(int(str(count)) for count in counts) == export["sample_count"]


def _last_run_of(server: str | None, deployment: str) -> PrefectRunStatus | None:
    run = prefect_server.last_run_of(server, deployment) if server else None
    if not run:
        return None
    state, ended = run["state"], run["end_time"]
    return PrefectRunStatus(
        ended_at=_naive(ended) if ended else None,
        state=state["name"],
        is_good=state["type"] == "COMPLETED",
        message=state["message"] or "",
    )


def _open_run_of(server: str | None, deployment: str) -> OpenRunStatus | None:
    run = prefect_server.open_run_of(server, deployment) if server else None
    if not run:
        return None
    return OpenRunStatus(since=_naive(run["start_time"] or run["expected_start_time"]), runs=bool(run["start_time"]))


def _naive(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def _find_server() -> str | None:
    known = (os.environ.get("PREFECT_API_URL"), prefect_server.read_published_api(), prefect_server.LOCAL_API)
    return next((api for api in known if api and prefect_server.is_healthy(api)), None)
