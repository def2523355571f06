"""Settings come in layers, each value says where it came from, and nothing wrong goes in unnoticed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.device import MAX_FRAMES
from config.settings import Settings, SettingsInForce, load
from schemas.enums import AudioFormat, OrganizeBy
from schemas.errors import DatabaseError, RequestError
from tasks.store import history
from tasks.store.database import Database
from tasks.store.export_records import ExportTarget
from tests.support.exporting import Ledger

Preferences = Callable[[str, float], Mapping[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of ``config/*.toml`` files, empty."""
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def loaded(
    folder: Path,
    request: Mapping[str, Any] | None = None,
    stored: Mapping[str, Any] | None = None,
    **environment: str,
) -> SettingsInForce:
    return load(request or {}, lambda _db, _wait: stored or {}, {"SP404_CONFIG_DIR": str(folder)} | environment)


def refused(call: Callable[[], object]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        call()
    error = caught.value
    assert len(str(error).splitlines()) == 1
    assert error.fix
    assert error.exit_code == 2
    return error


def test_the_built_in_defaults(folder: Path) -> None:
    found = loaded(folder)
    settings = found.settings
    assert (settings.organize_by, settings.format, settings.min_duration_ms) == (OrganizeBy.FLAT, AudioFormat.WAV, 100)
    assert settings.include_metadata
    assert settings.sanitize_filenames
    assert settings.workers >= 1
    assert Path(settings.db).is_absolute()
    assert Path(settings.output_base_path).is_absolute()
    assert "~" not in settings.db
    assert found.sources == dict.fromkeys(Settings.model_fields, "built-in")


def test_each_layer_wins_over_those_below(folder: Path) -> None:
    file = folder / "mine.toml"
    layers: list[tuple[str, Callable[[], SettingsInForce], int]] = []

    def toml() -> SettingsInForce:
        file.write_text("[sp404]\nmin_duration_ms = 201\n")
        return loaded(folder)

    layers.append((str(file), toml, 201))
    layers.append(("user_preferences", lambda: loaded(folder, stored={"min_duration_ms": 202}), 202))
    environment = {"SP404_MIN_DURATION_MS": "203"}
    layers.append(("environment", lambda: loaded(folder, stored={"min_duration_ms": 202}, **environment), 203))
    asked = {"min_duration_ms": 204}
    layers.append(("command line", lambda: loaded(folder, asked, {"min_duration_ms": 202}, **environment), 204))
    assert (loaded(folder).settings.min_duration_ms, loaded(folder).sources["min_duration_ms"]) == (100, "built-in")
    for source, call, value in layers:
        found = call()
        assert (found.settings.min_duration_ms, found.sources["min_duration_ms"]) == (value, source)
        assert found.sources["runner"] == "built-in"


def test_files_are_read_in_the_order_of_their_names(folder: Path) -> None:
    for name, value in (("10-a.toml", 1), ("20-b.toml", 2), ("05-c.toml", 3)):
        (folder / name).write_text(f"[sp404]\nmin_duration_ms = {value}\n")
    (folder / "notes.txt").write_text("[sp404]\nmin_duration_ms = 9\n")
    found = loaded(folder)
    assert (found.settings.min_duration_ms, found.sources["min_duration_ms"]) == (2, str(folder / "20-b.toml"))


def test_a_file_with_a_byte_order_mark_is_read(folder: Path) -> None:
    (folder / "mine.toml").write_bytes(b"\xef\xbb\xbf[sp404]\r\nmin_duration_ms = 7\r\n")
    assert loaded(folder).settings.min_duration_ms == 7


def test_a_path_of_windows_in_double_quotes_says_what_to_do(folder: Path) -> None:
    (folder / "mine.toml").write_text('[sp404]\noutput_base_path = "D:\\sp404"\n')
    assert "single quotes" in refused(lambda: loaded(folder)).fix


def test_other_tables_of_a_toml_file_are_not_ours(folder: Path) -> None:
    (folder / "shared.toml").write_text("[tool.black]\nline-length = 7\n")
    assert loaded(folder).settings == loaded(folder / "none").settings


def test_without_a_config_folder(tmp_path: Path) -> None:
    assert loaded(tmp_path / "none").sources["db"] == "built-in"


def test_the_config_folder_is_that_of_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.toml").write_text("[sp404]\nformat = 'aiff'\n")
    monkeypatch.chdir(folder.parent)
    found = load({}, lambda _db, _wait: {}, {})
    assert found.settings.format is AudioFormat.AIFF


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("organise_by", "organize_by"),
        ("sanitise_filenames", "sanitize_filenames"),
        ("worker", "workers"),
        ("metadata", "include_metadata"),
        ("card", "Did you mean nightly_card?"),
        ("cron", "Did you mean nightly_cron or verify_cron?"),
    ],
)
def test_an_unknown_key_is_refused_with_a_near_miss(folder: Path, wrong: str, near: str) -> None:
    file = folder / "mine.toml"
    calls: dict[str, Callable[[], SettingsInForce]] = {
        "environment": lambda: loaded(folder, **{f"SP404_{wrong.upper()}": "1"}),
        "command line": lambda: loaded(folder, {wrong: 1}),
        "user_preferences": lambda: loaded(folder, stored={wrong: 1}),
        str(file): lambda: loaded(folder),
    }
    for source, call in calls.items():
        file.write_text(f"[sp404]\n{wrong} = 1\n" if source == str(file) else "")
        error = refused(call)
        assert repr(wrong) in str(error)
        assert source in str(error)
        assert near in error.fix


