"""A 32-byte secret as text for paper: Crockford base32, a checksum, and finding the group with the typing error."""

import hashlib
from itertools import pairwise

from bwc.errors import KeyUnavailable

_PREFIX = "BWC-RECOVERY-"
VERSIONS = (1, 2)  # what the seed is of: X-Wing, P-384 (docs/formats/keys.md)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U
_ALIKE = str.maketrans("ILO", "110")
_SEED_BYTES, _CHECK_BYTES = 32, 8
_SYMBOLS = 64  # 40 bytes, 16 groups of 4


def to_text(seed: bytes | bytearray, version: int = 1) -> str:
    """`seed` (32 bytes) as BWC-RECOVERY-1-XXXX-…, 16 groups."""
    if len(seed) != _SEED_BYTES:
        raise KeyUnavailable("a recovery key has 32 bytes")
    number = int.from_bytes(bytes(seed) + _check(seed, version), "big")
    symbols = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_SYMBOLS)))
    return "-".join([f"{_PREFIX}{version}", *(symbols[start : start + 4] for start in range(0, _SYMBOLS, 4))])


def from_text(text: str) -> tuple[bytearray, int]:
    """The secret and its version. Case, spaces, dashes and O for 0, I or L for 1 do not matter.

    Raises `KeyUnavailable`; if one wrong character or two swapped ones explain the text, it says in which group.
    """
    symbols = "".join(text.split()).replace("-", "").upper().translate(_ALIKE)
    prefix = _PREFIX.replace("-", "").translate(_ALIKE)
    version = next((one for one in VERSIONS if symbols.startswith(f"{prefix}{one}")), None)
    if version is None:
        raise KeyUnavailable("not a recovery key", f"it starts with {_PREFIX}1- or {_PREFIX}2-")
    symbols = symbols[len(prefix) + 1 :]
    for place, symbol in enumerate(symbols):
        if symbol not in _ALPHABET:
            raise KeyUnavailable(f"group {place // 4 + 1} of the recovery key holds a character that is never used")
    if len(symbols) != _SYMBOLS:
        raise KeyUnavailable(
            f"the recovery key has {len(symbols)} characters after {_PREFIX}{version}-, want {_SYMBOLS}"
        )
    seed = _seed_of(symbols, version)
    if seed is None:
        group = _wrong_group(symbols, version)
        where = f"look at group {group}" if group else "compare every group with the paper"
        raise KeyUnavailable("the recovery key holds a typing error", where)
    return seed, version


def _seed_of(symbols: str, version: int) -> bytearray | None:
    number = 0
    for symbol in symbols:
        number = number << 5 | _ALPHABET.index(symbol)
    data = bytearray(number.to_bytes(_SEED_BYTES + _CHECK_BYTES, "big"))
    return data[:_SEED_BYTES] if data[_SEED_BYTES:] == _check(data[:_SEED_BYTES], version) else None


def _wrong_group(symbols: str, version: int) -> int | None:
    """The group (from 1) where one other character, or a swap of neighbours, makes the checksum fit."""
    for place, old in enumerate(symbols):
        for new in _ALPHABET:
            if new != old and _seed_of(symbols[:place] + new + symbols[place + 1 :], version) is not None:
                return place // 4 + 1
    for place, (one, two) in enumerate(pairwise(symbols)):
        if one != two and _seed_of(symbols[:place] + two + one + symbols[place + 2 :], version) is not None:
            return place // 4 + 1
    return None


def _check(seed: bytes | bytearray, version: int) -> bytes:
    # 64 bits: a wrong key is never taken for a right one, even by the search above
    return hashlib.sha256(f"bwc.recovery/{version}\n".encode() + seed).digest()[:_CHECK_BYTES]
