"""Every setting says whether it belongs to a run's identity, and the identity of a run is that of all versions before."""

import pytest
from pydantic import Field

from config.settings import Settings, load
from flows.export import request
from schemas.enums import Guard, OrganizeBy, Runner
from schemas.export import ExportConfig, ExportRequest, SoundConfig
from schemas.run_identity import IdentityModel, identity_values, setting

REQUEST = ExportRequest(
    manifest="/lib/m.csv",
    config=ExportConfig(organize_by=OrganizeBy.BPM),
    sound=SoundConfig(guard=Guard.FILE, normalize_dbfs=-1.0),
    sample_ids=(3, 1),
    kits=("A",),
    full=True,
    workers=2,
    label="x",
    card="/c",
    init_card=True,
    zip=True,
    runner=Runner.DASK,
    work_pool="p",
    dask_address="d",
    db="/q",
)
# With version 2 of the conversion and a manifest whose hash is "f00d".
HASH_OF_REQUEST = "de9e2dca70b4c3b9ca1716984492243b"
HASH_OF_DEFAULTS = "8a970860fcba455fb4c1647aae7e89ae"


def settings() -> Settings:
    asked = {"db": "/r/r.duckdb", "output_base_path": "/out", "workers": 3}
    return load(asked, lambda *_: {}, {"SP404_CONFIG_DIR": "/none"}).settings


def test_the_identity_of_a_run_is_that_of_the_version_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another hash for the same command no run that was killed before an update could be resumed."""
    monkeypatch.setattr(request, "hash_file", lambda _path: "f00d")
    assert request.CONVERSION == 2, "write down the hashes of the new version"
    assert request.identity_of(REQUEST, settings()) == HASH_OF_REQUEST
    assert request.identity_of(ExportRequest(manifest="/lib/m.csv"), settings()) == HASH_OF_DEFAULTS


def test_what_a_request_says_of_settings_is_known() -> None:
    """The fields that a request and the settings both have: there the request wins."""
    shared = ExportRequest.model_fields.keys() & Settings.model_fields.keys()
    assert shared == {"db", "workers", "runner", "work_pool", "dask_address", "fall_back", "lock_wait_seconds"}
    assert ExportConfig.model_fields.keys() < Settings.model_fields.keys()
    assert SoundConfig.model_fields.keys() < Settings.model_fields.keys()


def test_what_does_not_belong_to_it() -> None:
    left_out = ExportRequest.model_fields.keys() - identity_values(REQUEST).keys()
    assert sorted(left_out) == [
        "card", "dask_address", "db", "init_card", "label", "lock_wait_seconds", "prune_layout", "runner", "work_pool",
        "workers", "yes", "zip",
    ]  # fmt: skip
    left_out = Settings.model_fields.keys() - identity_values(settings()).keys()
    assert sorted(left_out) == [
        "api_host", "api_max_queued", "api_names", "api_port", "api_root", "api_token", "api_token_file", "api_wait_seconds",
        "contained", "dask_address", "db", "failed_share", "kits_folder", "library", "lock_wait_seconds", "memory_mb",
        "nightly_card", "nightly_cron", "nightly_scan", "notify_url", "pad_short_hits", "runner", "seconds_per_sample",
        "timezone", "verify_cron", "work_pool", "workers",
    ]  # fmt: skip


@pytest.mark.parametrize("model", [Settings, ExportRequest, SoundConfig, ExportConfig])
def test_a_setting_that_forgets_to_say_is_no_class(model: type[IdentityModel]) -> None:
    with pytest.raises(TypeError, match=r"Careless\.colour does not say"):
        type("Careless", (model,), {"__annotations__": {"colour": str}, "colour": Field("red", description="Of the pads")})
    with pytest.raises(TypeError, match=r"Careless\.colour does not say"):
        type("Careless", (model,), {"__annotations__": {"colour": str}})
    careful = type("Careful", (model,), {"__annotations__": {"colour": str}, "colour": setting("red", identity=True)})
    assert "colour" in careful.model_fields


def test_models_in_a_model_say_it_for_themselves() -> None:
    class Inner(IdentityModel):
        a: int = setting(1, identity=True)
        b: int = setting(2, identity=False)

    class Outer(IdentityModel):
        seen: Inner = setting(Inner(), identity=True)
        hidden: Inner = setting(Inner(), identity=False)

    assert identity_values(Outer()) == {"seen": {"a": 1}}


@pytest.mark.parametrize("model", [Settings, ExportRequest, SoundConfig, ExportConfig])
def test_neither_a_form_nor_openapi_shows_it(model: type[IdentityModel]) -> None:
    known = {
        "$ref", "anyOf", "default", "description", "exclusiveMinimum", "format", "items", "maxLength", "maximum", "minLength",
        "minimum", "title", "type", "writeOnly",
    }  # fmt: skip
    for name, field in model.model_json_schema()["properties"].items():
        assert field.keys() <= known, name
        assert field["description"], name
