"""bwc verify and pin: is it what was recorded, and is it the agency's?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import Terminal
from bwc.config import find_vault, user_config_dir
from bwc.errors import NotFound, UsageError

if TYPE_CHECKING:
    from bwc.audit.pins import Pin


@command(
    """
    bwc verify
    bwc verify --quick --key springfield-pd/log+1a2b3c4d+AXy…
    bwc verify R-311 --key springfield-pd/log+1a2b3c4d+AXy…
    bwc verify R-311/2026-1122-K4J7QX.mp4
    """
)
@click.argument("what", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--key", "vkey", metavar="VKEY", help="The agency's published key; else the agencies pinned here.")
@click.option("--quick", is_flag=True, help="The log only, no sealed objects.")
@click.option(
    "--read-data", default="100%", show_default=True, metavar="N%", help="Share of the sealed bytes to read again."
)
def verify(entry: Entry, what: Path | None, *, vkey: str | None, quick: bool, read_data: str) -> None:
    """Check the vault (log, signatures, every sealed object), a release package DIR or a released FILE. Needs no operator key.

    0: intact, and the agency's. 5: tampering, corruption or something missing, and nothing else exits 5.
    7: consistent with itself, but not tied to an agency whose key you gave or pinned.
    """
    if what is None or (what / "log" / "checkpoint").is_file():
        _verify_vault(entry, what, vkey, quick=quick, share=_share(read_data))
    else:
        _verify_release(entry.terminal, what, vkey)


@command(
    """
    bwc pin "springfield-pd/log+1a2b3c4d+AXy…" --agency "Springfield PD"
    bwc pin --list
    """
)
@click.argument("vkey", required=False)
@click.option("--agency", default="", help="Whose key it is.")
@click.option("--list", "list_them", is_flag=True, help="Show the pinned agencies.")
def pin(entry: Entry, vkey: str | None, *, agency: str, list_them: bool) -> None:
    """Remember an agency's key on this computer. Compare the fingerprint with one the agency printed, first."""
    from bwc.audit import pins

    path = _pins_path()
    if vkey and not list_them:
        pins.pin(path, vkey=vkey, agency=agency)
    elif not list_them:
        raise UsageError("which key", "bwc pin VKEY --agency NAME, or bwc pin --list")
    rows = pins.load(path)
    text = "\n".join(f"{one.agency or '?'}\n  {one.vkey}\n  fingerprint {pins.fingerprint(one.vkey)}" for one in rows)
    data = [{"agency": one.agency, "vkey": one.vkey, "fingerprint": pins.fingerprint(one.vkey)} for one in rows]
    entry.terminal.result({"agencies": data}, text or "no agency is pinned")


def _verify_vault(entry: Entry, folder: Path | None, vkey: str | None, *, quick: bool, share: float) -> None:
    from bwc.custody.house import House

    places = find_vault(str(folder) if folder else entry.vault)
    with entry.terminal.progress("verify") as progress:
        report = House.verify(
            places, vkey=vkey, pins=_pins(), seen=_seen_folder(), quick=quick, share=share, progress=progress
        )
    _show(entry.terminal, report.to_json(), report.text())
    report.raise_if_bad()


def _verify_release(terminal: Terminal, what: Path, vkey: str | None) -> None:
    from bwc.audit.package import verify_package, verify_released_file

    if not what.exists():
        raise NotFound(f"{what} does not exist", "bwc verify DIR of a release, or without a name for the vault")
    keys = [vkey] if vkey else []
    report = (
        verify_package(what, keys=keys, pins=_pins())
        if what.is_dir()
        else verify_released_file(what, keys=keys, pins=_pins())
    )
    _show(terminal, report.to_json(), report.text())
    report.raise_if_bad()


def _show(terminal: Terminal, data: dict[str, Any], text: str) -> None:
    terminal.result(data, text)


def _pins_path() -> Path:
    return user_config_dir() / "agencies.json"


def _pins() -> "list[Pin]":
    from bwc.audit import pins

    return pins.load(_pins_path())


def _seen_folder() -> Path:
    """Checkpoints this user has seen; kept beside the auditor, never in what is verified."""
    base = os.environ.get("XDG_STATE_HOME")
    return (
        Path(os.environ["BWC_HOME"]) / "seen"
        if "BWC_HOME" in os.environ
        else ((Path(base) if base else Path.home() / ".local" / "state") / "bwc" / "seen")
    )


def _share(text: str) -> float:
    try:
        share = float(text.rstrip("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--read-data {text!r} is no share", "like 10% or 100%")
    return share
