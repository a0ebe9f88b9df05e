"""A card is listed completely and read without being changed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwc.errors import NotFound, UsageError
from bwc.ingest.card import list_card, name_bytes, name_text
from bwc.ingest.reader import SourceChanged, open_source


@given(st.binary(min_size=1, max_size=300))
def test_names_survive_escaping_and_print(raw: bytes) -> None:
    text = name_text(raw)
    assert name_bytes(text) == raw
    assert text.isprintable()
    text.encode("utf-8")


@given(st.text(max_size=40))
def test_only_our_own_escapes_are_read_back(text: str) -> None:
    try:
        raw = name_bytes(text)
    except (UsageError, UnicodeEncodeError):
        return
    assert name_text(raw) == text


def test_nested_folders_and_odd_names_are_listed(card: Path) -> None:
    long_name = "ä" * 100 + "x" * 55  # 255 bytes, the most a name may have here
    names = [b"a.mp4", b"DCIM/100/b.mp4", b"DCIM/100/\xff\xfe bad \n.mp4", ("DCIM/" + long_name).encode()]
    for name in names:
        path = os.fsencode(card) + b"/" + name
        Path(os.fsdecode(path)).parent.mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(b"x")
    found = list_card(card)
    assert {file.path for file in found.files} == set(names)
    assert not found.left
    assert "DCIM/100/\\xff\\xfe bad \\x0a.mp4" in {file.name for file in found.files}


def test_paths_longer_than_the_kernel_takes_at_once_are_read(card: Path) -> None:
    here = os.open(card, os.O_RDONLY)
    for _ in range(25):  # 25 * 201 > PATH_MAX 4096
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    fd = os.open("deep.mp4", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(fd, b"evidence")
    os.close(fd)
    os.close(here)
    found = list_card(card)
    assert len(found.files) == 1
    assert len(found.files[0].path) > 4096
    with open_source(found, found.files[0]) as reader:
        assert reader.read() == b"evidence"


def test_links_are_never_followed(card: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not on the card")
    (card / "a.mp4").write_bytes(b"x")
    (card / "out.mp4").symlink_to("../secret")
    (card / "loop").symlink_to(card)
    (card / "inside.mp4").symlink_to("a.mp4")
    (card / "dangling").symlink_to("nowhere")
    found = list_card(card)
    assert [file.name for file in found.files] == ["a.mp4"]
    assert {left.name: left.blocks_wipe for left in found.left} == {
        "out.mp4": True,
        "loop": False,
        "inside.mp4": False,
        "dangling": True,
    }


def test_a_file_swapped_for_a_link_after_listing_is_refused(card: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (card / "a.mp4").write_bytes(b"x")
    found = list_card(card)
    (card / "a.mp4").unlink()
    (card / "a.mp4").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceChanged), open_source(found, found.files[0]):
        pass


def test_a_folder_swapped_for_a_link_is_refused(card: Path, tmp_path: Path) -> None:
    (card / "d").mkdir()
    (card / "d" / "a.mp4").write_bytes(b"x")
    found = list_card(card)
    (card / "d").rename(tmp_path / "elsewhere")
    (card / "d").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceChanged), open_source(found, found.files[0]):
        pass


def test_litter_is_left_but_what_merely_looks_like_it_is_taken(card: Path) -> None:
    (card / ".DS_Store").write_bytes(b"x")
    (card / "Thumbs.db").write_bytes(b"x")
    (card / "._a.mp4").write_bytes(bytes.fromhex("0005160700020000"))
    (card / "._hidden.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42")
    (card / "System Volume Information").mkdir()
    (card / "System Volume Information" / "WPSettings.dat").write_bytes(b"x")
    (card / "$RECYCLE.BIN").mkdir()
    (card / "$RECYCLE.BIN" / "$R1.MP4").write_bytes(b"deleted by somebody")
    found = list_card(card)
    assert [file.name for file in found.files] == ["$RECYCLE.BIN/$R1.MP4", "._hidden.mp4"]
    assert {left.name for left in found.left} == {
        ".DS_Store",
        "Thumbs.db",
        "._a.mp4",
        "System Volume Information/WPSettings.dat",
    }
    assert not any(left.blocks_wipe for left in found.left)


def test_pipes_are_listed_and_never_opened(card: Path) -> None:
    os.mkfifo(card / "pipe.mp4")
    found = list_card(card)
    assert not found.files
    assert found.left[0].reason == "not a file"
    assert found.left[0].blocks_wipe


def test_reading_a_file_does_not_touch_its_access_time(card: Path) -> None:
    path = card / "a.mp4"
    path.write_bytes(b"x" * 5000)
    os.utime(path, ns=(10**18, 10**18))  # long ago, so that relatime would update it
    found = list_card(card)
    with open_source(found, found.files[0]) as reader:
        assert len(reader.read()) == 5000
    assert path.stat().st_atime_ns == 10**18


def test_growth_while_reading_is_noticed_before_the_end(card: Path) -> None:
    path = card / "a.mp4"
    path.write_bytes(b"x" * 5000)
    found = list_card(card)
    with open_source(found, found.files[0]) as reader:
        reader.read(100)
        with path.open("ab") as more:
            more.write(b"y")
        with pytest.raises(SourceChanged):
            reader.read()
        assert isinstance(reader.failure, SourceChanged)


def test_rewriting_in_place_is_noticed(card: Path) -> None:
    path = card / "a.mp4"
    path.write_bytes(b"x" * 5000)
    found = list_card(card)
    with open_source(found, found.files[0]) as reader:
        reader.read(100)
        with path.open("r+b") as again:
            again.write(b"z")
        os.utime(path, ns=(1, 1))
        with pytest.raises(SourceChanged):
            reader.read()


def test_shrinking_is_noticed(card: Path) -> None:
    path = card / "a.mp4"
    path.write_bytes(b"x" * 5000)
    found = list_card(card)
    with open_source(found, found.files[0]) as reader:
        reader.read(100)
        os.truncate(path, 200)
        with pytest.raises(SourceChanged):
            reader.read()


def test_one_file_is_a_card_too(card: Path) -> None:
    (card / "b.mp4").write_bytes(b"x")
    (card / "a.mp4").write_bytes(b"evidence")
    found = list_card(card / "a.mp4")
    assert [file.name for file in found.files] == ["a.mp4"]
    with open_source(found, found.files[0]) as reader:
        assert reader.read() == b"evidence"


def test_no_card_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list_card(tmp_path / "nothing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_blocks_wiping(card: Path) -> None:
    (card / "locked").mkdir(mode=0o000)
    found = list_card(card)
    (card / "locked").chmod(0o700)
    assert found.left[0].name == "locked/"
    assert found.left[0].blocks_wipe
