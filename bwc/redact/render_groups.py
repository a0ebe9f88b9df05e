"""The smart render: groups of pictures with nothing to hide are copied bit for bit, the others encoded again in parallel.

In a group with something to hide the pictures before the first such frame are copied too; from there on, beginning
with a new IDR, every frame up to the next group is encoded. Copied pictures keep the recording's parameter sets,
encoded ones have their own beside them. `Uncopyable` is raised, before anything is given out, for a recording that
does not allow this (`media.gops` says which), whose frames are not exactly the plan's, or that does not decode cleanly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from bwc.canonical import Json
from bwc.errors import DigestMismatch, IntegrityError
from bwc.groupleaf import SEED_BYTES
from bwc.jobs import Jobs
from bwc.media.build import work_of
from bwc.media.facts import VideoFacts
from bwc.media.gops import CodedPictures, Sample, Uncopyable
from bwc.media.group_index import GroupIndex, GroupLeaves
from bwc.media.mp4 import SampleTable
from bwc.media.parameter_sets import ParameterSets
from bwc.media.places import Places
from bwc.redact.cover import fill_of
from bwc.redact.gop_job import Encoding, GopDone, GopTask, render_gop
from bwc.redact.plan import DECODING, Coverage, FrameCover, RedactionPlan
from bwc.redact.rendering import CRF, KEY_INTERVAL, PRESET, Account, CopiedRun, Pieces, Progress, Scratch

MOST_GROUP_BYTES = 64 << 20  # of one group in memory: over a minute at 8 Mbit/s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    number: int
    first: int  # ordinal
    pts: tuple[int, ...]
    samples: tuple[bytes, ...]
    covers: tuple[FrameCover, ...]
    head: int  # frames from the beginning that are copied

    @property
    def is_clean(self) -> bool:
        return self.head == len(self.pts)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.samples))


class Groups:
    """A recording seen as groups. Making one reads its packets once. Raises `Uncopyable`."""

    def __init__(
        self, original: BinaryIO, video: VideoFacts, plan: RedactionPlan, index: GroupIndex | None = None
    ) -> None:
        """With `index`, taken when the recording was taken in, every group is compared with it, and copies are proven."""
        self._original, self._plan, self._index = original, plan, index
        self._is_proven = _is_proven_clean(plan)
        self._fill = fill_of(plan.effect, video)
        self._places = Places(plan.media.frames)
        with CodedPictures(original, packets=True) as coded:
            if coded.time_base != plan.media.time_base:
                raise Uncopyable("its clock is not the plan's")
            self._sets = coded.sets
            self._leaves = GroupLeaves(coded, index.seed if index else bytes(SEED_BYTES))
            self._survey(coded)
        self._encoding = Encoding(
            width=plan.media.width,
            height=plan.media.height,
            time_base=plan.media.time_base,
            rate=video.rate,
            colour=video.colour,
            sar=video.sar,
            crf=CRF,
            preset=PRESET,
            key_interval=KEY_INTERVAL,
            source=self._sets,
        )
        encoder = self._encoding.encoder()
        self._own_avcc = encoder.avcc
        self.avcc = self._sets.joined(ParameterSets.of(encoder.avcc)).avcc()
        self.settings: Mapping[str, Json] = encoder.settings

    def _survey(self, coded: CodedPictures) -> None:
        """The recording holds exactly the plan's frames, in groups that fit memory."""
        wanted = iter(self._plan.media.pts)
        size, fits = 0, True
        for sample in coded:
            fits = fits and sample.pts == next(wanted, None)
            if fits:
                self._places.add(sample)
            size = len(sample.data) + (0 if sample.is_idr else size)
            if size > MOST_GROUP_BYTES:
                raise Uncopyable(f"a group of pictures has more than {MOST_GROUP_BYTES >> 20} MiB")
        if not fits or next(wanted, None) is not None:
            raise Uncopyable("its frames are not the plan's")

    def render(
        self, piece: Scratch, *, jobs: Jobs, pieces: Pieces | None, progress: Progress | None
    ) -> tuple[SampleTable, Account]:
        """Write the samples of the copy to `piece`, in order."""
        table, account = SampleTable(), Account()

        def put(data: bytes, pts: int, *, key: bool) -> None:
            piece.write(data)
            table.add(size=len(data), pts=pts, key=key)

        for (group, name, kept), answer in jobs.in_order(
            render_gop, self._steps(pieces), weigh=lambda step: step[0].size_bytes
        ):
            done = kept or answer
            if done is not None and done.damaged:
                raise Uncopyable("not all of its pictures decode cleanly")
            for place in range(group.head):
                put(group.samples[place], group.pts[place], key=place == 0)
            if not group.is_clean:
                self._check(done)
                for sample in done.samples if done else ():
                    put(sample.data, group.pts[0] + sample.pts, key=sample.key)
            if pieces is not None and done is not None and kept is None and not group.is_clean:
                pieces.put(name, done.to_bytes())
            self._enter(account, group)
            if progress:
                progress(account.frames, self._plan.media.frames or None)
        if self._index is not None and account.groups != len(self._index.leaves):
            raise IntegrityError("the recording has another number of groups than was recorded")
        account.proof = self._proof(account)
        return table, account

    def _check(self, done: GopDone | None) -> None:
        if done is None or done.avcc != self._own_avcc:
            raise IntegrityError("groups of one copy were encoded with different parameter sets", "bwc doctor")

    def _enter(self, account: Account, group: _Group) -> None:
        account.groups += 1
        account.frames += len(group.pts)
        account.covered += sum(not cover.is_clear for cover in group.covers)
        rest = self._compared(group)
        if group.head:
            account.copied.append(
                CopiedRun(
                    group=group.number,
                    first=group.first,
                    frames=group.head,
                    of=len(group.pts),
                    start=self._leaves.start(group.pts[0]),
                    rest=rest,
                )
            )

    def _compared(self, group: _Group) -> bytes:
        """The chain behind the copied pictures of a group that is the one recorded. Raises `IntegrityError` if it is not."""
        if self._index is None:
            return b""
        digests = self._leaves.digests(group.pts, group.samples)
        leaf = self._leaves.leaf(group.number, group.pts, digests)
        if self._index.leaves[group.number : group.number + 1] != (leaf,):
            raise DigestMismatch(f"group {group.number} of the recording is not the one recorded when it was taken in")
        return self._leaves.rest(group.number, digests, group.head)

    def _proof(self, account: Account) -> dict[str, Json] | None:
        """docs/formats/picture-groups.md: what an outsider needs to see that copied pictures are the recorded ones."""
        if self._index is None or not account.copied:
            return None
        return {
            "copied": [[run.group, run.first, run.frames, run.of, run.start, run.rest.hex()] for run in account.copied],
            "format": "bwc.copied-groups/1",
            "leaves": [leaf.hex() for leaf in self._index.leaves],
            "sets_sha256": self._leaves.sets.hex(),
            "timescale": self._leaves.timescale,
        }

    def _steps(self, pieces: Pieces | None) -> Iterator[tuple[tuple[_Group, str, GopDone | None], GopTask | None]]:
        """Each group with its task; without one where there is nothing to do, or where a piece has the answer."""
        for group in self._groups():
            if group.is_clean and self._is_proven:
                yield (group, "", None), None
                continue
            task = GopTask(
                encoding=self._encoding,
                samples=group.samples,
                pts=tuple(pts - group.pts[0] for pts in group.pts),
                head=group.head,
                covers=group.covers[group.head :],
                effect=self._plan.effect,
                fill=self._fill,
            )
            name = task.digest({**work_of(), **self.settings}) if pieces is not None else ""
            found = pieces.get(name) if pieces is not None and not group.is_clean else None
            kept = GopDone.from_bytes(found) if found is not None else None
            yield (group, name, kept), None if kept else task

    def _groups(self) -> Iterator[_Group]:
        covers = Coverage(self._plan)
        waiting: list[Sample] = []
        number = first = 0
        for sample in self._samples():
            if sample.is_idr and waiting:
                yield _group(number, first, waiting, covers)
                number, first, waiting = number + 1, first + len(waiting), []
            waiting.append(sample)
        if waiting:
            yield _group(number, first, waiting, covers)

    def _samples(self) -> Iterator[Sample]:
        if self._places.are_known:
            yield from self._places.read(self._original, self._plan.media.pts, self._sets)
            return
        with CodedPictures(self._original) as coded:
            yield from coded


def _group(number: int, first: int, samples: list[Sample], covers: Coverage) -> _Group:
    found = tuple(covers.at(first + place) for place in range(len(samples)))
    # A group with user data is encoded from its beginning: nothing the camera wrote between pictures is carried over.
    tells = any(sample.tells for sample in samples)
    dirty = (place for place, cover in enumerate(found) if not cover.is_clear)
    return _Group(
        number=number,
        first=first,
        pts=tuple(sample.pts for sample in samples),
        samples=tuple(sample.data for sample in samples),
        covers=found,
        head=0 if tells else next(dirty, len(samples)),
    )


def _is_proven_clean(plan: RedactionPlan) -> bool:
    """Whether the analysis, which decoded everything, saw no damage. Raises `Uncopyable` when it saw some.

    A plan that does not say is no proof: then groups that are to be copied are decoded first.
    """
    if plan.media.frames_lost:
        raise Uncopyable(f"{plan.media.frames_lost} of its frames do not decode")
    said = plan.extensions.get(DECODING)
    if not isinstance(said, dict) or "damaged" not in said:
        return False
    if said["damaged"]:
        raise Uncopyable("some of its frames decode with errors")
    return True
