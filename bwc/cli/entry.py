"""How a command begins: the options every command has, the operator's key, the vault."""

import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.terminal import Terminal
from bwc.config import find_vault, seen_dir, user_config_dir
from bwc.errors import KeyServiceRefuses, KeyUnavailable, NoVault, Unreachable, UsageError

if TYPE_CHECKING:
    from bwc.config import Places
    from bwc.custody.house import House
    from bwc.identities import LocalOperator, Operator
    from bwc.tokenkey import TokenOperator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a command was started with."""

    terminal: Terminal
    vault: str | None
    operator: str | None

    @contextmanager
    def house(self, *, locked: bool = False, person: "Operator | None" = None) -> Iterator["House"]:
        """The vault, entered with the operator's key (`person`, if it is loaded); `locked`: without one, to read.

        On leaving, what was recorded is published (tiles, checkpoint) before the person is told.
        """
        places = find_vault(self.vault)
        if not locked and person is None:
            _load_rooms()
            person = self.person()
        from bwc.custody.house import House

        house = House.enter(places, None if locked else person)
        outsiders = False
        try:
            with house, self.terminal.progress("new readers") as house.rewrap_progress:
                _record_attempts(house)
                try:
                    yield house
                finally:
                    outsiders = house.policy.has_outsiders
                if house.destroyed_meanwhile:
                    gone = ", ".join(sorted(house.destroyed_meanwhile))
                    self.terminal.say(f"destroyed meanwhile, so given no new readers: {gone}")
        finally:
            if house.has_published and outsiders:
                self._anchor_after(places)

    def _anchor_after(self, places: "Places") -> None:
        """Ask outsiders to sign what was published: after the result was said, for nobody waits for them."""
        context = click.get_current_context(silent=True)
        if context is not None:
            context.call_on_close(lambda: self.ask_outsiders(places))

    def ask_outsiders(self, places: "Places | None" = None) -> None:
        """Ask the outsiders that policy names to sign the published checkpoint; what goes wrong is said, never raised."""
        from bwc.errors import BwcError, IntegrityError
        from bwc.oversight.anchor import State, anchor

        try:
            done = anchor(places or find_vault(self.vault), memory=seen_dir())
        except IntegrityError as error:  # never silent
            click.echo(f"bwc: WARNING: no outsider was asked to sign: {error.message}; run: bwc verify", err=True)
            return
        except (BwcError, OSError) as error:
            self.terminal.say(f"note: no outsider was asked to sign: {error}")
            return
        for one in done:
            if one.state is State.CONTRADICTS:  # never silent
                click.echo(f"bwc: WARNING: {one.kind} {one.name}: {one.message}; run: bwc verify", err=True)
            elif one.state in (State.REFUSED, State.UNREACHABLE):
                self.terminal.say(f"note: {one.kind} {one.name} did not sign: {one.message}")

    def door(self) -> Callable[[], "House"]:
        """A way to enter the vault several times, each in a thread of its own; the passphrase is asked once, now."""
        places = find_vault(self.vault)
        _load_rooms()
        person = self.person()
        from bwc.custody.house import House

        self._anchor_after(places)
        return lambda: House.enter(places, person)

    @contextmanager
    def reading_room(self) -> Iterator["House"]:
        """The vault to read in: with the operator's key when it can be had without asking, else without."""
        from bwc.custody.house import House

        places = find_vault(self.vault)
        person: Operator | None = None
        with suppress(KeyUnavailable, Unreachable):  # a key service may be away
            person = self.person(ask=False)
        with House.enter(places, person) as house:
            yield house

    def log_here(self) -> str | None:
        """The name of the log of the vault that is found from here, if one is."""
        from bwc.enrolment import log_vkey

        try:
            return log_vkey(find_vault(self.vault).log_key.read_bytes())[0]
        except (NoVault, OSError):
            return None

    def glance(self) -> None:
        """Compare the vault's checkpoint with what this person saw of the log, and remember it."""
        from bwc.anchors.pins import FILE_NAME, load_pins
        from bwc.custody.inspection import glance

        pins = load_pins(user_config_dir() / FILE_NAME)
        glance(find_vault(self.vault), pins=pins, seen=seen_dir())

    def person(self, *, ask: bool = True) -> "Operator":
        """The operator: from the key agent, else from the key file and its passphrase (asked only with `ask`)."""
        from bwc.agent import connect

        path = key_file(self.operator)
        running = connect()
        if running is not None and (self.operator is None or running.name == self.operator):
            return running
        return unlocked(path, secret_of(path, ask=ask))


def _load_rooms() -> None:
    """Import what every act needs while the passphrase is typed and stretched: a quarter of a second each."""

    def load() -> None:
        with suppress(Exception):  # who needs it will hear
            importlib.import_module("bwc.custody.house")

    threading.Thread(target=load, daemon=True).start()


def _record_attempts(house: "House") -> None:
    """`login.failed`: wrong passphrases since this operator was here last."""
    from bwc.cli.attempts import forget_attempts, read_attempts

    found = read_attempts(house.operator.name) if house.operator else None
    if house.operator and found and house.roles():
        house.note_failed_logins(count=found.count, first_at=found.first_at, last_at=found.last_at)
        forget_attempts(house.operator.name)


