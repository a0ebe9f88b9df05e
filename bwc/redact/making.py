"""The redacted copy of an item is made: rendered from its current plan straight into the vault, and recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bwc.canonical import Json, canonical, parse_canonical, sha256_hex
from bwc.custody.house import House
from bwc.errors import DigestMismatch, NotFound, OtherBuild, PlanStale, UsageError
from bwc.evidence import ItemId, ObjectRole
from bwc.jobs import Jobs
from bwc.media.build import build
from bwc.media.group_index import GroupIndex, index_of
from bwc.redact import session
from bwc.redact.excerpt import Excerpt, excerpt_of
from bwc.redact.render import render as render_plan
from bwc.redact.rendering import way_json, way_text

Progress = Callable[[int, int | None], None]
Span = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A redacted copy just made."""

    item: ItemId
    segment: int
    copy_sha256: str
    plan_sha256: str
    frames: int
    frames_lost: int
    size_bytes: int
    way: Mapping[str, Json]  # how: `rendering.way_json`
    way_text: str
    excerpt: tuple[int, int] | None = None  # half-open ordinals of the recording; None: all of it

    def facts(self) -> dict[str, Json]:
        """For the log. Why a recording cannot be copied stays out: the words may be a container's own."""
        return {key: value for key, value in self.to_json().items() if key not in ("item", "render_why")}

    def to_json(self) -> dict[str, Json]:
        return {
            **self.way,
            **({"excerpt": list(self.excerpt)} if self.excerpt else {}),
            "bytes": self.size_bytes,
            "copy_sha256": self.copy_sha256,
            "frames": self.frames,
            "frames_lost": self.frames_lost,
            "item": self.item,
            "plan_sha256": self.plan_sha256,
            "segment": self.segment,
        }


def render(
    house: House,
    item: ItemId,
    *,
    progress: Progress | None = None,
    jobs: Jobs | None = None,
    span: Span | None = None,
    request: str = "",
) -> list[Rendered]:
    """Render the redacted copy of every recording of `item` from its current plan, straight into the vault.

    With `request` from the versions for it.

    With `span` (nanoseconds from the first frame, None: the very end) only that part; of one recording only.
    """
    done = []
    states = session.plans(house, item, request=request)
    if span and len(states) != 1:
        raise UsageError(f"{item} has {len(states)} recordings", "a part can be made of an item with one recording")
    for state in states:
        excerpt = Excerpt.between(state.plan, *span) if span else None
        pieces = house.pieces(item, state.segment)
        with (
            house.open_original(item, state.segment, purpose="render") as original,
            house.sink(item, ObjectRole.COPY, state.segment) as sink,
        ):
            result = render_plan(
                original,
                state.plan,
                sink,
                house.scratch,
                progress,
                jobs=jobs,
                pieces=pieces,
                index=group_index(house, item, state.segment),
                excerpt=excerpt,
            )
        held = sink.held
        one = Rendered(
            item=item,
            segment=state.segment,
            copy_sha256=held.content_digest,
            plan_sha256=state.sha256,
            frames=result.frames,
            frames_lost=result.frames_lost,
            size_bytes=held.plain_bytes,
            way=way_json(result),
            way_text=way_text(result, state.plan.effect) + (f"\nonly {excerpt.text(state.plan)}" if excerpt else ""),
            excerpt=excerpt.facts() if excerpt else None,
        )
        facts = one.facts() | {"build": build(), "encoder": dict(result.encoder)}
        facts |= {"version": state.version} if state.version else {}
        proof = canonical(dict(result.proof)) if result.proof else None
        if proof is not None:
            facts["groups_sha256"] = sha256_hex(proof)
        house.record_copy(item, held, facts, segment=state.segment, proof=proof)
        held.forget()
        pieces.clear()  # only now: whoever is killed before goes on from here
        done.append(one)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """A copy rendered once more, with the very same bytes."""

    item: ItemId
    segment: int
    copy_sha256: str
    frames: int

    def to_json(self) -> dict[str, Json]:
        return {
            "copy_sha256": self.copy_sha256,
            "frames": self.frames,
            "item": self.item,
            "same": True,
            "segment": self.segment,
        }


class _Nowhere:
    def write(self, data: bytes, /) -> None:
        """Only the digest counts."""


def reproduce(
    house: House, item: ItemId, *, progress: Progress | None = None, jobs: Jobs | None = None, request: str = ""
) -> list[Reproduced]:
    """Render every copy of `item` again from its plan and compare; nothing is kept.

    Raises `PlanStale` when the plan is newer than the copy, `OtherBuild` when this build of the codecs, or this class of
    processor, did not make it (its bytes would tell nothing), and `DigestMismatch` when the same build gives other bytes.
    """
    states = session.plans(house, item, request=request)
    rows = [house.latest(item, state.segment, ObjectRole.COPY, version=state.version) for state in states]
    made: list[tuple[session.PlanState, Mapping[str, Json], Excerpt | None]] = []
    for state, row in zip(states, rows, strict=True):
        if row is None:
            raise NotFound(f"{item} has no redacted copy", f"bwc redact {state.words}")
        if row.facts.get("plan_sha256") != state.sha256:
            raise PlanStale(f"the copy of {item} is older than its plan", f"bwc redact {state.words}")
        _check_build(item, row.facts.get("build"))
        made.append((state, row.facts, excerpt_of(state.plan, row.facts)))
    done = []
    for state, recorded, excerpt in made:
        with house.open_original(item, state.segment, purpose="reproduce") as original:
            result = render_plan(original, state.plan, _Nowhere(), house.scratch, progress, jobs=jobs, excerpt=excerpt)
        _check_same(item, "with other settings of the encoder", recorded.get("encoder"), dict(result.encoder))
        copy_sha256 = str(recorded["copy_sha256"])
        if result.copy_sha256 != copy_sha256:
            raise DigestMismatch(
                f"{item} segment {state.segment}: rendering it again gives {result.copy_sha256}, recorded is {copy_sha256}"
            )
        done.append(Reproduced(item=item, segment=state.segment, copy_sha256=copy_sha256, frames=result.frames))
    return done


def _check_build(item: ItemId, recorded: Json | None) -> None:
    if not isinstance(recorded, dict):
        raise OtherBuild(f"the copy of {item} does not say what build made it", f"bwc redact {item}")
    _check_same(item, "by another build", recorded, build())


def _check_same(item: ItemId, what: str, recorded: Json | None, here: Mapping[str, Json]) -> None:
    """Another build or other settings give other bytes by right: to say that they differ would say nothing."""
    said = recorded if isinstance(recorded, dict) else {}
    other = sorted(name for name in said.keys() | here.keys() if said.get(name) != here.get(name))
    if other:
        raise OtherBuild(
            f"the copy of {item} was made {what} ({', '.join(other)}): its bytes cannot be compared here",
            "use the machine and version that made it: bwc log ITEM --json names them",
            details=[{"name": name, "recorded": said.get(name), "here": here.get(name)} for name in other],
        )


def group_index(house: House, item: ItemId, segment: int) -> GroupIndex | None:
    """The digests of groups of pictures taken when the recording came in; None where there are none."""
    row = house.latest(item, segment, ObjectRole.FACTS)
    if row is None:
        return None
    document = parse_canonical(house.read(row.object_id))
    return index_of(document) if isinstance(document, dict) else None
