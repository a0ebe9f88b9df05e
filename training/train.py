"""Learn: `python train.py --data ../../shared/training --faces heads.json --out RUN --minutes 40`. Run it again to go on from there.

Every few minutes RUN/state.pt is written (weights, averaged weights, optimiser, step); RUN/log.txt says how it goes.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from dataset import HEAD, PLAIN, PLATE, TIER_A, TIER_B, listing, split
from net import KINDS, STRIDES, Finder
from plates import Fonts
from scenes import SMALLEST, Studio
from torch import Tensor
from torch.nn import functional as fn
from torch.utils.data import DataLoader, IterableDataset

_PEAK, _WARM, _DECAY = 2.5e-3, 150, 2e-2


class Stream(IterableDataset[dict[str, Tensor]]):
    """Pictures without end, different in every worker and every run."""

    def __init__(self, studio: Studio, seed: int) -> None:
        self.studio, self.seed = studio, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        cv2.setNumThreads(1)
        while True:
            picture, boxes, care = self.studio.picture(rng)
            made = targets(boxes, self.studio.side)
            yield {
                "picture": torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))),
                "elsewhere": torch.tensor(care),
            } | {name: torch.from_numpy(values) for name, values in made.items()}


# Which map answers for which size (root of width times height): they overlap, so none is missed at a border
_REACH = ((0.0, 46.0), (36.0, 104.0), (84.0, 1e9))


def targets(boxes: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """What the network should say at every cell of its maps, one after the other.

    `want` (kinds x cells): 1 in the middle of a box; `sides` (kinds x 4 x cells) and their `weight` there; `care`:
    how much a cell counts, less in the rest of a box, not at all where something is too small to be learnt.
    """
    places = [_cells(side, stride) for stride in STRIDES]
    x, y = (np.concatenate([p[i] for p in places]) for i in (0, 1))
    step = np.concatenate([np.full(len(p[0]), s, np.float32) for p, s in zip(places, STRIDES, strict=True)])
    kinds, count = len(KINDS), len(x)
    want, weight = np.zeros((kinds, count), np.float32), np.zeros((kinds, count), np.float32)
    sides, care = np.ones((kinds, 4, count), np.float32), np.ones((kinds, count), np.float32)
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))  # a near box does not hide a far one
    for x0, y0, x1, y1, kind in boxes[order]:
        k, wide, high = int(kind), x1 - x0, y1 - y0
        inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
        if high < SMALLEST[k] - 1.5 or wide < SMALLEST[k] - 1.5:
            care[k][(x > x0 - 8) & (x < x1 + 8) & (y > y0 - 8) & (y < y1 + 8)] = 0
            continue
        cx, cy, size = (x0 + x1) / 2, (y0 + y1) / 2, float(np.sqrt(wide * high))
        care[k][inside & (want[k] == 0)] = 0.2
        for stride, (low, most) in zip(STRIDES, _REACH, strict=True):
            if not low <= size < most:
                continue
            far_x, far_y = np.abs(x - cx), np.abs(y - cy)
            core = (
                (step == stride) & (far_x <= max(0.2 * wide, 0.51 * stride)) & (far_y <= max(0.2 * high, 0.51 * stride))
            )
            core &= (far_x < 0.49 * max(wide, stride)) & (far_y < 0.49 * max(high, stride)) | (far_x + far_y <= stride)
            want[k][core], care[k][core] = 1.0, 1.0
            weight[k][core] = float(core.sum() or 1) ** -0.5
            for plane, far in zip(sides[k], (x - x0, y - y0, x1 - x, y1 - y), strict=True):
                plane[core] = np.maximum(far[core], 0.5)
    care[want > 0] = weight[want > 0] * 1.5
    return {"want": want, "sides": sides, "weight": weight, "care": care}


def _cells(side: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    middle = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride
    y, x = np.meshgrid(middle, middle, indexing="ij")
    return x.ravel(), y.ravel()


def loss_of(found: list[tuple[Tensor, Tensor]], made: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(finds, sides). Finds: cross entropy, of empty cells scaled by how sure the network is; sides: 1 - generalised overlap."""
    logits = torch.cat([heat.flatten(2) for heat, _ in found], 2)
    sides = torch.cat([far.flatten(2) for _, far in found], 2).unflatten(1, (len(KINDS), 4))
    want, weight, care = made["want"], made["weight"], made["care"]
    said = logits.detach().sigmoid()
    # Where labels are incomplete, a sure find far from every label may well be one that nobody marked
    elsewhere = made["elsewhere"][:, :, None].expand_as(care)
    care = torch.where((want == 0) & ((said > 0.3) | (elsewhere == 0)), care * elsewhere, care)
    scale = torch.where(want > 0, torch.ones_like(said), said**1.5)
    plain = fn.binary_cross_entropy_with_logits(logits, want, reduction="none") * scale * care
    # each kind by the number of its pair, so that what is drawn of the later ones does not weaken the earlier ones
    pairs = weight.unflatten(1, (-1, 2)).sum(dim=(0, 2, 3)).clamp(min=4.0)
    count = pairs.repeat_interleave(2)[None, :, None].expand_as(weight)
    chosen = weight > 0
    left, top, right, bottom = sides.permute(0, 1, 3, 2)[chosen].unbind(1)
    wl, wt, wr, wb = made["sides"].permute(0, 1, 3, 2)[chosen].unbind(1)
    both = (torch.min(left, wl) + torch.min(right, wr)) * (torch.min(top, wt) + torch.min(bottom, wb))
    either = (left + right) * (top + bottom) + (wl + wr) * (wt + wb) - both
    hull = (torch.max(left, wl) + torch.max(right, wr)) * (torch.max(top, wt) + torch.max(bottom, wb))
    giou = both / either.clamp(min=1e-3) - (hull - either) / hull.clamp(min=1e-3)
    return (plain / count).sum(), ((1 - giou) * (weight / count)[chosen]).sum()


