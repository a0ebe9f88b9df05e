"""libfacedetection's network as an ONNX file: `second.py libfacedetection.so second.onnx`, from the weights compiled into the library.

The library (BSD-3-Clause, Shiqi Yu) computes in plain loops. The same numbers in the same order of layers, run by an
inference library, give the same faces in a quarter of the time: with `--compare PICTURES…` it says how much the same. Nothing is learnt and nothing is changed; the layers are
those of the network's paper (YuNet, Machine Intelligence Research 2023) as the library builds them.

Input n x h x w x 3, bytes, blue green red, h and w multiples of 32. For every cell of three maps (8, 16, 32 pixels
apart, row by row) `score` (n x 1 x cells) and `sides` (n x 4 x cells): left, top, right, bottom from the cell's corner, in pixels.
"""

import argparse
import ctypes
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bwc.redact.detectors.base import fit
from bwc.redact.detectors.faces_check import found_in
from bwc.redact.detectors.network import Network

Floats = NDArray[np.float32]
OPSET = 13
STEPS = (8, 16, 32)
_BACKBONE = "backbone__model"
_UNIT = 64


def weights_of(library: bytes) -> dict[str, Floats]:
    """Every float array of the library by its name (64-bit ELF, section .symtab)."""
    (table,) = struct.unpack_from("<Q", library, 40)
    size, count = struct.unpack_from("<HH", library, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", library, table + i * size) for i in range(count)]
    symbols = next(section for section in sections if section[1] == 2)  # SHT_SYMTAB
    names = sections[symbols[6]]
    found: dict[str, Floats] = {}
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name_at, info, _, section, value, length = struct.unpack_from("<IBBHQQ", library, at)
        start = names[4] + name_at
        name = library[start : library.index(b"\0", start)].decode()
        if info & 15 == 1 and name.endswith(("_weight", "_bias")):
            home = sections[section]
            place = home[4] + value - home[3]
            found[name] = np.frombuffer(library[place : place + length], np.float32)
    return found


@dataclass
class Builder:
    """The graph as it grows."""

    weights: dict[str, Floats]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    values: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **settings: object) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **settings))
        return name

    def value(self, name: str, array: NDArray[np.generic]) -> str:
        if all(one.name != name for one in self.values):
            self.values.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def pointwise(self, x: str, layer: str) -> str:
        bias = self.weights[f"{layer}_bias"]
        kernel = self.weights[f"{layer}_weight"].reshape(len(bias), -1, 1, 1)
        return self.add("Conv", x, self.value(f"{layer}_w", kernel), self.value(f"{layer}_b", bias))

    def depthwise(self, x: str, layer: str) -> str:
        bias = self.weights[f"{layer}_bias"]
        kernel = self.weights[f"{layer}_weight"].reshape(9, len(bias)).T.reshape(len(bias), 1, 3, 3)
        settings = {"group": len(bias), "pads": [1, 1, 1, 1]}
        return self.add("Conv", x, self.value(f"{layer}_w", kernel), self.value(f"{layer}_b", bias), **settings)

    def both(self, x: str, layer: str, *, relu: bool = True) -> str:
        x = self.depthwise(self.pointwise(x, f"{layer}_pw"), f"{layer}_dw")
        return self.add("Relu", x) if relu else x

    def pair(self, x: str, layer: str) -> str:
        return self.both(self.both(x, f"{layer}_dp1"), f"{layer}_dp2")

    def halved(self, x: str) -> str:
        return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def doubled(self, x: str) -> str:
        scales = self.value("twice", np.asarray([1, 1, 2, 2], np.float32))
        return self.add(
            "Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )

    def planes(self, picture: str) -> str:
        """Colours as planes of floats, in sixty-fourths.

        Without a factor OpenVINO 2026.4 turns the bytes into planes first, and back again for the convolution: a sixth of the whole
        network's time. A power of two changes no bit of what comes out.
        """
        floats = self.add("Cast", picture, to=onnx.TensorProto.FLOAT)
        unit = self.value("unit", np.asarray(1 / _UNIT, np.float32))
        return self.add("Transpose", self.add("Mul", floats, unit), perm=[0, 3, 1, 2])

    def first(self, x: str) -> str:
        """The 3 x 3 convolution with step 2 at the beginning: stored as a row of 27 for each filter, padded to 32."""
        bias = self.weights[f"{_BACKBONE}0_pw_bias"]
        rows = self.weights[f"{_BACKBONE}0_pw_weight"].reshape(len(bias), 32)[:, :27]
        kernel = rows.reshape(len(bias), 3, 3, 3).transpose(0, 3, 1, 2) * np.float32(_UNIT)  # row, column, colour
        settings = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
        return self.add("Conv", x, self.value("first_w", kernel), self.value("first_b", bias), **settings)


def build(weights: dict[str, Floats]) -> onnx.ModelProto:
    net = Builder(weights)
    x = net.add("Relu", net.first(net.planes("picture")))
    x = net.halved(net.both(x, f"{_BACKBONE}0_dp"))
    x = net.pair(x, f"{_BACKBONE}1")
    x = net.halved(net.pair(x, f"{_BACKBONE}2"))
    maps = [net.pair(x, f"{_BACKBONE}3")]
    for level in (4, 5):
        maps.append(net.pair(net.halved(maps[-1]), f"{_BACKBONE}{level}"))
    for level in (2, 1, 0):
        if level < 2:
            maps[level] = net.add("Add", net.doubled(maps[level + 1]), maps[level])
        maps[level] = net.both(maps[level], f"neck__lateral_convs__{level}")
    scores, sides = [], []
    flat = net.value("flat1", np.asarray([0, 1, -1], np.int64))
    flat4 = net.value("flat4", np.asarray([0, 4, -1], np.int64))
    for level, (map_, step) in enumerate(zip(maps, STEPS, strict=True)):
        said = [
            net.add("Sigmoid", net.both(map_, f"bbox_head__multi_level_{kind}__{level}", relu=False))
            for kind in ("cls", "obj")
        ]
        scores.append(net.add("Reshape", net.add("Sqrt", net.add("Mul", *said)), flat))
        box = net.both(map_, f"bbox_head__multi_level_bbox__{level}", relu=False)
        stride = net.value(f"step{step}", np.asarray(step, np.float32))
        halves = [
            net.value(name, np.asarray(v, np.int64))
            for name, v in (("zero", [0]), ("two", [2]), ("four", [4]), ("axis", [1]))
        ]
        middle = net.add("Mul", net.add("Slice", box, halves[0], halves[1], halves[3]), stride)
        size = net.add(
            "Mul",
            net.add("Exp", net.add("Slice", box, halves[1], halves[2], halves[3])),
            net.value(f"half{step}", np.asarray(step / 2, np.float32)),
        )
        far = net.add("Concat", net.add("Sub", size, middle), net.add("Add", size, middle), axis=1)
        sides.append(net.add("Reshape", far, flat4))
    net.nodes.append(helper.make_node("Concat", scores, ["score"], axis=2))
    net.nodes.append(helper.make_node("Concat", sides, ["sides"], axis=2))
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        net.nodes,
        "libfacedetection",
        [helper.make_tensor_value_info("picture", onnx.TensorProto.UINT8, ["n", "h", "w", 3])],
        [
            helper.make_tensor_value_info("score", floats, ["n", 1, "cells"]),
            helper.make_tensor_value_info("sides", floats, ["n", 4, "cells"]),
        ],
        net.values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--compare", type=Path, nargs="*", default=[], help="pictures to find faces in with both")
    wanted = parser.parse_args()
    model = build(weights_of(wanted.library.read_bytes()))
    onnx.save(model, wanted.out)
    if wanted.compare:
        compare(wanted.library, model.SerializeToString(), wanted.compare)


def compare(library: Path, model: bytes, pictures: list[Path]) -> None:
    """Faces of both, with a confidence of at least 0.5, at two sizes: how many the other has within a pixel and 0.011."""
    find = ctypes.CDLL(str(library))["_Z14facedetect_cnnPhS_iii"]
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int] * 3]
    network = Network(model)
    total = same = 0
    for path in pictures:
        bgr = cv2.imread(str(path))
        for side in (320, 640):
            canvas, _ = fit(bgr, side)
            result = np.zeros(0x20000, np.uint8)
            find(result.ctypes.data, canvas.ctypes.data, canvas.shape[1], canvas.shape[0], canvas.strides[0])
            rows = result[4 : 4 + 32 * int(result[:4].view(np.int32)[0])].view(np.int16).reshape(-1, 16)[:, :5]
            theirs = rows[rows[:, 0] >= 50].astype(np.float32)
            boxes, scores = found_in(canvas, network, 0.5)
            ours = np.column_stack([scores * 100, boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
            near = [bool((np.abs(ours - one).max(1) < 1.1).any()) if len(ours) else False for one in theirs]
            total, same = total + len(theirs), same + sum(near)
    print(f"{total} faces of the library, {same} of them found alike")


if __name__ == "__main__":
    main()
