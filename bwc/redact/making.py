"""The redacted copy of an item is made: rendered from its current plan straight into the vault, and recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bwc.canonical import Json, canonical, parse_canonical, sha256_hex
from bwc.custody.house import House
from bwc.evidence import ItemId, ObjectRole
from bwc.jobs import Jobs
from bwc.media.group_index import GroupIndex, index_of
from bwc.redact import session
from bwc.redact.render import render as render_plan
from bwc.redact.rendering import way_json, way_text

Progress = Callable[[int, int | None], None]


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

    def facts(self) -> dict[str, Json]:
        """For the log. Why a recording cannot be copied stays out: the words may be a container's own."""
        return {key: value for key, value in self.to_json().items() if key not in ("item", "render_why")}

    def to_json(self) -> dict[str, Json]:
        return {
            **self.way,
            "bytes": self.size_bytes,
            "copy_sha256": self.copy_sha256,
            "frames": self.frames,
            "frames_lost": self.frames_lost,
            "item": self.item,
            "plan_sha256": self.plan_sha256,
            "segment": self.segment,
        }


def render(house: House, item: ItemId, *, progress: Progress | None = None, jobs: Jobs | None = None) -> list[Rendered]:
    """Render the redacted copy of every recording of `item` from its current plan, straight into the vault."""
    done = []
    for state in session.plans(house, item):
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
                index=group_index(house, item, state.segment),
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
            way_text=way_text(result),
        )
        facts = one.facts() | {"encoder": dict(result.encoder)}
        proof = canonical(dict(result.proof)) if result.proof else None
        if proof is not None:
            facts["groups_sha256"] = sha256_hex(proof)
        house.record_copy(item, held, facts, segment=state.segment, proof=proof)
        held.forget()
        done.append(one)
    return done


def group_index(house: House, item: ItemId, segment: int) -> GroupIndex | None:
    """The digests of groups of pictures taken when the recording came in; None where there are none."""
    row = house.latest(item, segment, ObjectRole.FACTS)
    if row is None:
        return None
    document = parse_canonical(house.read(row.object_id))
    return index_of(document) if isinstance(document, dict) else None
