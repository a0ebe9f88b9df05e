"""One item's chain of custody as a folder of its own, for whoever may not have the log (docs/formats/trail.md).

1. its being handed out is recorded as the trail's last event, and published
2. entries, proofs under that one checkpoint, and who was enrolled are written into a folder beside its place
3. the folder is checked as its receiver will; then it gets its name
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry, parse_entry
from bwc.canonical import Json, canonical
from bwc.custody.house import House
from bwc.errors import UsageError
from bwc.evidence import EventKind, ItemId
from bwc.verifier.people import ENROLS
from bwc.verifier.trail import CHECKPOINT, FORMAT, PAPER, README, entry_name, examine_trail, proof_name

_README = """The chain of custody of one recording, {item}, out of the audit log of {agency}.

trail.json       which entries, under which key
checkpoint       the log's signed checkpoint
entries/         each entry as it was signed, with the proof that it is in the log under that checkpoint{told}

Entries of one recording are numbered and each names the one before, so none can be left out; the last one is this
being handed out. To check it, with the agency's key from another way than this folder:

   bwc verify FOLDER --key VKEY
   python3 bwc-verify.py FOLDER --key VKEY          (one file; needs Python and its package cryptography)
"""
_TOLD = "\n                 private parts that were told are in trail.json: names and reasons. Handle it accordingly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    folder: Path
    item: ItemId
    entries: int
    told: int
    size: int  # of the log


def export_trail(house: House, item: ItemId, folder: Path, *, private: bool) -> Exported:
    """Write the trail of `item` into `folder`, which must not exist. `private`: with the private parts this key opens.

    Raises `UsageError` when something is there. On failure nothing is left.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists", "give it another name")
    if all(event.kind != EventKind.DISPOSITION_CONFIRMED for event in house.trail(item)):
        house.note_trail(item, entries=len(house.trail(item)) + 1, to=folder.name)  # 1
    house.publish()
    papers = [(parse_entry(raw), salted) for raw, salted in house.papers(item)]
    trail = [entry for entry, _ in papers]
    enrolments = _enrolments(house, trail)
    bodies: dict[str, Json] = {
        entry.body_commit: dict(salted) for entry, salted in papers if private and entry.body_commit and salted
    }
    files = {CHECKPOINT: house.checkpoint_note()}
    for entry in [*enrolments, *trail]:  # 2
        files |= {entry_name(entry.seq): entry.raw, proof_name(entry.seq): house.proof(entry.seq)}
    paper: dict[str, Json] = {
        "agency": house.agency,
        "bodies": bodies,
        "enrolments": [entry.seq for entry in enrolments],
        "entries": [entry.seq for entry in trail],
        "format": FORMAT,
        "item": item,
        "log": house.log_origin,
        "vkey": house.vkey,
    }
    readme = _README.format(item=item, agency=house.agency, told=_TOLD if bodies else "")
    files |= {PAPER: canonical(paper), README: readme.encode()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in files.items():
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_bytes(data)
        report, _ = examine_trail(made, key=NoteKey.parse(house.vkey))  # 3
        report.raise_unless_ours()
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    size = house.published()
    return Exported(folder=folder, item=item, entries=len(trail), told=len(bodies), size=size)


def _enrolments(house: House, trail: list[Entry]) -> list[Entry]:
    """The entries that enrolled whoever signed the trail, and whoever signed those, from the first on."""
    needed = {key for entry in trail for key in entry.signers}
    found = []
    for seq in reversed(house.enrolments()):  # whoever enrols somebody was enrolled before
        entry = parse_entry(house.entry(seq))
        operator = entry.facts.get("operator")
        named = operator.get("key") if isinstance(operator, dict) else None
        if entry.kind in ENROLS and (named in needed or entry.kind == EventKind.VAULT_CREATED):
            needed.update(entry.signers)
            found.append(entry)
    return found[::-1]
