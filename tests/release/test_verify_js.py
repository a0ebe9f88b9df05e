"""The page's logic, run by node on the same packages as the command line: the same verdicts."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bwc.audit.package import examine_package
from bwc.audit.package_report import time_text
from bwc.audit.pins import fingerprint_text
from bwc.audit.released import LEAF_BYTES, PAPERS
from tests.audit.logs import STRANGER, VKEY
from tests.release.making import Made, Maker, some_bytes


class Judge:
    """One node process that judges package after package."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("node absent: the page's logic was NOT run (apt-get install nodejs)")
        for name in ("verify.js", "verify_papers.js"):  # node takes a bare .js for a script of the old kind
            text = files("bwc.release").joinpath("static", name).read_text(encoding="utf-8")
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "package.json").write_text('{"type": "module"}')
        script = Path(__file__).with_name("judge.mjs")
        self.process = subprocess.Popen(
            [node, str(script), str(folder / "verify.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, folder: Path, key: str = "", *, whole: bool = True, only: list[str] | None = None) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        ask = {"folder": str(folder), "key": key, "whole": whole, "only": only}
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    made = Judge(tmp_path_factory.mktemp("page"))
    probe = subprocess.run(
        ["node", "-e", "crypto.subtle.generateKey('Ed25519', false, ['sign'])"], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("this node has no Ed25519 in WebCrypto: the page's logic was NOT run")
    yield made
    made.process.terminate()
    made.process.wait(10)


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
        places = 120 if name in PAPERS else 12
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


def test_single_files_are_enough_for_the_video(judge: Judge, folder: Path, made: Made) -> None:
    only = [made.video.name, *PAPERS]
    said = judge(folder, VKEY.text(), whole=False, only=only)
    assert said["verdict"] == "ours", said
    assert "enrolment not checked" in said["said"][4][0]
    assert judge(folder, VKEY.text(), whole=False, only=list(PAPERS))["verdict"] == "bad"
    assert judge(folder, VKEY.text(), whole=False, only=only[:-1])["verdict"] == "bad"
    (folder / made.video.name).write_bytes(some_bytes(seed=3))
    assert judge(folder, VKEY.text(), whole=False, only=only)["verdict"] == "bad"


def test_extra_file_is_named(judge: Judge, folder: Path) -> None:
    (folder / "extra.mp4").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    said = judge(folder, VKEY.text())
    assert [finding["thing"] for finding in said["findings"]] == ["extra.mp4"]


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


def test_times_read_alike() -> None:
    assert [time_text(ms) for ms in (0, 61_005, 3_723_400)] == ["0:00:00.000", "0:01:01.005", "1:02:03.400"]