def test_an_unknown_key_without_a_near_miss_shows_all(folder: Path) -> None:
    error = refused(lambda: loaded(folder, SP404_ZZZZZZ="1"))
    assert all(name in error.fix for name in Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("organize_by", "colour"),
        ("format", "mp3"),
        ("format", ""),
        ("include_metadata", "perhaps"),
        ("sanitize_filenames", "2"),
        ("min_duration_ms", "-1"),
        ("min_duration_ms", "0.5"),
        ("min_duration_ms", "soon"),
        ("min_duration_ms", "99999999"),
        ("workers", "-1"),
        ("workers", "1000"),
        ("workers", "many"),
        ("runner", "ray"),
        ("lock_wait_seconds", "nan"),
        ("lock_wait_seconds", "inf"),
        ("lock_wait_seconds", "-1"),
        ("max_duration_s", "-1"),
        ("max_duration_s", "nan"),
        ("max_duration_s", "inf"),
        ("max_file_mb", "0"),
        ("max_decoded_mb", "0.5"),
        ("seconds_per_sample", "0"),
        ("seconds_per_sample", "inf"),
        ("memory_mb", "10"),
        ("contained", "perhaps"),
        ("db", ""),
        ("db", "~nobody-by-this-name/records.duckdb"),
        ("db", "nul\0byte.duckdb"),
        ("output_base_path", ""),
        ("output_base_path", "~nobody-by-this-name/out"),
    ],
)
def test_a_bad_value_is_one_clear_error(folder: Path, name: str, value: str) -> None:
    sources: dict[str, Callable[[], SettingsInForce]] = {
        "environment": lambda: loaded(folder, **{f"SP404_{name.upper()}": value}),
        "user_preferences": lambda: loaded(folder, stored={name: value}),
        "command line": lambda: loaded(folder, {name: value}),
    }
    for source, call in sources.items():
        error = refused(call)
        assert name in str(error)
        assert source in str(error)
        assert len(str(error)) < 600


@pytest.mark.parametrize(
    "content", ["[sp404", "sp404 = 5\n", "[sp404]\nworkers = [1]\n", "[sp404]\nworkers = { a = 1 }\n", b"\xff\xfe[sp404]", "\0"]
)
def test_a_bad_file_is_named(folder: Path, content: str | bytes) -> None:
    file = folder / "mine.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert str(file) in str(refused(lambda: loaded(folder)))


def test_a_folder_that_is_named_like_a_file_is_named(folder: Path) -> None:
    (folder / "mine.toml").mkdir()
    assert "mine.toml" in str(refused(lambda: loaded(folder)))


def test_workers_0_is_one_a_core(folder: Path) -> None:
    assert loaded(folder, SP404_WORKERS="0").settings.workers == loaded(folder).settings.workers >= 1
    assert loaded(folder, SP404_WORKERS="3").settings.workers == 3


def test_limits_are_in_the_units_of_those_who_need_them(folder: Path) -> None:
    asked = {"max_duration_s": 2.5, "max_file_mb": 3, "max_decoded_mb": 5, "seconds_per_sample": 7, "memory_mb": 512}
    settings = loaded(folder, asked | {"contained": False}).settings
    sound, limits = settings.sound(), settings.limits()
    assert (sound.max_frames, sound.max_file_bytes, sound.max_decoded_bytes) == (120_000, 3 << 20, 5 << 20)
    assert (limits.seconds, limits.memory_mb, limits.contained) == (7, 512, False)


