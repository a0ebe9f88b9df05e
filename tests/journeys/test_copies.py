"""The technician and the administrator: a card is safe to wipe only when the policy's copies are proven."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, World
from tests.suites.s3_server import KEY, SECRET, S3Server

CLIP = FIXTURES / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4"
INGEST = ("ingest", "--officer", "B1234", "--camera", "X81234", "--case", "26-1182")


@pytest.fixture
def server(tmp_path: Path) -> "S3Server":
    return S3Server(tmp_path / "s3")


def test_a_card_waits_for_the_second_copy(
    world: World, card: Callable[..., Path], tmp_path: Path, server: S3Server
) -> None:
    world.extra |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    (world.vault / "bwc.toml").write_text(
        f"""
vault = "."
[stores.nas]
folder = "{tmp_path}/nas"
[stores.cloud]
s3 = "s3://evidence/springfield"
endpoint = "{server.endpoint}"
region = "us-east-1"
lock = "governance"
lock_days = 1
"""
    )
    source = card(CLIP)
    try:
        server.start().bucket("evidence")
        world.run("policy", "set", "copies=3")
        world.json("stores", "add", "nas")
        world.json("stores", "add", "cloud")
        server.kill()

        # the cloud is away: held, but the card stays
        receipt = world.run(*INGEST, source, "--json", code=3).first_json
        assert receipt["copies"] == {"proven": 2, "wanted": 3}
        assert receipt["safe_to_wipe"] is False
        assert [(one["store"], bool(one["problem"])) for one in receipt["stores"]] == [("nas", False), ("cloud", True)]
        said = world.run("replicate", code=11)
        assert "does not answer" in said.err
        listed = world.json("stores", "list")
        assert [one["pending"] for one in listed["stores"]] == [0, None]

        # it is back: what was pending is completed, and the same card is safe now
        server.start()
        done = world.json("replicate")
        assert [one["copied"] > 0 for one in done["stores"]] == [False, True]
        receipt = world.json(*INGEST, source)
        assert receipt["copies"] == {"proven": 3, "wanted": 3}
        assert receipt["safe_to_wipe"] is True
        kinds = [one["kind"] for one in world.json("log", world.items()[0]["item"])["events"]]
        assert kinds.count("item.copied") >= 2

        # a copy that rots is named, and made anew
        victim = next(path for path in (tmp_path / "nas" / "objects").rglob("*") if path.is_file())
        victim.write_bytes(b"rot" + victim.read_bytes()[3:])
        assert victim.name in world.run("replicate", "--store", "nas", "--again", code=5).err
        world.run("replicate", "--store", "nas", "--repair")
        world.run("replicate", "--again")
        assert len(list((tmp_path / "nas" / "quarantine").rglob("*.*"))) == 1
        world.run("verify")
    finally:
        server.kill()


def test_locks_and_holds_in_a_store_follow_the_log_also_when_it_was_away(
    world: World, card: Callable[..., Path], tmp_path: Path, server: S3Server
) -> None:
    world.extra |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    (world.vault / "bwc.toml").write_text(
        'vault = "."\n[stores.cloud]\ns3 = "s3://evidence"\nregion = "us-east-1"\n'
        f'endpoint = "{server.endpoint}"\nlock = "compliance"\nlock_days = 1\n'
    )
    deputy = World(tmp_path / "deputy", operator="deputy", extra=world.extra | {"BWC_VAULT": str(world.vault)})
    deputy.run("key", "new", "deputy", "--out", tmp_path / "deputy.pub")
    world.run("key", "enrol", tmp_path / "deputy.pub", "--role", "records", "--role", "administrator")
    (tmp_path / "schedule.toml").write_text('grace_days = 0\n[keep]\ntraffic = "90 days"\n')
    try:
        server.start().bucket("evidence")
        world.run("retain", "set", tmp_path / "schedule.toml")
        world.run("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234", "--category", "traffic")
        world.json("stores", "add", "cloud")
        (made,) = world.json("replicate")["stores"]
        assert made["locks"]["extended"] >= 2
        item = world.items()[0]["item"]

        # 1 the store is away: the hold is in force, and that the store does not know it is said
        server.kill()
        said = world.run("hold", "place", item, "--reason", "Doe v. City", "--json", code=3)
        assert said.first_json["stores"][0]["problem"]
        hold = said.first_json["hold"]
        assert "bwc replicate" in said.err
        server.start()
        (made,) = world.json("replicate")["stores"]
        assert made["locks"]["held"] >= 2
        assert made["locks"]["lifted"] == 0

        # 2 it is lifted in the store too, at once
        assert world.json("hold", "lift", hold, "--reason", "settled")["stores"][0]["locks"]["lifted"] >= 2

        # 3 destroyed by order: keys are gone from the bucket; what stays is said, and until when
        envelopes = world.run("show", item, "--json").json["objects"]
        order = world.json("dispose", item, "--order", "--early", "--reason", "court")["order"]
        told = deputy.run("dispose", "--confirm", order)
        assert "sealed objects left there, unreadable, under its lock until 20" in told.out
        versions = server.client().list_object_versions(Bucket="evidence")
        keys = [one["Key"] for one in (*versions["Versions"], *versions.get("DeleteMarkers", ()))]
        assert not [key for key in keys if key.startswith("envelopes/")]
        assert len([key for key in keys if key.startswith("objects/")]) == len(envelopes)
        assert "destroyed objects kept by a lock until 20" in world.run("replicate").out
        world.run("dispose", "--proof", order, "-o", tmp_path / "proofs")
        (proof,) = (tmp_path / "proofs").glob("*.txt")
        assert "kept by its lock, which ends at 20" in proof.read_text()
        assert world.json("verify")["verdict"] == "INTACT"
    finally:
        server.kill()


def test_what_bwc_toml_may_not_say(world: World, tmp_path: Path) -> None:
    for text, says in (
        ('[stores.nas]\nfolder = "x"\nlok = "compliance"', "lok is not known"),
        ('[stores.nas]\nfolder = "x"\ns3 = "s3://evidence"', "either folder or s3"),
        ('[stores.c]\ns3 = "s3://evidence"\nlock = "compliance"', "lock_days"),
        ('[stores.c]\ns3 = "https://evidence"', "no address of a bucket"),
    ):
        (world.vault / "bwc.toml").write_text(f'vault = "."\n{text}\n')
        assert says in world.run("stores", "list", code=2).err
    (world.vault / "bwc.toml").unlink()
    assert "bwc.toml names no store" in world.run("stores", "add", "nas", code=4).err
    assert "no further store" in world.run("replicate", code=2).err
