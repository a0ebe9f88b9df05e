"""bwc unlock, lock and key: the operator's keys and the agent that holds them."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command, key_file, key_folder, secret_of, unlocked
from bwc.cli.keychange import KindOfKey, key_rewrap, key_rotate, kinds_of_key, recovery_from
from bwc.cli.recovery import recovery
from bwc.cli.rekeying import rotate_log
from bwc.cli.terminal import counted, table
from bwc.cli.times import past_moment
from bwc.errors import BwcError, NotFound, UsageError

if TYPE_CHECKING:
    from bwc.custody.house import House


@command(
    """
    bwc unlock
    bwc unlock --as mchen
    """
)
def unlock(entry: Entry) -> None:
    """Start the key agent. It forgets the keys after 30 minutes without use, and after 12 hours in any case."""
    from bwc.agent import start_agent

    path = key_file(entry.operator)
    operator = unlocked(path, secret_of(path))
    start_agent(operator)
    with suppress(BwcError), entry.house() as house:  # a key may be unlocked where there is no vault
        if house.roles():
            house.note_login()
    entry.terminal.result(
        {"unlocked": path.stem, "key": operator.key_id}, f"{path.stem} is unlocked (30 min idle, 12 h at most)"
    )


@command(
    """
    bwc lock
    bwc lock --json
    """
)
def lock(entry: Entry) -> None:
    """Stop the key agent; it forgets the keys at once."""
    from bwc.agent import stop_agent

    stopped = stop_agent()
    entry.terminal.result({"locked": True, "was_running": stopped}, "locked" if stopped else "no agent was running")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def key() -> None:
    """Operator keys: make one, list those enrolled, enrol, change or revoke one.

    \b
    Examples:
      bwc key new mchen
      bwc key enrol mchen.pub --role records
    """


@command(
    """
    bwc key new mchen
    bwc key new front-desk --out /media/usb/front-desk.pub --suite p384
    bwc key new mchen --token desk --module /usr/lib/opensc-pkcs11.so
    bwc key new night-worker --kms arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
    """,
    name="new",
)
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Where the public half goes (default NAME.pub).")
@kinds_of_key
def key_new(entry: Entry, name: str, *, out: Path | None, kind: KindOfKey) -> None:
    """Make an operator key for NAME on this computer or its token, and a public file for the administrator to enrol.

    With --token both private keys are made on the token and never leave it; its PIN is asked, or read from the
    file named by BWC_PIN_FILE, in place of a passphrase.

    With --kms a key of AWS KMS locks the key file: who may use it, and from which machine, is decided in IAM. The
    usual AWS credentials are used. Nothing is asked, unless --with-passphrase wants both.
    """
    from bwc.enrolment import OperatorPublic

    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"{name!r} is no name for a key", "letters, digits, dot, dash, underscore")
    public = out or Path(f"{name}.pub")
    if public.exists():
        raise UsageError(f"{public} exists", "name another file with --out")
    path = key_folder() / f"{name}.key"
    if path.exists():
        raise UsageError(f"a key named {name} exists in {key_folder()}", "choose another name")
    log = entry.log_here()
    operator = kind.make(path, name, f"new passphrase for {name}", log=log)
    if kind.kms is not None and log is None:
        entry.terminal.say("note: no vault was found here, so the service is told the operator's key only (bwc:key)")
    person = OperatorPublic(name=name, key=operator.verify_key, recipient=operator.recipient)
    public.write_bytes(person.document())
    entry.terminal.result(
        {"name": name, "key": operator.key_id, "public_file": str(public)},
        f"key {operator.key_id} for {name}\nhand {public} to the administrator: bwc key enrol {public} --role …",
    )


@command(
    """
    bwc key list
    bwc key list --json
    """,
    name="list",
)
def key_list(entry: Entry) -> None:
    """The keys enrolled in the vault, and which of them lie on this computer."""
    here = {path.stem for path in key_folder().glob("*.key")}
    with entry.house(locked=True) as house:
        rows = house.operators()
    data = [
        {
            "key": row.key_id,
            "name": row.name,
            "recipient": row.recipient.recipient_id,
            "roles": list(row.roles),
            "revoked": not row.is_active,
            "here": row.name in here,
        }
        for row in rows
    ]
    shown = [
        (
            row.key_id[:12],
            row.name or "?",
            ", ".join(sorted(row.roles)),
            "active" if row.is_active else "revoked",
            "yes" if row.name in here else "",
        )
        for row in rows
    ]
    entry.terminal.result({"keys": data}, table(("key", "name", "roles", "state", "here"), shown))


@command(
    """
    bwc key enrol mchen.pub --role records
    bwc key enrol dock-3.pub --role technician
    """,
    name="enrol",
)
@click.argument("public", type=click.Path(path_type=Path))
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice(["technician", "records", "auditor", "administrator", "worker"]),
    help="What this key may do; may be given several times.",
)
@click.option(
    "--recovery-file", type=click.Path(path_type=Path), help="The recovery key, when no records officer is left."
)
def key_enrol(entry: Entry, public: Path, *, roles: tuple[str, ...], recovery_file: Path | None) -> None:
    """Enrol the key in the public file PUBLIC. Records officers are given the keys of what is already held.

    Enrolled again, a key has the roles given now INSTEAD of those it had: whoever loses the role to read is taken off
    what is held, as with bwc key revoke.
    """
    from bwc.enrolment import OperatorPublic

    if not public.is_file():
        raise NotFound(f"{public} is not a file", "bwc key new NAME makes it")
    person = OperatorPublic.parse(public.read_bytes())
    paper = recovery_from(recovery_file)
    with entry.house() as house:
        had = {role for row in house.operators() if row.key_id == person.key_id for role in row.roles}
        rewrapped = house.enrol(person, roles=roles, recovery=paper)
        if "records" in had.union(roles):
            _warn(entry, house, rewrapped, paper)
    entry.terminal.result(
        {"key": person.key_id, "name": person.name, "roles": list(roles), "envelopes_rewrapped": rewrapped},
        f"enrolled {person.name} ({person.key_id[:12]}) as {', '.join(roles)}; {counted(rewrapped, 'envelope')} rewrapped",
    )


@command(
    """
    bwc key revoke mchen --note "left the agency"
    bwc key revoke 3f9a21c07b11 --compromised-since 2026-11-20T18:00
    """,
    name="revoke",
)
@click.argument("who")
@click.option("--note", default="", help="Why; kept in the private body of the event.")
@click.option(
    "--compromised-since",
    metavar="TIME",
    help="When it came into other hands, like 2026-11-20T18:00 (UTC unless it says otherwise).",
)
@click.option(
    "--recovery-file", type=click.Path(path_type=Path), help="The recovery key, when you cannot open footage."
)
def key_revoke(entry: Entry, who: str, *, note: str, compromised_since: str | None, recovery_file: Path | None) -> None:
    """Revoke the key WHO (a name or the first digits of its id): what it signed before stands.

    With --compromised-since, verification flags what it signed from that time on.
    """
    paper = recovery_from(recovery_file)
    since = past_moment(compromised_since) if compromised_since else None
    with entry.house() as house:
        key_id, rewrapped = house.revoke(who, note=note, compromised_from=since, recovery=paper)
        _warn(entry, house, rewrapped, paper)
    entry.terminal.result(
        {"key": key_id, "revoked": True, "envelopes_rewrapped": rewrapped},
        f"revoked {key_id[:12]}; taken off {counted(rewrapped, 'envelope')}",
    )


def _warn(entry: Entry, house: "House", rewrapped: int, paper: object) -> None:
    """Say when what is held could not be opened for its new readers."""
    if not rewrapped and paper is None and "records" not in house.roles() and house.items():
        entry.terminal.say("note: you cannot open what is held, so its envelopes are as before;")
        entry.terminal.say("      a records officer who enrols or revokes a key, or --recovery-file, renews them")


for _one in (key_new, key_list, key_enrol, key_rotate, key_revoke, key_rewrap, rotate_log, recovery):
    key.add_command(_one)
