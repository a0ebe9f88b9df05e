"""What of a file could not be read, told so that a later, better reading is known for the same recording.

The good stretches are digested one by one. Whoever reads the same file again, with gaps only where the first reading had
them too, finds the same digests there; without a key to the first reading and without its bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from bwc.canonical import Json
from bwc.evidence import ObjectRole
from bwc.recording import Gap

_BLOCK = 2**20


def damage_of(
    content: BinaryIO, gaps: Sequence[Gap], *, name: str, role: ObjectRole, segment: int, size_bytes: int
) -> dict[str, Json]:
    """What the private body of the event says of a file read with `gaps`."""
    return {
        "file": name,
        "gaps": [gap.to_json() for gap in gaps],
        "good": [
            {"bytes": size, "offset": offset, "sha256": _digest(content, offset, size)}
            for offset, size in good_stretches(gaps, size_bytes)
        ],
        "role": role.value,
        "segment": segment,
    }


def good_stretches(gaps: Sequence[Gap], size_bytes: int) -> list[tuple[int, int]]:
    """Offset and length of what was read, in order."""
    ends = [0, *(gap.end for gap in gaps)]
    starts = [*(gap.offset for gap in gaps), size_bytes]
    return [(end, start - end) for end, start in zip(ends, starts, strict=True) if start > end]


def is_better(content: BinaryIO, gaps: Sequence[Gap], damage: Json) -> bool:
    """Whether `content`, read with `gaps`, is the recording that `damage` tells of, and lacks less of it."""
    if not isinstance(damage, dict):
        return False
    good, missed = damage.get("good"), damage.get("gaps")
    if not isinstance(good, list) or not isinstance(missed, list) or not good:
        return False
    lacked = sum(_number(gap, "bytes") for gap in missed)
    if sum(gap.size_bytes for gap in gaps) >= lacked:
        return False
    for stretch in good:
        offset, size = _number(stretch, "offset"), _number(stretch, "bytes")
        if any(gap.offset < offset + size and offset < gap.end for gap in gaps):
            return False  # what is a gap now was read then: neither is better
        if not isinstance(stretch, dict) or _digest(content, offset, size) != stretch.get("sha256"):
            return False
    return True


def gaps_text(name: str, gaps: Sequence[Gap], size_bytes: int) -> str:
    """What a receipt says of a file with gaps."""
    lost = sum(gap.size_bytes for gap in gaps)
    where = f"from byte {gaps[0].offset:,}" if len(gaps) == 1 else f"the first from byte {gaps[0].offset:,}"
    stretches = "one stretch" if len(gaps) == 1 else f"{len(gaps)} stretches"
    return f"{name}: {stretches} could not be read ({lost:,} of {size_bytes:,} bytes, {where}); all else is held"


def _number(value: Json, name: str) -> int:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, int) else 0


def _digest(content: BinaryIO, offset: int, size: int) -> str:
    state = hashlib.sha256()
    content.seek(offset)
    while size > 0 and (data := content.read(min(_BLOCK, size))):
        state.update(data)
        size -= len(data)
    return state.hexdigest()