def unlocked(path: Path, secret: bytes) -> "LocalOperator | TokenOperator":
    """The operator of a key file. A wrong passphrase or PIN is remembered, to be recorded when its holder is back."""
    from bwc.cli.attempts import note_attempt
    from bwc.keyfile import load_operator

    try:
        return load_operator(path, secret)
    except KeyServiceRefuses:  # the service's own log has it
        raise
    except KeyUnavailable:
        if path.is_file():
            note_attempt(path.stem)
        raise


def key_folder() -> Path:
    """Where this user's operator keys are."""
    return user_config_dir() / "keys"


def key_file(name: str | None) -> Path:
    """The key file of `--as NAME`, BWC_OPERATOR, or the only one there is. Raises `KeyUnavailable`."""
    wanted = name or os.environ.get("BWC_OPERATOR")
    folder = key_folder()
    found = sorted(folder.glob("*.key"))
    if wanted:
        path = folder / f"{wanted}.key"
        if path not in found:
            raise KeyUnavailable(f"no key named {wanted} in {folder}", "bwc key list")
        return path
    if not found:
        raise KeyUnavailable(f"no operator key in {folder}", "bwc init (new vault) or bwc key new NAME")
    if len(found) > 1:
        names = ", ".join(path.stem for path in found)
        raise KeyUnavailable(f"several operator keys here: {names}", f"say which one: --as {found[0].stem}")
    return found[0]


def secret_of(path: Path, *, ask: bool = True, prompt: str = "") -> bytes:
    """What a key file wants of a person: its passphrase, its token's PIN, or nothing. Raises `KeyUnavailable`."""
    from bwc.keyfile import lock_of

    lock = lock_of(path)
    if lock.token is not None:
        return pin_of(lock.token, ask=ask)
    return passphrase(prompt or f"passphrase for {path.stem}", ask=ask) if lock.passphrase else b""


def pin_of(label: str, *, ask: bool = True) -> bytes:
    """The PIN of the token LABEL, from BWC_PIN_FILE, else asked on the terminal. Raises `KeyUnavailable`."""
    if "BWC_PIN_FILE" in os.environ:
        return _first_line_of("BWC_PIN_FILE", "PIN")
    if not (ask and sys.stdin.isatty()):
        raise KeyUnavailable(f"no PIN for the token {label}: no terminal to ask on", "bwc unlock, or BWC_PIN_FILE")
    return str(click.prompt(f"PIN of the token {label}", hide_input=True, err=True)).encode()


def passphrase(prompt: str, *, confirm: bool = False, ask: bool = True) -> bytes:
    """The passphrase from BWC_PASSPHRASE_FILE, else asked on the terminal. Raises `KeyUnavailable`."""
    if os.environ.get("BWC_PASSPHRASE_FILE"):
        return _first_line_of("BWC_PASSPHRASE_FILE", "passphrase")
    if not (ask and sys.stdin.isatty()):
        raise KeyUnavailable("no passphrase: no terminal to ask on", "bwc unlock on a terminal, or BWC_PASSPHRASE_FILE")
    text = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    if confirm and len(text) < 10:
        raise UsageError("a passphrase needs at least 10 characters", "four random words are easy to keep")
    return str(text).encode()


def _first_line_of(variable: str, what: str) -> bytes:
    named = os.environ[variable]
    try:
        text = Path(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnavailable(f"{variable} cannot be read: {error}", "check the path and its mode") from error
    line = text.splitlines()[0] if text else ""
    if not line:
        raise KeyUnavailable(f"{variable} {named} is empty", f"its first line is the {what}")
    return line.encode()


def command(examples: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command with the common options; the function gets an `Entry` first. `examples`: one a line."""
    lines = [line.strip() for line in examples.strip().splitlines()]
    epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def wrapped(
            *args: Any,
            as_json: bool,
            quiet: bool,
            verbose: bool,
            vault: str | None,
            operator: str | None,
            **kwargs: Any,
        ) -> Any:
            terminal = Terminal(as_json=as_json, quiet=quiet, verbose=verbose)
            return function(Entry(terminal=terminal, vault=vault, operator=operator), *args, **kwargs)

        started: Callable[..., Any] = wrapped
        for option in reversed(_COMMON):
            started = option(started)
        settings.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        make: Callable[..., click.Command] = click.command(epilog=epilog, **settings)
        return make(started)

    return decorate


_COMMON = (
    click.option("--vault", metavar="DIR", help="The vault (else BWC_VAULT, else bwc.toml here or above)."),
    click.option("--as", "operator", metavar="NAME", help="Which of your operator keys signs (else BWC_OPERATOR)."),
    click.option("--json", "as_json", is_flag=True, help="The result as one JSON document on standard output."),
    click.option("-q", "--quiet", is_flag=True, help="No talk, no progress; results and errors only."),
    click.option("-v", "--verbose", is_flag=True, help="More talk."),
)
