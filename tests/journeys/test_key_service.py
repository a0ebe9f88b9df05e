"""Key files locked by a key service (moto): a person and a machine at work with them, and IAM that takes it away again."""

import json
from pathlib import Path

import pytest

from bwc.cli.attempts import read_attempts
from tests.journeys.conftest import FIXTURES, World
from tests.suites.key_service import KeyService

CLIP = FIXTURES / "clips" / "nobody.mp4"


@pytest.fixture
def desk(world: World, key_service: KeyService) -> str:
    """`desk`, whose key file only the service opens: the ARN of its key. No passphrase is at hand any more."""
    world.extra |= key_service.environment()
    arn = key_service.new_key("alias/bwc-desk")
    public = world.folder / "desk.pub"
    world.run("key", "new", "desk", "--kms", "alias/bwc-desk", "--out", public)
    world.run("key", "enrol", public, "--role", "technician", "--role", "records", "--as", "chief")
    world.extra["BWC_OPERATOR"] = "desk"
    (world.folder / "passphrase").unlink()
    yield arn
    key_service.client().delete_alias(AliasName="alias/bwc-desk")


def test_it_takes_in_and_opens_without_a_passphrase_until_iam_says_no(
    world: World, card, desk: str, key_service: KeyService
) -> None:
    locked = json.loads((world.home / "keys" / "desk.key").read_text())["kms"]
    assert locked["key"] == desk
    assert locked["log"].startswith("springfield-pd/")  # so that IAM can decide by the vault
    mine = key_service.new_person("desk", "kms:Decrypt")
    world.extra |= mine
    with key_service.asking_iam():
        world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
        item = str(world.items()[0]["item"])
        world.run("open", item, "-o", "out.mp4", "--reason", "R-1")
        assert world.json("show", item)["ingested_by_name"] == "desk"
        assert (world.folder / "out.mp4").read_bytes() == CLIP.read_bytes()
        assert f"{desk} opens it on this machine" in world.run("doctor", code=None).out
        key_service.allow("desk", "kms:DescribeKey")
        refused = world.run("open", item, "-o", "again.mp4", "--reason", "R-2", code=9).err
        assert "refuses Decrypt" in refused
        assert "kms:Decrypt" in refused
        assert not (world.folder / "again.mp4").exists()
        assert world.json("list", code=0)["items"]  # what needs no key is shown as ever
    assert world.json("verify")["verdict"] == "INTACT"


def test_what_the_service_refuses_is_no_wrong_passphrase(
    world: World, desk: str, key_service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.locked_at_the_end():
        key_service.disable(desk)
        assert "aws kms enable-key" in world.run("unlock", code=9).err
        document = json.loads(world.run("unlock", "--json", code=9).out)
        assert document["error"]["name"] == "KeyServiceRefuses"
        world.extra["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # nobody is there
        assert "does not answer" in world.run("unlock", code=11).err
        world.extra |= key_service.environment()
        key_service.enable(desk)
        world.run("unlock")
        key_service.disable(desk)
        world.run("tag", "--help")
        assert "unlocked as desk" in world.run("doctor", code=None).out  # the agent has it until it is locked
    monkeypatch.setenv("BWC_HOME", str(world.home))
    assert read_attempts("desk") is None


def test_a_passphrase_gives_way_to_the_service_and_both_may_be_wanted(
    world: World, card, key_service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    item = str(world.items()[0]["item"])
    world.extra |= key_service.environment()
    world.run("key", "rotate", "--kms", key_service.new_key(), "--with-passphrase")
    world.run("open", item, "-o", "out.mp4", "--reason", "R-1")
    (world.folder / "passphrase").write_text("something else altogether\n")
    assert "passphrase does not open" in world.run("open", item, "-o", "no.mp4", "--reason", "R-1", code=9).err
    monkeypatch.setenv("BWC_HOME", str(world.home))
    attempts = read_attempts("chief")
    assert attempts is not None
    assert attempts.count == 1
    assert world.json("verify")["verdict"] == "INTACT"


@pytest.mark.slow
def test_after_the_services_key_is_gone_the_paper_lets_a_new_key_in(
    world: World, card, desk: str, key_service: KeyService
) -> None:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    item = str(world.items()[0]["item"])
    key_service.plan_deletion(desk)
    assert "cancel-key-deletion" in world.run("open", item, "-o", "no.mp4", "--reason", "R-1", code=9).err
    (world.folder / "passphrase").write_text("correct horse battery staple\n")
    public = world.folder / "desk2.pub"
    world.run("key", "new", "desk2", "--out", public)
    world.run("key", "revoke", "desk", "--as", "chief")
    world.run("key", "enrol", public, "--role", "records", "--recovery-file", "recovery.txt", "--as", "chief")
    world.run("open", item, "-o", "out.mp4", "--reason", "R-1", "--as", "desk2")
    assert (world.folder / "out.mp4").read_bytes() == CLIP.read_bytes()


def test_what_makes_no_sense_is_refused_and_leaves_no_file(
    world: World, key_service: KeyService, tmp_path: Path
) -> None:
    world.extra |= key_service.environment()
    world.run("key", "new", "a", "--kms", "alias/x", "--token", "desk", "--module", "/x.so", code=2)
    world.run("key", "new", "a", "--with-passphrase", code=2)
    world.run("key", "new", "a", "--kms", "arn:aws:s3:::bucket", code=2)
    assert "no KMS key" in world.run("key", "new", "a", "--kms", "alias/nobodys", code=9).err
    assert not (world.home / "keys" / "a.key").exists()
    assert not (world.folder / "a.pub").exists()
