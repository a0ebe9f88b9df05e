"""Any JSON, XML, CSV or digest list as flat tables: what each object calls its plain values. Untrusted; bounded.

A table comes with its path, the names of the objects it lies in, so that `Officer/ID` and `Camera/ID` can be told apart.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

MAX_BYTES = 4 * 2**20  # a list of what was recorded; larger "sidecars" are telemetry, kept but not read here
MAX_TABLES = 100_000
READABLE = frozenset({"json", "xml", "csv", "tsv", "txt", "md5", "sha1", "sha256"})

_LISTED = re.compile(r"(?:\\?)([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}) [ *](\S.*)\Z")
_MAX_PATH = 20


class Table(NamedTuple):
    """One object's plain values. Everything in it is untrusted."""

    path: tuple[str, ...]
    values: Mapping[str, str]


def read_tables(data: bytes, extension: str) -> Iterator[Table]:
    """The tables of a document of this kind, in order; nothing more from where it is malformed."""
    if extension not in READABLE or not data or len(data) > MAX_BYTES:
        return
    text = _text(data)
    try:
        if extension == "json":
            yield from _json_tables(json.loads(text))
        elif extension == "xml":
            yield from _xml_tables(text)
        elif extension in ("csv", "tsv"):
            yield from _csv_tables(text, "\t" if extension == "tsv" else ",")
        else:
            yield from _list_tables(text)
    except (ValueError, RecursionError, csv.Error, ElementTree.ParseError):
        return


def _json_tables(value: object) -> Iterator[Table]:
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    for _ in range(MAX_TABLES):
        if not waiting:
            return
        path, here = waiting.pop(0)
        if isinstance(here, dict):
            plain = {key: each for key, each in here.items() if isinstance(each, (str, int))}
            yield Table(path, {key: str(each) for key, each in plain.items() if not isinstance(each, bool)})
            waiting += [((*path, key)[-_MAX_PATH:], each) for key, each in here.items()]
        elif isinstance(here, list):
            waiting += [(path, each) for each in here]


def _xml_tables(text: str) -> Iterator[Table]:
    # A document type may define entities that expand without end; no camera's sidecar needs one.
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        return
    root = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above, the size is bounded
    waiting: list[tuple[tuple[str, ...], ElementTree.Element]] = [((), root)]
    for _ in range(MAX_TABLES):
        if not waiting:
            return
        above, element = waiting.pop(0)
        path = (*above, _local(element.tag))[-_MAX_PATH:]
        table = {_local(key): value for key, value in element.attrib.items()}
        for child in element:
            if len(child) == 0 and child.text:
                table[_local(child.tag)] = child.text
            waiting.append((path, child))
        if table:
            yield Table(path, table)


def _csv_tables(text: str, delimiter: str) -> Iterator[Table]:
    for row in csv.DictReader(io.StringIO(text), delimiter=delimiter):
        yield Table((), {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)})


def _list_tables(text: str) -> Iterator[Table]:
    """Lines as `sha256sum` and its kin write them."""
    for line in text.splitlines():
        if match := _LISTED.match(line):
            yield Table((), {"digest": match[1], "name": match[2]})


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
