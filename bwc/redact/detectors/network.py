"""One network on the CPU: one thread a call, inputs by name; OpenVINO where it is installed, else onnxruntime.

Both compute in the 8-bit integers that a file prescribes, and everything else in 32-bit floats; in bfloat16 only where the
processor multiplies whole tiles of them (`has_fast_bfloats`). What computed is recorded in the plan.
"""

import importlib.util
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bwc.canonical import sha256_hex
from bwc.errors import UsageError
from bwc.redact.detectors import ready
from bwc.redact.detectors.first_layer import plain_bytes

Floats = NDArray[np.float32]
Picture8 = NDArray[np.uint8]  # height x width x 3, blue green red

OPENVINO, ONNXRUNTIME = "openvino", "onnxruntime"
_STREAMS = 2  # calls at a time, one thread each
_LARGE = 3 * 800 * 800  # values of input
_HUGE = 3 * 1300 * 1000
_CPUINFO = Path("/proc/cpuinfo")
# With onnxruntime one large inference at a time in the process: CenterFace at 1280 holds about 300 MB while it runs
_one_large = threading.Lock()
# With OpenVINO one thread at a time reads and changes graphs (`_know_types` says why)
_one_graph = threading.Lock()


@dataclass(frozen=True, slots=True)
class Feed:
    """How a network wants its picture: the input's name, `mean` (blue, green, red) taken off, or red first."""

    name: str
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    is_rgb: bool = False

    def planes(self, bgr: Picture8) -> Floats:
        """1 x 3 x height x width, float32."""
        data = bgr.astype(np.float32)
        if any(self.mean):
            data -= np.asarray(self.mean, np.float32)
        if self.is_rgb:
            data = data[:, :, ::-1]
        return np.ascontiguousarray(data.transpose(2, 0, 1)[None])


class _Engine(Protocol):
    def run(self, outputs: list[str], inputs: Mapping[str, Floats]) -> list[Floats]: ...
    def see(self, outputs: Sequence[str], bgr: Picture8, feed: Feed) -> list[Floats]: ...
    def rest(self) -> None: ...


@runtime_checkable
class Resting(Protocol):
    """Whoever can give up what it holds while it works."""

    def rest(self) -> None: ...


class Network:
    """A network ready to run. Safe to call from several threads; each call uses one thread.

    A second inference thread gains nothing on these small networks (CenterFace 640: 36 ms with one thread, 48
    with two), so work is spread over pictures, not inside one.
    """

    def __init__(self, model: bytes) -> None:
        self._engine: _Engine = _OpenVino(model) if runtime() == OPENVINO else _OnnxRuntime(model)

    def run(self, outputs: list[str], inputs: Mapping[str, Floats]) -> list[Floats]:
        """The named outputs, in order."""
        return self._engine.run(outputs, inputs)

    def see(self, outputs: Sequence[str], bgr: Picture8, feed: Feed) -> list[Floats]:
        """The named outputs for a picture, in order."""
        return self._engine.see(outputs, bgr, feed)

    def rest(self) -> None:
        """Give up all but the weights; the next call makes ready again. Nobody may be calling."""
        self._engine.rest()


class _OnnxRuntime:
    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Sizes change from recording to recording: a memory arena would keep the largest ever seen
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, outputs: list[str], inputs: Mapping[str, Floats]) -> list[Floats]:
        is_large = any(values.size > _LARGE for values in inputs.values())
        with _one_large if is_large else nullcontext():
            found: list[Floats] = self._session.run(outputs, dict(inputs))
        return found

    def see(self, outputs: Sequence[str], bgr: Picture8, feed: Feed) -> list[Floats]:
        return self.run(list(outputs), {feed.name: feed.planes(bgr)})

    def rest(self) -> None:
        """A session keeps nothing between calls."""


@lru_cache
def _know_types() -> None:
    """Let OpenVINO fill its tables of numpy's types while nobody else asks it for any.

    Its Python part fills them where they are first needed, holding a lock of C++ and letting Python's go for a moment: a second
    thread that comes there just then waits for the first with Python's lock in its hand, for ever (seen 2026-11-28, 2026.4.1).
    """
    import openvino
    from openvino import opset13

    with _one_graph:
        for kind in (np.uint8, np.int8, np.int64, np.float32):
            openvino.Tensor(np.zeros(1, kind)).data.copy()
            opset13.constant(np.zeros(1, kind)).get_data().copy()


