"""The log as CASE/UCO JSON-LD (caseontology.org): actions, who performed them, what they were about. No footage, no names.

Only what the public part of each entry says. The same log gives the same identifiers (UUIDs made from its origin).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from bwc.audit.event import Entry

_UCO = "https://ontology.unifiedcyberontology.org/uco/"
CONTEXT = {
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "kb": "http://example.org/kb/",  # ids are ours and resolve to nothing
    "uco-action": _UCO + "action/",
    "uco-core": _UCO + "core/",
    "uco-identity": _UCO + "identity/",
    "uco-observable": _UCO + "observable/",
    "uco-types": _UCO + "types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def case_lines(origin: str, entries: Iterable[Entry]) -> Iterator[str]:
    """The document, a node a line: a log of millions never lies in memory whole."""
    yield '{"@context": ' + json.dumps(CONTEXT, sort_keys=True) + ', "@graph": [\n'
    begun = False
    for node in _Graph(origin).nodes(entries):
        yield (",\n" if begun else "") + json.dumps(node, ensure_ascii=False, sort_keys=True)
        begun = True
    yield "\n]}\n"


class _Graph:
    def __init__(self, origin: str) -> None:
        self._space = uuid5(NAMESPACE_URL, "bwc/" + origin)
        self._seen: set[UUID] = set()

    def nodes(self, entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            about: list[dict[str, str]] = []
            yield from self._once("identity", entry.actor, _identity(entry.actor))
            if entry.item is not None:
                yield from self._once("item", entry.item, _item(entry.item))
                about.append(self._ref("item", entry.item))
            brought = entry.objects
            for one in brought:
                node = _sealed(one.object_id, one.sealed_bytes, one.role.value, self._id)
                yield from self._once("object", one.object_id, node)
            yield self._action(entry, about, [self._ref("object", one.object_id) for one in brought])

    def _action(self, entry: Entry, about: list[dict[str, str]], made: list[dict[str, str]]) -> dict[str, Any]:
        node: dict[str, Any] = {
            "@id": self._id("action", str(entry.seq)),
            "@type": "case-investigation:InvestigativeAction",
            "uco-core:name": entry.kind,
            "uco-core:description": _said(entry),
            "uco-action:performer": self._ref("identity", entry.actor),
            "uco-action:startTime": {"@type": "xsd:dateTime", "@value": entry.at},
            "uco-action:endTime": {"@type": "xsd:dateTime", "@value": entry.at},
        }
        if about:
            node["uco-action:object"] = about
        if made:
            node["uco-action:result"] = made
        return node

    def _once(self, kind: str, name: str, node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        key = self._uuid(kind, name)
        if key not in self._seen:
            self._seen.add(key)
            yield {"@id": self._id(kind, name), **node}

    def _uuid(self, kind: str, name: str) -> UUID:
        return uuid5(self._space, f"{kind}/{name}")

    def _id(self, kind: str, name: str) -> str:
        return f"kb:{kind}-{self._uuid(kind, name)}"

    def _ref(self, kind: str, name: str) -> dict[str, str]:
        return {"@id": self._id(kind, name)}


def _identity(key: str) -> dict[str, Any]:
    return {"@type": "uco-identity:Identity", "uco-core:name": f"operator key {key}"}


def _item(item: str) -> dict[str, Any]:
    return {
        "@type": "case-investigation:ProvenanceRecord",
        "case-investigation:exhibitNumber": item,
        "uco-core:description": "evidence item of a body-worn camera",
    }


def _sealed(object_id: str, size: int, role: str, make_id: Any) -> dict[str, Any]:
    return {
        "@type": "uco-observable:File",
        "uco-core:description": f"sealed {role}",
        "uco-core:hasFacet": [
            {
                "@id": make_id("file-facet", object_id),
                "@type": "uco-observable:FileFacet",
                "uco-observable:fileName": object_id,
                "uco-observable:sizeInBytes": {"@type": "xsd:integer", "@value": str(size)},
            },
            {
                "@id": make_id("content-facet", object_id),
                "@type": "uco-observable:ContentDataFacet",
                "uco-observable:hash": [
                    {
                        "@id": make_id("hash", object_id),
                        "@type": "uco-types:Hash",
                        "uco-types:hashMethod": "SHA256",
                        "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": object_id},
                    }
                ],
            },
        ],
    }


def _said(entry: Entry) -> str:
    return (
        f"entry {entry.seq} of the log, outcome {entry.outcome}, leaf {entry.leaf_hash.hex()}, facts {entry.facts_text}"
    )
