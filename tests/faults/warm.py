"""The installed command run in a copy of a process that has imported everything: a trial then costs no start of Python.

A copy may be watched by strace from its first instruction of the command on, so that its n-th system call is the command's
own n-th. The parser of media is such a copy too.
"""

import contextlib
import importlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bwc.cli import main as entry_point
from bwc.media import sandbox
from tests.faults.dock import BWC, Said, Trial

_LAZY = ("bwc.cli.intake", "bwc.ingest.intake", "bwc.custody.house", "bwc.media.sandbox", "bwc.cli.verifying")
_LAZY += ("bwc.custody.inspection", "bwc.agent", "bwc.keyfile", "rich.progress", "bwc.media.probe")
_LAZY += ("bwc.media.group_index", "bwc.ingest.receipt_file", "bwc.ingest.docks", "bwc.ingest.sidecar_map")
_ATTACHED_S = 20.0


def preload() -> None:
    """Import what the command would import while it runs."""
    for module in _LAZY:
        importlib.import_module(module)


class Forked:
    """One run of the command that may be killed, or watched by `strace` (its options, from `-f` on)."""

    def __init__(
        self, trial: Trial, words: Sequence[str], *, exec_it: bool = False, strace: Sequence[str] = ()
    ) -> None:
        self._out, self._err = trial.place / "out", trial.place / "err"
        self._strace: subprocess.Popen[bytes] | None = None
        self.status: int | None = None
        for path in (self._out, self._err):
            path.write_bytes(
                b""
            )  # killed before its first instruction it has said nothing, not what the run before said
        self.began = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            self._child(trial, words, exec_it=exec_it, wait=bool(strace))
        if strace:
            self._watch(strace)

    def _child(self, trial: Trial, words: Sequence[str], *, exec_it: bool, wait: bool) -> None:
        code = 70
        try:
            os.setsid()
            for fd, path in ((1, self._out), (2, self._err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), fd)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(trial.place)
            environment = trial.environment()
            if exec_it:
                os.execve(BWC, [str(BWC), *words], environment)
            os.environ.clear()
            os.environ.update(environment)
            sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(fd, "w"), write_through=True) for fd in (1, 2))
            sys.argv = ["bwc", *words]
            sandbox._start = _forked_parser
            if wait:
                os.kill(os.getpid(), signal.SIGSTOP)
            try:
                entry_point.main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            sys.stdout.flush()
        finally:
            os._exit(code)

    def _watch(self, strace: Sequence[str]) -> None:
        os.waitpid(self.pid, os.WUNTRACED)
        program = shutil.which("strace")
        assert program is not None
        self._strace = subprocess.Popen([program, *strace, "-p", str(self.pid)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _ATTACHED_S
        while "TracerPid:\t0\n" in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii"):
            assert time.monotonic() < deadline, "strace does not attach"
            time.sleep(0.001)
        os.kill(self.pid, signal.SIGCONT)

    def alive(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is None

    def kill(self) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Said:
        """Wait for its end. What it said may hold anything: bytes that are no text are shown as such."""
        if self.status is None:
            self.status = os.waitpid(self.pid, 0)[1]
        if self._strace is not None:
            self._strace.wait()
        out, err = (path.read_text(errors="replace") for path in (self._out, self._err))
        return Said(os.waitstatus_to_exitcode(self.status), out, err)


class _Parser:
    """As much of a `subprocess.Popen` as the sandbox needs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code


def _forked_parser(theirs: Any, limits: Any) -> Any:
    with theirs:
        frames = -1 if limits.decode_frames is None else limits.decode_frames
        numbers = (theirs.fileno(), frames, limits.cpu_seconds, int(limits.groups))
        pid = os.fork()
        if not pid:
            try:
                os.setsid()
                mine = os.dup(theirs.fileno())
                # as after an exec: with the other end of its own socket open it would outlive a parent that is killed
                os.closerange(3, mine)
                os.closerange(mine + 1, 4096)
                os.set_inheritable(mine, True)
                sandbox._child([str(number) for number in (mine, *numbers[1:])])
            finally:
                os._exit(0)
        return _Parser(pid)
