"""bwc.toml: where vault, catalog, log and keys are. Places only; policy, roles and enrolments are log entries."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bwc.errors import ConfigError, NoVault

FILE_NAME = "bwc.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders of one vault."""

    vault: Path

    @property
    def catalog(self) -> Path:
        return self.vault / "catalog.sqlite"

    @property
    def log(self) -> Path:
        return self.vault / "log"

    @property
    def bodies(self) -> Path:
        return self.vault / "bodies"

    @property
    def log_key(self) -> Path:
        return self.vault / "keys" / "log.json"


def user_config_dir() -> Path:
    """`$BWC_HOME`, else `$XDG_CONFIG_HOME/bwc`, else `~/.config/bwc`: operator keys and pinned agencies."""
    own = os.environ.get("BWC_HOME")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "bwc"


def seen_dir() -> Path:
    """Where a person's memory of logs is: `$BWC_HOME/seen`, else `$XDG_STATE_HOME/bwc/seen`, else `~/.local/state`."""
    if os.environ.get("BWC_HOME"):
        return Path(os.environ["BWC_HOME"]) / "seen"
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "bwc" / "seen"


def marks_dir() -> Path:
    """Where this computer remembers how far it signed each log: a second place, outside of every vault."""
    return user_config_dir() / "marks"


def find_vault(flag: str | None, start: Path | None = None) -> Places:
    """The vault named by `--vault`, then `BWC_VAULT`, then a bwc.toml here or above, then the user's config.

    Raises `NoVault` when none is named or the named folder is not a vault.
    """
    for named in (flag, os.environ.get("BWC_VAULT")):
        if named:
            return _vault_at(Path(named).expanduser())
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return _read(folder / FILE_NAME)
    if (user_config_dir() / FILE_NAME).is_file():
        return _read(user_config_dir() / FILE_NAME)
    raise NoVault("no vault here", "bwc init ~/vault --agency NAME, or name one with --vault or BWC_VAULT")


def write_config(path: Path, vault: Path) -> None:
    """Write a bwc.toml that points to `vault`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    escaped = str(vault).replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(f'# Places only. Policy, roles and keys are signed entries of the log.\nvault = "{escaped}"\n')


def _read(path: Path) -> Places:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}", 'it holds one line: vault = "/path/to/vault"') from error
    vault = table.get("vault")
    if not isinstance(vault, str):
        raise ConfigError(f"{path}: vault is missing", 'it holds one line: vault = "/path/to/vault"')
    return _vault_at((path.parent / Path(vault).expanduser()).resolve())


def _vault_at(folder: Path) -> Places:
    if not (folder / "log").is_dir():
        raise NoVault(f"{folder} is not a vault", f"bwc init {folder} --agency NAME")
    return Places(vault=folder.resolve())
