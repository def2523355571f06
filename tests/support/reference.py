"""Write the parts of the documents that the code knows better: ``python -m tests.support.reference`` brings them up to date."""

import re
from pathlib import Path

import click

from config.settings import Settings, load
from flows.cli import main
from tests.support import ROOT

COMMANDS = ROOT / "docs/usage/commands.md"
SETTINGS = ROOT / "docs/usage/settings.md"
_MARKS = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end -->)", re.DOTALL)
# In the order in which people meet them.
_MUSICIAN = ("demo", "init", "scan", "check", "plan", "export", "history", "card", "zip", "verify", "project")
_OPERATOR = ("status", "up", "config", "sql", "explain", "relocate", "forget", "repair", "completion")


def commands_page() -> str:
    """Return the page of all commands with all options."""
    lines = [
        "# All commands and options",
        "",
        "Made from the program itself. `sp404 COMMAND --help` prints the same. [Exit statuses](settings.md#exit-status).",
        "",
        "Every command takes these options, before its name or behind it:",
        "",
        *_table(option for option in main.cli.params if not isinstance(option, click.Argument)),
        "",
        "Every command but `up`, `completion` has `--json`: [JSON](json.md).",
    ]
    for title, names in (("For the musician", _MUSICIAN), ("For who runs the machine", _OPERATOR)):
        lines += ["", f"## {title}"]
        for name in names:
            command = main.cli.commands[name]
            arguments = " ".join(_metavar(param) for param in command.params if isinstance(param, click.Argument))
            text = " ".join((command.help or "").split())
            lines += ["", f"### `sp404 {f'{name} {arguments}'.strip()}`", "", text, ""]
            lines += _table(param for param in command.params if isinstance(param, click.Option) and not param.hidden)
            lines += [
                "",
                f"    {str(command.epilog).split('Example:')[1].split('Exit status')[0].strip(chr(10) + chr(8) + ' ')}",
            ]
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """Return the table of all settings with their defaults."""
    defaults = load({}, lambda _path, _seconds: {}, {"SP404_CONFIG_DIR": "/nowhere"}).settings.model_dump(mode="json")
    written = {"db": "~/.sp404/sp404.duckdb", "output_base_path": "./sp404-export", "workers": "one a core", "api_token": ""}
    lines = ["| setting | if not set | what it does |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        value = written.get(name, defaults[name])
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"| `{name}` | {f'`{shown}`' if shown else ''} | {str(field.description).rstrip('.')} |")
    return "\n".join(lines) + "\n"


def settings_page(page: str) -> str:
    """Return the page of settings with its table brought up to date."""
    return _MARKS.sub(lambda _: settings_table(), page)


def _metavar(param: click.Argument) -> str:
    name = param.metavar or str(param.name).upper()
    return name if param.required else f"[{name}]"


def _table(options: object) -> list[str]:
    lines = ["| option | what it does |", "|---|---|"]
    for option in options:  # type: ignore[attr-defined]
        if option.name in ("help", "version"):
            continue
        value = option.metavar or (
            "" if option.is_flag else getattr(option.type, "choices", None) and "\\|".join(option.type.choices)
        )
        names = "`, `".join([*option.opts, *option.secondary_opts])
        lines.append(f"| `{names}`{f' {value}' if value else ''} | {' '.join(str(option.help).split())} |")
    return lines


def write() -> None:
    """Write both pages."""
    COMMANDS.write_text(commands_page(), encoding="utf-8")
    SETTINGS.write_text(settings_page(SETTINGS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
    print(Path(COMMANDS).relative_to(ROOT), SETTINGS.relative_to(ROOT))