@pytest.mark.parametrize("seconds", [0, 1e9])
def test_no_sample_is_longer_than_the_device_holds(folder: Path, seconds: float) -> None:
    assert loaded(folder, {"max_duration_s": seconds}).settings.sound().max_frames == MAX_FRAMES


def test_paths_are_absolute_and_home_is_known(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)
    settings = loaded(folder, {"db": "~/r.duckdb", "output_base_path": "out"}).settings
    assert (settings.db, settings.output_base_path) == (f"{tmp_path}/r.duckdb", f"{folder}/out")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("no", False), ("ON", True), ("False", False)])
def test_yes_and_no_in_the_environment(folder: Path, text: str, value: bool) -> None:
    assert loaded(folder, SP404_INCLUDE_METADATA=text).settings.include_metadata is value


def test_settings_do_not_change(folder: Path) -> None:
    settings = loaded(folder).settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.workers = 5  # type: ignore[misc]


# ---- the row in the database ----


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(ExportTarget(Database(str(tmp_path / "records.duckdb"), 1.0), "/m.csv", "/out"))


PREFERENCES = {
    "sp404_export_format": ("format", "aiff", AudioFormat.AIFF),
    "sp404_default_organization": ("organize_by", "bpm", OrganizeBy.BPM),
    "sp404_sanitize_filenames": ("sanitize_filenames", False, False),
    "sp404_include_metadata": ("include_metadata", False, False),
    "sp404_export_base_path": ("output_base_path", "/card", "/card"),
}


@pytest.mark.slow
@pytest.mark.parametrize("column", PREFERENCES)
def test_the_preferences_row_is_read(ledger: Ledger, folder: Path, column: str) -> None:
    name, value, wanted = PREFERENCES[column]
    environment = {"SP404_DB": ledger.database.path, "SP404_CONFIG_DIR": str(folder)}
    ledger.begin({"source": "/a.wav"})
    ledger.tell(f"UPDATE user_preferences SET {column} = ?", value)
    found = load({}, history.preferences_at, environment)
    assert (getattr(found.settings, name), found.sources[name]) == (wanted, "user_preferences")
    assert [source for source in found.sources.values() if source == "user_preferences"] == ["user_preferences"]


def test_the_preferences_are_those_of_the_database_that_is_asked_for(ledger: Ledger, folder: Path) -> None:
    ledger.begin({"source": "/a.wav"})
    ledger.tell("UPDATE user_preferences SET sp404_export_format = 'aiff'")
    environment = {"SP404_DB": "/nowhere/r.duckdb", "SP404_CONFIG_DIR": str(folder)}
    assert load({"db": ledger.database.path}, history.preferences_at, environment).settings.format is AudioFormat.AIFF
    assert load({}, history.preferences_at, environment).settings.format is AudioFormat.WAV


def test_a_bad_preference_is_named(ledger: Ledger, folder: Path) -> None:
    ledger.begin({"source": "/a.wav"})
    ledger.tell("UPDATE user_preferences SET sp404_export_format = 'mp3'")
    environment = {"SP404_DB": ledger.database.path, "SP404_CONFIG_DIR": str(folder)}
    assert "user_preferences" in str(refused(lambda: load({}, history.preferences_at, environment)))


def test_there_is_one_row_of_preferences_with_id_1(ledger: Ledger) -> None:
    ledger.begin({"source": "/a.wav"})
    assert ledger.ask("SELECT id FROM user_preferences") == [(1,)]
    for statement in ("INSERT INTO user_preferences (id) VALUES (2)", "UPDATE user_preferences SET id = 2"):
        with pytest.raises(Exception, match=r"CHECK|constraint"):
            ledger.tell(statement)


def test_a_second_row_of_preferences_is_refused(ledger: Ledger) -> None:
    """ "id always 1": which of two rows would be in force?"""
    ledger.begin({"source": "/a.wav"})
    with pytest.raises(Exception, match=r"[Cc]onstraint|[Dd]uplicate"):
        ledger.tell("INSERT INTO user_preferences (id, sp404_export_format) VALUES (1, 'aiff')")


def test_a_database_that_is_none_is_not_passed_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.duckdb").write_bytes(b"junk" * 999)
    with pytest.raises(DatabaseError):
        load({"db": str(tmp_path / "junk.duckdb")}, history.preferences_at, {"SP404_CONFIG_DIR": str(folder)})
