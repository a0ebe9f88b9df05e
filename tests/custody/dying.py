"""A process that dies after any of its changes to the vault's files."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from bwc.storage import fsops
from bwc.storage.syscalls import OsCalls

CHANGES = {"write", "truncate", "fsync", "mkdir", "link", "rename", "unlink"}


class Death(BaseException):
    """The process is gone. What it did stays; nothing that runs afterwards reaches the disk."""


class DyingCalls(OsCalls):
    """The machine's calls; the process dies right after the `at`-th that changes anything."""

    at = 1 << 30
    done = 0
    dead = False

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name.startswith("_") or name in {"close", "done"} or not callable(call):
            return call

        def counted(*args: Any, **more: Any) -> Any:
            if DyingCalls.dead:
                raise Death
            found = call(*args, **more)
            if name in CHANGES or (name == "open" and args[1] & os.O_CREAT):
                DyingCalls.done += 1
                if DyingCalls.done > DyingCalls.at:
                    DyingCalls.dead = True
                    raise Death
            return found

        return counted


def dying(act: Callable[[], None], at: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do `act`, dying after the `at`-th change; whether it came to that."""
    DyingCalls.at, DyingCalls.done, DyingCalls.dead = at, 0, False
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "OsCalls", DyingCalls)
        try:
            act()
        except Death:
            return True
    return False
