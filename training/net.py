"""A small anchor-free network: one map at stride 4 that says "middle of a plate" and how far its four sides are.

Input n x 3 x h x w, blue green red, 0 to 255, h and w multiples of 32. Outputs at h/4 x w/4: `heat` (logits, n x 1)
and `sides` (n x 4: left, top, right, bottom from the middle of the cell, in pixels). Random start, no weights of others.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

STRIDE = 4
_MEAN, _SCALE = 114.0, 1 / 64.0


def _conv(inward: int, outward: int, kernel: int, *, step: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, kernel, step, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outward, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, with a short cut where shapes allow."""

    def __init__(self, inward: int, outward: int, kernel: int = 3, step: int = 1) -> None:
        super().__init__()
        # Nothing between the two: a norm and a bend there cost a third of the training time
        self.across = nn.Conv2d(inward, inward, kernel, step, kernel // 2, groups=inward, bias=False)
        self.along = _conv(inward, outward, 1)
        self.short = inward == outward and step == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.along(self.across(x))
        return cast(Tensor, x + y if self.short else y)


class PlateNet(nn.Module):
    """About 0.3 million weights; 960 x 544 in about 25 ms on one core."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 16, 3, step=2)
        self.c2 = nn.Sequential(Separable(16, 32, step=2), Separable(32, 32))
        self.c3 = nn.Sequential(Separable(32, 64, step=2), Separable(64, 64), Separable(64, 64))
        self.c4 = nn.Sequential(Separable(64, 128, 5, 2), Separable(128, 128, 5), Separable(128, 128, 5))
        self.c5 = nn.Sequential(Separable(128, 192, 5, 2), Separable(192, 192, 5), Separable(192, 192, 5))
        self.l5, self.l4, self.l3 = (nn.Conv2d(n, 64, 1) for n in (192, 128, 64))
        self.m4, self.m3 = Separable(64, 64, 5), Separable(64, 64)
        self.l2, self.d2 = nn.Conv2d(32, 32, 1), nn.Conv2d(64, 32, 1)
        self.head = nn.Sequential(Separable(32, 32), Separable(32, 32))
        self.out = nn.Conv2d(32, 5, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            assert self.out.bias is not None
            self.out.bias.copy_(torch.tensor([-4.0, 0.5, 0.0, 0.5, 0.0]))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        x2 = self.c2(self.stem((picture - _MEAN) * _SCALE))
        x3 = self.c3(x2)
        x4 = self.c4(x3)
        p4 = self.m4(self.l4(x4) + _double(self.l5(self.c5(x4))))
        p3 = self.m3(self.l3(x3) + _double(p4))
        out = self.out(self.head(fn.relu(self.l2(x2) + _double(self.d2(p3)))))
        return out[:, :1], torch.exp(out[:, 1:].clamp(-4.0, 5.0)) * 8.0


def _double(x: Tensor) -> Tensor:
    return fn.interpolate(x, scale_factor=2.0, mode="nearest")
