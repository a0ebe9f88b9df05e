"""bwc key rotate and rewrap: a key gives way to another; what is held gets today's readers."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command, key_file, passphrase

if TYPE_CHECKING:
    from bwc.keys import RecoveryKey

SUITES = {
    "hybrid": "MLKEM768_X25519-HKDF-SHA256-AES-256-GCM",
    "p384": "P384-HKDF-SHA384-AES-256-GCM",
    "p256": "P256-HKDF-SHA256-AES-256-GCM",
}


def kinds_of_key(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what kind of key is made."""
    signing = click.option(
        "--signing", type=click.Choice(["ed25519", "p256"]), default="ed25519", show_default=True, help="How it signs."
    )
    suite = click.option(
        "--suite",
        type=click.Choice(list(SUITES)),
        default="hybrid",
        show_default=True,
        help="How things are sealed to it; the policy fips wants p384.",
    )
    return signing(suite(function))


def recovery_from(path: Path | None) -> "RecoveryKey | None":
    """The recovery key in a file, for the commands that take one."""
    from bwc.keys import RecoveryKey

    return RecoveryKey.parse(path.read_text(encoding="utf-8").strip()) if path else None


@command(
    """
    bwc key rotate
    bwc key rotate --as mchen --suite p384 --signing p256
    """,
    name="rotate",
)
@kinds_of_key
def key_rotate(entry: Entry, *, signing: str, suite: str) -> None:
    """Replace your own key by a fresh one: signed by both, the same person, the same roles.

    What the old key opens is given to the new one. If it stops half-way, run it again. The old key file is kept
    in the folder `retired` beside the new one.
    """
    from bwc.agent import connect, start_agent
    from bwc.keyfile import load_operator, save_operator
    from bwc.keys import LocalOperator

    path = key_file(entry.operator)
    waiting = path.with_name(f"{path.name}.next")
    old = entry.person()
    if waiting.exists():
        new = load_operator(waiting, passphrase(f"passphrase of the new key for {path.stem}"))
    else:
        new = LocalOperator.generate(old.name, alg=signing, suite=SUITES[suite])
        save_operator(waiting, new, passphrase(f"passphrase for the new key of {path.stem}", confirm=True))
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
        f"{path.stem} signs as {new.key_id[:12]} now, no longer as {old.key_id[:12]}; {rewrapped} envelopes rewrapped\n"
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
    entry.terminal.result({"envelopes_rewrapped": rewrapped}, f"{rewrapped} envelopes rewrapped")


def _retire(path: Path, waiting: Path, old_key: str) -> Path:
    retired = path.parent / "retired" / f"{path.stem}-{old_key[:12]}.key"
    retired.parent.mkdir(mode=0o700, exist_ok=True)
    # If we die between the two, the old key is in both places and the same command finishes
    with suppress(FileExistsError):
        retired.hardlink_to(path)
    waiting.replace(path)
    return retired
