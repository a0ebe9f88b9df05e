import hashlib

import pytest

from bwc.audit.merkle import EMPTY_ROOT, Frontier, complete_root, leaf_hash, node_hash, root_at, root_of

LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(slow_root(leaves[:split]), slow_root(leaves[split:]))


def node(level: int, index: int) -> bytes:
    return complete_root(LEAVES[index << level : (index + 1) << level])


def test_vectors_of_certificate_transparency_are_met() -> None:
    # The eight leaves used by the certificate-transparency test suites since 2013
    leaves = [
        bytes.fromhex(text)
        for text in (
            "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
        )
    ]  # fmt: skip
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        assert root_of([leaf_hash(one) for one in leaves[:size]]).hex() == root


@pytest.mark.parametrize("size", range(len(LEAVES) + 1))
def test_every_way_to_the_root_agrees(size: int) -> None:
    expected = slow_root(LEAVES[:size])
    assert root_of(LEAVES[:size]) == expected
    assert root_at(size, node) == expected
    frontier = Frontier.at(size, node)
    for leaf in LEAVES[size:]:
        frontier.append(leaf)
    assert frontier.root() == slow_root(LEAVES)


def test_complete_subtrees_can_be_appended_whole() -> None:
    frontier = Frontier()
    for at in range(0, 64, 8):
        frontier.append(node(3, at // 8), 3)
    assert frontier.root() == slow_root(LEAVES[:64])


def test_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == root_of([])


def test_a_leaf_that_looks_like_a_node_is_another_leaf() -> None:
    forged = leaf_hash(LEAVES[0] + LEAVES[1])
    assert forged != node_hash(LEAVES[0], LEAVES[1])
