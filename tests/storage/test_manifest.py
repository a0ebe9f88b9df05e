"""The commitments of a manifest, held to the vector in docs/formats/manifest.md."""

import hashlib
import re
from pathlib import Path

from bwc.storage.manifest import content_commit, content_salt, key_commit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats" / "manifest.md"
KEY = bytes(range(32))


def test_commitments_are_those_of_the_page() -> None:
    told = dict(re.findall(r"^(D|commit|S|content) +([0-9a-f]{64})$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    digest = hashlib.sha256(b"footage").hexdigest()
    assert told == {
        "D": digest,
        "commit": key_commit(KEY),
        "S": content_salt(KEY).hex(),
        "content": content_commit(KEY, digest),
    }


def test_another_key_or_content_gives_another_commitment() -> None:
    digest, other = (hashlib.sha256(text).hexdigest() for text in (b"footage", b"other"))
    assert len({content_commit(KEY, digest), content_commit(KEY, other), content_commit(bytes(32), digest)}) == 3
    assert key_commit(KEY) != key_commit(bytes(32)) != content_salt(bytes(32)).hex()
