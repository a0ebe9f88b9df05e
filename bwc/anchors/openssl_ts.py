"""Checking a time stamp with the `openssl` program: where there is no library for it, and as a second opinion.

Certificates count as of the moment of the stamp, so that a token outlives the certificate that signed it.
"""

import re
import shutil
import subprocess
from base64 import encodebytes
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bwc.anchors.outside import StampUnchecked
from bwc.errors import ProofInvalid

_TIME = re.compile(rb"Time stamp: ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?\d* (\d{4}) GMT")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_TIMEOUT_S = 30


def check_stamp(token: bytes, message: bytes, roots: Sequence[bytes]) -> datetime:
    """The time of a TimeStampResp over `message` under `roots` (DER); an `anchors.outside.CheckStamp`.

    Raises `ProofInvalid` unless openssl accepts it, `StampUnchecked` when there is no openssl.
    """
    program = shutil.which("openssl")
    if program is None:
        raise StampUnchecked
    with TemporaryDirectory(prefix="bwc-ts-") as name:
        folder = Path(name)
        (folder / "token").write_bytes(token)
        (folder / "message").write_bytes(message)
        pem = [b"-----BEGIN CERTIFICATE-----\n" + encodebytes(one) + b"-----END CERTIFICATE-----\n" for one in roots]
        (folder / "roots").write_bytes(b"".join(pem))
        shown = _run(program, folder, "-reply", "-in", "token", "-text")
        found = _TIME.search(shown.stdout)
        if shown.returncode or found is None or found[1] not in _MONTHS:
            raise ProofInvalid("not a time stamp")
        month, day, hour, minute, second, fraction, year = found.groups()
        at = datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second),
            int((fraction or b"0").ljust(6, b"0")),
            tzinfo=UTC,
        )
        moment = str(int(at.timestamp()))
        judged = _run(
            program, folder, "-verify", "-data", "message", "-in", "token", "-CAfile", "roots", "-attime", moment
        )
        if judged.returncode or b"Verification: OK" not in judged.stdout + judged.stderr:
            raise ProofInvalid("the time stamp is not of this checkpoint, or not by the authority that policy names")
        return at


def _run(program: str, folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [program, "ts", *words],
            cwd=folder,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StampUnchecked from error
