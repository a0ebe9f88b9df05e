"""Which part of a video each 4 MiB piece of its file carries, so that damage can be named by time."""

from bisect import bisect_right
from pathlib import Path

import av

from bwc.verifier.released import LEAF_BYTES


def leaf_times(path: Path) -> tuple[tuple[int, int], ...]:
    """For each leaf of the file at `path`: first and last millisecond that cannot be trusted without it.

    A damaged picture spreads to every picture up to the next keyframe, so a leaf reaches that far. A leaf with
    part of the index (before the first or after the last packet) is needed by the whole recording. Empty when
    the file is no recording that can be read.
    """
    size = path.stat().st_size
    spans: list[tuple[int, int] | None] = [None] * -(-size // LEAF_BYTES)
    last_picture: list[int] = [-1] * len(spans)
    keyframes: list[int] = []
    first_byte, last_byte, first_ms, last_ms = size, 0, 0, 0
    try:
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.pos is None or packet.pos < 0 or packet.pts is None or packet.time_base is None:
                    continue
                start = max(0, int(packet.pts * packet.time_base * 1000))
                end = start + max(1, int((packet.duration or 0) * packet.time_base * 1000))
                first_byte, last_byte = min(first_byte, packet.pos), max(last_byte, packet.pos + packet.size)
                first_ms, last_ms = min(first_ms, start), max(last_ms, end)
                is_picture = packet.stream.type == "video"
                if is_picture and packet.is_keyframe:
                    keyframes.append(start)
                for leaf in range(packet.pos // LEAF_BYTES, (packet.pos + max(1, packet.size) - 1) // LEAF_BYTES + 1):
                    held = spans[leaf] or (start, end)
                    spans[leaf] = (min(held[0], start), max(held[1], end))
                    if is_picture:
                        last_picture[leaf] = max(last_picture[leaf], start)
    except (av.error.FFmpegError, IndexError):
        return ()
    if not last_byte:
        return ()
    keyframes.sort()
    found = []
    for leaf, span in enumerate(spans):
        if span is None or leaf * LEAF_BYTES < first_byte or min((leaf + 1) * LEAF_BYTES, size) > last_byte:
            found.append((first_ms, last_ms))
            continue
        until = span[1]
        if last_picture[leaf] >= 0:
            after = bisect_right(keyframes, last_picture[leaf])
            until = max(until, keyframes[after] if after < len(keyframes) else last_ms)
        found.append((span[0], until))
    return tuple(found)
