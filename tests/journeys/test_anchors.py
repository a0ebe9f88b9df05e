"""What others saw is the measure: forks and rollbacks are found, proven, and refused by whoever signed the newer log."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, World
from tests.oversight.tsa import make_tsa, needs_openssl
from tests.oversight.tsa import serving as tsa_serving


@pytest.fixture
def auditor(tmp_path: Path) -> World:
    """Somebody with a computer of their own, who pinned nothing yet."""
    return World(tmp_path / "auditor", extra={"BWC_VAULT": str(tmp_path / "nowhere")})


def vkey_of(world: World) -> str:
    return str(world.json("pin", "--list")["agencies"][0]["vkey"])


def copied(world: World, folder: Path) -> World:
    """The same vault and keys on another computer."""
    shutil.copytree(world.vault, folder / "vault")
    shutil.copytree(world.home, folder / "home")
    return World(folder)


def test_a_fork_is_found_proven_and_checked_by_a_stranger_without_a_vault(
    world: World, auditor: World, tmp_path: Path
) -> None:
    auditor.run("pin", vkey_of(world), "--agency", "Springfield PD")
    other = copied(world, tmp_path / "other")
    world.run("policy", "set", "approvals=2")
    other.run("policy", "set", "approvals=3")
    auditor.run("verify", "--vault", world.vault)
    assert auditor.json("audit", "evidence")["evidence"] == []
    done = auditor.run("verify", "--vault", other.vault, "--json", code=5)
    assert any(one["step"] == 2 and one["grade"] == "bad" for one in done.first_json["findings"])
    assert any("one key signed two different logs" in one["what"] for one in done.first_json["findings"])
    auditor.run("verify", "--vault", world.vault)  # the first one is still the measure

    auditor.run("audit", "evidence", "-o", tmp_path / "court")
    (proof,) = (tmp_path / "court").iterdir()
    stranger = World(tmp_path / "stranger", extra={"BWC_VAULT": str(tmp_path / "nowhere")})
    untied = stranger.run("audit", "evidence", proof, code=7)
    assert "NOT tied" in untied.err
    found = stranger.json("audit", "evidence", proof, "--key", vkey_of(world))["evidence"]
    assert found[0]["kind"] == "two-roots"
    proof.write_bytes(proof.read_bytes().replace(b"two-roots", b"shorter"))
    stranger.run("audit", "evidence", proof, "--key", vkey_of(world), code=5)


def test_a_vault_put_back_from_a_snapshot_is_not_gone_on_with(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.vault, tmp_path / "snapshot")
    world.run("policy", "set", "approvals=2")
    world.run("verify")
    shutil.rmtree(world.vault)
    shutil.copytree(tmp_path / "snapshot", world.vault)
    refused = world.run("policy", "set", "approvals=1", code=5)
    assert "older than what this computer signed" in refused.err
    world.run("list")  # reading is possible
    rolled = world.run("verify", code=5)
    assert "later shown with" in rolled.out
    assert world.json("audit", "evidence")["evidence"][0]["kind"] == "shorter"


@contextmanager
def serving(clerk: World) -> Iterator[str]:
    """`bwc witness serve` as the clerk runs it; its address."""
    words = [sys.executable, "-m", "bwc.cli.main", "witness", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=clerk.environment(), cwd=clerk.folder
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        url = process.stdout.readline().split()[2].rstrip(",")
        try:
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def clerk(tmp_path: Path) -> World:
    return World(tmp_path / "clerk", extra={"BWC_VAULT": str(tmp_path / "nowhere")})


def test_a_witness_cosigns_each_act_and_catches_what_no_saved_checkpoint_can(
    world: World, clerk: World, auditor: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    key = clerk.json("witness", "new", "clerk.example/bwc")["vkey"]
    clerk.json("witness", "follow", vkey_of(world))
    with serving(clerk) as url:
        world.json("witness", "add", key, "--url", url)
        world.run("policy", "set", "witness_quorum=1", "anchor_minutes=60")
        found = world.json("verify")["anchors"]
        assert (found["last"]["kind"], found["last"]["by"]) == ("witness", "clerk.example/bwc")
        assert found["entries_since"] == 0
        assert "last outside anchor: " in world.run("verify").out
        shutil.copytree(world.vault, tmp_path / "snapshot")
        shutil.copytree(world.home, tmp_path / "old home")
        world.run("policy", "set", "approvals=2")
        shutil.rmtree(world.vault)
        shutil.rmtree(world.home)
        shutil.copytree(tmp_path / "snapshot", world.vault)
        shutil.copytree(tmp_path / "old home", world.home)  # the mark and the memory were rolled back too
        warned = world.run("policy", "set", "approvals=3")
        assert "WARNING" in warned.err
        assert "cosigned another log" in warned.err
        assert world.run("audit", "anchor", code=5).err
        told = "witness clerk.example/bwc contradicts this log since "
        bad = world.run("verify", code=5)
        assert told in bad.out
        assert "ask the witness for its evidence" in bad.err
        assert told in world.run("doctor", code=1).out
        assert told in world.run("witness", "list").out
        assert told in world.run("audit", "report", "--from", "7d", code=5).out
        receipt = world.run(
            "ingest", card(FIXTURES / "clips" / "silent.mp4"), "--officer", "B1", "--camera", "X1", code=3
        )
        assert told in receipt.out
        (fork,) = sorted((clerk.home / "witness" / "evidence").iterdir())  # as the clerk hands it over
        assert auditor.json("audit", "evidence", fork, "--key", vkey_of(world))["evidence"][0]["kind"] == "two-roots"
    assert clerk.json("witness", "list", "--folder", clerk.home / "witness")["evidence"]
    slow = world.run("policy", "set", "approvals=4")  # nobody answers, nobody waits
    assert "did not sign" in slow.err
    world.run("audit", "anchor", code=11)
    auditor.run("verify", "--vault", world.vault, "--key", vkey_of(world), "--quick")


def test_an_anchor_past_the_policys_limit_exits_7_and_tampering_still_5(world: World) -> None:
    world.run("policy", "set", "anchor_minutes=1", "witness_quorum=1")
    old = world.run("verify", code=7)
    assert "no outside anchor yet" in old.err
    path = next((world.vault / "log" / "tile" / "entries").glob("000.p/*"))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    world.run("verify", code=5)


@pytest.mark.skipif(needs_openssl(), reason="NO TIME STAMPS WERE CHECKED: openssl is not here")
def test_checkpoints_are_stamped_and_a_stamp_that_was_altered_is_found(world: World, tmp_path: Path) -> None:
    root = make_tsa(tmp_path / "tsa")
    with tsa_serving(tmp_path / "tsa") as url:
        world.json("witness", "tsa", "county", "--url", url, "--root", root)
        world.run("policy", "set", "approvals=2")  # within 15 minutes: not stamped again
        world.json("audit", "anchor")
    found = world.json("verify")
    assert found["anchors"]["last"]["by"] == "county"
    stamps = sorted((world.vault / "log" / "timestamps").rglob("county-*"))
    assert [one.parent.name for one in stamps] == ["4", "5"]
    # the same token judged by openssl alone, as docs/auditor.md says
    text = (world.vault / "log" / "checkpoints" / "5").read_text().split("\n\n")[0] + "\n"
    (tmp_path / "text").write_text(text)
    words = ["openssl", "ts", "-verify", "-data", tmp_path / "text", "-in", stamps[-1], "-CAfile", root]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    other = stamps[0].read_bytes()
    stamps[-1].chmod(0o600)
    stamps[-1].write_bytes(other)  # a true stamp, of another checkpoint
    done = world.run("verify", "--json", code=5)
    assert [one["step"] for one in done.first_json["findings"] if one["grade"] == "bad"] == [10]


def test_a_person_with_a_copy_one_file_and_the_key_reaches_our_verdict(
    world: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    """Slip and one-file verifier on a vault with footage, on good and altered copies."""
    world.run("ingest", card(FIXTURES / "clips" / "silent.mp4"), "--officer", "B1", "--camera", "X1")
    made = world.json("audit", "verifier", "-o", tmp_path / "bwc-verify.py")
    world.json("audit", "slip", "-o", tmp_path / "slip.svg")
    world.run("audit", "slip", "-o", tmp_path / "slip.png")
    world.run("verify", "--quick", "--against", tmp_path / "slip.png")
    text = tmp_path / "slip.txt"
    text.write_text(world.json("audit", "slip")["slip"])
    words = [sys.executable, "-I", made["file"], world.vault, "--key", vkey_of(world), "--against", text]

    def judged() -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    good = judged()
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[-1].startswith("verdict     INTACT")
    world.run("audit", "export", "-o", tmp_path / "export")  # the verifier lies in it
    alone = [sys.executable, "-I", tmp_path / "export" / "bwc-verify.py", tmp_path / "export", "--quick", *words[4:]]
    assert subprocess.run(alone, capture_output=True, check=False, timeout=120).returncode == 0
    for shelf in ("objects", "manifests", "bodies", "log/checkpoints"):
        path = next(path for path in sorted((world.vault / shelf).rglob("*")) if path.is_file())
        before = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(before[:-9] + bytes([before[-9] ^ 1]) + before[-8:])
        assert judged().returncode == 5, shelf
        world.run("verify", code=5)
        path.write_bytes(before)
