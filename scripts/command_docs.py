"""Write docs/commands.md from the commands themselves, so that the page cannot differ from `--help`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bwc import errors
from bwc.cli.main import cli
from bwc.evidence import EventKind

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"


def page() -> str:
    """The whole page as text."""
    parts = ["# Commands", "", "Made by `python scripts/command_docs.py` from the commands' own help.", ""]
    for path, command in walk(cli, ("bwc",)):
        context = click.Context(command, info_name=" ".join(path))
        context.max_content_width = 100
        context.terminal_width = 100
        parts += [f"## {' '.join(path)}", "", "```", command.get_help(context).rstrip(), "```", ""]
    parts += ["## Exit codes", "", "```", (errors.__doc__ or "").rstrip(), "```", ""]
    parts += ["## Event kinds in the log", ""] + [f"- `{kind.value}`" for kind in EventKind] + [""]
    return "\n".join(line.rstrip() for line in "\n".join(parts).splitlines()) + "\n"


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below `command`, groups first."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from walk(found, (*path, name))


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else "docs/commands.md is stale: run this script")
    PAGE.write_text(page(), encoding="utf-8")
