"""Two agencies: what one hands over the other takes in, with its custody, and nobody in between can change a thing."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import bagit
import pytest

from tests.journeys.conftest import World

needs_age = pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed (apt install age)")


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, dict[str, Any]]:
    """Springfield's vault with one item of two chapters and a sidecar, exported once."""
    folder = tmp_path_factory.mktemp("springfield")
    world = World(folder)
    world.run(
        "init", world.vault, "--agency", "Springfield PD", "--operator", "chief", "--recovery-file", folder / "r.txt"
    )
    card = folder / "card"
    card.mkdir()
    (card / "GX010001.MP4").write_bytes(b"chapter one" * 5000)
    (card / "GX020001.MP4").write_bytes(b"chapter two" * 5000)
    (card / "GX010001.json").write_text('{"badge": "B1234"}')
    world.run("ingest", card, "--officer", "B4321", "--camera", "X81234", "--case", "26-1", "--clock-offset", "-2")
    typed = world.items()[0]["item"]
    world.run("tag", typed, "--officer", "B1235", "--note", "wrong badge at the dock")
    world.run("tag", typed, "--officer", "B1234", "--category", "traffic", "--note", "wrong again")
    told = world.json(
        "export", world.items()[0]["item"], "--bag", folder / "bag", "--to", "Shelbyville", "--reason", "joint"
    )
    return world, folder / "bag", told


