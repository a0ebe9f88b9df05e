"""The signed manifest of one sealed object: what it is, its length, its digests, and commitments to its content.

The bytes are fixed in docs/formats/manifest.md. A manifest is written once, with its object, and needs no key to
be checked. It tells nothing of the plaintext but its length: content and key are committed to under a salt and a
key that die with the file key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bwc.canonical import Json, canonical, is_sha256_hex, parse_canonical, sha256_hex
from bwc.errors import BwcError, IntegrityError, ProofInvalid, SealBroken
from bwc.evidence import ItemId, KeyId, ObjectId, ObjectRole, parse_utc, utc_text
from bwc.identities import PublicKey, Signer, decode_binary, encode_binary
from bwc.recording import Gap
from bwc.storage.stream import STREAM, plain_size

FORMAT = "bwc.manifest/1"
LEAF_BYTES = 8 << 20  # 8 MiB: also the part size of an S3 upload, so a leaf is a part's checksum
_NAMES = frozenset(
    [
        "aad",
        "at",
        "commit",
        "content",
        "format",
        "gaps",
        "item",
        "leaf_bytes",
        "leaves",
        "log",
        "object",
        "plain_bytes",
        "role",
        "sealed_bytes",
        "segment",
        "stream",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest says. Digests are 64 hex digits; `leaves` are those of each 8 MiB of sealed bytes, in order."""

    item: ItemId
    log_origin: str
    role: ObjectRole
    segment: int
    object_id: ObjectId
    sealed_bytes: int
    plain_bytes: int
    leaves: tuple[str, ...]
    key_commit: str
    content_commit: str
    at: datetime
    gaps: tuple[Gap, ...] = ()

    @property
    def aad(self) -> bytes:
        return aad_of(self.log_origin, self.item)

    def signed_part(self) -> dict[str, Json]:
        return {
            "aad": self.aad.decode("utf-8"),
            "at": utc_text(self.at),
            "commit": self.key_commit,
            "content": self.content_commit,
            "format": FORMAT,
            "gaps": [gap.to_json() for gap in self.gaps],
            "item": self.item,
            "leaf_bytes": LEAF_BYTES,
            "leaves": list(self.leaves),
            "log": self.log_origin,
            "object": self.object_id,
            "plain_bytes": self.plain_bytes,
            "role": self.role.value,
            "sealed_bytes": self.sealed_bytes,
            "segment": self.segment,
            "stream": STREAM,
        }

    def sign(self, signer: Signer) -> bytes:
        """The manifest file: this, signed."""
        part = self.signed_part()
        signature = signer.sign(_message(part))
        named: dict[str, Json] = {"alg": signer.alg, "key": signer.key_id, "sig": encode_binary(signature)}
        return canonical({"manifest": part, "signature": named})

    def check_key(self, dek: bytes | bytearray) -> None:
        """Raise `SealBroken` unless `dek` is the one file key this manifest commits to.

        AES-GCM alone does not say so: bytes can be made that open under two keys, to two different videos.
        """
        if key_commit(dek) != self.key_commit:
            raise SealBroken(f"the envelope of object {self.object_id} holds another key than its manifest commits to")

    def check_content(self, dek: bytes | bytearray, content_sha256: str) -> None:
        """Raise `SealBroken` unless the plaintext digest is the one this manifest commits to."""
        if content_commit(dek, content_sha256) != self.content_commit:
            raise SealBroken(f"the plaintext of object {self.object_id} is not what its manifest commits to")


