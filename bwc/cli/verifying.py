"""bwc verify and pin: is it what was recorded, and is it the agency's?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import Terminal, counted, table
from bwc.config import find_vault, seen_dir, user_config_dir
from bwc.errors import BwcError, NotFound, NoVault, UsageError

if TYPE_CHECKING:
    from bwc.anchors.pins import Pin
    from bwc.config import Places
    from bwc.verifier.package_report import PackageReport

_SHOWN = 5  # findings of a package, unless all are asked for


@command(
    """
    bwc verify
    bwc verify --quick --key springfield-pd/f2114e1c+ac2373e0+Aa7X…
    bwc verify --new
    bwc verify R-311 --key springfield-pd/f2114e1c+ac2373e0+Aa7X…
    bwc verify --with-key
    bwc verify --against slip.jpg
    bwc verify --repair-from cloud
    bwc verify R-311/2026-1122-K4J7QX.mp4
    bwc verify custody-K4J7QX --key springfield-pd/f2114e1c+ac2373e0+Aa7X…
    bwc verify destruction-D-4K7QXA-2026-1122-K4J7QX.json
    """
)
@click.argument("what", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--key", "vkey", metavar="VKEY", help="The agency's published key; else the agencies pinned here.")
@click.option("--quick", is_flag=True, help="The log only, no sealed objects.")
@click.option(
    "--new", "only_new", is_flag=True, help="As --quick, and only what came after your last good verification."
)
@click.option(
    "--read-data", default="100%", show_default=True, metavar="N%", help="Share of the sealed bytes to read again."
)
@click.option(
    "--with-key",
    is_flag=True,
    help="Open private parts with your key, and compare what they tell with the catalog too.",
)
@click.option("--record", is_flag=True, help="Record in the vault's log that you verified it, and the result.")
@click.option(
    "--against",
    "slips",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A slip (text, or a picture of its QR code) or a checkpoint that somebody kept: the log must continue it.",
)
@click.option(
    "--repair-from",
    "source",
    metavar="STORE|DIR",
    help="Put damaged or missing files back from a further store, a copy or a backup; recorded. Needs a key.",
)
def verify(
    entry: Entry,
    what: Path | None,
    *,
    vkey: str | None,
    quick: bool,
    only_new: bool,
    read_data: str,
    slips: tuple[Path, ...],
    with_key: bool,
    record: bool,
    source: str | None,
) -> None:
    """Check the vault (log, signatures, every sealed object), or a DIR or FILE. Needs no operator key.

    DIR: a copy of a vault, an exported log (as a bag too), a release, a trail. FILE: a released one, a proof of destruction.

    0: intact, and the agency's. 5: tampering, corruption or something missing, and nothing else exits 5.
    7: consistent with itself, but not tied to an agency whose key you gave or pinned; or a backup, further store or
    exported log that is behind; or its last outside anchor is older than policy allows. 2: a slip of another log.
    """
    if source is not None:
        from bwc.cli.stores import repair_vault

        repair_vault(entry, source)
    elif what is None or (place := _place_of_log(what)) is not None:
        _verify_vault(
            entry,
            what and place,
            vkey,
            quick=quick or only_new or (what is not None and (what / "checkpoint").is_file()),
            only_new=only_new,
            share=_share(read_data),
            slips=slips,
            record=record,
            with_key=with_key,
        )
    elif slips:
        raise UsageError("--against is for a vault or its log", "bwc verify FOLDER --against SLIP")
    elif what.is_file() and (proof := _destruction(what)):
        _verify_destruction(entry.terminal, proof, vkey)
    else:
        _verify_release(entry.terminal, what, vkey)


@command(
    """
    bwc pin "springfield-pd/f2114e1c+ac2373e0+Aa7X…" --agency "Springfield PD"
    bwc pin --list
    """
)
@click.argument("vkey", required=False)
@click.option("--agency", default="", help="Whose key it is.")
@click.option("--list", "list_them", is_flag=True, help="Show the pinned agencies.")
def pin(entry: Entry, vkey: str | None, *, agency: str, list_them: bool) -> None:
    """Remember an agency's key on this computer. Compare the fingerprint with one the agency printed, first."""
    from bwc.anchors import pins

    path = _pins_path()
    if vkey and not list_them:
        key = pins.typed_key(vkey)
        pins.add_pin(path, pins.Pin(key=key, agency=agency or key.name, pinned_at=datetime.now(UTC)))
    elif not list_them:
        raise UsageError("which key", "bwc pin VKEY --agency NAME, or bwc pin --list")
    rows = pins.load_pins(path)
    found = [(one.agency, one.key.text(), pins.fingerprint_text(one.key)) for one in rows]
    text = "\n".join(f"{name}\n  {vkey}\n  fingerprint {mark}" for name, vkey, mark in found)
    data = [{"agency": name, "vkey": vkey, "fingerprint": mark} for name, vkey, mark in found]
    entry.terminal.result({"agencies": data}, text or "no agency is pinned")


