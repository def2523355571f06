"""``sp404 config``: the settings in force and where each came from."""

import json

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import print_json
from flows.cli.options import ExampleCommand, db_option, json_option, load_settings
from flows.cli.tables import print_table


@click.command(cls=ExampleCommand, example="SP404_WORKERS=4 sp404 config")
@db_option
@json_option
def config(db: str | None, as_json: bool) -> int:
    """Print the settings in force and where each came from."""
    in_force = load_settings(db)
    values = in_force.settings.model_dump(mode="json")
    if as_json:
        print_json(json.dumps({name: {"value": value, "from": in_force.sources[name]} for name, value in values.items()}))
    else:
        rows = [[name, str(value), in_force.sources[name]] for name, value in values.items()]
        print_table(["setting", "value", "from"], rows)
    return ALL_DONE
