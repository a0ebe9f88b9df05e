"""bwc key rotate and rewrap: a key gives way to another; what is held gets today's readers."""

import functools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command, key_file, passphrase, pin_of, secret_of
from bwc.cli.terminal import counted
from bwc.errors import UsageError

if TYPE_CHECKING:
    from bwc.identities import LocalOperator, RecoveryKey
    from bwc.tokenkey import TokenOperator

SUITES = {
    "hybrid": "MLKEM768_X25519-HKDF-SHA256-AES-256-GCM",
    "p384": "P384-HKDF-SHA384-AES-256-GCM",
    "p256": "P256-HKDF-SHA256-AES-256-GCM",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfKey:
    """What kind of key is asked for, and where its private halves shall be."""

    signing: str | None
    suite: str | None
    token: str | None
    module: Path | None
    kms: str | None
    with_passphrase: bool

    def make(self, path: Path, name: str, prompt: str, *, log: str | None) -> "LocalOperator | TokenOperator":
        """A fresh key for `name` and its key file at `path`; its passphrase (by `prompt`) or its token's PIN is asked.

        `log` is told to the key service, for which vault this is.
        """
        from bwc.identities import LocalOperator
        from bwc.keyfile import save_kms_operator, save_operator, save_token_operator
        from bwc.tokenkey import TokenOperator

        if (self.token is None) != (self.module is None):
            raise UsageError("--token and --module belong together", "--token LABEL --module /path/to/module.so")
        if self.kms is not None and self.token is not None:
            raise UsageError("a token needs no key service: its keys never leave it", "either --token or --kms")
        if self.with_passphrase and self.kms is None:
            raise UsageError("--with-passphrase belongs to --kms", "without --kms a passphrase is asked anyhow")
        if self.token is None or self.module is None:
            local = LocalOperator.generate(name, alg=self.signing or "ed25519", suite=SUITES[self.suite or "hybrid"])
            if self.kms is None:
                save_operator(path, local, passphrase(prompt, confirm=True))
            else:
                words = passphrase(prompt, confirm=True) if self.with_passphrase else b""
                save_kms_operator(path, local, service_key=self.kms, log=log, passphrase=words)
            return local
        if self.signing not in (None, "p256"):
            raise UsageError("a key on a token signs with p256", "leave --signing away")
        suite, pin = SUITES[self.suite or "p384"], pin_of(self.token)
        held = TokenOperator.generate(name, module=self.module, label=self.token, pin=pin, suite=suite)
        try:
            save_token_operator(path, held)
        except BaseException:
            held.destroy()  # nobody would know of it
            raise
        return held


def kinds_of_key(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what kind of key is made; the function gets them as `kind`."""

    @functools.wraps(function)
    def gathered(
        *args: Any,
        signing: str | None,
        suite: str | None,
        token: str | None,
        module: Path | None,
        kms: str | None,
        with_passphrase: bool,
        **kwargs: Any,
    ) -> Any:
        kind = KindOfKey(
            signing=signing, suite=suite, token=token, module=module, kms=kms, with_passphrase=with_passphrase
        )
        return function(*args, kind=kind, **kwargs)

    options = (
        click.option(
            "--signing", type=click.Choice(["ed25519", "p256"]), help="How it signs (ed25519; on a token p256)."
        ),
        click.option(
            "--suite",
            type=click.Choice(list(SUITES)),
            help="How things are sealed to it (hybrid; on a token p384, which the policy fips wants too).",
        ),
        click.option("--token", metavar="LABEL", help="Make the private keys on this PKCS#11 token."),
        click.option("--module", type=click.Path(path_type=Path), help="The token's PKCS#11 library."),
        click.option(
            "--kms",
            metavar="KEY",
            help="Lock the key file with this AWS KMS key (ARN or alias), not with a passphrase.",
        ),
        click.option("--with-passphrase", is_flag=True, help="With --kms: a passphrase is needed too."),
    )
    made: Callable[..., Any] = gathered
    for option in reversed(options):
        made = option(made)
    return made


def recovery_from(path: Path | None) -> "RecoveryKey | None":
    """The recovery key in a file, for the commands that take one."""
    from bwc.identities import RecoveryKey

    return RecoveryKey.parse(path.read_text(encoding="utf-8").strip()) if path else None


@command(
    """
    bwc key rotate
    bwc key rotate --as mchen --suite p384 --signing p256
    bwc key rotate --token desk --module /usr/lib/opensc-pkcs11.so
    bwc key rotate --kms alias/bwc-officers
    """,
    name="rotate",
)
@kinds_of_key
def key_rotate(entry: Entry, *, kind: KindOfKey) -> None:
    """Replace your own key by a fresh one: signed by both, the same person, the same roles.

    What the old key opens is given to the new one. If it stops half-way, run it again. The old key file is kept
    in the folder `retired` beside the new one.
    """
    from bwc.agent import connect, start_agent
    from bwc.keyfile import load_operator

    path = key_file(entry.operator)
    waiting = path.with_name(f"{path.name}.next")
    old = entry.person()
    if waiting.exists():
        new = load_operator(waiting, secret_of(waiting, prompt=f"passphrase of the new key for {path.stem}"))
    else:
        new = kind.make(waiting, old.name, f"passphrase for the new key of {path.stem}", log=entry.log_here())
    with entry.house(person=old) as house:
        if new.key_id in {row.key_id for row in house.operators()}:
            house.operator = new
            rewrapped = house.finish_rotation(old)
        else:
            rewrapped = house.rotate(new)
    running = connect()
    retired = _retire(path, waiting, old.key_id)
    if running is not None and running.key_id == old.key_id:
        start_agent(new)
    entry.terminal.result(
        {"key": new.key_id, "replaces": old.key_id, "envelopes_rewrapped": rewrapped, "old_key_file": str(retired)},
        f"{path.stem} signs as {new.key_id[:12]} now, no longer as {old.key_id[:12]}; {counted(rewrapped, 'envelope')} rewrapped\n"
        f"the old key file is {retired}: it opens nothing that is held; erase it when backups of the vault are renewed",
    )


@command(
    """
    bwc key rewrap
    bwc key rewrap --recovery-file recovery.txt
    """,
    name="rewrap",
)
@click.option(
    "--recovery-file", type=click.Path(path_type=Path), help="The recovery key, when you cannot open footage."
)
def key_rewrap(entry: Entry, *, recovery_file: Path | None) -> None:
    """Give what is held to exactly today's readers, as far as your key opens it. Footage itself is not touched."""
    with entry.house() as house:
        rewrapped = house.rewrap_now(recovery_from(recovery_file))
    entry.terminal.result({"envelopes_rewrapped": rewrapped}, f"{counted(rewrapped, 'envelope')} rewrapped")


def _retire(path: Path, waiting: Path, old_key: str) -> Path:
    retired = path.parent / "retired" / f"{path.stem}-{old_key[:12]}.key"
    retired.parent.mkdir(mode=0o700, exist_ok=True)
    # If we die between the two, the old key is in both places and the same command finishes
    with suppress(FileExistsError):
        retired.hardlink_to(path)
    waiting.replace(path)
    return retired
