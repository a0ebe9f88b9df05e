"""bwc-verify: the same verdicts as `bwc verify`, from Python's standard library and `cryptography` alone.

`bwc audit verifier` writes this with all it needs into one file. It opens no network and writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bwc.anchors.fork import FORMAT as FORK_FORMAT
from bwc.anchors.fork import ForkEvidence
from bwc.anchors.openssl_ts import check_stamp
from bwc.anchors.pins import fingerprint_text, typed_key
from bwc.anchors.proof import LogProof
from bwc.anchors.slip import read_slip
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import parse_entry
from bwc.errors import BwcError, NotFound, NotPinned, StorageError, UsageError
from bwc.verifier.exported_log import is_log_alone, place_of_log
from bwc.verifier.inspected import judge
from bwc.verifier.log_folder import LogFolder
from bwc.verifier.package import examine_file, examine_package
from bwc.verifier.trail import examine_trail, is_trail
from bwc.verifier.verify_objects import VaultFolder
from bwc.version import VERSION

_USES = """
  bwc-verify.py FOLDER --key VKEY            a vault, or a log that was exported (as a bag too)
  bwc-verify.py FOLDER --quick --key VKEY    of a vault the log alone
  bwc-verify.py RELEASE --key VKEY           a released package, or one file of it
  bwc-verify.py TRAIL --key VKEY             one recording's chain of custody, as bwc log --export wrote it
  bwc-verify.py ENTRY.tlog-proof --entry ENTRY.json --key VKEY
  bwc-verify.py fork.json --key VKEY         fork evidence

exit code: 0 intact and the agency's; 5 tampering, corruption or something missing; 7 tied to no key you brought,
or the last outside anchor is older than policy allows; 2 wrong use; 4 no such thing; 11 it cannot be read
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code."""
    parser = argparse.ArgumentParser(
        prog="bwc-verify",
        description="Checks a log, a vault, a release, a trail or a proof, offline. Needs no vault and no footage key.",
        epilog=_USES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", type=Path, help="what to check")
    parser.add_argument("--key", help="the agency's log key, from another way than what is checked: NAME+ID+KEY")
    parser.add_argument("--quick", action="store_true", help="the log only, no sealed objects")
    parser.add_argument("--against", action="append", default=[], type=Path, help="a slip or checkpoint somebody kept")
    parser.add_argument("--entry", type=Path, help="the entry that a .tlog-proof proves")
    parser.add_argument("--json", action="store_true", help="the result as one JSON document")
    parser.add_argument("-v", "--verbose", action="store_true", help="every finding, also those of one cause")
    parser.add_argument("--version", action="version", version=VERSION)
    asked = parser.parse_args(words)
    try:
        _check(asked, typed_key(asked.key) if asked.key else None)
    except BwcError as error:
        return _said(error, as_json=asked.json)
    except OSError as error:
        return _said(StorageError(f"{error.filename}: {error.strerror}"), as_json=asked.json)
    return 0


def _check(asked: argparse.Namespace, key: NoteKey | None) -> None:
    what: Path = asked.what
    if not what.exists():
        raise NotFound(f"{what} does not exist")
    if (place := place_of_log(what)) is not None:
        _check_log(asked, key, place / "log", place, quick=asked.quick or (what / "checkpoint").is_file())
    elif (what / "checkpoint").is_file() and (what / "tile").is_dir():
        _check_log(asked, key, what, None, quick=True)
    elif asked.against:
        raise UsageError("--against is for a vault or its log")
    elif what.suffix == ".tlog-proof" and asked.entry:
        _check_proof(asked, key)
    elif what.suffix == ".json" and FORK_FORMAT.encode() in what.read_bytes()[:1_000_000]:
        _check_fork(asked, key)
    else:
        if what.is_dir() and is_trail(what):
            report, _ = examine_trail(what, key=key)
        else:
            report = (examine_package if what.is_dir() else examine_file)(what, key=key)
        _say(report.to_json(), report.text(), as_json=asked.json)
        report.raise_unless_ours()


def _check_log(asked: argparse.Namespace, key: NoteKey | None, log: Path, folder: Path | None, *, quick: bool) -> None:
    is_alone = folder is None or is_log_alone(folder)
    report = judge(
        LogFolder(log),
        key=key,
        agency=key.name if key else "",
        memory=None,
        rows=None,
        objects=None if folder is None or is_alone or quick else VaultFolder(folder),
        share=1.0,
        check_stamp=check_stamp,
        against=[(str(path), read_slip(path.read_bytes(), str(path))) for path in asked.against],
        is_copy=is_alone,
        folder=folder,
        is_alone=is_alone,
    )
    _say(report.to_json(), report.text(verbose=asked.verbose), as_json=asked.json)
    report.raise_unless_ours()


def _check_proof(asked: argparse.Namespace, key: NoteKey | None) -> None:
    if key is None:
        raise UsageError("a proof needs the log's key", "--key VKEY")
    raw, proof = asked.entry.read_bytes(), LogProof.parse(asked.what.read_bytes())
    checkpoint = proof.verify(raw, key)
    entry = parse_entry(raw)
    if (entry.seq, entry.log) != (proof.index, key.name):
        raise UsageError(f"entry {entry.seq} of {entry.log} is proven as {proof.index} of {key.name}")
    data = {"entries": checkpoint.size, "entry": entry.seq, "kind": entry.kind, "log": key.name, "verdict": "ours"}
    text = (
        f"entry {entry.seq} ({entry.kind}, {entry.at}) is in {key.name} under a checkpoint of {checkpoint.size} entries"
    )
    _say(data, f"{text}\nverdict     ours", as_json=asked.json)


def _check_fork(asked: argparse.Namespace, key: NoteKey | None) -> None:
    found = ForkEvidence.parse(asked.what.read_bytes())
    keys = {one.key.text(): fingerprint_text(one.key) for one in (found.first, found.second)}
    tied = key is not None and found.is_of(key)
    lines = [found.text(), *(f"fingerprint {mark}" for mark in keys.values())]
    data = {"fingerprints": list(keys.values()), "kind": found.kind.value, "log": found.origin, "tied": tied}
    _say(data, "\n".join(lines), as_json=asked.json)
    if not tied:
        raise NotPinned(
            f"it proves {found.proves}, NOT tied to any agency", "compare the fingerprints; then --key VKEY"
        )


def _say(data: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) if as_json else text)


def _said(error: BwcError, *, as_json: bool) -> int:
    if as_json:
        document = {"exit_code": error.exit_code, "message": error.message, "name": error.name}
        print(json.dumps({"error": document}, indent=2, ensure_ascii=False, sort_keys=True))
    print(f"bwc-verify: error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"bwc-verify: hint: {error.hint}", file=sys.stderr)
    return error.exit_code
