"""``sp404 up``: the server, the scheduled exports and the REST API in one process group."""
# ruff: noqa: PLC0415 (Prefect and FastAPI are imported late: help must come at once)

import os
import shlex
from contextlib import suppress
from pathlib import Path

import click

from flows.cli.exit_status import ALL_DONE, TerminationSignal, restore_ctrl_c
from flows.cli.messages import say, writing
from flows.cli.options import ExampleCommand, WholeNumber, db_option, load_settings


@click.command(cls=ExampleCommand, example="SP404_LIBRARY=~/library.csv sp404 up")
@click.option(
    "--port",
    type=WholeNumber(1, 65_535),
    default=4200,
    show_default=True,
    help="The port of Prefect's server and UI; that of the page is --api-port.",
)
@click.option(
    "--api-port",
    type=WholeNumber(1, 65_535),
    metavar="N",
    help="The port of the page and the REST API; the setting api_port (4404) if not given.",
)
@click.option("--home", metavar="DIR", help="Where Prefect keeps its data; PREFECT_HOME or ~/.prefect if not given.")
@click.option("--open", "open_page", is_flag=True, help="Open the web page in the browser as soon as it answers.")
@click.option("--install-service", is_flag=True, help="Print a systemd unit that runs this command; start nothing.")
@db_option
def up(port: int, api_port: int | None, home: str | None, *, open_page: bool, install_service: bool, db: str | None) -> int:
    """Run the scheduled exports, Prefect, the REST API and the page.

    They run until Ctrl-C.
    """
    from flows.service import supervisor, systemd

    folder = str(Path(home or os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser().absolute())
    if install_service:
        settings = load_settings(db, api_port=api_port).settings
        supervisor.check_schedules(settings)
        with writing():
            click.echo(systemd.render_unit(folder, port, settings.db, api_port), nl=False)
        if not settings.library:
            say("No night will run: the setting `library` names no manifest (sp404 init --nightly sets it)", err=True)
        say("Save it as ~/.config/systemd/user/sp404.service, then: systemctl --user enable --now sp404", err=True)
        say("It runs while you are logged in; after `loginctl enable-linger`, always", err=True)
        return ALL_DONE
    restore_ctrl_c()
    with suppress(KeyboardInterrupt, TerminationSignal):
        in_force = load_settings(db, api_port=api_port)
        typed = _typed(home=home, db=db, open=open_page)
        supervisor.run_services(in_force, folder, port, lambda line: say(line, err=True), open_page, typed=typed)
    say("Stopped.", err=True)
    return ALL_DONE


def _typed(**options: str | bool | None) -> str:
    """Return the options that were given, as they are typed."""
    given = {f"--{name}": value for name, value in options.items() if value}
    return " ".join(name if value is True else f"{name} {shlex.quote(str(value))}" for name, value in given.items())
