"""The house stays small and says what it is: file lengths, docstrings, empty package files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "bwc").rglob("*.py"))
LIMIT_LINES = 400


def _is_generated(path: Path) -> bool:
    return "# GENERATED" in path.read_text(encoding="utf-8")[:400]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_fits_one_idea(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LIMIT_LINES or _is_generated(path), f"{lines} lines: two ideas?"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_its_idea(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text
    assert text.strip()


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_package_file_holds_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1


def test_no_public_class_or_function_is_without_a_docstring_in_the_rooms_of_trust() -> None:
    bare = []
    for path in FILES:
        if path.relative_to(ROOT / "bwc").parts[0] not in {
            "appending",
            "audit",
            "anchors",
            "verifier",
            "storage",
            "custody.py",
            "identities.py",
            "keys.py",
            "roles.py",
            "canonical.py",
        }:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not bare
