"""The front door: finds a command without importing the others, turns errors into text and exit codes."""

import importlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from bwc.errors import BwcError, Interrupted, PartlyDone
from bwc.version import VERSION

# OpenBLAS, which comes with numpy, can lose a thread it waits for: a check stood still in the product of two small matrices
# for minutes (2026-11; OpenBLAS issues 660, 883, 937). Nothing here multiplies anything large, so it gets no threads. It
# reads this while numpy is loaded, which no command has done yet; processes started from here inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# name: (module in bwc.cli, function, one line of help). Nothing of a command is imported before it runs.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("founding", "init", "Create a vault, its log and the first operator's keys"),
    "unlock": ("keyring", "unlock", "Start the key agent, so that commands do not ask for the passphrase"),
    "lock": ("keyring", "lock", "Stop the key agent and forget the keys"),
    "key": ("keyring", "key", "Make, list, enrol and revoke keys"),
    "ingest": ("intake", "ingest", "Take a card in: hash, seal, prove, record"),
    "list": ("holdings", "list_items", "What we hold"),
    "show": ("holdings", "show", "Everything known of one item"),
    "log": ("holdings", "log", "One item's chain of custody"),
    "open": ("opening", "open_item", "Write an original out of the vault; an event"),
    "tag": ("holdings", "tag", "Correct officer, case or category; old and new are recorded"),
    "case": ("keeping", "case", "Open and close cases; an open one keeps what names it"),
    "hold": ("keeping", "hold", "Place, lift and list legal holds"),
    "retain": ("keeping", "retain", "How long things are kept, and what is due"),
    "dispose": ("disposing", "dispose", "Destroy what is due: ordered by one person, confirmed by another"),
    "expunge": ("disposing", "expunge", "Erase what entries say of people, by order; proofs still hold"),
    "detect": ("desk", "detect", "Find faces, plates and spoken personal data; make a redaction plan"),
    "listen": ("listening", "listen", "Listen again: voices, words, spoken personal data"),
    "plan": ("desk", "plan", "Show, export or import the redaction plan"),
    "decide": ("decisions", "decide", "Keep or redact tracks of the plan"),
    "mask": ("decisions", "mask", "Cover an area by hand, or the whole frame"),
    "mute": ("listening", "mute", "Silence or bleep a span of sound, all voices, or all sound"),
    "redact": ("redacting", "redact", "Render the redacted copy; or redact a loose file in one go"),
    "check": ("desk", "check", "Second opinion on the final bytes of the copy"),
    "approve": ("releasing", "approve", "Sign plan, copy and check report"),
    "release": ("releasing", "release", "Package the approved copy for a requester"),
    "export": ("exchange", "export", "Hand items over with their chain of custody, as a bag"),
    "import": ("exchange", "import_", "Take in another agency's bag with its chain of custody"),
    "verify": ("verifying", "verify", "Check the vault, a release package or a released file"),
    "pin": ("verifying", "pin", "Remember an agency's key, so that its releases verify as theirs"),
    "audit": ("auditing", "audit", "Reports, exports and certificates; anchors, slips on paper, fork evidence"),
    "witness": ("witnessing", "witness", "Be a witness of a log; name the witnesses of yours"),
    "backup": ("backup", "backup", "Copy the whole vault into a folder; again: only what is new"),
    "restore": ("backup", "restore", "Make the vault again from a backup or a store; an entry of its log"),
    "stores": ("stores", "stores", "Further copies in folders and on S3: list them, add one"),
    "replicate": ("stores", "replicate", "Copy what the stores still lack, prove it there"),
    "catalog": ("upkeep", "catalog", "Rebuild the catalog from the log; read what is pending since an intake"),
    "policy": ("upkeep", "policy", "Show or set the agency's policy; a signed entry of the log"),
    "models": ("upkeep", "models", "Fetch and check the model files"),
    "bench": ("bench", "bench", "Measure how well people and plates are hidden, where the truth is known"),
    "doctor": ("doctor", "doctor", "What works here, what is missing, how to get it"),
    "completion": ("doctor", "completion", "Print the completion script for a shell"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"bwc.cli.{module}"), function)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(VERSION, prog_name="bwc")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Body-worn camera footage: taken in, kept safe, redacted, released and proven.

    \b
    Examples:
      bwc init ~/vault --agency "Springfield PD"
      bwc ingest /media/card --officer B1234 --camera X81234 --case 26-1182
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit with its documented code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(run(words))


def run(words: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    try:
        code = cli.main(args=list(words), prog_name="bwc", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except BwcError as error:
        return _report(error, words)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        wrong = BwcError(_lower(error.format_message()), _usage_hint(error, words))
        return _report(wrong, words, exit_code=2, name="UsageError")
    except (click.Abort, KeyboardInterrupt):
        return _report(Interrupted("interrupted", "run the same command again to continue"), words)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: no traceback at interpreter exit
        return 1
    except OSError as error:
        return _report(_from_os(error), words)
    except Exception as error:
        if "--debug" in words or "BWC_DEBUG" in __import__("os").environ:
            raise
        hint = "set BWC_DEBUG=1 and run again to see where, then report it"
        return _report(BwcError(f"internal error: {type(error).__name__}: {error}", hint), words)


def _report(error: BwcError, words: Sequence[str], *, exit_code: int | None = None, name: str | None = None) -> int:
    code = error.exit_code if exit_code is None else exit_code
    if "--json" in words:
        document: dict[str, Any] = {"name": name or error.name, "message": error.message, "exit_code": code}
        document |= {"hint": error.hint, "details": list(error.details)}
        _say(json.dumps({"error": document}, indent=2, ensure_ascii=False, sort_keys=True), err=False)
    _say(f"bwc: error: {error.message}")
    # what verify and check found stands in their table already; the list is for --json then
    for detail in error.details if isinstance(error, PartlyDone) else ():
        _say("bwc:   " + "  ".join(f"{key}: {value}" for key, value in detail.items()))
    if error.hint:
        _say(f"bwc: hint: {error.hint}")
    return code


def _say(text: str, *, err: bool = True) -> None:
    with suppress(OSError):  # a full disk behind the output must not change the exit code
        click.echo(text, err=err)


def _from_os(error: OSError) -> BwcError:
    import errno

    from bwc.errors import NotFound, StorageError, StoreFull

    named = f"{error.filename}: " if error.filename else ""
    text = f"{named}{(error.strerror or str(error)).lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(text, "free some space, then run the same command again")
    if error.errno == errno.ENOENT:
        return NotFound(text, "check the path")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO):
        return StorageError(text, "bwc doctor")
    return BwcError(text)


def _usage_hint(error: click.UsageError, words: Sequence[str]) -> str:
    where = error.ctx.command_path if error.ctx else "bwc"
    before_it = isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.parent is None
    named = next((word for word in words if word in COMMANDS), None)
    if before_it and named:  # options belong to the command, which people see only once they know it
        return f"options go after the command: bwc {named} {shlex.join(word for word in words if word != named)}"
    if where == "bwc" and not named and (near := _near(words)):
        return f"did you mean: bwc {near}"
    return f"{where} --help"


def _near(words: Sequence[str]) -> str:
    """The command that the first word is likely to mean; empty when none is near."""
    from difflib import get_close_matches

    typed = next((word for word in words if not word.startswith("-")), "")
    return next(iter(get_close_matches(typed, COMMANDS, n=1, cutoff=0.7)), "")


def _lower(text: str) -> str:
    text = text.rstrip(".")
    return text[:1].lower() + text[1:]


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