class _OpenVino:
    """Compiled once for each size of picture that comes: a fixed size runs a third faster than a free one.

    Pictures go in as they are, 8-bit and interleaved; turning them into planes of floats is part of the graph. In
    numpy that took a third of the time of the inference itself (960x544: 12 of 47 ms, 2026-11). A huge size has room for
    one call at a time, which the next one waits for: each room holds its memory for good (66 MB our own network at 1920;
    38 MB CenterFace at 1280, of which two looks are often due at once).
    """

    def __init__(self, model: bytes) -> None:
        import openvino

        _know_types()
        self._core: Any = openvino.Core()
        self._model, self._model_sha256 = model, sha256_hex(model)
        self._read: Any = None  # the graph, when it is first needed
        self._compiled: dict[Any, Any] = {}
        self._compiling = threading.Lock()
        self._mine = threading.local()

    def run(self, outputs: list[str], inputs: Mapping[str, Floats]) -> list[Floats]:
        shapes = tuple((name, values.shape) for name, values in inputs.items())
        size = max(values.size for values in inputs.values())
        found = self._request(shapes, size, lambda: self._of_floats(shapes)).infer(dict(inputs))
        return [np.array(found[name]) for name in outputs]

    def see(self, outputs: Sequence[str], bgr: Picture8, feed: Feed) -> list[Floats]:
        key = (feed, bgr.shape, tuple(outputs))
        made = partial(self._of_picture, bgr.shape, feed, outputs)
        found = self._request(key, bgr.size, made).infer({feed.name: bgr[None]})
        return [np.array(found[name]) for name in outputs]

    def rest(self) -> None:
        with self._compiling:
            self._compiled, self._mine = {}, threading.local()

    def _request(self, key: Any, size: int, model: Callable[[], Any]) -> Any:
        """An inference request of this thread's own for what `key` names, of `size` values; `model` is compiled when it is the first."""
        requests: dict[Any, Any] = self._mine.__dict__.setdefault("requests", {})
        if key not in requests:
            with self._compiling:
                if key not in self._compiled:
                    self._compiled[key] = self._ready(key, size, model)
            requests[key] = self._compiled[key].create_infer_request()
        return requests[key]

    def _ready(self, key: Any, size: int, model: Callable[[], Any]) -> Any:
        """What `key` names, taken in as it was kept or, when nothing was, made ready and kept."""
        name = ready.name_of(self._model_sha256, key, precision(), runtime_label())
        found = ready.kept(name)
        if found is not None:
            with suppress(RuntimeError):  # of another build, or processor, after all
                return self._core.import_model(found, "CPU", _settings(size))
        with _one_graph:
            made = model()
        compiled = self._core.compile_model(made, "CPU", _settings(size))
        ready.keep(name, compiled.export_model().getvalue())
        return compiled

    def _of_floats(self, shapes: Sequence[tuple[str, tuple[int, ...]]]) -> Any:
        if self._read is None:
            self._read = self._core.read_model(self._model)
        model = self._read.clone()
        model.reshape({name: list(shape) for name, shape in shapes})
        return model

    def _of_picture(self, shape: tuple[int, ...], feed: Feed, outputs: Sequence[str]) -> Any:
        from openvino import Layout, Model, Type
        from openvino.preprocess import PrePostProcessor

        model = self._of_floats([(feed.name, (1, 3, shape[0], shape[1]))])
        # what nobody asks for is not computed: CenterFace's points of the face are 4 of its 60 ms
        asked = [model.output(name).node for name in outputs]
        model = Model(asked, model.get_parameters(), feed.name)
        if not any(feed.mean) and (plain := plain_bytes(model, feed.name, shape, is_rgb=feed.is_rgb)) is not None:
            return plain
        steps = PrePostProcessor(model)
        picture = steps.input(feed.name)
        picture.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
        picture.model().set_layout(Layout("NCHW"))
        floats = picture.preprocess().convert_element_type(Type.f32)
        if any(feed.mean):
            floats.mean(list(feed.mean))
        if feed.is_rgb:
            floats.reverse_channels()
        return steps.build()


def _settings(size: int) -> dict[str, Any]:
    """For inputs of `size` values."""
    streams = 1 if size > _HUGE else _STREAMS
    return {
        "INFERENCE_PRECISION_HINT": precision(),  # said always: OpenVINO would choose by itself
        "INFERENCE_NUM_THREADS": streams,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,
    }


@lru_cache
def runtime() -> str:
    """What runs networks here: `BWC_RUNTIME`, else OpenVINO if it is installed. Raises `UsageError` for another name."""
    wanted = os.environ.get("BWC_RUNTIME")
    if wanted not in (None, "", OPENVINO, ONNXRUNTIME):
        raise UsageError(f"BWC_RUNTIME is {wanted!r}", f"{OPENVINO} or {ONNXRUNTIME}")
    return wanted or (OPENVINO if importlib.util.find_spec(OPENVINO) else ONNXRUNTIME)


def runtime_label() -> str:
    """What computed the figures, for the plan."""
    from importlib.metadata import version

    return f"{runtime()} {version(runtime())} cpu"


def precision(*, integers: bool = False) -> str:
    """In what a network computes here, for the plan: "f32" or "bf16"; of a file with integers "int8", with "bf16" if the rest is that."""
    floats = "bf16" if runtime() == OPENVINO and has_fast_bfloats() else "f32"
    if not integers:
        return floats
    return "int8" if floats == "f32" else f"int8 {floats}"


def has_fast_integers() -> bool:
    """Whether this processor multiplies 8-bit integers without overflow (VNNI): then int8 files are exact and pay."""
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(_abilities())


def has_fast_bfloats() -> bool:
    """Whether this processor multiplies tiles of bfloat16 (AMX): elsewhere they are no faster than 32-bit floats, or slower."""
    return "amx_bf16" in _abilities()


@lru_cache
def _abilities() -> frozenset[str]:
    """Flags of the processor; empty where nobody says (not Linux): floats work everywhere."""
    try:
        said = _CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    line = next((one for one in said.splitlines() if one.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
