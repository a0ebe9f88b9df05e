"""The one-file verifier reaches the verdicts of this program, with `cryptography` and nothing else of ours beside it."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cryptography
import pytest

from bwc.anchors.openssl_ts import check_stamp
from bwc.anchors.slip import slip_text
from bwc.appending.writing import log_key
from bwc.audit.checkpoint import NoteKey
from bwc.audit.tiles import bundle_path, tile_path
from bwc.audit.verify import verify_log
from bwc.errors import BwcError
from bwc.oversight.exchange import export_log
from bwc.oversight.one_file import one_file
from bwc.verifier.inspected import judge
from bwc.verifier.log_folder import LogFolder
from bwc.verifier.package import examine_package
from tests.anchors.test_fork import NOTES, forked
from tests.anchors.test_seen import Seen, kept_evidence
from tests.audit.logs import ORIGIN, STRANGER, VKEY, MemoryFiles, grown_house, small_house
from tests.release.making import VKEY as RELEASE_KEY
from tests.release.making import Maker
from tests.verifier.test_inspected import copy_of

SITE = Path(cryptography.__file__).parents[1]


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, in a folder of its own, and beside it a folder that holds `cryptography` and its parts only."""
    folder = tmp_path_factory.mktemp("verifier")
    (folder / "bwc-verify.py").write_text(one_file())
    (folder / "only").mkdir()
    for path in SITE.iterdir():
        if path.name.startswith(("cryptography", "_cffi_backend", "cffi", "pycparser")):
            (folder / "only" / path.name).symlink_to(path)
    return folder / "bwc-verify.py"


