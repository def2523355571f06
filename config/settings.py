"""The settings in force, and where each came from: one frozen value, made once for a run.

In rising order: built-in defaults, ``config/*.toml`` (their ``[sp404]`` table), the ``user_preferences`` row,
``SP404_*`` environment variables, the request (command-line options, the UI form, REST).
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError

from config.device import MAX_FRAMES, RATE_HZ
from schemas.conversion import Limits, SoundSettings
from schemas.enums import AudioFormat, Names, OrganizeBy, Runner
from schemas.errors import RequestError
from schemas.export import SoundConfig

_TABLE = "sp404"
_PREFIX = "SP404_"
CONFIG_FOLDER = "SP404_CONFIG_DIR"


def absolute(path: str) -> str:
    """The path from the root on, without links and ``..``, so that a file has one name.

    Raises ValueError where no file can have it, and no table or JSON could hold it.
    """
    try:
        whole = os.path.realpath(path)
        whole.encode()
    except UnicodeEncodeError as error:
        raise ValueError("the path is not UTF-8; rename the file or folder") from error
    except ValueError as error:
        raise ValueError("a path cannot hold a NUL") from error
    return whole


def _at_home(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        raise ValueError("there is no such user, or no home folder") from error


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("there is no such time zone; Europe/Berlin is one") from error


def _web_address(address: str) -> str:
    if address and not address.startswith(("http://", "https://")):
        raise ValueError("a web address begins with http:// or https://")
    return address


_AbsolutePath = Annotated[str, Field(min_length=1), AfterValidator(_at_home), AfterValidator(absolute)]


class Settings(SoundConfig):
    """What a run goes by. Paths are absolute; ``workers`` is at least 1. ``defaults.toml`` leaves nothing empty."""

    db: _AbsolutePath = Field(description="The DuckDB file of the records")
    output_base_path: _AbsolutePath = Field(description="The output folder")
    organize_by: OrganizeBy = Field(description="flat, genre, bpm or kit")
    format: AudioFormat = Field(description="wav or aiff")
    include_metadata: bool = Field(description="Write name_metadata.txt beside each sample")
    sanitize_filenames: bool = Field(description="Names of a-z, 0-9, _ and - only")
    names: Names = Field(description="full or screen")
    min_duration_ms: int = Field(ge=0, le=60_000, description="Shorter samples fail")
    max_duration_s: float = Field(ge=0, allow_inf_nan=False, description="Longer samples fail; 0: as the device")
    max_file_mb: int = Field(ge=1, le=1 << 24, description="Larger source files fail")
    max_decoded_mb: int = Field(ge=1, le=1 << 24, description="Sources that unfold to more fail")
    seconds_per_sample: float = Field(ge=1, le=86_400, description="A sample that takes longer fails")
    memory_mb: int = Field(ge=256, le=1 << 20, description="What the decoding of one sample may take")
    contained: bool = Field(description="Decode in processes of their own, of which a bad file takes but one")
    workers: Annotated[int, AfterValidator(lambda n: n or _cores())] = Field(ge=0, le=256, description="Conversions at a time")
    runner: Runner = Field(description="threads, pool or dask")
    work_pool: str = Field(description="The Prefect work pool whose workers convert for the runner pool")
    dask_address: str = Field(description="Of the scheduler for the runner dask; empty: a cluster on this machine")
    library: Annotated[str, AfterValidator(lambda path: path and absolute(_at_home(path)))] = Field(
        description="The manifest that is exported every night"
    )
    nightly_cron: str = Field(description="When it is, as in crontab(5)")
    verify_cron: str = Field(description="When all outputs are verified")
    timezone: Annotated[str, AfterValidator(lambda name: name and _known_zone(name))] = Field(
        description="Of these times; empty: the machine's own"
    )
    failed_share: float = Field(ge=0, le=1, description="A run is Failed in the UI when more of its samples were not exported")
    notify_url: Annotated[str, AfterValidator(_web_address)] = Field(
        description="Told by an HTTP POST of every run that fails or crashes"
    )
    fall_back: bool = Field(description="Write to a temporary folder when the output folder cannot be written")
    lock_wait_seconds: float = Field(ge=0, le=3600, description="How long to wait for a database in use")

    api_host: str = Field(min_length=1, description="The address that the REST API listens at")
    api_port: int = Field(ge=1, le=65_535, description="Its port")
    api_token: SecretStr = Field(description="What clients must send; an address beyond this machine needs it")
    api_token_file: Annotated[str, AfterValidator(lambda path: path and absolute(_at_home(path)))] = Field(
        description="A file with that token"
    )
    api_names: str = Field(description="Names beside its address by which it may be called, with spaces between them")
    api_root: Annotated[str, AfterValidator(lambda path: path and absolute(_at_home(path)))] = Field(
        description="The folder that clients may export to; empty: the output folder"
    )
    api_wait_seconds: float = Field(ge=0, le=3600, description="How long a client waits for its turn")

    def sound(self) -> SoundSettings:
        """Those that touch the sound, as small values that a worker understands."""
        chosen = self.model_dump(include=set(SoundConfig.model_fields))
        given: dict[str, Any] = {name: None if value == "off" else value for name, value in chosen.items()}
        frames = round(self.max_duration_s * RATE_HZ) or MAX_FRAMES
        largest = self.max_file_mb << 20, self.max_decoded_mb << 20
        return SoundSettings(self.format, self.min_duration_ms, min(frames, MAX_FRAMES), *largest, **given)

    def limits(self) -> Limits:
        """What one sample may take."""
        return Limits(self.seconds_per_sample, self.memory_mb, self.contained)


@dataclass(frozen=True)
class InForce:
    """The settings, and for each its source in words."""

    settings: Settings
    sources: dict[str, str]


def load(
    request: Mapping[str, Any],
    preferences: Callable[[str, float], Mapping[str, Any]],
    environment: Mapping[str, str] | None = None,
) -> InForce:
    """Put the layers together; later ones win.

    ``request`` holds what was asked for now, without what was left open; ``preferences`` reads the
    ``user_preferences`` row of a database. Raises RequestError for an unknown key or a value out of bounds.
    """
    environment = os.environ if environment is None else environment
    lower = [*_files(environment)]
    upper = [("environment", _from_environment(environment)), ("command line", dict(request))]
    # The preferences stand in the database that the other layers name.
    place = _merged([*lower, *upper]).settings
    stored = ("user_preferences", dict(preferences(place.db, place.lock_wait_seconds)))
    return _merged([*lower, stored, *upper])


def _merged(layers: list[tuple[str, dict[str, Any]]]) -> InForce:
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        for name, value in layer.items():
            if name not in Settings.model_fields:
                raise _unknown(name, source)
            values[name], sources[name] = value, source
    try:
        return InForce(Settings.model_validate(values), sources)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        what = f"The setting {name} = {first['input']!r} ({sources.get(name, 'built-in')}) is not usable: {first['msg']}"
        raise RequestError(what=what, fix="Correct it there; `sp404 config` shows all settings.") from error


def _unknown(name: str, source: str) -> RequestError:
    near = difflib.get_close_matches(name, Settings.model_fields, 1)
    fix = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(Settings.model_fields)}."
    return RequestError(what=f"Unknown setting {name!r} ({source})", fix=fix)


def _files(environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    defaults = resources.files(__package__) / "defaults.toml"
    yield "built-in", tomllib.loads(defaults.read_text(encoding="utf-8"))[_TABLE]
    folder = Path(environment.get(CONFIG_FOLDER) or "config")
    for file in sorted(folder.glob("*.toml")):
        with resources.as_file(defaults) as built_in:
            if file.samefile(built_in):
                continue
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RequestError(what=f"{file} is not usable: {error}", fix="Correct or move the file.") from error
        table = content.get(_TABLE, {})
        if not isinstance(table, dict):
            raise RequestError(what=f"{file}: {_TABLE} is no table", fix="Write settings below a line [sp404].")
        stray = [name for name in content if name in Settings.model_fields]
        if stray:
            raise RequestError(what=f"{file}: {stray[0]} stands outside of [sp404]", fix="Put a line [sp404] above it.")
        yield str(file), table


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    ours = (name for name in environment if name.startswith(_PREFIX) and name != CONFIG_FOLDER)
    return {name.removeprefix(_PREFIX).lower(): environment[name] for name in ours}


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