@pytest.fixture
def bag(handed: tuple[World, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(handed[1], tmp_path / "bag"))


@pytest.fixture
def there(tmp_path: Path) -> World:
    """Shelbyville, with a vault of its own."""
    world = World(tmp_path / "shelbyville", operator="clerk")
    world.run(
        "init", world.vault, "--agency", "Shelbyville PD", "--operator", "clerk", "--recovery-file", tmp_path / "r2.txt"
    )
    return world


def test_the_bag_is_valid_to_others_and_the_export_is_in_the_trail(handed: tuple[World, Path, dict[str, Any]]) -> None:
    world, bag, told = handed
    found = bagit.Bag(str(bag))
    found.validate()
    assert found.info["Source-Organization"] == "Springfield PD"
    assert len(list(found.payload_files())) == told["files"] == 3
    events = world.json("log", told["items"][0])["events"]
    assert (events[-1]["kind"], events[-1]["private"]["to"]) == ("item.exported", "Shelbyville")
    world.run("verify")


def test_the_other_agency_takes_it_in_with_its_custody(
    handed: tuple[World, Path, dict[str, Any]], bag: Path, there: World
) -> None:
    _, _, told = handed
    done = there.json("import", bag, "--key", told["vkey"], "--case", "SH-9")
    assert done["verdict"] == "pinned"
    assert done["origin"] == "Springfield PD"
    (item,) = there.items()
    assert (item["officer"], item["camera"], item["case_ids"]) == ("B1234", "X81234", ["SH-9"]), "as corrected there"
    assert item["category"] == "traffic"
    assert (item["segments"], item["clock_offset_ms"], item["vendor"]) == (2, -2000, "bag")
    assert done["items"] == [{"item": item["item"], "origin_item": told["items"][0]}]
    shown = there.json("show", item["item"])
    assert sorted({one["role"] for one in shown["objects"]}) == ["custody", "facts", "segment", "sidecar"] or {
        one["role"] for one in shown["objects"]
    } >= {"custody", "segment", "sidecar"}
    last = there.json("log", item["item"])["events"][-1]
    assert (last["kind"], last["facts"]["verdict"]) == ("item.imported", "pinned")
    assert last["facts"]["origin_item"] == told["items"][0]
    assert last["facts"]["bag_sha256"] == told["bag_sha256"]
    out = there.folder / "out.mp4"
    there.run("open", item["item"], "--segment", "1", "-o", out, "--reason", "look")
    assert out.read_bytes() == b"chapter two" * 5000
    there.run("verify")
    again = there.json("import", bag)
    assert again["verdict"] == "not-tied"
    said = there.run("import", bag, "--key", told["vkey"]).out
    assert "ALL OF THE BAG IS HELD: YES" in said
    assert "card" not in said.lower().replace(str(bag).lower(), ""), "nobody wipes a card on the word of a bag"
    assert len(there.items()) == 1


def test_a_pinned_agency_is_known_without_its_key_on_the_command_line(
    handed: tuple[World, Path, dict[str, Any]], bag: Path, there: World
) -> None:
    there.run("pin", handed[2]["vkey"], "--agency", "Springfield PD")
    assert there.json("import", bag)["verdict"] == "pinned"
    world, _, told = handed
    other = there.json("policy", "show", code=None)
    assert other is not None
    stranger = world.json("export", told["items"][0], "--bag", there.folder / "b2", "--to", "x", "--reason", "y")
    done = there.run("import", there.folder / "b2", "--key", "springfield-pd/00000000+AAAA", code=None)
    assert done.code != 0
    assert stranger["bag_sha256"] != told["bag_sha256"]


def _edit(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def _remake_manifests(bag: Path) -> None:
    """As somebody would who changes a bag and knows BagIt."""
    found = bagit.Bag(str(bag))
    found.save(manifests=True)


CHANGES = {
    "a byte of a recording": lambda bag, item: _edit(next((bag / "data").rglob("GX02*.MP4")), b"two", b"owt"),
    "a trail cut short": lambda bag, item: _edit(bag / "custody/export.json", b'"trail":[', b'"trail":[0,'),
    "another officer": lambda bag, item: _edit(bag / "custody/export.json", b'"officer":"B1234"', b'"officer":"B9999"'),
    "another agency": lambda bag, item: _edit(bag / "custody/export.json", b"Springfield PD", b"Shelbyville PD"),
    "another salt": lambda bag, item: _edit(bag / "custody/export.json", b'"salt":"', b'"salt":"0'),
    "an entry": lambda bag, item: _edit(sorted((bag / "custody/entries").glob("*.json"))[-1], b'"ok"', b'"no"'),
    "a manifest": lambda bag, item: _edit(next((bag / "custody/manifests").iterdir()), b'"segment":', b'"segment":1'),
    "a proof left out": lambda bag, item: next((bag / "custody/entries").glob("*.tlog-proof")).unlink(),
    "a file more": lambda bag, item: (bag / "data" / item / "more.mp4").write_bytes(b"x"),
    "a link": lambda bag, item: (bag / "data" / item / "link.mp4").symlink_to("/etc/hostname"),
}


@pytest.mark.parametrize("remade", [False, True], ids=["as it is", "with manifests made anew"])
@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_changed_on_the_way_is_found_and_nothing_is_taken(
    what: str, remade: bool, handed: tuple[World, Path, dict[str, Any]], bag: Path, tmp_path_factory: Any
) -> None:
    from bwc.errors import IntegrityError
    from bwc.ingest.importing import Said, import_bag

    CHANGES[what](bag, handed[2]["items"][0])
    if remade and what != "a link":
        _remake_manifests(bag)
    with pytest.raises(IntegrityError):
        import_bag(None, bag, Said())  # type: ignore[arg-type] # nothing of the house is touched before all is checked


def test_the_command_says_so_with_5(handed: tuple[World, Path, dict[str, Any]], bag: Path, there: World) -> None:
    CHANGES["a byte of a recording"](bag, handed[2]["items"][0])
    assert "is not what manifest-sha256.txt says" in there.run("import", bag, code=5).err
    assert there.items() == []


def test_a_bag_of_somebody_else_is_taken_in_with_its_papers(there: World, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    (folder / "cam").mkdir(parents=True)
    (folder / "cam" / "A.MP4").write_bytes(b"theirs" * 1000)
    bagit.make_bag(str(folder), {"Source-Organization": "County Sheriff"}, checksums=["sha512"])
    assert "--officer" in there.run("import", folder, code=2).err
    done = there.json("import", folder, "--officer", "S1", "--camera", "C1")
    assert (done["verdict"], done["origin"]) == ("none", None)
    (item,) = there.items()
    out = there.folder / "custody.tar"
    shown = there.json("show", item["item"])
    assert [one["role"] for one in shown["objects"]].count("custody") == 1
    assert not out.exists()
    bagit.make_bag(str(tmp_path / "theirs" / "data" / "cam"), checksums=["md5"])
    there.run("import", tmp_path / "theirs" / "data" / "cam", "--officer", "S1", "--camera", "C1", code=2)


@needs_age
def test_an_outsider_with_an_age_key_opens_the_copy_with_age_itself(
    handed: tuple[World, Path, dict[str, Any]], tmp_path: Path
) -> None:
    world, _, told = handed
    key = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()
    sealed = tmp_path / "copy.tar.age"
    words = ("export", told["items"][0], "--bag", sealed, "--to", "defence", "--reason", "discovery")
    done = world.json(*words, "--age", recipient)
    assert done["sealed_to"] == [recipient]
    assert sealed.read_bytes().startswith(b"age-encryption.org/v1")
    assert b"chapter one" not in sealed.read_bytes()
    with (tmp_path / "copy.tar").open("wb") as out:
        subprocess.run(["age", "-d", "-i", key, sealed], check=True, stdout=out)
    with tarfile.open(tmp_path / "copy.tar") as tar:
        tar.extractall(tmp_path / "opened", filter="data")
    bagit.Bag(str(tmp_path / "opened" / "copy")).validate()
    paper = json.loads((tmp_path / "opened" / "copy" / "custody" / "export.json").read_text())
    assert paper["agency"] == "Springfield PD"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    world.run(*words, "--age", recipient, code=2)  # the name is taken
    world.run(*words[:3], tmp_path / "n.age", *words[4:], "--age", "age1nonsense", code=2)
    assert not (tmp_path / "n.age").exists()