def run(verifier: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    python = getattr(sys, "_base_executable", sys.executable)
    environment = {"PYTHONPATH": str(verifier.parent / "only"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [python, "-S", "-s", verifier, *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=verifier.parent,
        timeout=120,
    )


def written(files: MemoryFiles, folder: Path) -> Path:
    for path, data in files.held.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def flip(path: str, at: int) -> Callable[[MemoryFiles], None]:
    def act(files: MemoryFiles) -> None:
        data = bytearray(files.held[path])
        data[at] ^= 1
        files.held[path] = bytes(data)

    return act


CASES: list[tuple[str, Callable[[MemoryFiles], object], NoteKey | None]] = [
    ("honest", lambda _: None, VKEY),
    ("no key brought along", lambda _: None, None),
    ("another key", lambda _: None, log_key(ORIGIN, STRANGER)),
    ("a bit of an entry", flip(bundle_path(0, 12), 300), VKEY),
    ("a bit of a tile", flip(tile_path(0, 0, 12), 40), VKEY),
    ("a bit of a kept checkpoint", flip("checkpoints/9", 50), VKEY),
    ("the bundle is gone", lambda files: files.held.pop(bundle_path(0, 12)), VKEY),
    ("no checkpoint signature", flip("checkpoint", -10), VKEY),
]


@pytest.mark.parametrize(("act", "key"), [pytest.param(*row[1:], id=row[0]) for row in CASES])
def test_its_verdict_on_a_log_is_ours(
    verifier: Path, tmp_path: Path, act: Callable[[MemoryFiles], object], key: NoteKey | None
) -> None:
    house = small_house()
    act(house.files)
    log = written(house.files, tmp_path / "export" / "log")
    ours = judge(
        LogFolder(log),
        key=key,
        agency=key.name if key else "",
        memory=None,
        rows=None,
        objects=None,
        share=1.0,
        check_stamp=check_stamp,
        is_alone=True,
    )
    code = 0
    try:
        ours.raise_unless_ours()
    except BwcError as error:
        code = error.exit_code
    done = run(verifier, tmp_path / "export", "--quick", *(["--key", key.text()] if key else []))
    assert (done.returncode, done.stdout.rstrip()) == (code, ours.text()), done.stderr


def test_its_verdict_on_an_exported_log_is_ours(verifier: Path, tmp_path: Path) -> None:
    log = written(small_house().files, tmp_path / "vault" / "log")
    bag = tmp_path / "bag"
    export_log(verify_log(LogFolder(log), VKEY), log, bag, agency="", bag=True)
    key = ("--key", VKEY.text())
    slip = tmp_path / "slip.txt"
    slip.write_text(slip_text(NOTES[12], VKEY))
    for folder in (bag, bag / "data", bag / "data" / "log"):
        done = run(verifier, folder, *key, "--against", slip)
        assert done.returncode == 0, done.stdout
        assert f"ok: continues the 12 entries of {slip}" in done.stdout
        assert "INTACT (a log alone; no recording was looked at)" in done.stdout.splitlines()[-1]
    slip.write_text(slip_text(NOTES[12], VKEY).replace("\n12\n", "\n21\n"))
    done = run(verifier, bag, *key, "--against", slip)
    assert (done.returncode, done.stdout) == (2, "")
    assert "It says nothing about this log" in done.stderr
    older = written(copy_of(small_house(), 9), tmp_path / "older" / "log")
    slip.write_text(slip_text(NOTES[12], VKEY))
    assert run(verifier, older.parent, *key, "--against", slip).returncode == 7
    for name in ("entries.jsonl", "case.jsonld"):
        honest = (bag / "data" / name).read_bytes()
        (bag / "data" / name).write_bytes(honest.replace(b"ingested", b"ingestet", 1))
        done = run(verifier, bag, *key)
        assert done.returncode == 5
        assert name in done.stderr
        (bag / "data" / name).write_bytes(honest)


def test_it_reads_a_long_log_with_several_processes(verifier: Path, tmp_path: Path) -> None:
    house = grown_house(600)
    house.publish()
    log = written(house.files, tmp_path / "log")
    several = verifier.with_name("several.py")
    several.write_text(one_file().replace("_WORTH_IT = 50_000", "_WORTH_IT = 500"))
    done = run(several, log, "--key", VKEY.text())
    assert done.returncode == 0, done.stderr
    assert "600 signatures" in done.stdout


def test_it_checks_slips_proofs_and_fork_evidence(verifier: Path, tmp_path: Path) -> None:
    house, other = small_house(), forked(12)
    log = written(house.files, tmp_path / "log")
    forked_log = written(other.files, tmp_path / "forked")
    slip = tmp_path / "slip.txt"
    slip.write_text(slip_text(NOTES[12], VKEY))
    key = ("--key", VKEY.text())
    assert run(verifier, log, *key, "--against", slip).returncode == 0
    assert run(verifier, forked_log, *key, "--against", slip).returncode == 5
    (tmp_path / "e.json").write_bytes(house.rows.held[3].entry)
    (tmp_path / "e.tlog-proof").write_bytes(house.proof(3))
    assert run(verifier, tmp_path / "e.tlog-proof", "--entry", tmp_path / "e.json", *key).returncode == 0
    (tmp_path / "e.json").write_bytes(house.rows.held[4].entry)
    assert run(verifier, tmp_path / "e.tlog-proof", "--entry", tmp_path / "e.json", *key).returncode == 5
    memory = Seen(tmp_path / "seen", ORIGIN)
    memory.look(NOTES[12], VKEY, None)
    memory.look(other.files.held["checkpoint"], VKEY, None)
    (tmp_path / "fork.json").write_bytes(kept_evidence(tmp_path / "seen")[0].to_bytes())
    assert run(verifier, tmp_path / "fork.json", *key).returncode == 0
    assert run(verifier, tmp_path / "fork.json").returncode == 7
    assert run(verifier, tmp_path / "nowhere").returncode == 4


def test_it_is_made_the_same_each_time_and_says_what_it_is(verifier: Path) -> None:
    assert verifier.read_text() == one_file()
    assert "# GENERATED" in verifier.read_text()[:400]


def test_it_holds_the_programs_own_text_and_needs_cryptography_only(verifier: Path) -> None:
    tree = ast.parse(verifier.read_text())
    parts = {
        node.targets[0].slice.value: node.value.value  # type: ignore[attr-defined]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    }
    foreign = set()
    for name, source in parts.items():
        for node in ast.walk(ast.parse(source)):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign |= {one.partition(".")[0] for one in names} - sys.stdlib_module_names
        whole = Path(__import__(name, fromlist=["x"]).__file__).read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                segment = ast.get_source_segment(source, node)
                assert segment is not None
                assert segment in whole, name
    assert foreign <= {"bwc", "cryptography"}
    assert not any(name.startswith(("bwc.custody", "bwc.storage", "bwc.cli", "bwc.oversight")) for name in parts)


def test_its_verdict_on_a_release_is_ours(verifier: Path, tmp_path: Path) -> None:
    made = Maker().make(tmp_path / "release")
    key = ("--key", RELEASE_KEY.text())
    assert run(verifier, made.folder, *key).returncode == 0
    assert run(verifier, made.folder).returncode == 7
    copy = next(path for path in sorted(made.folder.rglob("*.mp4")))
    assert run(verifier, copy, *key).returncode == 0
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    done = run(verifier, made.folder, *key)
    assert done.returncode == 5
    assert copy.name in done.stderr
    assert examine_package(made.folder, key=RELEASE_KEY).text() == done.stdout.rstrip()
    forged = Maker(log_key=STRANGER).make(tmp_path / "forged")
    assert run(verifier, forged.folder, *key).returncode == 5
