"""What others saw is the measure: forks and rollbacks are found, proven, and refused by whoever signed the newer log."""

import shutil
from pathlib import Path

import pytest

from tests.journeys.conftest import World


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
