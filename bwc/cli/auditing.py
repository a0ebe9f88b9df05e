"""bwc audit: what outsiders need beyond verification."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command
from bwc.cli.reporting import certificate, export, heartbeat, report
from bwc.cli.terminal import table
from bwc.config import find_vault, seen_dir, user_config_dir
from bwc.errors import LogForked, NotPinned, PartlyDone, Unreachable

if TYPE_CHECKING:
    from bwc.anchors.fork import ForkEvidence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def audit() -> None:
    """What outsiders need beyond verification.

    \b
    Examples:
      bwc audit report --from 7d
      bwc audit evidence fork.json --key springfield-pd/f2114e1c+ac2373e0+Aa7X…
    """


@command(
    """
    bwc audit evidence
    bwc audit evidence -o for-the-court
    bwc audit evidence fork.json --key springfield-pd/f2114e1c+ac2373e0+Aa7X…
    """,
    name="evidence",
)
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", "vkey", metavar="VKEY", help="The agency's published key; else the agencies pinned here.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="A folder to write the proofs to.")
def evidence(entry: Entry, file: Path | None, *, vkey: str | None, out: Path | None) -> None:
    """Fork evidence: signed checkpoints of one log that cannot both be honest. Without FILE, what was found here.

    Each is a file that proves itself: with FILE it is checked, without a vault and without a network.
    5: FILE proves nothing. 7: it does, but its keys are not those of an agency whose key you gave or pinned.
    """
    from bwc.anchors.beside import write_beside
    from bwc.anchors.fork import ForkEvidence
    from bwc.anchors.seen import kept_evidence

    found = kept_evidence(seen_dir()) if file is None else [ForkEvidence.parse(file.read_bytes())]
    strangers = [one for one in found if not _tied(one, vkey)] if file else []
    data = [_facts(one) | {"tied": one not in strangers} for one in found]
    for one in found if out else ():
        assert out is not None
        write_beside(out / one.name, one.to_bytes())
    where = f"\nwritten to {out}" if out and found else ""
    text = "\n".join(_text(one) for one in found) + where if found else "no fork evidence: every log seen here was one"
    entry.terminal.result({"evidence": data}, text)
    if strangers:
        raise NotPinned(
            f"it proves {strangers[0].proves}, NOT tied to any agency",
            "compare the fingerprints above with the agency's; then --key VKEY, or bwc pin VKEY",
        )


def _tied(one: "ForkEvidence", vkey: str | None) -> bool:
    from bwc.anchors.pins import FILE_NAME, load_pins, pin_of, typed_key

    pin = pin_of(load_pins(user_config_dir() / FILE_NAME), one.origin)
    key = typed_key(vkey) if vkey else pin.key if pin else None
    return key is not None and one.is_of(key)


def _facts(one: "ForkEvidence") -> dict[str, object]:
    from bwc.anchors.pins import fingerprint_text

    return {
        "fingerprints": [fingerprint_text(signed.key) for signed in (one.first, one.second)],
        "found_at": one.found_at.isoformat(),
        "kind": one.kind.value,
        "log": one.origin,
        "name": one.name,
        "sizes": [one.first.checkpoint.size, one.second.checkpoint.size],
        "proves": one.proves,
        "text": one.text(),
    }


def _text(one: "ForkEvidence") -> str:
    from bwc.anchors.pins import fingerprint_text

    keys = list(dict.fromkeys(fingerprint_text(signed.key) for signed in (one.first, one.second)))
    return "\n".join(
        [one.name, f"  {one.text()}", f"  found {one.found_at:%Y-%m-%d %H:%M} UTC", *(f"  key {key}" for key in keys)]
    )


@command(
    """
    bwc audit anchor
    bwc audit anchor --json
    """,
    name="anchor",
)
def anchor(entry: Entry) -> None:
    """Ask every witness and time-stamping authority of the policy to sign the published log now. Needs no key.

    Every recording command asks them by itself, when it is done; a cron job of this keeps an idle log anchored.
    3: some did not sign. 11: none did. 5: one saw a log that this one does not continue.
    """
    from bwc.oversight.anchor import State
    from bwc.oversight.anchor import anchor as ask

    entry.glance()
    done = ask(find_vault(entry.vault), memory=seen_dir(), patient=True)
    rows = [(one.name, one.kind, one.state.value, one.entries, one.message) for one in done]
    text = table(("who", "what", "answer", "entries", ""), rows)
    entry.terminal.result(
        {"asked": [one.to_json() for one in done]}, text or "policy names no outsider: bwc witness add"
    )
    against = [one for one in done if one.state is State.CONTRADICTS]
    failed = [one for one in done if one.state is not State.OK]
    if against:
        raise LogForked(f"{against[0].name}: {against[0].message}", "bwc verify; ask the witness for its evidence")
    if failed and len(failed) == len(done):
        raise Unreachable(f"no outsider signed: {failed[0].name}: {failed[0].message}", "try again later")
    if failed:
        what = f"{len(failed)} of {len(done)} outsiders did not sign"
        said = [
            {"name": one.name, "kind": one.kind, "state": one.state.value, "message": one.message} for one in failed
        ]
        raise PartlyDone(what, "bwc witness list says where each is reached and when it signed last", details=said)


@command(
    """
    bwc audit slip
    bwc audit slip -o slip.svg
    """,
    name="slip",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="slip.svg (a page to print), slip.png (the QR code) or text."
)
def slip(entry: Entry, *, out: Path | None) -> None:
    """A slip of paper that holds the log's checkpoint, for somebody's drawer. Needs no key.

    Whoever keeps it can hold the log to it: bwc verify --against SLIP reads the text back, or a photograph of the code.
    """
    from bwc.anchors.beside import write_beside
    from bwc.oversight import slip as slips

    entry.glance()
    with entry.house(locked=True) as house:
        note, key, agency = house.checkpoint_note(), house.key_chain().first, house.agency
    now = datetime.now(UTC)
    text = slips.as_text(note, key, agency=agency, now=now)
    if out is not None:
        kind = out.suffix.lower()
        if kind == ".svg":
            data = slips.as_svg(note, key, agency=agency, now=now)
        else:
            data = slips.as_png(note, key) if kind == ".png" else text.encode()
        write_beside(out, data)
    shown = text if out is None else f"{out}: print it, sign it, give it to somebody outside the agency"
    entry.terminal.result({"file": str(out) if out else None, "slip": text}, shown.rstrip())


@command(
    """
    bwc audit verifier
    bwc audit verifier -o /media/usb/bwc-verify.py
    """,
    name="verifier",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("bwc-verify.py"), show_default=True, help="The file."
)
def verifier(entry: Entry, *, out: Path) -> None:
    """Write the verifier as one Python file, to give away: python3 bwc-verify.py FOLDER --key VKEY.

    It reaches the verdicts of `bwc verify` with Python and `cryptography` alone: no vault, no network, no installation.
    """
    from bwc.anchors.beside import write_beside
    from bwc.canonical import sha256_hex
    from bwc.oversight.one_file import one_file

    data = one_file().encode()
    write_beside(out, data)
    out.chmod(0o644)
    text = f"{out}  {len(data)} bytes\nsha256  {sha256_hex(data)}"
    entry.terminal.result({"bytes": len(data), "file": str(out), "sha256": sha256_hex(data)}, text)


for one in (evidence, anchor, slip, verifier, report, export, certificate, heartbeat):
    audit.add_command(one)
