"""The contract of a source, as a test that anybody can run on theirs: `python -m bwc.ingest.conformance NAME`.

Thousands of made-up cards are handed to it: its own names if it gives examples, names of other vendors, and nonsense.
"""

import random
import sys
from collections.abc import Iterator, Sequence

from bwc.errors import BwcError, UsageError
from bwc.ingest.card import CardFile
from bwc.ingest.recording import Source
from bwc.ingest.sources import NAMED, find_sources, group, verify_recordings

CARDS = 500
_STEMS = (
    *("GX01{n:04}", "GX02{n:04}", "GOPR{n:04}", "GP01{n:04}", "GL01{n:04}", "IMG_{n:04}", "video_{n:03}", "A-part{n}"),
    *(
        "Axon Body 3 Video 2023-10-24 {n:04}",
        "Axon_Body_2_Video_2018-08-19_{n:04}_X60A1234B",
        "",
        ".",
        "ü\u0301{n}",
        "x" * 300,
    ),
)
_ENDINGS = (".MP4", ".mp4", ".MOV", ".json", ".xml", ".csv", ".THM", ".LRV", ".pdf", "", ".tar.gz", ".MP4.json")
_FOLDERS = ("", "DCIM/100GOPRO/", "DCIM/101GOPRO/", "Event 1/", "Event 1/deep/", "\\xff/")


def check_source(source: Source, *, examples: Sequence[str] = (), seed: int = 1) -> None:
    """Raise `UsageError` with what broke the contract, and on which files."""
    if not isinstance(source.name, str) or (
        not source.name.isidentifier() and not source.name.replace("-", "").isalnum()
    ):
        raise UsageError(f"{source.name!r} is no name", "letters, digits and hyphens")
    for files in made_up_cards(examples, seed):
        names = ", ".join(file.name for file in files)
        try:
            _check(source, files)
        except BwcError as error:
            raise UsageError(f"{error.message}; given: {names}") from error
        except Exception as error:
            raise UsageError(f"source {source.name} raised {type(error).__name__}: {error}; given: {names}") from error


def made_up_cards(examples: Sequence[str] = (), seed: int = 1) -> Iterator[list[CardFile]]:
    """Cards of up to twenty files, the same for the same seed; first an empty one."""
    yield []
    chance = random.Random(seed)  # noqa: S311 - made-up cards, not secrets
    for _ in range(CARDS):
        paths: set[str] = set()
        for _ in range(chance.randrange(20)):
            stem = chance.choice(_STEMS).format(n=chance.randrange(4))
            made = chance.choice(_FOLDERS) + stem + chance.choice(_ENDINGS)
            paths.add(chance.choice(examples) if examples and chance.random() < 0.5 else made)
        yield [
            CardFile(
                path=path.encode(), size_bytes=chance.choice((0, 1, 4_000_000_000)), mtime_ns=at, inode=at, device=1
            )
            for at, path in enumerate(sorted(paths))
        ]


def _check(source: Source, files: list[CardFile]) -> None:
    found = tuple(source.recordings(tuple(files)))
    verify_recordings(source.name, files, found)
    if tuple(source.recordings(tuple(files))) != found:
        raise UsageError(f"source {source.name} says another thing when it is asked again")
    for recording in found:
        for pair in source.says(recording):
            if len(pair) != 2 or not all(isinstance(one, str) for one in pair):
                raise UsageError(f"source {source.name} says {pair!r}, which is no pair of texts")
    for file in files:
        if not all(isinstance(one, str) for one in source.partners(file.base.casefold())):
            raise UsageError(f"source {source.name} names partners that are no texts")
    notes: list[str] = []
    grouped = group(files, [source], notes)
    if notes:
        raise UsageError(notes[0])
    if sorted(file.path for one in grouped for file in one.files) != sorted(file.path for file in files):
        raise UsageError(f"with source {source.name} a file is in no recording, or in two")


def main(names: Sequence[str]) -> int:
    """Check the named sources, else all that are installed; 1 when one breaks the contract."""
    failed = 0
    for source in find_sources(names) if names else {one.name: one for one in (*find_sources(), *NAMED)}.values():
        try:
            check_source(source)
        except UsageError as error:
            failed = 1
            sys.stdout.write(f"{source.name}: {error.message}\n")
        else:
            sys.stdout.write(f"{source.name}: keeps the contract on {CARDS} cards\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
