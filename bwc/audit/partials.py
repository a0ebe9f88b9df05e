"""The narrower tiles and bundles kept for checkpoints signed earlier: a reader of such a checkpoint needs them."""

from collections.abc import Iterable

from bwc.audit.findings import Findings
from bwc.audit.tiles import TILE, LogReader, bundle_path, encode_bundle, levels_of, parse_bundle, parse_tile, tile_path
from bwc.errors import IntegrityError


def check_partials(files: LogReader, signed: Iterable[int], size: int, findings: Findings) -> None:
    """Part of step 3: for every size in `signed`, the tiles at its right edge are there until the full ones are.

    Each must be the beginning of the wider one that a log of `size` has; that one is checked elsewhere.
    """
    sizes = sorted(set(signed) | {size})
    for level in range(levels_of(size)):
        number, width = divmod(size >> (8 * level), TILE)
        here = [(one >> (8 * level)) - number * TILE for one in sizes]
        wanted = {narrow for narrow in here if 0 < narrow < width}
        _check(files, tile_path(level, number), wanted, width, findings)
        if level == 0:
            _check(files, bundle_path(number), wanted, width, findings)


def _check(files: LogReader, full: str, wanted: set[int], width: int, findings: Findings) -> None:
    is_bundle = full.startswith("tile/entries/")
    try:
        widest = (parse_bundle if is_bundle else parse_tile)(files.read(f"{full}.p/{width}") or b"", width)
    except IntegrityError:
        return  # no partial tile here, or missing and found by the main pass
    for narrow in sorted(wanted):
        path = f"{full}.p/{narrow}"
        data = files.read(path)
        if data is None:
            findings.bad(3, "is missing; a checkpoint signed earlier needs it", path)
        elif data != (encode_bundle(widest[:narrow]) if is_bundle else b"".join(widest[:narrow])):
            findings.bad(3, "is not what was published for a checkpoint signed earlier", path)
