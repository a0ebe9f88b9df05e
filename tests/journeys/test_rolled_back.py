"""The auditor: a vault that was rolled back is one, whatever mark was put into it and however it is named."""

import shutil
from pathlib import Path

from tests.journeys.conftest import World


def test_a_vault_that_was_rolled_back_does_not_pass_for_a_copy(world: World, tmp_path: Path) -> None:
    world.run("backup", tmp_path / "backup")
    shutil.copytree(world.vault, tmp_path / "older")
    world.run("audit", "heartbeat")
    assert world.json("verify", "--quick")["verdict"] == "INTACT"
    assert world.run("verify", tmp_path / "backup", "--quick", "--json", code=7).first_json["verdict"] == "BEHIND"

    shutil.rmtree(world.vault)
    shutil.copytree(tmp_path / "older", world.vault)
    (tmp_path / "link").symlink_to(world.vault)
    for mark in (b"{}", (tmp_path / "backup" / "backup.json").read_bytes()):
        (world.vault / "backup.json").write_bytes(mark)
        for named in ((), (world.vault,), (tmp_path / "link",)):
            said = world.run("verify", *named, "--quick", "--json", code=5).first_json
            assert said["verdict"] == "BAD"
