"""Planted leaks: does the check find pieces taken out of good plans, and does it leave good copies alone?

    python tests/accuracy/leaks.py DATA [--work DIR] [--copies 2] [--only NAME] [--stride N] [--whole]

Every clip of DATA with a truth file, and the hard set: its plan is made once (kept in the work folder), topped up from
the truth, and rendered and checked as it is (false suspects). Then copies with pieces missing are rendered and checked; with `--whole` copies in which some people and plates
are not hidden at all, so that nothing in the plan tells of them.
Goals: at least 95 % of leaks longer than 5 frames and 20 px found, at most 1 false suspect a minute on good copies.
About 20 CPU minutes; seeded: the same pieces every time.
"""

import argparse
import io
import json
import random
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from run import dataset  # noqa: E402

from bwc.canonical import sha256_hex  # noqa: E402
from bwc.redact.check import check  # noqa: E402
from bwc.redact.check_finders import Finders  # noqa: E402
from bwc.redact.check_report import CheckReport  # noqa: E402
from bwc.redact.detect import analyse  # noqa: E402
from bwc.redact.lookout import lookout_for  # noqa: E402
from bwc.redact.loose import SealedScratch  # noqa: E402
from bwc.redact.measuring import Clip, clips_in  # noqa: E402
from bwc.redact.plan import RedactionPlan  # noqa: E402
from bwc.redact.plan_format import from_bytes, to_bytes  # noqa: E402
from bwc.redact.profiles import profile_named  # noqa: E402
from bwc.redact.render import render  # noqa: E402
from bwc.roles import Policy  # noqa: E402
from tests.accuracy.planting import Leak, good_plan, is_about_somebody, is_pointed_at, leaks_of, plant, plant_whole  # noqa: E402

AT_ONCE = {"synth_street_day": 40, "synth_night_flashlight": 16}  # pieces in one copy; others 6
MOST = 6
MOST_WHOLE = 8
MAKERS = (
    "answers",
    "cadence",
    "cuts",
    "detect",
    "flow",
    "heads",
    "likeness",
    "motion",
    "path",
    "profiles",
    "track",
    "verdict",
)


@dataclass
class Tally:
    """What all copies together gave."""

    leaks: int = 0
    found: int = 0
    good_suspects: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)  # on people the truth leaves out: true, but no goal
    seconds: float = 0.0
    missed: list[str] = field(default_factory=list)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    check_cpu: float = 0.0
    frames: int = 0


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Memory(io.BytesIO):
    """A copy in memory."""


def rendered(clip: Clip, plan: RedactionPlan, work: Path) -> bytes:
    sink = _Memory()
    with clip.path.open("rb") as original:
        render(original, plan, sink, lambda: SealedScratch(work))
    return sink.getvalue()


def checked(
    clip: Clip, copy: bytes, plan: RedactionPlan, finders: Finders, tally: Tally, stride: int | None
) -> CheckReport:
    before = _cpu()
    with clip.path.open("rb") as original:
        report = check(original, io.BytesIO(copy), plan, finders=finders, stride=stride)
    tally.check_cpu += _cpu() - before
    tally.frames += report.frames
    return report


@cache
def maker(profile: str) -> str:
    """What a plan is made by, in short: its detectors' files and settings, and the code that follows what they see."""
    models = [(one.name, one.file_sha256, dict(one.settings)) for one in lookout_for(profile_named(profile)).describe()]
    code = [(ROOT / "bwc" / "redact" / f"{name}.py").read_text(encoding="utf-8") for name in MAKERS]
    return sha256_hex(repr((models, code)).encode())[:12]


def plan_of(clip: Clip, work: Path, profile: str) -> RedactionPlan:
    saved = work / "plans" / f"{clip.path.stem}.{profile}.{maker(profile)}.plan.json"
    if saved.is_file():
        return from_bytes(saved.read_bytes())
    data = clip.path.read_bytes()
    plan = analyse(
        io.BytesIO(data), content_sha256=sha256_hex(data), item=None, segment=0, profile=profile, policy=Policy(), now=datetime.now(UTC)
    )  # fmt: skip
    saved.parent.mkdir(parents=True, exist_ok=True)
    saved.write_bytes(to_bytes(plan))
    return plan


