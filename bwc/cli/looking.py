"""Options of every command that looks for people: how hard, with whose detectors, for writing, screens and papers too."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PROFILE = click.option(
    "--profile",
    type=click.Choice(["fast", "balanced", "max"]),
    default="balanced",
    show_default=True,
    help="Speed against thoroughness.",
)
_ALSO = click.option(
    "--also", multiple=True, metavar="NAME", help="A detector plug-in that looks too (docs/detectors.md); repeatable."
)
_TEXT = click.option(
    "--text",
    type=click.Choice(["off", "review", "hide"]),
    help="Writing in the picture: not looked for, hidden until a person decides, hidden.  [default: policy's]",
)

_SCREENS = click.option(
    "--screens",
    type=click.Choice(["off", "review", "hide"]),
    help="Screens and papers: not looked for, hidden until a person decides, hidden.  [default: policy's]",
)


def looking(function: _Command) -> _Command:
    """Add --profile, --also, --text and --screens."""
    return _PROFILE(_ALSO(_TEXT(_SCREENS(function))))
