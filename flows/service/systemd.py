"""The systemd unit of ``sp404 up``."""

import os
import shlex
import sys

# Not for a file that others may read: there it is the setting api_token_file.
_HIDDEN = {"SP404_API_TOKEN"}
_UNIT = """\
[Unit]
Description=sp404-export: Prefect server and nightly exports
After=network.target

[Service]
ExecStart={command}
WorkingDirectory={folder}
{environment}Restart=on-failure
KillSignal=SIGTERM
TimeoutStopSec=15

[Install]
WantedBy=default.target
"""


def render_unit(home: str, port: int, db: str, api_port: int | None = None) -> str:
    """Write a systemd unit for the user who asks, with the settings of the environment that it is asked in.

    Args:
        home: The folder of Prefect's data and of the logs.
        port: The port of the Prefect server.
        db: The database.
        api_port: The port of the REST API; None: as the settings say when it starts.
    """
    command = [sys.executable, "-m", "flows.cli", "up", "--home", home, "--port", str(port), "--db", db]
    command += ["--api-port", str(api_port)] if api_port else []
    names = sorted(name for name in os.environ if name.startswith("SP404_") and name not in _HIDDEN)
    environment = "".join(f"Environment={_quote(f'{name}={os.environ[name]}')}\n" for name in names)
    return _UNIT.format(command=shlex.join(command).replace("%", "%%"), folder=os.getcwd(), environment=environment)


def _quote(text: str) -> str:
    """Quote a value as systemd reads it (systemd.syntax(7))."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