def _verify_vault(
    entry: Entry,
    folder: Path | None,
    vkey: str | None,
    *,
    quick: bool,
    only_new: bool,
    share: float,
    slips: Sequence[Path],
    record: bool,
    with_key: bool,
) -> None:
    from bwc.custody.inspection import inspect

    against = [(str(path), _read_any(path)) for path in slips]
    places = find_vault(str(folder) if folder else entry.vault)
    person = entry.person() if with_key else None
    with entry.terminal.progress("verify") as progress:
        report = inspect(
            places,
            vkey=vkey,
            pins=_pins(),
            seen=seen_dir(),
            quick=quick,
            only_new=only_new,
            share=share,
            check_stamp=_check_stamp,
            against=against,
            progress=progress,
            is_elsewhere=folder is not None and not _is_vault_here(entry, places),
            newer=_vault_here(entry, places) if folder else None,
            operator=person,
        )
    entry.terminal.result(report.to_json(), report.text(verbose=entry.terminal.verbose))
    if record:
        with entry.house() as house:
            house.note_verified(report.facts(), intact=not report.log.findings.count())
    report.raise_unless_ours()


def _place_of_log(folder: Path) -> Path | None:
    from bwc.verifier.exported_log import place_of_log

    return place_of_log(folder)


def _read_any(path: Path) -> bytes:
    from bwc.oversight.slip import read_any  # draws and reads codes: 60 ms

    return read_any(path)


def _check_stamp(token: bytes, message: bytes, roots: Sequence[bytes]) -> datetime:
    from bwc.oversight.timestamp import check_stamp  # speaks HTTP too: 60 ms

    return check_stamp(token, message, roots)


def _is_vault_here(entry: Entry, named: "Places") -> bool:
    """Whether `named` is the vault of this computer, by whatever path."""
    try:
        return find_vault(entry.vault).vault.samefile(named.vault)
    except (NoVault, OSError):
        return False


def _vault_here(entry: Entry, copy: "Places") -> Path | None:
    """The vault of this computer, when `copy` is of the same log."""
    from bwc.audit.checkpoint import parse_checkpoint

    try:
        here = find_vault(entry.vault)
        logs = [parse_checkpoint((one.log / "checkpoint").read_bytes())[0].origin for one in (here, copy)]
    except (BwcError, OSError):
        return None
    return here.vault if logs[0] == logs[1] and not here.vault.samefile(copy.vault) else None


