"""Which files on a card belong together: recordings, their chapters, their sidecars.

Every file is evidence. Sources only decide what is one item, never what is taken:

1. A file with a sidecar's extension beside a recording of the same name (`A.MP4` with `A.json` or `A.MP4.json`, or a name
   that a source calls its partner) is that recording's sidecar. Without such a recording it is an item.
2. Each source takes the recordings it is sure of from what is left; `generic` comes last and takes everything.
3. A source that fails, or hands back what it was not given, is left out and named on the receipt: the next ones take over.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bwc.errors import BwcError, UsageError
from bwc.ingest.card import CardFile, Left, Listing, list_card
from bwc.ingest.layouts.axon import Axon
from bwc.ingest.layouts.folders import Folders
from bwc.ingest.layouts.generic import Generic
from bwc.ingest.layouts.gopro import GoPro
from bwc.ingest.recording import SIDECAR_EXTENSIONS, VIDEO_EXTENSIONS, Recording, Sidecar, Source, extension_of, stem_of

ENTRY_POINTS = "bwc.sources"
BUILT_IN: tuple[Source, ...] = (GoPro(), Axon())  # recognised by themselves, in this order
NAMED: tuple[Source, ...] = (*BUILT_IN, Folders())  # a person may name any of these
LAST: Source = Generic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as found: items to take in, and what is left alone. `notes` are what the sources could not do."""

    listing: Listing
    recordings: tuple[Recording, ...]
    notes: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[Left, ...]:
        return self.listing.left


def read_card(card: Path, *, deep: bool = True, sources: Sequence[Source] = BUILT_IN) -> Card:
    """List `card` and group its files. Raises as `list_card` does."""
    listing = list_card(card, deep=deep)
    notes: list[str] = []
    return Card(listing=listing, recordings=group(listing.files, sources, notes), notes=tuple(notes))


def find_sources(named: Sequence[str] = ()) -> tuple[Source, ...]:
    """The sources `named`, in that order; without names those that recognise their files by themselves.

    Installed ones (entry points `bwc.sources`) come before ours. Raises `UsageError` for a name that nobody has.
    """
    installed = _installed()
    if not named:
        return (*installed.values(), *(one for one in BUILT_IN if one.name not in installed))
    known = {one.name: one for one in NAMED} | installed
    missing = [name for name in named if name not in known]
    if missing:
        raise UsageError(f"no source {missing[0]}", "one of " + ", ".join(sorted(known)))
    return tuple(known[name] for name in named)


def group(
    files: Sequence[CardFile], sources: Sequence[Source] = BUILT_IN, notes: list[str] | None = None
) -> tuple[Recording, ...]:
    """The recordings among `files`, in the order of their first file. Each file is in exactly one of them."""
    notes = [] if notes is None else notes
    owners = _sidecar_owners(files, sources, notes)
    beside: dict[CardFile, list[CardFile]] = defaultdict(list)
    for sidecar, owner in owners.items():
        beside[owner].append(sidecar)
    rest = [file for file in files if file not in owners]
    found: list[Recording] = []
    for source in (*sources, LAST):
        recordings = _ask(source, rest, notes)
        taken = {file for recording in recordings for file in recording.files}
        rest = [file for file in rest if file not in taken]
        found += recordings
    place = {file: at for at, file in enumerate(files)}
    found.sort(key=lambda recording: min(place[file] for file in recording.segments))
    return tuple(_with_sidecars(recording, beside) for recording in found)


def verify_recordings(name: str, given: Sequence[CardFile], found: Sequence[Recording]) -> None:
    """Raise `UsageError` unless a source kept the contract: files it was given, each once, under its own name."""
    seen: set[CardFile] = set()
    allowed = set(given)
    for recording in found:
        if recording.vendor != name or not recording.segments:
            raise UsageError(f"source {name} hands back a recording without its name or without segments")
        if any(not 0 <= side.segment < len(recording.segments) for side in recording.sidecars):
            raise UsageError(f"source {name} puts a sidecar beside a segment that is not there")
        for file in recording.files:
            if file in seen or file not in allowed:
                raise UsageError(f"source {name} hands back {file.name} twice, or without having been given it")
            seen.add(file)


