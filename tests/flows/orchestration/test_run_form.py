"""The form of an export in Prefect's UI is short, and what it sends is a request."""

import json
import logging

from prefect.exceptions import FailedRun
from prefect.utilities.schema_tools.validation import validate

from config.settings import load
from flows.orchestration import run_form, run_log
from flows.orchestration.flow import TooManyFailedError
from schemas.errors import ManifestError
from schemas.export import ExportRequest
from schemas.report import BatchExportResult


def test_the_form_is_short_plain_and_fits_the_request() -> None:
    schema = run_form.form_schema().model_dump_for_openapi()
    text = json.dumps(schema)
    for word in ("null", "anyOf", "$ref", "None"):
        assert word not in text
    fields = schema["properties"]["request"]["properties"]
    plain = [*fields.values(), *fields["config"]["properties"].values()]
    assert len(plain) <= 12
    assert all(field["description"] and field["title"] for field in plain)
    assert fields["config"]["properties"]["organize_by"]["enum"][:4] == ["flat", "genre", "bpm", "kit"]
    sent = {
        "manifest": "/m.csv", "kits": ["A"], "card": "/card", "prune": True, "full": False, "label": "x",
        "config": {"organize_by": "kit", "format": "aiff", "names": "screen", "output_base_path": "/out"},
    }  # fmt: skip
    assert set(sent) == set(fields)
    validate({"request": sent}, schema, raise_on_error=True)
    assert ExportRequest.model_validate(sent).config.organize_by == "kit"
    # What the form does not show can be sent all the same.
    validate({"request": {"manifest": "/m.csv", "sound": {"pad_to_ms": 100}}}, schema, raise_on_error=True)


def test_manifest_and_kit_have_the_form_and_manifest_has_the_library() -> None:
    from flows.orchestration.deployments import build_deployments

    settings = load({"library": "/music/library.csv"}, lambda _db, _seconds: {}).settings
    built = {deployment.name: deployment for deployment in build_deployments(settings)}
    for name in ("manifest", "kit"):
        assert "anyOf" not in json.dumps(built[name]._parameter_openapi_schema.model_dump_for_openapi())
    assert built["manifest"].parameters == {"request": {"manifest": "/music/library.csv"}}


def test_the_log_has_no_traceback_for_an_error_in_words() -> None:
    run_log.hide_noise()
    run_log.hide_noise()
    tasks, flows = (logging.getLogger(f"prefect.{kind}") for kind in ("task_runs", "flow_runs"))
    assert [len([each for each in logger.filters if "Noise" in type(each).__name__]) for logger in (tasks, flows)] == [1, 1]

    def shown(logger: logging.Logger, level: int, text: str, error: Exception | None = None) -> bool:
        info = (type(error), error, None) if error else None
        return bool(logger.filter(logger.makeRecord(logger.name, level, "f", 1, text, (), info)))

    ended = "Engine execution exited with unexpected exception"
    assert not shown(tasks, logging.INFO, "Finished in state Completed()")
    assert shown(tasks, logging.ERROR, "Finished in state Failed()")
    assert not shown(tasks, logging.ERROR, "Task run failed with state: Failed")  # without an exception: NoneType
    assert not shown(flows, logging.ERROR, ended, ManifestError(path="m", what="w", fix="f"))
    assert not shown(flows, logging.ERROR, ended, FailedRun("425 exported, 150 failed"))
    batch = BatchExportResult.model_construct()
    assert not shown(flows, logging.ERROR, ended, TooManyFailedError("45 of 100 failed", batch))
    assert shown(flows, logging.ERROR, ended, ValueError("a bug"))
