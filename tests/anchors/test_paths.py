"""Proofs of inclusion and consistency hold for what they were made for, and for nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwc.anchors.paths import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from bwc.audit.merkle import EMPTY_ROOT
from bwc.errors import ProofInvalid
from tests.audit.test_merkle import LEAVES, node, slow_root


def test_every_inclusion_proof_holds_for_its_leaf_only() -> None:
    for size in (1, 2, 3, 7, 8, 33, 70):
        root = slow_root(LEAVES[:size])
        for index in range(size):
            path = inclusion_proof(index, size, node)
            verify_inclusion(LEAVES[index], index, size, root, path)
            for other in {(index + 1) % size, (index - 1) % size, size // 2} - {index}:
                with pytest.raises(ProofInvalid):
                    verify_inclusion(LEAVES[index], other, size, root, path)
                with pytest.raises(ProofInvalid):
                    verify_inclusion(LEAVES[other], index, size, root, path)
            for broken in (path[:-1], [*path, EMPTY_ROOT], [EMPTY_ROOT, *path[1:]]):
                if broken != path:
                    with pytest.raises(ProofInvalid):
                        verify_inclusion(LEAVES[index], index, size, root, broken)


def test_every_consistency_proof_holds_for_its_sizes_only() -> None:
    for new in (1, 2, 7, 8, 9, 33, 64, 70):
        for old in range(1, new + 1):
            path = consistency_proof(old, new, node)
            roots = slow_root(LEAVES[:old]), slow_root(LEAVES[:new])
            verify_consistency(old, roots[0], new, roots[1], path)
            broken = [(old, EMPTY_ROOT, new, roots[1], path), (old, roots[0], new, EMPTY_ROOT, path)]
            broken.append((old, roots[0], new, roots[1], [*path, EMPTY_ROOT]))
            if path:
                broken.append((old, roots[0], new, roots[1], path[:-1]))
                broken.append((old, roots[0], new, roots[1], [*path[:-1], EMPTY_ROOT]))
            for case in broken:
                with pytest.raises(ProofInvalid):
                    verify_consistency(*case)


@given(st.integers(-2, 2**70), st.integers(-2, 2**70), st.lists(st.binary(min_size=30, max_size=34), max_size=70))
@settings(max_examples=300, deadline=None)
def test_nonsense_proofs_are_refused(index: int, size: int, path: list[bytes]) -> None:
    with pytest.raises(ProofInvalid):
        verify_inclusion(LEAVES[0], index, size, EMPTY_ROOT, path)
    with pytest.raises(ProofInvalid):
        verify_consistency(index, LEAVES[1], size, LEAVES[0], path)
