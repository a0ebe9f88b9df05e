"""Whether what the log points to is there at all, by length: a look at each file's entry, none is read.

The report of a day is made from the log, which stays intact when a recording is deleted. So the files are looked for.
"""

import stat
from pathlib import Path

from bwc.audit.log_report import LogReport
from bwc.errors import IntegrityError, StorageError
from bwc.evidence import SealedObject

_STEP = 8


def look_for_objects(report: LogReport, folder: Path) -> None:
    """After `verify_log`: find every object of the vault in `folder` that is missing or of another length. Findings of step 8."""
    if report.findings.count(3):
        return  # step 3 says that entries cannot be read
    gone = report.standing.disposals.items
    objects: dict[str, tuple[int, str | None, SealedObject]] = {}  # with the envelope it has now
    for entry in report.read():
        for one in entry.objects if entry.objects_text and entry.item not in gone else ():
            first, item, _ = objects.get(one.object_id, (entry.seq, entry.item, one))
            objects[one.object_id] = (first, item, one)
    for seq, item, one in objects.values():
        where = f"object {one.object_id} ({one.role.value} of {item}, entry {seq})"
        envelope = one.envelope_sha256
        try:
            size = _size(folder / "objects" / one.object_id[:2] / one.object_id)
            if size is None:
                report.findings.bad(_STEP, "its sealed bytes are missing", where)
            elif size != one.sealed_bytes:
                report.findings.bad(_STEP, f"it has {size} bytes, the log says {one.sealed_bytes}", where)
            if _size(folder / "manifests" / one.object_id[:2] / f"{one.object_id}.json") is None:
                report.findings.bad(_STEP, "its manifest is missing", where)
            if _size(folder / "envelopes" / envelope[:2] / f"{envelope}.json") is None:
                report.findings.bad(_STEP, f"its envelope {envelope} is missing", where)
        except IntegrityError as error:
            report.findings.refused(_STEP, error, where)


def _size(path: Path) -> int | None:
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"{path.name} cannot be looked for: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError("is not a file")
    return status.st_size
