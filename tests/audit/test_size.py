"""How much a person has to read to believe a verdict on a log, and on what it rests beside Python."""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# audit, evidence and keys (the public halves): the log as it is read and judged. How it is written (appending) no verdict
# rests on. This number should only go down.
MOST_LINES = 2500


def imported(file: Path) -> set[str]:
    """The modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return found


def needed(todo: Sequence[str]) -> tuple[set[Path], set[str]]:
    """Our files that those modules need, and the packages beside Python's own."""
    files: set[Path] = set()
    others: set[str] = set()
    todo = list(todo)
    while todo:
        name = todo.pop()
        file = ROOT / (name.replace(".", "/") + ".py")
        if not name.startswith("bwc"):
            others |= {name.split(".")[0]} - sys.stdlib_module_names
        elif file.is_file() and file not in files:
            files.add(file)
            todo += imported(file)
    return files, others


def test_who_checks_anything_needs_cryptography_alone() -> None:
    names = [
        f"bwc.{room}.{file.stem}" for room in ("anchors", "verifier") for file in (ROOT / "bwc" / room).glob("*.py")
    ]
    assert needed(names)[1] == {"cryptography"}


def test_the_proof_of_the_log_is_short_and_rests_on_cryptography_alone() -> None:
    files, others = needed(["bwc.audit.verify"])
    assert others == {"cryptography"}
    room = {*(ROOT / "bwc" / "audit").glob("*.py"), ROOT / "bwc" / "evidence.py", ROOT / "bwc" / "keys.py"}
    assert {file for file in files if file.parent.name in ("audit", "appending")} <= room
    assert sum(len(file.read_text().splitlines()) for file in room) <= MOST_LINES
