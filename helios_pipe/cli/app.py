"""The commands by name, each loaded when it is called; errors become messages and exit codes."""

from __future__ import annotations

from importlib import import_module

import click

from helios_pipe.ahead import Ahead
from helios_pipe.cli.ending import exit_code_of
from helios_pipe.version import __version__

_COMMANDS = {
    "run": "Make everything that is out of date.",
    "plan": "Show what `run` would do and why, running nothing.",
    "explain": "Show every ingredient of a node's key, and which one changed.",
    "validate": "Check a manifest: schema and meaning, nothing else.",
    "graph": "Print the graph: dot, mermaid, json or svg.",
    "jobs": "List what ran here, and what runs now.",
    "show": "Show one job in full: its nodes, attempts and times.",
    "logs": "Print what a job's commands printed; follow it with -f.",
    "attach": "Watch a job that runs elsewhere.",
    "pause": "Let a running job stop when what runs is finished, or now.",
    "resume": "Go on with a job that was paused, failed or was killed.",
    "cancel": "End a job now; what was finished is kept.",
    "delete": "Forget a job's runs and logs; results stay.",
    "report": "Write a page about a job: timeline, pictures, graph, failures.",
    "frames": "Show a chunk's first, middle and last frame in one picture.",
    "import": "Write the manifest that does what a Helios job file asks for.",
    "export": "Write a job of a manifest as a Helios job file.",
    "init": "Write a first manifest.",
    "verify": "Prove a joined file, chunks, or a whole job.",
    "cache": "Look after the store of results.",
    "worker": "Take chunks from an orchestrator elsewhere, in a container.",
    "doctor": "Say what is installed, reachable and missing.",
}
_MODULES = {"import": "import_"}
"""Commands whose name no module can have."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"helios_pipe.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, list(_COMMANDS), n=1)
            ctx.fail(f"no such command {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):  # from the table: listing them loads none
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="helios-pipe %(version)s")
def app() -> None:
    """Make for frames: render only the chunks that changed, anywhere, and join them without a seam."""


def call(argv: list[str], ahead: Ahead | None = None) -> int:
    """Run one command; returns the exit code. `ahead` is what was found out already, for `run`."""
    return exit_code_of(lambda: _call(argv, ahead))


def _call(argv: list[str], ahead: Ahead | None) -> object:
    try:
        return app.main(argv, prog_name="helios-pipe", standalone_mode=False, obj=ahead)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        if argv[:1] == ["run"] and "--json" in argv:
            from helios_pipe.cli.running import tell_wrong_call

            tell_wrong_call(error.format_message(), error.exit_code)
        return error.exit_code
    except click.Abort:
        return 130
