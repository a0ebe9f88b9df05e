"""The store on S3 keeps every promise of `ObjectStore` and of `LockingStore`, against a real server and bad networks."""

import io
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bwc.config import StorePlace
from bwc.errors import (
    ConfigError,
    DigestMismatch,
    HoldInForce,
    StorageError,
    Unreachable,
    UsageError,
)
from bwc.storage.fsops import Disk
from bwc.storage.manifest import LEAF_BYTES
from bwc.storage.s3 import S3Store
from bwc.storage.s3_client import connect
from bwc.storage.store import Lock, LockingStore, Proof, Shelf
from tests.suites.faulty_proxy import FaultyProxy
from tests.suites.object_store import A, ObjectStoreSuite, sealed_like
from tests.suites.s3_server import KEY, SECRET, S3Server

Make = Callable[..., S3Store]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def place(endpoint: str, *, bucket: str = "plain", lock: str = "none", days: int = 0) -> StorePlace:
    """A fresh prefix in a bucket of the server."""
    prefix = f"t{secrets.token_hex(4)}"
    return StorePlace(
        name="cloud", bucket=bucket, prefix=prefix, endpoint=endpoint, region="us-east-1", lock=lock, lock_days=days
    )


@pytest.fixture(scope="module")
def client(s3_server: S3Server) -> Any:
    """One client for all stores of this file: making one takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        return connect(place(s3_server.endpoint))


@pytest.fixture
def make(s3_server: S3Server, client: Any, tmp_path: Path) -> Make:
    def made(**settings: Any) -> S3Store:
        return S3Store(place(s3_server.endpoint, **settings), Disk(tmp_path), client=client)

    return made


class TestS3Store(ObjectStoreSuite):
    @pytest.fixture(params=["plain", "locking"])
    def store(self, make: Make, request: pytest.FixtureRequest) -> S3Store:
        return make(bucket=request.param)


# --- proof ---


def test_a_copy_is_proven_by_the_checksums_of_its_parts(make: Make) -> None:
    store = make()
    for size in (1000, 2 * LEAF_BYTES + 1):
        data, extent = sealed_like(size)
        store.receive(io.BytesIO(data), extent)
        assert store.prove(extent) is Proof.CHECKSUMS


def test_a_copy_put_there_by_another_program_is_read_back(make: Make, client: Any) -> None:
    store = make()
    data, extent = sealed_like(LEAF_BYTES + 5)
    key = f"{store.place.prefix}/objects/{extent.name[:2]}/{extent.name}"
    client.put_object(Bucket="plain", Key=key, Body=data)
    assert store.prove(extent) is Proof.READ
    client.put_object(Bucket="plain", Key=key, Body=data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DigestMismatch):
        store.prove(extent)
    client.put_object(Bucket="plain", Key=key, Body=data[:-1])
    with pytest.raises(DigestMismatch):
        store.prove(extent)


def test_a_seek_is_one_ranged_request_of_at_most_two_mebibytes(
    make: Make, client: Any, request: pytest.FixtureRequest
) -> None:
    store = make()
    data, extent = sealed_like(3 * LEAF_BYTES)
    store.receive(io.BytesIO(data), extent)
    reader = store.open(Shelf.OBJECTS, extent.name)
    assert reader is not None
    asked: list[str] = []

    def note(params: Any, **_: object) -> None:
        asked.append(params["headers"]["Range"])

    client.meta.events.register("before-call.s3.GetObject", note)
    request.addfinalizer(lambda: client.meta.events.unregister("before-call.s3.GetObject", note))
    for offset in (5, LEAF_BYTES - 100, 2 * LEAF_BYTES + 77_777):
        asked.clear()
        reader.seek(offset)
        found = bytearray(300_000)
        view = memoryview(found)
        while view:
            view = view[reader.readinto(view) :]  # type: ignore[attr-defined]
        assert found == data[offset : offset + 300_000]
        assert len(asked) == 1
        first, last = (int(part) for part in asked[0].removeprefix("bytes=").split("-"))
        assert last - first < 2 << 20


# --- locks ---


def test_a_lock_refuses_deletion_and_never_covers_keys(make: Make, client: Any) -> None:
    store = make(bucket="locking", lock="compliance", days=1)
    data, extent = sealed_like(LEAF_BYTES + 7)
    store.receive(io.BytesIO(data), extent)
    for shelf in (Shelf.MANIFESTS, Shelf.ENVELOPES, Shelf.BODIES):
        store.put(shelf, A, b"one")
    assert isinstance(store, LockingStore)
    for shelf, name in ((Shelf.OBJECTS, extent.name), (Shelf.MANIFESTS, A)):
        lock = store.lock_of(shelf, name)
        assert lock.mode == "compliance"
        assert lock.until is not None
        assert lock.until - datetime.now(UTC) > timedelta(hours=23)
        with pytest.raises(HoldInForce, match="locked"):
            store.discard_unnamed(shelf, name)
        assert store.size(shelf, name) is not None
    for shelf in (Shelf.ENVELOPES, Shelf.BODIES):
        with pytest.raises(UsageError):
            store.lock_of(shelf, A)
        store.erase(shelf, A)
        assert store.get(shelf, A) is None
        versions = client.list_object_versions(Bucket="locking", Prefix=f"{store.place.prefix}/{shelf.value}/")
        assert not versions.get("Versions")
        assert not versions.get("DeleteMarkers")


def test_a_compliance_lock_is_never_shortened_or_weakened(make: Make, client: Any) -> None:
    store = make(bucket="locking", lock="compliance", days=2)
    store.put(Shelf.MANIFESTS, A, b"one")
    until = store.lock_of(Shelf.MANIFESTS, A).until
    assert until is not None
    with pytest.raises(HoldInForce, match="too early"):
        store.lock_until(Shelf.MANIFESTS, A, until - timedelta(days=1))
    weaker = S3Store(
        StorePlace(**{**_fields(store.place), "lock": "governance"}), Disk(Path("/nowhere")), client=client
    )
    with pytest.raises(HoldInForce):
        weaker.lock_until(Shelf.MANIFESTS, A, until + timedelta(days=1))
    store.lock_until(Shelf.MANIFESTS, A, until + timedelta(days=1))
    longer = store.lock_of(Shelf.MANIFESTS, A)
    assert longer.mode == "compliance"
    assert longer.until == until + timedelta(days=1)


def test_a_legal_hold_keeps_until_it_is_lifted(make: Make) -> None:
    store = make(bucket="locking")
    store.put(Shelf.MANIFESTS, A, b"one")
    assert store.lock_of(Shelf.MANIFESTS, A) == Lock()
    store.set_hold(Shelf.MANIFESTS, A, on=True)
    assert store.lock_of(Shelf.MANIFESTS, A).hold
    with pytest.raises(HoldInForce, match="legal hold"):
        store.discard_unnamed(Shelf.MANIFESTS, A)
    store.set_hold(Shelf.MANIFESTS, A, on=False)
    store.discard_unnamed(Shelf.MANIFESTS, A)
    assert store.get(Shelf.MANIFESTS, A) is None


def test_a_hold_is_lifted_from_every_version(make: Make, client: Any) -> None:
    store = make(bucket="locking")
    store.put(Shelf.MANIFESTS, A, b"one")
    store.set_hold(Shelf.MANIFESTS, A, on=True)
    store.isolate(Shelf.MANIFESTS, A)  # the held version stays, hidden
    store.put(Shelf.MANIFESTS, A, b"two")
    store.set_hold(Shelf.MANIFESTS, A, on=True)
    store.set_hold(Shelf.MANIFESTS, A, on=False)
    assert store.destroy(Shelf.MANIFESTS, A)
    versions = client.list_object_versions(Bucket="locking", Prefix=f"{store.place.prefix}/manifests/")
    assert not versions.get("Versions")
    with pytest.raises(StorageError, match="missing"):
        store.lock_of(Shelf.MANIFESTS, A)


def test_a_bucket_that_cannot_do_what_is_asked_is_refused(make: Make, s3_server: S3Server, client: Any) -> None:
    make(bucket="locking", lock="governance", days=1).check()
    make(bucket="plain").check()
    with pytest.raises(ConfigError, match="no Object Lock"):
        make(bucket="plain", lock="governance", days=1).check()
    s3_server.bucket("by-default")
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket="by-default", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    with pytest.raises(ConfigError, match="by default"):
        make(bucket="by-default").check()
    with pytest.raises(StorageError, match="no such"):
        make(bucket="nowhere").check()


# --- bad networks, bad servers ---


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultyProxy]:
    made = FaultyProxy(s3_server.port)
    yield made
    made.close()


@pytest.fixture
def through(proxy: FaultyProxy, tmp_path: Path) -> Callable[..., S3Store]:
    def made(**settings: Any) -> S3Store:
        at = place(proxy.endpoint)
        return S3Store(
            at, Disk(tmp_path), client=connect(at, connect_s=2, read_s=settings.pop("read_s", 20), **settings)
        )

    return made


def test_closed_connections_and_500s_are_tried_again(proxy: FaultyProxy, through: Callable[..., S3Store]) -> None:
    store = through()
    data, extent = sealed_like(3 * LEAF_BYTES + 5)
    proxy.harm.close_after = [3 << 20]
    proxy.harm.answer_500 = 1
    store.receive(io.BytesIO(data), extent)
    assert store.prove(extent) is Proof.CHECKSUMS
    assert (proxy.harm.close_after, proxy.harm.answer_500) == ([], 0)


def test_a_store_that_hangs_is_tried_again(proxy: FaultyProxy, through: Callable[..., S3Store]) -> None:
    store = through(read_s=1)
    proxy.harm.hang = 1
    store.put(Shelf.MANIFESTS, A, b"one")
    assert store.get(Shelf.MANIFESTS, A) == b"one"


def test_a_store_that_is_away_is_said_so(proxy: FaultyProxy, through: Callable[..., S3Store]) -> None:
    store = through(tries=2)
    proxy.harm.refuse = True
    data, extent = sealed_like(100)
    for act in (
        lambda: store.put(Shelf.MANIFESTS, A, b"one"),
        lambda: store.receive(io.BytesIO(data), extent),
        lambda: list(store.names(Shelf.OBJECTS)),
    ):
        with pytest.raises(Unreachable, match="does not answer") as raised:
            act()
        assert raised.value.exit_code == 11
        assert raised.value.hint


def test_bytes_changed_on_the_way_never_become_a_copy(proxy: FaultyProxy, through: Callable[..., S3Store]) -> None:
    store = through()
    for size in (100_000, 2 * LEAF_BYTES):
        data, extent = sealed_like(size)
        proxy.harm.flip_after = [50_000]
        with pytest.raises(DigestMismatch):
            store.receive(io.BytesIO(data), extent)
        assert store.size(Shelf.OBJECTS, extent.name) is None


def test_reading_goes_on_where_a_connection_broke(proxy: FaultyProxy, through: Callable[..., S3Store]) -> None:
    store = through()
    data, extent = sealed_like(2 * LEAF_BYTES)
    store.receive(io.BytesIO(data), extent)
    proxy.harm.close_answer_after = [5 << 20]
    assert b"".join(bytes(block) for block in store.blocks(Shelf.OBJECTS, extent.name)) == data
    assert proxy.harm.close_answer_after == []


def test_a_killed_server_gets_no_finished_part_again(tmp_path: Path) -> None:
    server = S3Server(tmp_path / "server").start()
    proxy = FaultyProxy(server.port)
    try:
        server.bucket("evidence")
        at = place(proxy.endpoint, bucket="evidence")
        store = S3Store(at, Disk(tmp_path / "disk"), client=connect(at, connect_s=1, read_s=30, tries=2))
        data, extent = sealed_like(6 * LEAF_BYTES + 1)
        sent: list[int] = []

        def until_killed(count: int) -> None:
            sent.append(count)
            if len(sent) == 2:
                server.kill()

        with pytest.raises(StorageError):
            store.receive(io.BytesIO(data), extent, progress=until_killed)
        server.start()
        assert store.size(Shelf.OBJECTS, extent.name) is None
        there = _parts_there(server, "evidence")
        assert len(there) >= 2
        proxy.harm.passed.clear()
        store.receive(io.BytesIO(data), extent)
        again = {int(number) for line in proxy.harm.passed for number in re.findall(rb"partNumber=(\d+)", line)}
        assert again == set(range(1, 8)) - there
        assert store.prove(extent) is Proof.CHECKSUMS
    finally:
        proxy.close()
        server.kill()


def test_wrong_parts_of_an_earlier_upload_are_sent_again(make: Make, client: Any) -> None:
    store = make()
    data, extent = sealed_like(2 * LEAF_BYTES)
    key = f"{store.place.prefix}/objects/{extent.name[:2]}/{extent.name}"
    begun = client.create_multipart_upload(
        Bucket="plain", Key=key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE"
    )["UploadId"]
    client.upload_part(
        Bucket="plain", Key=key, UploadId=begun, PartNumber=1, Body=b"z" * LEAF_BYTES, ChecksumAlgorithm="SHA256"
    )
    store.receive(io.BytesIO(data), extent)
    assert b"".join(bytes(block) for block in store.blocks(Shelf.OBJECTS, extent.name)) == data


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ExpiredToken", "expired"),
        ("InvalidAccessKeyId", "does not know these credentials"),
        ("NoSuchBucket", "no such bucket"),
        ("QuotaExceeded", "full"),
        ("SlowDown", "fails"),
        ("InvalidObjectState", "restored before it can be read"),
    ],
)
def test_what_a_server_refuses_is_said_with_something_to_do(make: Make, client: Any, code: str, says: str) -> None:
    from botocore.stub import Stubber

    with Stubber(client) as stub:  # states that this server cannot be brought into
        for _ in range(4):
            stub.add_client_error("get_object", service_error_code=code, http_status_code=403)
        with pytest.raises(Exception, match=says) as raised:
            make().get(Shelf.MANIFESTS, A)
    assert raised.value.exit_code in (11, 12)
    assert raised.value.hint


def test_wrong_credentials_are_said_clearly(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="credentials") as raised:
        S3Store(place(s3_server.endpoint), Disk(tmp_path)).put(Shelf.MANIFESTS, A, b"one")
    assert "AWS_ACCESS_KEY_ID" in raised.value.hint


def test_an_archived_object_says_how_to_get_it_back(make: Make, client: Any) -> None:
    from botocore.stub import Stubber

    def opened(**head: Any) -> StorageError:
        with Stubber(client) as stub:
            stub.add_response("head_object", {"ContentLength": 5, **head})
            with pytest.raises(StorageError) as raised:
                make().open(Shelf.OBJECTS, A)
        return raised.value

    assert "restore-object" in opened(StorageClass="DEEP_ARCHIVE").hint
    assert "coming back" in opened(StorageClass="GLACIER", Restore='ongoing-request="true"').message


def _fields(at: StorePlace) -> dict[str, Any]:
    return {name: getattr(at, name) for name in at.__dataclass_fields__}


def _parts_there(server: S3Server, bucket: str) -> set[int]:
    client = server.client()
    uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return {
        part["PartNumber"]
        for one in uploads
        for part in client.list_parts(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]).get("Parts", [])
    }
