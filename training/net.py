"""A small anchor-free network with four kinds of find, plates, heads, screens and papers, on three maps at strides 8, 16 and 32.

Input n x 3 x h x w, blue green red, 0 to 255, h and w multiples of 32. For each map it gives logits (n x 4, one for each
kind) and sides (n x 16: left, top, right, bottom from the middle of the cell, in pixels, for each kind).
Random start, no weights of others. Plain convolutions of few channels: on a CPU they run, and above all learn, faster
than depthwise ones of the same cost on paper (31 ms a picture of 320 pixels for three times the weights, against 25).
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

KINDS = ("plate", "head", "screen", "paper")
STRIDES = (8, 16, 32)
_MEAN, _SCALE = 114.0, 1 / 64.0
_WIDE = 64


def _conv(inward: int, outward: int, kernel: int, *, step: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, kernel, step, kernel // 2, bias=False),
        nn.BatchNorm2d(outward, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, with a short cut."""

    def __init__(self, wide: int, kernel: int) -> None:
        super().__init__()
        self.across = nn.Conv2d(wide, wide, kernel, 1, kernel // 2, groups=wide, bias=False)
        self.along = _conv(wide, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.along(self.across(x)))


class Narrow(nn.Module):
    """Half the channels, a full 3 x 3 convolution back to all of them, and a short cut."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(wide, wide // 2, 1), _conv(wide // 2, wide, 3))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.body(x))


class Finder(nn.Module):
    """About 0.7 million weights; 960 x 544 in about 25 ms on one core."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 16, 3, step=2), _conv(16, 32, 3, step=2))
        self.c3 = nn.Sequential(_conv(32, 64, 3, step=2), Narrow(64), Narrow(64))
        self.c4 = nn.Sequential(_conv(64, 96, 3, step=2), Narrow(96), Narrow(96), Narrow(96))
        self.c5 = nn.Sequential(_conv(96, 128, 3, step=2), Narrow(128), Narrow(128), Narrow(128))
        self.inward = nn.ModuleList(nn.Conv2d(wide, _WIDE, 1) for wide in (64, 96, 128))
        self.mixed = nn.ModuleList(Separable(_WIDE, 3) for _ in STRIDES)
        self.heads = nn.ModuleList(nn.Sequential(Separable(_WIDE, 3), Separable(_WIDE, 5)) for _ in STRIDES)
        self.outs = nn.ModuleList(nn.Conv2d(_WIDE, 5 * len(KINDS), 1) for _ in STRIDES)
        for out in self.outs:
            assert isinstance(out, nn.Conv2d)
            assert out.bias is not None
            nn.init.normal_(out.weight, std=0.01)
            with torch.no_grad():
                out.bias.copy_(torch.tensor([-4.6] * len(KINDS) + [0.7] * 4 * len(KINDS)))

    def forward(self, picture: Tensor) -> list[tuple[Tensor, Tensor]]:
        x3 = self.c3(self.stem((picture - _MEAN) * _SCALE))
        x4 = self.c4(x3)
        x5 = self.c5(x4)
        p5 = self.mixed[2](self.inward[2](x5))
        p4 = self.mixed[1](self.inward[1](x4) + _double(p5))
        p3 = self.mixed[0](self.inward[0](x3) + _double(p4))
        found = []
        for map_, head, out, stride in zip((p3, p4, p5), self.heads, self.outs, STRIDES, strict=True):
            said = out(head(map_))
            kinds = len(KINDS)
            found.append((said[:, :kinds], torch.exp(said[:, kinds:].clamp(-4.0, 4.0)) * stride))
        return found


def _double(x: Tensor) -> Tensor:
    return fn.interpolate(x, scale_factor=2.0, mode="nearest")
