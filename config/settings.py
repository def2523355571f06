"""The settings in force, and where each came from: one frozen value, resolved once for a run.

In rising order: built-in defaults, ``config/*.toml`` (their ``[sp404]`` table), the ``user_preferences`` row,
``SP404_*`` environment variables, the request (command-line options, the UI form, REST).
"""

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, ValidationError

from config.device import MAX_FRAMES, RATE_HZ
from schemas.conversion import Limits, SoundSettings
from schemas.enums import AudioFormat, Names, OrganizeBy, PadShortHits, Runner
from schemas.errors import RequestError
from schemas.export import SoundConfig
from schemas.invalid_values import describe_invalid
from schemas.run_identity import IdentityModel, setting

_TABLE = "sp404"
_PREFIX = "SP404_"
CONFIG_FOLDER = "SP404_CONFIG_DIR"
# So many settings are named where a wrong name is a word of each.
_MOST_MEANT = 3


def real_path(path: str) -> str:
    """Return the absolute path without links and ``..``, so that a file has one name.

    Raises:
        ValueError: No file can have this path, and no table or JSON could hold it.
    """
    try:
        resolved = os.path.realpath(path)
        resolved.encode()
    except UnicodeEncodeError as error:
        raise ValueError("the path is not UTF-8; rename the file or folder") from error
    except ValueError as error:
        raise ValueError("a path cannot hold a NUL") from error
    return resolved


