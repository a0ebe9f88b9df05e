"""Write the network as ONNX: `python export.py RUN/state.pt plates.onnx`. Batch 1, any size in whole steps of 32.

Input `picture` (1 x 3 x h x w, blue green red, 0 to 255). Outputs, at a quarter of the size: `score` (1 x 1, 0 to 1,
zero wherever a neighbour is higher) and `sides` (1 x 4, left, top, right, bottom from the middle of the cell, pixels).
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from net import PlateNet
from torch import Tensor, nn
from torch.nn import functional as fn

_OPSET = 17


class Peaks(nn.Module):
    """The network with scores kept only where they are highest among their neighbours."""

    def __init__(self, net: PlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        heat, sides = self.net(picture)
        score = heat.sigmoid()
        return score * (fn.max_pool2d(score, 3, 1, 1) <= score).float(), sides


def export(state: Path, out: Path, note: str) -> str:
    """Write `out` and return its SHA-256. Raises `AssertionError` when onnxruntime and torch disagree."""
    net = PlateNet()
    saved = torch.load(state, weights_only=True)
    net.load_state_dict(saved["mean"])
    model = Peaks(net).eval()
    axes = {"picture": {2: "h", 3: "w"}, "score": {2: "h4", 3: "w4"}, "sides": {2: "h4", 3: "w4"}}
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
    onnx.helper.set_model_props(graph, {"step": str(saved["step"]), "note": note, "licence": "Apache-2.0"})
    graph.doc_string = "Number plates: middle and sides, anchor-free, stride 4"
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
    parser.add_argument("--note", default="tier A photographs and drawn plates")
    wanted = parser.parse_args()
    digest = export(wanted.state, wanted.out, wanted.note)
    print(f"{wanted.out} {wanted.out.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
