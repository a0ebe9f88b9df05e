"""A network in 8-bit integers: `quantize.py --data DIR centerface.onnx centerface_int8.onnx`, `--finder finder.onnx finder_int8.onnx`.

Static quantization (QDQ, weights per channel, activations by minimum and maximum over the calibration pictures); the
output layers stay in floats, so that thresholds keep their meaning. Nothing is learnt: the pictures only tell the range
of each layer. The result of the first is a derived work of CenterFace (MIT).
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnx.version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bwc.redact.detectors.faces import INPUTS, OUTPUTS
from bwc.redact.detectors.graph import free_sizes

SOURCES = {"heads_stock_free": 64, "plates_openimages": 16, "negatives_no_plate": 16}
FINDER_SOURCES = {"heads_stock_free": 24, "plates_openimages": 24, "plates_ro_dashcam": 24, "negatives_no_plate": 24}
SIDE = 640
OUTPUT_LAYERS = 8  # the last convolutions: heat, size, shift, points, and what feeds each
FINDER_OUTPUTS = (10, 20)  # channels of each of its last layers: five for each kind it knows
OPSET = 13  # the first that quantizes per channel


class Pictures(CalibrationDataReader):
    """Every third one darkened, as at night."""

    def __init__(self, data: Path, *, finder: bool) -> None:
        self._finder = finder
        chance = random.Random(20261128)  # noqa: S311  the same pictures each time
        chosen: list[Path] = []
        for source, count in (FINDER_SOURCES if finder else SOURCES).items():
            names = sorted(row["image"] for row in json.loads((data / source / "truth.json").read_text()))
            chosen += [data / source / "images" / Path(name).name for name in chance.sample(names, count)]
        self._left: Iterator[tuple[int, Path]] = iter(enumerate(chosen))

    def get_next(self) -> dict[str, np.ndarray] | None:
        number, path = next(self._left, (0, None))
        if path is None:
            return None
        picture = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE))
        if number % 3 == 0:
            picture = (picture * 0.35).astype(np.uint8)
        if self._finder:
            return {"picture": np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32))}
        return {"input.1": np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--finder", action="store_true", help="our own network, not CenterFace")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place) / "model.onnx"
        if wanted.finder:
            onnx.save(onnx.load(wanted.source), work)
        else:
            free = onnx.load_from_string(free_sizes(wanted.source.read_bytes(), inputs=INPUTS, outputs=OUTPUTS))
            onnx.save(onnx.version_converter.convert_version(free, OPSET), work)
        quant_pre_process(work, work, skip_symbolic_shape=True)
        model = onnx.load(work)
        for number, node in enumerate(model.graph.node):
            node.name = f"n{number}_{node.op_type}"
        onnx.save(model, work)
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        heads = [node.name for node in convolutions][-OUTPUT_LAYERS:]
        if (
            wanted.finder
        ):  # the output layers are those with few channels, and what is not a convolution stays in floats
            shapes = {one.name: one.dims for one in model.graph.initializer}
            heads = [node.name for node in convolutions if shapes[node.input[1]][0] in FINDER_OUTPUTS]
            heads += [node.name for node in model.graph.node if node.op_type not in ("Conv", "Relu", "Add", "Resize")]
        quantize_static(
            work,
            wanted.target,
            Pictures(wanted.data, finder=wanted.finder),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=heads,
        )


if __name__ == "__main__":
    main()
