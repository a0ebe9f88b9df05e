"""Send a finished sealed stream to S3 in parts with an explicit SHA-256 each; parts already there are not sent again.

A part is one leaf of the manifest, so its checksum is known before it is read, and the server refuses other bytes.
An encryption is never resumed; what is sent again here is finished ciphertext, compared part by part.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, BinaryIO, NamedTuple

from bwc.errors import DigestMismatch, StorageError, UploadIncomplete
from bwc.storage.fsops import AlreadyThere
from bwc.storage.manifest import LEAF_BYTES
from bwc.storage.s3_client import Forbidden, Gone, said
from bwc.storage.store import Extent, Progress

_LANES = 4  # 8 MiB x 4 lanes: 162 MB/s where one lane gives 100 (client and server on two cores, 2026-11)
_MOST_PARTS = 10_000  # S3's own limit; 78 GiB in leaves, larger objects go in several leaves a part


class _Part(NamedTuple):
    number: int
    start: int
    size: int
    sha256: str | None  # None: several leaves, known once it is read


class Upload:
    """One object on its way to its key."""

    def __init__(self, client: Any, bucket: str, key: str, extent: Extent, settings: Mapping[str, Any]) -> None:
        """`settings` go with the object: its lock."""
        self._client, self._bucket, self._key = client, bucket, key
        self._extent = extent
        self._settings = settings
        self.where = f"s3://{bucket}/{key}"
        self._at: dict[str, Any] = {"Bucket": bucket, "Key": key}

    def send(self, source: BinaryIO, progress: Progress | None = None) -> None:
        """Send what is missing and give the object its name. Raises `AlreadyThere` if the name is taken meanwhile."""
        upload, there = self._resume() or (self._begin(), {})
        try:
            parts = self._send_parts(upload, source, there, progress)
            with said(self.where):
                self._client.complete_multipart_upload(
                    **self._at, UploadId=upload, IfNoneMatch="*", MultipartUpload={"Parts": parts}
                )
        except Gone as error:
            # another process completed or dropped the same upload while we sent
            raise UploadIncomplete(f"{self.where}: the upload is gone", "run the same again") from error
        except AlreadyThere:
            self.drop(upload)
            raise

    def drop(self, upload: str) -> None:
        """Forget what was sent of an upload; its parts cost storage as long as it exists."""
        try:
            with said(self.where):
                self._client.abort_multipart_upload(**self._at, UploadId=upload)
        except StorageError:
            pass  # gone already, or no right to: a lifecycle rule of the bucket clears it

    def _begin(self) -> str:
        with said(self.where):
            made = self._client.create_multipart_upload(
                **self._at, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE", **self._settings
            )
        return str(made["UploadId"])

    def _resume(self) -> tuple[str, dict[int, Mapping[str, Any]]] | None:
        """An upload of this key that was begun, and its parts by number; the one with most parts, None if none."""
        found: list[tuple[str, dict[int, Mapping[str, Any]]]] = []
        try:
            with said(self.where):
                listed = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._key)
                for one in listed.get("Uploads", ()):
                    if one["Key"] == self._key:
                        found.append((one["UploadId"], self._parts_of(one["UploadId"])))
        except (Gone, Forbidden):
            return None  # no right to list: then everything is sent
        return max(found, key=lambda one: len(one[1]), default=None)

    def _parts_of(self, upload: str) -> dict[int, Mapping[str, Any]]:
        pages = self._client.get_paginator("list_parts").paginate(**self._at, UploadId=upload)
        return {part["PartNumber"]: part for page in pages for part in page.get("Parts", ())}

    def _send_parts(
        self, upload: str, source: BinaryIO, there: Mapping[int, Mapping[str, Any]], progress: Progress | None
    ) -> list[dict[str, Any]]:
        done: list[dict[str, Any]] = []
        running: set[Future[dict[str, Any]]] = set()

        def take(finished: set[Future[dict[str, Any]]]) -> None:
            for one in finished:
                part = one.result()
                if progress:
                    progress(part.pop("Size"))
                part.pop("Size", None)
                done.append(part)

        with ThreadPoolExecutor(max_workers=_LANES) as pool:
            try:
                for part in parts_of(self._extent):
                    data = self._read(source, part)
                    held = there.get(part.number)
                    running.add(pool.submit(self._send, upload, part, data, held))
                    if len(running) > _LANES:  # one part waits, read, while the lanes are busy
                        finished, running = wait(running, return_when=FIRST_COMPLETED)
                        take(finished)
                if source.read(1):
                    raise DigestMismatch(f"{self.where}: what was to be copied is longer than its manifest says")
                take(running)
            except BaseException:
                for one in running:
                    one.cancel()
                raise
        return sorted(done, key=lambda part: int(part["PartNumber"]))

    def _read(self, source: BinaryIO, part: _Part) -> bytes:
        """The bytes of a part, compared with its leaf: rot in the source is never copied."""
        data = bytearray()
        while len(data) < part.size and (more := source.read(part.size - len(data))):
            data += more
        if len(data) != part.size or (part.sha256 and hashlib.sha256(data).hexdigest() != part.sha256):
            raise DigestMismatch(
                f"object {self._extent.name}: what was to be copied differs from its manifest at byte {part.start}",
                "bwc verify",
            )
        return bytes(data)

    def _send(self, upload: str, part: _Part, data: bytes, held: Mapping[str, Any] | None) -> dict[str, Any]:
        digest = base64_of(part.sha256 or hashlib.sha256(data).hexdigest())
        said_of = {"PartNumber": part.number, "ChecksumSHA256": digest, "Size": part.size}
        if held is not None and _is_held(held, data, digest):
            return said_of | {"ETag": held["ETag"]}
        with said(f"{self.where} part {part.number}"):
            answer = self._client.upload_part(
                **self._at, UploadId=upload, PartNumber=part.number, Body=data, ChecksumSHA256=digest
            )
        return said_of | {"ETag": answer["ETag"]}


def parts_of(extent: Extent) -> Iterator[_Part]:
    """How an object goes: one leaf a part, or several where there would be more than S3 allows."""
    leaves = -(-len(extent.leaves) // _MOST_PARTS)
    width = leaves * LEAF_BYTES
    for at, start in enumerate(range(0, extent.size_bytes, width)):
        sha256 = extent.leaves[at] if leaves == 1 else None
        yield _Part(at + 1, start, min(width, extent.size_bytes - start), sha256)


def base64_of(digest: str) -> str:
    """A hex digest as S3 writes it."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _is_held(held: Mapping[str, Any], data: bytes, digest: str) -> bool:
    if held.get("Size") != len(data):
        return False
    if held.get("ChecksumSHA256"):
        return bool(held["ChecksumSHA256"] == digest)
    # some servers list no checksums of parts; without encryption of theirs the ETag is the MD5
    return bool(held["ETag"].strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest())


