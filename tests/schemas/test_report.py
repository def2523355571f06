"""The JSON of an export: the keys of the contract in its order, and those of before for what a card has."""

import json
from typing import Any

import polars as pl

from schemas.enums import AudioFormat, ExportType, OrganizeBy, Status
from schemas.report import BatchExportResult, CardResult, Cause, ExportResult

CONTRACT = [
    "export_id", "export_type", "total_requested", "successful", "unchanged", "failed", "rejected", "total_size_bytes",
    "total_time_seconds", "output_base_path", "organized_by", "format", "results", "errors",
]  # fmt: skip


def batch(**more: Any) -> BatchExportResult:
    counts = {"total_requested": 3, "successful": 2, "unchanged": 1, "failed": 1, "rejected": 0, "output_base_path": "/out"}
    return BatchExportResult(
        export_id=1,
        export_type=ExportType.BATCH,
        total_size_bytes=7,
        total_time_seconds=0.5,
        organized_by=OrganizeBy.FLAT,
        format=AudioFormat.WAV,
        errors=["Sample 6: no"],
        **counts | more,
    )


def card(**more: Any) -> CardResult:
    return CardResult(
        card_id="c", root="/card", written=1, written_bytes=2, unchanged=3, in_the_way=[], stale=[], removed=0, **more
    )


def test_the_keys_of_the_contract_in_its_order() -> None:
    row = ExportResult(
        success=True,
        sample_id=1,
        output_path="/out/a.wav",
        output_filename="a.wav",
        format=AudioFormat.WAV,
        file_size_bytes=7,
        conversion_time_seconds=0.1,
        status=Status.EXPORTED,
        error=None,
    )
    rows = pl.DataFrame([row.model_dump(mode="json")])
    made = batch(output_base_path='/"errors":\u2028').with_results_from(lambda: rows)
    told = json.loads(made.model_dump_json())
    assert list(told) == CONTRACT
    assert told["results"] == [json.loads(row.model_dump_json())]
    assert made.results == [row]
    assert list(json.loads(made.to_json()).items()) == list(told.items())
    assert list(json.loads(batch(zip_path="/x.zip", stale=["b.wav"], no_card="gone").model_dump_json())) == [
        *CONTRACT,
        "zip_path",
    ]


def test_what_is_on_a_card_has_the_keys_of_before() -> None:
    told = json.loads(batch(card=card(modified=["a.wav"])).model_dump_json())
    assert list(told) == [*CONTRACT, "card"]
    assert list(told["card"]) == [
        "card_id", "root", "written", "written_bytes", "unchanged", "in_the_way", "spoiled", "stale", "removed",
        "renamed", "other_layouts", "layout_removed",
    ]  # fmt: skip
    assert told["card"]["spoiled"] == ["a.wav"]


def test_it_is_complete_when_all_was_done() -> None:
    done = batch().model_copy(update={"failed": 0})
    assert done.complete
    assert not batch().complete
    for lack in ({"no_zip": "x"}, {"no_card": "x"}, {"card": card(modified=["a.wav"])}):
        assert not done.model_copy(update=lack).complete
    assert done.model_copy(update={"card": card(modified=[])}).complete


def test_failures_in_words_name_files_and_the_command_that_shows_all() -> None:
    assert batch().failures() == ""
    causes = [
        Cause(text="Duration too short", samples=7, files=["/lib/a/x.wav", "/lib/b/y.wav"]),
        Cause(text="bpm must be a number", samples=1, files=["/lib/z.wav"]),
        Cause(text="Line", samples=2, files=[]),
        Cause(text="one more", samples=1, files=[]),
    ]
    assert batch(causes=causes).failures() == (
        "7 x Duration too short (x.wav, y.wav, ...); 1 x bpm must be a number (z.wav); 2 x Line; and for 1 other cause."
        " All of them: sp404 history --export 1 --failed"
    )


def test_counts_in_words() -> None:
    assert batch().counts() == "1 exported, 1 unchanged, 1 failed of 3"
    assert batch(no_zip="x", no_card="y").counts() == "1 exported, 1 unchanged, 1 failed of 3 (no ZIP) (not on the card)"
