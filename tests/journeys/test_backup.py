"""The administrator: the vault's disk dies, and comes back from the night's backup with that said in the log."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.journeys.conftest import FIXTURES, World


def test_a_dead_disk_is_replaced_from_the_backup(world: World, card: Callable[..., Path], tmp_path: Path) -> None:
    source = card(FIXTURES / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4")
    world.run("ingest", "--officer", "B1234", "--camera", "X81234", "--case", "26-1182", source)
    before = world.items()
    done = world.json("backup", tmp_path / "backup")
    assert done["objects"] == done["copied"] > 0
    assert done["damaged"] == []
    world.run("verify", tmp_path / "backup")
    assert "is a backup" in world.run("list", "--vault", tmp_path / "backup", code=2).err

    # bit rot: named, put back from the backup
    victim = next(path for path in (world.vault / "objects").rglob("*") if path.is_file())
    victim.chmod(0o600)
    victim.write_bytes(b"rot" + victim.read_bytes()[3:])
    assert victim.name in world.run("verify", code=5).err
    mended = world.json("verify", "--repair-from", tmp_path / "backup")
    assert mended["repaired"] == [f"objects/{victim.name}"]
    world.run("verify")

    world.run("tag", before[0]["item"], "--category", "other", "--note", "after the backup")
    shutil.rmtree(world.vault)
    # what happened since is lost: this computer knows, and says so
    said = world.run("restore", tmp_path / "backup", world.vault, code=5)
    assert "older than what is known of its log" in said.err
    assert not world.vault.exists()
    world.json("restore", tmp_path / "backup", world.vault, "--lost", "the disk died")
    assert world.items() == before
    kinds = [one["kind"] for one in _entries(world)]
    assert kinds[-1] == "vault.restored"
    world.run("open", before[0]["item"], "-o", tmp_path / "out.mp4", "--reason", "discovery")
    assert (tmp_path / "out.mp4").read_bytes() == (source / "DCIM" / "100BWC" / "BWC_0001.MP4").read_bytes()


def _entries(world: World) -> list[dict[str, str]]:
    import json

    bundles = (world.vault / "log" / "tile" / "entries").glob("000.p/*")
    bundle = max(bundles, key=lambda path: int(path.name))
    data, found = bundle.read_bytes(), []
    while data:
        size = int.from_bytes(data[:2], "big")
        found.append(json.loads(data[2 : 2 + size])["event"])
        data = data[2 + size :]
    return found
