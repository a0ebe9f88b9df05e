"""A witness cosigns what continues what it cosigned, answers as tlog-witness says, and forgets nothing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bwc.anchors.fork import ForkEvidence, ForkKind
from bwc.anchors.paths import consistency_proof
from bwc.appending.writing import add_signatures, log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, Note, NoteKey, NoteSignature, parse_checkpoint
from bwc.audit.merkle import leaf_hash, root_of
from bwc.audit.tiles import TileTree
from bwc.errors import ConfigError, InUse, NotFound, UsageError
from bwc.identities import encode_binary
from bwc.oversight.post import post
from bwc.oversight.serving import WitnessServer, parse_listen
from bwc.oversight.witness import Answer, Witness, create, open_witness
from tests.anchors.test_fork import forked
from tests.audit.logs import LOG_KEY, ORIGIN, STRANGER, VKEY, House, grown_house, small_house

NAME = "clerk.example/bwc"


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    made = create(tmp_path / "witness", NAME)
    made.follow(VKEY)
    return made


def request(house: House, old: int, *, note: bytes | None = None, proof: list[bytes] | None = None) -> bytes:
    data = house.files.held["checkpoint"] if note is None else note
    size = parse_checkpoint(data)[0].size
    if proof is None:
        proof = consistency_proof(old, size, TileTree(house.files, size).node) if 0 < old < size else []
    lines = "".join(f"{encode_binary(one)}\n" for one in proof)
    return f"old {old}\n{lines}\n".encode() + data


def cosigned(answer: Answer, witness: Witness, note: bytes) -> int:
    """The time of the cosignature in an answer, verified."""
    assert answer.status == 200, answer.body
    (line,) = Note.parse(b"x\n\n" + answer.body).signatures
    (moment,) = witness.key.verify(parse_checkpoint(add_signatures(note, [line]))[1])
    return moment


def test_it_cosigns_a_log_that_goes_on(witness: Witness) -> None:
    house = small_house()
    for old, size in ((0, 5), (5, 9), (9, 12), (12, 12)):
        note = house.files.held[f"checkpoints/{size}"]
        assert cosigned(witness.add_checkpoint(request(house, old, note=note)), witness, note) > 0
    again = open_witness(witness.folder)
    assert again.key == witness.key
    assert [(one.origin, one.size) for one in again.followed()] == [(ORIGIN, 12)]


def test_it_follows_the_logs_key_and_refuses_the_old_one_from_then_on(witness: Witness) -> None:
    house = small_house()
    note = house.files.held["checkpoint"]
    cosigned(witness.add_checkpoint(request(house, 0, note=note)), witness, note)
    thief = House(rows=type(house.rows)(list(house.rows.held)), files=type(house.files)(dict(house.files.held)))
    house.rekey(STRANGER)
    house.publish()
    note = house.files.held["checkpoint"]
    cosigned(witness.add_checkpoint(request(house, 12)), witness, note)
    for _ in range(3):
        thief.approve()
    thief.publish()
    assert witness.add_checkpoint(request(thief, 13)).status == 403
    (evidence,) = open_witness(witness.folder).evidence()
    assert evidence.kind is ForkKind.OTHER_KEYS
    house.approve()
    house.publish()
    cosigned(witness.add_checkpoint(request(house, 13)), witness, house.files.held["checkpoint"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"old 5\n", 400, id="no checkpoint"),
        pytest.param(b"old 05\n\n" + small_house().files.held["checkpoint"], 400, id="leading zero"),
        pytest.param(b"old 5\nx\n\n" + small_house().files.held["checkpoint"], 400, id="no base64"),
        pytest.param(b"old 5\n" + b"AA==\n" * 64 + b"\n" + small_house().files.held["checkpoint"], 400, id="64 hashes"),
        pytest.param(b"old 5\n\n" + b"x" * 1000, 400, id="no note"),
        pytest.param(request(small_house(), 99), 400, id="old is larger"),
        pytest.param(request(small_house(), 0), 409, id="another old size"),
        pytest.param(request(small_house(), 5, proof=[]), 422, id="no proof"),
        pytest.param(request(small_house(), 5, proof=[bytes(32)] * 4), 422, id="false proof"),
        pytest.param(request(forked(12), 9, proof=[]), 409, id="a fork from elsewhere"),
        pytest.param(
            request(small_house(), 5, note=sign_checkpoint(Checkpoint(ORIGIN, 12, bytes(32)), STRANGER)), 403, id="key"
        ),
        pytest.param(
            request(small_house(), 0, note=sign_checkpoint(Checkpoint("log.example/x", 12, bytes(32)), LOG_KEY)),
            404,
            id="another log",
        ),
    ],
)
def test_it_refuses_as_the_protocol_says(witness: Witness, body: bytes, status: int) -> None:
    house = small_house()
    first = house.files.held["checkpoints/5"]
    cosigned(witness.add_checkpoint(request(house, 0, note=first)), witness, first)
    answer = witness.add_checkpoint(body)
    assert answer.status == status, answer.body
    if status == 409:
        assert (answer.body, answer.kind) == (b"5\n", "text/x.tlog.size")
    assert witness.followed()[0].size == 5


@pytest.mark.parametrize("size", [12, 300])
def test_a_fork_by_the_holder_of_the_log_key_is_refused(witness: Witness, size: int) -> None:
    honest, other = small_house(), forked(size)
    witness.add_checkpoint(request(honest, 0))
    assert witness.add_checkpoint(request(other, 12)).status == (409 if size == 12 else 422)
    assert witness.add_checkpoint(request(honest, 12)).status == 200


def test_two_histories_of_one_size_are_kept_as_proof(witness: Witness) -> None:
    honest, other = small_house(), forked(12)
    witness.add_checkpoint(request(honest, 0))
    witness.add_checkpoint(request(other, 0))  # whatever it claims to continue
    (found,) = open_witness(witness.folder).evidence()
    assert ForkEvidence.parse(found.to_bytes()).kind == "two-roots"


def test_rolling_back_to_what_was_cosigned_earlier_is_refused(witness: Witness) -> None:
    """The last row of the attack table: only somebody who saw the later size can tell."""
    house = small_house()
    witness.add_checkpoint(request(house, 0))
    truncated = House()
    truncated.rows.held = house.rows.held[:9]
    truncated.publish()
    assert witness.add_checkpoint(request(truncated, 12)).status == 400
    assert witness.add_checkpoint(request(truncated, 9)).status == 409


def test_signatures_by_others_are_ignored_and_not_passed_on(witness: Witness) -> None:
    house = small_house()
    junk = NoteSignature("other.example", b"1234", b"x" * 64)
    note = add_signatures(house.files.held["checkpoint"], [junk])
    assert witness.add_checkpoint(request(house, 0, note=note)).status == 200
    assert b"other.example" not in witness.followed()[0].note


def test_a_log_may_change_its_key(witness: Witness) -> None:
    new = log_key(ORIGIN, STRANGER)
    house = small_house()
    note = sign_checkpoint(parse_checkpoint(house.files.held["checkpoint"])[0], STRANGER)
    assert witness.add_checkpoint(request(house, 0, note=note)).status == 403
    witness.follow(new)
    assert witness.add_checkpoint(request(house, 0, note=note)).status == 200


def test_of_many_at_once_each_continues_the_one_before(witness: Witness) -> None:
    house = grown_house(30)
    raws = [row.entry for row in house.rows.held]
    house.publish()
    tree = TileTree(house.files, 30)

    def ask(size: int) -> list[int]:
        root = root_of([leaf_hash(raw) for raw in raws[:size]])
        note = sign_checkpoint(Checkpoint(ORIGIN, size, root), LOG_KEY)
        statuses = []
        for _ in range(40):
            old = witness.followed()[0].size
            if old > size:
                break
            proof = consistency_proof(old, size, tree.node) if 0 < old < size and size == 30 else []
            statuses.append(witness.add_checkpoint(request(house, old, note=note, proof=proof)).status)
        return statuses

    with ThreadPoolExecutor(8) as pool:
        statuses = [one for found in pool.map(ask, [10, 30] * 4) for one in found]
    assert 200 in statuses
    assert set(statuses) <= {200, 409, 422}
    assert witness.followed()[0].size == 30


def test_what_it_cosigned_is_durable_before_the_answer(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bwc.oversight.witness.write_beside", full)
    with pytest.raises(OSError, match="No space"):
        witness.add_checkpoint(request(small_house(), 0))
    with WitnessServer(witness, ("127.0.0.1", 0)) as server, server.running() as url:
        answer = post(f"{url}add-checkpoint", request(small_house(), 0), "text/plain", timeout=5, most=1000)
    assert answer.status == 500
    assert "—".encode() not in answer.body


def test_a_damaged_memory_stops_it(witness: Witness) -> None:
    witness.add_checkpoint(request(small_house(), 0))
    (path,) = (witness.folder / "logs").iterdir()
    path.write_bytes(path.read_bytes().replace(b"\\n12\\n", b"\\n11\\n"))
    with pytest.raises(ConfigError):
        witness.add_checkpoint(request(small_house(), 0))


def test_one_process_serves_a_witness(witness: Witness) -> None:
    with witness.alone(), pytest.raises(InUse), open_witness(witness.folder).alone():
        pass


def test_it_is_made_once_and_its_key_is_its_own(tmp_path: Path) -> None:
    made = create(tmp_path / "w", NAME)
    assert (tmp_path / "w" / "witness.json").stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError):
        create(tmp_path / "w", NAME)
    with pytest.raises(UsageError):
        create(tmp_path / "v", "not a name")
    with pytest.raises(NotFound):
        open_witness(tmp_path / "nowhere")
    assert NoteKey.parse(made.key.text()) == made.key


def test_over_http(witness: Witness) -> None:
    house = small_house()
    with WitnessServer(witness, ("127.0.0.1", 0)) as server, server.running() as url:

        def ask(path: str, body: bytes) -> Answer:
            found = post(url + path, body, "text/plain", timeout=5, most=10_000)
            return Answer(found.status, found.body, found.kind)

        assert cosigned(ask("add-checkpoint", request(house, 0)), witness, house.files.held["checkpoint"])
        conflict = ask("add-checkpoint", request(house, 0))
        assert (conflict.status, conflict.body, conflict.kind) == (409, b"12\n", "text/x.tlog.size")
        assert ask("elsewhere", b"x").status == 404
        assert ask("add-checkpoint", b"x" * 8_000_000).status == 413


def test_where_to_listen() -> None:
    assert parse_listen("127.0.0.1:7380") == ("127.0.0.1", 7380)
    for text in ("7380", ":7380", "host:", "host:x", "host:99999"):
        with pytest.raises(UsageError):
            parse_listen(text)
