"""Weights that come with this package: read, compared with the digest we know, never trusted without."""

from dataclasses import dataclass
from pathlib import Path

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, NotFound

FOLDER = Path(__file__).with_name("data")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """One file of weights in `data/`. The digest is lower-case hex SHA-256."""

    name: str
    file_sha256: str
    licence: str

    def load(self, folder: Path = FOLDER) -> bytes:
        """Its bytes. Raises `NotFound` when it is absent and `DigestMismatch` when it is another file."""
        try:
            data = (folder / self.name).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{self.name} is not in this installation", "install bwc again") from error
        actual = sha256_hex(data)
        if actual != self.file_sha256:
            raise DigestMismatch(f"{self.name} is not the file we know (sha256 {actual}, expected {self.file_sha256})")
        return data
