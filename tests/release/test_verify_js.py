"""The page's logic, run by node on the same packages as the command line: the same verdicts."""

import base64
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bwc.anchors.pins import fingerprint_text
from bwc.anchors.proof import LogProof
from bwc.appending.writing import add_signatures
from bwc.audit.checkpoint import COSIGNATURE, NoteKey, NoteSignature, parse_checkpoint
from bwc.evidence import EventKind
from bwc.identities import PublicKey, SeedSigner
from bwc.verifier.package import examine_package
from bwc.verifier.package_report import time_text
from bwc.verifier.released import LEAF_BYTES, PAPERS
from tests.audit.logs import ADMIN, CLERK, SECOND, STRANGER, VKEY, operator, signer
from tests.release.judging import Judge
from tests.release.making import Made, Maker, some_bytes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Maker().make(tmp_path_factory.mktemp("agency") / "release")


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return shutil.copytree(made.folder, tmp_path / "received")


def things(said: Any) -> str:
    return " ".join(finding["thing"] for finding in said["findings"])


def test_untouched_package_is_ours_only_with_the_key(judge: Judge, folder: Path) -> None:
    said = judge(folder, VKEY.text())
    assert said["verdict"] == "ours", said
    assert said["results"] == ["ok"] * 8
    assert said["fingerprint"] == fingerprint_text(VKEY)
    said = judge(folder)
    assert said["verdict"] == "not-tied"
    assert said["results"] == ["ok"] * 7 + ["skipped"]


def test_any_flipped_byte_is_found_and_named_as_the_command_line_does(judge: Judge, folder: Path, made: Made) -> None:
    for name in made.files():
        path = folder / name
        whole = path.read_bytes()
        places = 50 if name in PAPERS else 5
        for at in [*range(0, len(whole), max(1, len(whole) // places)), len(whole) - 1]:
            broken = bytearray(whole)
            broken[at] ^= 0x01
            path.write_bytes(broken)
            said = judge(folder, VKEY.text())
            assert said["verdict"] == "bad", (name, at, said)
            assert name in things(said), (name, at, said)
            assert examine_package(folder, key=VKEY).verdict == "bad"
        path.write_bytes(whole)


def test_any_missing_or_changed_length_is_found_and_named(judge: Judge, folder: Path, made: Made) -> None:
    for name in made.files():
        path = folder / name
        whole = path.read_bytes()
        for changed in (None, whole[:-1], whole + b"\n"):
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            said = judge(folder, VKEY.text())
            assert said["verdict"] == "bad", name
            assert name in things(said)
        path.write_bytes(whole)


def test_a_file_of_another_valid_package_is_found_and_named(
    judge: Judge, folder: Path, made: Made, tmp_path: Path
) -> None:
    maker = Maker()
    maker.make(tmp_path / "first", some_bytes(seed=7))
    later = maker.make(tmp_path / "later", some_bytes(seed=8))
    for name in made.files():
        path, other = folder / name, later.folder / name
        whole = path.read_bytes()
        if other.exists() and other.read_bytes() != whole:
            path.write_bytes(other.read_bytes())
            said = judge(folder, VKEY.text())
            assert said["verdict"] == "bad", name
            assert name in things(said)
            path.write_bytes(whole)


def test_forged_package_is_never_ours(judge: Judge, tmp_path: Path) -> None:
    same_name = Maker(log_key=STRANGER).make(tmp_path / "same").folder
    said = judge(same_name, VKEY.text())
    assert said["verdict"] == "bad"
    assert "forgery" in said["findings"][0]["message"]
    assert judge(same_name)["verdict"] == "not-tied"
    other_name = Maker(log_key=STRANGER, origin="log.example/springfield").make(tmp_path / "other").folder
    assert judge(other_name, VKEY.text())["verdict"] == "not-tied"


def test_packages_of_before_and_after_a_handover_of_the_logs_key(judge: Judge, tmp_path: Path) -> None:
    maker = Maker()
    before = maker.make(tmp_path / "before").folder
    maker.rekey(STRANGER)
    after = maker.make(tmp_path / "after").folder
    for key in (VKEY, maker.key):
        said = judge(after, key.text())
        assert said["verdict"] == "ours", said
        assert said["fingerprint"] == fingerprint_text(VKEY)
    assert judge(before, VKEY.text())["verdict"] == "ours"
    proof = after / "release.tlog-proof"
    whole = proof.read_bytes()
    head, line, rest = whole.decode().rpartition("— ")
    blob = bytearray(base64.b64decode(rest.split(" ")[1]))
    for at in range(4, len(blob), 9):
        broken = bytearray(blob)
        broken[at] ^= 1
        told = f"{head}{line}{rest.split(' ')[0]} {base64.b64encode(broken).decode()}\n"
        proof.write_bytes(told.encode())
        assert judge(after, VKEY.text())["verdict"] == "bad", at
    proof.write_bytes(head.encode())  # without its handovers it is another key's
    assert judge(after, VKEY.text())["verdict"] == "bad"


def test_single_files_are_enough_for_the_video(judge: Judge, folder: Path, made: Made) -> None:
    only = [made.video.name, *PAPERS]
    said = judge(folder, VKEY.text(), whole=False, only=only)
    assert said["verdict"] == "ours", said
    assert "enrolment not checked" in said["said"][4][0]
    assert said["results"][4] == "skipped"
    assert judge(folder, VKEY.text(), whole=False, only=list(PAPERS))["verdict"] == "bad"
    assert judge(folder, VKEY.text(), whole=False, only=only[:-1])["verdict"] == "bad"
    (folder / made.video.name).write_bytes(some_bytes(seed=3))
    assert judge(folder, VKEY.text(), whole=False, only=only)["verdict"] == "bad"


def test_extra_file_is_named(judge: Judge, folder: Path) -> None:
    (folder / "extra.mp4").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "._entry.json").write_bytes(bytes.fromhex("0005160700020000") + b"Mac OS X")
    (folder / "._extra.mp4").write_bytes(b"x")
    said = judge(folder, VKEY.text())
    assert sorted(finding["thing"] for finding in said["findings"]) == ["._extra.mp4", "extra.mp4"]


def test_key_that_is_none_says_nothing_about_the_release(judge: Judge, folder: Path) -> None:
    for key in ("hello", VKEY.text()[:-4], VKEY.text().replace("+", "-"), "x+00000000+AAAA"):
        said = judge(folder, key)
        assert said["verdict"] == "cannot", key
        assert "pasted" in said["why"]


def test_damaged_pieces_are_found_across_leaves(judge: Judge, tmp_path: Path) -> None:
    made = Maker().make(tmp_path / "big", some_bytes(2 * LEAF_BYTES + 5))
    assert judge(made.folder, VKEY.text())["verdict"] == "ours"
    whole = bytearray(made.video.read_bytes())
    whole[-1] ^= 1
    made.video.write_bytes(whole)
    assert things(judge(made.folder, VKEY.text())) == made.video.name


def test_damaged_video_is_named_with_the_same_times(judge: Judge, video: Path, tmp_path: Path) -> None:
    made = Maker().make(tmp_path / "video", video.read_bytes())
    whole = bytearray(made.video.read_bytes())
    whole[2 * LEAF_BYTES + 7] ^= 1
    whole[3 * LEAF_BYTES + 7] ^= 1
    made.video.write_bytes(whole)
    (ours,) = examine_package(made.folder, key=VKEY).findings
    (theirs,) = judge(made.folder, VKEY.text())["findings"]
    assert theirs["times_ms"] == [list(pair) for pair in ours.times_ms]
    assert time_text(ours.times_ms[0][0]) in theirs["message"]
    assert len(ours.times_ms) == 1  # two leaves beside each other are one stretch


class P256Signer:
    """An operator's key as a card holds it: P-256, signatures r and s with s in the lower half."""

    alg = "p256"

    def __init__(self) -> None:
        self._private = ec.derive_private_key(4711, ec.SECP256R1())
        self.public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.key_id = PublicKey(self.alg, self.public).key_id

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        return r.to_bytes(32, "big") + min(s, order - s).to_bytes(32, "big")


def test_publisher_with_a_p256_key_is_believed_by_both(judge: Judge, tmp_path: Path) -> None:
    card = P256Signer()
    maker = Maker(publisher=card)
    maker.house.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(card, "records")})  # type: ignore[arg-type]
    made = maker.make(tmp_path / "card")
    assert examine_package(made.folder, key=VKEY).verdict == "ours"
    said = judge(made.folder, VKEY.text())
    assert said["verdict"] == "ours", said
    assert card.key_id in said["said"][4][-1]


