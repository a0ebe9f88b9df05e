"""An operator's public half, as handed to the administrator, and the log's key, as held by the operators.

The log's signing key lies in the vault wrapped to each operator that may sign checkpoints: a stolen disk does not
hold it, and no command needs a second passphrase. Formats: docs/formats/keys.md.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bwc.canonical import Json, canonical, parse_canonical
from bwc.errors import IntegrityError, KeyUnavailable, UsageError
from bwc.evidence import KeyId
from bwc.identities import PublicKey, Recipient, SeedSigner, Unwrapper, Wrapped, wrap_to

PUBLIC_FORMAT = "bwc.operator-public/1"
LOG_KEY_FORMAT = "bwc.logkey/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPublic:
    """What may be known of an operator: name, verifying key, recipient."""

    name: str
    key: PublicKey
    recipient: Recipient

    @property
    def key_id(self) -> KeyId:
        return self.key.key_id

    def facts(self, roles: Sequence[str]) -> dict[str, Json]:
        """The public facts of an enrolment entry; the name is not among them."""
        return self.key.to_json() | {"recipient": self.recipient.to_json(), "roles": list(roles)}

    def document(self) -> bytes:
        """The file handed to the administrator."""
        body = self.key.to_json() | {"format": PUBLIC_FORMAT, "name": self.name, "recipient": self.recipient.to_json()}
        return json.dumps(body, indent=1).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> "OperatorPublic":
        """Read a stranger's public file. Raises `UsageError` when it is not one."""
        try:
            value: Any = json.loads(data)
            if (
                value["format"] != PUBLIC_FORMAT
                or not isinstance(value["name"], str)
                or not 0 < len(value["name"]) <= 64
            ):
                raise UsageError("not an operator's public file")
            return cls(
                name=value["name"],
                key=PublicKey.from_json(value),
                recipient=Recipient.from_json(value["recipient"]),
            )
        except (ValueError, KeyError, TypeError, IntegrityError) as error:
            raise UsageError("not an operator's public file", "bwc key new NAME makes one") from error


def wrap_log_key(seed: bytes | bytearray, *, log: str, vkey: str, recipients: Sequence[Recipient]) -> bytes:
    """The key file of the log (`keys/log.json`): its 32-byte seed wrapped to each of `recipients`."""
    wraps = [wrap_to(recipient, seed, _info(log, recipient.recipient_id)).to_json() for recipient in recipients]
    return canonical({"format": LOG_KEY_FORMAT, "log": log, "vkey": vkey, "wraps": wraps})


def log_vkey(data: bytes) -> tuple[str, str]:
    """Origin and vkey of a log key file; to be believed only against a pinned key or the log itself."""
    value = _parse(data)
    return str(value["log"]), str(value["vkey"])


def open_log_key(data: bytes, unwrapper: Unwrapper) -> bytes:
    """The log's seed. Raises `KeyUnavailable` when this operator may not sign checkpoints."""
    value = _parse(data)
    for entry in value["wraps"]:
        wrapped = Wrapped.from_json(entry)
        if wrapped.recipient == unwrapper.recipient_id:
            return unwrapper.unwrap(wrapped, _info(value["log"], wrapped.recipient))
    raise KeyUnavailable("this key may not sign the log", "an administrator enrols it: bwc key enrol FILE --role …")


def log_signer(seed: bytes) -> SeedSigner:
    """The log's signer from its seed."""
    return SeedSigner(seed)


def _info(log: str, recipient: str) -> bytes:
    return f"{LOG_KEY_FORMAT}\n{log}\n{recipient}".encode()


def _parse(data: bytes) -> Any:
    value = parse_canonical(data)
    if not isinstance(value, dict) or value.get("format") != LOG_KEY_FORMAT or not isinstance(value.get("wraps"), list):
        raise IntegrityError("keys/log.json is not a log key")
    return value
