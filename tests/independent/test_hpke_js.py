"""Our hybrid envelopes opened by @hpke/core and @hpke/hybridkem-x-wing (npm), and theirs by us."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bwc import paperkey
from bwc.evidence import ItemId, ObjectId
from bwc.identities import LocalOperator, RecoveryKey, Wrapped
from bwc.storage.envelope import Envelope, build, parse_envelope

pytestmark = pytest.mark.independent

PACKAGES = ("@hpke/core@1.9.0", "@hpke/hybridkem-x-wing@0.7.0")
LOG, MANIFEST = "log.example/springfield-pd", "ab" * 32
Ask = Callable[..., list[str]]


def b64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Put questions to the other implementation."""
    folder = tmp_path_factory.mktemp("npm")
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("NOT JUDGED BY @hpke: needs node and npm")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *PACKAGES]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"NOT JUDGED BY @hpke: npm could not install it: {done.stderr.strip()[-200:]}")
    program = shutil.copy(Path(__file__).with_name("open_envelope.mjs"), folder / "open_envelope.mjs")

    def put(*questions: dict[str, str]) -> list[str]:
        lines = "".join(json.dumps(one) + "\n" for one in questions)
        answered = subprocess.run(
            ["node", program], input=lines, capture_output=True, text=True, check=True, timeout=120, cwd=folder
        )
        return answered.stdout.split("\n")[:-1]

    return put


def an_envelope(operator: LocalOperator, dek: bytes) -> tuple[Envelope, Wrapped]:
    recovery = RecoveryKey.parse(paperkey.to_text(bytes(32))).recipient
    data = build(dek, ItemId("2026-1122-K4J7QX"), ObjectId("cd" * 32), MANIFEST, [operator.recipient, recovery], LOG)
    envelope = parse_envelope(data)
    (mine,) = [one for one in envelope.wraps if one.recipient == operator.recipient_id]
    return envelope, mine


def test_another_implementation_opens_our_envelopes_and_refuses_what_we_refuse(ask: Ask) -> None:
    operator, dek = LocalOperator.generate("officer"), bytes(range(32))
    envelope, wrap = an_envelope(operator, dek)
    seed, info = b64(operator.seeds()[32:]), envelope.info(operator.recipient_id)
    good = {"seed": seed, "info": b64(info), "sealed": b64(wrap.sealed)}
    others = [replace(envelope, item=ItemId("2026-1122-OTHER")), replace(envelope, manifest_sha256="00" * 32)]
    bad = [good | {"info": b64(one.info(operator.recipient_id))} for one in others]
    for place in (0, 1087, 1088, 1119, 1120, len(wrap.sealed) - 1):
        sealed = bytearray(wrap.sealed)
        sealed[place] ^= 1
        bad.append(good | {"sealed": b64(sealed)})
    bad.append(good | {"seed": b64(bytes(32))})
    answers = ask(good, *bad)
    assert answers[0] == b64(dek)
    assert answers[1:] == ["REFUSED"] * len(bad)


def test_we_open_what_another_implementation_sealed(ask: Ask) -> None:
    operator, dek = LocalOperator.generate("officer"), bytes(range(32))
    question = {"public": b64(operator.recipient.public), "info": b64(b"info"), "secret": b64(dek)}
    for answer in ask(question, question):
        wrap = Wrapped(operator.recipient_id, operator.recipient.suite, base64.b64decode(answer))
        assert operator.unwrap(wrap, b"info") == dek
