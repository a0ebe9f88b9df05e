"""Write the network as ONNX: `python export.py RUN/state.pt finder.onnx`. Batch 1, any size in whole steps of 32.

Input `picture` (1 x 3 x h x w, blue green red, 0 to 255). Outputs over all cells of the maps at strides 8, 16 and 32, one
after the other, row by row: `score` (1 x 4 x cells, plates, heads, screens and papers, 0 to 1) and `sides` (1 x 16 x cells:
left, top, right, bottom from the middle of the cell in pixels, of each).
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from net import KINDS, Finder
from torch import Tensor, nn

_OPSET = 17


class Flat(nn.Module):
    """The network with the cells of its maps in one row, and its scores calmed.

    Learning weighs empty cells little, so the raw scores are bold: 0.5 is often wrong. `calm` is taken off the logits of
    each kind, so that a score means about as much as one of the networks beside it (docs/models.md says how it was chosen).
    """

    def __init__(self, net: Finder, calm: tuple[float, ...]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("calm", torch.tensor(calm).reshape(1, -1, 1, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.net(picture)
        scores = torch.cat([(heat - self.calm).sigmoid().flatten(2) for heat, _ in maps], 2)
        return scores, torch.cat([far.flatten(2) for _, far in maps], 2)


def export(state: Path, out: Path, note: str, calm: tuple[float, ...]) -> str:
    """Write `out` and return its SHA-256. Raises `AssertionError` when onnxruntime and torch disagree."""
    net = Finder()
    saved = torch.load(state, weights_only=True)
    net.load_state_dict(saved["mean"])
    model = Flat(net, calm).eval()
    axes = {"picture": {2: "h", 3: "w"}, "score": {2: "cells"}, "sides": {2: "cells"}}
    torch.onnx.export(
        model,
        (torch.rand(1, 3, 64, 96) * 255,),
        str(out),
        dynamo=False,
        opset_version=_OPSET,
        input_names=["picture"],
        output_names=["score", "sides"],
        dynamic_axes=axes,
    )
    graph = onnx.load(str(out))
    onnx.helper.set_model_props(
        graph,
        {
            "step": str(saved["step"]),
            "note": note,
            "calm": str(calm),
            "kinds": ",".join(KINDS),
            "licence": "Apache-2.0",
        },
    )
    graph.doc_string = "Number plates, heads, screens and papers: scores and sides, anchor-free, strides 8, 16 and 32"
    onnx.checker.check_model(graph)
    out.write_bytes(graph.SerializeToString())
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    picture = torch.rand(1, 3, 160, 224) * 255
    with torch.no_grad():
        ours = model(picture)
    for mine, theirs in zip(ours, session.run(["score", "sides"], {"picture": picture.numpy()}), strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-3, atol=1e-3)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--note", default="photographs of tiers A and B, drawn plates, heads, screens and papers")
    parser.add_argument(
        "--calm", type=float, nargs=len(KINDS), default=(0.0,) * len(KINDS), help="taken off the logits of each kind"
    )
    wanted = parser.parse_args()
    digest = export(wanted.state, wanted.out, wanted.note, tuple(wanted.calm))
    print(f"{wanted.out} {wanted.out.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