def parse_manifest(data: bytes) -> Manifest:
    """The manifest of its file, strictly. Raises `IntegrityError`; its signature is not checked here."""
    value, _ = _parts(data)
    try:
        manifest = Manifest(
            item=ItemId(_text(value["item"])),
            log_origin=_text(value["log"]),
            role=ObjectRole(value["role"]),
            segment=_count(value["segment"]),
            object_id=ObjectId(_digest(value["object"])),
            sealed_bytes=_count(value["sealed_bytes"]),
            plain_bytes=_count(value["plain_bytes"]),
            leaves=tuple(_digest(leaf) for leaf in value["leaves"]),
            key_commit=_digest(value["commit"]),
            content_commit=_digest(value["content"]),
            at=parse_utc(_text(value["at"])),
            gaps=tuple(_gap(gap) for gap in value["gaps"]),
        )
    except (ValueError, TypeError, BwcError) as error:
        raise IntegrityError(f"a manifest does not keep to its form: {error}") from error
    if canonical(manifest.signed_part()) != canonical(value):  # format, stream, leaf_bytes and aad are fixed
        raise IntegrityError(f"the manifest of object {manifest.object_id} does not keep to its form")
    if plain_size(manifest.sealed_bytes) != manifest.plain_bytes:
        raise IntegrityError(f"the manifest of object {manifest.object_id} gives lengths that do not fit each other")
    ends = [0, *(gap.end for gap in manifest.gaps), manifest.plain_bytes]
    starts = [*(gap.offset for gap in manifest.gaps), manifest.plain_bytes]
    if any(start < end for start, end in zip(starts, ends, strict=False)) or ends[-2] > manifest.plain_bytes:
        raise IntegrityError(f"the manifest of object {manifest.object_id} has gaps that are no stretches of it")
    if len(manifest.leaves) != -(-manifest.sealed_bytes // LEAF_BYTES):
        raise IntegrityError(f"the manifest of object {manifest.object_id} has {len(manifest.leaves)} leaves")
    return manifest


def signer_of(data: bytes) -> KeyId:
    """The key a manifest file says it is signed by: look it up among the enrolled, then `verify_manifest`."""
    _, signature = _parts(data)
    return KeyId(_text(signature["key"]))


def verify_manifest(data: bytes, key: PublicKey) -> Manifest:
    """The manifest of its file. Raises `ProofInvalid` unless it is signed by `key`."""
    value, signature = _parts(data)
    if (signature["alg"], signature["key"]) != (key.alg, key.key_id):
        raise ProofInvalid(
            f"the manifest of object {value['object']} is signed by {signature['key']}, not {key.key_id}"
        )
    key.verify(_message(value), decode_binary(signature["sig"]))
    return parse_manifest(data)


def aad_of(log_origin: str, item: str) -> bytes:
    """The associated data of every sealed stream of an item: it opens as this item's, in this vault, or not at all."""
    return f"bwc.sealed/1\n{log_origin}\n{item}\n".encode()


def key_commit(dek: bytes | bytearray) -> str:
    """The commitment to a file key."""
    return _derive(dek, b"bwc/commit/1").hex()


def content_commit(dek: bytes | bytearray, content_sha256: str) -> str:
    """The commitment to a plaintext digest; who has neither file key nor salt cannot try digests against it."""
    return sha256_hex(b"bwc/content/v1\n" + canonical({"salt": content_salt(dek).hex(), "sha256": content_sha256}))


def content_salt(dek: bytes | bytearray) -> bytes:
    """The salt of the commitment: given to a court with the digest, it opens the commitment without the file key."""
    return _derive(dek, b"bwc/content-salt/1")


def _derive(dek: bytes | bytearray, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(bytes(dek))


def _message(part: Mapping[str, Json]) -> bytes:
    return FORMAT.encode() + b"\n" + canonical(part)


def _parts(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    value = parse_canonical(data)
    if not isinstance(value, dict) or set(value) != {"manifest", "signature"}:
        raise IntegrityError("not a manifest")
    part, signature = value["manifest"], value["signature"]
    if not isinstance(part, dict) or part.keys() != _NAMES:
        raise IntegrityError("not a manifest")
    if not isinstance(signature, dict) or set(signature) != {"alg", "key", "sig"}:
        raise IntegrityError("a manifest without a signature")
    return part, signature


def _gap(value: Any) -> Gap:
    if not isinstance(value, dict) or set(value) != {"bytes", "cause", "offset"} or value["bytes"] == 0:
        raise IntegrityError("a gap is missing")
    return Gap(offset=_count(value["offset"]), size_bytes=_count(value["bytes"]), cause=_text(value["cause"]))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise IntegrityError("a text is missing")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not is_sha256_hex(value):
        raise IntegrityError("a digest is missing")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise IntegrityError("a number is missing")
    return value
