"""What a witness answered when it had seen another log, kept beside the person until it cosigns again.

A witness says so once, to whoever asked; `verify`, `doctor`, the report and the receipt of an intake say it from then on.
What it contradicted is kept with it: an honest copy of the log, which does not hold that checkpoint, is not accused.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bwc.anchors.beside import write_beside
from bwc.audit.checkpoint import Checkpoint
from bwc.audit.findings import Findings
from bwc.audit.log_report import LogReport
from bwc.audit.merkle import root_at
from bwc.audit.tiles import TileTree
from bwc.canonical import sha256_hex
from bwc.errors import ConfigError, IntegrityError, LogForked

FILE_NAME = "contradicted.json"
_STEP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What a witness said, when, and of which checkpoint of ours."""

    witness: str
    message: str
    at: str
    size: int
    root: str

    def text(self) -> str:
        return f"witness {self.witness} contradicts this log since {self.at[:16]}Z: {self.message}"


class Contradictions:
    """Those of one log. `folder` holds what this person saw of all logs."""

    def __init__(self, folder: Path, origin: str) -> None:
        """Raises `ConfigError` when they cannot be read: damaging the file must not silence a witness."""
        self._path = folder / sha256_hex(origin.encode())[:32] / FILE_NAME
        self.held: dict[str, Contradiction] = {}
        try:
            rows = json.loads(self._path.read_bytes())
            self.held = {one["witness"]: Contradiction(**one) for one in rows}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = f"ask the witnesses again: rm {self._path}, then bwc audit anchor"
            raise ConfigError(f"{self._path}: {error}", hint) from error

    def take(
        self, contradicted: Mapping[str, str], cosigned: frozenset[str], checkpoint: Checkpoint, *, at: str
    ) -> None:
        """Keep what these witnesses said of `checkpoint`, forget it of those that cosigned. What one said first stays."""
        held = {name: one for name, one in self.held.items() if name not in cosigned}
        for name, message in contradicted.items():
            size, root = checkpoint.size, checkpoint.root.hex()
            held.setdefault(name, Contradiction(witness=name, message=message, at=at, size=size, root=root))
        if held != self.held:
            rows = [asdict(one) for one in held.values()]
            write_beside(self._path, json.dumps(rows, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")
            self.held = held

    def judge(self, report: LogReport, findings: Findings) -> None:
        """Say of the log that was verified, in step 10, who contradicted it: bad while policy names the witness, then noted."""
        if report.files is None or report.checkpoint is None or findings.count(3):
            return
        named = {one.name for one in report.standing.policy.witnesses}
        tree = TileTree(report.files, report.checkpoint.size)
        for one in self.held.values():
            try:
                if one.size > report.checkpoint.size or root_at(one.size, tree.node).hex() != one.root:
                    continue  # it was of another log than this
            except IntegrityError as error:
                findings.refused(_STEP, error, one.witness)
                continue
            if one.witness in named:
                findings.bad(_STEP, one.text(), one.witness, LogForked)
            else:
                findings.note(_STEP, f"{one.text()}; policy names it no longer", one.witness)
