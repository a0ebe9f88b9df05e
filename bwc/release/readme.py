"""README.txt of a release: what is in the folder and how to check it, for somebody who never heard of a hash."""

import textwrap

from bwc.anchors.pins import fingerprint_text
from bwc.audit.checkpoint import NoteKey
from bwc.verifier.package_report import time_text
from bwc.verifier.released import Release


def readme_text(release: Release, log_key: NoteKey) -> str:
    """The text, lines of at most 76 characters."""
    head = f"Release {release.release} of {release.agency}"
    parts = [
        head,
        "=" * len(head),
        "",
        f"Your request:  {release.request}",
        f"Recording:     {release.item}",
        f"Made:          {release.made_at[:10]} with {release.tool}",
        "",
        "What is in this folder",
        "----------------------",
    ]
    for copy in release.copies:
        lost = f", {copy.frames_lost} pictures lost in the camera's file" if copy.frames_lost else ""
        parts.append(f"  {copy.file}: {copy.frames} pictures, {time_text(copy.duration_ms)} long{lost}")
        parts += [f"    a part of the recording: {copy.part}"] if copy.part else []
    if any(file.role == "captions" for file in release.files):
        parts += [
            "  the .vtt file: captions, for players that take them; .transcript.txt: the",
            "  same as text. A machine wrote them down; words may be wrong or missing",
        ]
    parts += [
        "  redaction-log.html: what was hidden, when, and the reason (.csv: the same,",
        "  for spreadsheets)",
        "  verify.html: a page that checks this folder on your computer, without internet",
        "  release.json, entry.json, release.tlog-proof, proofs: the papers it checks",
        "",
        "What was hidden",
        "---------------",
        *(_hidden(release) or ["  Nothing."]),
        "",
        "How to check that this is the agency's release, unchanged",
        "---------------------------------------------------------",
        *_wrap(
            "1. Get the checking page (verify.html) from the agency's own web site, or ask for it at its office. "
            "A page that comes inside a forged folder could say anything; the one in this folder is only for "
            "convenience."
        ),
        *_wrap("2. Open it in a current browser and choose this folder. Nothing leaves your computer."),
        *_wrap(
            "3. Ask the agency, by telephone or on its web site, for the key of its log, and paste it into the page; "
            "or compare the fingerprint below. Without this, any check only says that the folder is consistent with "
            "itself, not who made it."
        ),
        "",
        "   Fingerprint this folder claims (compare, do not trust):",
        *(f"   {line}" for line in textwrap.wrap(fingerprint_text(log_key), 40)),
        "",
        "With the command line tool:",
        f"   bwc verify FOLDER --key '{log_key.name}+...'",
        "",
        *_wrap(
            "Keep the whole folder. Its proof is also a receipt: the agency cannot later change or remove this "
            "release from its log without contradicting the paper you hold."
        ),
        "",
    ]
    return "\n".join(parts)


def _hidden(release: Release) -> list[str]:
    lines = []
    for one in release.exemptions:
        counts = ((one.pictures, "part of the picture"), (one.whole_frames, "whole picture"), (one.sounds, "sound"))
        said = ", ".join(f"{count} x {name}" for count, name in counts if count)
        lines.append(f"  {one.code}: {said}")
    return lines


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, 76, subsequent_indent="   " if text[:1].isdigit() else "")
