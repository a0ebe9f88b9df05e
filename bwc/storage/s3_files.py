"""Small files in a bucket, beside the shelves: written whole, read whole, with our SHA-256 on the way there."""

import hashlib
from collections.abc import Iterator
from typing import Any

from bwc.config import StorePlace
from bwc.storage.s3_client import Gone, said
from bwc.storage.s3_reader import whole
from bwc.storage.s3_upload import base64_of

_MOST = 64 << 20


class S3Files:
    """`files.Files` below a prefix of a bucket."""

    def __init__(self, place: StorePlace, client: Any) -> None:
        self._client, self._bucket = client, place.bucket
        self._prefix = f"{place.prefix.strip('/')}/" if place.prefix.strip("/") else ""

    def read(self, path: str) -> bytes | None:
        try:
            return whole(self._client, self._bucket, self._prefix + path, _MOST)
        except Gone:
            return None

    def write_new(self, path: str, data: bytes) -> None:
        self._put(path, data, IfNoneMatch="*")

    def replace(self, path: str, data: bytes) -> None:
        self._put(path, data)

    def remove(self, path: str) -> None:
        with said(self._where(path)):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + path)

    def walk(self, folder: str) -> Iterator[str]:
        start = f"{self._prefix}{folder}/"
        with said(self._where(folder)):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start)
            found = [one["Key"] for page in pages for one in page.get("Contents", ())]
        for key in found:
            yield key.removeprefix(self._prefix)

    def _put(self, path: str, data: bytes, **more: str) -> None:
        with said(self._where(path)):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + path,
                Body=data,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64_of(hashlib.sha256(data).hexdigest()),
                **more,
            )

    def _where(self, path: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{path}"
