"""bwc witness: be a witness of somebody's log, or name the witnesses and time-stamping authorities of your own."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import table
from bwc.config import find_vault, seen_dir, user_config_dir
from bwc.errors import NotFound, UsageError
from bwc.evidence import utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwc.config import Places
    from bwc.outsiders import TimeAuthority
    from bwc.oversight.witness import Witness as Service
    from bwc.roles import Policy

_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the witness keeps its key and what it cosigned (else `witness` in your configuration).",
)


_NOBODY = "policy names no outsider: bwc witness add"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def witness() -> None:
    """Witnesses cosign a log's checkpoints, so that nobody can rewrite what they cosigned: the clerk, the prosecutor.

    At the witness: new, follow, serve. At the agency: add, tsa, remove, list.

    \b
    Examples:
      bwc witness new clerk.example/bwc
      bwc witness add clerk.example/bwc+5c1d0a77+BAx… --url https://clerk.example:7380
    """


# --- at the witness --------------------------------------------------------------------------------------


@command(
    """
    bwc witness new clerk.example/bwc
    bwc witness new oversight.example/springfield --folder /srv/witness
    """,
    name="new",
)
@click.argument("name")
@_FOLDER
def new(entry: Entry, name: str, *, folder: Path | None) -> None:
    """Make a witness named NAME with a key of its own, on a computer that the agency does not run."""
    from bwc.oversight.witness import create

    made = create(_folder(folder), name)
    text = f"witness  {made.name}\nkey      {made.key.text()}\n         give it to the agency: bwc witness add KEY --url URL"
    entry.terminal.result(_service(made), text)


@command(
    """
    bwc witness follow springfield-pd/f2114e1c+ac2373e0+Aa7X…
    bwc witness follow springfield-pd/f2114e1c+ac2373e0+Aa7X… --folder /srv/witness
    """,
    name="follow",
)
@click.argument("vkey")
@_FOLDER
def follow(entry: Entry, vkey: str, *, folder: Path | None) -> None:
    """Cosign the log that VKEY signs, from its next checkpoint on. Compare the fingerprint with the agency's first."""
    from bwc.anchors.pins import fingerprint_text, typed_key
    from bwc.oversight.witness import open_witness

    key = typed_key(vkey)
    service = open_witness(_folder(folder))
    service.follow(key)
    entry.terminal.result(_service(service), f"follows {key.name}\nfingerprint {fingerprint_text(key)}")


