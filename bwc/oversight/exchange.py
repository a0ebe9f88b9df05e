"""The whole log handed out, without footage and private parts: as it lies on disk, as CASE/UCO, as a list; in a bag.

What is copied is what the published checkpoint names; it is verified here before, and can be verified anywhere after.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bwc.audit.log_report import LogReport
from bwc.errors import BwcError, UsageError
from bwc.oversight.bag import seal_bag
from bwc.oversight.one_file import one_file
from bwc.verifier.case_graph import case_lines
from bwc.version import TOOL

_README = """THE AUDIT LOG OF {agency}
{size} entries up to {at}, root {root}

log/             the log as it lies in the vault: checkpoint, every checkpoint that was kept, tiles, entries, time stamps
entries.jsonl    every entry, one a line, exactly as it was signed
case.jsonld      the same as CASE/UCO (caseontology.org), for tools that speak it
bwc-verify.py    a verifier in one file, for Python 3.11 with its package cryptography; if you do not trust this folder, take it from
                 elsewhere: bwc audit verifier writes it
vkey.txt         the key of the log AS THIS FOLDER SAYS: compare it with what the agency published, never trust it alone

There is no footage here, and no private part: people are the ids of their keys, recordings the digests of their sealed bytes.

To check it:  bwc verify THIS_FOLDER --key VKEY          (bwc)
              python3 bwc-verify.py . --key VKEY         (in the folder where this lies; nothing to install)
entries.jsonl and case.jsonld are compared with log/ then; README.txt and vkey.txt are not.
              or any C2SP tlog-tiles verifier on log/. How, by hand too: docs/auditor.md
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    folder: Path
    entries: int
    files: int
    size_bytes: int


def export_log(report: LogReport, log: Path, out: Path, *, agency: str, bag: bool) -> Exported:
    """Write the log of `report`, which was verified, from the folder `log` into the new folder `out`.

    Raises `IntegrityError` when it was not intact; on any failure no folder is left.
    """
    report.findings.raise_if_bad()
    if report.checkpoint is None or report.key is None:
        raise BwcError("there is no checkpoint to export under", "bwc verify --quick")
    if out.exists():
        raise UsageError(f"{out} exists", "choose a new folder")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        place = partial / "data" if bag else partial
        place.mkdir(parents=True)
        shutil.copytree(log, place / "log", ignore=shutil.ignore_patterns("*.partial", "staging"))
        _write_lines(place / "entries.jsonl", (entry.raw.decode() + "\n" for entry in report.read()))
        _write_lines(place / "case.jsonld", case_lines(report.checkpoint.origin, report.read()))
        (place / "bwc-verify.py").write_text(one_file(), encoding="utf-8")
        (place / "vkey.txt").write_text(report.key.text() + "\n", encoding="utf-8")
        text = _README.format(
            agency=agency or report.checkpoint.origin,
            size=report.checkpoint.size,
            at=report.last_at,
            root=report.checkpoint.root.hex(),
        )
        (place / "README.txt").write_text(text, encoding="utf-8")
        if bag:
            seal_bag(partial, _info(report, agency))
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return Exported(folder=out, entries=report.entries, files=len(files), size_bytes=size)


def _info(report: LogReport, agency: str) -> dict[str, str]:
    assert report.checkpoint is not None
    return {
        "Bag-Software-Agent": TOOL,
        "Bagging-Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "External-Description": f"audit log, {report.checkpoint.size} entries, without footage",
        "External-Identifier": f"{report.checkpoint.origin} {report.checkpoint.size} {report.checkpoint.root.hex()}",
        "Source-Organization": agency or report.checkpoint.origin,
    }


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)
