"""What may be told of a sealed object so that others can check its commitment: the salt, never the key."""

from bwc.evidence import SealedObject
from bwc.identities import Unwrapper
from bwc.storage.manifest import content_salt
from bwc.storage.stream import KEY_BYTES
from bwc.storage.vault import Vault


def content_salt_of(vault: Vault, sealed: SealedObject, unwrapper: Unwrapper) -> str:
    """The salt of an object's content commitment: with the plaintext's digest it opens that, and nothing else."""
    dek = vault._key_of(sealed, vault._manifest_of_log(sealed), unwrapper)
    try:
        return content_salt(dek).hex()
    finally:
        dek[:] = bytes(KEY_BYTES)