@command(
    """
    bwc witness serve
    bwc witness serve --listen 0.0.0.0:7380 --folder /srv/witness
    """,
    name="serve",
)
@click.option("--listen", default="127.0.0.1:7380", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@_FOLDER
def serve(entry: Entry, *, listen: str, folder: Path | None) -> None:
    """Answer logs (C2SP tlog-witness over HTTP) until stopped. Put a TLS proxy before it where it leaves the house."""
    from bwc.oversight.serving import WitnessServer, parse_listen
    from bwc.oversight.witness import open_witness

    service = open_witness(_folder(folder))
    with service.alone(), WitnessServer(service, parse_listen(listen), entry.terminal.detail) as server:
        text = f"{service.key.text()}\nlistens at {server.url}, follows {len(service.followed())} logs; Ctrl-C stops it"
        entry.terminal.result(_service(service) | {"url": server.url}, text)
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            entry.terminal.say("stopped")


# --- at the agency ---------------------------------------------------------------------------------------


@command(
    """
    bwc witness add clerk.example/bwc+5c1d0a77+BAx… --url https://clerk.example:7380
    bwc witness add oversight.example/w1+11ab54c0+BEq… --url http://10.0.0.7:7380
    """,
    name="add",
)
@click.argument("vkey")
@click.option("--url", required=True, help="Where it listens; `/add-checkpoint` is added.")
def add(entry: Entry, vkey: str, *, url: str) -> None:
    """Name a witness in the policy (administrator): from the next act on it is asked to cosign. The same name replaces."""
    from bwc.anchors.pins import typed_key
    from bwc.audit.checkpoint import COSIGNATURE
    from bwc.outsiders import Witness

    key = typed_key(vkey)
    if key.kind != COSIGNATURE:
        raise UsageError(f"{key.name} is the key of a log, not of a witness", "bwc witness new prints a witness's key")
    made = Witness(vkey=key.text(), url=url)
    with entry.house() as house:
        others = tuple(one for one in house.policy.witnesses if one.name != made.name)
        policy = replace(house.policy, witnesses=(*others, made))
        house.set_policy(policy)
    entry.terminal.result(_policy(policy), _policy_text(policy))


@command(
    """
    bwc witness tsa freetsa --url https://freetsa.example/tsr --root root.pem
    bwc witness tsa county --url http://10.0.0.9/ --root county-root.pem
    """,
    name="tsa",
)
@click.argument("name")
@click.option("--url", required=True, help="Where it answers RFC 3161 requests.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM file of the root certificates its stamps must lead to.",
)
def tsa(entry: Entry, name: str, *, url: str, roots: tuple[Path, ...]) -> None:
    """Name a time-stamping authority in the policy (administrator): checkpoints are stamped every 15 minutes at most."""
    made = _authority(name, url, roots)
    with entry.house() as house:
        others = tuple(one for one in house.policy.time_authorities if one.name != made.name)
        policy = replace(house.policy, time_authorities=(*others, made))
        house.set_policy(policy)
    entry.terminal.result(_policy(policy), _policy_text(policy))


@command(
    """
    bwc witness remove clerk.example/bwc
    bwc witness remove freetsa
    """,
    name="remove",
)
@click.argument("name")
def remove(entry: Entry, name: str) -> None:
    """Take a witness or a time-stamping authority out of the policy (administrator). What it signed no longer counts."""
    with entry.house() as house:
        old = house.policy
        policy = replace(
            old,
            witnesses=tuple(one for one in old.witnesses if one.name != name),
            time_authorities=tuple(one for one in old.time_authorities if one.name != name),
        )
        if policy == old:
            raise NotFound(f"the policy names no {name}", "bwc witness list")
        house.set_policy(policy)
    entry.terminal.result(_policy(policy), _policy_text(policy))


@command(
    """
    bwc witness list
    bwc witness list --json
    """,
    name="list",
)
@_FOLDER
def list_them(entry: Entry, *, folder: Path | None) -> None:
    """The witnesses and authorities that policy names and when each signed last; with --folder, the logs this witness follows."""
    from bwc.oversight.witness import open_witness

    if folder is not None:
        service = open_witness(folder)
        rows = [(one.origin, one.size, len(one.keys)) for one in service.followed()]
        text = f"{service.key.text()}\n" + table(("log", "cosigned entries", "keys"), rows)
        forks = len(service.evidence())
        entry.terminal.result(
            _service(service), text + (f"\nFORK EVIDENCE: {forks}, in {folder}/evidence" if forks else "")
        )
        return
    with entry.house(locked=True) as house:
        policy, log = house.policy, house.log_origin
    data, signed, against = _policy(policy), _last_signed(find_vault(entry.vault)), _contradicted(log)
    for one in (*data["witnesses"], *data["time_authorities"]):
        one |= {
            "last_signed_at": signed.get(one["name"], (None, None))[0],
            "entries": signed.get(one["name"], (0, 0))[1],
        }
        one["contradicts"] = against.get(one["name"])
    text = _policy_text(policy, {name: f"{at[:19]}Z, {size} entries" for name, (at, size) in signed.items()})
    lines = [f"{text}; run: bwc verify" for text in against.values()]
    entry.terminal.result(data, "\n".join([text, *lines]))


def _last_signed(places: "Places") -> dict[str, tuple[str, int]]:
    """When each outsider signed last, by the times it stated, and how many entries; verify checks the signatures."""
    from bwc.custody.anchoring import Anchoring

    place = Anchoring(places)
    return {name: (utc_text(at), size) for name, (at, size) in place.last_signed().items()}


def _contradicted(log: str) -> dict[str, str]:
    from bwc.anchors.contradicted import Contradictions

    return {name: one.text() for name, one in Contradictions(seen_dir(), log).held.items()}


def _folder(given: Path | None) -> Path:
    return given or user_config_dir() / "witness"


def _service(service: "Service") -> dict[str, object]:
    return {
        "evidence": [one.name for one in service.evidence()],
        "follows": [{"entries": one.size, "log": one.origin} for one in service.followed()],
        "name": service.name,
        "vkey": service.key.text(),
    }


def _policy(policy: "Policy") -> dict[str, Any]:
    return {
        "anchor_minutes": policy.anchor_minutes,
        "time_authorities": [{"name": one.name, "url": one.url} for one in policy.time_authorities],
        "witness_quorum": policy.witness_quorum,
        "witnesses": [{"name": one.name, "url": one.url, "vkey": one.vkey} for one in policy.witnesses],
    }


def _policy_text(policy: "Policy", signed: "Mapping[str, str] | None" = None) -> str:
    rows = [(one.name, "witness", one.url) for one in policy.witnesses]
    rows += [(one.name, "time stamps", one.url) for one in policy.time_authorities]
    if signed is not None:
        last = [(*row, signed.get(row[0], "never")) for row in rows]
        return table(("name", "what", "address", "signed last"), last) or _NOBODY
    return table(("name", "what", "address"), rows) or _NOBODY


def _authority(name: str, url: str, roots: tuple[Path, ...]) -> "TimeAuthority":
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from bwc.outsiders import TimeAuthority

    found = []
    for path in roots:
        try:
            found += x509.load_pem_x509_certificates(path.read_bytes())
        except ValueError as error:
            raise UsageError(f"{path} holds no certificate", "a PEM file: -----BEGIN CERTIFICATE-----") from error
    encoded = tuple(base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in found)
    return TimeAuthority(name=name, url=url, roots=encoded)


for one in (new, follow, serve, add, tsa, remove, list_them):
    witness.add_command(one)
