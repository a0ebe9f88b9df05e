"""The log's folder inside the vault, written through the vault's own file operations."""

from collections.abc import Mapping, Sequence

from bwc.storage.fsops import Disk


class LogShelf:
    """`appending.deriving.LogFiles` below `log/` of a vault.

    What the log writes there follows from the catalog's rows, which are synced first, and the log's key: `derived`. What
    outsiders signed (cosignatures, time stamps) nobody here can make again: with `derived` false it is read back from
    the device before it counts as written.
    """

    def __init__(self, disk: Disk, *, derived: bool = True) -> None:
        self.disk = disk
        self._derived = derived

    def read(self, path: str) -> bytes | None:
        return self.disk.read(f"log/{path}")

    def list(self, folder: str) -> Sequence[str]:
        return self.disk.names(f"log/{folder}")

    def write_new(self, files: Mapping[str, bytes]) -> None:
        self.disk.write_together({f"log/{path}": data for path, data in files.items()}, derived=self._derived)

    def replace(self, path: str, data: bytes, keep: str | None = None) -> None:
        self.disk.replace(f"log/{path}", data, keep=f"log/{keep}" if keep else None, derived=self._derived)

    def publish(self, files: Mapping[str, bytes], there: Sequence[str], path: str, data: bytes, keep: str) -> None:
        new = {f"log/{name}": content for name, content in files.items()}
        old = [f"log/{name}" for name in there]
        self.disk.publish_derived(new, f"log/{path}", data, keep=f"log/{keep}", there=old)

    def remove(self, path: str) -> None:
        self.disk.remove(f"log/{path}", synced=False)  # a partial tile that comes back is harmless
