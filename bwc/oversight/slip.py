"""The slip on paper: a page with a QR code, and reading the code back from a scan or a photograph."""

import io
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import segno

from bwc.anchors.pins import fingerprint_text
from bwc.anchors.slip import FORMAT, read_slip, slip_text
from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.errors import UsageError

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_LINE_PX = 22


def page_lines(note: bytes, key: NoteKey, *, agency: str, now: datetime) -> list[str]:
    """What stands on a slip for people; the last part is what is read back."""
    checkpoint, _ = parse_checkpoint(note)
    root = checkpoint.root.hex()
    return [
        f"{agency}: the audit log on {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        f"{checkpoint.size} entries, root {' '.join(root[at : at + 8] for at in range(0, 64, 8))}",
        f"key {fingerprint_text(key)}",
        "Keep this slip. It proves any later change of these entries: bwc verify --against SLIP",
        "",
        *slip_text(note, key).splitlines(),
    ]


def as_text(note: bytes, key: NoteKey, *, agency: str, now: datetime) -> str:
    """The slip as plain text."""
    return "\n".join([*page_lines(note, key, agency=agency, now=now), ""])


def as_svg(note: bytes, key: NoteKey, *, agency: str, now: datetime) -> bytes:
    """The slip as one page to print: the QR code, and the same in text."""
    code = _code(note, key)
    side = code.symbol_size(scale=6, border=4)[0]
    lines = page_lines(note, key, agency=agency, now=now)
    texts = "".join(
        f'<text x="24" y="{side + _LINE_PX * (at + 1)}" xml:space="preserve">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    height = side + _LINE_PX * (len(lines) + 1)
    picture = code.svg_inline(scale=6, border=4)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="1100" height="{height}" viewBox="0 0 1100 {height}" '
        f'font-family="monospace" font-size="14"><rect width="100%" height="100%" fill="white"/>{picture}{texts}</svg>\n'
    ).encode()


def as_png(note: bytes, key: NoteKey) -> bytes:
    """The QR code alone."""
    out = io.BytesIO()
    _code(note, key).save(out, kind="png", scale=6, border=4)
    return out.getvalue()


def read_any(path: Path) -> bytes:
    """The signed checkpoint in a slip's text, a picture of its QR code, a checkpoint file or a proof; not verified.

    Raises `UsageError` when there is none.
    """
    data = path.read_bytes()
    if path.suffix.lower() not in PICTURES:
        try:
            return read_slip(data, str(path))
        except UsageError as error:
            hint = (
                f"a slip's text or page, a checkpoint, a .tlog-proof, or a picture of its code ({', '.join(PICTURES)})"
            )
            raise UsageError(error.message, hint) from error
    import cv2
    import numpy
    import zxingcpp

    picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise UsageError(f"{path} is not a picture", "a photograph or scan of the slip, as PNG or JPEG")
    for code in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)):
        if FORMAT.encode() in code.bytes:  # other papers with codes may lie beside it
            return read_slip(code.bytes, str(path))
    raise UsageError(
        f"no QR code of a slip is found in {path}", "photograph the code straight and close, or type the text"
    )


def _code(note: bytes, key: NoteKey) -> segno.QRCode:
    # error level M: a sixth of the code may be unreadable
    return segno.make_qr(slip_text(note, key).encode("ascii"), mode="byte", error="m", boost_error=False)
