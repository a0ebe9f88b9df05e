"""Every good sector of a worn card is kept, in its place; a card that was pulled out leaves nothing half."""

import errno
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwc.ingest import salvage
from bwc.ingest.card import list_card
from bwc.ingest.reader import SourceUnreadable, open_source
from bwc.ingest.salvage import CardGone
from tests.ingest.worn import SECTOR, WornCard, put_in


@pytest.fixture
def worn(monkeypatch: pytest.MonkeyPatch) -> WornCard:
    return put_in(monkeypatch)


def read(path: Path, block: int = 70_000) -> tuple[bytes, list[tuple[int, int]]]:
    found = list_card(path)
    with open_source(found, found.files[0]) as reader:
        data = b"".join(iter(lambda: reader.read(block), b""))
        return data, [(gap.offset, gap.size_bytes) for gap in reader.gaps]


def test_one_bad_sector_costs_one_sector(card: Path, worn: WornCard) -> None:
    path = card / "A.MP4"
    content = os.urandom(200_000)
    path.write_bytes(content)
    worn.wear(path, range(100, 101))
    data, gaps = read(path)
    assert gaps == [(100 * SECTOR, SECTOR)]
    assert data == content[: 100 * SECTOR] + bytes(SECTOR) + content[101 * SECTOR :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    bad=st.sets(st.integers(0, 40), max_size=20),
    size=st.integers(1, 20_000),
    block=st.sampled_from([700, 4096, 70_000]),
)
def test_all_good_sectors_come_out_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, bad: set[int], size: int, block: int
) -> None:
    path = tmp_path_factory.mktemp("card") / "A.MP4"
    content = bytes(1 + at % 255 for at in range(size))  # no zeros
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        worn = put_in(patch)
        worn.wear(path, *(range(one, one + 1) for one in bad))
        expected = bytearray(content)
        for one in bad:
            expected[one * SECTOR : (one + 1) * SECTOR] = bytes(len(expected[one * SECTOR : (one + 1) * SECTOR]))
        if not any(expected):
            with pytest.raises(SourceUnreadable):
                read(path, block)
            return
        data, gaps = read(path, block)
    assert data == bytes(expected)
    assert sum(count for _, count in gaps) == expected.count(0)
    assert all(start + count < following for (start, count), (following, _) in pairwise(gaps))


def test_a_file_that_gives_no_byte_is_unreadable(card: Path, worn: WornCard) -> None:
    path = card / "A.MP4"
    path.write_bytes(b"x" * 5_000_000)
    worn.wear(path, range(10_000))
    with pytest.raises(SourceUnreadable, match="cannot be read at byte 0"):
        read(path)
    assert worn.reads < 200, "not every sector of a dead file is tried"


def test_a_pulled_card_is_told_from_a_bad_sector(card: Path, worn: WornCard) -> None:
    path = card / "A.MP4"
    path.write_bytes(os.urandom(500_000))

    def pull(fd: int, offset: int) -> None:
        worn.is_out = worn.is_out or offset > 200_000

    worn.after = pull
    with pytest.raises(CardGone, match=r"went away while A\.MP4 was read"):
        read(path)


def test_a_device_that_is_gone_ends_at_once(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (card / "A.MP4").write_bytes(b"x" * 5000)

    def gone(*_: Any) -> int:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(salvage, "read_at", gone)
    with pytest.raises(CardGone):
        read(card / "A.MP4")


def test_patience_is_bounded(card: Path, worn: WornCard, monkeypatch: pytest.MonkeyPatch) -> None:
    path = card / "A.MP4"
    content = os.urandom(4_000_000)
    path.write_bytes(content)
    worn.wear(path, range(5000, 5001))
    monkeypatch.setattr(salvage, "PATIENCE_S", 0.0)
    data, gaps = read(path, 2**22)
    assert len(gaps) == 1
    assert gaps[0][1] <= salvage.COARSE
    assert data[: 5000 * SECTOR] == content[: 5000 * SECTOR]
    assert worn.reads < 30


def test_what_is_no_worn_medium_is_not_read_round(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (card / "A.MP4").write_bytes(b"x" * 5000)

    def refuse(*_: Any) -> int:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(salvage, "read_at", refuse)
    with pytest.raises(SourceUnreadable, match="Permission denied"):
        read(card / "A.MP4")
