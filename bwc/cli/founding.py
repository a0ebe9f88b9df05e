"""bwc init: a vault, its log, the first operator's keys, a recovery key to print."""

import getpass
from datetime import UTC, datetime
from pathlib import Path

import click

from bwc.cli.entry import Entry, command, key_folder, passphrase, secret_of
from bwc.config import FILE_NAME, Places, user_config_dir, write_config
from bwc.errors import UsageError


@command(
    """
    bwc init ~/vault --agency "Springfield PD"
    bwc init /srv/evidence --agency "Springfield PD" --operator mchen --recovery-file /media/usb/recovery.txt --fips
    """
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--agency", required=True, metavar="NAME", help="The agency's public name.")
@click.option(
    "--operator", "operator_name", metavar="NAME", help="Name of the first operator's key (default: your login)."
)
@click.option(
    "--recovery-file", type=click.Path(path_type=Path), help="Write the recovery key here instead of printing it."
)
@click.option(
    "--fips", is_flag=True, help="Keys of NIST curves only (P-384, P-256), and the policy that asks for them."
)
def init(
    entry: Entry, folder: Path, *, agency: str, operator_name: str | None, recovery_file: Path | None, fips: bool
) -> None:
    """Create a vault in FOLDER: catalog, log, the first operator's keys and a recovery key.

    The first operator holds every role; give roles to others with `bwc key enrol`. The passphrase is asked,
    or read from the file named by BWC_PASSPHRASE_FILE. The recovery key opens everything: print it, lock it away.
    """
    from bwc.custody.founding import found
    from bwc.identities import DEFAULT_SUITE, FIPS_SUITE, LocalOperator, RecoveryKey
    from bwc.keyfile import load_operator, save_operator
    from bwc.roles import Policy
    from bwc.tokenkey import TokenOperator

    places = Places(vault=folder.expanduser().resolve())
    if places.vault.exists() and (not places.vault.is_dir() or any(places.vault.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder", "choose a new folder for the vault")
    if recovery_file and recovery_file.exists():
        raise UsageError(f"{recovery_file} exists", "choose a new file for the recovery key")
    name = operator_name or entry.operator or getpass.getuser()
    path = key_folder() / f"{name}.key"
    if path.exists():
        entry.terminal.say(f"using your key {name}")
        operator: LocalOperator | TokenOperator = load_operator(path, secret_of(path))
    else:
        suite = FIPS_SUITE if fips else DEFAULT_SUITE
        operator = LocalOperator.generate(name, alg="p256" if fips else "ed25519", suite=suite)
        save_operator(path, operator, passphrase(f"new passphrase for {name}", confirm=True))
    if fips and operator.recipient.suite != FIPS_SUITE:
        raise UsageError(f"your key {name} is not of the suite that --fips asks for", "--operator NEWNAME")
    recovery_text = RecoveryKey.generate(FIPS_SUITE if fips else DEFAULT_SUITE)
    recovery = RecoveryKey.parse(recovery_text)
    policy = Policy(fips=fips)
    with found(places, agency=agency, operator=operator, recovery=recovery.recipient, policy=policy) as house:
        vkey, log = house.vkey, house.log_origin
    _remember(places, agency=agency, vkey=vkey)
    if recovery_file:
        recovery_file.touch(mode=0o600)
        recovery_file.write_text(recovery_text + "\n", encoding="utf-8")
    data = {
        "agency": agency,
        "fingerprint": _fingerprint(vkey),
        "log": log,
        "operator": name,
        "operator_key": operator.key_id,
        "recovery_key": None if recovery_file else recovery_text,
        "vault": str(places.vault),
        "vkey": vkey,
    }
    where = f"written to {recovery_file}" if recovery_file else recovery_text
    text = f"""vault        {places.vault}
log          {log}
operator     {name} (all roles)
agency key   {vkey}
fingerprint  {_fingerprint(vkey)}
             publish both on the agency's site: with them anyone can verify a release
recovery     {where}
             print it and lock it away: it opens everything, and it is shown only now"""
    entry.terminal.result(data, text)
    default = user_config_dir() / FILE_NAME
    if str(places.vault) not in default.read_text(encoding="utf-8"):
        entry.terminal.say(f"note: {default} still names another vault; use --vault or BWC_VAULT for this one")


def _remember(places: Places, *, agency: str, vkey: str) -> None:
    """Pin the agency's key beside the user, and make this the user's vault if none is set."""
    from bwc.anchors.pins import FILE_NAME as PINS
    from bwc.anchors.pins import Pin, add_pin
    from bwc.audit.checkpoint import NoteKey

    add_pin(user_config_dir() / PINS, Pin(key=NoteKey.parse(vkey), agency=agency, pinned_at=datetime.now(UTC)))
    if not (user_config_dir() / FILE_NAME).exists():
        write_config(user_config_dir() / FILE_NAME, places.vault)


def _fingerprint(vkey: str) -> str:
    from bwc.anchors.pins import fingerprint_text
    from bwc.audit.checkpoint import NoteKey

    return fingerprint_text(NoteKey.parse(vkey))
