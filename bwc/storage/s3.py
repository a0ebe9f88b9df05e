"""The object store on S3: conditional creation, a SHA-256 on every byte sent, Object Lock on objects and manifests.

Keys are the paths of a vault's folder below a prefix. Envelopes and bodies are never locked, and erasing one deletes
every version of it: in a bucket with versions a plain deletion hides a key and keeps it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

from bwc.canonical import is_sha256_hex
from bwc.config import StorePlace
from bwc.errors import (
    ConfigError,
    DigestMismatch,
    HoldInForce,
    IntegrityError,
    StorageError,
    UploadIncomplete,
    UsageError,
)
from bwc.storage.diskfile import StagedFile
from bwc.storage.fsops import AlreadyThere, Disk
from bwc.storage.manifest import LEAF_BYTES
from bwc.storage.passes import LeafDigests
from bwc.storage.s3_client import Forbidden, Gone, again, archived, connect, said
from bwc.storage.s3_reader import S3Reader, blocks, whole
from bwc.storage.s3_upload import Upload, base64_of, checksum_problem
from bwc.storage.store import ERASABLE, QUARANTINE, Extent, Lock, Progress, Proof, Shelf, path_of

_MOST_DOCUMENT = 64 << 20
_ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}


class S3Store:
    """`ObjectStore` and `LockingStore` in a bucket. `disk` is where sealed bytes are staged before they are sent."""

    def __init__(self, place: StorePlace, disk: Disk, *, client: Any = None) -> None:
        self.place = place
        self._disk = disk
        self._client = client or connect(place)
        self._bucket = place.bucket

    # --- in ---

    def stage(self) -> StagedFile:
        return self._disk.stage()

    def stage_bytes(self, data: bytes) -> StagedFile:
        return self._disk.stage_bytes(data)

    def publish(self, files: Sequence[tuple[StagedFile, Shelf, str]]) -> None:
        for _, shelf, name in files:
            if self.size(shelf, name) is not None:
                raise AlreadyThere(f"{self._where(self._key(shelf, name))} exists and is written once")
        done: list[tuple[Shelf, str]] = []
        try:
            for staged, shelf, name in files:
                done.append((shelf, name))  # before: a request that fails may have done its work
                try:
                    self._publish(staged, shelf, name)
                except AlreadyThere:
                    done.pop()
                    raise
        except BaseException:
            # no event names these yet; a locked manifest stays as an orphan, which is harmless
            for shelf, name in reversed(done):
                try:
                    self.discard_unnamed(shelf, name)
                except (StorageError, HoldInForce):
                    continue
            raise
        for staged, _, _ in files:
            staged.drop()

    def _publish(self, staged: StagedFile, shelf: Shelf, name: str) -> None:
        if staged.size_bytes <= LEAF_BYTES:
            data = b"".join(bytes(block) for block in staged.blocks())
            self._create(shelf, name, data)
            return
        leaves = LeafDigests()
        for block in staged.blocks():
            leaves.feed(block)
        extent = Extent(name=name, size_bytes=staged.size_bytes, leaves=leaves.finish())
        with staged.reader() as source:
            self._upload(shelf, extent).send(cast(BinaryIO, source))

    def put(self, shelf: Shelf, name: str, data: bytes) -> None:
        try:
            self._create(shelf, name, data)
        except AlreadyThere as error:
            if self.get(shelf, name) != data:
                raise IntegrityError(error.message.replace("exists", "holds other bytes")) from None

    def put_together(self, shelf: Shelf, documents: Mapping[str, bytes]) -> None:
        for name, data in documents.items():
            self.put(shelf, name, data)

    def receive(self, source: BinaryIO, extent: Extent, *, progress: Progress | None = None) -> Proof:
        if self.size(Shelf.OBJECTS, extent.name) is not None:
            return self.prove(extent, progress=progress)
        try:
            if extent.size_bytes <= LEAF_BYTES:
                data = source.read(extent.size_bytes + 1)
                if hashlib.sha256(data).hexdigest() != extent.name:
                    raise DigestMismatch(f"what was to be copied is not object {extent.name}", "bwc verify")
                self._create(Shelf.OBJECTS, extent.name, data)
                if progress:
                    progress(len(data))
            else:
                self._upload(Shelf.OBJECTS, extent).send(source, progress)
        except (AlreadyThere, UploadIncomplete):
            if self.size(Shelf.OBJECTS, extent.name) is None:
                raise
        return self.prove(extent)

    def _create(self, shelf: Shelf, name: str, data: bytes) -> None:
        key = self._key(shelf, name)
        with said(self._where(key)):
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64_of(hashlib.sha256(data).hexdigest()),
                **self._settings(shelf),
            )

    def _upload(self, shelf: Shelf, extent: Extent) -> Upload:
        key = self._key(shelf, extent.name)
        return Upload(self._client, self._bucket, key, extent, self._settings(shelf))

    def _settings(self, shelf: Shelf) -> dict[str, Any]:
        if shelf in ERASABLE or self.place.lock == "none":
            return {}
        until = datetime.now(UTC) + timedelta(days=self.place.lock_days)
        return {"ObjectLockMode": self.place.lock.upper(), "ObjectLockRetainUntilDate": until}

    # --- out ---

    def open(self, shelf: Shelf, name: str) -> BinaryIO | None:
        key = self._key(shelf, name)
        head = self._head(key)
        if head is None:
            return None
        restored = 'ongoing-request="false"' in head.get("Restore", "")
        if head.get("StorageClass") in _ARCHIVED and not restored:
            underway = "ongoing-request" in head.get("Restore", "")
            raise archived(self._where(key), storage_class=head["StorageClass"], underway=underway)
        return cast(BinaryIO, S3Reader(self._client, self._bucket, key, int(head["ContentLength"])))

    def blocks(self, shelf: Shelf, name: str) -> Iterator[memoryview]:
        return blocks(self._client, self._bucket, self._key(shelf, name))

    def size(self, shelf: Shelf, name: str) -> int | None:
        head = self._head(self._key(shelf, name))
        return None if head is None else int(head["ContentLength"])

    def age_s(self, shelf: Shelf, name: str) -> float:
        key = self._key(shelf, name)
        head = self._head(key)
        if head is None:
            raise Gone(f"{self._where(key)}: no such thing in the store")
        now = head["ResponseMetadata"]["HTTPHeaders"].get("date")
        clock = datetime.strptime(now, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC) if now else datetime.now(UTC)
        return (clock - cast(datetime, head["LastModified"])).total_seconds()

    def get(self, shelf: Shelf, name: str) -> bytes | None:
        try:
            return whole(self._client, self._bucket, self._key(shelf, name), _MOST_DOCUMENT)
        except Gone:
            return None

    def names(self, shelf: Shelf) -> Iterator[str]:
        start = self._path(f"{shelf.value}/")
        with said(self._where(start)):
            pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start))
        while True:
            with said(self._where(start)):
                page = next(pages, None)
            if page is None:
                return
            for one in page.get("Contents", ()):
                name = one["Key"].rpartition("/")[2].removesuffix(".json")
                if is_sha256_hex(name) and one["Key"] == self._key(shelf, name):
                    yield name

    def prove(self, extent: Extent, *, progress: Progress | None = None) -> Proof:
        key = self._key(Shelf.OBJECTS, extent.name)
        head = self._head(key)
        if head is None:
            raise IntegrityError(f"{self._where(key)} is missing")
        if head["ContentLength"] != extent.size_bytes:
            raise DigestMismatch(f"{self._where(key)} has {head['ContentLength']} bytes, not {extent.size_bytes}")
        problem = checksum_problem(extent, self._parts(key), head.get("ChecksumSHA256", ""))
        if problem:
            raise DigestMismatch(f"{self._where(key)}: {problem}")
        if problem is None:
            if progress:
                progress(extent.size_bytes)
            return Proof.CHECKSUMS
        digest = hashlib.sha256()
        for block in self.blocks(Shelf.OBJECTS, extent.name):
            digest.update(block)
            if progress:
                progress(len(block))
        if digest.hexdigest() != extent.name:
            raise DigestMismatch(f"{self._where(key)} holds other bytes")
        return Proof.READ

    def _parts(self, key: str) -> list[Mapping[str, Any]]:
        """What the store says of the parts of an object; nothing where it may not or cannot say."""
        found: list[Mapping[str, Any]] = []
        after: dict[str, int] = {}
        while True:
            try:
                with said(self._where(key)):
                    page = self._client.get_object_attributes(
                        Bucket=self._bucket, Key=key, ObjectAttributes=["ObjectParts"], **after
                    ).get("ObjectParts", {})
            except Forbidden:
                return []
            found += page.get("Parts", ())
            if not page.get("IsTruncated"):
                return found
            after = {"PartNumberMarker": int(page["NextPartNumberMarker"])}

    # --- away ---

    def erase(self, shelf: Shelf, name: str) -> None:
        if shelf not in ERASABLE:
            raise UsageError(f"{shelf.value} are never erased")
        self._delete(self._key(shelf, name))

    def erase_together(self, shelf: Shelf, names: Sequence[str]) -> None:
        for name in names:
            self.erase(shelf, name)

    def destroy(self, shelf: Shelf, name: str) -> bool:
        try:
            self._delete(self._key(shelf, name))
        except HoldInForce:
            return False
        return True

    def discard_unnamed(self, shelf: Shelf, name: str) -> None:
        self._delete(self._key(shelf, name))

    def isolate(self, shelf: Shelf, name: str) -> str | None:
        key, head = self._key(shelf, name), self._head(self._key(shelf, name))
        if head is None:
            return None
        aside = self._path(f"{QUARANTINE}/{shelf.value}/{name}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        with said(self._where(key)):
            self._client.copy_object(
                Bucket=self._bucket,
                Key=aside,
                CopySource={"Bucket": self._bucket, "Key": key},
                MetadataDirective="COPY",
            )
            # in a bucket with versions this hides it; a locked version stays, beside the good one that comes
            self._client.delete_object(Bucket=self._bucket, Key=key)
        return aside

    def _delete(self, key: str) -> None:
        """Delete every version. Raises `HoldInForce` when a lock forbids it."""
        where = self._where(key)
        try:
            for version in self._versions(key):
                with said(where):
                    self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
            if self._versions(key):
                raise StorageError(f"{where}: versions of it are still there", "run the same again")
        except Forbidden as error:
            lock = self._lock(key)
            if lock == Lock():
                raise
            raise HoldInForce(f"{where} cannot be deleted: {_lock_text(lock)}") from error

    def _versions(self, key: str, *, markers: bool = True) -> list[str]:
        found: list[str] = []
        with said(self._where(key)):
            for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key):
                both = (*page.get("Versions", ()), *(page.get("DeleteMarkers", ()) if markers else ()))
                found += [one["VersionId"] for one in both if one["Key"] == key]
        return found

    # --- locks ---

    def lock_of(self, shelf: Shelf, name: str) -> Lock:
        key = self._lockable(shelf, name)
        if (head := self._head(key)) is None:
            raise Gone(f"{self._where(key)} is missing", "bwc replicate --again --repair")
        return _lock_in(head)

    def lock_until(self, shelf: Shelf, name: str, until: datetime) -> None:
        key = self._lockable(shelf, name)
        if self.place.lock == "none":
            raise ConfigError(f"store {self.place.name} locks nothing", "lock and lock_days in bwc.toml")
        now = self._lock(key)
        if now.until is not None and until < now.until:
            raise HoldInForce(f"{self._where(key)}: {until:%Y-%m-%d} is too early: {_lock_text(now)}")
        retention = {"Mode": self.place.lock.upper(), "RetainUntilDate": until.astimezone(UTC)}
        try:
            with said(self._where(key)):
                self._client.put_object_retention(
                    Bucket=self._bucket, Key=key, Retention=retention, ChecksumAlgorithm="SHA256"
                )
        except Forbidden as error:
            raise HoldInForce(f"{self._where(key)}: the lock cannot be changed so: {_lock_text(now)}") from error

    def set_hold(self, shelf: Shelf, name: str, *, on: bool) -> None:
        key = self._lockable(shelf, name)
        # lifted from every version: what was moved aside after it was held could never be deleted otherwise
        versions = [None] if on else self._versions(key, markers=False)
        for version in versions:
            with said(self._where(key)):
                self._client.put_object_legal_hold(
                    Bucket=self._bucket,
                    Key=key,
                    LegalHold={"Status": "ON" if on else "OFF"},
                    ChecksumAlgorithm="SHA256",
                    **({} if version is None else {"VersionId": version}),
                )

    def _lockable(self, shelf: Shelf, name: str) -> str:
        if shelf in ERASABLE:
            raise UsageError(f"{shelf.value} are never locked: keys must be destroyable")
        return self._key(shelf, name)

    def _lock(self, key: str) -> Lock:
        return _lock_in(self._head(key) or {})

    # --- the bucket ---

    def check(self) -> None:
        """Raise `ConfigError` unless the bucket does what `place` asks, and leaves envelopes erasable."""
        try:
            with said(self._where("")):
                found = self._client.get_object_lock_configuration(Bucket=self._bucket)["ObjectLockConfiguration"]
        except (StorageError, KeyError) as error:
            if self.place.lock == "none" and not isinstance(error, Forbidden):
                self._head_bucket()
                return
            raise ConfigError(
                f"{self.place.text} has no Object Lock: {error}",
                "it is chosen when a bucket is made: docs/administrator.md",
            ) from error
        if found.get("Rule"):
            raise ConfigError(
                f"{self.place.text} locks everything by default: envelopes could never be erased",
                f"aws s3api put-object-lock-configuration --bucket {self._bucket} --object-lock-configuration ObjectLockEnabled=Enabled",
            )

    def _head_bucket(self) -> None:
        with said(self._where("")):
            self._client.head_bucket(Bucket=self._bucket)

    # --- below ---

    def _head(self, key: str) -> Mapping[str, Any] | None:
        def ask() -> Mapping[str, Any]:
            with said(self._where(key)):
                found: Mapping[str, Any] = self._client.head_object(
                    Bucket=self._bucket, Key=key, ChecksumMode="ENABLED"
                )
            return found

        try:
            return again(ask, tries=2)
        except Gone:
            return None

    def _key(self, shelf: Shelf, name: str) -> str:
        return self._path(path_of(shelf, name))

    def _path(self, path: str) -> str:
        return f"{self.place.prefix.strip('/')}/{path}" if self.place.prefix.strip("/") else path

    def _where(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


def _lock_in(head: Mapping[str, Any]) -> Lock:
    mode, until = head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
    return Lock(
        mode=mode.lower() if mode else None,
        until=until.astimezone(UTC) if until else None,  # boto3 gives the computer's own zone
        hold=head.get("ObjectLockLegalHoldStatus") == "ON",
    )


def _lock_text(lock: Lock) -> str:
    parts = [f"locked ({lock.mode}) until {lock.until:%Y-%m-%d %H:%M} UTC"] if lock.until else []
    parts += ["under legal hold"] if lock.hold else []
    return " and ".join(parts) or "no lock is known"
