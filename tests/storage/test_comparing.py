"""Two catalogs side by side: every row that differs is named, and what only a body tells is no difference where it is unknown."""

from collections.abc import Iterator

import pytest

from bwc.storage.catalog import Catalog


def pair() -> tuple[Catalog, Catalog]:
    return Catalog.temporary(), Catalog.temporary(in_memory=False)


def fill(catalog: Catalog, *statements: str) -> None:
    with catalog.transaction():
        for one in statements:
            catalog._db.write(one)


@pytest.fixture
def both() -> Iterator[tuple[Catalog, Catalog]]:
    truth, held = pair()
    with truth, held:
        yield truth, held


HOLD = "INSERT INTO holds VALUES ({}, 'H-1', 'case', NULL, {}, 'why', 'now', 'key', NULL, NULL)"


def test_rows_that_lack_that_are_too_many_and_that_differ_are_named(both: tuple[Catalog, Catalog]) -> None:
    truth, held = both
    fill(truth, *(HOLD.format(seq, "'26-1'") for seq in (1, 3, 5)))
    fill(held, *(HOLD.format(seq, "'26-1'") for seq in (3, 4, 5)), "UPDATE holds SET hold = 'H-2' WHERE seq = 5")
    assert [f"{one.where}: {one.what}" for one in held.tables.differences(truth.tables)] == [
        "table holds, hold of entry 1: the log has it, the catalog lacks it",
        "table holds, hold of entry 4: no entry of the log says so",
        "table holds, hold of entry 5: not what the log says: hold",
    ]


@pytest.mark.parametrize(
    ("said", "kept", "count"), [("'A'", "'A'", 0), ("NULL", "'A'", 0), ("'A'", "NULL", 0), ("'A'", "'a'", 1)]
)
def test_what_a_body_tells_is_compared_where_both_know_it(
    both: tuple[Catalog, Catalog], said: str, kept: str, count: int
) -> None:
    truth, held = both
    fill(truth, HOLD.format(1, said))
    fill(held, HOLD.format(1, kept))
    assert len(list(held.tables.differences(truth.tables))) == count
