"""Versions of a plan on the command line: the option --request, and what is said of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bwc.cli.terminal import table
from bwc.errors import UsageError

if TYPE_CHECKING:
    from bwc.custody.house import House
    from bwc.evidence import ItemId
    from bwc.redact.session import PlanState
    from bwc.redact.side_by_side import Standing


def named(_: click.Context, __: click.Parameter, value: str | None) -> str:
    """A request that was given; empty when none was. One that says nothing is a slip, and does not mean everybody."""
    if value is not None and not value.strip():
        raise UsageError("--request is empty", "the request's id; without --request the common plan is meant")
    return " ".join((value or "").split())


edit_option = click.option(
    "--request",
    metavar="ID",
    callback=named,
    help="For this request only: in a version of the plan of its own, which is made from the common plan if there is none.",
)
version_option = click.option(
    "--request", metavar="ID", callback=named, help="Of the version for this request, not of the common plan."
)


def behind_text(house: "House", states: "Sequence[PlanState]") -> list[str]:
    """What is to be said of versions whose common plan went on."""
    from bwc.redact.branching import behind

    found = [behind(house, one) for one in states if one.request]
    return [f"note: {one.text()}" for one in found if one]


def say_behind(house: "House", item: "ItemId", request: str) -> list[str]:
    """The same of all versions for `request`."""
    from bwc.redact import session

    return behind_text(house, session.plans(house, item, request=request)) if request else []


def versions_text(rows: "Sequence[Standing]") -> str:
    """A table of versions; empty without any."""
    heads = ("version for", "segment", "revision", "kept", "state", "refused until it takes over the common plan")
    return table(heads, [one.cells() for one in rows]) if rows else ""
