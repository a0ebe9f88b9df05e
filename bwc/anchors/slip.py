"""A printed slip: a signed checkpoint on paper. Whoever keeps it holds the log to it (docs/formats/slip.md).

Plain ASCII, so that it survives a printer, a scanner and a typist; the dash of a signed note is written `--`.
"""

import re
from html import unescape

from bwc.anchors.proof import HEADER, LogProof
from bwc.audit.checkpoint import Note, NoteKey, parse_checkpoint
from bwc.audit.keychain import read_checkpoint
from bwc.errors import IntegrityError, UsageError

FORMAT = "bwc-slip/1"
_DASH = "— "
_TYPED = "-- "
_MOST_BYTES = 1_000_000
_KINDS = (
    "the text of a slip (.txt, or .svg as it was printed), a checkpoint file or a .tlog-proof; a picture: bwc verify"
)
_SVG_LINE = re.compile(r"<text[^>]*>([^<]*)</text>")


def slip_text(note: bytes, key: NoteKey) -> str:
    """The slip of a checkpoint: its text, the log's own signature and what leads to its key. Raises `ProofInvalid` if that does not hold."""
    _, chain = read_checkpoint(note, key)
    mine = {(key.name, chain.last.key_hint), *((one.name, one.key_hint) for one in chain.line())}
    signed = Note.parse(note)
    alone = Note(signed.text, tuple(one for one in signed.signatures if (one.name, one.key_hint) in mine))
    return f"{FORMAT}\n" + alone.to_bytes().decode().replace(f"\n{_DASH}", f"\n{_TYPED}")


def read_slip(data: bytes, where: str) -> bytes:
    """The signed checkpoint in a slip, whatever stands around it; or in a checkpoint file or a proof.

    Nothing is verified yet. Raises `UsageError` when there is none.
    """
    try:
        if len(data) > _MOST_BYTES:
            raise IntegrityError("too long")
        if data.startswith(HEADER.encode()):
            return LogProof.parse(data).checkpoint_note
        text = data.decode("utf-8")
        if "<svg" in text:  # the page that was printed: its lines are texts of the picture
            text = "\n".join(unescape(line) for line in _SVG_LINE.findall(text))
        note = (_from_slip(text) if FORMAT in text else text).encode()
        parse_checkpoint(note)
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} holds no checkpoint: it is no text", _KINDS) from error
    except IntegrityError as error:
        raise UsageError(f"{where} holds no checkpoint: {error}", _KINDS) from error
    return note


def _from_slip(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    body = lines[lines.index(FORMAT) + 1 :] if FORMAT in lines else []
    signatures = []
    for line in body[4:]:
        if not line.startswith((_TYPED, _DASH)):
            break
        signatures.append(_DASH + line.split(" ", 1)[1])
    if len(body) < 5 or body[3] or not signatures:
        raise IntegrityError(f"after {FORMAT} come origin, entries, root, an empty line and a signature")
    return "\n".join([*body[:3], "", *signatures, ""])
