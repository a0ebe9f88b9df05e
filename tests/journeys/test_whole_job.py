"""The whole job through the real command line: card → vault → plan → copy → check → approval → release → verified."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, World

CLIP = FIXTURES / "clips" / "plain.mp4"


def decide_all(world: World, item: str) -> None:
    """What a records officer does with whatever detect and check left open."""
    world.run("decide", item, "--undecided", "redact", "--exemption", "privacy")
    world.run("redact", item)
    for _ in range(3):
        checked = world.run("check", item, "--json", code=None)
        if checked.code == 0:
            return
        assert checked.code == 6
        suspects = checked.first_json["checks"][0]["open"]
        world.run("decide", item, *suspects, "redact", "--exemption", "privacy")
        world.run("redact", item)
    pytest.fail("the check keeps finding suspects")


@pytest.fixture
def ingested(world: World, card: Callable[..., Path]) -> str:
    receipt = world.json("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234", "--case", "26-1182")
    assert receipt["safe_to_wipe"] is True
    (row,) = world.items()
    assert row["case_ids"] == ["26-1182"]
    return str(row["item"])


def test_from_card_to_a_release_that_verifies(world: World, ingested: str, tmp_path: Path) -> None:
    plan = world.json("detect", ingested)["plans"][0]
    assert any(row["class"] == "face" for row in plan["summary"]["classes"])
    decide_all(world, ingested)
    approved = world.json("approve", ingested)
    assert approved["more_people_needed"] == 0
    out = tmp_path / "R-311"
    released = world.json("release", ingested, "--request", "R-311", "-o", out)
    assert released["folder"] == str(out)
    assert world.json("verify")["verdict"] == "INTACT"
    assert world.json("verify", out)["verdict"] == "ours"
    assert [row["state"] for row in world.items()] == ["released"]
    kinds = [event["kind"] for event in world.json("log", ingested)["events"]]
    assert kinds[0] == "item.ingested"
    assert kinds[-1] == "release.published"
    assert {"item.opened", "detection.run", "plan.saved", "copy.rendered", "copy.checked", "copy.approved"} <= set(
        kinds
    )
    # the requester has the folder alone: no vault, nothing pinned
    stranger = World(tmp_path / "stranger", extra={"BWC_VAULT": str(tmp_path / "none")})
    assert stranger.run("verify", out, code=7).out
    assert stranger.json("verify", out, "--key", released["vkey"])["verdict"] == "ours"
    video = next(out.glob("*.mp4"))
    assert stranger.json("verify", video, "--key", released["vkey"])["verdict"] == "ours"
    lonely = tmp_path / "lonely.mp4"
    shutil.copy(video, lonely)
    stranger.run("verify", lonely, code=4)


def test_a_part_is_rendered_checked_approved_and_released_as_that_part(
    world: World, ingested: str, tmp_path: Path
) -> None:
    world.run("detect", ingested)
    decide_all(world, ingested)
    world.run("approve", ingested)
    part = ("--from", "0.5", "--to", "1.5")
    # what was approved is the whole recording: a part of it was never looked at as bytes of its own
    refused = world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", *part, code=7)
    assert "bwc redact" in refused.err
    made = world.json("redact", ingested, *part)["copies"][0]
    assert made["frames"] == made["excerpt"][1] - made["excerpt"][0]
    world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", code=7)  # not checked, not approved
    world.run("check", ingested, "--stride", "5")
    assert "only a part: 0.50 to 1.50 s" in world.run("approve", ingested).out
    unasked = world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", code=7)
    assert "only 0.50 to 1.50 s" in unasked.err
    world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", *part)
    assert world.json("verify", tmp_path / "R-2")["verdict"] == "ours"
    (copy,) = json.loads((tmp_path / "R-2" / "release.json").read_text())["copies"]
    assert copy["frames"] == made["frames"]
    assert copy["part"].startswith("0.50 to 1.50 s of ")
    assert copy["part"] in (tmp_path / "R-2" / "README.txt").read_text()
    assert copy["part"] in (tmp_path / "R-2" / "redaction-log.html").read_text()


def test_a_release_waits_for_every_step(world: World, ingested: str, tmp_path: Path) -> None:
    out = tmp_path / "R-1"
    world.run("release", ingested, "--request", "R-1", "-o", out, code=4)  # no plan
    world.run("detect", ingested)
    world.run("mask", ingested, "--box", "10,10,40,40", "--from", "0", "--to", "1", "--note", "sign")
    undecided = world.json("plan", ingested)["plans"][0]["summary"]["undecided"]
    world.run("decide", ingested, "t1", "undecided")
    world.run("approve", ingested, code=7)
    assert undecided is not None
    decide_all(world, ingested)
    world.run("release", ingested, "--request", "R-1", "-o", out, code=7)  # not approved
    world.run("approve", ingested)
    world.run("mask", ingested, "--box", "60,10,40,40", "--from", "0", "--to", "1", "--note", "another sign")
    world.run("release", ingested, "--request", "R-1", "-o", out, code=7)  # the plan is newer than the copy
    assert not out.exists()
    assert world.json("verify", "--quick")["verdict"] == "INTACT"
    refused = [event for event in world.json("log", ingested)["events"] if event["kind"] == "act.refused"]
    assert refused


def test_policy_may_ask_for_two_people(world: World, ingested: str, tmp_path: Path) -> None:
    world.run("policy", "set", "approvals=2")
    world.run("key", "new", "deputy", "--out", tmp_path / "deputy.pub")
    world.extra["BWC_OPERATOR"] = "chief"
    assert world.json("key", "enrol", tmp_path / "deputy.pub", "--role", "records")["envelopes_rewrapped"] >= 1
    world.run("detect", ingested)
    decide_all(world, ingested)
    assert "you have not opened" in world.run("approve", ingested, code=7).err
    approved = world.json("approve", ingested, "--unseen")
    assert (approved["more_people_needed"], approved["unopened"], approved["unseen"]) == (1, [0], [0])
    assert world.json("log", ingested)["events"][-1]["private"] == {"note": "", "unseen": True}
    assert world.json("list")["half_approved"] == {ingested: "1 of 2 approvals"}
    assert "1 of 2 approvals" in world.run("list").out
    assert world.json("show", ingested)["half_approved"] == "1 of 2 approvals"
    world.run("open", ingested, "--copy", "-o", tmp_path / "draft.mp4", "--reason", "watched")
    world.run("approve", ingested)  # the same person twice is one person
    world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", code=7)
    # that one of two watched it is not that both did
    assert "bwc open" in world.run("approve", ingested, "--as", "deputy", code=7).err
    world.run("open", ingested, "--copy", "-o", tmp_path / "2.mp4", "--reason", "watched", "--as", "deputy")
    world.run("approve", ingested, "--as", "deputy", "--request", "R-1")
    refused = world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", code=7)
    assert "was approved for R-1 (entry" in refused.err
    approved = world.json("approve", ingested, "--as", "deputy", "--request", "R-2")
    assert (approved["more_people_needed"], approved["unopened"], approved["unseen"]) == (0, [], [])
    assert approved["approvers"] == [{"name": "chief", "opened": True}, {"name": "deputy", "opened": True}]
    assert world.json("list")["half_approved"] == {}
    world.run("release", ingested, "--request", "R-2", "-o", tmp_path / "R-2", "--as", "deputy")
    assert world.json("verify")["verdict"] == "INTACT"
    assert world.json("verify", tmp_path / "R-2")["verdict"] == "ours"


def test_a_copy_goes_to_the_request_it_was_made_for(world: World, ingested: str, tmp_path: Path) -> None:
    world.run("detect", ingested, "--profile", "fast")
    decide_all(world, ingested)
    said = world.run("approve", ingested)
    assert "nobody has opened this copy" in said.out
    world.run("release", ingested, "--request", "R-313", "--requester", "S Miller", "-o", tmp_path / "1")
    other = ("release", ingested, "--request", "R-320", "--requester", "Daily Tabloid", "-o", tmp_path / "2")
    refused = world.run(*other, code=7)
    assert "was released for R-313 (entry" in refused.err
    assert "--reuse" in refused.err
    assert not (tmp_path / "2").exists()
    refusal = world.json("log", ingested)["events"][-1]
    assert (refusal["kind"], refusal["facts"]["act"]) == ("act.refused", "release.published")
    world.run("release", ingested, "--request", "r-313", "-o", tmp_path / "once-more")  # the same request, again
    world.run(*other, "--reuse", "she is hidden in it as well")
    assert world.json("log", ingested)["events"][-1]["private"]["reuse"] == "she is hidden in it as well"
    assert world.json("verify", tmp_path / "2")["verdict"] == "ours"


def test_a_technician_takes_in_but_cannot_open(world: World, card: Callable[..., Path], tmp_path: Path) -> None:
    world.run("key", "new", "dock", "--out", tmp_path / "dock.pub")
    world.extra["BWC_OPERATOR"] = "chief"
    world.run("key", "enrol", tmp_path / "dock.pub", "--role", "technician")
    world.extra["BWC_OPERATOR"] = "dock"
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1")
    (row,) = world.items()
    refused = world.run("open", row["item"], "-o", tmp_path / "stolen.mp4", "--reason", "curious", code=7)
    assert "records" in refused.err
    assert not (tmp_path / "stolen.mp4").exists()
    # and not by cryptography either: no envelope of the item names the dock's recipient
    dock = next(one for one in world.json("key", "list")["keys"] if one["name"] == "dock")
    envelopes = [json.loads(path.read_bytes()) for path in world.vault.glob("envelopes/*/*.json")]
    assert envelopes
    recipients = {wrap["recipient"] for envelope in envelopes for wrap in envelope["wraps"]}
    assert dock["recipient"] not in recipients
    world.extra["BWC_OPERATOR"] = "chief"
    kinds = [event["kind"] for event in world.json("log", row["item"])["events"]]
    assert "act.refused" in kinds
    world.run("open", row["item"], "-o", tmp_path / "copy.mp4", "--reason", "court")
    assert (tmp_path / "copy.mp4").read_bytes() == CLIP.read_bytes()
    # nor what others made of it: each attempt is refused for the role, and recorded once
    world.run("detect", row["item"], "--profile", "fast")
    so_far = kinds.count("act.refused")
    tries = [("plan",), ("detect",), ("redact",), ("approve",), ("release", "--request", "R-1", "-o", tmp_path / "R-1")]
    for word, *more in tries:
        world.extra["BWC_OPERATOR"] = "dock"
        assert "needs the role records or worker" in world.run(word, row["item"], *more, code=7).err
        world.extra["BWC_OPERATOR"] = "chief"
        so_far += 1
        kinds = [event["kind"] for event in world.json("log", row["item"])["events"]]
        assert kinds.count("act.refused") == so_far
    assert world.json("verify")["verdict"] == "INTACT"


def test_the_same_card_twice_is_one_object(world: World, ingested: str, card: Callable[..., Path]) -> None:
    again = world.json("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234")
    assert again["safe_to_wipe"] is True
    assert len(world.items()) == 1
    assert "item.duplicate" in [event["kind"] for event in world.json("log", ingested)["events"]]


def test_a_lost_catalog_is_replayed(world: World, ingested: str) -> None:
    before = world.json("show", ingested)
    for path in world.vault.glob("catalog.sqlite*"):
        path.unlink()
    world.run("list", code=None)
    done = world.json("catalog", "rebuild")
    assert done["bodies_closed"] == 0
    after = world.json("show", ingested)
    assert after == before
    assert world.json("verify")["verdict"] == "INTACT"


def test_tags_keep_old_and_new(world: World, ingested: str) -> None:
    world.run("tag", ingested, "--case", "26-2000", "--note", "typed wrong")
    assert world.items()[0]["case_ids"] == ["26-2000"]
    tagged = world.json("log", ingested)["events"][-1]
    assert tagged["private"]["old"]["case_ids"] == ["26-1182"]
    assert tagged["private"]["new"]["case_ids"] == ["26-2000"]


def test_a_wrong_passphrase_is_nine_and_no_vault_is_ten(world: World, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("not the passphrase\n")
    world.extra["BWC_PASSPHRASE_FILE"] = str(tmp_path / "wrong")
    world.run("policy", "set", "approvals=2", code=9)
    world.extra["BWC_VAULT"] = str(tmp_path / "nowhere")
    world.run("list", code=10)
    world.run("frobnicate", code=2)
    world.run("show", code=2)


def test_work_on_a_plan_is_not_lost(world: World, ingested: str, tmp_path: Path) -> None:
    world.run("detect", ingested, "--profile", "fast")
    world.run("mask", ingested, "--box", "10,10,40,40", "--from", "0", "--to", "1", "--note", "sign")
    world.run("mute", ingested, "--from", "0.5", "--to", "1", "--note", "address")
    world.run("detect", ingested, "--profile", "fast", code=7)
    world.run("detect", ingested, "--profile", "fast", "--again")
    plan = world.json("plan", ingested)["plans"][0]
    assert plan["summary"]["revision"] == 4
    assert "m1" in [track["id"] for track in plan["tracks"]]
    assert plan["summary"]["muted_ms"] == 500
    # a span that would hide nothing is a slip of the pen
    world.run("mute", ingested, "--from", "500", "--to", "501", code=2)
    world.run("mask", ingested, "--whole-frame", "--from", "500", "--to", "501", code=2)
    # what would be overwritten is refused before the work
    (tmp_path / "there.jpg").write_bytes(b"x")
    world.run("detect", ingested, "--again", "--sheet", tmp_path / "there.jpg", code=2)
    assert world.json("plan", ingested)["plans"][0]["summary"]["revision"] == 4
    # one that goes on past the end is told as what is hidden of it
    length = plan["summary"]["milliseconds"] / 1000
    for act in (("mute",), ("mask", "--whole-frame")):
        world.run(*act, ingested, "--from", f"{length + 0.1:.3f}", "--to", "500", code=2)
        said = world.json(*act, ingested, "--from", "0.5", "--to", "500")["what"]
        assert said.endswith(f" only 0.50 to {length:.2f} s of {length:.2f} s")


def test_the_copy_can_be_watched_before_approval(world: World, ingested: str, tmp_path: Path) -> None:
    world.run("detect", ingested, "--profile", "fast")
    world.run("open", ingested, "--copy", "-o", tmp_path / "draft.mp4", "--reason", "review", code=4)
    decide_all(world, ingested)
    world.run("open", ingested, "--copy", "-o", tmp_path / "draft.mp4", "--reason", "review")
    assert (tmp_path / "draft.mp4").stat().st_size > 10_000
    opened = [event for event in world.json("log", ingested)["events"] if event["kind"] == "item.opened"][-1]
    assert opened["facts"]["purpose"] == "copy"
    assert opened["private"]["reason"] == "review"


def test_the_recovery_key_gives_a_new_officer_what_is_held(world: World, ingested: str, tmp_path: Path) -> None:
    """An administrator who cannot open footage, the printed key, and a records officer who starts today."""
    world.run("key", "new", "admin", "--out", tmp_path / "admin.pub")
    world.run("key", "new", "officer", "--out", tmp_path / "officer.pub")
    world.run("key", "enrol", tmp_path / "admin.pub", "--role", "administrator", "--as", "chief")
    world.extra["BWC_OPERATOR"] = "admin"
    world.run("key", "revoke", "chief", "--note", "left")
    without = world.json("key", "enrol", tmp_path / "officer.pub", "--role", "records")
    assert without["envelopes_rewrapped"] == 0
    world.run("open", ingested, "-o", tmp_path / "x.mp4", "--reason", "court", "--as", "officer", code=9)
    again = world.json(
        "key", "enrol", tmp_path / "officer.pub", "--role", "records", "--recovery-file", tmp_path / "recovery.txt"
    )
    assert again["envelopes_rewrapped"] >= 1
    world.run("open", ingested, "-o", tmp_path / "x.mp4", "--reason", "court", "--as", "officer")
    assert (tmp_path / "x.mp4").read_bytes() == CLIP.read_bytes()
    assert world.json("verify")["verdict"] == "INTACT"


def test_another_case_at_the_second_arrival_is_said(world: World, ingested: str, card: Callable[..., Path]) -> None:
    again = world.run("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234", "--case", "26-2000")
    assert "held under case 26-1182" in again.out
    assert world.items()[0]["case_ids"] == ["26-1182"]


def test_a_card_is_not_safe_before_the_policys_copies(world: World, card: Callable[..., Path]) -> None:
    world.run("policy", "set", "copies=2")
    receipt = world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--json", code=3).first_json
    assert receipt["safe_to_wipe"] is False
    for wrong in ("copies=-1", "effect=nonsense", "approvals=0", "margin_permille=-900", "default_exemption="):
        world.run("policy", "set", wrong, code=2)
    assert world.json("verify")["verdict"] == "INTACT"
