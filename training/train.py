"""Learn: `python train.py --data ../../shared/training --out RUN --minutes 40`. Run it again to go on from there.

Every few minutes RUN/state.pt is written (weights, averaged weights, optimiser, step); RUN/log.txt says how it goes.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from dataset import PLAIN, TIER_A, TIER_B, listing, split
from net import STRIDE, PlateNet
from plates import Fonts
from scenes import SMALLEST, Studio
from torch import Tensor
from torch.nn import functional as fn
from torch.utils.data import DataLoader, IterableDataset

_PEAK, _WARM, _DECAY = 3e-3, 40, 1e-2


class Stream(IterableDataset[dict[str, Tensor]]):
    """Pictures without end, different in every worker and every run."""

    def __init__(self, studio: Studio, seed: int) -> None:
        self.studio, self.seed = studio, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        cv2.setNumThreads(1)
        while True:
            picture, boxes, complete = self.studio.picture(rng)
            heat, sides, weight, care = targets(boxes, self.studio.side)
            yield {
                "picture": torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))),
                "heat": torch.from_numpy(heat),
                "sides": torch.from_numpy(sides),
                "weight": torch.from_numpy(weight),
                "care": torch.from_numpy(care),
                "complete": torch.tensor(complete),
            }


def targets(boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the network should say: heat (1 x n x n), sides (4 x n x n), weight of each cell for the sides and the
    heat, and whether a cell counts at all. A hill stands on each box; its width follows the box."""
    cells = side // STRIDE
    heat, weight = np.zeros((1, cells, cells), np.float32), np.zeros((1, cells, cells), np.float32)
    sides, care = np.ones((4, cells, cells), np.float32), np.ones((1, cells, cells), np.float32)
    middle = (np.arange(cells, dtype=np.float32) + 0.5) * STRIDE
    x, y = middle[None, :], middle[:, None]
    for x0, y0, x1, y1 in boxes:
        if y1 - y0 < SMALLEST - 1.5 or x1 - x0 < SMALLEST - 1.5:
            care[0][(y > y0 - 4) & (y < y1 + 4) & (x > x0 - 4) & (x < x1 + 4)] = 0
            continue
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        sx, sy = max(2.2, 0.16 * (x1 - x0)), max(2.2, 0.16 * (y1 - y0))
        near_x, near_y = middle[np.abs(middle - cx).argmin()], middle[np.abs(middle - cy).argmin()]
        hill = np.exp(-(((x - near_x) / sx) ** 2 + ((y - near_y) / sy) ** 2) / 2).astype(np.float32)
        inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
        own = (hill > heat[0]) & (hill > 0.2) & inside
        share = min(1.0, 8.0 / float(hill[own].sum() or 1.0)) ** 0.6  # a near plate has many cells, a far one three
        for plane, far in zip(sides, (x - x0, y - y0, x1 - x, y1 - y), strict=True):
            plane[own] = np.broadcast_to(far, own.shape)[own]
        weight[0][own] = (hill * share)[own]
        care[0][(hill > 0.05) & (hill > heat[0])] = share
        heat[0] = np.maximum(heat[0], hill)
    return heat, sides, weight, care


def loss_of(heat: Tensor, sides: Tensor, want: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(heat, sides). Heat: cross entropy scaled by the error squared; sides: 1 - generalised overlap."""
    said = heat.sigmoid()
    care = want["care"].clone()
    partly = ~want["complete"][:, None, None, None]
    # Where labels are incomplete, a sure find far from every label may well be a plate nobody marked
    care = torch.where(partly & (want["heat"] < 0.02) & (said.detach() > 0.3), care * 0.1, care)
    error = (want["heat"] - said).abs() ** 2
    plain = fn.binary_cross_entropy_with_logits(heat, want["heat"], reduction="none") * error * care
    count = want["weight"].sum().clamp(min=20.0)
    left, top, right, bottom = sides.unbind(1)
    wl, wt, wr, wb = want["sides"].unbind(1)
    both = (torch.min(left, wl) + torch.min(right, wr)) * (torch.min(top, wt) + torch.min(bottom, wb))
    either = (left + right) * (top + bottom) + (wl + wr) * (wt + wb) - both
    hull = (torch.max(left, wl) + torch.max(right, wr)) * (torch.max(top, wt) + torch.max(bottom, wb))
    giou = both / either.clamp(min=1e-3) - (hull - either) / hull.clamp(min=1e-3)
    return plain.sum() / count * 4, ((1 - giou) * want["weight"][:, 0]).sum() / count


def rate(step: int, done: float) -> float:
    """Warm up by steps, then half a cosine over the planned time."""
    return _PEAK * min(1.0, (step + 1) / _WARM) * (0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * min(1.0, done)))))


def learn(wanted: argparse.Namespace) -> None:
    torch.set_num_threads(wanted.threads)
    wanted.out.mkdir(parents=True, exist_ok=True)
    sources = TIER_A + (TIER_B if wanted.tier == "B" else ())
    real, _ = split(listing(wanted.data, sources))
    plain, _ = split(listing(wanted.data, PLAIN))
    real = [s.loaded() for s in real if len(s.boxes)]
    studio = Studio(real, [s.loaded() for s in plain], Fonts.find(wanted.fonts), wanted.side)
    studio.fill(np.random.default_rng(7))
    net, mean = PlateNet(), PlateNet()
    mean.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=_PEAK, weight_decay=_DECAY)
    place, step, spent = wanted.out / "state.pt", 0, 0.0
    if place.exists():
        state: dict[str, Any] = torch.load(place, weights_only=True)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = int(state["step"]), float(state["spent"])
    net.to(memory_format=torch.channels_last)
    net.train()
    loader = DataLoader(Stream(studio, step), batch_size=wanted.batch, num_workers=wanted.workers, prefetch_factor=3)

    def keep(step: int, spent: float) -> None:
        save(place, {"step": step, "spent": spent}, net=net, mean=mean, optimiser=optimiser)

    start, saved, shown = time.monotonic() - spent, time.monotonic(), [0.0, 0.0]
    with (wanted.out / "log.txt").open("a") as log:
        print(
            f"{len(real)} pictures with plates, {len(plain)} without, tier {wanted.tier}, from step {step}",
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
            heat, sides = loss_of(*net(picture), batch)
            optimiser.zero_grad()
            (heat + sides).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            step += 1
            average(mean, net, min(0.99, step / (step + 20)))
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


def average(mean: PlateNet, net: PlateNet, keep: float) -> None:
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
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--tier", choices=("A", "B"), default="A", help="B: also pictures whose licence is less sure")
    parser.add_argument("--minutes", type=float, default=40, help="of learning in all, over every resumption")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument(
        "--threads", type=int, default=1, help="more gain little and wait for each other on a busy machine"
    )
    parser.add_argument("--workers", type=int, default=1)
    learn(parser.parse_args())


if __name__ == "__main__":
    main()
