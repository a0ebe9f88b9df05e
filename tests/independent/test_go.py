"""Our logs judged by the Go team's note and tlog packages: they accept honest ones and refuse altered ones."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bwc.anchors.proof import LogProof
from bwc.appending.log import Log
from bwc.appending.writing import log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, NoteKey
from bwc.audit.merkle import leaf_hash, root_of
from bwc.audit.tiles import bundle_path, encode_bundle, tile_path
from tests.audit.attack_matrix import MATRIX, Attack, honest, saved_note
from tests.audit.logs import LOG_KEY, ORIGIN, STRANGER, VKEY, House, MemoryFiles, Row, grown_house, signer, small_house

pytestmark = pytest.mark.independent

SOURCES = Path("/usr/share/gocode")


@pytest.fixture(scope="session")
def gover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker, built from gover.go."""
    go = shutil.which("go")
    if go is None or not (SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("NOT JUDGED BY GO: needs golang-go and golang-golang-x-mod-dev (scripts/independent.sh)")
    folder = tmp_path_factory.mktemp("go")
    place = os.environ | {"GOPATH": str(SOURCES), "GO111MODULE": "off", "GOCACHE": str(folder / "cache")}
    source = Path(__file__).with_name("gover.go")
    subprocess.run([go, "build", "-o", str(folder / "gover"), str(source)], env=place, check=True, timeout=300)
    return folder / "gover"


def judged(gover: Path, log: Path, *more: str, key: NoteKey = VKEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run([gover, log, key.text(), *more], capture_output=True, text=True, check=False, timeout=60)


def written(files: MemoryFiles, folder: Path) -> Path:
    for path, data in files.held.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.mark.parametrize("size", [5, 255, 256, 257, 513, 1300])
def test_go_accepts_our_logs(gover: Path, tmp_path: Path, size: int) -> None:
    house = grown_house(size)
    checkpoint = house.publish()
    answer = judged(gover, written(house.files, tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split()[:2] == ["OK", str(size)]
    assert checkpoint.size == size


def test_go_accepts_a_log_of_three_levels(gover: Path, tmp_path: Path) -> None:
    entries = [f"entry {number}".encode() for number in range(66_000)]
    files = MemoryFiles()
    house = House(files=files)
    house.rows.held = [Row(seq, entry, None) for seq, entry in enumerate(entries)]
    log = Log(ORIGIN, files, house.rows)
    log._check_chain = lambda *_: None  # type: ignore[method-assign]  # these are not events, the tree does not care
    log.publish(LOG_KEY)
    assert files.held["tile/2/000.p/1"]
    answer = judged(gover, written(files, tmp_path))
    assert answer.returncode == 0, answer.stderr


def test_go_follows_the_logs_key_and_refuses_a_forged_handover(gover: Path, tmp_path: Path) -> None:
    house = small_house()
    before = tmp_path / "before"
    before.write_bytes(house.files.held["checkpoint"])
    house.rekey(signer("the log's next key"))
    house.publish()
    log = written(house.files, tmp_path / "log")
    answer = judged(gover, log, str(before))
    assert answer.returncode == 0, answer.stderr
    stranger = judged(gover, log, key=log_key(ORIGIN, STRANGER))
    assert stranger.returncode != 0
    house.log_key = STRANGER
    house.rekey(signer("a thief's key"))  # from a key that never was the log's
    house.publish_as_forger(house.log_key, *Log.rekeyed(house.log, since=13, size=14))
    assert judged(gover, written(house.files, tmp_path / "log")).returncode != 0


def test_go_finds_the_same_inclusion_proofs(gover: Path, tmp_path: Path) -> None:
    house = grown_house(700)
    house.publish()
    log = written(house.files, tmp_path / "log")
    for index in (0, 1, 255, 256, 511, 698, 699):
        entry = tmp_path / "entry.json"
        entry.write_bytes(house.rows.held[index].entry)
        answer = judged(gover, log, str(index), str(entry))
        assert answer.returncode == 0, answer.stderr
        ours = LogProof.parse(house.proof(index)).to_bytes().decode().split("\n\n")[0].split("\n")[2:]
        assert answer.stdout.split("\n")[:-2] == ours
        entry.write_bytes(house.rows.held[index - 1].entry)
        assert judged(gover, log, str(index), str(entry)).returncode != 0


def test_go_accepts_every_older_checkpoint_and_refuses_a_fork(gover: Path, tmp_path: Path) -> None:
    house = small_house()
    log = written(house.files, tmp_path / "log")
    for size in (5, 9, 12):
        assert judged(gover, log, str(log / "checkpoints" / str(size))).returncode == 0
    fork = tmp_path / "fork"
    fork.write_bytes(sign_checkpoint(Checkpoint(ORIGIN, 9, bytes(32)), LOG_KEY))
    assert judged(gover, log, str(fork)).returncode != 0


def _edit(path: str, at: int = 40) -> Callable[[MemoryFiles], None]:
    def act(files: MemoryFiles) -> None:
        data = bytearray(files.held[path])
        data[at] ^= 1
        files.held[path] = bytes(data)

    return act


def _published(files: MemoryFiles, raws: list[bytes], origin: str = ORIGIN, key: object = LOG_KEY) -> None:
    files.held.clear()
    hashes = [leaf_hash(raw) for raw in raws]
    files.held[bundle_path(0, len(raws))] = encode_bundle(raws)
    files.held[tile_path(0, 0, len(raws))] = b"".join(hashes)
    files.held["checkpoint"] = sign_checkpoint(Checkpoint(origin, len(raws), root_of(hashes)), key)  # type: ignore[arg-type]


RAWS = [row.entry for row in small_house().rows.held]
ATTACKS: list[tuple[str, Callable[[MemoryFiles], object]]] = [
    ("a bit of an entry", _edit(bundle_path(0, 12), 300)),
    ("a bit of a tile", _edit(tile_path(0, 0, 12))),
    ("a bit of the checkpoint's root", _edit("checkpoint", 45)),
    ("the bundle is gone", lambda files: files.held.pop(bundle_path(0, 12))),
    ("the tile is gone", lambda files: files.held.pop(tile_path(0, 0, 12))),
    ("an older checkpoint's tile", lambda files: files.held.update({tile_path(0, 0, 12): files.held[tile_path(0, 0, 9)]})),
    ("signed with another key", lambda files: _published(files, RAWS, key=STRANGER)),
    ("another vault's log, same key", lambda files: _published(files, RAWS, origin="log.example/other")),
]  # fmt: skip
WITH_SAVED: list[tuple[str, Callable[[MemoryFiles], object]]] = [
    ("edited and rebuilt", lambda files: _published(files, [RAWS[1], *RAWS[1:]])),
    ("swapped and rebuilt", lambda files: _published(files, [RAWS[1], RAWS[0], *RAWS[2:]])),
    ("deleted and rebuilt", lambda files: _published(files, RAWS[1:])),
    ("truncated below it", lambda files: _published(files, RAWS[:8])),
]


@pytest.mark.parametrize("attack", [pytest.param(act, id=name) for name, act in ATTACKS])
def test_go_refuses(gover: Path, tmp_path: Path, attack: Callable[[MemoryFiles], object]) -> None:
    house = small_house()
    attack(house.files)
    assert judged(gover, written(house.files, tmp_path)).returncode != 0


@pytest.mark.parametrize("attack", [pytest.param(act, id=name) for name, act in WITH_SAVED])
def test_go_refuses_against_a_saved_checkpoint_what_it_accepts_alone(
    gover: Path, tmp_path: Path, attack: Callable[[MemoryFiles], object]
) -> None:
    """A tree alone proves nothing against the holder of its key: the limit that docs/auditor.md states."""
    house = small_house()
    saved = tmp_path / "saved"
    saved.write_bytes(house.files.held["checkpoints/9"])
    attack(house.files)
    log = written(house.files, tmp_path / "log")
    assert judged(gover, log).returncode == 0
    assert judged(gover, log, str(saved)).returncode != 0


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.name) for one in MATRIX])
def test_go_judges_every_attack_of_the_matrix(gover: Path, tmp_path: Path, attack: Attack) -> None:
    """It checks trees and signed notes, not who signed an entry; what it sees, it sees as our verifier does."""
    saved, witness = tmp_path / "saved", tmp_path / "witness"
    saved.write_bytes(saved_note())
    witness.write_bytes(honest().files.held["checkpoint"])
    log = written(attack.do(), tmp_path / "log")
    assert (judged(gover, log).returncode != 0) == attack.tree_alone
    assert (judged(gover, log, str(saved)).returncode != 0) == bool(attack.saved)
    assert judged(gover, log, str(witness)).returncode != 0
