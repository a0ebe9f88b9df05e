"""What a person changes in a plan: a mask of what was seen now and then reaches beyond it."""

from bwc.redact import plan_edit


def test_what_was_seen_now_and_then_is_covered_before_and_after_along_its_way() -> None:
    seen = {10: (100, 50, 120, 70), 15: (110, 50, 130, 70)}
    wide = plan_edit.reaching(seen, 15, 5, 60)
    assert wide == {5: (90, 50, 120, 70), 10: (100, 50, 120, 70), 15: (110, 50, 130, 70), 20: (110, 50, 140, 70)}
    assert plan_edit.reaching({2: (0, 0, 9, 9)}, 2, 5, 4) == {0: (0, 0, 9, 9), 2: (0, 0, 9, 9), 3: (0, 0, 9, 9)}
    assert plan_edit.reaching({0: (0, 0, 9, 9)}, 0, 5, 1) == {0: (0, 0, 9, 9)}
    assert min(plan_edit.reaching(seen, 18, 5, 60)) == 5
    assert max(plan_edit.reaching(seen, 18, 5, 60)) == 23
