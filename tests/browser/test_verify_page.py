"""verify.html in a real browser, from a file, without a network. Pictures go to `BWC_SCREENSHOTS` if it is set."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwc.release.page import verify_page
from bwc.verifier.released import LEAF_BYTES, PAPERS
from tests.audit.logs import STRANGER, VKEY
from tests.browser.chromium import Chromium
from tests.release.making import Made, Maker, some_bytes
from tests.release.test_copied_pictures import flipped
from tests.release.test_copied_pictures import release as copied_release

pytestmark = pytest.mark.independent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Maker().make(tmp_path_factory.mktemp("agency") / "release")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    found = Chromium(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def page(browser: Chromium, tmp_path: Path) -> Iterator[Chromium]:
    """The page as got from the agency, not the one in the folder under judgement."""
    (tmp_path / "verify.html").write_bytes(verify_page())
    browser.requests.clear()
    browser.errors.clear()
    browser.open(tmp_path / "verify.html")
    yield browser
    assert [url for url in browser.requests if not url.startswith(("file:", "blob:"))] == []
    assert browser.errors == []


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return shutil.copytree(made.folder, tmp_path / "received")


def judge(page: Chromium, chosen: list[Path] | Path, key: str = "") -> str:
    """Choose, paste, press Check, and read the verdict as it is shown."""
    # As the click of a person does; the button tells when the choice has arrived, a folder is read in its own time
    page.value("for (const id of ['folder', 'files']) document.getElementById(id).value = ''")
    page.value("document.getElementById('check').disabled = true")
    if isinstance(chosen, Path):
        page.choose("#folder", [chosen])
    else:
        page.choose("#files", chosen)
    page.wait_for("!document.getElementById('check').disabled")
    page.value(f"document.getElementById('key').value = {key!r}")
    page.value("document.getElementById('check').click()")
    page.wait_for("document.getElementById('verdict').className !== ''", 120)
    return str(page.value("document.getElementById('verdict').className"))


def shown(page: Chromium) -> str:
    return str(page.value("document.getElementById('verdict').innerText"))


def picture(page: Chromium, name: str) -> None:
    if where := os.environ.get("BWC_SCREENSHOTS"):
        page.screenshot(Path(where) / f"{name}.png")


def test_untouched_folder_is_ours_only_with_the_key(page: Chromium, folder: Path) -> None:
    picture(page, "fresh")
    assert judge(page, folder) == "not-tied"
    assert "NOT tied to any agency" in shown(page)
    picture(page, "not-tied")
    assert judge(page, folder, VKEY.text()) == "ours"
    assert "Genuine and unchanged" in shown(page)
    fingerprint = page.value("document.querySelector('.print').innerText")
    assert re.fullmatch(r"([0-9a-f]{4} ){15}[0-9a-f]{4}", fingerprint)
    picture(page, "ours")


def test_single_files_are_enough(page: Chromium, folder: Path, made: Made) -> None:
    chosen = [folder / name for name in (made.video.name, *PAPERS)]
    assert judge(page, chosen, VKEY.text()) == "ours"
    (folder / made.video.name).write_bytes(some_bytes(seed=5))
    page.value("document.getElementById('check').click()")
    page.wait_for("document.getElementById('verdict').className === 'cannot'")
    assert "changed since you chose it" in shown(page)
    assert judge(page, chosen, VKEY.text()) == "bad"
    assert made.video.name in shown(page)


def test_damage_removal_and_addition_are_named(page: Chromium, folder: Path) -> None:
    (folder / "README.txt").unlink()
    (folder / "extra.mp4").write_bytes(b"not approved")
    csv = folder / "redaction-log.csv"
    csv.write_bytes(csv.read_bytes().replace(b"face", b"hand"))
    assert judge(page, folder, VKEY.text()) == "bad"
    for name in ("README.txt", "extra.mp4", "redaction-log.csv"):
        assert name in shown(page)
    picture(page, "bad")


def test_forged_package_is_not_accepted(page: Chromium, tmp_path: Path) -> None:
    forged = Maker(log_key=STRANGER).make(tmp_path / "forged").folder
    assert judge(page, forged, VKEY.text()) == "bad"
    assert "forgery" in shown(page)
    assert judge(page, forged) == "not-tied"


def test_wrong_key_is_said_plainly(page: Chromium, folder: Path) -> None:
    assert judge(page, folder, "nonsense") == "cannot"
    assert "key you pasted" in shown(page)


def test_large_video_is_streamed_quickly(page: Chromium, tmp_path: Path) -> None:
    data = some_bytes(LEAF_BYTES) * 40 + b"end"
    made = Maker().make(tmp_path / "large", data)
    started = time.monotonic()
    assert judge(page, made.folder, VKEY.text()) == "ours"
    rate = len(data) / (time.monotonic() - started) / 1e6
    print(f"{rate:.0f} MB/s of {len(data) / 1e6:.0f} MB")
    assert rate > 20  # far below what it does; a page that reads byte by byte would not pass


def test_program_gets_the_same_report(page: Chromium) -> None:
    report = page.value("bwcVerify([{path: 'release.json', blob: new Blob(['{}'])}])")
    assert report["verdict"] == "bad"
    assert {finding["thing"] for finding in report["findings"]} == {"entry.json"}


def test_every_control_has_a_name_and_is_reached_by_keyboard(page: Chromium) -> None:
    page("Accessibility.enable")
    nodes = page("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if node.get("role", {}).get("value") in ("button", "textbox")]
    assert len(controls) >= 4
    assert all(node["name"]["value"].strip() for node in controls)
    assert page.value("document.documentElement.lang") == "en"
    page("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=False)
    assert page.value("document.documentElement.scrollWidth") <= 320  # WCAG 1.4.10 reflow
    page("Emulation.clearDeviceMetricsOverride")


def test_page_has_no_address_and_only_its_own_script() -> None:
    text = verify_page().decode()
    assert not re.search(r"(src|href)\s*=", text)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|innerHTML|eval|import\()\b", text)
    assert "connect-src 'none'" in text
    assert text.count("<script") == text.count("</script>") == 1
    assert verify_page() == verify_page()


def test_a_flipped_bit_in_a_copied_picture_is_shown_with_its_time(page: Chromium, tmp_path: Path) -> None:
    made = copied_release(tmp_path / "copied")
    assert judge(page, made.folder, made.key.text()) == "ours"
    assert "53 of 250 frames are the camera's own" in str(page.value("document.getElementById('steps').innerText"))
    made.video.write_bytes(flipped(made.video.read_bytes(), 34))
    assert judge(page, made.folder, made.key.text()) == "bad"
    assert "other pictures than the camera recorded, at 0:00:01.000–0:00:01.333" in shown(page)
