"""``sp404 explain``: what a word, a setting or an error means, and what to do."""
# ruff: noqa: PLC0415 (pydantic is imported late: help must come at once)

import difflib
import json

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import GOOD, print_json, say
from flows.cli.options import ExampleCommand, json_option
from schemas.errors import RequestError

_MOST = 5


@click.command(cls=ExampleCommand, example="sp404 explain too_short")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@json_option
def explain(words: tuple[str, ...], as_json: bool) -> int:
    """Say what a word, a setting or an error means.

    WORD is a reason such as too_short, a word such as shard, a setting such as guard, or an error as it was printed.
    """
    from flows import explain as explaining

    text = " ".join(words)
    found = explaining.explain(text)
    if not found:
        near = difflib.get_close_matches(text.casefold(), explaining.known_words(), 3, 0.5)
        fix = f"Perhaps: {', '.join(near)}." if near else "Try one word of the message, or a name from `sp404 config`."
        raise RequestError(what=f"Nothing is known of {text!r}", fix=fix)
    if as_json:
        print_json(json.dumps([entry._asdict() for entry in found]))
        return ALL_DONE
    for entry in found[:_MOST]:
        say(entry.title, color=GOOD)
        for line in entry.text.splitlines():
            say(f"  {line}" if line else "")
    if len(found) > _MOST:
        say(f"and {len(found) - _MOST} more: {'; '.join(entry.title for entry in found[_MOST:])}")
    return ALL_DONE
