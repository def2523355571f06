"""The deployments of ``sp404 up``, and ``config/prefect.yaml``, which says the same for a work pool."""

from typing import Any

import pytest
import yaml

from config.settings import load
from tests.support import ROOT

LIBRARY, ZONE = "/music/library.csv", "Europe/Berlin"


def served() -> dict[str, dict[str, Any]]:
    """Return what ``sp404 up`` registers, by the name of the deployment."""
    from flows.orchestration.deployments import build_deployments

    settings = load({"library": LIBRARY, "timezone": ZONE}, lambda _db, _seconds: {}).settings
    return {
        deployment.name: {
            "flow": deployment.flow_name,
            "entrypoint": deployment.entrypoint,
            "description": deployment.description,
            "tags": deployment.tags,
            "parameters": deployment.parameters,
            "schedules": [(item.schedule.cron, item.schedule.timezone) for item in deployment.schedules or []],
            "limit": (deployment.concurrency_limit, getattr(deployment.concurrency_options, "collision_strategy", None)),
            "enforced": deployment.enforce_parameter_schema,
        }
        for deployment in build_deployments(settings)
    }


def deployed(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Return what ``prefect deploy --all`` registers, read by the models, the templates and the importer of Prefect itself."""
    from prefect.cli.deploy._models import PrefectYamlModel
    from prefect.deployments.runner import RunnerDeployment
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.templating import apply_values

    monkeypatch.setenv("SP404_LIBRARY", LIBRARY)
    monkeypatch.setenv("SP404_TIMEZONE", ZONE)
    text = yaml.safe_load((ROOT / "config/prefect.yaml").read_text(encoding="utf-8"))
    model = PrefectYamlModel.model_validate(text)
    assert len(model.deployments) == len(text["deployments"])
    found = {}
    for config in model.deployments:
        item = apply_values(config.model_dump(exclude_unset=True, mode="json"), {})
        assert item["work_pool"]["name"] == "sp404"
        limit = item.get("concurrency_limit", {"limit": None, "collision_strategy": None})
        by_default = RunnerDeployment.model_fields["enforce_parameter_schema"].default
        found[item["name"]] = {
            "flow": load_flow_from_entrypoint(item["entrypoint"]).name,
            "entrypoint": item["entrypoint"],
            "description": item["description"],
            "tags": item["tags"],
            "parameters": item.get("parameters", {}),
            "schedules": [(schedule["cron"], schedule["timezone"]) for schedule in item.get("schedules", [])],
            "limit": (limit["limit"], limit["collision_strategy"]),
            "enforced": item.get("enforce_parameter_schema", by_default),
        }
    return found


def test_prefect_yaml_says_the_same_as_sp404_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployed(monkeypatch) == served()


@pytest.mark.slow
def test_parameters_of_deployments_fit_their_flows() -> None:
    """As the server checks them when a deployment is made: what is given must fit, what is missing may be filled in later."""
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema
    from prefect.utilities.schema_tools.validation import validate

    for deployment in served().values():
        schema = parameter_schema(load_flow_from_entrypoint(deployment["entrypoint"])).model_dump_for_openapi()
        validate(deployment["parameters"], schema, raise_on_error=True, preprocess=True, ignore_required=True)


def test_the_nightly_run_needs_a_library() -> None:
    from flows.orchestration.deployments import NIGHTLY, build_deployments

    settings = load({"library": ""}, lambda _db, _seconds: {}).settings
    assert NIGHTLY not in {deployment.name for deployment in build_deployments(settings)}


@pytest.mark.slow
def test_a_deployment_of_an_older_version_gets_the_entrypoint_of_this_one(prefect_server: str) -> None:
    """``sp404 up`` registers all deployments at each start, under the same names: those in the home follow the code."""
    from prefect.client.orchestration import get_client

    from flows.orchestration.deployments import KIT, build_deployments

    settings = load({}, lambda _db, _seconds: {}).settings
    kit = next(deployment for deployment in build_deployments(settings) if deployment.name == KIT)
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name(kit.flow_name)
        old = client.create_deployment(flow_id, KIT, entrypoint="flows.export.export_library")
        run = client.create_flow_run_from_deployment(old, parameters={"request": {"manifest": LIBRARY}})
        assert kit.apply() == old
        assert client.read_deployment(old).entrypoint == "flows.orchestration.flow.export_library"
        assert client.read_flow_run(run.id).deployment_id == old
        client.delete_deployment(old)


@pytest.mark.parametrize("damage", ["not yet in the records", "left by a killed run"])
def test_a_verification_does_not_fail_for_what_an_interrupted_run_wrote(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    from flows.export.preview import DamageEntry, VerifyReport
    from flows.orchestration import deployments

    fix = "Export 7 was interrupted: the next export of library.csv (the night's, too) records them."
    found = DamageEntry(path="/out", damage=damage, fix=fix, files=2)
    report = VerifyReport(files=9, texts=4, good=7, counts={damage: 2}, findings=[found], commands=[])
    monkeypatch.setattr(deployments.preview, "verify", lambda *_: report)
    state: Any = deployments.verify_outputs.fn(db="/records.duckdb")
    assert state.is_completed()
    told = f", 2 not yet in the records. {fix}" if damage == "not yet in the records" else ""
    assert state.message == f"7 of 9 files as they were written{told}"
