"""Pieces of unfinished work: sealed, found again by name only with the key, torn ones not there, gone when cleared."""

from pathlib import Path

import pytest

from bwc.evidence import ObjectId
from bwc.storage.fsops import Disk
from bwc.storage.pieces import Pieces

ID = ObjectId("ab" * 32)


def pieces(folder: Path, key: bytes = bytes(32)) -> Pieces:
    return Pieces(Disk(folder), ID, key)


def test_a_piece_comes_back_to_whoever_has_the_key_and_nothing_of_it_is_readable(tmp_path: Path) -> None:
    data = b"a picture " * 200_000
    pieces(tmp_path).put("first", data)
    assert pieces(tmp_path).get("first") == data
    assert pieces(tmp_path).get("second") is None
    assert pieces(tmp_path, bytes([1] * 32)).get("first") is None
    (file,) = [path for path in (tmp_path / "pieces").rglob("*") if path.is_file()]
    assert b"a picture" not in file.read_bytes()
    assert "first" not in file.name


@pytest.mark.parametrize("cut", [0, 1, 40, 60, 1000])
def test_a_torn_piece_is_not_there_and_is_removed(tmp_path: Path, cut: int) -> None:
    pieces(tmp_path).put("first", b"x" * 5000)
    (file,) = [path for path in (tmp_path / "pieces").rglob("*") if path.is_file()]
    file.write_bytes(file.read_bytes()[:cut])
    assert pieces(tmp_path).get("first") is None
    assert not file.exists()


def test_clearing_leaves_nothing_of_this_object_and_everything_of_others(tmp_path: Path) -> None:
    other = Pieces(Disk(tmp_path), ObjectId("cd" * 32), bytes(32))
    for one in (pieces(tmp_path), other):
        one.put("a", b"1")
        one.put("a", b"2")
    pieces(tmp_path).clear()
    assert pieces(tmp_path).get("a") is None
    assert other.get("a") == b"2"
