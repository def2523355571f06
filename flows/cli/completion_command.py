"""``sp404 completion``: the lines that teach a shell to complete commands, options, kits and settings."""

import click
from click.shell_completion import get_completion_class

from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import print_text
from flows.cli.options import ExampleCommand

_VARIABLE = "_SP404_COMPLETE"


@click.command(cls=ExampleCommand, example="sp404 completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print what makes a shell complete sp404's commands.

    For bash and zsh add it to ~/.bashrc or ~/.zshrc; for fish write it to ~/.config/fish/completions/sp404.fish. Names of
    kits and of settings complete, too.
    """
    kind = get_completion_class(shell)
    if kind:
        print_text(kind(ctx.find_root().command, {}, "sp404", _VARIABLE).source())
    return ALL_DONE
