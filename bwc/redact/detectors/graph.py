"""Give an ONNX graph free picture sizes, without the onnx package: a few fields of its protobuf rewritten.

CenterFace was exported with a frozen 10x3x32x32 input and every weight listed as an input as well. Run as it
is, onnxruntime refuses other sizes and cannot fold the weights. Only the fields below are touched; all other
bytes of the file are passed through as they are.

ModelProto.graph = 7 · GraphProto: node 1, initializer 5, input 11, output 12, value_info 13 ·
TensorProto.name = 8 · ValueInfoProto: name 1, type 2 · TypeProto.tensor_type = 1 ·
TypeProto.Tensor: elem_type 1, shape 2 · TensorShapeProto.dim = 1 · Dimension: dim_value 1, dim_param 2
"""

from collections.abc import Iterator, Mapping, Sequence

from bwc.errors import IntegrityError

_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_FLOAT = 1  # TensorProto.DataType

Dim = int | str


def free_sizes(model: bytes, *, inputs: Mapping[str, Sequence[Dim]], outputs: Mapping[str, Sequence[Dim]]) -> bytes:
    """`model` with exactly `inputs` and `outputs`, each with the dims given (a number, or a name for a free size).

    Raises `IntegrityError` when the bytes are not an ONNX model that has those inputs and outputs.
    """
    parts: list[bytes] = []
    graphs = 0
    for number, wire, body, raw in _fields(model):
        if number == 7 and wire == _LEN:
            graphs += 1
            parts.append(_length_delimited(7, _graph(body, inputs, outputs)))
        else:
            parts.append(raw)
    if graphs != 1:
        raise IntegrityError(f"an ONNX file holds one graph, this one holds {graphs}")
    return b"".join(parts)


def _graph(graph: bytes, inputs: Mapping[str, Sequence[Dim]], outputs: Mapping[str, Sequence[Dim]]) -> bytes:
    parts: list[bytes] = []
    seen_inputs: set[str] = set()
    seen_outputs: set[str] = set()
    for number, wire, body, raw in _fields(graph):
        if wire != _LEN or number not in (11, 12, 13):
            parts.append(raw)
        elif number == 13:
            continue  # frozen shapes of inner values; onnxruntime infers them anew
        else:
            name = _name(body)
            wanted, seen = (inputs, seen_inputs) if number == 11 else (outputs, seen_outputs)
            if name in wanted:  # other inputs are the weights: they stay as initializers only
                seen.add(name)
                parts.append(_length_delimited(number, _value_info(name, wanted[name])))
    if seen_inputs != set(inputs) or seen_outputs != set(outputs):
        raise IntegrityError("the ONNX graph does not have the inputs and outputs expected of it")
    return b"".join(parts)


def _value_info(name: str, dims: Sequence[Dim]) -> bytes:
    shape = b"".join(
        _length_delimited(1, _length_delimited(2, dim.encode()) if isinstance(dim, str) else b"\x08" + _varint(dim))
        for dim in dims
    )
    tensor = b"\x08" + _varint(_FLOAT) + _length_delimited(2, shape)
    return _length_delimited(1, name.encode()) + _length_delimited(2, _length_delimited(1, tensor))


def _name(value_info: bytes) -> str:
    for number, wire, body, _ in _fields(value_info):
        if number == 1 and wire == _LEN:
            return body.decode("utf-8", "replace")
    return ""


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(field number, wire type, body, the field's raw bytes) for each field, in order."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            begin = at
            _, at = _read_varint(message, at)
        elif wire == _LEN:
            size, begin = _read_varint(message, at)
            at = begin + size
        elif wire in (_I32, _I64):
            begin, at = at, at + (4 if wire == _I32 else 8)
        else:
            raise IntegrityError("not an ONNX file")
        if at > len(message):
            raise IntegrityError("the ONNX file ends early")
        yield key >> 3, wire, message[begin:at], message[start:at]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise IntegrityError("not an ONNX file")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _length_delimited(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | _LEN) + _varint(len(body)) + body