def _verify_release(terminal: Terminal, what: Path, vkey: str | None) -> None:
    from bwc.anchors.pins import typed_key
    from bwc.anchors.seen import Seen, as_error
    from bwc.verifier.package import examine_file, examine_package
    from bwc.verifier.package_report import look_at_package
    from bwc.verifier.trail import examine_trail, is_trail

    if not what.exists():
        raise NotFound(f"{what} does not exist", "bwc verify DIR of a release, or without a name for the vault")
    if (
        what.suffix == ".txt"
        and what.is_file()
        and (twin := what.with_suffix(".json")).is_file()
        and _destruction(twin)
    ):
        raise UsageError(f"{what.name} is the proof in words, for people", f"bwc verify {twin}")
    key = typed_key(vkey) if vkey else None
    examine = examine_package if what.is_dir() else examine_file
    seen = lambda origin: Seen(seen_dir(), origin).chain()  # noqa: E731
    trail = None
    if what.is_dir() and is_trail(what):
        report, trail = examine_trail(what, key=key, pins=_pins(), known=seen)
    else:
        report = examine(what, key=key, pins=_pins(), known=seen)
    evidence = look_at_package(report, seen_dir())
    lines = [f"evidence     {one.text()}" for one in evidence]
    data = report.to_json() | {"fork_evidence": [one.name for one in evidence]}
    if trail is not None:
        data |= {"entries": [one.seq for one in trail.entries], "item": trail.item}
    terminal.result(data, "\n".join([_package_text(report, verbose=terminal.verbose), *lines]))
    report.raise_if_bad()
    if evidence:
        raise as_error(evidence[0])
    report.raise_unless_ours()


def _destruction(file: Path) -> "dict[str, Any] | None":
    if file.suffix != ".json":
        return None
    from bwc.oversight.destruction import read_document

    return read_document(file.read_bytes())


def _verify_destruction(terminal: Terminal, proof: "dict[str, Any]", vkey: str | None) -> None:
    """A proof of destruction: to whom it is tied decides the exit code, as for a release."""
    from bwc.anchors.pins import fingerprint_text, typed_key
    from bwc.anchors.seen import Seen, as_error, look_at_notes
    from bwc.errors import NotPinned
    from bwc.oversight.destruction import verify_destruction

    key = typed_key(vkey) if vkey else None
    found = verify_destruction(proof, key, _pins(), lambda origin: Seen(seen_dir(), origin).chain())
    if found.tie.to:
        for evidence in look_at_notes(found.checkpoints, found.key, seen_dir(), save=True):
            raise as_error(evidence)
    verdict, mark = "ours" if found.tie.to else "not-tied", fingerprint_text(found.key)
    rows = [
        (name, one["at"], one["entry"], one["key"])
        for name, one in sorted(proof["steps"].items(), key=lambda step: step[1]["entry"])
    ]
    objects, bodies = (len(proof["list"][name]) for name in ("objects", "bodies"))
    count = f"{counted(objects, 'object')} and {counted(bodies, 'private part')}"
    text = table(("step", "at", "entry", "key"), rows)
    text += f"\n\n{proof['item']}: {count} destroyed by order {proof['order']}"
    text += f"\nfingerprint  {mark}\nverdict      {verdict}" + (f" ({found.tie.said})" if found.tie.said else "")
    data = {"fingerprint": mark, "item": proof["item"], "order": proof["order"]}
    terminal.result(data | {"steps": proof["steps"], "verdict": verdict}, text)
    if not found.tie.to:
        said = found.tie.said or "consistent with itself, NOT tied to any agency"
        raise NotPinned(said, "--key VKEY, or bwc pin VKEY")


def _package_text(report: "PackageReport", *, verbose: bool) -> str:
    rows = [(step.number, step.result.value, step.title, "; ".join(step.said)) for step in report.steps]
    lines = [table(("step", "result", "what", ""), rows)]
    shown = report.findings if verbose else report.findings[:_SHOWN]
    lines += [f"  bad: step {one.step}: {one.thing}: {one.error.message}" for one in shown]
    if more := len(report.findings) - len(shown):
        lines.append(f"  bad: and {more} more; -v shows all")
    if report.release:
        lines += [
            "",
            f"agency       {report.release.agency} (as the package says)",
            f"release      {report.release.release}",
        ]
    lines += [f"fingerprint  {report.fingerprint}", f"verdict      {report.verdict.value}"]
    return "\n".join(lines)


def _pins_path() -> Path:
    from bwc.anchors.pins import FILE_NAME

    return user_config_dir() / FILE_NAME


def _pins() -> "tuple[Pin, ...]":
    from bwc.anchors import pins

    return pins.load_pins(_pins_path())


def _share(text: str) -> float:
    try:
        share = float(text.rstrip("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--read-data {text!r} is no share", "like 10% or 100%")
    return share