def _expand_home(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        raise ValueError("there is no such user, or the user has no home folder") from error


def _check_time_zone(name: str) -> str:
    try:
        return name and ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("it is not a time zone; write a name such as Europe/Berlin") from error


def _check_web_address(address: str) -> str:
    if address and not (address.startswith(("http://", "https://")) and urlsplit(address).hostname):
        raise ValueError("a web address begins with http:// or https://, and names a host")
    return address


def _count_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


_Path = Annotated[str, Field(min_length=1), AfterValidator(_expand_home), AfterValidator(real_path)]
_PathOrEmpty = Annotated[str, AfterValidator(lambda path: path and real_path(_expand_home(path)))]
_TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
_WebAddress = Annotated[str, AfterValidator(_check_web_address)]
_Workers = Annotated[int, AfterValidator(lambda count: count or _count_cores())]


class _Group(IdentityModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordSettings(_Group):
    """The database of the records."""

    db: _Path = setting(identity=False, description="The DuckDB file of the records")
    kits_folder: _PathOrEmpty = setting(
        identity=False, description="The folder of the kit files of the web page; empty: kits beside the database"
    )
    lock_wait_seconds: float = setting(identity=False, ge=0, le=3600, description="How long to wait for a database in use")


class LayoutSettings(_Group):
    """The settings of folders and file names."""

    output_base_path: _Path = setting(identity=True, description="The output folder")
    organize_by: OrganizeBy = setting(identity=True, description="Folders of the output: flat, genre, bpm, kit or folder")
    format: AudioFormat = setting(identity=True, description="wav or aiff")
    include_metadata: bool = setting(identity=True, description="Write name_metadata.txt beside each sample")
    sanitize_filenames: bool = setting(identity=True, description="Use only a-z, 0-9, _ and - in names")
    names: Names = setting(identity=True, description="full or screen: 23 characters, tempo and key in front")
    fall_back: bool = setting(identity=True, description="Write to a temporary folder when the output folder is not writable")


class LimitSettings(_Group):
    """The limits for one sample. A limit that decides which samples fail belongs to the identity; time and memory do not."""

    min_duration_ms: int = setting(identity=True, ge=0, le=60_000, description="Shorter samples fail")
    # Not part of the identity unless it is yes (``flows.export.request.identity_of``): else no run that an older version
    # began could be resumed.
    pad_short_hits: PadShortHits = setting(
        identity=False, description="yes: drum hits that are shorter get silence instead; ask: a scan counts them; no: neither"
    )
    max_duration_s: float = setting(
        identity=True, ge=0, allow_inf_nan=False, description="Longer samples fail; 0: the device's 16 minutes"
    )
    max_file_mb: int = setting(identity=True, ge=1, le=1 << 24, description="Larger source files fail")
    max_decoded_mb: int = setting(identity=True, ge=1, le=1 << 24, description="Sources that are larger when decoded fail")
    seconds_per_sample: float = setting(identity=False, ge=1, le=86_400, description="A sample that takes longer fails")
    memory_mb: int = setting(identity=False, ge=256, le=1 << 20, description="Memory for decoding one sample")
    contained: bool = setting(
        identity=False, description="Decode in isolated worker processes, so that a bad file cannot crash the run"
    )


class RunnerSettings(_Group):
    """The settings of where and how fast samples are converted."""

    workers: _Workers = setting(identity=False, ge=0, le=256, description="Conversions at the same time; 0: one a core")
    runner: Runner = setting(identity=False, description="threads, pool or dask")
    work_pool: str = setting(identity=False, description="Runner pool: the Prefect work pool whose workers convert")
    dask_address: str = setting(identity=False, description="Runner dask: the scheduler; empty: a cluster on this machine")


class ScheduleSettings(_Group):
    """The settings of what ``sp404 up`` does by itself, and of when a run is reported as failed."""

    library: _PathOrEmpty = setting(identity=False, description="The manifest that is exported every night")
    nightly_cron: str = setting(identity=False, description="When it is exported, as in crontab(5)")
    nightly_scan: bool = setting(
        identity=False, description="Before that, look for new samples in the folders that were scanned for it"
    )
    nightly_card: _PathOrEmpty = setting(
        identity=False, description="The card that the nights bring up to date, if it is there; empty: none"
    )
    verify_cron: str = setting(identity=False, description="When all outputs are verified, as in crontab(5)")
    timezone: _TimeZone = setting(identity=False, description="The time zone of these times; empty: the machine's own")
    failed_share: float = setting(
        identity=False, ge=0, le=1, description="A run is Failed in the UI when more of its samples were not exported"
    )
    notify_url: _WebAddress = setting(
        identity=False, description="A web address that gets an HTTP POST for every run that fails or crashes"
    )


class ApiSettings(_Group):
    """The REST API, and whom it lets in."""

    api_host: str = setting(identity=False, min_length=1, description="The address that the REST API listens at")
    api_port: int = setting(identity=False, ge=1, le=65_535, description="The port of the REST API")
    api_token: SecretStr = setting(
        identity=False, description="The token that clients must send; an address beyond this machine needs one"
    )
    api_token_file: _PathOrEmpty = setting(identity=False, description="A file with that token")
    api_names: str = setting(
        identity=False, description="Names, beside the address, by which clients may call the API; with spaces between them"
    )
    api_root: _PathOrEmpty = setting(
        identity=False, description="The folder that clients may scan and export to; empty: the output folder"
    )
    api_wait_seconds: float = setting(identity=False, ge=0, le=3600, description="How long a client waits for its turn")
    api_max_queued: int = setting(identity=False, ge=1, le=10_000, description="How many exports may wait for their turn")


class Settings(
    ApiSettings, ScheduleSettings, RunnerSettings, LimitSettings, LayoutSettings, RecordSettings, SoundConfig
):  # the last base's fields come first
    """All settings of a run, in one flat namespace. Paths are absolute; ``workers`` is at least 1.

    ``defaults.toml`` has a value for every field, so that none of ``SoundConfig`` is None here.
    """

    def sound(self) -> SoundSettings:
        """Return the settings that touch the sound, as small values that a worker process understands."""
        chosen = self.model_dump(include=set(SoundConfig.model_fields))
        given: dict[str, Any] = {name: None if value == "off" else value for name, value in chosen.items()}
        frames = round(self.max_duration_s * RATE_HZ) or MAX_FRAMES
        largest = self.max_file_mb << 20, self.max_decoded_mb << 20
        return SoundSettings(self.format, self.min_duration_ms, min(frames, MAX_FRAMES), *largest, **given)

    def kit_file_folder(self) -> str:
        """Return the folder of the kit files that clients edit."""
        return self.kits_folder or os.path.join(os.path.dirname(self.db), "kits")

    def client_folder(self) -> str:
        """Return the folder below which clients of the REST API may scan and export."""
        return self.api_root or self.output_base_path

    def page_address(self) -> str:
        """Return where a browser of this machine finds the web page."""
        host = self.api_host.strip("[]")
        with suppress(ValueError):
            if (address := ipaddress.ip_address(host)).is_unspecified:
                host = "127.0.0.1" if address.version == 4 else "::1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}/"

    def limits(self) -> Limits:
        """Return what one sample may take."""
        return Limits(self.seconds_per_sample, self.memory_mb, self.contained)


@dataclass(frozen=True)
class SettingsInForce:
    """The settings, and the source of each in words: ``built-in``, a file, ``user_preferences``, ``environment``..."""

    settings: Settings
    sources: dict[str, str]


def load(
    request: Mapping[str, Any],
    preferences: Callable[[str, float], Mapping[str, Any]],
    environment: Mapping[str, str] | None = None,
) -> SettingsInForce:
    """Merge the layers of settings; later ones win.

    Args:
        request: What this run asks for, without what it leaves open.
        preferences: Reads the ``user_preferences`` row of a database, given its path and how many seconds to wait for it.
        environment: The environment variables; None: those of this process.

    Raises:
        RequestError: A name is unknown, a value is not valid, or a file cannot be read.
    """
    environment = os.environ if environment is None else environment
    lower = [*_toml_layers(environment)]
    upper = [("environment", _environment_layer(environment)), ("command line", dict(request))]
    # The preferences stand in the database that the other layers name.
    records = _merge([*lower, *upper]).settings
    stored = ("user_preferences", dict(preferences(records.db, records.lock_wait_seconds)))
    return _merge([*lower, stored, *upper])


def _merge(layers: list[tuple[str, dict[str, Any]]]) -> SettingsInForce:
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        for name, value in layer.items():
            if name not in Settings.model_fields:
                raise _unknown_setting(name, source)
            values[name], sources[name] = value, source
    try:
        return SettingsInForce(Settings.model_validate(values), sources)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        what = f"The setting {name} = {first['input']!r} ({sources.get(name, 'built-in')}) {describe_invalid(first)}"
        raise RequestError(what=what, fix="Correct it there; `sp404 config` shows all settings.") from error


def _unknown_setting(name: str, source: str) -> RequestError:
    of_word = [known for known in Settings.model_fields if name in known.split("_")]  # of `card` nightly_card, and not guard
    near = of_word or difflib.get_close_matches(name, Settings.model_fields, 1)
    is_meant = 0 < len(near) <= _MOST_MEANT
    fix = f"Did you mean {' or '.join(near)}?" if is_meant else f"The settings are {', '.join(Settings.model_fields)}."
    return RequestError(what=f"Unknown setting {name!r} ({source})", fix=fix)


def _toml_layers(environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    defaults = resources.files(__package__) / "defaults.toml"
    yield "built-in", tomllib.loads(defaults.read_text(encoding="utf-8"))[_TABLE]
    folder = Path(environment.get(CONFIG_FOLDER) or "config")
    for file in sorted(folder.glob("*.toml")):
        with resources.as_file(defaults) as built_in:
            if file.samefile(built_in):
                continue
        yield str(file), _read_table(file)


def _read_table(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        is_path = "Unescaped" in str(error)  # tomllib's word for `"D:\sp404"`
        fix = "Write a path with \\ in single quotes: 'D:\\sp404'." if is_path else "Correct or move the file."
        raise RequestError(what=f"{file} cannot be read: {error}", fix=fix) from error
    table = content.get(_TABLE, {})
    if not isinstance(table, dict):
        raise RequestError(what=f"{file}: {_TABLE} is not a table", fix=f"Write settings below a line [{_TABLE}].")
    stray = [name for name in content if name in Settings.model_fields]
    if stray:
        what = f"{file}: {stray[0]} is outside of the table [{_TABLE}]"
        raise RequestError(what=what, fix=f"Put a line [{_TABLE}] above it.")
    return table


def _environment_layer(environment: Mapping[str, str]) -> dict[str, Any]:
    ours = (name for name in environment if name.startswith(_PREFIX) and name != CONFIG_FOLDER)
    return {name.removeprefix(_PREFIX).lower(): environment[name] for name in ours}