def test_times_read_alike() -> None:
    assert [time_text(ms) for ms in (0, 61_005, 3_723_400)] == ["0:00:00.000", "0:01:01.005", "1:02:03.400"]


def test_a_signer_who_rotated_their_key_is_followed_and_a_forged_step_is_not(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = signer("clerk's new key")

    def package(name: str, *roles: str, signers: tuple[SeedSigner, ...] = (CLERK, new)) -> Path:
        maker = Maker(approvers=(SECOND, new), publisher=new)
        facts = {"operator": operator(new, *roles, replaces=CLERK.key_id)}
        maker.house.do(list(signers), EventKind.KEY_ROTATED, facts)
        return maker.make(tmp_path / name).folder

    honest = package("honest", "records")
    assert judge(honest, VKEY.text())["verdict"] == "ours"
    assert examine_package(honest, key=VKEY).verdict == "ours"
    monkeypatch.setattr(
        "bwc.verifier.package_report.PackageReport.raise_unless_ours", lambda _: None
    )  # nor does a forger
    for bad in (package("more", "administrator", "records"), package("alone", "records", signers=(SECOND, new))):
        assert judge(bad, VKEY.text())["verdict"] == "bad"
        assert examine_package(bad, key=VKEY).verdict == "bad"


def test_a_checkpoint_that_witnesses_cosigned_is_read_as_the_command_line_does(judge: Judge, folder: Path) -> None:
    cosigner = signer("witness")
    key = NoteKey("clerk.example/bwc", COSIGNATURE, cosigner.public)
    for path in [folder / PAPERS[2]]:
        proof = LogProof.parse(path.read_bytes())
        _, note = parse_checkpoint(proof.checkpoint_note)
        moment = 1_795_856_400
        signature = cosigner.sign(f"cosignature/v1\ntime {moment}\n{note.text}".encode())
        line = NoteSignature(key.name, key.key_hint, moment.to_bytes(8, "big") + signature)
        cosigned = add_signatures(proof.checkpoint_note, [line])
        path.write_bytes(replace(proof, checkpoint_note=cosigned).to_bytes())
    assert judge(folder, VKEY.text())["verdict"] == "ours"
    assert examine_package(folder, key=VKEY).verdict == "ours"
