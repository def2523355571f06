"""Artifacts for the Prefect UI, under fixed keys: the verdict first, then what failed and why."""

import os
from itertools import islice

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.planning import Plan
from schemas.export import BatchExportResult

_MOST_ROWS = 500
_MOST_REASONS = 20


def publish(plan: Plan, batch: BatchExportResult) -> None:
    """``export-report``, ``buckets`` and, where there are any, ``rejected-samples``."""
    create_markdown_artifact(report_markdown(plan, batch), key="export-report", description=batch.counts())
    create_table_artifact(bucket_rows(plan), key="buckets", description="Files by folder of the plan")
    troubled = trouble_rows(batch)
    if troubled:
        description = f"{len(troubled):,} rows were not exported"
        if len(troubled) > _MOST_ROWS:
            description += f"; these are the first {_MOST_ROWS}, `sp404 history --export {batch.export_id} --failed` shows all"
        create_table_artifact(troubled[:_MOST_ROWS], key="rejected-samples", description=description)


def run_name(plan: Plan) -> str:
    """A label if a person gave one, else `library by bpm, 1,316 samples`: in ASCII, as the UI wants it."""
    stem = os.path.splitext(os.path.basename(plan.place.manifest))[0]
    name = plan.request.label or f"{stem} by {plan.settings.organize_by}, {plan.requested:,} samples"
    return name.encode("ascii", "replace").decode()


def run_tags(plan: Plan) -> list[str]:
    return [str(plan.settings.organize_by), str(plan.settings.format), str(plan.export_type)]


def report_markdown(plan: Plan, batch: BatchExportResult) -> str:
    verdict = "All samples are there" if batch.complete else "Done, but not every sample could be exported"
    lines = [
        f"# {verdict}",
        "",
        f"**{batch.counts()}**",
        "",
        "| | |",
        "|---|---|",
        f"| export | {batch.export_id} ({batch.export_type}, {batch.organized_by}, {batch.format}) |",
        f"| manifest | `{plan.place.manifest}` |",
        f"| output | `{batch.output_base_path}` |",
        f"| database | `{plan.place.db}` |",
        f"| size | {batch.total_size_bytes / 1e6:,.1f} MB |",
        f"| time | {batch.total_time_seconds:.1f} s |",
    ]
    if batch.zip_path or batch.no_zip:
        lines.append(f"| ZIP | {_cell(batch.no_zip) or f'`{batch.zip_path}`'} |")
    if batch.card:
        put = batch.card
        left = f", {len(put.in_the_way):,} in the way of other files" if put.in_the_way else ""
        lines.append(f"| card | `{put.root}`: {put.written:,} written and read back, {put.unchanged:,} there already{left} |")
    elif batch.no_card:
        lines.append(f"| card | {_cell(batch.no_card)} |")
    lines.append("")
    if batch.causes:
        lines += ["## Why not", "", "| reason | samples |", "|---|---|"]
        lines += [f"| {_cell(reason)} | {count:,} |" for reason, count in islice(batch.causes.items(), _MOST_REASONS)]
        lines.append("")
    if batch.findings:
        lines += ["## Worth a look in the kits", "", "| where | what | what to do |", "|---|---|---|"]
        shown = islice(batch.findings, _MOST_REASONS)
        lines += [f"| {_cell(one.where)} | {_cell(one.what)} | {_cell(one.fix)} |" for one in shown]
        lines.append("")
    lines += [f"- {_cell(note)}" for note in batch.notes[:_MOST_REASONS]]
    if batch.warnings:
        lines += ["", "## Worth a look", "", "| what | samples |", "|---|---|"]
        lines += [f"| {_cell(what)} | {count:,} |" for what, count in batch.warnings.items()]
    return "\n".join(lines)


def bucket_rows(plan: Plan) -> list[dict[str, object]]:
    folders = plan.jobs["path"].str.extract(r"^(.*)/[^/]*$").fill_null("(top)").alias("folder")
    return folders.value_counts(name="files").sort("folder").head(_MOST_ROWS).to_dicts()


def trouble_rows(batch: BatchExportResult) -> list[dict[str, object]]:
    return [
        {"sample": result.sample_id, "status": str(result.status), "why": result.error}
        for result in (() if batch.complete else batch.results)
        if not result.success
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
