"""Time as the log records it."""

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Time as the log records it. `boot` names this run of the machine: 32 hex digits, no address or serial in it."""

    @property
    def boot(self) -> str: ...
    def now(self) -> datetime: ...
    def monotonic_us(self) -> int: ...


class SystemClock:
    """The machine's clock, and its time since boot (suspended time included)."""

    def __init__(self) -> None:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
        # The kernel's id is random for each boot; hashed, it names the boot here and nowhere else
        self.boot = hashlib.sha256(b"bwc/boot/v1\n" + boot_id).hexdigest()[:32]

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
