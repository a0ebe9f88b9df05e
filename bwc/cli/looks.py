"""How a copy looks: options of `bwc redact` that change the plan's effect, labels and delivery before it is rendered."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bwc.redact.plan import RedactionPlan

_F = TypeVar("_F", bound=Callable[..., Any])
NAMES = ("effect", "cells", "blur", "colour", "inverse", "delivery", "labels")

_OPTIONS = (
    click.option(
        "--effect",
        type=click.Choice(["solid", "mean", "pixelate", "blur"]),
        help="How covers are drawn. Only solid leaves nothing of what is under it.  [default: as the plan says]",
    ),
    click.option("--cells", type=int, help="Of pixelate: cells across the longer side of a cover, 4 at most."),
    click.option("--blur", type=int, help="Of blur: sigma in thousandths of the cover's longer side, 250 at least."),
    click.option("--colour", metavar="#RRGGBB", help="Of solid.  [default: policy's cover_colour]"),
    click.option(
        "--inverse/--no-inverse", default=None, help="Hide the whole picture but what somebody decided to keep."
    ),
    click.option(
        "--labels",
        type=click.Choice(["none", "class", "exemption"]),
        help="What is written on solid covers, where it fits: what is hidden, or why.  [default: as the plan says]",
    ),
    click.option(
        "--delivery",
        type=click.Choice(["compatible", "faithful"]),
        help="compatible: 8-bit 4:2:0, plays everywhere. faithful: bits, colour detail and size as recorded, or refused.",
    ),
)


def look_options(function: _F) -> _F:
    """Add the options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def change_of(**chosen: Any) -> "Callable[[RedactionPlan], RedactionPlan] | None":
    """What the options ask for, as a change of a plan; None when nothing was asked for.

    Raises `UsageError` for settings that can be undone.
    """
    asked = {name: chosen[name] for name in NAMES if chosen[name] is not None}
    if not asked:
        return None

    from bwc.media.delivery import Delivery
    from bwc.redact.labels import Labels
    from bwc.redact.plan_edit import delivered, labelled
    from bwc.redact.plan_effect import Effect, EffectKind, colour_named

    def changed(effect: Effect) -> Effect:
        new: dict[str, Any] = {name: asked[name] for name in ("cells", "inverse") if name in asked}
        if "effect" in asked:
            new["kind"] = EffectKind(asked["effect"])
        if "blur" in asked:
            new["blur_permille"] = asked["blur"]
        if "colour" in asked:
            new["colour"] = colour_named(asked["colour"])
        return replace(effect, **new)

    def change(plan: "RedactionPlan") -> "RedactionPlan":
        edited = replace(plan, effect=changed(plan.effect))
        edited = labelled(edited, Labels(asked["labels"])) if "labels" in asked else edited
        return delivered(edited, Delivery(asked["delivery"])) if "delivery" in asked else edited

    changed(Effect())  # what is too weak is refused before hours of detection, not after
    return change
