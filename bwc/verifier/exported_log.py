"""A folder that somebody was handed: where the log lies in it, whether it is a log alone, and that its lists say what the log says.

People and other programs read the lists (entries.jsonl, case.jsonld); the signatures are in log/ alone. So each list is
made again from the verified entries and compared byte for byte.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from bwc.audit.log_report import LogReport
from bwc.errors import DigestMismatch, IntegrityError, StorageError
from bwc.verifier.case_graph import case_lines
from bwc.verifier.verify_objects import SHELVES

ENTRIES, GRAPH = "entries.jsonl", "case.jsonld"
_OF_A_VAULT = (
    *SHELVES,
    "catalog.sqlite",
    "keys",
    "backup.json",
    "bwc-store.json",
)  # a log that was handed out has none
_LISTS = 9  # the step


def place_of_log(folder: Path) -> Path | None:
    """The folder that holds `log/` when `folder` is that one, the log's own, or a bag around it; None when there is no log."""
    for place in (folder, folder / "data"):
        if (place / "log" / "checkpoint").is_file():
            return place
    if folder.resolve().name == "log" and (folder / "checkpoint").is_file() and (folder / "tile").is_dir():
        return folder.resolve().parent
    return None


def is_log_alone(folder: Path) -> bool:
    """Whether there is a log in `folder` and nothing else that a vault or a copy of one has."""
    return not any((folder / name).exists() for name in _OF_A_VAULT)


def verify_lists(report: LogReport, folder: Path) -> None:
    """After `verify_log`: compare the lists that an export of the log has with its entries. Findings of step 9."""
    if report.checkpoint is None or report.findings.count(3):
        return  # nothing to compare them with
    origin, found = report.checkpoint.origin, []
    for name in (ENTRIES, GRAPH):
        said = (
            case_lines(origin, report.read()) if name == GRAPH else (one.raw.decode() + "\n" for one in report.read())
        )
        try:
            if _compare(folder / name, said):
                found.append(name)
        except IntegrityError as error:
            report.findings.refused(_LISTS, error, name)
        except OSError as error:
            raise StorageError(f"{folder / name}: {error.strerror}") from error
    if found:
        report.findings.ok(_LISTS, f"{' and '.join(found)}: what the log says, byte for byte")


def _compare(path: Path, lines: Iterator[str]) -> bool:
    """Whether the list is there; raises `DigestMismatch` when it says anything else."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise IntegrityError("is not a file")
    except FileNotFoundError:
        return False
    with path.open("rb") as file:
        for number, line in enumerate(lines, 1):
            wanted = line.encode()
            if file.read(len(wanted)) != wanted:
                raise DigestMismatch(
                    f"does not say what the log says, about line {number + line.count(chr(10), 0, -1)}"
                )
        if file.read(1):
            raise DigestMismatch("goes on after what the log says")
    return True
