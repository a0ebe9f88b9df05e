"""One onnxruntime session on the CPU: one thread, no surprises, inputs by name."""

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_LARGE = 3 * 800 * 800  # values of input
# One large inference at a time in the process, whoever asks: CenterFace at 1280 holds about 300 MB while it runs
_one_large = threading.Lock()


class Network:
    """A network ready to run. Safe to call from several threads; each call uses the caller's thread only.

    A second inference thread gains nothing on these small networks (CenterFace 640: 36 ms with one thread, 48
    with two), so work is spread over pictures, not inside one.
    """

    def __init__(self, model: bytes) -> None:
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Sizes change from recording to recording: a memory arena would keep the largest ever seen
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, outputs: list[str], inputs: Mapping[str, Floats]) -> list[Floats]:
        """The named outputs, in order."""
        is_large = any(values.size > _LARGE for values in inputs.values())
        with _one_large if is_large else nullcontext():
            found: list[Floats] = self._session.run(outputs, dict(inputs))
        return found


def runtime_label() -> str:
    """What computed the figures, for the plan."""
    return f"onnxruntime {onnxruntime.__version__} cpu"