def judge_good(clip: Clip, plan: RedactionPlan, report: CheckReport, tally: Tally) -> None:
    tally.seconds += float(plan.media.duration * plan.media.time_base)
    for one in report.suspects:
        text = (
            f"{clip.name} {one.id} {one.class_} {one.sight.value} #{one.first}-{one.last} x{one.sightings} "
            f"best {one.best_permille} {one.boxes[0][1:]}"
        )
        (tally.unlabelled if is_about_somebody(one, clip.frames, plan) else tally.good_suspects).append(text)
    for fault in report.faults:
        tally.good_suspects.append(f"{clip.name} FAULT {fault.fault.value} {fault.detail}")


def judge_planted(clip: Clip, report: CheckReport, leaks: list[Leak], tally: Tally) -> None:
    for leak in leaks:
        hit = is_pointed_at(leak, report.suspects)
        tally.leaks += 1
        tally.found += hit
        size = next(low for low in (100, 40, 20) if leak.height >= low)
        frames = next(low for low in (60, 30, 12, 6) if len(leak.boxes) >= low)
        for key in (f"{size} px", f"{frames} frames", leak.subject[0], clip.name.split("/")[0]):
            row = tally.sizes.setdefault(key, [0, 0])
            row[0] += hit
            row[1] += 1
        if not hit:
            tally.missed.append(
                f"{clip.name} {leak.subject} #{leak.first} {len(leak.boxes)} frames {leak.height} px {leak.boxes[leak.first]}"
            )


def clips(data: Path, work: Path, only: str) -> Iterator[Clip]:
    for clip in clips_in(dataset(data, work)):
        if not only or any(name in clip.name for name in only.split(",")):
            yield clip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "accuracy")
    parser.add_argument(
        "--copies", type=int, default=2, help="with pieces missing, of each clip; of short clips three times as many"
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--stride", type=int)
    parser.add_argument("--profile", default="balanced")
    parser.add_argument(
        "--whole", action="store_true", help="take whole people and plates away, not pieces of their tracks"
    )
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--plans-only", action="store_true", help="make the plans and stop")
    wanted = parser.parse_args()
    wanted.work.mkdir(parents=True, exist_ok=True)
    finders, tally = Finders.open(), Tally()
    for clip in clips(wanted.data, wanted.work, wanted.only):
        plan = good_plan(plan_of(clip, wanted.work, wanted.profile), clip.frames)
        if wanted.plans_only:
            continue
        if not wanted.whole:  # good copies are the same ones
            good = checked(clip, rendered(clip, plan, wanted.work), plan, finders, tally, wanted.stride)
            judge_good(clip, plan, good, tally)
        copies = wanted.copies * (1 if plan.media.frames > 100 else 3) if any(clip.frames) else 0
        for copy in range(copies):
            chance = random.Random(f"{wanted.seed} {clip.name} {copy}")
            if wanted.whole:
                holed = plant_whole(plan, clip.frames, chance, MOST_WHOLE)
            else:
                holed = plant(plan, clip.frames, chance, AT_ONCE.get(clip.path.stem, MOST))
            leaks = [leak for leak in leaks_of(holed, clip.frames) if leak.counts]
            report = checked(clip, rendered(clip, holed, wanted.work), holed, finders, tally, wanted.stride)
            judge_planted(clip, report, leaks, tally)
        print(f"{clip.name}: {tally.found}/{tally.leaks} so far, {len(tally.good_suspects)} on good copies", flush=True)
    if wanted.plans_only:
        return 0
    show(tally)
    (wanted.work / "leaks.json").write_text(json.dumps(tally.__dict__, indent=1))
    per_minute = len(tally.good_suspects) * 60 / max(1e-9, tally.seconds)
    return 0 if tally.found >= 0.95 * tally.leaks and per_minute <= 1 else 1


def show(tally: Tally) -> None:
    print(f"found {tally.found} of {tally.leaks} planted leaks: {tally.found / max(1, tally.leaks):.1%}")
    for key, (hit, total) in sorted(tally.sizes.items()):
        print(f"  {key}: {hit}/{total}")
    for line in tally.missed:
        print(f"  missed: {line}")
    print(
        f"{len(tally.good_suspects)} suspects on good copies in {tally.seconds:.0f} s: {len(tally.good_suspects) * 60 / max(1e-9, tally.seconds):.2f} a minute"
    )
    for line in tally.good_suspects:
        print(f"  {line}")
    print(f"and {len(tally.unlabelled)} on people whom the truth ignores")
    for line in tally.unlabelled:
        print(f"  {line}")
    print(f"check: {1000 * tally.check_cpu / max(1, tally.frames):.1f} CPU ms a frame")


if __name__ == "__main__":
    sys.exit(main())