def rate(step: int, done: float) -> float:
    """Warm up by steps, then half a cosine over the planned time."""
    return _PEAK * min(1.0, (step + 1) / _WARM) * (0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * min(1.0, done)))))


def learn(wanted: argparse.Namespace) -> None:
    cv2.setNumThreads(0)  # its threads would not live on in the process that draws, and it would wait for them for ever
    torch.set_num_threads(wanted.threads)
    wanted.out.mkdir(parents=True, exist_ok=True)
    sources = TIER_A + (TIER_B if wanted.tier == "B" else ())
    faces = json.loads(wanted.faces.read_text())
    real = [s.loaded() for s in split(listing(wanted.data, sources, faces))[0] if len(s.of(PLATE))]
    plain = [s.loaded() for s in split(listing(wanted.data, PLAIN, faces))[0]]
    people = [s for s in [*plain, *real] if len(s.of(HEAD))]
    studio = Studio(real, people, plain, Fonts.find(wanted.fonts), wanted.side)
    studio.fill(np.random.default_rng(7))
    net, mean = Finder(), Finder()
    mean.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=_PEAK, weight_decay=_DECAY)
    place, step, spent = wanted.out / "state.pt", 0, 0.0
    if place.exists():
        state: dict[str, Any] = widened(torch.load(place, weights_only=True), net)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = int(state["step"]), float(state["spent"])
    net.to(memory_format=torch.channels_last)
    net.train()
    loader = DataLoader(
        Stream(studio, step),
        batch_size=wanted.batch,
        num_workers=wanted.workers,
        prefetch_factor=3,
        worker_init_fn=lambda _: os.setsid(),  # Linux shares a busy machine by session: drawing must not slow learning
    )

    def keep(step: int, spent: float) -> None:
        save(place, {"step": step, "spent": spent}, net=net, mean=mean, optimiser=optimiser)

    start, saved, shown = time.monotonic() - spent, time.monotonic(), [0.0, 0.0]
    with (wanted.out / "log.txt").open("a") as log:
        print(
            f"{len(real)} pictures with plates, {len(plain)} without, {len(people)} with heads, tier {wanted.tier}, from step {step}",
            file=log,
            flush=True,
        )
        for batch in loader:
            done = (time.monotonic() - start) / 60 / wanted.minutes
            if done >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = rate(step, done)
            picture = batch["picture"].float().contiguous(memory_format=torch.channels_last)
            heat, sides = loss_of(net(picture), batch)
            optimiser.zero_grad()
            (heat + 1.5 * sides).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            step += 1
            average(mean, net, min(0.998, step / (step + 20)))
            shown = [shown[0] + float(heat.detach()), shown[1] + float(sides.detach())]
            if step % 20 == 0:
                print(
                    f"{step} {time.monotonic() - start:.0f} s heat {shown[0] / 20:.4f} sides {shown[1] / 20:.4f}",
                    file=log,
                    flush=True,
                )
                shown = [0.0, 0.0]
            if time.monotonic() - saved > 120:
                keep(step, time.monotonic() - start)
                saved = time.monotonic()
    keep(step, time.monotonic() - start)


def widened(state: dict[str, Any], net: Finder) -> dict[str, Any]:
    """`state` with rows for the kinds that it does not know yet, taken from the fresh `net`; the rows it has stay."""
    fresh = net.state_dict()
    names = [name for name in fresh if name.startswith("outs.")]
    had = state["net"][names[0]].shape[0] // 5
    if had == len(KINDS):
        return state
    rows = torch.tensor([*range(had), *range(len(KINDS), len(KINDS) + 4 * had)])

    def grown(old: Tensor, new: Tensor) -> Tensor:
        wide = new.clone()
        wide[rows] = old
        return wide

    for part in ("net", "mean"):
        state[part] |= {name: grown(state[part][name], fresh[name]) for name in names}
    place = {name: number for number, (name, _) in enumerate(net.named_parameters())}
    for name in names:
        kept = state["optimiser"]["state"][place[name]]
        for moment in ("exp_avg", "exp_avg_sq"):
            # the fresh rows begin with the common size of a gradient, else their first steps would be too long
            start = torch.zeros_like(fresh[name]) + (kept[moment].mean() if moment == "exp_avg_sq" else 0.0)
            kept[moment] = grown(kept[moment], start)
    return state


def average(mean: Finder, net: Finder, keep: float) -> None:
    """Move the averaged weights a little towards the present ones: steadier than any single step."""
    with torch.no_grad():
        for slow, fast in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
            if slow.dtype.is_floating_point:
                slow.mul_(keep).add_(fast, alpha=1 - keep)
            else:
                slow.copy_(fast)


def save(place: Path, progress: dict[str, int | float], **parts: torch.nn.Module | torch.optim.Optimizer) -> None:
    """Written beside, then renamed: a run that is stopped leaves the last whole state."""
    partial = place.with_suffix(".part")
    torch.save({name: part.state_dict() for name, part in parts.items()} | progress, partial)
    partial.replace(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--faces", type=Path, required=True, help="what teach.py wrote")
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--tier", choices=("A", "B"), default="A", help="B: also pictures whose licence is less sure")
    parser.add_argument("--minutes", type=float, default=40, help="of learning in all, over every resumption")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument(
        "--threads", type=int, default=1, help="more gain little and wait for each other on a busy machine"
    )
    parser.add_argument("--workers", type=int, default=1)
    learn(parser.parse_args())


if __name__ == "__main__":
    main()