def checksum_problem(extent: Extent, parts: Sequence[Mapping[str, Any]], checksum: str) -> str | None:
    """Compare what a store says of an object with its leaves: what differs, "" when it says too little, None if right.

    `parts` are those of GetObjectAttributes, `checksum` the SHA-256 of the whole or, with its "-N", of the parts'.
    """
    wanted = [(part.size, part.sha256) for part in parts_of(extent)]
    if any(digest is None for _, digest in wanted):
        return ""  # several leaves to a part: only reading tells
    if parts and all(part.get("ChecksumSHA256") for part in parts):
        found = [(part["Size"], part["ChecksumSHA256"]) for part in parts]
        if found != [(size, base64_of(digest or "")) for size, digest in wanted]:
            return "the checksums of its parts are not the leaves of its manifest"
        return None
    whole, _, count = checksum.partition("-")
    if not whole:
        return ""
    if not count:
        return None if whole == base64_of(extent.name) else "its SHA-256 is another"
    composite = hashlib.sha256(b"".join(bytes.fromhex(leaf) for leaf in extent.leaves))
    if (whole, int(count)) != (base64_of(composite.hexdigest()), len(wanted)):
        # another program may have cut it otherwise
        return "" if int(count) != len(wanted) else "its composite checksum is not that of its manifest's leaves"
    return None
