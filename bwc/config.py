"""bwc.toml: where vault, catalog, log and keys are. Places only; policy, roles and enrolments are log entries."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bwc.errors import ConfigError, NoVault

FILE_NAME = "bwc.toml"


_LOCKS = ("none", "governance", "compliance")
_STORE_HINT = 'like [stores.nas] with folder = "/mnt/nas/evidence", or [stores.cloud] with s3 = "s3://bucket/prefix"'


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """Where one further copy of everything sealed is kept: a folder, or a bucket. No secrets: those are AWS's chain."""

    name: str
    folder: Path | None = None
    bucket: str = ""
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    lock: str = "none"  # Object Lock of new objects and manifests
    lock_days: int = 0

    @property
    def text(self) -> str:
        """The place for people: a path, or s3://bucket/prefix."""
        if self.folder is not None:
            return str(self.folder)
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders of one vault, and where its further copies are."""

    vault: Path
    stores: tuple[StorePlace, ...] = ()

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


def standing_dir() -> Path:
    """Where an operator remembers how far each log was read for what is in force: outside of every vault too."""
    return user_config_dir() / "standing"


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


def store_at(text: str, *, endpoint: str | None, region: str | None, profile: str | None) -> StorePlace:
    """The place named on a command line: a folder, or s3://bucket/prefix. Raises `ConfigError`."""
    if not text.startswith("s3://"):
        return StorePlace(name="source", folder=Path(text).expanduser().resolve())
    more = {"endpoint": endpoint, "region": region, "profile": profile}
    return _store(Path(text), "source", {"s3": text} | {key: value for key, value in more.items() if value})


def _read(path: Path) -> Places:
    table = _table(path)
    vault = table.get("vault")
    if not isinstance(vault, str):
        raise ConfigError(f"{path}: vault is missing", 'it holds one line: vault = "/path/to/vault"')
    places = _vault_at((path.parent / Path(vault).expanduser()).resolve())
    return replace(places, stores=_stores(path, table)) if "stores" in table else places


def _vault_at(folder: Path) -> Places:
    if not (folder / "log").is_dir():
        raise NoVault(f"{folder} is not a vault", f"bwc init {folder} --agency NAME")
    own = folder / FILE_NAME  # so that the copies are known however the vault was named
    stores = _stores(own, _table(own)) if own.is_file() else ()
    return Places(vault=folder.resolve(), stores=stores)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}", 'it holds one line: vault = "/path/to/vault"') from error


def _stores(path: Path, table: Mapping[str, Any]) -> tuple[StorePlace, ...]:
    found = table.get("stores", {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ConfigError(f"{path}: stores is no table of stores", _STORE_HINT)
    return tuple(_store(path, name, one) for name, one in found.items())


def _store(path: Path, name: str, table: Mapping[str, Any]) -> StorePlace:
    """One [stores.NAME]. A key that is not known is refused: a mistyped `lock` must not mean no lock."""

    def wrong(what: str, hint: str = _STORE_HINT) -> ConfigError:
        return ConfigError(f"{path}: store {name}: {what}", hint)

    texts = {"folder", "s3", "endpoint", "region", "profile", "lock"}
    unknown = sorted(table.keys() - texts - {"lock_days"})
    if unknown:
        raise wrong(f"{unknown[0]} is not known", f"known: {', '.join(sorted(texts | {'lock_days'}))}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise wrong("a name is 1 to 31 of a-z, 0-9 and -")
    if any(not isinstance(table[key], str) or not table[key] for key in texts & table.keys()):
        raise wrong("folder, s3, endpoint, region, profile and lock are texts")
    if ("folder" in table) == ("s3" in table):
        raise wrong("give either folder or s3")
    days, lock = table.get("lock_days", 0), table.get("lock", "none")
    if type(days) is not int or not 0 <= days <= 36_500 or lock not in _LOCKS or (lock != "none") != (days > 0):
        raise wrong(f"lock is one of {', '.join(_LOCKS)}, and with a lock lock_days is 1 to 36500")
    if "folder" in table:
        if len(table) > 1:
            raise wrong("a folder takes no other settings: only S3 has locks")
        return StorePlace(name=name, folder=(path.parent / Path(table["folder"]).expanduser()).resolve())
    address = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]*?))?/?", table["s3"])
    if address is None:
        raise wrong(f"{table['s3']!r} is no address of a bucket", 's3 = "s3://bucket/prefix"')
    return StorePlace(
        name=name,
        bucket=address[1],
        prefix=address[2] or "",
        endpoint=table.get("endpoint"),
        region=table.get("region"),
        profile=table.get("profile"),
        lock=lock,
        lock_days=days,
    )