def changes_since(card: Path, before: Card, *, deep: bool = True) -> tuple[str, ...]:
    """What a second listing shows that the first did not: then the card holds something we have not seen."""
    try:
        after = list_card(card, deep=deep)
    except BwcError as error:
        return (f"the card could not be listed again: {error.message}",)
    old = {file.path: file for file in before.listing.files}
    new = {file.path: file for file in after.files}
    texts = [f"{file.name} appeared while the card was taken in" for path, file in new.items() if path not in old]
    texts += [f"{file.name} is gone from the card" for path, file in old.items() if path not in new]
    texts += [f"{file.name} changed after it was read" for path, file in new.items() if old.get(path, file) != file]
    known = {left.name for left in before.left}
    texts += [f"{left.name}: {left.reason}" for left in after.left if left.blocks_wipe and left.name not in known]
    return tuple(texts)


def _ask(source: Source, files: Sequence[CardFile], notes: list[str]) -> tuple[Recording, ...]:
    if not files:
        return ()
    try:
        found = tuple(source.recordings(tuple(files)))
        verify_recordings(source.name, files, found)
    except Exception as error:  # somebody else's code: whatever it does, the files are taken
        if source is LAST:
            raise
        why = error.message if isinstance(error, BwcError) else f"{type(error).__name__}: {error}"
        notes.append(f"source {source.name} was left out: {why}")
        return ()
    return found


def _with_sidecars(recording: Recording, beside: dict[CardFile, list[CardFile]]) -> Recording:
    more = [Sidecar(file, at) for at, owner in enumerate(recording.segments) for file in beside.get(owner, ())]
    # a file may be the sidecar of a sidecar: it is beside the first recording then
    more += [Sidecar(file, one.segment) for one in recording.sidecars for file in beside.get(one.file, ())]
    return replace(recording, sidecars=recording.sidecars + tuple(more)) if more else recording


def _sidecar_owners(files: Iterable[CardFile], sources: Sequence[Source], notes: list[str]) -> dict[CardFile, CardFile]:
    """For each sidecar the recording it lies beside. A video is preferred where several files share the name."""
    by_name: dict[tuple[bytes, str], CardFile] = {}
    by_stem: dict[tuple[bytes, str], CardFile] = {}
    candidates = []
    for file in files:
        if extension_of(file) in SIDECAR_EXTENSIONS:
            candidates.append(file)
            continue
        by_name[file.folder, file.base.casefold()] = file
        stem = (file.folder, stem_of(file))
        if stem not in by_stem or (
            extension_of(file) in VIDEO_EXTENSIONS and extension_of(by_stem[stem]) not in VIDEO_EXTENSIONS
        ):
            by_stem[stem] = file
    owners = {}
    for file in candidates:
        name = stem_of(file)
        owner = by_name.get((file.folder, name))
        for partner in [name, *_partners(name, sources, notes)]:
            owner = owner or by_stem.get((file.folder, partner))
        if owner:
            owners[file] = owner
    return owners


def _partners(stem: str, sources: Sequence[Source], notes: list[str]) -> list[str]:
    found: list[str] = []
    for source in sources:
        try:
            found += [str(one) for one in source.partners(stem)]
        except Exception as error:  # as in _ask
            text = f"source {source.name} was not asked for partners: {type(error).__name__}"
            if text not in notes:
                notes.append(text)
    return found


def _installed() -> dict[str, Source]:
    from importlib.metadata import entry_points

    found: dict[str, Source] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            source = point.load()()
            found[str(source.name)] = source
        except Exception as error:
            raise UsageError(
                f"the source {point.name} ({point.value}) cannot be loaded: {type(error).__name__}: {error}",
                "mend or uninstall that package",
            ) from error
    return found
